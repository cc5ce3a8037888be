/* SPDX-License-Identifier: MIT */
/* Tests of spec/callback.md: callbacks that wait for what their own thread has still to end. */
#include "sighting.h"

enum { ENDED = 6 };

/* What a callback waits for: all of them, its own future included. */
struct ending {
	struct probe *calls;
	assay_future *futures[ENDED];
	int expected;
};

static void wait_for_all(assay_future *future, void *user)
{
	struct ending *ending = user;

	CHECK_ERROR(assay_future_result(future, 0, NULL, 0), ending->expected);
	/* The latest first, which in the first callback has not ended yet. */
	for (int i = ENDED - 1; i >= 0; i--) {
		CHECK_OK(assay_future_wait(ending->futures[i], ASSAY_FOREVER));
		CHECK_ERROR(assay_future_result(ending->futures[i], 0, NULL, 0), ending->expected);
	}
	CHECK_OK(assay_wait(ending->futures, ENDED, ASSAY_ALL_COMPLETED, ASSAY_FOREVER, NULL));
	probe_hit(ending->calls);
}

static void submit_all(struct subject *s, struct ending *ending, assay_executor *executor,
		       struct probe *ran)
{
	ending->calls = probe_new(s);
	for (int i = 0; i < ENDED; i++)
		ending->futures[i] = submit_hit(executor, ran);
	for (int i = 0; i < ENDED; i++)
		add(ending->futures[i], wait_for_all, ending);
}

ASSAY_TEST(cb_25_for_another_that_is_broken, .clause = "CB-25",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_NESTED_WAIT | ASSAY_CAP_INITIALIZER)
{
	for (int workers = 1; workers <= 2; workers++) {
		struct ending ending = {.expected = ASSAY_EBROKEN};
		struct gate *gate = gate_new(s);
		struct probe *ran = probe_new(s);
		assay_executor *executor = executor_doomed(s, workers, gate);

		submit_all(s, &ending, executor, ran);
		gate_open(gate);
		executor_end(executor);
		CHECK_EQ(probe_count(ending.calls), ENDED);
		CHECK_EQ(probe_count(ran), 0);
		for (int i = 0; i < ENDED; i++)
			assay_future_release(ending.futures[i]);
	}
}

ASSAY_TEST(cb_25_for_another_that_is_cancelled, .clause = "CB-25",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_NESTED_WAIT | ASSAY_CAP_WORKER_LIMIT)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	struct ending ending = {.expected = ASSAY_ECANCELLED};
	struct probe *ran = probe_new(s);

	submit_all(s, &ending, executor, ran);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_CANCEL_PENDING));
	CHECK_EQ(probe_count(ending.calls), ENDED);
	release_workers(&workers);
	executor_end(executor);
	CHECK_EQ(probe_count(ran), 0);
	for (int i = 0; i < ENDED; i++)
		assay_future_release(ending.futures[i]);
}
