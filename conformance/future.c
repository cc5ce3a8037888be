/* SPDX-License-Identifier: MIT */
/* Which way the states of a future go, who learns of it, and how long a future lives. */
#include "waiter.h"

#include <sched.h>

/* A task can be kept from starting. */
#define QUEUES (ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)

enum { BATCH = 64, THREADS = 4 };

/* A thread that looks at the same futures again and again until all are done. */
struct observer {
	struct actor actor;
	assay_future **futures;
	struct probe *looking; /* hit once it looks */
};

static bool may_follow(enum assay_state before, enum assay_state after)
{
	switch (before) {
	case ASSAY_PENDING:
		return true;
	case ASSAY_RUNNING:
		return after == ASSAY_RUNNING || after == ASSAY_FINISHED;
	default:
		return after == before;
	}
}

static void observe(void *argument)
{
	struct observer *observer = argument;
	enum assay_state last[BATCH] = {ASSAY_PENDING};
	int done;

	do {
		done = 0;
		for (int i = 0; i < BATCH; i++) {
			enum assay_state state = assay_future_state(observer->futures[i]);

			CHECK(may_follow(last[i], state));
			last[i] = state;
			done += state >= ASSAY_CANCELLED;
		}
		probe_hit(observer->looking);
		sched_yield();
	} while (done < BATCH);
	for (int i = 0; i < BATCH; i++)
		CHECK_EQ(assay_future_state(observer->futures[i]), last[i]);
}

static void observer_start(struct observer *observer, struct subject *s, assay_future **futures)
{
	observer->futures = futures;
	observer->looking = probe_new(s);
	actor_start(&observer->actor, observe, observer);
	probe_await(observer->looking, 1);
}

static void submit_batch(assay_executor *executor, struct probe *ran, assay_future **futures)
{
	for (int i = 0; i < BATCH; i++)
		futures[i] = submit_hit(executor, &ran[i]);
}

static void release_batch(assay_future **futures)
{
	for (int i = 0; i < BATCH; i++)
		assay_future_release(futures[i]);
}

/* Asks a done future everything, again and again. */
struct asker {
	struct actor actor;
	assay_future *future;
	enum assay_state state;
	int error;
	int code;
	int value;
};

static void ask(void *argument)
{
	const struct asker *asker = argument;

	for (int i = 0; i < 200; i++) {
		struct assay_outcome outcome;
		int value = -1;

		CHECK_EQ(assay_future_cancel(asker->future), asker->state == ASSAY_CANCELLED);
		CHECK_EQ(assay_future_state(asker->future), asker->state);
		CHECK_OK(assay_future_outcome(asker->future, i % 2, &outcome));
		CHECK_ERROR(outcome.error, asker->error);
		CHECK_EQ(outcome.code, asker->code);
		CHECK_ERROR(assay_future_result(asker->future, 0, &value, sizeof value),
			    asker->error);
		CHECK_EQ(value, asker->value);
	}
}

/* From several threads while the executor lives, and once more when it is gone. */
static void check_for_ever(assay_executor *executor, struct asker expected)
{
	struct asker askers[THREADS];

	for (int i = 0; i < THREADS; i++) {
		askers[i] = expected;
		actor_start(&askers[i].actor, ask, &askers[i]);
	}
	for (int i = 0; i < THREADS; i++)
		actor_join(&askers[i].actor);
	executor_end(executor);
	ask(&expected);
	assay_future_release(expected.future);
}

ASSAY_TEST(fut_9_value_never_changes, .clause = "FUT-9")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_int(executor, 9);

	CHECK_EQ(result_int(future), 9);
	check_for_ever(executor,
		       (struct asker){.future = future, .state = ASSAY_FINISHED, .value = 9});
}

ASSAY_TEST(fut_9_failure_never_changes, .clause = "FUT-9")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_failing(executor, 99, "ninety-nine");

	CHECK_OK(assay_future_wait(future, ASSAY_FOREVER));
	check_for_ever(executor, (struct asker){.future = future,
						.state = ASSAY_FINISHED,
						.error = ASSAY_EFAILED,
						.code = 99,
						.value = -1});
}

ASSAY_TEST(fut_9_cancellation_never_changes, .clause = "FUT-9", .needs = QUEUES)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	assay_future *future = submit_int(executor, 9);

	CHECK(assay_future_cancel(future));
	release_workers(&workers);
	check_for_ever(executor, (struct asker){.future = future,
						.state = ASSAY_CANCELLED,
						.error = ASSAY_ECANCELLED,
						.value = -1});
}

