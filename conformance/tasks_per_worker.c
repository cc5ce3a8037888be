/* SPDX-License-Identifier: MIT */
/* Workers that are replaced after a number of tasks. A worker is known by its thread id, which the
 * kernel does not give out again so soon, in whatever process. */
#include "fixture.h"
#include "refusal.h"

#include <stdlib.h>
#include <unistd.h>

static assay_future *submit_tid(assay_executor *executor)
{
	return submit_task(executor, return_tid, NULL, 0);
}

static assay_executor *executor_of(struct subject *s, int workers, int tasks_per_worker)
{
	struct assay_config config = assay_config_default();

	config.workers = workers;
	config.tasks_per_worker = tasks_per_worker;
	return executor_with(s, &config);
}

/* The thread ids of count tasks; releases their futures. */
static void tids_of(assay_future **futures, int *tids, int count)
{
	for (int i = 0; i < count; i++) {
		tids[i] = result_int(futures[i]);
		assay_future_release(futures[i]);
	}
}

ASSAY_TEST(mtc_1_a_worker_is_replaced_after_its_tasks, .clause = "MTC-1",
	   .needs = ASSAY_CAP_TASKS_PER_WORKER | ASSAY_CAP_WORKER_REUSE | ASSAY_CAP_SUBMITTER_FIFO)
{
	enum { COUNT = 24 };

	for (int limit = 1; limit <= 5; limit++) {
		assay_executor *executor = executor_of(s, 1, limit);
		assay_future *futures[COUNT];
		int tids[COUNT];

		for (int i = 0; i < COUNT; i++)
			futures[i] = submit_tid(executor);
		tids_of(futures, tids, COUNT);
		for (int i = 1; i < COUNT; i++)
			CHECK_EQ(tids[i] == tids[i - 1], i % limit != 0);
		executor_end(executor);
	}
}

ASSAY_TEST(mtc_1_cancelled_tasks_do_not_count, .clause = "MTC-1",
	   .needs = ASSAY_CAP_TASKS_PER_WORKER | ASSAY_CAP_WORKER_REUSE | ASSAY_CAP_SUBMITTER_FIFO |
		    ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_EXACT_START | ASSAY_CAP_WORKER_LIMIT)
{
	assay_executor *executor = executor_of(s, 1, 3);
	struct occupied workers = occupy_workers(s, executor, 1);
	assay_future *cancelled[4], *futures[3];
	int tids[3];

	for (int i = 0; i < 4; i++)
		cancelled[i] = submit_tid(executor);
	for (int i = 0; i < 3; i++)
		futures[i] = submit_tid(executor);
	for (int i = 0; i < 4; i++) {
		CHECK(assay_future_cancel(cancelled[i]));
		assay_future_release(cancelled[i]);
	}
	release_workers(&workers);
	tids_of(futures, tids, 3);
	CHECK_EQ(tids[1], tids[0]); /* the second and third of its three */
	CHECK(tids[2] != tids[1]);
	executor_end(executor);
}

/* Its own thread, and how many of the tasks that it waited for ran on it. */
struct in_place {
	int tid;
	int tasks;
};

static int wait_for_tids(assay_call *call)
{
	struct in_place seen = {gettid(), 0};

	for (int i = 0; i < 5; i++) {
		assay_future *future = submit_tid(call->executor);

		seen.tasks += result_int(future) == seen.tid;
		assay_future_release(future);
	}
	return assay_return(call, &seen, sizeof seen);
}

ASSAY_TEST(mtc_1_what_is_run_in_place_of_waiting_counts, .clause = "MTC-1",
	   .needs = ASSAY_CAP_TASKS_PER_WORKER | ASSAY_CAP_NESTED_SUBMIT | ASSAY_CAP_NESTED_WAIT)
{
	enum { LIMIT = 3 };

	assay_executor *executor = executor_of(s, 1, LIMIT);
	assay_future *waits = submit_task(executor, wait_for_tids, NULL, 0), *next;
	struct in_place seen;
	int tid;

	CHECK_OK(assay_future_result(waits, ASSAY_FOREVER, &seen, sizeof seen));
	next = submit_tid(executor);
	tid = result_int(next);
	if (1 + seen.tasks >= LIMIT)
		CHECK(tid != seen.tid);
	executor_end(executor);
	assay_future_release(waits);
	assay_future_release(next);
}

