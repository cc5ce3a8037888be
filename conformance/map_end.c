/* SPDX-License-Identifier: MIT */
/* Map: failures, ending early, shutdown, what is rejected. */
#include "fixture.h"
#include "heap.h"
#include "mapping.h"

#include <stdio.h>

#define ONE_AFTER_THE_OTHER \
	(ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT | ASSAY_CAP_SUBMITTER_FIFO)

/* Fails for odd values, with a message for those below 4. */
static int odd_fails(assay_call *call)
{
	int value = *(const int *)call->argument;
	char message[32];

	if (value % 2 == 0)
		return assay_return(call, &value, sizeof value);
	snprintf(message, sizeof message, "odd: %d", value);
	return assay_fail(call, 100 + value, value < 4 ? message : NULL);
}

static void check_odd_fails(assay_map_iteration *map, int value)
{
	struct assay_outcome outcome = {.error = 1};
	char message[32] = "";

	if (value % 2 == 0) {
		CHECK_EQ(map_next_int(map), value);
		return;
	}
	CHECK_OK(assay_map_next(map, &outcome));
	CHECK_ERROR(outcome.error, ASSAY_EFAILED);
	CHECK_EQ(outcome.code, 100 + value);
	CHECK_EQ(outcome.result_size, 0);
	CHECK(!outcome.result);
	if (value < 4)
		snprintf(message, sizeof message, "odd: %d", value);
	CHECK_STR(outcome.message, message);
}

ASSAY_TEST(map_11_a_failure_comes_at_its_place, .clause = "MAP-11")
{
	static const int items[] = {0, 2, 3, 4};
	assay_executor *executor = executor_new(s, 2);
	struct assay_map_input input;
	struct assay_map_request request = map_ints(odd_fails, &input, items, 4);
	assay_map_iteration *map = map_begin(executor, &request);

	for (int i = 0; i < 4; i++)
		check_odd_fails(map, items[i]);
	CHECK_ERROR(map_error(map), ASSAY_EEND);
	assay_map_end(map);
	executor_end(executor);
}

ASSAY_TEST(map_12_the_iteration_goes_on_after_a_failure, .clause = "MAP-12")
{
	static const int items[] = {1, 3, 0, 5, 2, 7};
	assay_executor *executor = executor_new(s, 2);

	for (size_t window = 1; window <= 6; window++) {
		struct assay_map_input input;
		struct assay_map_request request = map_ints(odd_fails, &input, items, 6);
		assay_map_iteration *map;

		request.window = window;
		map = map_begin(executor, &request);
		for (int i = 0; i < 6; i++)
			check_odd_fails(map, items[i]);
		CHECK_ERROR(map_error(map), ASSAY_EEND);
		assay_map_end(map);
	}
	executor_end(executor);
}

/* plain, gated, then COUNT - 2 that must not run - on one worker. */
static void end_early(struct subject *s, size_t chunk, int taken)
{
	enum { COUNT = 8 };

	assay_executor *executor = executor_new(s, 1);
	struct gate *gate = gate_new(s);
	struct probe *started = probe_new(s);
	struct trace *trace = trace_new(s, COUNT);
	struct map_item items[COUNT];
	struct assay_map_input input;
	struct assay_map_request request = map_items(&input, items, COUNT);
	assay_map_iteration *map;

	for (int i = 0; i < COUNT; i++)
		items[i] = (struct map_item){.trace = trace, .value = i};
	items[chunk].gate = gate;
	items[chunk].started = started;
	request.chunk_size = chunk;
	map = map_begin(executor, &request);
	for (int i = 0; i < taken; i++)
		CHECK_EQ(map_next_int(map), i);
	probe_await(started, 1);
	assay_map_end(map);
	gate_open(gate);
	executor_end(executor);
	/* The first task, and the one that was running. */
	CHECK_EQ(trace_length(trace), 2 * chunk);
}

ASSAY_TEST(map_13_ending_early_cancels_the_pending, .clause = "MAP-13",
	   .needs = ONE_AFTER_THE_OTHER)
{
	end_early(s, 1, 1);
	end_early(s, 2, 1); /* in the middle of a chunk */
	end_early(s, 2, 2);
	end_early(s, 3, 3);
}

ASSAY_TEST(map_14_ending_unstarted_cancels_too, .clause = "MAP-14", .needs = ONE_AFTER_THE_OTHER)
{
	end_early(s, 1, 0);
	end_early(s, 3, 0);
}

