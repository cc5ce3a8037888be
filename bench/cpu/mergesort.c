/* SPDX-License-Identifier: MIT */
/*
 * Merge sort by fork and join inside one task, down to 4096 numbers, which a plain merge sort does.
 * Depth instead of breadth: little to steal at first, merges that only one worker can do at the
 * end, and twice the array through the caches. Checked: in order, and the same numbers as before.
 */
#include "../batch.h"
#include "../forks.h"
#include "../marks.h"

#include <stdlib.h>
#include <string.h>

enum { CUT_OFF = 4096 };

/* The numbers and as much room again; shared with workers that are processes. */
static uint32_t *numbers;

static const size_t sizes[SCALES] = {20000, 1000000, 4000000};

static size_t bytes(const struct cell *cell)
{
	return 2 * sizes[cell->scale] * sizeof *numbers;
}

struct slice {
	uint32_t *from;
	uint32_t *spare;
	size_t count;
};

static void merge(const struct slice *slice, size_t half)
{
	const uint32_t *left = slice->spare, *right = left + half;
	const uint32_t *middle = right, *end = left + slice->count;

	/* Without a branch that the numbers decide: it would be mispredicted half the time. */
	for (uint32_t *to = slice->from; to < slice->from + slice->count; to++) {
		bool second = left == middle || (right < end && *right < *left);

		*to = second ? *right : *left;
		right += second;
		left += !second;
	}
}

static struct slice left_half(const struct slice *slice)
{
	return (struct slice){slice->from, slice->spare, slice->count / 2};
}

static struct slice right_half(const struct slice *slice)
{
	size_t half = slice->count / 2;

	return (struct slice){slice->from + half, slice->spare + half, slice->count - half};
}

/* Each half is sorted in place and goes to the spare room, from where it is merged back. */
static void join_halves(const struct slice *slice)
{
	memcpy(slice->spare, slice->from, slice->count * sizeof *slice->from);
	merge(slice, slice->count / 2);
}

static void sort(const struct slice *slice)
{
	struct slice left = left_half(slice), right = right_half(slice);

	if (slice->count < 2)
		return;
	sort(&left);
	sort(&right);
	join_halves(slice);
}

static int sort_forked(assay_call *call, void *frame)
{
	struct slice *slice = frame, left = left_half(slice), right = right_half(slice);
	struct assay_fork child;

	if (slice->count <= CUT_OFF) {
		sort(slice);
		return ASSAY_OK;
	}
	assay_fork(call, &child, sort_forked, &right);
	sort_forked(call, &left);
	assay_join(call, &child);
	join_halves(slice);
	return ASSAY_OK;
}

/* The same for any order of the numbers. */
static uint64_t fingerprint(const uint32_t *values, size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t spread = values[i];

		sum += next_random(&spread);
	}
	return sum;
}

static int sort_task(assay_call *call)
{
	uint64_t count = *(const uint64_t *)call->argument;
	struct slice all = {numbers, numbers + count, count};
	uint64_t last;

	sort_forked(call, &all);
	mark(0);
	last = numbers[count - 1];
	return assay_return(call, &last, sizeof last);
}

static const struct assay_named_function functions[] = {
	{"sort", sort_task}, FORK_PROBE, {NULL, NULL}};

struct sorting {
	struct batch batch;
	uint64_t fingerprint;
};

static int setup(struct cell *cell)
{
	struct sorting *sorting = calloc(1, sizeof *sorting);

	if (!sorting)
		return cell_fail(cell, "out of memory");
	cell->state = sorting;
	sorting->batch.function = sort_task;
	sorting->batch.argument_size = sizeof(uint64_t);
	sorting->batch.result_size = sizeof(uint64_t);
	numbers = shared_memory(cell, bytes(cell));
	return numbers ? marks_begin(cell, 1) : -1;
}

static int prepare(struct cell *cell, uint64_t operations)
{
	struct sorting *sorting = cell->state;
	uint64_t random = cell->seed;
	size_t count = sizes[cell->scale];

	(void)operations;
	if (batch_make(cell, &sorting->batch, 1))
		return -1;
	*(uint64_t *)batch_argument(&sorting->batch, 0) = count;
	for (size_t i = 0; i < count; i++)
		numbers[i] = (uint32_t)(next_random(&random) >> 32);
	memset(numbers + count, 0, count * sizeof *numbers);
	sorting->fingerprint = fingerprint(numbers, count);
	marks_clear();
	return 0;
}

static int run(struct cell *cell, uint64_t operations)
{
	struct sorting *sorting = cell->state;

	(void)operations;
	return batch_run(cell, &sorting->batch);
}

static int check(struct cell *cell, uint64_t operations)
{
	const struct sorting *sorting = cell->state;
	size_t count = sizes[cell->scale];

	(void)operations;
	for (size_t i = 1; i < count; i++)
		if (numbers[i - 1] > numbers[i])
			return cell_fail(cell, "number %zu is out of order", i);
	if (fingerprint(numbers, count) != sorting->fingerprint)
		return cell_fail(cell, "the sorted numbers are not those that were given");
	if (*(const uint64_t *)batch_result(&sorting->batch, 0) != numbers[count - 1])
		return cell_fail(cell, "the task returned another number than the last");
	return marks_check(cell, 1);
}

static void teardown(struct cell *cell)
{
	struct sorting *sorting = cell->state;

	if (sorting)
		batch_free(&sorting->batch);
	free(sorting);
	shared_memory_free(numbers, bytes(cell));
	numbers = NULL;
	marks_end();
}

const struct workload mergesort = {
	.name = "mergesort",
	.class_name = "cpu",
	.operation = "array",
	.separates = "Fork and join in depth: how soon idle workers take halves, and who merges.",
	.metric = "wall_per_op",
	.unit = "ns",
	.on_executors = true,
	.forks = true,
	.needs = ASSAY_CAP_SHARED_MAPPINGS,
	.without = "serial",
	.sample = {{.operations = 1}, {.operations = 1}, {.operations = 1}},
	.functions = functions,
	.setup = setup,
	.prepare = prepare,
	.run = run,
	.check = check,
	.teardown = teardown,
};
