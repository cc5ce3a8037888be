/* SPDX-License-Identifier: MIT */
/* Submitting: what a future stands for, what is refused, in which order tasks start. */
#include "fixture.h"

#include <stdlib.h>
#include <signal.h>
#include <unistd.h>

#define PENDING_NEEDS (ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)

/* Adds one to the counter whose address is its argument. */
static int count_up(assay_call *call)
{
	uint32_t *counter = *(uint32_t *const *)call->argument;

	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
	return ASSAY_OK;
}

static assay_future *submit_count(assay_executor *executor, uint32_t *counter)
{
	return submit_task(executor, count_up, &counter, sizeof counter);
}

static void check_all_are(const uint32_t *counters, size_t count, uint32_t expected)
{
	for (size_t i = 0; i < count; i++)
		CHECK_EQ(__atomic_load_n(&counters[i], __ATOMIC_RELAXED), expected);
}

/* The task is refused with this error, and the caller's pointer is left alone. */
static void check_refused(assay_executor *executor, const struct assay_task *task, int expected)
{
	assay_future untouched = {NULL};
	assay_future *future = &untouched;

	CHECK_ERROR(assay_submit(executor, task, &future), expected);
	CHECK(future == &untouched);
}

static void check_hit_refused(assay_executor *executor, uint32_t *counter, int expected)
{
	struct assay_task task = {count_up, NULL, &counter, sizeof counter};

	check_refused(executor, &task, expected);
}

ASSAY_TEST(sub_1_future_stands_for_its_call, .clause = "SUB-1")
{
	assay_executor *executor = executor_new(s, s->workers);
	assay_future *first = submit_int(executor, 41);
	assay_future *second = submit_int(executor, -7);

	CHECK(first != second);
	CHECK_EQ(result_int(second), -7);
	CHECK_EQ(result_int(first), 41);
	assay_future_release(first);
	assay_future_release(second);
	executor_end(executor);
}

ASSAY_TEST(sub_1_returns_before_the_task_ends, .clause = "SUB-1", .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, s->workers);
	struct probe *started = probe_new(s);
	struct gate *gate = gate_new(s);
	assay_future *future = submit_gated(executor, gate, started, 5);

	probe_await(started, 1);
	CHECK(!assay_future_is_done(future));
	gate_open(gate);
	CHECK_EQ(result_int(future), 5);
	assay_future_release(future);
	executor_end(executor);
}

ASSAY_TEST(sub_2_each_task_runs_once, .clause = "SUB-2")
{
	enum { COUNT = 300 };
	uint32_t *counters = shared_new(s, COUNT * sizeof *counters);
	assay_executor *executor = executor_new(s, s->workers);

	for (size_t i = 0; i < COUNT; i++)
		assay_future_release(submit_count(executor, &counters[i]));
	executor_end(executor);
	check_all_are(counters, COUNT, 1);
}

ASSAY_TEST(sub_2_each_task_of_a_batch_runs_once, .clause = "SUB-2")
{
	enum { COUNT = 1000 };
	static struct assay_task tasks[COUNT];
	static uint32_t *addresses[COUNT];
	uint32_t *counters = shared_new(s, COUNT * sizeof *counters);
	assay_executor *executor = executor_new(s, s->workers);

	for (size_t i = 0; i < COUNT; i++) {
		addresses[i] = &counters[i];
		tasks[i] = (struct assay_task){count_up, NULL, &addresses[i], sizeof addresses[i]};
	}
	CHECK_OK(assay_submit_many(executor, tasks, COUNT, NULL, NULL));
	executor_end(executor);
	check_all_are(counters, COUNT, 1);
}

ASSAY_TEST(sub_7_submit_after_shutdown_is_refused, .clause = "SUB-7")
{
	uint32_t *counter = shared_new(s, sizeof *counter);
	assay_executor *executor = executor_new(s, s->workers);
	assay_future *future = submit_int(executor, 1);

	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	check_hit_refused(executor, counter, ASSAY_ESHUTDOWN);
	check_hit_refused(executor, counter, ASSAY_ESHUTDOWN);
	executor_end(executor);
	CHECK_EQ(*counter, 0);
	CHECK_EQ(result_int(future), 1);
	assay_future_release(future);
}

ASSAY_TEST(sub_7_submit_to_an_unused_shut_down_executor, .clause = "SUB-7")
{
	uint32_t *counter = shared_new(s, sizeof *counter);
	assay_executor *executor = executor_new(s, s->workers);

	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT));
	check_hit_refused(executor, counter, ASSAY_ESHUTDOWN);
	executor_end(executor);
	CHECK_EQ(*counter, 0);
}