ASSAY_TEST(fut_10_states_only_move_forward, .clause = "FUT-10", .needs = QUEUES, .rounds = 20)
{
	for (int round = scaled(20); round > 0; round--) {
		assay_executor *executor = executor_new(s, 2);
		struct occupied workers = occupy_workers(s, executor, 2);
		struct probe *ran = shared_new(s, BATCH * sizeof *ran);
		assay_future *futures[BATCH];
		struct observer observer;

		submit_batch(executor, ran, futures);
		observer_start(&observer, s, futures);
		release_workers(&workers);
		actor_join(&observer.actor);
		for (int i = 0; i < BATCH; i++)
			CHECK_EQ(assay_future_state(futures[i]), ASSAY_FINISHED);
		executor_end(executor);
		release_batch(futures);
	}
}

ASSAY_TEST(fut_10_running_is_over_when_done, .clause = "FUT-10", .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct gate *gate = gate_new(s);
	struct probe *started = probe_new(s);
	assay_future *future = submit_gated(executor, gate, started, 10);
	bool done;

	probe_await(started, 1);
	CHECK_EQ(assay_future_state(future), ASSAY_RUNNING);
	gate_open(gate);
	do {
		done = assay_future_is_done(future);
		if (done)
			CHECK_EQ(assay_future_state(future), ASSAY_FINISHED);
	} while (!done);
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(fut_11_running_is_not_left_but_by_finishing, .clause = "FUT-11",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct gate *gate = gate_new(s);
	struct probe *started = probe_new(s);
	assay_future *future = submit_gated(executor, gate, started, 11);

	probe_await(started, 1);
	for (int i = 0; i < 100; i++) {
		CHECK(!assay_future_cancel(future));
		CHECK_ERROR(assay_future_wait(future, 0), ASSAY_ETIMEDOUT);
		CHECK_EQ(assay_future_state(future), ASSAY_RUNNING);
	}
	gate_open(gate);
	CHECK_EQ(result_int(future), 11);
	CHECK_EQ(assay_future_state(future), ASSAY_FINISHED);
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(fut_11_running_is_not_cancelled_by_a_late_cancel, .clause = "FUT-11", .needs = QUEUES,
	   .rounds = 20)
{
	for (int round = scaled(20); round > 0; round--) {
		assay_executor *executor = executor_new(s, 2);
		struct occupied workers = occupy_workers(s, executor, 2);
		struct probe *ran = shared_new(s, BATCH * sizeof *ran);
		assay_future *futures[BATCH];
		struct observer observer;

		submit_batch(executor, ran, futures);
		observer_start(&observer, s, futures);
		gate_open(workers.gate);
		for (int i = BATCH - 1; i >= 0; i--)
			assay_future_cancel(futures[i]);
		actor_join(&observer.actor);
		release_workers(&workers);
		executor_end(executor);
		release_batch(futures);
	}
}

/* Cancels every future of a batch, as fast as it can. */
struct canceller {
	struct actor actor;
	assay_future **futures;
	struct probe *meeting;
	bool said[BATCH];
};

static void cancel_batch(void *argument)
{
	struct canceller *canceller = argument;

	meet(canceller->meeting, THREADS);
	for (int i = 0; i < BATCH; i++)
		canceller->said[i] = assay_future_cancel(canceller->futures[i]);
}

ASSAY_TEST(fut_12_cancel_and_completion_have_one_winner, .clause = "FUT-12", .rounds = 20)
{
	for (int round = scaled(20); round > 0; round--) {
		assay_executor *executor = executor_new(s, 2);
		struct probe *ran = shared_new(s, BATCH * sizeof *ran), *meeting = probe_new(s);
		struct canceller cancellers[THREADS];
		assay_future *futures[BATCH];

		submit_batch(executor, ran, futures);
		for (int t = 0; t < THREADS; t++) {
			cancellers[t].futures = futures;
			cancellers[t].meeting = meeting;
			actor_start(&cancellers[t].actor, cancel_batch, &cancellers[t]);
		}
		for (int t = 0; t < THREADS; t++)
			actor_join(&cancellers[t].actor);
		executor_end(executor);
		for (int i = 0; i < BATCH; i++) {
			bool cancelled = assay_future_state(futures[i]) == ASSAY_CANCELLED;

			CHECK_EQ(probe_count(&ran[i]), !cancelled);
			for (int t = 0; t < THREADS; t++)
				CHECK_EQ(cancellers[t].said[i], cancelled);
		}
		release_batch(futures);
	}
}

static void count_call(assay_future *future, void *user)
{
	CHECK(assay_future_is_done(future));
	probe_hit(user);
}

ASSAY_TEST(fut_13_completion_reaches_every_kind_of_waiter, .clause = "FUT-13",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct gate *gate = gate_new(s);
	struct probe *called = probe_new(s);
	assay_future *future = submit_gated(executor, gate, NULL, 13);
	struct waiter waiters[WAIT_CALLS];

	CHECK_OK(assay_future_add_done_callback(future, count_call, called));
	waiters_park(waiters, WAIT_CALLS, future);
	gate_open(gate);
	waiters_join(waiters, WAIT_CALLS);
	for (int i = 0; i < WAIT_CALLS; i++) {
		CHECK_OK(waiters[i].error);
		CHECK_EQ(waiters[i].value, 13);
	}
	executor_end(executor);
	CHECK_EQ(probe_count(called), 1);
	assay_future_release(future);
}

ASSAY_TEST(fut_13_failure_reaches_every_kind_of_waiter, .clause = "FUT-13", .needs = QUEUES)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	struct probe *called = probe_new(s);
	assay_future *future = submit_failing(executor, 13, NULL);
	struct waiter waiters[WAIT_CALLS];

	CHECK_OK(assay_future_add_done_callback(future, count_call, called));
	waiters_park(waiters, WAIT_CALLS, future);
	release_workers(&workers);
	waiters_join(waiters, WAIT_CALLS);
	for (int i = 0; i < WAIT_CALLS; i++)
		CHECK_ERROR(waiters[i].error, ASSAY_EFAILED);
	executor_end(executor);
	CHECK_EQ(probe_count(called), 1);
	assay_future_release(future);
}

ASSAY_TEST(fut_13_cancellation_reaches_every_kind_of_waiter, .clause = "FUT-13", .needs = QUEUES)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	struct probe *called = probe_new(s);
	assay_future *future = submit_int(executor, 13);
	struct waiter waiters[WAIT_CALLS];

	CHECK_OK(assay_future_add_done_callback(future, count_call, called));
	waiters_park(waiters, WAIT_CALLS, future);
	CHECK(assay_future_cancel(future));
	waiters_join(waiters, WAIT_CALLS);
	for (int i = 0; i < WAIT_CALLS; i++)
		CHECK_ERROR(waiters[i].error, ASSAY_ECANCELLED);
	CHECK_EQ(probe_count(called), 1);
	release_workers(&workers);
	executor_end(executor);
	CHECK_EQ(probe_count(called), 1);
	assay_future_release(future);
}

