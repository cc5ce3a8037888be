/* SPDX-License-Identifier: MIT */
/* Iteration in the order of completion. See as_completed_many.c for several executors. */
#include "fixture.h"
#include "iteration.h"
#include "partition.h"

#define MANY 1000

/* COUNT tasks, each behind a gate of its own. */
#define COUNT 4

struct gated_set {
	struct gate *gates[COUNT];
	assay_future *futures[COUNT];
};

static struct gated_set gated_set_new(struct subject *s, assay_executor *executor)
{
	struct gated_set set;

	for (int i = 0; i < COUNT; i++) {
		set.gates[i] = gate_new(s);
		set.futures[i] = submit_gated(executor, set.gates[i], NULL, i);
	}
	return set;
}

static void gated_set_end(struct gated_set *set)
{
	for (int i = 0; i < COUNT; i++) {
		gate_open(set->gates[i]);
		CHECK_EQ(result_int(set->futures[i]), i);
		assay_future_release(set->futures[i]);
	}
}

ASSAY_TEST(asc_1_each_future_once, .clause = "ASC-1")
{
	static const size_t sizes[] = {1, 2, 3, 16, 17, MANY};
	assay_executor *executor = executor_new(s, 2);
	assay_future *set[MANY];

	for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
		int *seen = shared_new(s, sizes[k] * sizeof *seen);
		assay_as_completed *iteration;

		for (size_t i = 0; i < sizes[k]; i++)
			set[i] = submit_int(executor, (int)i);
		iteration = iteration_begin(set, sizes[k], ASSAY_FOREVER);
		for (size_t i = 0; i < sizes[k]; i++) {
			assay_future *future = iteration_next(iteration);
			int value = result_int(future);

			CHECK(future == set[value]);
			CHECK_EQ(seen[value]++, 0);
			CHECK_EQ(assay_as_completed_remaining(iteration), sizes[k] - i - 1);
		}
		CHECK_ERROR(iteration_error(iteration), ASSAY_EEND);
		CHECK_ERROR(iteration_error(iteration), ASSAY_EEND);
		assay_as_completed_end(iteration);
		release_all(set, sizes[k]);
	}
	executor_end(executor);
}

ASSAY_TEST(asc_1_bad_arguments_are_rejected, .clause = "ASC-1")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *hole[3] = {submit_int(executor, 1), NULL, submit_int(executor, 2)};
	assay_as_completed *iteration = NULL;

	CHECK_ERROR(assay_as_completed_begin(NULL, 1, 0, &iteration), ASSAY_EINVAL);
	CHECK_ERROR(assay_as_completed_begin(hole, 3, 0, &iteration), ASSAY_EINVAL);
	CHECK_ERROR(assay_as_completed_begin(hole, 1, 0, NULL), ASSAY_EINVAL);
	CHECK(!iteration);
	assay_as_completed_end(NULL);
	executor_end(executor);
	release_all(hole, 3);
}

ASSAY_TEST(asc_2_in_the_order_of_completion, .clause = "ASC-2",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	static const int orders[][COUNT] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}, {1, 3, 0, 2}};

	for (size_t k = 0; k < sizeof orders / sizeof *orders; k++) {
		assay_executor *executor = executor_new(s, COUNT);
		struct gated_set set = gated_set_new(s, executor);
		assay_as_completed *iteration = iteration_begin(set.futures, COUNT, ASSAY_FOREVER);

		for (int i = 0; i < COUNT; i++) {
			gate_open(set.gates[orders[k][i]]);
			CHECK(iteration_next(iteration) == set.futures[orders[k][i]]);
		}
		CHECK_ERROR(iteration_error(iteration), ASSAY_EEND);
		assay_as_completed_end(iteration);
		gated_set_end(&set);
		executor_end(executor);
	}
}

static void hit_probe(assay_future *future, void *user)
{
	(void)future;
	probe_hit(user);
}

ASSAY_TEST(asc_2_in_order_when_asked_later, .clause = "ASC-2",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	static const int order[COUNT] = {2, 0, 3, 1};
	assay_executor *executor = executor_new(s, COUNT);
	struct gated_set set = gated_set_new(s, executor);
	assay_as_completed *iteration = iteration_begin(set.futures, COUNT, ASSAY_FOREVER);
	struct probe *told = probe_new(s);

	for (int i = 0; i < COUNT; i++) {
		assay_future *future = set.futures[order[i]];

		/* Callbacks come after whoever watches was told. */
		CHECK_OK(assay_future_add_done_callback(future, hit_probe, told));
		gate_open(set.gates[order[i]]);
		probe_await(told, (uint32_t)i + 1);
	}
	for (int i = 0; i < COUNT; i++)
		CHECK(iteration_next(iteration) == set.futures[order[i]]);
	assay_as_completed_end(iteration);
	gated_set_end(&set);
	executor_end(executor);
}

