/* SPDX-License-Identifier: MIT */
/* Tests of spec/shutdown.md: ASSAY_SHUTDOWN_CANCEL_PENDING. */
#include "closing.h"
#include "waiter.h"

#define PENDING_NEEDS (ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)

static void submit_hits(assay_executor *executor, struct probe *ran, assay_future **futures,
			int count)
{
	for (int i = 0; i < count; i++)
		futures[i] = submit_hit(executor, ran);
}

ASSAY_TEST(shd_8_cancels_everything_pending, .clause = "SHD-8", .needs = PENDING_NEEDS)
{
	assay_executor *executor = executor_new(s, 2);
	struct occupied workers = occupy_workers(s, executor, 2);
	struct probe *ran = probe_new(s);
	assay_future *futures[50];

	submit_hits(executor, ran, futures, 50);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_CANCEL_PENDING));
	CHECK_EQ(count_in_state(futures, 50, ASSAY_CANCELLED), 50);
	for (int i = 0; i < 50; i++)
		CHECK_ERROR(assay_future_result(futures[i], 0, NULL, 0), ASSAY_ECANCELLED);
	release_workers(&workers);
	executor_end(executor);
	CHECK_EQ(probe_count(ran), 0);
	release_all(futures, 50);
}

ASSAY_TEST(shd_8_cancels_after_a_shutdown_that_did_not, .clause = "SHD-8", .needs = PENDING_NEEDS)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	struct probe *ran = probe_new(s);
	assay_future *futures[20];

	submit_hits(executor, ran, futures, 20);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT));
	CHECK_EQ(count_in_state(futures, 20, ASSAY_CANCELLED), 0);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_CANCEL_PENDING));
	CHECK_EQ(count_in_state(futures, 20, ASSAY_CANCELLED), 20);
	release_workers(&workers);
	executor_end(executor);
	CHECK_EQ(probe_count(ran), 0);
	release_all(futures, 20);
}

ASSAY_TEST(shd_8_cancels_what_the_client_cancelled_already, .clause = "SHD-8",
	   .needs = PENDING_NEEDS)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	struct probe *ran = probe_new(s);
	assay_future *futures[20];

	submit_hits(executor, ran, futures, 20);
	for (int i = 0; i < 20; i += 2)
		CHECK(assay_future_cancel(futures[i]));
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_CANCEL_PENDING));
	CHECK_EQ(count_in_state(futures, 20, ASSAY_CANCELLED), 20);
	release_workers(&workers);
	executor_end(executor);
	CHECK_EQ(probe_count(ran), 0);
	release_all(futures, 20);
}

ASSAY_TEST(shd_8_cancelled_tasks_are_counted, .clause = "SHD-8", .needs = PENDING_NEEDS)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	uint64_t plugs = (uint64_t)workers.count;
	struct probe *ran = probe_new(s);
	assay_future *futures[20];
	struct assay_statistics statistics;

	submit_hits(executor, ran, futures, 20);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_CANCEL_PENDING));
	release_workers(&workers);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	assay_executor_statistics(executor, &statistics);
	if (statistics.cancelled == UINT64_MAX || statistics.finished == UINT64_MAX)
		UNSUPPORTED("the backend does not count its tasks");
	CHECK_EQ(statistics.cancelled, 20);
	CHECK_EQ(statistics.finished, plugs);
	executor_end(executor);
	release_all(futures, 20);
}

ASSAY_TEST(shd_9_running_and_finished_tasks_keep_their_ends, .clause = "SHD-9",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct gate *gate = gate_new(s);
	struct probe *started = probe_new(s);
	assay_future *finished = submit_int(executor, 1), *failed, *running;

	failed = submit_failing(executor, 3, NULL);
	CHECK_EQ(result_int(finished), 1);
	CHECK_OK(assay_future_wait(failed, ASSAY_FOREVER));
	running = submit_gated(executor, gate, started, 2);
	probe_await(started, 1);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_CANCEL_PENDING));
	CHECK_EQ(assay_future_state(finished), ASSAY_FINISHED);
	CHECK_EQ(assay_future_state(failed), ASSAY_FINISHED);
	CHECK_EQ(assay_future_state(running), ASSAY_RUNNING);
	gate_open(gate);
	CHECK_EQ(result_int(running), 2);
	CHECK_EQ(result_int(finished), 1);
	CHECK_ERROR(assay_future_result(failed, 0, NULL, 0), ASSAY_EFAILED);
	executor_end(executor);
	assay_future_release(finished);
	assay_future_release(failed);
	assay_future_release(running);
}

ASSAY_TEST(shd_10_wait_and_cancel_returns_after_started_tasks, .clause = "SHD-10",
	   .needs = PENDING_NEEDS)
{
	assay_executor *executor = executor_new(s, 1);
	struct trace *trace = trace_new(s, 8);
	struct gate *gate = gate_new(s);
	assay_future *running = submit_entry_behind_gate(s, executor, gate, trace);
	struct closing closing;

	closing_start(&closing, executor, ASSAY_SHUTDOWN_WAIT | ASSAY_SHUTDOWN_CANCEL_PENDING,
		      trace);
	closing_await_sleep(&closing);
	CHECK_EQ(assay_future_state(running), ASSAY_RUNNING);
	gate_open(gate);
	closing_join(&closing);
	check_returned_last(trace, 1, 1);
	CHECK_EQ(result_int(running), 1);
	executor_end(executor);
	assay_future_release(running);
}

