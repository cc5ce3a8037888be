/* SPDX-License-Identifier: MIT */
/* Map: order, inputs, time limits, failures, ending. Chunks and windows are in their own files. */
#include "fixture.h"
#include "mapping.h"

static void shut_down(assay_executor *executor)
{
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
}

ASSAY_TEST(map_1_results_in_input_order, .clause = "MAP-1",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	enum { COUNT = 4 };

	assay_executor *executor = executor_new(s, COUNT);
	struct trace *trace = trace_new(s, COUNT);
	struct map_item items[COUNT];
	struct assay_map_input input;
	struct assay_map_request request = map_items(&input, items, COUNT);
	assay_map_iteration *map;

	for (int i = 0; i < COUNT; i++)
		items[i] = (struct map_item){.trace = trace, .gate = gate_new(s), .value = i};
	map = map_begin(executor, &request);
	for (int i = COUNT - 1; i >= 0; i--) {
		gate_open(items[i].gate);
		while (trace_length(trace) < (uint32_t)(COUNT - i))
			sched_yield();
	}
	for (int i = 0; i < COUNT; i++) {
		CHECK_EQ(trace_at(trace, (uint32_t)i), COUNT - 1 - i);
		CHECK_EQ(map_next_int(map), i);
	}
	CHECK_ERROR(map_error(map), ASSAY_EEND);
	assay_map_end(map);
	executor_end(executor);
}

ASSAY_TEST(map_1_a_thousand_items, .clause = "MAP-1")
{
	enum { COUNT = 1000 };

	assay_executor *executor = executor_new(s, s->workers);
	int *items = shared_new(s, COUNT * sizeof *items);
	struct assay_map_input input;
	struct assay_map_request request = map_ints(map_square, &input, items, COUNT);
	assay_map_iteration *map;

	for (int i = 0; i < COUNT; i++)
		items[i] = i;
	map = map_begin(executor, &request);
	for (int i = 0; i < COUNT; i++)
		CHECK_EQ(map_next_int(map), i * i);
	CHECK_ERROR(map_error(map), ASSAY_EEND);
	CHECK_ERROR(map_error(map), ASSAY_EEND);
	assay_map_end(map);
	executor_end(executor);
}

ASSAY_TEST(map_2_everything_is_submitted_by_begin, .clause = "MAP-2")
{
	enum { COUNT = 40 };

	assay_executor *executor = executor_new(s, 2);
	struct trace *trace = trace_new(s, COUNT);
	struct map_item items[COUNT];
	struct assay_map_input input;
	struct assay_map_request request = map_items(&input, items, COUNT);
	assay_map_iteration *map;

	for (int i = 0; i < COUNT; i++)
		items[i] = (struct map_item){.trace = trace, .value = i};
	map = map_begin(executor, &request);
	shut_down(executor); /* nothing was asked for */
	CHECK_EQ(trace_length(trace), COUNT);
	for (int i = 0; i < COUNT; i++)
		CHECK_EQ(map_next_int(map), i);
	assay_map_end(map);
	executor_end(executor);
}

ASSAY_TEST(map_2_a_bounded_queue_only_slows_it_down, .clause = "MAP-2",
	   .needs = ASSAY_CAP_BOUNDED_QUEUE)
{
	enum { COUNT = 50 };

	struct assay_config config = assay_config_default();
	struct counter counter = {.length = COUNT, .end = ASSAY_EEND};
	struct assay_map_request request = map_counter(map_square, &counter);
	assay_executor *executor;
	assay_map_iteration *map;

	config.workers = 2;
	config.queue_capacity = 2;
	executor = executor_with(s, &config);
	map = map_begin(executor, &request);
	CHECK_EQ(counter.pulled, COUNT);
	for (int i = 0; i < COUNT; i++)
		CHECK_EQ(map_next_int(map), i * i);
	CHECK_ERROR(map_error(map), ASSAY_EEND);
	assay_map_end(map);
	executor_end(executor);
}