ASSAY_TEST(asc_3_what_is_done_comes_first, .clause = "ASC-3",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	assay_executor *executor = executor_new(s, 2);
	struct gate *gate = gate_new(s);
	assay_future *set[4] = {submit_gated(executor, gate, NULL, 0), submit_int(executor, 1),
				submit_int(executor, 2), submit_failing(executor, 3, NULL)};
	assay_as_completed *iteration;
	bool seen[4] = {false};

	for (int i = 1; i < 4; i++)
		CHECK_OK(assay_future_wait(set[i], ASSAY_FOREVER));
	iteration = iteration_begin(set, 4, ASSAY_FOREVER);
	for (int i = 0; i < 3; i++) {
		assay_future *future = iteration_next(iteration);

		for (int k = 1; k < 4; k++)
			if (set[k] == future)
				seen[k] = true;
	}
	CHECK(seen[1] && seen[2] && seen[3]);
	CHECK_EQ(assay_as_completed_remaining(iteration), 1);
	gate_open(gate);
	CHECK(iteration_next(iteration) == set[0]);
	assay_as_completed_end(iteration);
	executor_end(executor);
	release_all(set, 4);
}

ASSAY_TEST(asc_4_duplicates_are_yielded_once, .clause = "ASC-4",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	assay_executor *executor = executor_new(s, 2);
	struct gate *gate = gate_new(s);
	assay_future *a = submit_gated(executor, gate, NULL, 1), *b = submit_int(executor, 2);
	assay_future *set[6] = {a, b, b, a, b, a};
	assay_as_completed *iteration;

	CHECK_EQ(result_int(b), 2);
	iteration = iteration_begin(set, 6, ASSAY_FOREVER);
	CHECK_EQ(assay_as_completed_remaining(iteration), 2);
	CHECK(iteration_next(iteration) == b);
	CHECK_EQ(assay_as_completed_remaining(iteration), 1);
	gate_open(gate);
	CHECK(iteration_next(iteration) == a);
	CHECK_ERROR(iteration_error(iteration), ASSAY_EEND);
	assay_as_completed_end(iteration);
	executor_end(executor);
	assay_future_release(a);
	assay_future_release(b);
}

ASSAY_TEST(asc_5_cancelled_futures_are_yielded, .clause = "ASC-5",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	assay_future *set[3] = {submit_int(executor, 0), submit_int(executor, 1),
				submit_int(executor, 2)};
	assay_as_completed *iteration;

	CHECK(assay_future_cancel(set[1])); /* before */
	iteration = iteration_begin(set, 3, ASSAY_FOREVER);
	CHECK(iteration_next(iteration) == set[1]);
	CHECK(assay_future_cancel(set[2])); /* during */
	CHECK(iteration_next(iteration) == set[2]);
	CHECK_EQ(assay_future_state(set[2]), ASSAY_CANCELLED);
	release_workers(&workers);
	CHECK(iteration_next(iteration) == set[0]);
	assay_as_completed_end(iteration);
	executor_end(executor);
	release_all(set, 3);
}

/* A thread that asks for the next future. */
struct consumer {
	struct actor actor;
	assay_as_completed *iteration;
	assay_future *future;
	int error;
};

static void consume(void *argument)
{
	struct consumer *consumer = argument;

	consumer->error = assay_as_completed_next(consumer->iteration, &consumer->future);
}

ASSAY_TEST(asc_5_a_cancellation_wakes_the_consumer, .clause = "ASC-5",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	assay_future *set[2] = {submit_int(executor, 0), submit_int(executor, 1)};
	struct consumer consumer = {.iteration = iteration_begin(set, 2, ASSAY_FOREVER)};

	actor_start(&consumer.actor, consume, &consumer);
	actor_await_sleep(&consumer.actor);
	CHECK(assay_future_cancel(set[1]));
	actor_join(&consumer.actor);
	CHECK_OK(consumer.error);
	CHECK(consumer.future == set[1]);
	assay_as_completed_end(consumer.iteration);
	release_workers(&workers);
	executor_end(executor);
	release_all(set, 2);
}

ASSAY_TEST(asc_6_the_limit_is_reported, .clause = "ASC-6",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	assay_executor *executor = executor_new(s, COUNT);
	struct gated_set set = gated_set_new(s, executor);
	int64_t before_ns = assay_clock_ns();
	assay_as_completed *iteration = iteration_begin(set.futures, COUNT, short_time_ns());

	CHECK_ERROR(iteration_error(iteration), ASSAY_ETIMEDOUT);
	CHECK(assay_clock_ns() - before_ns >= short_time_ns());
	CHECK_ERROR(iteration_error(iteration), ASSAY_ETIMEDOUT);
	CHECK_EQ(assay_as_completed_remaining(iteration), COUNT);
	assay_as_completed_end(iteration);
	iteration = iteration_begin(set.futures, COUNT, INT64_MIN);
	CHECK_ERROR(iteration_error(iteration), ASSAY_ETIMEDOUT);
	assay_as_completed_end(iteration);
	gated_set_end(&set);
	executor_end(executor);
}