ASSAY_TEST(sub_7_submit_while_the_rest_still_runs, .clause = "SUB-7",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	uint32_t *counter = shared_new(s, sizeof *counter);
	assay_executor *executor = executor_new(s, 2);
	struct probe *started = probe_new(s);
	struct gate *gate = gate_new(s);
	assay_future *running = submit_gated(executor, gate, started, 3);

	probe_await(started, 1);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT));
	check_hit_refused(executor, counter, ASSAY_ESHUTDOWN);
	gate_open(gate);
	CHECK_EQ(result_int(running), 3);
	executor_end(executor);
	CHECK_EQ(*counter, 0);
	assay_future_release(running);
}

struct late_submit {
	struct gate *gate;
	struct probe *started;
	uint32_t *counter;
};

/* Submits to its own executor once the gate is open; returns what submit said. */
static int submit_when_open(assay_call *call)
{
	const struct late_submit *late = call->argument;
	struct assay_task task = {count_up, NULL, &late->counter, sizeof late->counter};
	int error;

	probe_hit(late->started);
	gate_wait(late->gate);
	error = assay_submit(call->executor, &task, NULL);
	return assay_return(call, &error, sizeof error);
}

ASSAY_TEST(sub_7_task_submits_after_shutdown, .clause = "SUB-7",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_NESTED_SUBMIT)
{
	struct late_submit late = {gate_new(s), probe_new(s), shared_new(s, sizeof(uint32_t))};
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_task(executor, submit_when_open, &late, sizeof late);

	probe_await(late.started, 1);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT));
	gate_open(late.gate);
	CHECK_ERROR(result_int(future), ASSAY_ESHUTDOWN);
	executor_end(executor);
	CHECK_EQ(*late.counter, 0);
	assay_future_release(future);
}

/* An executor whose only worker could not be initialized. */
static assay_executor *broken_executor(struct subject *s)
{
	struct gate *gate = gate_new(s);
	assay_executor *executor = executor_doomed(s, 1, gate);
	assay_future *future;

	future = submit_int(executor, 1);
	gate_open(gate);
	CHECK_ERROR(assay_future_result(future, ASSAY_FOREVER, NULL, 0), ASSAY_EBROKEN);
	assay_future_release(future);
	return executor;
}

ASSAY_TEST(sub_8_submit_to_a_broken_executor, .clause = "SUB-8",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_INITIALIZER)
{
	uint32_t *counter = shared_new(s, sizeof *counter);
	assay_executor *executor = broken_executor(s);

	check_hit_refused(executor, counter, ASSAY_EBROKEN);
	check_hit_refused(executor, counter, ASSAY_EBROKEN);
	executor_end(executor);
	CHECK_EQ(*counter, 0);
}

static int kill_own_process(assay_call *call)
{
	(void)call;
	kill(getpid(), SIGKILL);
	return ASSAY_OK;
}

ASSAY_TEST(sub_8_submit_after_a_worker_died, .clause = "SUB-8", .needs = ASSAY_CAP_SURVIVES_CRASH)
{
	uint32_t *counter = shared_new(s, sizeof *counter);
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_task(executor, kill_own_process, NULL, 0);

	CHECK_OK(assay_future_wait(future, ASSAY_FOREVER));
	check_hit_refused(executor, counter, ASSAY_EBROKEN);
	executor_end(executor);
	CHECK_EQ(*counter, 0);
	assay_future_release(future);
}

ASSAY_TEST(sub_9_broken_goes_before_shut_down, .clause = "SUB-9",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_INITIALIZER)
{
	uint32_t *counter = shared_new(s, sizeof *counter);
	assay_executor *executor = broken_executor(s);

	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	check_hit_refused(executor, counter, ASSAY_EBROKEN);
	executor_end(executor);
}

/* Submits count tasks behind busy workers; then all of them run. */
static void check_backlog(struct subject *s, int workers, int count)
{
	assay_executor *executor = executor_new(s, workers);
	struct occupied busy = occupy_workers(s, executor, workers);
	assay_future **futures = calloc((size_t)count, sizeof(assay_future *));
	struct probe *ran = probe_new(s);

	CHECK(futures != NULL);
	for (int i = 0; i < count; i++)
		futures[i] = submit_hit(executor, ran);
	CHECK_EQ(probe_count(ran), 0);
	CHECK(!assay_future_is_done(futures[count - 1]));
	release_workers(&busy);
	executor_end(executor);
	CHECK_EQ(probe_count(ran), count);
	for (int i = 0; i < count; i++)
		assay_future_release(futures[i]);
	free(futures);
}

ASSAY_TEST(sub_10_busy_workers_do_not_block_submit, .clause = "SUB-10", .needs = PENDING_NEEDS)
{
	check_backlog(s, s->workers, 15 * s->workers);
}

ASSAY_TEST(sub_10_long_backlog, .clause = "SUB-10", .needs = PENDING_NEEDS)
{
	check_backlog(s, 1, scaled(1000));
}