ASSAY_TEST(map_3_the_input_is_read_by_begin, .clause = "MAP-3")
{
	assay_executor *executor = executor_new(s, 2);
	struct counter counter = {.length = 30, .end = ASSAY_EEND};
	struct assay_map_request request = map_counter(map_square, &counter);
	assay_map_iteration *map = map_begin(executor, &request);

	CHECK_EQ(counter.pulled, 30);
	CHECK_EQ(counter.ended, 1); /* and never asked again */
	for (int i = 0; i < 30; i++)
		CHECK_EQ(map_next_int(map), i * i);
	CHECK_ERROR(map_error(map), ASSAY_EEND);
	CHECK_EQ(counter.ended, 1);
	assay_map_end(map);
	executor_end(executor);
}

ASSAY_TEST(map_3_the_items_are_copied, .clause = "MAP-3",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	int items[] = {1, 2, 3};
	struct assay_map_input input;
	struct assay_map_request request = map_ints(map_square, &input, items, 3);
	assay_map_iteration *map = map_begin(executor, &request);

	memset(items, 0x55, sizeof items);
	memset(&input, 0, sizeof input);
	memset(&request, 0, sizeof request);
	release_workers(&workers);
	for (int i = 1; i <= 3; i++)
		CHECK_EQ(map_next_int(map), i * i);
	assay_map_end(map);
	executor_end(executor);
}

/* Argument: int, char[3] and double, without padding. */
static int combine(assay_call *call)
{
	const char *bytes = call->argument;
	double third, sum;
	int first;

	CHECK_EQ(call->argument_size, sizeof first + 3 + sizeof third);
	memcpy(&first, bytes, sizeof first);
	memcpy(&third, bytes + sizeof first + 3, sizeof third);
	sum = first * 1000 + (bytes[sizeof first + 2] - '0') * 100 + third;
	return assay_return(call, &sum, sizeof sum);
}

ASSAY_TEST(map_4_inputs_are_combined_by_index, .clause = "MAP-4")
{
	static const int first[] = {1, 2, 3};
	static const char second[][3] = {"ab4", "cd5", "ef6"};
	static const double third[] = {7.5, 8.5, 9.5}, sums[] = {1407.5, 2508.5, 3609.5};
	const struct assay_map_input inputs[] = {
		{first, sizeof *first, 3}, {second, sizeof *second, 3}, {third, sizeof *third, 3}};

	for (size_t chunk = 1; chunk <= 3; chunk++) {
		assay_executor *executor = executor_new(s, 2);
		struct assay_map_request request = assay_map_request_default();
		assay_map_iteration *map;
		struct assay_outcome outcome = {.error = 1};

		request.function = combine;
		request.inputs = inputs;
		request.input_count = 3;
		request.chunk_size = chunk;
		map = map_begin(executor, &request);
		for (int i = 0; i < 3; i++) {
			CHECK_OK(assay_map_next(map, &outcome));
			CHECK_OK(outcome.error);
			CHECK_EQ(outcome.result_size, sizeof *sums);
			/* NOLINTNEXTLINE(*-memory-comparison,cert-*): every bit came across */
			CHECK(memcmp(outcome.result, &sums[i], sizeof *sums) == 0);
		}
		CHECK_ERROR(map_error(map), ASSAY_EEND);
		assay_map_end(map);
		executor_end(executor);
	}
}

static int sum_ints(assay_call *call)
{
	const int *values = call->argument;
	int sum = 0;

	for (size_t i = 0; i < call->argument_size / sizeof *values; i++)
		sum += values[i];
	return assay_return(call, &sum, sizeof sum);
}