ASSAY_TEST(map_15_an_end_leaves_nothing_behind, .clause = "MAP-15",
	   .needs = ASSAY_CAP_SHARED_MEMORY)
{
	enum { MAPS = 150 };

	assay_executor *executor = executor_new(s, 2);
	size_t before = 0;

	assay_map_end(NULL);
	for (int i = 0; i < 2 * MAPS; i++) {
		struct counter counter = {.length = 40, .end = ASSAY_EEND};
		struct assay_map_request request = map_counter(odd_fails, &counter);
		assay_map_iteration *map;

		if (i == MAPS) /* by now what is kept for reuse is there */
			before = heap_in_use();
		request.chunk_size = 1 + (size_t)i % 3 * 4;
		request.window = i % 2 ? ASSAY_UNLIMITED : 7;
		map = map_begin(executor, &request);
		for (int k = 0; k < i % 42; k++)
			if (k < 40)
				check_odd_fails(map, k);
			else
				CHECK_ERROR(map_error(map), ASSAY_EEND);
		assay_map_end(map);
	}
	executor_end(executor);
	/* Futures are small; what would stay behind of 150 maps is far more. */
	CHECK(heap_in_use() <= before + 32768);
}

ASSAY_TEST(map_15_maps_take_turns, .clause = "MAP-15", .rounds = 20)
{
	enum { MAPS = 6, COUNT = 30 };

	assay_executor *executor = executor_new(s, 2);

	for (int round = 0; round < scaled(20); round++) {
		assay_map_iteration *maps[MAPS];
		struct counter counters[MAPS];

		for (int i = 0; i < MAPS; i++) {
			struct assay_map_request request = map_counter(map_square, &counters[i]);

			counters[i] = (struct counter){.length = COUNT + i, .end = ASSAY_EEND};
			request.window = (size_t)i + 1;
			maps[i] = map_begin(executor, &request);
		}
		/* In turns: a map that waits does not hold up another. */
		for (int k = 0; k < COUNT; k++)
			for (int i = MAPS - 1; i >= 0; i--)
				CHECK_EQ(map_next_int(maps[i]), k * k);
		for (int i = 0; i < MAPS; i++) {
			for (int k = COUNT; k < COUNT + i; k++)
				CHECK_EQ(map_next_int(maps[i]), k * k);
			CHECK_ERROR(map_error(maps[i]), ASSAY_EEND);
			assay_map_end(maps[i]);
		}
	}
	executor_end(executor);
}

ASSAY_TEST(map_27_after_shutdown_it_is_refused, .clause = "MAP-27")
{
	static const int items[] = {1, 2};
	assay_executor *executor = executor_new(s, 1);
	struct assay_map_input input;
	struct assay_map_request request = map_ints(map_square, &input, items, 2);
	assay_map_iteration *map = NULL;

	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	CHECK_ERROR(assay_map_begin(executor, &request, &map), ASSAY_ESHUTDOWN);
	CHECK(!map);
	/* There is nothing that could be refused. */
	input.count = 0;
	map = map_begin(executor, &request);
	CHECK_ERROR(map_error(map), ASSAY_EEND);
	assay_map_end(map);
	executor_end(executor);
}

ASSAY_TEST(map_27_a_refused_task_ends_it, .clause = "MAP-27",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT | ASSAY_CAP_BOUNDED_QUEUE)
{
	struct assay_config config = assay_config_default();
	struct trace *trace = trace_new(s, 6);
	struct map_item items[6];
	struct assay_map_input input;
	struct assay_map_request request = map_items(&input, items, 6);
	assay_map_iteration *map = NULL;
	assay_executor *executor;
	struct occupied workers;

	for (int i = 0; i < 6; i++)
		items[i] = (struct map_item){.trace = trace, .value = i};
	config.workers = 1;
	config.queue_capacity = 3;
	config.when_full = ASSAY_FULL_REJECT;
	executor = executor_with(s, &config);
	workers = occupy_workers(s, executor, 1);
	CHECK_ERROR(assay_map_begin(executor, &request, &map), ASSAY_EFULL);
	CHECK(!map);
	release_workers(&workers);
	executor_end(executor);
	CHECK_EQ(trace_length(trace), 0); /* what had been accepted was cancelled */
}

static int return_zeros(assay_call *call)
{
	const size_t size = (size_t)1 << 20;
	void *bytes;
	int error = assay_call_result(call, size, &bytes);

	if (!error)
		memset(bytes, 0, size);
	return error;
}