ASSAY_TEST(mtc_1_no_worker_runs_more_than_its_tasks, .clause = "MTC-1",
	   .needs = ASSAY_CAP_TASKS_PER_WORKER)
{
	enum { COUNT = 60, LIMIT = 4 };

	assay_executor *executor = executor_of(s, 3, LIMIT);
	assay_future *futures[COUNT];
	int tids[COUNT];

	for (int i = 0; i < COUNT; i++)
		futures[i] = submit_tid(executor);
	tids_of(futures, tids, COUNT);
	for (int i = 0; i < COUNT; i++) {
		int same = 0;

		for (int k = 0; k < COUNT; k++)
			same += tids[k] == tids[i];
		CHECK(same <= LIMIT);
	}
	executor_end(executor);
}

ASSAY_TEST(mtc_1_a_limit_is_honoured_or_refused, .clause = "MTC-1")
{
	struct assay_config config = assay_config_default();
	assay_executor *executor = NULL;
	bool is_claimed = s->backend->capabilities & ASSAY_CAP_TASKS_PER_WORKER;

	config.workers = 1;
	config.tasks_per_worker = 2;
	CHECK_ERROR(assay_executor_create(s->backend, &config, &executor),
		    is_claimed ? ASSAY_OK : ASSAY_EUNSUPPORTED);
	CHECK_EQ(executor != NULL, is_claimed);
	if (executor)
		executor_end(executor);
}

ASSAY_TEST(mtc_2_below_the_limit_the_worker_stays, .clause = "MTC-2",
	   .needs = ASSAY_CAP_TASKS_PER_WORKER | ASSAY_CAP_WORKER_REUSE)
{
	enum { LIMIT = 5 };

	assay_executor *executor = executor_of(s, 1, LIMIT);
	int first = 0;

	for (int i = 0; i <= LIMIT; i++) {
		assay_future *future = submit_tid(executor);
		int tid = result_int(future);

		if (i == 0)
			first = tid;
		CHECK_EQ(tid == first, i < LIMIT);
		assay_future_release(future);
	}
	executor_end(executor);
}

/* As many tasks as asked, queued while the workers are busy, all run. */
static void drain(struct subject *s, int workers, int limit, int count)
{
	assay_executor *executor = executor_of(s, workers, limit);
	struct occupied occupied = occupy_workers(s, executor, workers);
	struct probe *ran = probe_new(s);
	assay_future **futures = calloc((size_t)count, sizeof *futures);

	CHECK(futures != NULL);
	for (int i = 0; i < count; i++)
		futures[i] = submit_hit(executor, ran);
	release_workers(&occupied);
	for (int i = 0; i < count; i++) {
		CHECK_OK(assay_future_result(futures[i], ASSAY_FOREVER, NULL, 0));
		assay_future_release(futures[i]);
	}
	free(futures);
	CHECK_EQ(probe_count(ran), count);
	executor_end(executor);
}

ASSAY_TEST(mtc_3_a_backlog_above_the_limit_drains, .clause = "MTC-3",
	   .needs = ASSAY_CAP_TASKS_PER_WORKER | ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	drain(s, 1, 1, 5);
	drain(s, 1, 2, 6);
	drain(s, 2, 2, 8);
	drain(s, 2, 1, 50);
	drain(s, 3, 7, 100);
}

ASSAY_TEST(mtc_3_the_limit_is_met_while_tasks_arrive, .clause = "MTC-3",
	   .needs = ASSAY_CAP_TASKS_PER_WORKER, .rounds = 300)
{
	assay_executor *executor = executor_of(s, 2, 1);

	/* Each worker leaves just when the next task comes in. */
	for (int round = 0; round < scaled(300); round++) {
		assay_future *a = submit_int(executor, round), *b = submit_int(executor, -round);

		CHECK_EQ(result_int(a), round);
		CHECK_EQ(result_int(b), -round);
		assay_future_release(a);
		assay_future_release(b);
	}
	executor_end(executor);
}

ASSAY_TEST(mtc_4_shutdown_completes_every_task, .clause = "MTC-4",
	   .needs = ASSAY_CAP_TASKS_PER_WORKER, .rounds = 30)
{
	for (int round = 0; round < scaled(30); round++) {
		assay_executor *executor = executor_of(s, 3, 1);
		struct probe *ran = probe_new(s);

		for (int i = 0; i < 6; i++)
			assay_future_release(submit_hit(executor, ran));
		executor_end(executor);
		CHECK_EQ(probe_count(ran), 6);
	}
}

ASSAY_TEST(mtc_5_replacement_goes_on_after_shutdown, .clause = "MTC-5",
	   .needs = ASSAY_CAP_TASKS_PER_WORKER | ASSAY_CAP_ASYNCHRONOUS)
{
	for (int limit = 1; limit <= 3; limit++) {
		assay_executor *executor = executor_of(s, 1, limit);
		struct occupied workers = occupy_workers(s, executor, 1);
		assay_future *futures[7];

		for (int i = 0; i < 7; i++)
			futures[i] = submit_int(executor, i);
		CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT));
		release_workers(&workers);
		for (int i = 0; i < 7; i++) {
			CHECK_EQ(result_int(futures[i]), i);
			assay_future_release(futures[i]);
		}
		executor_end(executor);
	}
}

