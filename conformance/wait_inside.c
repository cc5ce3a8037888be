/* SPDX-License-Identifier: MIT */
/* Waiting on sets inside tasks of the same executor. */
#include "fixture.h"

/* Submits a task to its own executor and waits for it by a set. */
static int wait_for_a_child(assay_call *call)
{
	const int *argument = call->argument;
	assay_future *child = submit_int(call->executor, *argument);
	assay_future *set[2] = {child, child};
	struct assay_partition seen = {.futures = NULL};
	int value;

	CHECK_OK(assay_wait(set, 2, ASSAY_FIRST_FAILURE, ASSAY_FOREVER, &seen));
	CHECK_EQ(seen.done, 1);
	value = result_int(child) + 1;
	assay_future_release(child);
	return assay_return(call, &value, sizeof value);
}

static void wait_in_parents(assay_executor *executor)
{
	for (int i = 0; i < scaled(100); i++) {
		assay_future *parent = submit_task(executor, wait_for_a_child, &i, sizeof i);

		CHECK_EQ(result_int(parent), i + 1);
		assay_future_release(parent);
	}
}

ASSAY_TEST(wait_27_inside_a_task_with_a_worker_to_spare, .clause = "WAIT-27",
	   .needs = ASSAY_CAP_NESTED_SUBMIT | ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	assay_executor *executor = executor_new(s, 2);

	wait_in_parents(executor);
	executor_end(executor);
}

/* One of its two children ends when this has seen the other end. */
static int wait_for_either(assay_call *call)
{
	struct gate *gate = *(struct gate *const *)call->argument;
	assay_future *set[2] = {submit_gated(call->executor, gate, NULL, 1),
				submit_int(call->executor, 2)};
	assay_future *sorted[2] = {NULL, NULL};
	struct assay_partition seen = {.futures = sorted};

	CHECK_OK(assay_wait(set, 2, ASSAY_FIRST_COMPLETED, ASSAY_FOREVER, &seen));
	CHECK_EQ(seen.done, 1);
	CHECK(sorted[0] == set[1]);
	gate_open(gate);
	CHECK_EQ(result_int(set[0]), 1);
	for (int i = 0; i < 2; i++)
		assay_future_release(set[i]);
	return ASSAY_OK;
}

ASSAY_TEST(wait_27_first_completed_with_workers_to_spare, .clause = "WAIT-27",
	   .needs = ASSAY_CAP_NESTED_SUBMIT | ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT |
		    ASSAY_CAP_SHARED_MEMORY)
{
	assay_executor *executor = executor_new(s, 3);

	for (int i = 0; i < scaled(100); i++) {
		struct gate *gate = gate_new(s);
		assay_future *parent = submit_task(executor, wait_for_either, &gate, sizeof gate);

		CHECK_OK(assay_future_result(parent, ASSAY_FOREVER, NULL, 0));
		assay_future_release(parent);
	}
	executor_end(executor);
}

ASSAY_TEST(wait_27_inside_a_task_of_the_only_worker, .clause = "WAIT-27",
	   .needs = ASSAY_CAP_NESTED_SUBMIT | ASSAY_CAP_NESTED_WAIT)
{
	assay_executor *executor = executor_new(s, 1);

	wait_in_parents(executor);
	executor_end(executor);
}
