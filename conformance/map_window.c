/* SPDX-License-Identifier: MIT */
/* Map: chunks and windows. */
#include "fixture.h"
#include "mapping.h"

#include <stdio.h>
#include <stdlib.h>

/* The sizes of results that meet every way of storing them. */
static const size_t sizes[] = {0, 1, 15, 16, 17, 100000, 0, 33, 4096, 100000, 2, 0};
#define SIZES (sizeof sizes / sizeof *sizes)

/* Returns sizes[index] bytes that tell the index; fails for a size of 2. */
static int return_sized(assay_call *call)
{
	int index = *(const int *)call->argument;
	size_t size = sizes[index];
	void *bytes;
	int error;

	CHECK_EQ((uintptr_t)call->argument % 16, 0);
	if (size == 2)
		return assay_fail(call, 2, "two");
	error = assay_call_result(call, size, &bytes);
	if (error)
		return error;
	CHECK(size == 0 || (uintptr_t)bytes % 16 == 0);
	for (size_t i = 0; i < size; i++)
		((unsigned char *)bytes)[i] = (unsigned char)(i * 7 + (size_t)index);
	return ASSAY_OK;
}

static void check_sized(const struct assay_outcome *outcome, int index)
{
	const unsigned char *bytes = outcome->result;

	if (sizes[index] == 2) {
		CHECK_ERROR(outcome->error, ASSAY_EFAILED);
		CHECK_EQ(outcome->code, 2);
		CHECK_STR(outcome->message, "two");
		CHECK(!outcome->result && !outcome->result_size);
		return;
	}
	CHECK_OK(outcome->error);
	CHECK_EQ(outcome->result_size, sizes[index]);
	CHECK(!bytes == !sizes[index]);
	CHECK_EQ((uintptr_t)bytes % 16, 0);
	CHECK_STR(outcome->message, "");
	for (size_t i = 0; i < sizes[index]; i++)
		if (bytes[i] != (unsigned char)(i * 7 + (size_t)index))
			CHECK_EQ(bytes[i], (unsigned char)(i * 7 + (size_t)index));
}

ASSAY_TEST(map_16_chunks_do_not_change_results, .clause = "MAP-16")
{
	static const size_t chunks[] = {1, 2, 3, 5, SIZES - 1, SIZES, SIZES + 10, SIZE_MAX / 2};
	int items[SIZES];

	for (size_t i = 0; i < SIZES; i++)
		items[i] = (int)i;
	for (size_t k = 0; k < sizeof chunks / sizeof *chunks; k++) {
		assay_executor *executor = executor_new(s, 2);
		struct assay_map_input input;
		struct assay_map_request request = map_ints(return_sized, &input, items, SIZES);
		struct assay_outcome outcome = {.error = 1};
		assay_map_iteration *map;

		request.chunk_size = chunks[k];
		request.window = k % 2 ? ASSAY_UNLIMITED : 4;
		map = map_begin(executor, &request);
		for (int i = 0; i < (int)SIZES; i++) {
			CHECK_OK(assay_map_next(map, &outcome));
			check_sized(&outcome, i);
		}
		CHECK_ERROR(map_error(map), ASSAY_EEND);
		assay_map_end(map);
		executor_end(executor);
	}
}

ASSAY_TEST(map_16_chunks_of_a_source, .clause = "MAP-16")
{
	for (int length = 1; length <= 13; length += 4)
		for (size_t chunk = 1; chunk <= 16; chunk += 5) {
			assay_executor *executor = executor_new(s, 2);
			struct counter counter = {.length = length, .end = ASSAY_EEND};
			struct assay_map_request request = map_counter(map_square, &counter);
			assay_map_iteration *map;

			request.chunk_size = chunk;
			map = map_begin(executor, &request);
			for (int i = 0; i < length; i++)
				CHECK_EQ(map_next_int(map), i * i);
			CHECK_ERROR(map_error(map), ASSAY_EEND);
			CHECK_EQ(counter.ended, 1);
			assay_map_end(map);
			executor_end(executor);
		}
}

ASSAY_TEST(map_16_a_name_is_sent_item_by_item, .clause = "MAP-16",
	   .needs = ASSAY_CAP_NAMED_FUNCTIONS)
{
	static const struct assay_named_function functions[] = {{"square", map_square}};
	static const int items[] = {3, 4, 5, 6};
	char name[] = "square";
	struct assay_config config = assay_config_default();
	struct assay_map_input input;
	struct assay_map_request request = map_ints(NULL, &input, items, 4);
	assay_map_iteration *map = NULL;
	assay_executor *executor;

	config.workers = 2;
	config.functions = functions;
	config.function_count = 1;
	executor = executor_with(s, &config);
	request.name = name;
	request.chunk_size = 3;
	request.window = 2;
	map = map_begin(executor, &request);
	name[0] = 'S'; /* it was copied */
	for (int i = 0; i < 4; i++)
		CHECK_EQ(map_next_int(map), items[i] * items[i]);
	CHECK_ERROR(map_error(map), ASSAY_EEND);
	assay_map_end(map);
	executor_end(executor);
}

