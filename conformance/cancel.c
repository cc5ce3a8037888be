/* SPDX-License-Identifier: MIT */
/* Cancelling: what never runs, what goes on undisturbed, and who is told. */
#include "waiter.h"

/* A task can be kept from starting. */
#define QUEUES (ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)

enum { BATCH = 64, THREADS = 8 };

/* One worker, busy until workers is released. */
static assay_executor *busy_executor(struct subject *s, struct occupied *workers)
{
	assay_executor *executor = executor_new(s, 1);

	*workers = occupy_workers(s, executor, 1);
	return executor;
}

static void busy_end(assay_executor *executor, struct occupied *workers)
{
	release_workers(workers);
	executor_end(executor);
}

static void count_call(assay_future *future, void *user)
{
	CHECK_EQ(assay_future_state(future), ASSAY_CANCELLED);
	probe_hit(user);
}

/* Shifts what comes next against the other thread, by another amount in each round. */
static void pause_briefly(int round)
{
	for (int i = 0; i < 1000 * (round % 16); i++)
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

ASSAY_TEST(can_1_cancelled_task_never_runs, .clause = "CAN-1", .needs = QUEUES)
{
	struct occupied workers;
	assay_executor *executor = busy_executor(s, &workers);
	struct probe *ran = probe_new(s);
	assay_future *future = submit_hit(executor, ran);

	CHECK(assay_future_cancel(future));
	busy_end(executor, &workers);
	CHECK_EQ(probe_count(ran), 0);
	assay_future_release(future);
}

ASSAY_TEST(can_1_every_other_task_cancelled, .clause = "CAN-1", .needs = QUEUES)
{
	struct occupied workers;
	assay_executor *executor = busy_executor(s, &workers);
	struct probe *ran = shared_new(s, BATCH * sizeof *ran);
	assay_future *futures[BATCH];

	for (int i = 0; i < BATCH; i++)
		futures[i] = submit_hit(executor, &ran[i]);
	for (int i = 1; i < BATCH; i += 2)
		CHECK(assay_future_cancel(futures[i]));
	busy_end(executor, &workers);
	for (int i = 0; i < BATCH; i++) {
		CHECK_EQ(probe_count(&ran[i]), i % 2 == 0);
		CHECK_EQ(assay_future_state(futures[i]), i % 2 ? ASSAY_CANCELLED : ASSAY_FINISHED);
		assay_future_release(futures[i]);
	}
}

ASSAY_TEST(can_1_handle_released_before_the_executor_meets_it, .clause = "CAN-1", .needs = QUEUES)
{
	struct occupied workers;
	assay_executor *executor = busy_executor(s, &workers);
	struct probe *ran = probe_new(s);

	for (int i = 0; i < BATCH; i++) {
		assay_future *future = submit_hit(executor, ran);

		CHECK(assay_future_cancel(future));
		assay_future_release(future);
	}
	busy_end(executor, &workers);
	CHECK_EQ(probe_count(ran), 0);
}

ASSAY_TEST(can_1_cancelled_before_any_worker_exists, .clause = "CAN-1", .rounds = 100)
{
	struct probe *ran = shared_new(s, 100 * sizeof *ran);

	for (int i = scaled(100) - 1; i >= 0; i--) {
		assay_executor *executor = executor_new(s, 1);
		assay_future *future = submit_hit(executor, &ran[i]);
		bool cancelled = assay_future_cancel(future);

		executor_end(executor);
		CHECK_EQ(probe_count(&ran[i]), !cancelled);
		assay_future_release(future);
	}
}

ASSAY_TEST(can_2_running_task_goes_on, .clause = "CAN-2", .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct gate *gate = gate_new(s);
	struct probe *started = probe_new(s);
	assay_future *future = submit_gated(executor, gate, started, 2);

	probe_await(started, 1);
	CHECK(!assay_future_cancel(future));
	CHECK_EQ(assay_future_state(future), ASSAY_RUNNING);
	gate_open(gate);
	CHECK_EQ(result_int(future), 2);
	executor_end(executor);
	CHECK_EQ(probe_count(started), 1);
	assay_future_release(future);
}

ASSAY_TEST(can_2_waiters_wait_for_the_real_end, .clause = "CAN-2", .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct gate *gate = gate_new(s);
	struct probe *started = probe_new(s);
	assay_future *future = submit_gated(executor, gate, started, 2);
	struct waiter waiters[WAIT_CALLS];

	probe_await(started, 1);
	waiters_park(waiters, WAIT_CALLS, future);
	CHECK(!assay_future_cancel(future));
	for (int i = 0; i < WAIT_CALLS; i++)
		actor_await_sleep(&waiters[i].actor);
	gate_open(gate);
	waiters_join(waiters, WAIT_CALLS);
	for (int i = 0; i < WAIT_CALLS; i++) {
		CHECK_OK(waiters[i].error);
		CHECK_EQ(waiters[i].value, 2);
	}
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(can_3_finished_task_is_not_cancelled, .clause = "CAN-3")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_int(executor, 3);

	CHECK_EQ(result_int(future), 3);
	CHECK(!assay_future_cancel(future));
	CHECK(!assay_future_cancel(future));
	CHECK_EQ(assay_future_state(future), ASSAY_FINISHED);
	CHECK_EQ(result_int(future), 3);
	executor_end(executor);
	CHECK(!assay_future_cancel(future));
	assay_future_release(future);
}

ASSAY_TEST(can_3_failed_task_is_not_cancelled, .clause = "CAN-3")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_failing(executor, 3, "three");
	struct assay_outcome outcome;

	CHECK_OK(assay_future_wait(future, ASSAY_FOREVER));
	CHECK(!assay_future_cancel(future));
	CHECK_OK(assay_future_outcome(future, 0, &outcome));
	CHECK_ERROR(outcome.error, ASSAY_EFAILED);
	CHECK_EQ(outcome.code, 3);
	CHECK_STR(outcome.message, "three");
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(can_4_cancelling_again_tells_nobody_again, .clause = "CAN-4", .needs = QUEUES)
{
	struct occupied workers;
	assay_executor *executor = busy_executor(s, &workers);
	struct probe *called = probe_new(s);
	assay_future *future = submit_int(executor, 4);

	CHECK_OK(assay_future_add_done_callback(future, count_call, called));
	for (int i = 0; i < 10; i++) {
		CHECK(assay_future_cancel(future));
		CHECK_EQ(probe_count(called), 1);
	}
	busy_end(executor, &workers);
	CHECK(assay_future_cancel(future));
	CHECK_EQ(probe_count(called), 1);
	assay_future_release(future);
}

ASSAY_TEST(can_5_cancelling_wakes_who_waits, .clause = "CAN-5", .needs = QUEUES)
{
	struct occupied workers;
	assay_executor *executor = busy_executor(s, &workers);
	assay_future *future = submit_int(executor, 5);
	struct waiter waiters[3 * WAIT_CALLS];

	waiters_park(waiters, 3 * WAIT_CALLS, future);
	CHECK(assay_future_cancel(future));
	waiters_join(waiters, 3 * WAIT_CALLS);
	for (int i = 0; i < 3 * WAIT_CALLS; i++)
		CHECK_ERROR(waiters[i].error, ASSAY_ECANCELLED);
	busy_end(executor, &workers);
	assay_future_release(future);
}

ASSAY_TEST(can_5_waiting_for_a_cancelled_task_returns, .clause = "CAN-5", .needs = QUEUES)
{
	struct occupied workers;
	assay_executor *executor = busy_executor(s, &workers);
	assay_future *future = submit_int(executor, 5);
	struct waiter waiters[WAIT_CALLS];

	CHECK(assay_future_cancel(future));
	for (int i = 0; i < WAIT_CALLS; i++)
		waiter_start(&waiters[i], future, (enum wait_call)i, ASSAY_FOREVER);
	waiters_join(waiters, WAIT_CALLS);
	for (int i = 0; i < WAIT_CALLS; i++)
		CHECK_ERROR(waiters[i].error, ASSAY_ECANCELLED);
	busy_end(executor, &workers);
	assay_future_release(future);
}

ASSAY_TEST(can_5_cancelling_while_waits_begin, .clause = "CAN-5", .needs = QUEUES, .rounds = 200)
{
	struct occupied workers;
	assay_executor *executor = busy_executor(s, &workers);

	for (int round = scaled(200); round > 0; round--) {
		assay_future *future = submit_int(executor, 5);
		struct waiter waiter;

		waiter_start(&waiter, future, (enum wait_call)(round % WAIT_CALLS), ASSAY_FOREVER);
		pause_briefly(round);
		CHECK(assay_future_cancel(future));
		actor_join(&waiter.actor);
		CHECK_ERROR(waiter.error, ASSAY_ECANCELLED);
		assay_future_release(future);
	}
	busy_end(executor, &workers);
}

ASSAY_TEST(can_6_cancelled_is_said_whatever_the_time_limit, .clause = "CAN-6", .needs = QUEUES)
{
	static const int64_t limits_ns[] = {0, -1, INT64_MIN, 1, ASSAY_FOREVER - 1, ASSAY_FOREVER};
	struct occupied workers;
	assay_executor *executor = busy_executor(s, &workers);
	assay_future *future = submit_int(executor, 6);

	CHECK(assay_future_cancel(future));
	for (size_t i = 0; i < sizeof limits_ns / sizeof *limits_ns; i++) {
		struct assay_outcome outcome;
		int value = -1;

		CHECK_ERROR(assay_future_result(future, limits_ns[i], &value, sizeof value),
			    ASSAY_ECANCELLED);
		CHECK_EQ(value, -1);
		CHECK_OK(assay_future_wait(future, limits_ns[i]));
		CHECK_OK(assay_future_outcome(future, limits_ns[i], &outcome));
		CHECK_ERROR(outcome.error, ASSAY_ECANCELLED);
		CHECK_EQ(outcome.code, 0);
		CHECK(outcome.result == NULL);
		CHECK_EQ(outcome.result_size, 0);
		CHECK_STR(outcome.message, "");
	}
	busy_end(executor, &workers);
	assay_future_release(future);
}

ASSAY_TEST(can_7_what_is_queued_behind_runs, .clause = "CAN-7", .needs = QUEUES)
{
	struct occupied workers;
	assay_executor *executor = busy_executor(s, &workers);
	struct probe *ran = probe_new(s);
	assay_future *cancelled[BATCH], *last;

	for (int i = 0; i < BATCH; i++)
		cancelled[i] = submit_hit(executor, ran);
	last = submit_int(executor, 7);
	for (int i = 0; i < BATCH; i++)
		CHECK(assay_future_cancel(cancelled[i]));
	release_workers(&workers);
	CHECK_EQ(result_int(last), 7);
	executor_end(executor);
	CHECK_EQ(probe_count(ran), 0);
	for (int i = 0; i < BATCH; i++)
		assay_future_release(cancelled[i]);
	assay_future_release(last);
}

ASSAY_TEST(can_7_cancelled_tasks_are_not_counted_as_started, .clause = "CAN-7", .needs = QUEUES)
{
	struct occupied workers;
	assay_executor *executor = busy_executor(s, &workers);
	struct assay_statistics statistics;
	assay_future *futures[BATCH];
	uint64_t others = (uint64_t)workers.count;

	for (int i = 0; i < BATCH; i++)
		futures[i] = submit_int(executor, 7);
	for (int i = 0; i < BATCH; i += 2)
		CHECK(assay_future_cancel(futures[i]));
	release_workers(&workers);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	assay_executor_statistics(executor, &statistics);
	if (statistics.started == UINT64_MAX || statistics.cancelled == UINT64_MAX)
		UNSUPPORTED("the backend does not count started and cancelled tasks");
	CHECK_EQ(statistics.started, others + BATCH / 2);
	CHECK_EQ(statistics.cancelled, BATCH / 2);
	CHECK_OK(assay_executor_destroy(executor));
	for (int i = 0; i < BATCH; i++)
		assay_future_release(futures[i]);
}

struct canceller {
	struct actor actor;
	assay_future *future;
	struct probe *meeting;
	bool said;
	bool is_done; /* when cancel has returned */
};

static void cancel_one(void *argument)
{
	struct canceller *canceller = argument;

	meet(canceller->meeting, THREADS);
	canceller->said = assay_future_cancel(canceller->future);
	canceller->is_done = assay_future_is_done(canceller->future);
}

ASSAY_TEST(can_8_many_threads_cancel_one_task, .clause = "CAN-8", .needs = QUEUES, .rounds = 50)
{
	struct occupied workers;
	assay_executor *executor = busy_executor(s, &workers);

	for (int round = scaled(50); round > 0; round--) {
		struct probe *called = probe_new(s), *meeting = probe_new(s);
		assay_future *future = submit_int(executor, 8);
		struct canceller cancellers[THREADS];

		CHECK_OK(assay_future_add_done_callback(future, count_call, called));
		for (int i = 0; i < THREADS; i++) {
			cancellers[i].future = future;
			cancellers[i].meeting = meeting;
			actor_start(&cancellers[i].actor, cancel_one, &cancellers[i]);
		}
		for (int i = 0; i < THREADS; i++) {
			actor_join(&cancellers[i].actor);
			CHECK(cancellers[i].said);
			CHECK(cancellers[i].is_done);
		}
		CHECK_EQ(probe_count(called), 1);
		assay_future_release(future);
	}
	busy_end(executor, &workers);
}

/* Cancels tasks while workers take them; the front of the queue and the canceller collide. */
static void chase(struct subject *s, bool forward)
{
	int rounds = scaled(40), cancelled = 0, tasks = 0;

	for (int round = 0; round < rounds; round++) {
		assay_executor *executor = executor_new(s, 2);
		struct probe *ran = shared_new(s, BATCH * sizeof *ran);
		assay_future *futures[BATCH];
		bool said[BATCH];

		for (int i = 0; i < BATCH; i++)
			futures[i] = submit_hit(executor, &ran[i]);
		for (int i = 0; i < BATCH; i++) {
			int at = forward ? i : BATCH - 1 - i;

			said[at] = assay_future_cancel(futures[at]);
		}
		executor_end(executor);
		for (int i = 0; i < BATCH; i++) {
			CHECK_EQ(probe_count(&ran[i]), !said[i]);
			CHECK_EQ(assay_future_state(futures[i]),
				 said[i] ? ASSAY_CANCELLED : ASSAY_FINISHED);
			assay_future_release(futures[i]);
			cancelled += said[i];
			tasks++;
		}
	}
	NOTE("%d of %d tasks were cancelled in time", cancelled, tasks);
}

ASSAY_TEST(can_9_cancelled_or_run_never_both_from_the_front, .clause = "CAN-9", .rounds = 40)
{
	chase(s, true);
}

ASSAY_TEST(can_9_cancelled_or_run_never_both_from_the_back, .clause = "CAN-9", .rounds = 40)
{
	chase(s, false);
}

ASSAY_TEST(can_9_cancel_as_the_worker_comes_free, .clause = "CAN-9", .needs = QUEUES, .rounds = 200)
{
	assay_executor *executor = executor_new(s, 1);
	struct probe *ran = shared_new(s, 200 * sizeof *ran);
	int rounds = scaled(200), cancelled = 0;

	for (int i = 0; i < rounds; i++) {
		struct occupied workers = occupy_workers(s, executor, 1);
		assay_future *future = submit_hit(executor, &ran[i]);
		bool said;

		gate_open(workers.gate);
		pause_briefly(i);
		said = assay_future_cancel(future);
		CHECK_OK(assay_future_wait(future, ASSAY_FOREVER));
		release_workers(&workers);
		CHECK_EQ(probe_count(&ran[i]), !said);
		assay_future_release(future);
		cancelled += said;
	}
	executor_end(executor);
	NOTE("%d of %d tasks were cancelled in time", cancelled, rounds);
}
