/* SPDX-License-Identifier: MIT */
/* The counts of an executor add up once nothing moves. */
#include "fixture.h"

#include <signal.h>

#define PENDING_NEEDS (ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)

/* The counts after everything is done. */
static struct assay_statistics final_counts(assay_executor *executor)
{
	struct assay_statistics now;

	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	assay_executor_statistics(executor, &now);
	if (now.submitted == UINT64_MAX || now.started == UINT64_MAX ||
	    now.finished == UINT64_MAX || now.failed == UINT64_MAX || now.cancelled == UINT64_MAX ||
	    now.broken == UINT64_MAX)
		UNSUPPORTED("the backend does not count its tasks");
	CHECK_EQ(now.submitted, now.finished + now.cancelled + now.broken);
	CHECK_EQ(now.started, now.finished);
	CHECK(now.failed <= now.finished);
	return now;
}

ASSAY_TEST(hk_4_unused_executor_counts_nothing, .clause = "HK-4")
{
	assay_executor *executor = executor_new(s, 2);
	struct assay_statistics counts = final_counts(executor);

	CHECK_EQ(counts.submitted, 0);
	CHECK_EQ(counts.failed, 0);
	executor_end(executor);
}

ASSAY_TEST(hk_4_successes_and_failures, .clause = "HK-4")
{
	assay_executor *executor = executor_new(s, s->workers);
	struct assay_statistics counts;

	for (int i = 0; i < 30; i++)
		assay_future_release(i % 6 ? submit_int(executor, i)
					   : submit_failing(executor, 1, NULL));
	counts = final_counts(executor);
	CHECK_EQ(counts.submitted, 30);
	CHECK_EQ(counts.finished, 30);
	CHECK_EQ(counts.failed, 5);
	CHECK_EQ(counts.cancelled, 0);
	CHECK_EQ(counts.broken, 0);
	executor_end(executor);
}

static int do_nothing(assay_call *call)
{
	(void)call;
	return ASSAY_OK;
}

ASSAY_TEST(hk_4_batches_and_tasks_without_futures, .clause = "HK-4")
{
	enum { COUNT = 300 };
	struct assay_task tasks[COUNT];
	assay_executor *executor = executor_new(s, s->workers);
	struct assay_statistics counts;

	for (int i = 0; i < COUNT; i++)
		tasks[i] = (struct assay_task){do_nothing, NULL, NULL, 0};
	CHECK_OK(assay_submit_many(executor, tasks, COUNT, NULL, NULL));
	CHECK_OK(assay_submit(executor, tasks, NULL));
	counts = final_counts(executor);
	CHECK_EQ(counts.submitted, COUNT + 1);
	CHECK_EQ(counts.finished, COUNT + 1);
	CHECK_EQ(counts.failed, 0);
	executor_end(executor);
}

ASSAY_TEST(hk_4_cancelled_tasks, .clause = "HK-4", .needs = PENDING_NEEDS)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied busy = occupy_workers(s, executor, 1);
	uint64_t occupying = (uint64_t)busy.count;
	assay_future *futures[10];
	struct assay_statistics counts;

	for (int i = 0; i < 10; i++)
		futures[i] = submit_int(executor, i);
	for (int i = 0; i < 10; i += 2)
		CHECK(assay_future_cancel(futures[i]));
	release_workers(&busy);
	counts = final_counts(executor);
	CHECK_EQ(counts.submitted, occupying + 10);
	CHECK_EQ(counts.finished, occupying + 5);
	CHECK_EQ(counts.cancelled, 5);
	CHECK_EQ(counts.failed, 0);
	for (int i = 0; i < 10; i++)
		assay_future_release(futures[i]);
	executor_end(executor);
}

ASSAY_TEST(hk_4_tasks_cancelled_by_shutdown, .clause = "HK-4", .needs = PENDING_NEEDS)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied busy = occupy_workers(s, executor, 1);
	uint64_t occupying = (uint64_t)busy.count;
	assay_future *first = submit_int(executor, 0);
	struct assay_statistics counts;

	for (int i = 1; i < 10; i++)
		assay_future_release(submit_int(executor, i));
	CHECK(assay_future_cancel(first)); /* counted once, though cancelled twice */
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_CANCEL_PENDING));
	release_workers(&busy);
	counts = final_counts(executor);
	CHECK_EQ(counts.submitted, occupying + 10);
	CHECK_EQ(counts.cancelled, 10);
	CHECK_EQ(counts.finished, occupying);
	assay_future_release(first);
	executor_end(executor);
}