ASSAY_TEST(map_17_a_chunk_is_one_submission, .clause = "MAP-17")
{
	for (size_t chunk = 1; chunk <= 12; chunk++) {
		assay_executor *executor = executor_new(s, 2);
		struct counter counter = {.length = 10, .end = ASSAY_EEND};
		struct assay_map_request request = map_counter(map_square, &counter);
		struct assay_statistics statistics;
		assay_map_iteration *map;

		request.chunk_size = chunk;
		map = map_begin(executor, &request);
		CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
		assay_executor_statistics(executor, &statistics);
		if (statistics.submitted == UINT64_MAX)
			UNSUPPORTED("the backend does not count submissions");
		CHECK_EQ(statistics.submitted, (10 + chunk - 1) / chunk);
		for (int i = 0; i < 10; i++)
			CHECK_EQ(map_next_int(map), i * i);
		assay_map_end(map);
		executor_end(executor);
	}
}

ASSAY_TEST(map_18_a_chunk_of_nothing_is_rejected, .clause = "MAP-18")
{
	assay_executor *executor = executor_new(s, 1);
	struct counter counter = {.length = 3, .end = ASSAY_EEND};
	struct assay_map_request request = map_counter(map_square, &counter);
	assay_map_iteration *map = NULL;

	request.chunk_size = 0;
	CHECK_ERROR(assay_map_begin(executor, &request, &map), ASSAY_EINVAL);
	CHECK(!map);
	CHECK_EQ(counter.pulled, 0);
	executor_end(executor);
}

ASSAY_TEST(map_19_a_chunk_runs_in_order, .clause = "MAP-19",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	enum { COUNT = 12, CHUNK = 4 };

	assay_executor *executor = executor_new(s, 3);
	struct map_item items[COUNT];
	struct trace *traces[COUNT / CHUNK];
	struct assay_map_input input;
	struct assay_map_request request = map_items(&input, items, COUNT);
	assay_map_iteration *map;

	for (int i = 0; i < COUNT; i++) {
		if (i % CHUNK == 0)
			traces[i / CHUNK] = trace_new(s, CHUNK);
		items[i] = (struct map_item){.trace = traces[i / CHUNK], .value = i};
	}
	request.chunk_size = CHUNK;
	map = map_begin(executor, &request);
	for (int i = 0; i < COUNT; i++) {
		CHECK_EQ(map_next_int(map), i);
		CHECK_EQ(trace_at(traces[i / CHUNK], (uint32_t)(i % CHUNK)), i);
	}
	assay_map_end(map);
	executor_end(executor);
}

ASSAY_TEST(map_19_a_chunk_starts_as_a_whole, .clause = "MAP-19",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT | ASSAY_CAP_SUBMITTER_FIFO)
{
	enum { COUNT = 6 };

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
	items[0].gate = gate;
	items[0].started = started;
	request.chunk_size = 3;
	request.timeout_ns = 0;
	map = map_begin(executor, &request);
	probe_await(started, 1);
	CHECK_ERROR(map_error(map), ASSAY_ETIMEDOUT);
	gate_open(gate);
	executor_end(executor);
	/* 1 and 2 had started with 0; 3 to 5 were cancelled together. */
	CHECK_EQ(trace_length(trace), 3);
	assay_map_end(map);
}

/* Negative items fail with their own message. */
static int negative_fails(assay_call *call)
{
	int value = *(const int *)call->argument;
	char message[64];

	if (value >= 0)
		return assay_return(call, &value, sizeof value);
	snprintf(message, sizeof message, "the item is %d", value);
	return assay_fail(call, -value, message);
}