ASSAY_TEST(sub_20_missing_function_is_refused, .clause = "SUB-20")
{
	struct assay_task nothing = {NULL, NULL, NULL, 0};
	struct assay_task no_bytes = {count_up, NULL, NULL, sizeof(uint32_t *)};
	struct assay_task fine = {return_tid, NULL, NULL, 0};
	assay_executor *executor = executor_new(s, 1);

	check_refused(executor, &nothing, ASSAY_EINVAL);
	check_refused(executor, &no_bytes, ASSAY_EINVAL);
	check_refused(executor, NULL, ASSAY_EINVAL);
	check_refused(NULL, &fine, ASSAY_EINVAL);
	executor_end(executor);
}

ASSAY_TEST(sub_20_batch_with_a_missing_function, .clause = "SUB-20")
{
	uint32_t *counter = shared_new(s, sizeof *counter);
	struct assay_task tasks[] = {{count_up, NULL, &counter, sizeof counter},
				     {NULL, NULL, NULL, 0}};
	assay_executor *executor = executor_new(s, 1);
	assay_future *futures[2] = {NULL, NULL};
	size_t accepted = 77;

	CHECK_ERROR(assay_submit_many(executor, tasks, 2, futures, &accepted), ASSAY_EINVAL);
	CHECK_EQ(accepted, 0);
	CHECK(futures[0] == NULL && futures[1] == NULL);
	executor_end(executor);
	CHECK_EQ(*counter, 0);
}

ASSAY_TEST(sub_21_waiting_task_is_pending, .clause = "SUB-21", .needs = PENDING_NEEDS)
{
	assay_executor *executor = executor_new(s, s->workers);
	struct occupied busy = occupy_workers(s, executor, s->workers);
	assay_future *future = submit_int(executor, 9);

	CHECK_EQ(assay_future_state(future), ASSAY_PENDING);
	CHECK(!assay_future_is_done(future));
	CHECK_ERROR(assay_future_wait(future, 0), ASSAY_ETIMEDOUT);
	CHECK_EQ(assay_future_state(future), ASSAY_PENDING);
	release_workers(&busy);
	CHECK_EQ(result_int(future), 9);
	assay_future_release(future);
	executor_end(executor);
}

ASSAY_TEST(sub_22_released_future_still_runs, .clause = "SUB-22")
{
	uint32_t *counters = shared_new(s, 50 * sizeof *counters);
	assay_executor *executor = executor_new(s, s->workers);

	for (int i = 0; i < 50; i++)
		assay_future_release(submit_count(executor, &counters[i]));
	executor_end(executor);
	check_all_are(counters, 50, 1);
}

ASSAY_TEST(sub_22_future_released_while_pending, .clause = "SUB-22", .needs = PENDING_NEEDS)
{
	uint32_t *counter = shared_new(s, sizeof *counter);
	assay_executor *executor = executor_new(s, 1);
	struct occupied busy = occupy_workers(s, executor, 1);

	assay_future_release(submit_count(executor, counter));
	CHECK_EQ(__atomic_load_n(counter, __ATOMIC_RELAXED), 0);
	release_workers(&busy);
	executor_end(executor);
	CHECK_EQ(*counter, 1);
}

ASSAY_TEST(sub_23_submitter_does_not_run_the_task, .clause = "SUB-23",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, s->workers);

	for (int i = 0; i < 20; i++) {
		assay_future *future = submit_task(executor, return_tid, NULL, 0);

		CHECK(result_int(future) != (int)gettid());
		assay_future_release(future);
	}
	executor_end(executor);
}

ASSAY_TEST(sub_23_not_even_when_workers_are_busy, .clause = "SUB-23", .needs = PENDING_NEEDS)
{
	assay_executor *executor = executor_new(s, s->workers);
	struct occupied busy = occupy_workers(s, executor, s->workers);
	assay_future *futures[10];

	for (int i = 0; i < 10; i++)
		futures[i] = submit_task(executor, return_tid, NULL, 0);
	release_workers(&busy);
	for (int i = 0; i < 10; i++) {
		CHECK(result_int(futures[i]) != (int)gettid());
		assay_future_release(futures[i]);
	}
	executor_end(executor);
}

ASSAY_TEST(sub_28_task_without_a_future_runs, .clause = "SUB-28")
{
	enum { COUNT = 50 };
	uint32_t *counters = shared_new(s, COUNT * sizeof *counters);
	assay_executor *executor = executor_new(s, s->workers);

	for (int i = 0; i < COUNT; i++) {
		uint32_t *counter = &counters[i];
		struct assay_task task = {count_up, NULL, &counter, sizeof counter};

		CHECK_OK(assay_submit(executor, &task, NULL));
	}
	executor_end(executor);
	check_all_are(counters, COUNT, 1);
}
