/* SPDX-License-Identifier: MIT */
/*
 * A task that waits for the first of two, while the other two workers take nothing yet: they are in their
 * initializers, or about to leave. It leaves both tasks to them, since one of the two ends only when this wait
 * has seen the other end.
 */
#include "client.h"

#include <assay/compose.h>

#include <semaphore.h>

#define WORKERS 3

/* hold: the workers, until the wait is about to begin. gate: the task that is not to be the first. */
static sem_t hold, gate, held;
static pthread_key_t key;

static void pass(sem_t *semaphore)
{
	while (sem_wait(semaphore))
		;
}

static int pass_gate(assay_call *call)
{
	(void)call;
	pass(&gate);
	return ASSAY_OK;
}

static int do_nothing(assay_call *call)
{
	(void)call;
	return ASSAY_OK;
}

static int wait_for_either(assay_call *call)
{
	assay_future *set[2] = {client_submit(call->executor, pass_gate, NULL, 0),
				client_submit(call->executor, do_nothing, NULL, 0)};
	struct assay_partition seen = {.futures = NULL};

	for (int i = 1; i < WORKERS; i++)
		MUST(sem_post(&hold) == 0);
	MUST(assay_wait(set, 2, ASSAY_FIRST_COMPLETED, ASSAY_FOREVER, &seen) == ASSAY_OK);
	MUST(assay_future_is_done(set[1]) && !assay_future_is_done(set[0]));
	MUST(sem_post(&gate) == 0);
	for (int i = 0; i < 2; i++)
		client_finish(set[i]);
	return ASSAY_OK;
}

static int pass_hold(const void *argument, size_t size)
{
	(void)argument;
	(void)size;
	pass(&hold);
	return 0;
}

/* The first worker runs the task that waits. */
static void in_initializers(void)
{
	struct assay_config config = assay_config_default();
	assay_executor *pool;

	config.workers = WORKERS;
	config.initializer = pass_hold;
	MUST(assay_executor_create(&assay_backend, &config, &pool) == ASSAY_OK);
	MUST(sem_post(&hold) == 0);
	client_finish(client_submit(pool, wait_for_either, NULL, 0));
	MUST(assay_executor_destroy(pool) == ASSAY_OK);
}

/* At the end of the thread, when its place may be another's, who joins this thread before it leaves. */
static void be_held(void *unused)
{
	(void)unused;
	pass(&hold);
}

/* As many at a time as there are to be held: each has a thread of its own. */
static int become_held(assay_call *call)
{
	MUST(pthread_setspecific(key, call) == 0);
	MUST(sem_post(&held) == 0);
	pass(&gate);
	return ASSAY_OK;
}

static void about_to_leave(void)
{
	struct assay_config config = assay_config_default();
	assay_future *futures[WORKERS - 1];
	assay_executor *pool;

	config.workers = WORKERS;
	config.tasks_per_worker = 1;
	MUST(assay_executor_create(&assay_backend, &config, &pool) == ASSAY_OK);
	for (int i = 1; i < WORKERS; i++)
		futures[i - 1] = client_submit(pool, become_held, NULL, 0);
	for (int i = 1; i < WORKERS; i++)
		pass(&held);
	for (int i = 1; i < WORKERS; i++)
		MUST(sem_post(&gate) == 0);
	for (int i = 1; i < WORKERS; i++)
		client_finish(futures[i - 1]);
	/* In the places of those two, or in the third, where nobody was before. */
	for (int i = 1; i < WORKERS; i++)
		client_finish(client_submit(pool, do_nothing, NULL, 0));
	client_finish(client_submit(pool, wait_for_either, NULL, 0));
	MUST(assay_executor_destroy(pool) == ASSAY_OK);
}

int main(void)
{
	validate_expect_end(60);
	MUST(sem_init(&hold, 0, 0) == 0 && sem_init(&gate, 0, 0) == 0 &&
	     sem_init(&held, 0, 0) == 0);
	MUST(pthread_key_create(&key, be_held) == 0);
	for (int round = validate_rounds(20); round > 0; round--) {
		in_initializers();
		about_to_leave();
	}
	return 0;
}