ASSAY_TEST(map_20_a_failure_spares_its_chunk, .clause = "MAP-20")
{
	static const int items[] = {10, -1, 12, -2, -3, 15, 16, -4};

	for (size_t chunk = 2; chunk <= 8; chunk++) {
		assay_executor *executor = executor_new(s, 2);
		struct assay_map_input input;
		struct assay_map_request request = map_ints(negative_fails, &input, items, 8);
		assay_map_iteration *map;

		request.chunk_size = chunk;
		map = map_begin(executor, &request);
		for (int i = 0; i < 8; i++) {
			struct assay_outcome outcome = {.error = 1};
			char message[64];

			if (items[i] >= 0) {
				CHECK_EQ(map_next_int(map), items[i]);
				continue;
			}
			CHECK_OK(assay_map_next(map, &outcome));
			CHECK_ERROR(outcome.error, ASSAY_EFAILED);
			CHECK_EQ(outcome.code, -items[i]);
			snprintf(message, sizeof message, "the item is %d", items[i]);
			CHECK_STR(outcome.message, message);
		}
		CHECK_ERROR(map_error(map), ASSAY_EEND);
		assay_map_end(map);
		executor_end(executor);
	}
}

ASSAY_TEST(map_21_the_input_is_read_as_the_window_moves, .clause = "MAP-21")
{
	enum { LENGTH = 20 };

	for (int window = 1; window <= 5; window++) {
		assay_executor *executor = executor_new(s, 2);
		struct counter counter = {.length = LENGTH, .end = ASSAY_EEND};
		struct assay_map_request request = map_counter(map_square, &counter);
		assay_map_iteration *map;

		request.window = (size_t)window;
		map = map_begin(executor, &request);
		CHECK_EQ(counter.pulled, window);
		for (int i = 0; i < LENGTH; i++) {
			CHECK_EQ(map_next_int(map), i * i);
			CHECK_EQ(counter.pulled, i + 1 + window < LENGTH ? i + 1 + window : LENGTH);
		}
		CHECK_ERROR(map_error(map), ASSAY_EEND);
		assay_map_end(map);
		executor_end(executor);
	}
}

ASSAY_TEST(map_21_a_window_smaller_than_the_chunk, .clause = "MAP-21")
{
	enum { LENGTH = 23 };

	for (int window = 1; window <= 7; window++) {
		assay_executor *executor = executor_new(s, 2);
		struct counter counter = {.length = LENGTH, .end = ASSAY_EEND};
		struct assay_map_request request = map_counter(map_square, &counter);
		assay_map_iteration *map;

		request.window = (size_t)window;
		request.chunk_size = 5;
		map = map_begin(executor, &request);
		CHECK(counter.pulled <= window);
		for (; counter.delivered < LENGTH; counter.delivered++) {
			int expected = counter.delivered * counter.delivered;

			CHECK_EQ(map_next_int(map), expected);
			CHECK(counter.pulled - counter.delivered - 1 <= window);
		}
		CHECK_ERROR(map_error(map), ASSAY_EEND);
		assay_map_end(map);
		executor_end(executor);
	}
}

ASSAY_TEST(map_22_at_most_one_above_the_window, .clause = "MAP-22")
{
	enum { LENGTH = 30 };

	for (int window = 1; window <= 6; window++) {
		assay_executor *executor = executor_new(s, 2);
		struct counter counter = {.length = LENGTH, .end = ASSAY_EEND};
		struct assay_map_request request = map_counter(map_square, &counter);
		assay_map_iteration *map;

		request.window = (size_t)window;
		map = map_begin(executor, &request);
		for (; counter.delivered < LENGTH; counter.delivered++)
			(void)map_next_int(map);
		/* While a request is under way its own item counts as not delivered. */
		CHECK(counter.most == window || counter.most == window + 1);
		assay_map_end(map);
		executor_end(executor);
	}
}

ASSAY_TEST(map_23_an_endless_source, .clause = "MAP-23")
{
	for (size_t chunk = 1; chunk <= 4; chunk += 3)
		for (int taken = 0; taken <= 9; taken += 3) {
			assay_executor *executor = executor_new(s, 2);
			struct counter counter = {.length = -1};
			struct assay_map_request request = map_counter(map_square, &counter);
			assay_map_iteration *map;

			request.window = 8;
			request.chunk_size = chunk;
			map = map_begin(executor, &request);
			for (int i = 0; i < taken; i++)
				CHECK_EQ(map_next_int(map), i * i);
			assay_map_end(map);
			CHECK(counter.pulled <= taken + 8);
			executor_end(executor);
		}
}

ASSAY_TEST(map_24_a_window_larger_than_the_input, .clause = "MAP-24")
{
	assay_executor *executor = executor_new(s, 2);
	struct counter counter = {.length = 10, .end = ASSAY_EEND};
	struct assay_map_request request = map_counter(map_square, &counter);
	assay_map_iteration *map;

	request.window = 20;
	map = map_begin(executor, &request);
	CHECK_EQ(counter.pulled, 10);
	for (int i = 0; i < 10; i++)
		CHECK_EQ(map_next_int(map), i * i);
	CHECK_ERROR(map_error(map), ASSAY_EEND);
	assay_map_end(map);
	executor_end(executor);
}

