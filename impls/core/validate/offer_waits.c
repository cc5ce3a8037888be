/* SPDX-License-Identifier: MIT */
/*
 * A task that waits offers its children: each kind of wait is for what ends when others have run all of
 * them. Who sleeps in a join takes what is offered later. And a worker without others offers nothing.
 */
#include <assay/compose.h>
#include <assay/fork_join.h>

#include "client.h"

#define FORKED 40

/* A task that keeps all it forks, and waits in some way for tasks that end when all its children have run. */
static _Atomic unsigned done, begun;
static assay_executor *own, *other;

typedef void wait_function(assay_call *call);
static wait_function *wait_for_all;

static int count_child(assay_call *call, void *frame)
{
	(void)call;
	(void)frame;
	atomic_fetch_add(&done, 1);
	return ASSAY_OK;
}

static int await_children(assay_call *call)
{
	unsigned step = 0;

	(void)call;
	atomic_fetch_add(&begun, 1);
	while (atomic_load(&done) < FORKED)
		port_backoff(&step);
	return ASSAY_OK;
}

static assay_future *submit_awaiting(assay_executor *executor)
{
	return client_submit(executor, await_children, NULL, 0);
}

static int fork_and_wait(assay_call *call)
{
	struct assay_fork forks[FORKED];

	/* As if it had learnt that nobody takes them: what it offers it offers to wait. */
	__atomic_store_n(&call->children->wanted, 0, __ATOMIC_SEQ_CST);
	for (int i = 0; i < FORKED; i++)
		assay_fork(call, &forks[i], count_child, NULL);
	wait_for_all(call);
	for (int i = FORKED; i-- > 0;)
		MUST(assay_join(call, &forks[i]) == ASSAY_OK);
	return ASSAY_OK;
}

/* Of its own pool, where it runs it in place or not; of another one; with a limit, and without. */
static void wait_here(assay_call *call)
{
	client_finish(submit_awaiting(call->executor));
}

static void wait_elsewhere(assay_call *call)
{
	(void)call;
	client_finish(submit_awaiting(other));
}

static void wait_with_limit(assay_call *call)
{
	assay_future *future = submit_awaiting(call->executor);

	MUST(assay_future_wait(future, INT64_C(3600) * 1000000000) == ASSAY_OK);
	client_finish(future);
}

static void wait_for_first(assay_call *call)
{
	assay_future *futures[2];

	(void)call;
	for (int i = 0; i < 2; i++)
		futures[i] = submit_awaiting(other);
	MUST(assay_wait(futures, 2, ASSAY_FIRST_COMPLETED, ASSAY_FOREVER, NULL) == ASSAY_OK);
	for (int i = 0; i < 2; i++)
		client_finish(futures[i]);
}

/* Until it has begun the first, and the second fills the queue. */
static void fill(assay_executor *executor, assay_future **futures)
{
	unsigned before = atomic_load(&begun), step = 0;

	futures[0] = submit_awaiting(executor);
	while (atomic_load(&begun) == before)
		port_backoff(&step);
	futures[1] = submit_awaiting(executor);
}

/* For room in a queue; or by running the task that has none. */
static void wait_to_submit(enum assay_when_full when_full)
{
	struct assay_config config = assay_config_default();
	assay_executor *executor;
	assay_future *futures[3];

	config.workers = 1;
	config.queue_capacity = 1;
	config.when_full = when_full;
	MUST(assay_executor_create(&assay_backend, &config, &executor) == ASSAY_OK);
	fill(executor, futures);
	futures[2] = submit_awaiting(executor);
	for (int i = 0; i < 3; i++)
		client_finish(futures[i]);
	MUST(assay_executor_destroy(executor) == ASSAY_OK);
}

static void wait_for_room(assay_call *call)
{
	(void)call;
	wait_to_submit(ASSAY_FULL_BLOCK);
}

static void wait_in_place(assay_call *call)
{
	(void)call;
	wait_to_submit(ASSAY_FULL_CALLER_RUNS);
}

static void wait_for_end(assay_call *call)
{
	assay_executor *executor = client_create(1, NULL);

	(void)call;
	assay_future_release(submit_awaiting(executor));
	MUST(assay_executor_destroy(executor) == ASSAY_OK);
}

/* In a callback of what a shutdown cancels. */
static void wait_when_done(assay_future *future, void *user)
{
	(void)future;
	client_finish(submit_awaiting(user));
}

static void wait_in_callback(assay_call *call)
{
	assay_executor *executor = client_create(1, NULL);
	assay_future *futures[2];

	fill(executor, futures);
	MUST(assay_future_add_done_callback(futures[1], wait_when_done, other) == ASSAY_OK);
	MUST(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_CANCEL_PENDING) == ASSAY_OK);
	client_finish(futures[0]);
	assay_future_release(futures[1]);
	MUST(assay_executor_destroy(executor) == ASSAY_OK);
	(void)call;
}

static void wait_for_children(void)
{
	static wait_function *const waits[] = {wait_here,      wait_elsewhere,  wait_with_limit,
					       wait_for_first, wait_for_room,   wait_in_place,
					       wait_for_end,   wait_in_callback};

	own = client_create(3, NULL); /* so that one is left for the children */
	other = client_create(2, NULL);
	for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
		atomic_store(&done, 0);
		wait_for_all = waits[i];
		client_finish(client_submit(own, fork_and_wait, NULL, 0));
	}
	MUST(assay_executor_destroy(other) == ASSAY_OK);
	MUST(assay_executor_destroy(own) == ASSAY_OK);
}

static _Atomic pid_t parent;

/* The thread that joins it has found nothing to do by now, and sleeps. */
static int offer_late(assay_call *call, void *frame)
{
	struct assay_fork forks[FORKED];

	atomic_store((_Atomic bool *)frame, true);
	validate_await_sleep(atomic_load(&parent));
	for (int i = 0; i < FORKED; i++)
		assay_fork(call, &forks[i], count_child, NULL);
	await_children(call);
	for (int i = FORKED; i-- > 0;)
		MUST(assay_join(call, &forks[i]) == ASSAY_OK);
	return ASSAY_OK;
}

static int join_late(assay_call *call)
{
	struct assay_fork child;
	_Atomic bool has_begun = false;
	unsigned step = 0;

	atomic_store(&parent, gettid());
	assay_fork(call, &child, offer_late, (void *)&has_begun);
	while (!atomic_load(&has_begun))
		port_backoff(&step);
	return assay_join(call, &child);
}

/* Who sleeps in a join takes what is offered later. */
static void join_looks_again(void)
{
	own = client_create(2, NULL);
	atomic_store(&done, 0);
	client_finish(client_submit(own, join_late, NULL, 0));
	MUST(assay_executor_destroy(own) == ASSAY_OK);
}

static int report_wanted(assay_call *call)
{
	return assay_return(call, &call->children->wanted, sizeof call->children->wanted);
}

/* A worker without others is wanted to offer nothing. */
static void asks_for_none(void)
{
	for (int count = 1; count < 3; count++) {
		assay_executor *executor = client_create(count, NULL);
		assay_future *future = client_submit(executor, report_wanted, NULL, 0);
		uint32_t wanted;

		MUST(assay_future_result(future, ASSAY_FOREVER, &wanted, sizeof wanted) ==
		     ASSAY_OK);
		MUST(wanted == (count > 1));
		assay_future_release(future);
		MUST(assay_executor_destroy(executor) == ASSAY_OK);
	}
}

int main(void)
{
	validate_expect_end(60);
	asks_for_none();
	wait_for_children();
	join_looks_again();
	return 0;
}