ASSAY_TEST(hk_4_refused_tasks_are_not_counted, .clause = "HK-4")
{
	struct assay_task nothing = {NULL, NULL, NULL, 0};
	struct assay_task late = {do_nothing, NULL, NULL, 0};
	assay_executor *executor = executor_new(s, s->workers);
	assay_future *future = submit_int(executor, 1);
	struct assay_statistics counts;

	CHECK_ERROR(assay_submit(executor, &nothing, NULL), ASSAY_EINVAL);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	CHECK_ERROR(assay_submit(executor, &late, NULL), ASSAY_ESHUTDOWN);
	counts = final_counts(executor);
	CHECK_EQ(counts.submitted, 1);
	assay_future_release(future);
	executor_end(executor);
}

ASSAY_TEST(hk_4_tasks_of_a_broken_executor, .clause = "HK-4",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_INITIALIZER | ASSAY_CAP_EXACT_START)
{
	struct gate *gate = gate_new(s);
	assay_executor *executor = executor_doomed(s, 1, gate);
	assay_future *futures[6];
	struct assay_statistics counts;

	for (int i = 0; i < 6; i++)
		futures[i] = submit_int(executor, i);
	CHECK(assay_future_cancel(futures[2]));
	gate_open(gate);
	counts = final_counts(executor);
	CHECK_EQ(counts.submitted, 6);
	CHECK_EQ(counts.started, 0);
	CHECK_EQ(counts.cancelled, 1);
	CHECK_EQ(counts.broken, 5);
	CHECK_EQ(counts.failed, 0);
	for (int i = 0; i < 6; i++)
		assay_future_release(futures[i]);
	executor_end(executor);
}

static int die(assay_call *call)
{
	gate_wait(*(struct gate *const *)call->argument);
	raise(SIGKILL);
	return ASSAY_OK;
}

ASSAY_TEST(hk_4_tasks_that_a_death_breaks, .clause = "HK-4",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_SURVIVES_CRASH | ASSAY_CAP_EXACT_START |
		    ASSAY_CAP_WORKER_LIMIT)
{
	struct assay_config config = assay_config_default();
	struct gate *gate = gate_new(s);
	struct assay_statistics counts;
	assay_executor *executor;
	assay_future *futures[4];

	config.workers = 1;
	config.log = ignore_log;
	executor = executor_with(s, &config);
	for (int i = 0; i < 4; i++)
		futures[i] = submit_task(executor, die, &gate, sizeof gate);
	gate_open(gate);
	counts = final_counts(executor);
	CHECK_EQ(counts.submitted, 4);
	CHECK_EQ(counts.started, 1);
	CHECK_EQ(counts.failed, 1);
	CHECK_EQ(counts.broken, 3);
	for (int i = 0; i < 4; i++) {
		CHECK_ERROR(assay_future_result(futures[i], 0, NULL, 0), ASSAY_EBROKEN);
		assay_future_release(futures[i]);
	}
	executor_end(executor);
}

ASSAY_TEST(hk_4_tasks_run_by_their_submitter, .clause = "HK-4",
	   .needs = ASSAY_CAP_BOUNDED_QUEUE | PENDING_NEEDS)
{
	struct assay_config config = assay_config_default();
	struct assay_statistics counts;
	struct occupied busy;
	uint64_t occupying;
	assay_executor *executor;

	config.workers = 1;
	config.queue_capacity = 1;
	config.when_full = ASSAY_FULL_CALLER_RUNS;
	executor = executor_with(s, &config);
	busy = occupy_workers(s, executor, 1);
	occupying = (uint64_t)busy.count;
	assay_future_release(submit_int(executor, 1)); /* fills the queue */
	for (int i = 0; i < 4; i++)
		assay_future_release(submit_failing(executor, 2, NULL));
	release_workers(&busy);
	counts = final_counts(executor);
	CHECK_EQ(counts.submitted, occupying + 5);
	CHECK_EQ(counts.finished, occupying + 5);
	CHECK_EQ(counts.failed, 4);
	executor_end(executor);
}

ASSAY_TEST(hk_4_workers_are_gone_at_the_end, .clause = "HK-4",
	   .needs = ASSAY_CAP_WORKER_LIMIT | ASSAY_CAP_OWNS_WORKERS)
{
	assay_executor *executor = executor_new(s, 3);
	struct assay_statistics counts;

	for (int i = 0; i < 20; i++)
		assay_future_release(submit_int(executor, i));
	counts = final_counts(executor);
	CHECK_EQ(counts.workers, 3);
	CHECK_EQ(counts.workers_alive, 0);
	executor_end(executor);
}
