/* SPDX-License-Identifier: MIT */
/*
 * The sum of the squares up to n, over a map of ranges with four ranges to a task: CPU-bound, no
 * shared data, tasks of equal length. An executor can only lose here: by idle processors at the
 * start and the end, and by what it spends on each task. Checked against n(n+1)(2n+1)/6.
 */
#include "../workload.h"

#include <stdlib.h>

enum {
	RANGE = 16384, /* numbers: some 15 microseconds */
	CHUNK = 4,     /* ranges of one task */
};

struct range {
	uint64_t first;
	uint64_t count;
};

struct sum {
	struct range *ranges;
	size_t count;
	uint64_t total;
};

static uint64_t sum_range(const struct range *range)
{
	uint64_t sum = 0;

	for (uint64_t i = range->first; i < range->first + range->count; i++) {
		uint64_t number = i;

		/* Or the compiler replaces the loop by the closed form. */
		__asm__ volatile("" : "+r"(number));
		sum += number * number;
	}
	return sum;
}

static int sum_task(assay_call *call)
{
	uint64_t sum = sum_range(call->argument);

	return assay_return(call, &sum, sizeof sum);
}

static const struct assay_named_function functions[] = {{"sum_range", sum_task}, {NULL, NULL}};

static int setup(struct cell *cell)
{
	cell->state = calloc(1, sizeof(struct sum));
	return cell->state ? 0 : cell_fail(cell, "out of memory");
}

static int prepare(struct cell *cell, uint64_t operations)
{
	struct sum *sum = cell->state;

	free(sum->ranges);
	sum->count = (size_t)((operations + RANGE - 1) / RANGE);
	sum->ranges = calloc(sum->count, sizeof *sum->ranges);
	if (!sum->ranges)
		return cell_fail(cell, "no memory for %zu ranges", sum->count);
	for (size_t i = 0; i < sum->count; i++) {
		uint64_t left = operations - i * RANGE;

		sum->ranges[i] =
			(struct range){1 + (uint64_t)i * RANGE, left < RANGE ? left : RANGE};
	}
	sum->total = 0;
	return 0;
}

static int run_serial(struct sum *sum)
{
	for (size_t i = 0; i < sum->count; i++)
		sum->total += sum_range(&sum->ranges[i]);
	return 0;
}

static int collect(struct cell *cell, assay_map_iteration *map)
{
	struct sum *sum = cell->state;
	struct assay_outcome outcome;
	size_t delivered = 0;
	int error;

	while ((error = assay_map_next(map, &outcome)) == ASSAY_OK) {
		if (outcome.error)
			return cell_fail(cell, "range %zu: %s", delivered,
					 assay_error_text(outcome.error));
		if (outcome.result_size != sizeof(uint64_t))
			return cell_fail(cell, "range %zu: a result of %zu bytes, expected 8",
					 delivered, outcome.result_size);
		sum->total += *(const uint64_t *)outcome.result;
		delivered++;
	}
	if (error != ASSAY_EEND)
		return cell_fail(cell, "map: %s", assay_error_text(error));
	if (delivered != sum->count)
		return cell_fail(cell, "map delivered %zu of %zu results", delivered, sum->count);
	return 0;
}

static int run(struct cell *cell, uint64_t operations)
{
	struct sum *sum = cell->state;
	struct assay_map_input input = {sum->ranges, sizeof *sum->ranges, sum->count};
	struct assay_map_request request = assay_map_request_default();
	struct assay_task task = cell_task(cell, sum_task, NULL, 0);
	assay_map_iteration *map;
	int error, failed;

	(void)operations;
	if (!cell->executor)
		return run_serial(sum);
	request.function = task.function;
	request.name = task.name;
	request.inputs = &input;
	request.input_count = 1;
	request.chunk_size = CHUNK;
	error = assay_map_begin(cell->executor, &request, &map);
	if (error)
		return cell_fail(cell, "map: %s", assay_error_text(error));
	failed = collect(cell, map);
	assay_map_end(map);
	return failed;
}

/* Modulo 2^64: of three factors one is divisible by 2 and one by 3, before anything overflows. */
static uint64_t closed_form(uint64_t n)
{
	uint64_t factors[] = {n, n + 1, 2 * n + 1};

	factors[n % 2] /= 2;
	for (size_t i = 0; i < 3; i++)
		if (factors[i] % 3 == 0) {
			factors[i] /= 3;
			break;
		}
	return factors[0] * factors[1] * factors[2];
}

static int check(struct cell *cell, uint64_t operations)
{
	const struct sum *sum = cell->state;
	uint64_t expected = closed_form(operations);

	if (sum->total != expected)
		return cell_fail(cell, "the sum is %llu, expected %llu (modulo 2^64)",
				 (unsigned long long)sum->total, (unsigned long long)expected);
	return 0;
}

static void teardown(struct cell *cell)
{
	struct sum *sum = cell->state;

	if (sum)
		free(sum->ranges);
	free(sum);
}

const struct workload sum_of_squares = {
	.name = "sum_of_squares",
	.class_name = "cpu",
	.operation = "number",
	.separates = "Whether CPU-bound work gets all processors, and what chunks of a map cost.",
	.metric = "wall_per_op",
	.unit = "ns",
	.on_executors = true,
	.without = "serial",
	.parts = 20,
	.sample = {{.operations = 100000}, {.min_time_s = 0.02}, {.min_time_s = 0.2}},
	.functions = functions,
	.setup = setup,
	.prepare = prepare,
	.run = run,
	.check = check,
	.teardown = teardown,
};
