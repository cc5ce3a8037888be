/* SPDX-License-Identifier: MIT */
/*
 * An idle pool makes no wake-up at all: while the client does something else, provably, no worker is
 * ever scheduled; nor is one that is idle beside a busy one, nor a client that waits. With either form
 * of the fences.
 */
#include <assay/fork_join.h>

#include "../worker.h"
#include "client.h"

#include <semaphore.h>
#include <stdio.h>

#define WORKERS 4
#define WATCHED (WORKERS + 1) /* and the thread that waits */

static struct meeting meeting = {.count = WORKERS};
static pid_t threads[WATCHED];
static sem_t inside, gate;

static int meet_all(assay_call *call)
{
	threads[*(const int *)call->argument] = gettid();
	validate_meet(&meeting);
	return ASSAY_OK;
}

static int run_child(assay_call *call, void *frame)
{
	(void)call;
	(void)frame;
	return ASSAY_OK;
}

static int fork_some(assay_call *call)
{
	struct assay_fork children[8];

	for (int i = 0; i < 8; i++)
		assay_fork(call, &children[i], run_child, NULL);
	for (int i = 8; i-- > 0;)
		MUST(assay_join(call, &children[i]) == ASSAY_OK);
	return ASSAY_OK;
}

static int pass_gate(assay_call *call)
{
	(void)call;
	sem_post(&inside);
	while (sem_wait(&gate))
		;
	return ASSAY_OK;
}

/* Every worker has run tasks, and has a deque of children. */
static void use(assay_executor *executor)
{
	assay_future *futures[WORKERS];

	for (int i = 0; i < WORKERS; i++)
		futures[i] = client_submit(executor, meet_all, &i, sizeof i);
	for (int i = 0; i < WORKERS; i++)
		client_finish(futures[i]);
	for (int i = 0; i < 1000; i++)
		client_finish(client_submit(executor, fork_some, &i, sizeof i));
}

static void await_idle(assay_executor *executor, uint32_t sleepers)
{
	const struct pool *pool = (struct pool *)executor;
	unsigned step = 0;

	while (atomic_load(&pool->park.counts) != sleepers * PARK_SLEEPER)
		port_backoff(&step);
}

/* If it is much, it takes long enough for a worker that looks now and then to have looked. */
static void do_something_else(const char *options, int much)
{
	assay_executor *executor = client_create(1, options);

	for (int i = validate_rounds(much); i > 0; i--)
		client_finish(client_submit(executor, fork_some, &i, sizeof i));
	MUST(assay_executor_destroy(executor) == ASSAY_OK);
}

/* True: none of the threads has run since the last time. */
static bool look_again(struct validate_thread *seen, int count)
{
	bool is_same = true;

	for (int i = 0; i < count; i++) {
		struct validate_thread now = validate_thread(threads[i]);

		is_same = is_same && now.sleeps == seen[i].sleeps &&
			  now.preempted == seen[i].preempted;
		seen[i] = now;
	}
	return is_same;
}

static void watch(const char *options, int count)
{
	struct validate_thread seen[WATCHED] = {{0}};

	for (int i = 0; i < count; i++)
		validate_await_sleep(threads[i]);
	/* Who is said to sleep may have been stopped just before it, and counts that later. */
	do
		do_something_else(options, 5000);
	while (!look_again(seen, count));
	do_something_else(options, 20000);
	MUST(look_again(seen, count));
}

static void *wait_for(void *user)
{
	threads[WORKERS] = gettid();
	sem_post(&inside);
	client_finish(user);
	return NULL;
}

int main(void)
{
	static const char *const forms[] = {NULL, "fences=full"};

	validate_expect_end(100);
	MUST(sem_init(&inside, 0, 0) == 0 && sem_init(&gate, 0, 0) == 0);
	for (int form = 0; form < 2; form++) {
		assay_executor *executor = client_create(WORKERS, forms[form]);
		pthread_t waiter;

		use(executor);
		await_idle(executor, WORKERS);
		watch(forms[form], WORKERS);

		validate_start(&waiter, wait_for, client_submit(executor, pass_gate, NULL, 0));
		for (int i = 0; i < 2; i++)
			while (sem_wait(&inside))
				;
		await_idle(executor, WORKERS - 1);
		watch(forms[form], WATCHED);
		sem_post(&gate);
		validate_join(waiter);
		MUST(assay_executor_destroy(executor) == ASSAY_OK);
	}
	return 0;
}
