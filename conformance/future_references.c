/* SPDX-License-Identifier: MIT */
/* How long a future lives: as long as somebody holds a reference, whatever became of the rest. */
#include "waiter.h"

#include <string.h>

enum { THREADS = 8, LATER = 2000 };

/* Takes and gives up references of its own, and one that it was given. */
struct holder {
	struct actor actor;
	assay_future *future;
	struct probe *meeting;
	int rounds;
};

static void hold(void *argument)
{
	struct holder *holder = argument;

	meet(holder->meeting, THREADS);
	for (int i = 0; i < holder->rounds; i++) {
		assay_future *again = assay_future_retain(holder->future);

		CHECK(again == holder->future);
		CHECK(assay_future_state(again) != ASSAY_CANCELLED);
		assay_future_release(again);
	}
	assay_future_release(holder->future);
}

static void holders_start(struct holder *holders, struct subject *s, assay_future *future)
{
	struct probe *meeting = probe_new(s);

	for (int i = 0; i < THREADS; i++) {
		holders[i].future = assay_future_retain(future);
		holders[i].meeting = meeting;
		holders[i].rounds = scaled(1000);
		actor_start(&holders[i].actor, hold, &holders[i]);
	}
}

static void holders_join(struct holder *holders)
{
	for (int i = 0; i < THREADS; i++)
		actor_join(&holders[i].actor);
}

ASSAY_TEST(fut_18_references_change_in_many_threads, .clause = "FUT-18", .rounds = 8000)
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_int(executor, 18);
	struct holder holders[THREADS];

	holders_start(holders, s, future);
	holders_join(holders);
	CHECK_EQ(result_int(future), 18);
	executor_end(executor);
	CHECK_EQ(result_int(future), 18);
	assay_future_release(future);
}

ASSAY_TEST(fut_18_references_change_while_the_task_runs, .clause = "FUT-18",
	   .needs = ASSAY_CAP_ASYNCHRONOUS, .rounds = 8000)
{
	assay_executor *executor = executor_new(s, 1);
	struct gate *gate = gate_new(s);
	assay_future *future = submit_gated(executor, gate, NULL, 18);
	struct holder holders[THREADS];

	holders_start(holders, s, future);
	gate_open(gate);
	assay_future_release(future); /* the holders have theirs */
	holders_join(holders);
	executor_end(executor);
}

/* Takes all references before anybody gives one up: a lost one is not made good by chance. */
static void hoard(void *argument)
{
	struct holder *holder = argument;

	meet(&holder->meeting[0], THREADS);
	for (int i = 0; i < holder->rounds; i++)
		assay_future_retain(holder->future);
	meet(&holder->meeting[1], THREADS);
	for (int i = 0; i < holder->rounds; i++)
		assay_future_release(holder->future);
}

ASSAY_TEST(fut_18_no_reference_is_lost, .clause = "FUT-18", .rounds = 8 * 100000)
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_int(executor, 18), *later[LATER];
	struct probe *meeting = shared_new(s, 2 * sizeof *meeting);
	struct holder holders[THREADS];

	CHECK_EQ(result_int(future), 18);
	for (int i = 0; i < THREADS; i++) {
		holders[i].future = future;
		holders[i].meeting = meeting;
		holders[i].rounds = scaled(100000);
		actor_start(&holders[i].actor, hoard, &holders[i]);
	}
	holders_join(holders);
	/* Had it been freed too early, its memory would come back as one of these. */
	for (int i = 0; i < LATER; i++) {
		later[i] = submit_int(executor, i);
		CHECK(later[i] != future);
	}
	CHECK_EQ(result_int(future), 18);
	executor_end(executor);
	for (int i = 0; i < LATER; i++) {
		CHECK_EQ(result_int(later[i]), i);
		assay_future_release(later[i]);
	}
	assay_future_release(future);
}

ASSAY_TEST(fut_18_the_last_reference_is_enough, .clause = "FUT-18")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_int(executor, 18);

	for (int i = 0; i < 10; i++)
		CHECK(assay_future_retain(future) == future);
	executor_end(executor);
	for (int i = 0; i < 10; i++) {
		assay_future_release(future);
		CHECK_EQ(result_int(future), 18);
	}
	assay_future_release(future);
}

static void wait_and_release(void *argument)
{
	assay_future *future = argument;

	CHECK_EQ(result_int(future), 18);
	assay_future_release(future);
}

