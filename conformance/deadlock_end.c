/* SPDX-License-Identifier: MIT */
/* Tasks that wait for tasks, and what else the executor has to do meanwhile: room, ends, counts. */
#include "fixture.h"

#include <string.h>
#include <unistd.h>

#define NESTED (ASSAY_CAP_NESTED_SUBMIT | ASSAY_CAP_NESTED_WAIT)

static int return_nothing(assay_call *call)
{
	return assay_return(call, NULL, 0);
}

/* What a submit to its own executor says. */
static int submit_one_more(assay_call *call)
{
	const struct assay_task task = {.function = return_nothing};
	int error = assay_submit(call->executor, &task, NULL);

	return assay_return(call, &error, sizeof error);
}

static int wait_for_submitter(assay_call *call)
{
	assay_future *child = submit_task(call->executor, submit_one_more, NULL, 0);
	int error = result_int(child);

	assay_future_release(child);
	return assay_return(call, &error, sizeof error);
}

ASSAY_TEST(dlk_11_a_task_that_is_run_makes_room, .clause = "DLK-11",
	   .needs = NESTED | ASSAY_CAP_BOUNDED_QUEUE)
{
	struct assay_config config = assay_config_default();
	assay_executor *executor;
	assay_future *parent;

	config.workers = 1;
	config.queue_capacity = 1;
	executor = executor_with(s, &config);
	for (int round = 0; round < 3; round++) {
		parent = submit_task(executor, wait_for_submitter, NULL, 0);
		CHECK_OK(result_int(parent));
		assay_future_release(parent);
	}
	executor_end(executor);
}

struct crowded {
	struct gate *full; /* the parent may wait */
	struct gate *let_in;
	struct probe *submitted; /* by the parent */
};

static int wait_for_held(assay_call *call)
{
	const struct crowded *crowded = call->argument;
	assay_future *child = submit_gated(call->executor, crowded->let_in, NULL, 0);
	int value;

	probe_hit(crowded->submitted);
	gate_wait(crowded->full);
	value = result_int(child);
	assay_future_release(child);
	return assay_return(call, &value, sizeof value);
}

static void submit_blocking(void *argument)
{
	assay_future_release(submit_int(argument, 1));
}

ASSAY_TEST(dlk_11_room_is_told_to_who_waits_for_it, .clause = "DLK-11",
	   .needs = NESTED | ASSAY_CAP_BOUNDED_QUEUE | ASSAY_CAP_ASYNCHRONOUS)
{
	struct assay_config config = assay_config_default();
	struct crowded crowded = {gate_new(s), gate_new(s), probe_new(s)};
	assay_executor *executor;
	assay_future *parent;
	struct actor actor;

	config.workers = 1;
	config.queue_capacity = 1;
	executor = executor_with(s, &config);
	parent = submit_task(executor, wait_for_held, &crowded, sizeof crowded);
	probe_await(crowded.submitted, 1);
	actor_start(&actor, submit_blocking, executor);
	actor_await_sleep(&actor);
	gate_open(crowded.full);
	/* While the child runs, not when it has ended. */
	actor_join(&actor);
	gate_open(crowded.let_in);
	CHECK_EQ(result_int(parent), 0);
	executor_end(executor);
	assay_future_release(parent);
}

/* A tree of tasks each of which waits for two; ends early where it may not submit. */
static int grow(assay_call *call)
{
	int depth = *(const int *)call->argument, below = depth - 1, error = ASSAY_OK;
	struct assay_task task = {
		.function = grow, .argument = &below, .argument_size = sizeof(int)};
	assay_future *futures[2] = {NULL, NULL};

	for (int i = 0; i < 2 && depth > 0 && !error; i++)
		error = assay_submit(call->executor, &task, &futures[i]);
	for (int i = 0; i < 2; i++)
		if (futures[i]) {
			CHECK_OK(assay_future_wait(futures[i], ASSAY_FOREVER));
			assay_future_release(futures[i]);
		}
	return error ? assay_fail(call, 1, assay_error_name(error)) : ASSAY_OK;
}

static void check_sums(assay_executor *executor)
{
	struct assay_statistics now;

	assay_executor_statistics(executor, &now);
	if (now.submitted == UINT64_MAX)
		return;
	CHECK_EQ(now.finished + now.cancelled + now.broken, now.submitted);
}

