/* SPDX-License-Identifier: MIT */
/* Waiting for a result: how long, and what ends the wait. Time is only ever a lower bound. */
#include "waiter.h"

#include <sched.h>
#include <signal.h>
#include <string.h>

/* A task can be kept from starting. */
#define QUEUES (ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)

/* A task that runs until the gate opens, and returns 7. */
struct gated {
	assay_executor *executor;
	struct gate *gate;
	assay_future *future;
};

static struct gated gated_new(struct subject *s)
{
	struct gated gated = {.executor = executor_new(s, 1), .gate = gate_new(s)};
	struct probe *started = probe_new(s);

	gated.future = submit_gated(gated.executor, gated.gate, started, 7);
	probe_await(started, 1);
	return gated;
}

static void gated_end(struct gated *gated)
{
	gate_open(gated->gate);
	CHECK_EQ(result_int(gated->future), 7);
	executor_end(gated->executor);
	assay_future_release(gated->future);
}

/* By every call that waits for one future. */
static void check_times_out(assay_future *future, int64_t timeout_ns, int64_t least_ns)
{
	for (int call = 0; call < WAIT_CALLS; call++) {
		struct waiter waiter = {.future = future,
					.call = (enum wait_call)call,
					.timeout_ns = timeout_ns,
					.value = -1};

		waiter_run(&waiter);
		CHECK_ERROR(waiter.error, ASSAY_ETIMEDOUT);
		CHECK_EQ(waiter.value, -1);
		CHECK(waiter.elapsed_ns >= least_ns);
	}
}

ASSAY_TEST(res_6_no_time_on_a_running_task, .clause = "RES-6", .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	struct gated gated = gated_new(s);

	check_times_out(gated.future, 0, 0);
	CHECK_EQ(assay_future_state(gated.future), ASSAY_RUNNING);
	gated_end(&gated);
}

ASSAY_TEST(res_6_no_time_on_a_pending_task, .clause = "RES-6", .needs = QUEUES)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	assay_future *future = submit_int(executor, 6);

	check_times_out(future, 0, 0);
	CHECK_EQ(assay_future_state(future), ASSAY_PENDING);
	release_workers(&workers);
	CHECK_EQ(result_int(future), 6);
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(res_7_no_wait_ends_early_on_a_running_task, .clause = "RES-7",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	struct gated gated = gated_new(s);

	check_times_out(gated.future, short_time_ns(), short_time_ns());
	gated_end(&gated);
}

ASSAY_TEST(res_7_no_wait_ends_early_on_a_pending_task, .clause = "RES-7", .needs = QUEUES)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	assay_future *future = submit_int(executor, 7);

	check_times_out(future, short_time_ns(), short_time_ns());
	release_workers(&workers);
	CHECK_EQ(result_int(future), 7);
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(res_7_very_short_limits_are_kept, .clause = "RES-7", .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	static const int64_t limits_ns[] = {1, 999, 1000, 50000, 999999, 1000001};
	struct gated gated = gated_new(s);

	for (size_t i = 0; i < sizeof limits_ns / sizeof *limits_ns; i++)
		check_times_out(gated.future, limits_ns[i], limits_ns[i]);
	gated_end(&gated);
}

ASSAY_TEST(res_7_limits_over_a_second_are_kept, .clause = "RES-7", .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	struct gated gated = gated_new(s);
	int64_t timeout_ns = 1000000000 + short_time_ns(), before_ns = assay_clock_ns();

	CHECK_ERROR(assay_future_wait(gated.future, timeout_ns), ASSAY_ETIMEDOUT);
	CHECK(assay_clock_ns() - before_ns >= timeout_ns);
	gated_end(&gated);
}

/* Waiters by every call, asleep before the gate opens. */
static void check_waiters_released(struct subject *s, int count, int64_t timeout_ns)
{
	struct gated gated = gated_new(s);
	struct waiter waiters[4 * WAIT_CALLS];

	for (int i = 0; i < count; i++)
		waiter_start(&waiters[i], gated.future, (enum wait_call)(i % WAIT_CALLS),
			     timeout_ns);
	for (int i = 0; i < count; i++)
		actor_await_sleep(&waiters[i].actor);
	for (int i = 0; i < count; i++)
		CHECK_EQ(__atomic_load_n(&waiters[i].is_over, __ATOMIC_ACQUIRE), 0);
	gate_open(gated.gate);
	waiters_join(waiters, count);
	for (int i = 0; i < count; i++) {
		CHECK_OK(waiters[i].error);
		CHECK_EQ(waiters[i].value, 7);
	}
	gated_end(&gated);
}

