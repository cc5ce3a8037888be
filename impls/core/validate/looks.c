/* SPDX-License-Identifier: MIT */
/*
 * A waiter whose looks see no end looks ever more seldom: who is to run the task may need its processor. It does
 * not stop looking, and once a look has seen an end it looks as often as before.
 *
 * The waiter has a clock of its own. A wait reads it when it begins and when it is over, a look at least once
 * between. A task ends when its waiter sleeps, or looks: where the clock goes on, the look is over by then; where it
 * stands still, the look lasts until it sees that.
 */
#include "../port.h"
#include "client.h"

#include <time.h>

/* A step of the clock is longer than any look. */
#define STEP_NS 100000
#define WAITS 1100
/* Without an end in sight, of so many: one in 64 and those before it comes to that; one in 8 were 137. */
#define LOOKS_LEAST 15
#define LOOKS_MOST 30
#define SELDOM 64

static _Thread_local bool is_waiter;
static pid_t waiter;
static _Atomic int readings; /* in this wait */
static int64_t now_ns, step_ns = STEP_NS;

int clock_gettime(clockid_t clock, struct timespec *now)
{
	if (!is_waiter)
		return (int)syscall(SYS_clock_gettime, clock, now);
	now_ns += step_ns;
	*now = port_timespec(now_ns);
	atomic_fetch_add(&readings, 1);
	return 0;
}

static int end_late(assay_call *call)
{
	(void)call;
	while (!atomic_load(&readings)) /* the wait has not begun */
		sched_yield();
	while (atomic_load(&readings) < 2 && validate_thread(waiter).state != 'S')
		sched_yield();
	return ASSAY_OK;
}

static bool wait_looks(assay_executor *executor)
{
	assay_future *future;

	atomic_store(&readings, 0);
	future = client_submit(executor, end_late, NULL, 0);
	client_finish(future);
	return atomic_load(&readings) > 2;
}

int main(void)
{
	assay_executor *executor = client_create(1, NULL);
	int looks = 0, waits = 1;

	validate_expect_end(60);
	is_waiter = true;
	waiter = gettid();
	for (int i = 0; i < WAITS; i++)
		looks += wait_looks(executor);
	MUST(looks >= LOOKS_LEAST && looks <= LOOKS_MOST);
	step_ns = 0;
	while (!wait_looks(executor))
		waits++;
	MUST(waits <= SELDOM);
	for (int i = 0; i < SELDOM; i++)
		MUST(wait_looks(executor));
	is_waiter = false;
	return assay_executor_destroy(executor);
}