ASSAY_TEST(map_5_the_shortest_input_ends_it, .clause = "MAP-5")
{
	static const size_t lengths[][3] = {{3, 5, 7}, {5, 3, 7}, {7, 5, 3}, {1, 9, 9}, {9, 0, 9}};
	static const int values[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

	for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
		assay_executor *executor = executor_new(s, 2);
		struct assay_map_request request = assay_map_request_default();
		struct assay_map_input inputs[3];
		size_t shortest = 9;
		assay_map_iteration *map;

		for (int i = 0; i < 3; i++) {
			inputs[i] = (struct assay_map_input){values, sizeof(int), lengths[k][i]};
			if (shortest > lengths[k][i])
				shortest = lengths[k][i];
		}
		request.function = sum_ints;
		request.inputs = inputs;
		request.input_count = 3;
		request.chunk_size = 1 + k % 2;
		map = map_begin(executor, &request);
		for (size_t i = 0; i < shortest; i++)
			CHECK_EQ(map_next_int(map), 3 * values[i]);
		CHECK_ERROR(map_error(map), ASSAY_EEND);
		assay_map_end(map);
		executor_end(executor);
	}
}

ASSAY_TEST(map_6_empty_input_submits_nothing, .clause = "MAP-6")
{
	assay_executor *executor = executor_new(s, 2);
	struct counter counter = {.length = 0, .end = ASSAY_EEND};
	struct assay_map_input input;
	struct assay_statistics statistics;

	for (size_t chunk = 1; chunk <= 7; chunk += 3)
		for (int i = 0; i < 2; i++) {
			struct assay_map_request request =
				i ? map_counter(map_square, &counter)
				  : map_ints(map_square, &input, NULL, 0);
			assay_map_iteration *map;

			request.chunk_size = chunk;
			map = map_begin(executor, &request);
			CHECK_ERROR(map_error(map), ASSAY_EEND);
			CHECK_ERROR(map_error(map), ASSAY_EEND);
			assay_map_end(map);
		}
	shut_down(executor);
	assay_executor_statistics(executor, &statistics);
	CHECK(statistics.submitted == 0 || statistics.submitted == UINT64_MAX);
	executor_end(executor);
}

static int meet_the_others(assay_call *call)
{
	struct probe *meeting;

	memcpy(&meeting, call->argument, sizeof meeting);
	meet(meeting, 3);
	return ASSAY_OK;
}

ASSAY_TEST(map_7_calls_run_at_once, .clause = "MAP-7",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	assay_executor *executor = executor_new(s, 3);
	struct probe *meeting = probe_new(s);
	struct probe *const items[] = {meeting, meeting, meeting};
	const struct assay_map_input input = {items, sizeof *items, 3};
	struct assay_map_request request = assay_map_request_default();
	struct assay_outcome outcome = {.error = 1};
	assay_map_iteration *map;

	request.function = meet_the_others;
	request.inputs = &input;
	request.input_count = 1;
	map = map_begin(executor, &request);
	for (int i = 0; i < 3; i++) {
		CHECK_OK(assay_map_next(map, &outcome));
		CHECK_OK(outcome.error);
		CHECK_EQ(outcome.result_size, 0);
		CHECK(!outcome.result);
	}
	assay_map_end(map);
	executor_end(executor);
}

/* fast, fast, gated, fast - on one worker. */
struct slow_third {
	assay_executor *executor;
	struct gate *gate;
	struct probe *started;
	struct trace *trace;
	struct map_item items[4];
	struct assay_map_input input;
	struct assay_map_request request;
};

static void slow_third_start(struct slow_third *slow, struct subject *s)
{
	slow->executor = executor_new(s, 1);
	slow->gate = gate_new(s);
	slow->started = probe_new(s);
	slow->trace = trace_new(s, 4);
	for (int i = 0; i < 4; i++)
		slow->items[i] = (struct map_item){.trace = slow->trace, .value = i};
	slow->items[2].gate = slow->gate;
	slow->items[2].started = slow->started;
	slow->request = map_items(&slow->input, slow->items, 4);
}

#define ONE_AFTER_THE_OTHER \
	(ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT | ASSAY_CAP_SUBMITTER_FIFO)