/* The argument is a probe: how many are inside at once. */
static int pass_through(assay_call *call)
{
	struct probe *inside = *(struct probe *const *)call->argument;

	probe_enter(inside);
	probe_leave(inside);
	return ASSAY_OK;
}

ASSAY_TEST(mtc_6_never_more_workers_than_configured, .clause = "MTC-6",
	   .needs = ASSAY_CAP_TASKS_PER_WORKER | ASSAY_CAP_WORKER_LIMIT)
{
	assay_executor *executor = executor_of(s, 2, 1);
	struct probe *inside = probe_new(s);
	struct assay_statistics now;

	for (int i = 0; i < 100; i++) {
		assay_future_release(submit_task(executor, pass_through, &inside, sizeof inside));
		do /* it may lag behind: the deadline is the limit */
			assay_executor_statistics(executor, &now);
		while (now.workers_alive != UINT64_MAX && now.workers_alive > 2);
	}
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	CHECK(inside->most >= 1 && inside->most <= 2);
	executor_end(executor);
}

ASSAY_TEST(mtc_6_replaced_workers_are_gone, .clause = "MTC-6",
	   .needs = ASSAY_CAP_TASKS_PER_WORKER | ASSAY_CAP_OWNS_WORKERS)
{
	int threads = count_threads(), children = count_children();
	assay_executor *executor = executor_of(s, 2, 1);

	for (int i = 0; i < 20; i++) {
		assay_future *future = submit_int(executor, i);

		CHECK_EQ(result_int(future), i);
		assay_future_release(future);
		/* Two that work, and one before each of them that is just leaving; more only for a moment:
		 * the deadline is the limit. */
		while (count_threads() > threads + 4)
			sched_yield();
	}
	executor_end(executor);
	CHECK_EQ(count_threads(), threads);
	CHECK_EQ(count_children(), children);
}

ASSAY_TEST(mtc_7_without_a_replacement_the_rest_is_broken, .clause = "MTC-7",
	   .needs = ASSAY_CAP_TASKS_PER_WORKER | ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	assay_future *pending[3];
	assay_executor *executor;
	struct occupied workers;
	int error;

	give_up_rights(s);
	executor = executor_of(s, 1, 1);
	workers = occupy_workers(s, executor, 1);
	for (int i = 0; i < 3; i++)
		pending[i] = submit_int(executor, i);
	refuse_threads();
	release_workers(&workers);
	for (int i = 0; i < 3; i++) {
		CHECK_ERROR(assay_future_result(pending[i], ASSAY_FOREVER, NULL, 0), ASSAY_EBROKEN);
		assay_future_release(pending[i]);
	}
	allow_threads();
	error = assay_submit(executor, &(struct assay_task){.function = return_tid}, NULL);
	CHECK_ERROR(error, ASSAY_EBROKEN);
	executor_end(executor);
}

ASSAY_TEST(mtc_8_no_replacement_when_terminated, .clause = "MTC-8",
	   .needs = ASSAY_CAP_TASKS_PER_WORKER | ASSAY_CAP_TERMINATE | ASSAY_CAP_ASYNCHRONOUS)
{
	int children = count_children();
	assay_executor *executor = executor_of(s, 1, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	struct probe *ran = probe_new(s);
	assay_future *pending = submit_hit(executor, ran);

	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_KILL | ASSAY_SHUTDOWN_WAIT));
	gate_open(workers.gate);
	CHECK_EQ(count_children(), children);
	CHECK_ERROR(assay_future_result(pending, ASSAY_FOREVER, NULL, 0), ASSAY_ECANCELLED);
	CHECK_EQ(probe_count(ran), 0);
	executor_end(executor);
	assay_future_release(pending);
	for (int i = 0; i < workers.count; i++)
		assay_future_release(workers.futures[i]);
	free(workers.futures);
}

ASSAY_TEST(mtc_10_reaching_the_limit_is_no_crash, .clause = "MTC-10",
	   .needs = ASSAY_CAP_TASKS_PER_WORKER)
{
	assay_executor *executor = executor_of(s, 1, 1);
	struct assay_statistics statistics;

	for (int i = 0; i < 20; i++) {
		assay_future *future = submit_int(executor, i);

		CHECK_EQ(result_int(future), i);
		assay_future_release(future);
	}
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	assay_executor_statistics(executor, &statistics);
	CHECK(statistics.failed == 0 || statistics.failed == UINT64_MAX);
	CHECK(statistics.broken == 0 || statistics.broken == UINT64_MAX);
	executor_end(executor);
}
