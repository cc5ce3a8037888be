/* SPDX-License-Identifier: MIT */
/*
 * What the machine charges for bytes that go to another process and come back: copied into shared
 * memory and out of it, in memory that has been touched before.
 */
#include "../marks.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct copies {
	size_t size;
	char *source;
	char *middle; /* shared, as what workers read must be */
	char *target;
};

static int setup_copies(struct cell *cell, size_t size)
{
	struct copies *copies = calloc(1, sizeof *copies);
	uint64_t random = cell->seed;

	if (!copies)
		return cell_fail(cell, "out of memory");
	cell->state = copies;
	copies->size = size;
	copies->source = malloc(size);
	copies->target = calloc(1, size);
	copies->middle = shared_memory(cell, size);
	if (!copies->source || !copies->target || !copies->middle)
		return cell_fail(cell, "no memory for %zu bytes", size);
	for (size_t i = 0; i < size; i += sizeof random) {
		uint64_t word = next_random(&random);

		memcpy(copies->source + i, &word, sizeof word);
	}
	memset(copies->middle, 1, size);
	memset(copies->target, 1, size);
	return 0;
}

static int setup_copy_1_mib(struct cell *cell)
{
	return setup_copies(cell, (size_t)1 << 20);
}

static int setup_copy_8_mib(struct cell *cell)
{
	return setup_copies(cell, (size_t)8 << 20);
}

static int setup_copy_64_mib(struct cell *cell)
{
	return setup_copies(cell, (size_t)64 << 20);
}

static int run_copies(struct cell *cell, uint64_t operations)
{
	struct copies *copies = cell->state;

	for (uint64_t i = 0; i < operations; i++) {
		memcpy(copies->middle, copies->source, copies->size);
		atomic_signal_fence(memory_order_seq_cst); /* the compiler keeps both copies */
		memcpy(copies->target, copies->middle, copies->size);
		atomic_signal_fence(memory_order_seq_cst);
	}
	return 0;
}

static int check_copies(struct cell *cell, uint64_t operations)
{
	struct copies *copies = cell->state;

	(void)operations;
	return memcmp(copies->source, copies->target, copies->size)
		       ? cell_fail(cell, "the copy is not what was copied")
		       : 0;
}

static void teardown_copies(struct cell *cell)
{
	struct copies *copies = cell->state;

	if (!copies)
		return;
	shared_memory_free(copies->middle, copies->size);
	free(copies->source);
	free(copies->target);
	free(copies);
}

#define COPIES                                                                             \
	.class_name = "floor", .operation = "task", .metric = "wall_per_op", .unit = "ns", \
	.full_only = true, .without = "floor",                                             \
	.sample = {{.operations = 2}, {.min_time_s = 0.05}, {.min_time_s = 0.1}},          \
	.run = run_copies, .check = check_copies, .teardown = teardown_copies

const struct workload floor_copy_1_mib = {
	.name = "floor_copy_1_mib",
	.separates = "The machine: 1 MiB copied into shared memory, and out of it.",
	.setup = setup_copy_1_mib,
	COPIES,
};

const struct workload floor_copy_8_mib = {
	.name = "floor_copy_8_mib",
	.separates = "The machine: 8 MiB copied into shared memory, and out of it.",
	.setup = setup_copy_8_mib,
	COPIES,
};

const struct workload floor_copy_64_mib = {
	.name = "floor_copy_64_mib",
	.separates = "The machine: 64 MiB copied into shared memory, and out of it.",
	.setup = setup_copy_64_mib,
	COPIES,
};