ASSAY_TEST(asc_6_later_completions_are_yielded_if_asked_again, .clause = "ASC-6",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	assay_executor *executor = executor_new(s, COUNT);
	struct gated_set set = gated_set_new(s, executor);
	assay_as_completed *iteration = iteration_begin(set.futures, COUNT, 0);

	CHECK_ERROR(iteration_error(iteration), ASSAY_ETIMEDOUT);
	for (int i = 0; i < COUNT; i++)
		gate_open(set.gates[i]);
	executor_end(executor); /* all are done, and whoever is told of it was told */
	for (int i = 0; i < COUNT; i++) {
		assay_future *future = NULL;

		CHECK_OK(assay_as_completed_next(iteration, &future));
		CHECK(holds_future(set.futures, COUNT, future));
	}
	CHECK_ERROR(iteration_error(iteration), ASSAY_EEND);
	assay_as_completed_end(iteration);
	gated_set_end(&set);
}

ASSAY_TEST(asc_7_the_limit_counts_from_begin, .clause = "ASC-7",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	assay_executor *executor = executor_new(s, COUNT);
	struct gated_set set = gated_set_new(s, executor);
	assay_as_completed *early = iteration_begin(set.futures, COUNT, short_time_ns());
	assay_as_completed *late;
	int64_t left_ns;

	/* This uses up the limit of `early` before its first step. */
	CHECK_OK(assay_wait(set.futures, COUNT, ASSAY_FIRST_COMPLETED, short_time_ns(), NULL));
	left_ns = assay_remaining_ns(early->deadline_ns);
	CHECK(left_ns <= 0);
	CHECK_ERROR(iteration_error(early), ASSAY_ETIMEDOUT);
	late = iteration_begin(set.futures, COUNT, ASSAY_FOREVER - 1);
	gate_open(set.gates[1]);
	CHECK(iteration_next(late) == set.futures[1]);
	assay_as_completed_end(early);
	assay_as_completed_end(late);
	gated_set_end(&set);
	executor_end(executor);
}

ASSAY_TEST(asc_8_the_limit_is_for_the_whole_iteration, .clause = "ASC-8",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	enum { STEPS = 500 };

	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	int64_t limit_ns = short_time_ns() > 100000000 ? short_time_ns() : 100000000;
	assay_future *set[STEPS];
	assay_as_completed *iteration;

	for (int i = 0; i < STEPS; i++)
		set[i] = submit_int(executor, i);
	iteration = iteration_begin(set, STEPS, limit_ns);
	/* A limit for each step would make this 50 s: the deadline of the test is shorter. */
	for (int i = 0; i < STEPS; i++)
		CHECK_ERROR(iteration_error(iteration), ASSAY_ETIMEDOUT);
	assay_as_completed_end(iteration);
	release_workers(&workers);
	executor_end(executor);
	release_all(set, STEPS);
}

ASSAY_TEST(asc_9_what_is_done_is_yielded_after_the_limit, .clause = "ASC-9",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	assay_executor *executor = executor_new(s, 2);
	struct gate *gate = gate_new(s);
	assay_future *set[3] = {submit_gated(executor, gate, NULL, 0), submit_int(executor, 1),
				submit_int(executor, 2)};
	assay_as_completed *iteration;

	CHECK_EQ(result_int(set[1]), 1);
	CHECK_EQ(result_int(set[2]), 2);
	iteration = iteration_begin(set, 3, 0);
	CHECK(iteration_next(iteration) != set[0]);
	CHECK(iteration_next(iteration) != set[0]);
	CHECK_ERROR(iteration_error(iteration), ASSAY_ETIMEDOUT);
	assay_as_completed_end(iteration);
	gate_open(gate);
	executor_end(executor);
	release_all(set, 3);
}

ASSAY_TEST(asc_10_the_number_left_is_known, .clause = "ASC-10",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	assay_executor *executor = executor_new(s, COUNT);
	struct gated_set set = gated_set_new(s, executor);
	assay_as_completed *iteration = iteration_begin(set.futures, COUNT, short_time_ns());

	gate_open(set.gates[2]);
	CHECK_EQ(result_int(set.futures[2]), 2);
	CHECK_EQ(assay_as_completed_remaining(iteration), COUNT);
	while (assay_as_completed_remaining(iteration) == COUNT) {
		assay_future *future = NULL;
		int error = assay_as_completed_next(iteration, &future);

		CHECK(error ? error == ASSAY_ETIMEDOUT : future == set.futures[2]);
	}
	CHECK_ERROR(iteration_error(iteration), ASSAY_ETIMEDOUT);
	CHECK_EQ(assay_as_completed_remaining(iteration), COUNT - 1);
	assay_as_completed_end(iteration);
	gated_set_end(&set);
	executor_end(executor);
}

ASSAY_TEST(asc_11_an_empty_set_ends_at_once, .clause = "ASC-11")
{
	assay_as_completed *iteration = iteration_begin(NULL, 0, ASSAY_FOREVER);

	(void)s;
	CHECK_EQ(assay_as_completed_remaining(iteration), 0);
	CHECK_ERROR(iteration_error(iteration), ASSAY_EEND);
	assay_as_completed_end(iteration);
	iteration = iteration_begin(NULL, 0, 0);
	CHECK_ERROR(iteration_error(iteration), ASSAY_EEND);
	assay_as_completed_end(iteration);
}