ASSAY_TEST(res_8_unlimited_wait_ends_with_the_task, .clause = "RES-8",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	check_waiters_released(s, 1, ASSAY_FOREVER);
}

ASSAY_TEST(res_8_unlimited_wait_on_a_finished_task, .clause = "RES-8")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_int(executor, 8);

	CHECK_OK(assay_future_wait(future, ASSAY_FOREVER));
	for (int call = 0; call < WAIT_CALLS; call++) {
		struct waiter waiter = {.future = future,
					.call = (enum wait_call)call,
					.timeout_ns = ASSAY_FOREVER};

		waiter_run(&waiter);
		CHECK_OK(waiter.error);
		CHECK_EQ(waiter.value, 8);
	}
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(res_8_task_ends_while_waits_begin, .clause = "RES-8", .rounds = 300)
{
	assay_executor *executor = executor_new(s, 2);

	for (int round = scaled(300); round > 0; round--) {
		assay_future *future = submit_int(executor, round);
		struct waiter waiter = {.future = future,
					.call = (enum wait_call)(round % WAIT_CALLS),
					.timeout_ns = ASSAY_FOREVER};

		waiter_run(&waiter);
		CHECK_OK(waiter.error);
		CHECK_EQ(waiter.value, round);
		assay_future_release(future);
	}
	executor_end(executor);
}

ASSAY_TEST(res_9_timeout_leaves_a_running_task_alone, .clause = "RES-9",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	struct gated gated = gated_new(s);

	for (int i = 0; i < 50; i++)
		check_times_out(gated.future, i, i);
	CHECK_EQ(assay_future_state(gated.future), ASSAY_RUNNING);
	gated_end(&gated);
}

ASSAY_TEST(res_9_timeout_leaves_a_pending_task_alone, .clause = "RES-9", .needs = QUEUES)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	struct probe *ran = probe_new(s);
	assay_future *future = submit_hit(executor, ran);

	for (int i = 0; i < 50; i++)
		check_times_out(future, i, i);
	CHECK_EQ(assay_future_state(future), ASSAY_PENDING);
	release_workers(&workers);
	CHECK_OK(assay_future_result(future, ASSAY_FOREVER, NULL, 0));
	executor_end(executor);
	CHECK_EQ(probe_count(ran), 1);
	assay_future_release(future);
}

ASSAY_TEST(res_10_any_limit_on_a_finished_task, .clause = "RES-10")
{
	static const int64_t limits_ns[] = {0, -1, INT64_MIN, 1, ASSAY_FOREVER - 1, ASSAY_FOREVER};
	assay_executor *executor = executor_new(s, 1);
	assay_future *value = submit_int(executor, 10);
	assay_future *failure = submit_failing(executor, 10, NULL);

	CHECK_OK(assay_future_wait(value, ASSAY_FOREVER));
	CHECK_OK(assay_future_wait(failure, ASSAY_FOREVER));
	for (size_t i = 0; i < sizeof limits_ns / sizeof *limits_ns; i++) {
		struct assay_outcome outcome;
		int seen = -1;

		CHECK_OK(assay_future_result(value, limits_ns[i], &seen, sizeof seen));
		CHECK_EQ(seen, 10);
		CHECK_OK(assay_future_wait(value, limits_ns[i]));
		CHECK_OK(assay_future_outcome(failure, limits_ns[i], &outcome));
		CHECK_EQ(outcome.code, 10);
		CHECK_ERROR(assay_future_result(failure, limits_ns[i], NULL, 0), ASSAY_EFAILED);
	}
	executor_end(executor);
	assay_future_release(value);
	assay_future_release(failure);
}

ASSAY_TEST(res_11_negative_limits_are_no_time, .clause = "RES-11", .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	struct gated gated = gated_new(s);

	check_times_out(gated.future, -1, 0);
	check_times_out(gated.future, -1000000000, 0);
	check_times_out(gated.future, INT64_MIN + 1, 0);
	check_times_out(gated.future, INT64_MIN, 0);
	gated_end(&gated);
}

ASSAY_TEST(res_12_fractions_of_a_unit_count, .clause = "RES-12", .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	struct gated gated = gated_new(s);
	int64_t timeout_ns = short_time_ns() * 3 / 2;

	check_times_out(gated.future, timeout_ns, timeout_ns);
	check_times_out(gated.future, 1500000, 1500000); /* one and a half milliseconds */
	gated_end(&gated);
}

ASSAY_TEST(res_14_the_largest_finite_limit_does_not_overflow, .clause = "RES-14",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	check_waiters_released(s, WAIT_CALLS, INT64_MAX - 1);
}

