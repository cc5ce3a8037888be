/* SPDX-License-Identifier: MIT */
/* Tests of spec/lifetime.md and CB-22: the records of waiters and callbacks. */
#include "lifetime.h"

#define WAITED 64
#define FEW_BYTES ((size_t)64 << 10)

static void wait_in_vain(assay_future *const *futures)
{
	struct assay_partition partition = {.futures = NULL};
	assay_as_completed *iteration = NULL;
	assay_future *future = NULL;

	CHECK_OK(assay_wait(futures, WAITED, ASSAY_FIRST_COMPLETED, 0, &partition));
	CHECK_EQ(partition.done, 0);
	CHECK_EQ(partition.pending, WAITED);
	CHECK_OK(assay_wait(futures, WAITED, ASSAY_ALL_COMPLETED, 0, NULL));
	CHECK_ERROR(assay_future_wait(futures[0], 1), ASSAY_ETIMEDOUT);
	CHECK_OK(assay_as_completed_begin(futures, WAITED, 0, &iteration));
	CHECK_ERROR(assay_as_completed_next(iteration, &future), ASSAY_ETIMEDOUT);
	assay_as_completed_end(iteration);
}

ASSAY_TEST(lif_7_waits_in_vain_leave_nothing_on_futures, .clause = "LIF-7",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	int rounds = scaled(1000);
	assay_executor *executor = executor_new(s, 2);
	struct gate *gate = gate_new(s);
	assay_future *futures[WAITED];
	size_t before;

	heap_before(s);
	for (int i = 0; i < WAITED; i++)
		futures[i] = submit_gated(executor, gate, NULL, i);
	wait_in_vain(futures);
	before = heap_now();
	for (int i = 0; i < rounds; i++)
		wait_in_vain(futures);
	CHECK(heap_now() < before + FEW_BYTES);
	gate_open(gate);
	executor_end(executor);
	for (int i = 0; i < WAITED; i++)
		assay_future_release(futures[i]);
}

ASSAY_TEST(lif_7_waits_for_the_first_leave_nothing_on_the_others, .clause = "LIF-7",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	int rounds = scaled(1000);
	assay_executor *executor = executor_new(s, 2), *other = executor_new(s, 1);
	struct gate *gate = gate_new(s);
	assay_future *futures[WAITED];
	size_t before = 0;

	heap_before(s);
	for (int i = 1; i < WAITED; i++)
		futures[i] = submit_gated(executor, gate, NULL, i);
	futures[0] = submit_int(other, 0);
	for (int i = 0; i <= rounds; i++) {
		struct assay_partition partition = {.futures = NULL};

		CHECK_OK(assay_wait(futures, WAITED, ASSAY_FIRST_COMPLETED, ASSAY_FOREVER,
				    &partition));
		CHECK_EQ(partition.done, 1);
		if (i == 0)
			before = heap_now();
	}
	CHECK(heap_now() < before + FEW_BYTES);
	gate_open(gate);
	executor_end(executor);
	executor_end(other);
	for (int i = 0; i < WAITED; i++)
		assay_future_release(futures[i]);
}

static void hit(assay_future *future, void *user)
{
	(void)future;
	probe_hit(user);
}

ASSAY_TEST(cb_22_records_of_callbacks_are_freed_after_the_call, .clause = "CB-22",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	enum { COUNT = 20000 };
	size_t before = heap_before(s);
	assay_executor *executor = executor_new(s, 1);
	struct probe *calls = probe_new(s);
	struct gate *gate = gate_new(s);
	assay_future *future = submit_gated(executor, gate, NULL, 7);

	for (int i = 0; i < COUNT; i++)
		CHECK_OK(assay_future_add_done_callback(future, hit, calls));
	gate_open(gate);
	executor_end(executor);
	CHECK_EQ(probe_count(calls), COUNT);
	CHECK(heap_now() < before + COUNT * sizeof(void *) / 2);
	assay_future_release(future);
}