ASSAY_TEST(fut_18_a_waiter_lives_on_its_own_reference, .clause = "FUT-18",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct gate *gate = gate_new(s);
	assay_future *future = submit_gated(executor, gate, NULL, 18);
	struct actor actor;

	actor_start(&actor, wait_and_release, assay_future_retain(future));
	actor_await_sleep(&actor);
	assay_future_release(future);
	gate_open(gate);
	actor_join(&actor);
	executor_end(executor);
}

ASSAY_TEST(fut_19_null_is_ignored, .clause = "FUT-19")
{
	(void)s;
	assay_future_release(NULL);
}

ASSAY_TEST(fut_19_a_running_task_ends_without_a_handle, .clause = "FUT-19",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct gate *gate = gate_new(s);
	struct probe *started = probe_new(s), *ran = probe_new(s);
	assay_future *future = submit_gated(executor, gate, started, 19);

	probe_await(started, 1);
	assay_future_release(future);
	assay_future_release(submit_hit(executor, ran));
	gate_open(gate);
	executor_end(executor);
	CHECK_EQ(probe_count(ran), 1);
}

ASSAY_TEST(fut_19_handles_dropped_as_tasks_finish, .clause = "FUT-19", .rounds = 500)
{
	int rounds = scaled(500);
	assay_executor *executor = executor_new(s, 2);
	struct probe *ran = probe_new(s);

	for (int i = 0; i < rounds; i++) {
		assay_future *future = submit_hit(executor, ran);

		if (i % 2)
			CHECK(assay_future_state(future) != ASSAY_CANCELLED);
		assay_future_release(future);
	}
	executor_end(executor);
	CHECK_EQ(probe_count(ran), rounds);
}

static void count_call(assay_future *future, void *user)
{
	CHECK(assay_future_is_done(future));
	probe_hit(user);
}

static void check_alive(struct subject *s, assay_future *future, int error)
{
	struct probe *called = probe_new(s);
	struct assay_partition partition = {.futures = NULL};
	struct assay_outcome outcome;

	CHECK_OK(assay_future_wait(future, ASSAY_FOREVER));
	CHECK_OK(assay_future_outcome(future, ASSAY_FOREVER, &outcome));
	CHECK_ERROR(outcome.error, error);
	CHECK_OK(assay_future_add_done_callback(future, count_call, called));
	CHECK_EQ(probe_count(called), 1);
	CHECK_OK(assay_wait(&future, 1, ASSAY_ALL_COMPLETED, ASSAY_FOREVER, &partition));
	CHECK_EQ(partition.done, 1);
	CHECK_EQ(assay_future_cancel(future), error == ASSAY_ECANCELLED);
	assay_future_release(assay_future_retain(future));
	assay_future_release(future);
}

ASSAY_TEST(fut_20_futures_outlive_their_executor, .clause = "FUT-20")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *value = submit_int(executor, 20);
	assay_future *failure = submit_failing(executor, 20, "twenty");
	struct assay_outcome outcome;

	executor_end(executor);
	CHECK_EQ(result_int(value), 20);
	CHECK_OK(assay_future_outcome(failure, 0, &outcome));
	CHECK_EQ(outcome.code, 20);
	CHECK_STR(outcome.message, "twenty");
	check_alive(s, value, ASSAY_OK);
	check_alive(s, failure, ASSAY_EFAILED);
}

ASSAY_TEST(fut_20_cancelled_futures_outlive_their_executor, .clause = "FUT-20",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	assay_future *future = submit_int(executor, 20);

	CHECK(assay_future_cancel(future));
	release_workers(&workers);
	executor_end(executor);
	check_alive(s, future, ASSAY_ECANCELLED);
}

static int return_large(assay_call *call)
{
	void *bytes;
	int error = assay_call_result(call, 100000, &bytes);

	if (!error)
		memset(bytes, 'x', 100000);
	return error;
}

ASSAY_TEST(fut_20_large_results_outlive_their_executor, .clause = "FUT-20")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_task(executor, return_large, NULL, 0);
	struct assay_outcome outcome;

	executor_end(executor);
	CHECK_OK(assay_future_outcome(future, 0, &outcome));
	CHECK_OK(outcome.error);
	CHECK_EQ(outcome.result_size, 100000);
	for (size_t i = 0; i < 100000; i++)
		CHECK_EQ(((const char *)outcome.result)[i], 'x');
	assay_future_release(future);
}