ASSAY_TEST(dlk_12_a_shutdown_among_waiting_tasks, .clause = "DLK-12",
	   .needs = NESTED | ASSAY_CAP_ASYNCHRONOUS, .rounds = 60)
{
	int depth = 7;

	for (int round = 0; round < scaled(60); round++) {
		assay_executor *executor = executor_new(s, 1 + round % 2);
		assay_future *futures[4];

		for (int i = 0; i < 4; i++)
			futures[i] = submit_task(executor, grow, &depth, sizeof depth);
		for (int i = 0; i < 100 * (round % 7); i++)
			(void)!assay_future_state(futures[3]);
		CHECK_OK(assay_executor_shutdown(executor, round % 3 ? ASSAY_SHUTDOWN_CANCEL_PENDING
								     : ASSAY_SHUTDOWN_NOWAIT));
		CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
		for (int i = 0; i < 4; i++) {
			CHECK(assay_future_is_done(futures[i]));
			assay_future_release(futures[i]);
		}
		check_sums(executor);
		executor_end(executor);
	}
}

struct watching {
	struct gate *known;
	struct probe *started;
	assay_future *future;
	int tid;
};

static int watch_the_other(assay_call *call)
{
	struct watching *watching = *(struct watching *const *)call->argument;

	watching->tid = gettid();
	probe_hit(watching->started);
	gate_wait(watching->known);
	CHECK_OK(assay_future_wait(watching->future, ASSAY_FOREVER));
	return ASSAY_OK;
}

ASSAY_TEST(dlk_12_pending_is_cancelled_while_a_worker_waits, .clause = "DLK-12",
	   .needs = NESTED | ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT |
		    ASSAY_CAP_WORKER_LIMIT | ASSAY_CAP_SHARED_MEMORY)
{
	assay_executor *executor = executor_new(s, 2);
	struct watching *watching = shared_new(s, sizeof *watching);
	struct gate *gate = gate_new(s);
	struct probe *runs = probe_new(s), *ran = probe_new(s);
	assay_future *waits, *futures[5];
	uint32_t helped = 0;

	watching->known = gate_new(s);
	watching->started = probe_new(s);
	watching->future = submit_gated(executor, gate, runs, 4);
	probe_await(runs, 1);
	waits = submit_task(executor, watch_the_other, &watching, sizeof watching);
	gate_open(watching->known);
	probe_await(watching->started, 1);
	await_sleep(watching->tid);
	for (int i = 0; i < 5; i++)
		futures[i] = submit_hit(executor, ran);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_CANCEL_PENDING));
	gate_open(gate);
	CHECK_OK(assay_future_result(waits, ASSAY_FOREVER, NULL, 0));
	CHECK_EQ(result_int(watching->future), 4);
	executor_end(executor);
	/* Those a helping worker had run before are no harm; the others were cancelled. */
	for (int i = 0; i < 5; i++) {
		int error = assay_future_result(futures[i], 0, NULL, 0);

		CHECK(error == ASSAY_OK || error == ASSAY_ECANCELLED);
		helped += error == ASSAY_OK;
		assay_future_release(futures[i]);
	}
	CHECK_EQ(probe_count(ran), helped);
	assay_future_release(waits);
	assay_future_release(watching->future);
}

ASSAY_TEST(dlk_13_counts_add_up, .clause = "DLK-13", .needs = NESTED)
{
	for (int workers = 1; workers <= 4; workers *= 2) {
		assay_executor *executor = executor_new(s, workers);
		struct assay_statistics now;
		int depth = 6;
		assay_future *top = submit_task(executor, grow, &depth, sizeof depth);

		CHECK_OK(assay_future_result(top, ASSAY_FOREVER, NULL, 0));
		assay_future_release(top);
		CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
		check_sums(executor);
		assay_executor_statistics(executor, &now);
		if (now.submitted != UINT64_MAX) {
			CHECK_EQ(now.submitted, 127);
			CHECK_EQ(now.finished, 127);
		}
		if (now.started != UINT64_MAX)
			CHECK_EQ(now.started, 127);
		executor_end(executor);
	}
}
