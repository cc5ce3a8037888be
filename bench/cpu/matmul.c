/* SPDX-License-Identifier: MIT */
/*
 * A product of two square matrices, with a task for each block of 64 by 64 of the result. Equal
 * tasks of some hundred microseconds: every sound executor is as good as another, and one that is
 * not moves tasks between caches or leaves a processor idle. The matrices hold small whole numbers,
 * so single precision is exact and any order of the sums gives the same.
 *
 * Checked by Freivalds: C x equals A (B x) for a random x, which a wrong C passes with a chance of
 * one in 2^32 at most; and each task returns the sum of its block.
 */
#include "../batch.h"
#include "../marks.h"

#include <stdlib.h>

enum { BLOCK = 64, TASKS_MAX = 1024 };

/* Shared with workers that are processes; they see it where it was before they were forked. */
static float *matrices;
static size_t n;

static const size_t sizes[SCALES] = {128, 1024, 2048};

struct block {
	uint64_t index;
	uint64_t row;
	uint64_t column;
};

static size_t matrices_bytes(const struct cell *cell)
{
	return 3 * sizes[cell->scale] * sizes[cell->scale] * sizeof *matrices;
}

static double multiply(const struct block *block)
{
	const float *a = matrices, *b = a + n * n;
	float *c = matrices + 2 * n * n;
	double sum = 0;

	for (size_t i = block->row; i < block->row + BLOCK; i++) {
		float row[BLOCK] = {0};

		for (size_t k = 0; k < n; k++)
			for (size_t j = 0; j < BLOCK; j++)
				row[j] += a[i * n + k] * b[k * n + block->column + j];
		for (size_t j = 0; j < BLOCK; j++) {
			c[i * n + block->column + j] = row[j];
			sum += (double)row[j];
		}
	}
	return sum;
}

static int multiply_task(assay_call *call)
{
	const struct block *block = call->argument;
	double sum = multiply(block);

	mark(block->index);
	return assay_return(call, &sum, sizeof sum);
}

static const struct assay_named_function functions[] = {{"multiply", multiply_task}, {NULL, NULL}};

static int setup(struct cell *cell)
{
	uint64_t random = cell->seed;

	if (batch_begin(cell, multiply_task, sizeof(struct block), sizeof(double), TASKS_MAX))
		return -1;
	n = sizes[cell->scale];
	matrices = shared_memory(cell, matrices_bytes(cell));
	if (!matrices)
		return -1;
	/* 2048 products of at most 7 * 7 stay below 2^24. */
	for (size_t i = 0; i < 2 * n * n; i++)
		matrices[i] = (float)(next_random(&random) % 8);
	return 0;
}

static int prepare(struct cell *cell, uint64_t operations)
{
	struct batch *batch = cell->state;
	size_t blocks = n / BLOCK;

	(void)operations;
	if (batch_make(cell, batch, blocks * blocks))
		return -1;
	for (size_t i = 0; i < batch->count; i++) {
		struct block *block = batch_argument(batch, i);

		*block = (struct block){i, i / blocks * BLOCK, i % blocks * BLOCK};
	}
	/* What no task computes is not what an earlier one left. */
	for (size_t i = 0; i < n * n; i++)
		matrices[2 * n * n + i] = -1;
	marks_clear();
	return 0;
}

static int run(struct cell *cell, uint64_t operations)
{
	(void)operations;
	return batch_run(cell, cell->state);
}

/* Whole numbers modulo 2^64. */
static uint64_t dot(const float *row, const uint64_t *x)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (uint64_t)(int64_t)row[i] * x[i];
	return sum;
}

static int check_product(struct cell *cell)
{
	const float *a = matrices, *b = a + n * n, *c = b + n * n;
	uint64_t *x = calloc(2 * n, sizeof *x), *bx = x + n, random = ~cell->seed;
	int failed = 0;

	if (!x)
		return cell_fail(cell, "no memory for the check");
	for (size_t i = 0; i < n; i++)
		x[i] = next_random(&random) >> 32;
	for (size_t i = 0; i < n; i++)
		bx[i] = dot(b + i * n, x);
	for (size_t i = 0; i < n && !failed; i++)
		if (dot(a + i * n, bx) != dot(c + i * n, x))
			failed = cell_fail(cell, "row %zu of the product is wrong", i);
	free(x);
	return failed;
}

static int check(struct cell *cell, uint64_t operations)
{
	const struct batch *batch = cell->state;
	const float *c = matrices + 2 * n * n;

	(void)operations;
	for (size_t i = 0; i < batch->count; i++) {
		const struct block *block = batch_argument(batch, i);
		double returned = *(const double *)batch_result(batch, i), sum = 0;

		for (size_t j = 0; j < (size_t)BLOCK * BLOCK; j++)
			sum += (double)c[(block->row + j / BLOCK) * n + block->column + j % BLOCK];
		if (sum < returned || sum > returned)
			return cell_fail(cell, "block %zu: the sum is %.0f, its task returned %g",
					 i, sum, returned);
	}
	return check_product(cell) || marks_check(cell, batch->count) ? -1 : 0;
}

static void teardown(struct cell *cell)
{
	shared_memory_free(matrices, matrices_bytes(cell));
	matrices = NULL;
	batch_end(cell);
}

const struct workload matmul = {
	.name = "matmul",
	.class_name = "cpu",
	.operation = "product",
	.separates =
		"Nothing, where all is well: equal tasks, long enough that overhead is nought.",
	.metric = "wall_per_op",
	.unit = "ns",
	.full_only = true,
	.on_executors = true,
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
