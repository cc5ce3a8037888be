/* SPDX-License-Identifier: MIT */
/* Tests of spec/shutdown.md: the end of a scope, and what is left when an executor has ended. */
#include "closing.h"

#include <sched.h>

ASSAY_TEST(shd_13_destroy_waits_as_shutdown_does, .clause = "SHD-13",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct trace *trace = trace_new(s, 64);
	struct gate *gate = gate_new(s);
	assay_future *future = submit_entry_behind_gate(s, executor, gate, trace);
	struct closing closing;

	for (int i = 0; i < 20; i++)
		assay_future_release(submit_trace(executor, trace, i));
	closing_start(&closing, executor, BY_DESTROY, trace);
	closing_await_sleep(&closing);
	gate_open(gate);
	closing_join(&closing);
	check_returned_last(trace, 21, 1);
	CHECK_EQ(result_int(future), 1);
	assay_future_release(future);
}

static void destroy_at_scope_end(assay_executor **executor)
{
	CHECK_OK(assay_executor_destroy(*executor));
}

/* A program's function that gives up half-way: the executor is its local, as in any C scope. */
static int work_and_give_up(struct subject *s, struct probe *ran, int give_up_after)
{
	__attribute__((cleanup(destroy_at_scope_end))) assay_executor *executor =
		executor_new(s, s->workers);

	for (int i = 0; i < 10; i++) {
		if (i == give_up_after)
			return -1;
		assay_future_release(submit_hit(executor, ran));
	}
	return 0;
}

ASSAY_TEST(shd_13_scope_that_ends_early_waits_too, .clause = "SHD-13")
{
	struct probe *ran = probe_new(s);

	CHECK_EQ(work_and_give_up(s, ran, 4), -1);
	CHECK_EQ(probe_count(ran), 4);
	CHECK_EQ(work_and_give_up(s, ran, 10), 0);
	CHECK_EQ(probe_count(ran), 14);
}

ASSAY_TEST(shd_13_destroy_of_null_is_ignored, .clause = "SHD-13")
{
	(void)s;
	CHECK_OK(assay_executor_destroy(NULL));
}

ASSAY_TEST(shd_16_destroy_alone_runs_what_is_pending, .clause = "SHD-16",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT | ASSAY_CAP_OWNS_WORKERS)
{
	int threads = count_threads(), children = count_children();
	assay_executor *executor = executor_new(s, 2);
	struct occupied workers = occupy_workers(s, executor, 2);
	struct trace *trace = trace_new(s, 64);
	struct closing closing;

	for (int i = 0; i < 50; i++)
		assay_future_release(submit_trace(executor, trace, i));
	closing_start(&closing, executor, BY_DESTROY, trace);
	closing_await_sleep(&closing);
	release_workers(&workers);
	closing_join(&closing);
	check_returned_last(trace, 50, 1);
	CHECK_EQ(count_threads(), threads);
	CHECK_EQ(count_children(), children);
}

ASSAY_TEST(shd_17_never_used_executor_ends_at_once, .clause = "SHD-17",
	   .needs = ASSAY_CAP_OWNS_WORKERS)
{
	int threads = count_threads(), children = count_children();

	for (unsigned flags = 0; flags < 4; flags++) {
		assay_executor *executor = executor_new(s, 4);

		CHECK_OK(assay_executor_shutdown(executor, flags));
		CHECK_OK(assay_executor_destroy(executor));
		CHECK_EQ(count_threads(), threads);
		CHECK_EQ(count_children(), children);
	}
	CHECK_OK(assay_executor_destroy(executor_new(s, 1)));
	CHECK_EQ(count_threads(), threads);
}