ASSAY_TEST(map_28_delivered_results_are_given_up, .clause = "MAP-28",
	   .needs = ASSAY_CAP_SHARED_MEMORY)
{
	enum { COUNT = 8 };

	static const int items[COUNT];
	assay_executor *executor = executor_new(s, 2);
	struct assay_map_input input;
	struct assay_map_request request = map_ints(return_zeros, &input, items, COUNT);
	assay_map_iteration *map = map_begin(executor, &request);
	struct assay_outcome outcome = {.error = 1};
	size_t before;

	executor_end(executor); /* all are done, and only the map holds them */
	before = heap_in_use();
	for (int i = 0; i < COUNT; i++) {
		CHECK_OK(assay_map_next(map, &outcome));
		CHECK_EQ(outcome.result_size, (size_t)1 << 20);
		CHECK_EQ(((const char *)outcome.result)[outcome.result_size - 1], 0);
	}
	if (before) /* all but the last two, to be generous */
		CHECK(heap_in_use() + (COUNT - 2) * ((size_t)1 << 20) <= before);
	CHECK_ERROR(map_error(map), ASSAY_EEND);
	assay_map_end(map);
}

/* A task that claims what only the executor may say. */
static int pretend(assay_call *call)
{
	int value = *(const int *)call->argument;

	if (value)
		return value;
	return assay_return(call, &value, sizeof value);
}

ASSAY_TEST(map_29_a_time_out_of_the_function_is_a_failure, .clause = "MAP-29")
{
	static const int items[] = {0, ASSAY_ETIMEDOUT, 0, ASSAY_EEND, ASSAY_ECANCELLED, 0};

	for (size_t chunk = 1; chunk <= 6; chunk++) {
		assay_executor *executor = executor_new(s, 2);
		struct assay_map_input input;
		struct assay_map_request request = map_ints(pretend, &input, items, 6);
		struct assay_outcome outcome = {.error = 1};
		assay_map_iteration *map;

		request.chunk_size = chunk;
		map = map_begin(executor, &request);
		for (int i = 0; i < 6; i++) {
			CHECK_OK(assay_map_next(map, &outcome));
			CHECK_ERROR(outcome.error, items[i] ? ASSAY_EFAILED : ASSAY_OK);
			CHECK_EQ(outcome.code, items[i]);
		}
		CHECK_ERROR(map_error(map), ASSAY_EEND);
		assay_map_end(map);
		executor_end(executor);
	}
}

ASSAY_TEST(map_30_the_limit_is_the_end, .clause = "MAP-30",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	static const int items[] = {1, 2, 3};

	for (size_t window = 1; window <= 3; window++) {
		assay_executor *executor = executor_new(s, 1);
		struct occupied workers = occupy_workers(s, executor, 1);
		struct assay_map_input input;
		struct assay_map_request request = map_ints(map_square, &input, items, 3);
		assay_map_iteration *map;

		request.timeout_ns = 0;
		request.window = window;
		map = map_begin(executor, &request);
		CHECK_ERROR(map_error(map), ASSAY_ETIMEDOUT);
		CHECK_ERROR(map_error(map), ASSAY_EEND);
		release_workers(&workers);
		CHECK_ERROR(map_error(map), ASSAY_EEND);
		assay_map_end(map);
		executor_end(executor);
	}
}

ASSAY_TEST(map_31_a_failing_source_fails_begin, .clause = "MAP-31")
{
	for (int length = 0; length <= 5; length += 5)
		for (size_t chunk = 1; chunk <= 4; chunk += 3) {
			assay_executor *executor = executor_new(s, 2);
			struct counter counter = {.length = length, .end = ASSAY_ERESOURCE};
			struct assay_map_request request = map_counter(map_square, &counter);
			assay_map_iteration *map = NULL;

			request.chunk_size = chunk;
			CHECK_ERROR(assay_map_begin(executor, &request, &map), ASSAY_ERESOURCE);
			CHECK(!map);
			CHECK_EQ(counter.pulled, length);
			CHECK_EQ(counter.ended, 1);
			executor_end(executor);
		}
}

ASSAY_TEST(map_31_a_source_that_fails_later_is_reported_last, .clause = "MAP-31")
{
	for (int length = 3; length <= 9; length++) {
		assay_executor *executor = executor_new(s, 2);
		struct counter counter = {.length = length, .end = ASSAY_ENOMEM};
		struct assay_map_request request = map_counter(map_square, &counter);
		assay_map_iteration *map;

		request.window = 2;
		request.chunk_size = 1 + (size_t)length % 2;
		map = map_begin(executor, &request);
		for (int i = 0; i < length; i++)
			CHECK_EQ(map_next_int(map), i * i);
		CHECK_ERROR(map_error(map), ASSAY_ENOMEM);
		CHECK_ERROR(map_error(map), ASSAY_EEND);
		CHECK_EQ(counter.ended, 1);
		assay_map_end(map);
		executor_end(executor);
	}
}
