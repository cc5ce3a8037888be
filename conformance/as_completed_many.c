/* SPDX-License-Identifier: MIT */
/* Iteration in the order of completion: several executors, references, abandonment, shutdown. */
#include "fixture.h"
#include "heap.h"
#include "iteration.h"
#include "partition.h"
#include "partner.h"

#define MANY 1000

ASSAY_TEST(asc_12_executors_mix, .clause = "ASC-12",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	enum { COUNT = 4 };

	static const int order[COUNT] = {2, 3, 0, 1};
	assay_executor *a = executor_new(s, 2), *b = partner_new(s, 2);
	struct gate *gates[COUNT];
	assay_future *set[COUNT];
	assay_as_completed *iteration;

	for (int i = 0; i < COUNT; i++) {
		gates[i] = gate_new(s);
		set[i] = submit_gated(i % 2 ? a : b, gates[i], NULL, i);
	}
	iteration = iteration_begin(set, COUNT, ASSAY_FOREVER);
	for (int i = 0; i < COUNT; i++) {
		gate_open(gates[order[i]]);
		CHECK(iteration_next(iteration) == set[order[i]]);
	}
	CHECK_ERROR(iteration_error(iteration), ASSAY_EEND);
	assay_as_completed_end(iteration);
	executor_end(a);
	executor_end(b);
	release_all(set, COUNT);
}

ASSAY_TEST(asc_12_a_thousand_of_two_executors, .clause = "ASC-12")
{
	assay_executor *executors[2] = {executor_new(s, 2), partner_new(s, 2)};
	assay_as_completed *iteration;
	assay_future *set[MANY];
	long sum = 0;

	for (int i = 0; i < MANY; i++)
		set[i] = submit_int(executors[i % 2], i);
	iteration = iteration_begin(set, MANY, ASSAY_FOREVER);
	for (int i = 0; i < MANY; i++)
		sum += result_int(iteration_next(iteration));
	CHECK_EQ(sum, (long)MANY * (MANY - 1) / 2);
	CHECK_ERROR(iteration_error(iteration), ASSAY_EEND);
	assay_as_completed_end(iteration);
	executor_end(executors[0]);
	executor_end(executors[1]);
	release_all(set, MANY);
}

/* Returns a block of this size, zeroed. */
static int return_zeros(assay_call *call)
{
	size_t size = *(const size_t *)call->argument;
	void *bytes;
	int error = assay_call_result(call, size, &bytes);

	if (!error)
		__builtin_memset(bytes, 0, size);
	return error;
}

ASSAY_TEST(asc_13_a_yielded_future_is_the_callers_alone, .clause = "ASC-13",
	   .needs = ASSAY_CAP_SHARED_MEMORY)
{
	enum { COUNT = 8 };

	static const size_t size = (size_t)1 << 20;
	assay_executor *executor = executor_new(s, 2);
	assay_future *set[COUNT];
	assay_as_completed *iteration;
	size_t before;

	for (int i = 0; i < COUNT; i++) {
		set[i] = submit_task(executor, return_zeros, &size, sizeof size);
		CHECK_OK(assay_future_wait(set[i], ASSAY_FOREVER));
	}
	executor_end(executor); /* its own references are gone */
	iteration = iteration_begin(set, COUNT, ASSAY_FOREVER);
	before = heap_in_use();
	for (int i = 0; i < COUNT; i++)
		assay_future_release(iteration_next(iteration)); /* with the result */
	if (before)
		CHECK(heap_in_use() + (COUNT - 1) * size <= before);
	CHECK_ERROR(iteration_error(iteration), ASSAY_EEND);
	assay_as_completed_end(iteration);
}

ASSAY_TEST(asc_13_release_as_you_go, .clause = "ASC-13", .rounds = 20)
{
	enum { COUNT = 64 };

	assay_executor *executor = executor_new(s, 2);

	for (int round = 0; round < scaled(20); round++) {
		assay_future *set[COUNT];
		assay_as_completed *iteration;

		for (int i = 0; i < COUNT; i++)
			set[i] = submit_int(executor, i);
		iteration = iteration_begin(set, COUNT, ASSAY_FOREVER);
		for (int i = 0; i < COUNT; i++)
			assay_future_release(iteration_next(iteration));
		assay_as_completed_end(iteration);
	}
	executor_end(executor);
}

ASSAY_TEST(asc_14_abandoning_changes_no_future, .clause = "ASC-14",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT | ASSAY_CAP_EXACT_START)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	assay_future *set[3] = {submit_int(executor, 0), submit_int(executor, 1),
				submit_int(executor, 2)};
	assay_as_completed *iteration = iteration_begin(set, 3, 0);

	CHECK(assay_future_cancel(set[1]));
	CHECK(iteration_next(iteration) == set[1]);
	CHECK_ERROR(iteration_error(iteration), ASSAY_ETIMEDOUT);
	assay_as_completed_end(iteration);
	CHECK_EQ(assay_future_state(set[0]), ASSAY_PENDING);
	CHECK_EQ(assay_future_state(set[2]), ASSAY_PENDING);
	CHECK_EQ(assay_future_state(workers.futures[0]), ASSAY_RUNNING);
	release_workers(&workers);
	CHECK_EQ(result_int(set[0]), 0);
	CHECK_EQ(result_int(set[2]), 2);
	executor_end(executor);
	release_all(set, 3);
}