ASSAY_TEST(map_8_the_limit_is_reported, .clause = "MAP-8", .needs = ONE_AFTER_THE_OTHER)
{
	struct slow_third slow;
	assay_map_iteration *map;
	int64_t before_ns;

	slow_third_start(&slow, s);
	slow.items[0].gate = slow.gate;
	slow.request.timeout_ns = short_time_ns();
	before_ns = assay_clock_ns();
	map = map_begin(slow.executor, &slow.request);
	CHECK_ERROR(map_error(map), ASSAY_ETIMEDOUT);
	CHECK(assay_clock_ns() - before_ns >= short_time_ns());
	assay_map_end(map);
	gate_open(slow.gate);
	executor_end(slow.executor);
}

ASSAY_TEST(map_8_the_limit_counts_from_begin, .clause = "MAP-8", .needs = ONE_AFTER_THE_OTHER)
{
	static const int64_t limits_ns[] = {0, -1, INT64_MIN, 1, 1000000000};
	struct slow_third slow;

	slow_third_start(&slow, s);
	slow.items[0].gate = slow.gate;
	for (size_t i = 0; i < sizeof limits_ns / sizeof *limits_ns; i++) {
		assay_map_iteration *map;
		int64_t begun_ns;

		slow.request.timeout_ns = limits_ns[i];
		map = map_begin(slow.executor, &slow.request);
		begun_ns = assay_clock_ns();
		while (assay_clock_ns() - begun_ns < short_time_ns())
			sched_yield();
		/* What has passed since is gone, before anything was asked for. */
		if (limits_ns[i] > short_time_ns())
			CHECK(assay_remaining_ns(map->deadline_ns) <=
			      limits_ns[i] - short_time_ns());
		else
			CHECK_ERROR(map_error(map), ASSAY_ETIMEDOUT);
		assay_map_end(map);
	}
	gate_open(slow.gate);
	executor_end(slow.executor);
}

/* The limit passes while the third runs; the two before it are delivered. */
static void slow_third_times_out(struct slow_third *slow, struct subject *s)
{
	assay_map_iteration *map;

	slow_third_start(slow, s);
	slow->request.timeout_ns = 0;
	map = map_begin(slow->executor, &slow->request);
	probe_await(slow->started, 1); /* by the only worker: the two before are done */
	CHECK_EQ(map_next_int(map), 0);
	CHECK_EQ(map_next_int(map), 1);
	CHECK_ERROR(map_error(map), ASSAY_ETIMEDOUT);
	assay_map_end(map);
	gate_open(slow->gate);
	executor_end(slow->executor);
}

ASSAY_TEST(map_9_earlier_results_are_still_delivered, .clause = "MAP-9",
	   .needs = ONE_AFTER_THE_OTHER)
{
	struct slow_third slow;

	slow_third_times_out(&slow, s);
}

ASSAY_TEST(map_10_the_limit_cancels_what_is_pending, .clause = "MAP-10",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	for (size_t chunk = 1; chunk <= 3; chunk++) {
		assay_executor *executor = executor_new(s, 1);
		struct occupied workers = occupy_workers(s, executor, 1);
		struct trace *trace = trace_new(s, 5);
		struct map_item items[5];
		struct assay_map_input input;
		struct assay_map_request request = map_items(&input, items, 5);
		assay_map_iteration *map;

		for (int i = 0; i < 5; i++)
			items[i] = (struct map_item){.trace = trace, .value = i};
		request.timeout_ns = 0;
		request.chunk_size = chunk;
		map = map_begin(executor, &request);
		CHECK_ERROR(map_error(map), ASSAY_ETIMEDOUT);
		release_workers(&workers);
		executor_end(executor);
		CHECK_EQ(trace_length(trace), 0);
		assay_map_end(map);
	}
}

ASSAY_TEST(map_10_what_runs_goes_on, .clause = "MAP-10", .needs = ONE_AFTER_THE_OTHER)
{
	struct slow_third slow;

	slow_third_times_out(&slow, s);
	CHECK_EQ(trace_length(slow.trace), 3);
	CHECK_EQ(trace_at(slow.trace, 2), 2);
}
