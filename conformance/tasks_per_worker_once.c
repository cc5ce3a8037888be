/* SPDX-License-Identifier: MIT */
/* Replacement at the limit: nothing is lost, run twice, or left. */
#include "family.h"

#include <stdlib.h>

#define REPLACES (ASSAY_CAP_TASKS_PER_WORKER | ASSAY_CAP_ASYNCHRONOUS)

static assay_executor *executor_of(struct subject *s, int workers, int limit)
{
	struct assay_config config = assay_config_default();

	config.workers = workers;
	config.tasks_per_worker = limit;
	return executor_with(s, &config);
}

static int count_me(assay_call *call)
{
	struct probe *mine = *(struct probe *const *)call->argument;

	probe_hit(mine);
	return ASSAY_OK;
}

ASSAY_TEST(mtc_3_each_task_runs_once, .clause = "MTC-3", .needs = REPLACES)
{
	enum { COUNT = 120 };

	for (int workers = 1; workers <= 2; workers++)
		for (int limit = 1; limit <= 3; limit++) {
			assay_executor *executor = executor_of(s, workers, limit);
			assay_future *futures[COUNT];
			struct probe *ran[COUNT];

			for (int i = 0; i < COUNT; i++) {
				ran[i] = probe_new(s);
				futures[i] =
					submit_task(executor, count_me, &ran[i], sizeof ran[i]);
			}
			for (int i = 0; i < COUNT; i++) {
				CHECK_OK(assay_future_result(futures[i], ASSAY_FOREVER, NULL, 0));
				assay_future_release(futures[i]);
			}
			executor_end(executor);
			for (int i = 0; i < COUNT; i++)
				CHECK_EQ(probe_count(ran[i]), 1);
		}
}

ASSAY_TEST(mtc_3_with_tasks_cancelled_between, .clause = "MTC-3", .needs = REPLACES, .rounds = 20)
{
	enum { COUNT = 60 };

	for (int round = 0; round < scaled(20); round++) {
		assay_executor *executor = executor_of(s, 1, 1 + round % 3);
		assay_future *futures[COUNT];
		struct probe *ran[COUNT];
		bool cancelled[COUNT];

		for (int i = 0; i < COUNT; i++) {
			ran[i] = probe_new(s);
			futures[i] = submit_task(executor, count_me, &ran[i], sizeof ran[i]);
		}
		for (int i = COUNT - 1; i >= 0; i -= 2) {
			cancelled[i] = assay_future_cancel(futures[i]);
			cancelled[i - 1] = false;
		}
		for (int i = 0; i < COUNT; i++) {
			CHECK_ERROR(assay_future_result(futures[i], ASSAY_FOREVER, NULL, 0),
				    cancelled[i] ? ASSAY_ECANCELLED : ASSAY_OK);
			CHECK_EQ(probe_count(ran[i]), !cancelled[i]);
			assay_future_release(futures[i]);
		}
		executor_end(executor);
	}
}

ASSAY_TEST(mtc_6_nothing_of_the_replaced_is_left, .clause = "MTC-6",
	   .needs = ASSAY_CAP_TASKS_PER_WORKER | ASSAY_CAP_OWNS_WORKERS)
{
	assay_executor *executor;
	int after_ten = 0, before;

	adopt_orphans();
	executor = executor_of(s, 2, 1);
	before = count_descriptors();
	for (int i = 0; i < 40; i++) {
		assay_future *future = submit_int(executor, i);

		CHECK_EQ(result_int(future), i);
		assay_future_release(future);
		if (i == 9)
			after_ten = count_descriptors();
	}
	await_no_zombies();
	CHECK(count_descriptors() <= after_ten + 10);
	executor_end(executor);
	CHECK(count_descriptors() <= before);
	check_childless();
}
