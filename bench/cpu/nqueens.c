/* SPDX-License-Identifier: MIT */
/*
 * All ways to place n queens on a board of n by n so that none attacks another. The work below a
 * first choice is irregular and cannot be foreseen. nqueens has a task for each legal choice of the
 * first three rows; nqueens_fork forks for each queen of those rows inside one task, so the
 * scheduler sees the tree. Checked against the known numbers.
 */
#include "../batch.h"
#include "../forks.h"
#include "../marks.h"

#include <stdlib.h>

enum { SPLIT = 3, BOARD_MAX = 16, TASKS_MAX = BOARD_MAX * BOARD_MAX * BOARD_MAX };

/* A board whose first rows are full: what of the next row is attacked, bit by bit. */
struct board {
	uint64_t index;
	uint32_t size;
	uint32_t row;
	uint32_t columns;
	uint32_t left; /* along the diagonals */
	uint32_t right;
	uint32_t unused;
};

static const uint64_t solutions[BOARD_MAX] = {1,  1,   0,   0,    2,     10,    4,      40,
					      92, 352, 724, 2680, 14200, 73712, 365596, 2279184};

static const uint32_t board_sizes[SCALES] = {8, 13, 14};

static struct board place(const struct board *board, uint32_t queen)
{
	struct board next = *board;

	next.row++;
	next.columns |= queen;
	next.left = (board->left | queen) << 1;
	next.right = (board->right | queen) >> 1;
	return next;
}

static uint32_t free_columns(const struct board *board)
{
	return ~(board->columns | board->left | board->right) & ((1u << board->size) - 1);
}

static uint64_t count(const struct board *board)
{
	uint64_t sum = 0;

	if (board->row == board->size)
		return 1;
	for (uint32_t free = free_columns(board); free; free &= free - 1) {
		struct board next = place(board, free & -free);

		sum += count(&next);
	}
	return sum;
}

static int count_task(assay_call *call)
{
	const struct board *board = call->argument;
	uint64_t sum = count(board);

	mark(board->index);
	return assay_return(call, &sum, sizeof sum);
}

struct subtree {
	struct board board;
	uint64_t sum;
};

static int count_forked(assay_call *call, void *frame)
{
	struct subtree *self = frame, children[BOARD_MAX];
	struct assay_fork forks[BOARD_MAX];
	size_t forked = 0;

	if (self->board.row >= SPLIT) {
		self->sum = count(&self->board);
		return ASSAY_OK;
	}
	self->sum = 0;
	for (uint32_t free = free_columns(&self->board); free; free &= free - 1, forked++) {
		children[forked].board = place(&self->board, free & -free);
		assay_fork(call, &forks[forked], count_forked, &children[forked]);
	}
	while (forked--) {
		assay_join(call, &forks[forked]);
		self->sum += children[forked].sum;
	}
	return ASSAY_OK;
}

static int fork_task(assay_call *call)
{
	struct subtree root = {.board = *(const struct board *)call->argument};

	mark(root.board.index);
	count_forked(call, &root);
	return assay_return(call, &root.sum, sizeof root.sum);
}

static const struct assay_named_function functions[] = {
	{"count", count_task}, {"fork", fork_task}, FORK_PROBE, {NULL, NULL}};

static int setup(struct cell *cell, assay_function *function)
{
	return batch_begin(cell, function, sizeof(struct board), sizeof(uint64_t), TASKS_MAX);
}

static int setup_flat(struct cell *cell)
{
	return setup(cell, count_task);
}

static int setup_forked(struct cell *cell)
{
	return setup(cell, fork_task);
}

/* The boards with their first rows full, in boards[] and counted. */
static void split(const struct board *board, struct batch *batch, size_t *found)
{
	if (board->row == SPLIT) {
		struct board *leaf = batch_argument(batch, *found);

		*leaf = *board;
		leaf->index = (*found)++;
		return;
	}
	for (uint32_t free = free_columns(board); free; free &= free - 1) {
		struct board next = place(board, free & -free);

		split(&next, batch, found);
	}
}

static int prepare(struct cell *cell, uint64_t operations)
{
	struct board empty = {.size = board_sizes[cell->scale]};
	struct batch *batch = cell->state;
	size_t found = 1;

	(void)operations;
	if (batch_make(cell, batch, TASKS_MAX))
		return -1;
	if (batch->function == fork_task) {
		*(struct board *)batch_argument(batch, 0) = empty;
	} else {
		found = 0;
		split(&empty, batch, &found);
	}
	batch->count = found;
	marks_clear();
	return 0;
}

static int run(struct cell *cell, uint64_t operations)
{
	(void)operations;
	return batch_run(cell, cell->state);
}

static int check(struct cell *cell, uint64_t operations)
{
	const struct batch *batch = cell->state;
	uint64_t sum = 0, expected = solutions[board_sizes[cell->scale]];

	(void)operations;
	for (size_t i = 0; i < batch->count; i++)
		sum += *(const uint64_t *)batch_result(batch, i);
	if (sum != expected)
		return cell_fail(cell, "%llu solutions, expected %llu", (unsigned long long)sum,
				 (unsigned long long)expected);
	return marks_check(cell, batch->count);
}

static void teardown(struct cell *cell)
{
	batch_end(cell);
}

const struct workload nqueens = {
	.name = "nqueens",
	.class_name = "cpu",
	.operation = "board",
	.separates = "Whether irregular tasks are shared out: a task for each start of three rows.",
	.metric = "wall_per_op",
	.unit = "ns",
	.full_only = true,
	.on_executors = true,
	.needs = ASSAY_CAP_SHARED_MAPPINGS,
	.without = "serial",
	.sample = {{.operations = 1}, {.operations = 1}, {.operations = 1}},
	.functions = functions,
	.setup = setup_flat,
	.prepare = prepare,
	.run = run,
	.check = check,
	.teardown = teardown,
};

const struct workload nqueens_fork = {
	.name = "nqueens_fork",
	.class_name = "cpu",
	.operation = "board",
	.separates = "The same by fork and join inside one task: whether others take children.",
	.metric = "wall_per_op",
	.unit = "ns",
	.full_only = true,
	.on_executors = true,
	.forks = true,
	.needs = ASSAY_CAP_SHARED_MAPPINGS,
	.without = "serial",
	.sample = {{.operations = 1}, {.operations = 1}, {.operations = 1}},
	.functions = functions,
	.setup = setup_forked,
	.prepare = prepare,
	.run = run,
	.check = check,
	.teardown = teardown,
};