/* The cancellation is not put off until the running task has ended. */
ASSAY_TEST(shd_10_pending_tasks_are_cancelled_while_it_waits, .clause = "SHD-10",
	   .needs = PENDING_NEEDS)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	struct trace *trace = trace_new(s, 8);
	assay_future *pending = submit_trace(executor, trace, 1);
	struct closing closing;

	closing_start(&closing, executor, ASSAY_SHUTDOWN_WAIT | ASSAY_SHUTDOWN_CANCEL_PENDING,
		      trace);
	CHECK_OK(assay_future_wait(pending, ASSAY_FOREVER));
	CHECK_EQ(assay_future_state(pending), ASSAY_CANCELLED);
	CHECK_EQ(trace_length(trace), 0);
	release_workers(&workers);
	closing_join(&closing);
	check_returned_last(trace, 0, 1);
	executor_end(executor);
	assay_future_release(pending);
}

ASSAY_TEST(shd_11_everything_is_done_after_wait_and_cancel, .clause = "SHD-11", .rounds = 50)
{
	int rounds = scaled(50);

	for (int round = 0; round < rounds; round++) {
		assay_executor *executor = executor_new(s, s->workers);
		struct probe *ran = probe_new(s);
		assay_future *futures[100];
		int finished;

		submit_hits(executor, ran, futures, 100);
		if (round % 2)
			probe_await(ran, 1);
		CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT |
								   ASSAY_SHUTDOWN_CANCEL_PENDING));
		finished = count_in_state(futures, 100, ASSAY_FINISHED);
		CHECK_EQ(count_in_state(futures, 100, ASSAY_CANCELLED), 100 - finished);
		CHECK_EQ(probe_count(ran), finished);
		executor_end(executor);
		release_all(futures, 100);
	}
}

ASSAY_TEST(shd_12_later_shutdowns_do_not_take_the_request_back, .clause = "SHD-12",
	   .needs = PENDING_NEEDS)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	struct trace *trace = trace_new(s, 32);
	assay_future *futures[20];
	struct closing closing;

	for (int i = 0; i < 20; i++)
		futures[i] = submit_trace(executor, trace, i);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_CANCEL_PENDING));
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT));
	closing_start(&closing, executor, ASSAY_SHUTDOWN_WAIT, trace);
	closing_await_sleep(&closing);
	release_workers(&workers);
	closing_join(&closing);
	check_returned_last(trace, 0, 1);
	CHECK_EQ(count_in_state(futures, 20, ASSAY_CANCELLED), 20);
	executor_end(executor);
	release_all(futures, 20);
}

/* As a scope that ends: destroy after a request to cancel. */
ASSAY_TEST(shd_12_destroy_does_not_take_the_request_back, .clause = "SHD-12",
	   .needs = PENDING_NEEDS)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	struct trace *trace = trace_new(s, 32);
	assay_future *futures[20];
	struct closing closing;

	for (int i = 0; i < 20; i++)
		futures[i] = submit_trace(executor, trace, i);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_CANCEL_PENDING));
	closing_start(&closing, executor, BY_DESTROY, trace);
	closing_await_sleep(&closing);
	release_workers(&workers);
	closing_join(&closing);
	check_returned_last(trace, 0, 1);
	CHECK_EQ(count_in_state(futures, 20, ASSAY_CANCELLED), 20);
	release_all(futures, 20);
}

/* The running task stays blocked until every waiter has gone on. */
ASSAY_TEST(shd_28_sleeping_waiters_learn_of_the_cancellation, .clause = "SHD-28",
	   .needs = PENDING_NEEDS)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	assay_future *pending = submit_int(executor, 7);
	struct waiter waiters[WAIT_CALLS];

	waiters_park(waiters, WAIT_CALLS, pending);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_CANCEL_PENDING));
	waiters_join(waiters, WAIT_CALLS);
	for (int i = 0; i < WAIT_CALLS; i++)
		CHECK_ERROR(waiters[i].error, ASSAY_ECANCELLED);
	release_workers(&workers);
	executor_end(executor);
	assay_future_release(pending);
}

ASSAY_TEST(shd_28_later_waiters_find_the_cancellation, .clause = "SHD-28", .needs = PENDING_NEEDS)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	assay_future *pending = submit_int(executor, 7);
	struct waiter waiters[WAIT_CALLS];

	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_CANCEL_PENDING));
	for (int i = 0; i < WAIT_CALLS; i++)
		waiter_start(&waiters[i], pending, (enum wait_call)i, ASSAY_FOREVER);
	waiters_join(waiters, WAIT_CALLS);
	for (int i = 0; i < WAIT_CALLS; i++)
		CHECK_ERROR(waiters[i].error, ASSAY_ECANCELLED);
	release_workers(&workers);
	executor_end(executor);
	assay_future_release(pending);
}