ASSAY_TEST(asc_14_abandoned_while_completing, .clause = "ASC-14",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT, .rounds = 300)
{
	enum { COUNT = 16 };

	assay_executor *executor = executor_new(s, 2);

	for (int round = 0; round < scaled(300); round++) {
		assay_future *set[COUNT];
		assay_as_completed *iteration;

		for (int i = 0; i < COUNT; i++)
			set[i] = submit_int(executor, i);
		iteration = iteration_begin(set, COUNT, ASSAY_FOREVER);
		for (int i = 0; i < round % COUNT; i++)
			(void)iteration_next(iteration);
		/* Its memory is gone at once, whoever is just being told. */
		assay_as_completed_end(iteration);
		for (int i = 0; i < COUNT; i++)
			CHECK_EQ(result_int(set[i]), i);
		release_all(set, COUNT);
	}
	executor_end(executor);
}

ASSAY_TEST(asc_15_abandoning_leaves_nothing_behind, .clause = "ASC-15",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	enum { COUNT = 10, ITERATIONS = 5000 };

	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	assay_future *set[COUNT];
	size_t before = 0;

	for (int i = 0; i < COUNT; i++)
		set[i] = submit_int(executor, i);
	for (int i = 0; i < 2 * ITERATIONS; i++) {
		assay_as_completed *iteration = iteration_begin(set, COUNT, i % 2);

		if (i == ITERATIONS) /* by now what is kept for reuse is there */
			before = heap_in_use();
		if (i % 3)
			CHECK_ERROR(iteration_error(iteration), ASSAY_ETIMEDOUT);
		assay_as_completed_end(iteration);
	}
	CHECK(heap_in_use() <= before + 16384);
	release_workers(&workers);
	executor_end(executor); /* nobody is told of what was abandoned */
	release_all(set, COUNT);
}

ASSAY_TEST(asc_15_iterations_at_once_do_not_disturb_each_other, .clause = "ASC-15",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	enum { COUNT = 6, ITERATIONS = 20 };

	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	assay_as_completed *iterations[ITERATIONS];
	assay_future *set[COUNT];

	for (int i = 0; i < COUNT; i++)
		set[i] = submit_int(executor, i);
	for (int i = 0; i < ITERATIONS; i++)
		iterations[i] = iteration_begin(set, COUNT, ASSAY_FOREVER);
	for (int i = 0; i < ITERATIONS; i += 2) /* from the middle, the front and the end */
		assay_as_completed_end(iterations[(i + 10) % ITERATIONS]);
	release_workers(&workers);
	for (int i = 1; i < ITERATIONS; i += 2) {
		long sum = 0;

		for (int k = 0; k < COUNT; k++)
			sum += result_int(iteration_next(iterations[i]));
		CHECK_EQ(sum, COUNT * (COUNT - 1) / 2);
		CHECK_ERROR(iteration_error(iterations[i]), ASSAY_EEND);
		assay_as_completed_end(iterations[i]);
	}
	executor_end(executor);
	release_all(set, COUNT);
}

/* A thread that takes everything. */
struct taker {
	struct actor actor;
	assay_as_completed *iteration;
	int cancelled;
	int error;
};

static void take_all(void *argument)
{
	struct taker *taker = argument;
	assay_future *future = NULL;

	while (!(taker->error = assay_as_completed_next(taker->iteration, &future)))
		taker->cancelled += assay_future_state(future) == ASSAY_CANCELLED;
}

ASSAY_TEST(asc_16_what_shutdown_cancels_is_yielded, .clause = "ASC-16",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	enum { COUNT = 20 };

	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	assay_future *set[COUNT];
	struct taker taker = {.cancelled = 0};

	for (int i = 0; i < COUNT; i++)
		set[i] = submit_int(executor, i);
	taker.iteration = iteration_begin(set, COUNT, ASSAY_FOREVER);
	actor_start(&taker.actor, take_all, &taker);
	actor_await_sleep(&taker.actor);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_CANCEL_PENDING));
	actor_join(&taker.actor); /* while the worker is still busy */
	CHECK_EQ(taker.cancelled, COUNT);
	CHECK_ERROR(taker.error, ASSAY_EEND);
	assay_as_completed_end(taker.iteration);
	release_workers(&workers);
	executor_end(executor);
	release_all(set, COUNT);
}

ASSAY_TEST(asc_17_what_arrives_meanwhile_is_kept, .clause = "ASC-17",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	assay_executor *executor = executor_new(s, 2);
	struct gate *gate = gate_new(s);
	assay_future *set[MANY];
	assay_as_completed *iteration;

	set[0] = submit_int(executor, 0);
	CHECK_OK(assay_future_wait(set[0], ASSAY_FOREVER)); /* or gated ones may get all workers */
	for (int i = 1; i < MANY; i++)
		set[i] = submit_gated(executor, gate, NULL, i);
	iteration = iteration_begin(set, MANY, ASSAY_FOREVER);
	CHECK(iteration_next(iteration) == set[0]);
	gate_open(gate);
	executor_end(executor); /* all the others complete between two steps */
	for (int i = 1; i < MANY; i++)
		(void)iteration_next(iteration);
	CHECK_ERROR(iteration_error(iteration), ASSAY_EEND);
	assay_as_completed_end(iteration);
	release_all(set, MANY);
}

ASSAY_TEST(asc_17_arrivals_race_with_the_consumer, .clause = "ASC-17",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT, .rounds = 200)
{
	enum { COUNT = 20 };

	assay_executor *executor = executor_new(s, s->workers);

	for (int round = 0; round < scaled(200); round++) {
		assay_future *set[COUNT];
		assay_as_completed *iteration;

		for (int i = 0; i < COUNT; i++)
			set[i] = submit_int(executor, i);
		iteration = iteration_begin(set, COUNT, ASSAY_FOREVER);
		for (int i = 0; i < COUNT; i++)
			(void)iteration_next(iteration);
		CHECK_ERROR(iteration_error(iteration), ASSAY_EEND);
		assay_as_completed_end(iteration);
		release_all(set, COUNT);
	}
	executor_end(executor);
}