ASSAY_TEST(res_14_forever_does_not_overflow, .clause = "RES-14", .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	check_waiters_released(s, WAIT_CALLS, INT64_MAX);
}

ASSAY_TEST(res_14_half_the_range_does_not_overflow, .clause = "RES-14",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	check_waiters_released(s, WAIT_CALLS, INT64_MAX / 2 + 1);
}

/* By each call, for a task that only this worker can run. */
static int wait_for_its_own(assay_call *call)
{
	struct waiter waiter = {.timeout_ns = INT64_MAX - 1};

	for (int by = 0; by < WAIT_CALLS; by++) {
		waiter.call = (enum wait_call)by;
		waiter.future = submit_int(call->executor, by);
		waiter_run(&waiter);
		CHECK_OK(waiter.error);
		CHECK_EQ(waiter.value, by);
		assay_future_release(waiter.future);
	}
	return ASSAY_OK;
}

ASSAY_TEST(res_14_the_largest_finite_limit_in_a_task, .clause = "RES-14",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_NESTED_SUBMIT | ASSAY_CAP_NESTED_WAIT)
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_task(executor, wait_for_its_own, NULL, 0);

	CHECK_OK(assay_future_result(future, ASSAY_FOREVER, NULL, 0));
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(res_15_all_waiting_threads_are_released, .clause = "RES-15",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	check_waiters_released(s, 4 * WAIT_CALLS, ASSAY_FOREVER);
}

ASSAY_TEST(res_15_waiters_with_and_without_limit, .clause = "RES-15",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	struct gated gated = gated_new(s);
	struct waiter waiters[16];

	for (int i = 0; i < 16; i++)
		waiter_start(&waiters[i], gated.future, BY_RESULT,
			     i % 2 ? short_time_ns() : ASSAY_FOREVER);
	for (int i = 1; i < 16; i += 2) {
		actor_join(&waiters[i].actor);
		CHECK_ERROR(waiters[i].error, ASSAY_ETIMEDOUT);
	}
	for (int i = 0; i < 16; i += 2)
		actor_await_sleep(&waiters[i].actor);
	gate_open(gated.gate);
	for (int i = 0; i < 16; i += 2) {
		actor_join(&waiters[i].actor);
		CHECK_OK(waiters[i].error);
		CHECK_EQ(waiters[i].value, 7);
	}
	gated_end(&gated);
}

static void ignore_signal(int number)
{
	(void)number;
}

/* A signal that interrupts system calls instead of restarting them. */
static void interrupt_by(int number)
{
	struct sigaction action;

	memset(&action, 0, sizeof action);
	action.sa_handler = ignore_signal;
	sigemptyset(&action.sa_mask);
	CHECK_EQ(sigaction(number, &action, NULL), 0);
}

ASSAY_TEST(res_25_signals_do_not_end_a_wait, .clause = "RES-25", .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	struct gated gated = gated_new(s);
	struct waiter waiters[WAIT_CALLS];

	interrupt_by(SIGUSR1);
	waiters_park(waiters, WAIT_CALLS, gated.future);
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < WAIT_CALLS; i++)
			CHECK_EQ(pthread_kill(waiters[i].actor.thread, SIGUSR1), 0);
		for (int i = 0; i < WAIT_CALLS; i++) {
			actor_await_sleep(&waiters[i].actor);
			CHECK_EQ(__atomic_load_n(&waiters[i].is_over, __ATOMIC_ACQUIRE), 0);
		}
	}
	gate_open(gated.gate);
	waiters_join(waiters, WAIT_CALLS);
	for (int i = 0; i < WAIT_CALLS; i++) {
		CHECK_OK(waiters[i].error);
		CHECK_EQ(waiters[i].value, 7);
	}
	gated_end(&gated);
}

ASSAY_TEST(res_25_signals_neither_shorten_nor_renew_a_limit, .clause = "RES-25",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	struct gated gated = gated_new(s);

	interrupt_by(SIGUSR1);
	for (int call = 0; call < WAIT_CALLS; call++) {
		struct waiter waiter;

		waiter_start(&waiter, gated.future, (enum wait_call)call, short_time_ns());
		/* A limit that starts anew after each signal would never pass. */
		while (!__atomic_load_n(&waiter.is_over, __ATOMIC_ACQUIRE)) {
			CHECK_EQ(pthread_kill(waiter.actor.thread, SIGUSR1), 0);
			sched_yield();
		}
		actor_join(&waiter.actor);
		CHECK_ERROR(waiter.error, ASSAY_ETIMEDOUT);
		CHECK(waiter.elapsed_ns >= short_time_ns());
	}
	gated_end(&gated);
}