ASSAY_TEST(fut_16_futures_alive_at_once_are_distinct, .clause = "FUT-16")
{
	assay_executor *executor = executor_new(s, 2);
	struct probe *ran = shared_new(s, BATCH * sizeof *ran);
	assay_future *futures[BATCH];

	submit_batch(executor, ran, futures);
	for (int i = 0; i < BATCH; i++)
		for (int j = 0; j < i; j++)
			CHECK(futures[i] != futures[j]);
	executor_end(executor);
	release_batch(futures);
}

ASSAY_TEST(fut_16_a_finished_future_is_not_reused_while_held, .clause = "FUT-16")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *kept = submit_int(executor, 16);

	CHECK_EQ(result_int(kept), 16);
	for (int i = 0; i < 300; i++) {
		assay_future *future = submit_int(executor, i);

		CHECK(future != kept);
		CHECK_EQ(result_int(future), i);
		assay_future_release(future);
		CHECK_EQ(result_int(kept), 16);
	}
	executor_end(executor);
	assay_future_release(kept);
}

static int return_own_state(assay_call *call)
{
	struct {
		assay_future **future;
		struct gate *gate;
	} own;
	int state;

	__builtin_memcpy(&own, call->argument, sizeof own);
	gate_wait(own.gate);
	state = (int)assay_future_state(*own.future);
	return assay_return(call, &state, sizeof state);
}

ASSAY_TEST(fut_17_a_task_sees_its_own_future_running, .clause = "FUT-17",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_SHARED_MEMORY)
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future;
	struct {
		assay_future **future;
		struct gate *gate;
	} own = {&future, gate_new(s)};

	future = submit_task(executor, return_own_state, &own, sizeof own);
	gate_open(own.gate);
	CHECK_EQ(result_int(future), ASSAY_RUNNING);
	executor_end(executor);
	assay_future_release(future);
}
