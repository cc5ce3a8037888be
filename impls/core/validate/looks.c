/* SPDX-License-Identifier: MIT */
/*
 * A waiter whose looks see no end looks ever more seldom: who is to run the task may need its processor. It does
 * not stop looking, and once a look has seen an end it looks as often as before. Where its waits are of the longer
 * kind, and where they are short.
 *
 * Waiters have a clock of their own. A wait reads it when it begins and when it is over, a look at least once
 * between. While the clock goes on a task ends when its waiter sleeps; while it stands still, also when the waiter
 * looks, and the look lasts until it sees that.
 */
#include "../port.h"
#include "client.h"

#include <time.h>

#define WAITS 1100
/* Without an end in sight, of so many: one in 64 and those before it comes to that. One in 8 were 137. */
#define LOOKS_LEAST 15
#define LOOKS_MOST 30
#define SELDOM 64

static _Thread_local bool is_waiter;
static assay_executor *executor;
static pid_t waiter;
static _Atomic int readings; /* in this wait */
static int64_t now_ns;
static _Atomic int64_t step_ns;

int clock_gettime(clockid_t clock, struct timespec *now)
{
	if (!is_waiter)
		return (int)syscall(SYS_clock_gettime, clock, now);
	now_ns += atomic_load(&step_ns);
	*now = port_timespec(now_ns);
	atomic_fetch_add(&readings, 1);
	return 0;
}

static bool is_seen(void)
{
	return !atomic_load(&step_ns) && atomic_load(&readings) > 1;
}

static int end_late(assay_call *call)
{
	(void)call;
	while (!atomic_load(&readings)) /* the wait has not begun */
		sched_yield();
	while (!is_seen() && validate_thread(waiter).state != 'S')
		sched_yield();
	return ASSAY_OK;
}

static bool wait_looks(void)
{
	assay_future *future;

	atomic_store(&readings, 0);
	future = client_submit(executor, end_late, NULL, 0);
	client_finish(future);
	return atomic_load(&readings) > 2;
}

/* A thread that has not waited yet. */
static void *wait_often(void *step)
{
	int looks = 0, waits = 1;

	is_waiter = true;
	waiter = gettid();
	atomic_store(&step_ns, *(const int64_t *)step);
	for (int i = 0; i < WAITS; i++)
		looks += wait_looks();
	MUST(looks >= LOOKS_LEAST && looks <= LOOKS_MOST);
	atomic_store(&step_ns, 0);
	while (!wait_looks())
		waits++;
	MUST(waits <= SELDOM);
	for (int i = 0; i < SELDOM; i++)
		MUST(wait_looks());
	return NULL;
}

int main(void)
{
	/* Longer than any look; and so short that a wait lasts no longer than to sleep would cost. */
	static int64_t steps_ns[] = {100000, 1000};
	pthread_t thread;

	validate_expect_end(60);
	executor = client_create(1, NULL);
	for (int i = 0; i < 2; i++) {
		validate_start(&thread, wait_often, &steps_ns[i]);
		validate_join(thread);
	}
	return assay_executor_destroy(executor);
}