ASSAY_TEST(map_25_a_request_that_cannot_be_meant, .clause = "MAP-25")
{
	assay_executor *executor = executor_new(s, 1);
	static const int items[] = {1};
	struct counter counter = {.length = 1, .end = ASSAY_EEND};
	struct assay_map_input input, bad = {NULL, sizeof *items, 1};
	const struct assay_map_request good = map_ints(map_square, &input, items, 1);
	struct assay_map_request requests[6] = {good, good, good, good, good, good};
	assay_map_iteration *map = NULL;

	requests[0].window = 0;
	requests[1].function = NULL;
	requests[2].input_count = 0;
	requests[3].inputs = NULL;
	requests[4].inputs = &bad;
	requests[5].generator = counter_next;
	requests[5].source = &counter;
	for (int i = 0; i < 6; i++)
		CHECK_ERROR(assay_map_begin(executor, &requests[i], &map), ASSAY_EINVAL);
	CHECK_ERROR(assay_map_begin(NULL, &good, &map), ASSAY_EINVAL);
	CHECK_ERROR(assay_map_begin(executor, NULL, &map), ASSAY_EINVAL);
	CHECK_ERROR(assay_map_begin(executor, &good, NULL), ASSAY_EINVAL);
	CHECK(!map);
	CHECK_EQ(counter.pulled, 0);
	executor_end(executor);
}

ASSAY_TEST(map_25_an_item_beyond_the_limit, .clause = "MAP-25")
{
	assay_executor *executor = executor_new(s, 1);
	const size_t too_large[] = {SIZE_MAX, SIZE_MAX - 14, SIZE_MAX / 2 + 1,
				    s->backend->argument_limit + 1};

	for (size_t i = 0; i < sizeof too_large / sizeof *too_large; i++)
		for (size_t chunk = 1; chunk <= 2; chunk++) {
			struct counter counter = {.length = 1, .end = ASSAY_EEND};
			struct assay_map_request request = map_counter(map_square, &counter);
			assay_map_iteration *map = NULL;

			if (s->backend->argument_limit >= too_large[i])
				continue;
			request.item_size = too_large[i];
			request.chunk_size = chunk;
			CHECK_ERROR(assay_map_begin(executor, &request, &map), ASSAY_ETOOBIG);
			CHECK_EQ(counter.pulled, 0);
		}
	executor_end(executor);
}

ASSAY_TEST(map_26_a_shutdown_between_refills, .clause = "MAP-26")
{
	for (size_t chunk = 1; chunk <= 2; chunk++) {
		assay_executor *executor = executor_new(s, 2);
		struct counter counter = {.length = 20, .end = ASSAY_EEND};
		struct assay_map_request request = map_counter(map_square, &counter);
		assay_map_iteration *map;
		int submitted;

		request.window = 4;
		request.chunk_size = chunk;
		map = map_begin(executor, &request);
		for (int i = 0; i < 2; i++)
			CHECK_EQ(map_next_int(map), i * i);
		submitted = counter.pulled;
		CHECK(submitted >= 4);
		CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT));
		for (int i = 2; i < submitted; i++)
			CHECK_EQ(map_next_int(map), i * i);
		CHECK_ERROR(map_error(map), ASSAY_ESHUTDOWN);
		CHECK_ERROR(map_error(map), ASSAY_EEND);
		assay_map_end(map);
		executor_end(executor);
	}
}

/* Two of the source were submitted, and are done. */
static void check_after_the_limit(struct subject *s, int length, int expected)
{
	assay_executor *executor = executor_new(s, 2);
	struct counter counter = {.length = length, .end = ASSAY_EEND};
	struct assay_map_request request = map_counter(map_square, &counter);
	assay_map_iteration *map;

	request.window = 2;
	request.timeout_ns = 0;
	map = map_begin(executor, &request);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	CHECK_EQ(map_next_int(map), 0);
	CHECK_EQ(map_next_int(map), 1);
	CHECK_ERROR(map_error(map), expected);
	CHECK(counter.pulled <= 3); /* one tells whether there are more */
	CHECK_ERROR(map_error(map), ASSAY_EEND);
	assay_map_end(map);
	executor_end(executor);
}

ASSAY_TEST(map_10_the_rest_is_not_submitted, .clause = "MAP-10")
{
	check_after_the_limit(s, 10, ASSAY_ETIMEDOUT);
}

ASSAY_TEST(map_9_a_source_may_end_after_the_limit, .clause = "MAP-9")
{
	check_after_the_limit(s, 2, ASSAY_EEND);
}