ASSAY_TEST(shd_26_ends_can_be_read_after_shutdown, .clause = "SHD-26")
{
	assay_executor *executor = executor_new(s, s->workers);
	assay_future *futures[50], *failed;
	struct assay_outcome outcome;

	for (int i = 0; i < 50; i++)
		futures[i] = submit_int(executor, i * i);
	failed = submit_failing(executor, 9, "nine");
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT));
	for (int i = 0; i < 50; i++)
		CHECK_EQ(result_int(futures[i]), i * i);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	for (int i = 0; i < 50; i++)
		CHECK_EQ(result_int(futures[i]), i * i);
	CHECK_OK(assay_future_outcome(failed, 0, &outcome));
	CHECK_ERROR(outcome.error, ASSAY_EFAILED);
	CHECK_EQ(outcome.code, 9);
	CHECK_STR(outcome.message, "nine");
	executor_end(executor);
	release_all(futures, 50);
	assay_future_release(failed);
}

/* The runner's deadline is the limit: threads that do not go make a timeout. */
static void await_census(int threads, int children)
{
	NOTE("waiting for %d of %d threads and %d of %d children to be gone", count_threads(),
	     threads, count_children(), children);
	while (count_threads() > threads || count_children() > children)
		sched_yield();
	NOTE("%s", "");
}

ASSAY_TEST(shd_27_workers_go_after_nowait, .clause = "SHD-27",
	   .needs = ASSAY_CAP_OWNS_WORKERS | ASSAY_CAP_ASYNCHRONOUS)
{
	int threads = count_threads(), children = count_children();
	assay_executor *executor = executor_new(s, 3);
	struct gate *gate = gate_new(s);
	assay_future *futures[10];

	for (int i = 0; i < 10; i++)
		futures[i] = submit_gated(executor, gate, NULL, i);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT));
	gate_open(gate);
	for (int i = 0; i < 10; i++)
		CHECK_EQ(result_int(futures[i]), i);
	await_census(threads, children);
	executor_end(executor);
	release_all(futures, 10);
}

/* Workers that had nothing to do when shutdown came. */
ASSAY_TEST(shd_27_idle_workers_go_after_nowait, .clause = "SHD-27",
	   .needs = ASSAY_CAP_OWNS_WORKERS | ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	int threads = count_threads(), children = count_children();
	assay_executor *executor = executor_new(s, 3);
	struct gate *gate = gate_new(s);
	struct probe *started = probe_new(s);
	assay_future *futures[3];

	for (int i = 0; i < 3; i++)
		futures[i] = submit_gated(executor, gate, started, i);
	probe_await(started, 3);
	gate_open(gate);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(result_int(futures[i]), i);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT));
	await_census(threads, children);
	executor_end(executor);
	release_all(futures, 3);
}

ASSAY_TEST(shd_29_another_thread_may_shut_down, .clause = "SHD-29")
{
	assay_executor *executor = executor_new(s, s->workers);
	struct trace *trace = trace_new(s, 64);
	struct closing closing;

	for (int i = 0; i < 20; i++)
		assay_future_release(submit_trace(executor, trace, i));
	closing_start(&closing, executor, ASSAY_SHUTDOWN_WAIT, trace);
	closing_join(&closing);
	check_returned_last(trace, 20, 1);
	CHECK_ERROR(error_of_submit(executor), ASSAY_ESHUTDOWN);
	executor_end(executor);
}

ASSAY_TEST(shd_29_another_thread_may_destroy, .clause = "SHD-29")
{
	assay_executor *executor = executor_new(s, s->workers);
	struct trace *trace = trace_new(s, 64);
	struct closing closing;

	for (int i = 0; i < 20; i++)
		assay_future_release(submit_trace(executor, trace, i));
	closing_start(&closing, executor, BY_DESTROY, trace);
	closing_join(&closing);
	check_returned_last(trace, 20, 1);
}

static int end_other_executor(assay_call *call)
{
	assay_executor *other = *(assay_executor *const *)call->argument;
	int error = assay_executor_shutdown(other, ASSAY_SHUTDOWN_WAIT);

	return assay_return(call, &error, sizeof error);
}

ASSAY_TEST(shd_29_task_of_another_executor_may_wait, .clause = "SHD-29",
	   .needs = ASSAY_CAP_SHARED_MEMORY)
{
	assay_executor *executor = executor_new(s, 1), *other = executor_new(s, 1);
	struct probe *ran = probe_new(s);
	assay_future *future;

	for (int i = 0; i < 20; i++)
		assay_future_release(submit_hit(other, ran));
	future = submit_task(executor, end_other_executor, &other, sizeof other);
	CHECK_OK(result_int(future));
	CHECK_EQ(probe_count(ran), 20);
	CHECK_ERROR(error_of_submit(other), ASSAY_ESHUTDOWN);
	executor_end(other);
	executor_end(executor);
	assay_future_release(future);
}

struct census {
	int threads;
	int children;
	int descriptors;
};

static struct census census_now(void)
{
	return (struct census){count_threads(), count_children(), count_descriptors()};
}

static void check_same(struct census before)
{
	struct census now = census_now();

	CHECK_EQ(now.threads, before.threads);
	CHECK_EQ(now.children, before.children);
	CHECK_EQ(now.descriptors, before.descriptors);
}

static void use_once(struct subject *s, unsigned flags)
{
	assay_executor *executor = executor_new(s, 2);
	assay_future *futures[4];

	for (int i = 0; i < 4; i++)
		futures[i] = submit_int(executor, i);
	CHECK_OK(assay_executor_shutdown(executor, flags));
	CHECK_OK(assay_executor_destroy(executor));
	release_all(futures, 4);
}

ASSAY_TEST(shd_30_many_executors_leave_nothing, .clause = "SHD-30", .needs = ASSAY_CAP_OWNS_WORKERS,
	   .rounds = 300)
{
	int rounds = scaled(300);
	struct census before;

	use_once(s, ASSAY_SHUTDOWN_WAIT); /* what a process keeps for good, it has from here on */
	before = census_now();
	for (int i = 0; i < rounds; i++)
		use_once(s, (unsigned)i % 4);
	check_same(before);
}

static int fail_to_initialize(const void *argument, size_t size)
{
	(void)argument;
	(void)size;
	return 1;
}

static void break_once(struct subject *s)
{
	struct assay_config config = assay_config_default();
	struct assay_task task = {.function = closing_run_nothing};
	assay_executor *executor;
	int error;

	config.workers = 2;
	config.initializer = fail_to_initialize;
	config.log = ignore_log;
	executor = executor_with(s, &config);
	for (int i = 0; i < 4; i++) {
		error = assay_submit(executor, &task, NULL);
		CHECK(error == ASSAY_OK || error == ASSAY_EBROKEN);
	}
	executor_end(executor);
}

ASSAY_TEST(shd_30_many_broken_executors_leave_nothing, .clause = "SHD-30",
	   .needs = ASSAY_CAP_OWNS_WORKERS | ASSAY_CAP_INITIALIZER, .rounds = 100)
{
	int rounds = scaled(100);
	struct census before;

	break_once(s);
	before = census_now();
	for (int i = 0; i < rounds; i++)
		break_once(s);
	check_same(before);
}

ASSAY_TEST(shd_30_many_executors_at_once_leave_nothing, .clause = "SHD-30",
	   .needs = ASSAY_CAP_OWNS_WORKERS)
{
	assay_executor *executors[20];
	struct probe *ran = probe_new(s);
	struct census before;

	use_once(s, ASSAY_SHUTDOWN_WAIT);
	before = census_now();
	for (int i = 0; i < 20; i++) {
		executors[i] = executor_new(s, 2);
		assay_future_release(submit_hit(executors[i], ran));
		assay_future_release(submit_hit(executors[i], ran));
	}
	for (int i = 0; i < 20; i++)
		executor_end(executors[(i * 7) % 20]);
	CHECK_EQ(probe_count(ran), 40);
	check_same(before);
}
