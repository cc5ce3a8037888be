/* SPDX-License-Identifier: MIT */
#include "graph.h"

static uint32_t full_width(uint32_t row)
{
	(void)row;
	return GRAPH_WIDTH;
}

/* A step of a stencil in one dimension: the cell and its neighbours. */
static uint32_t stencil_inputs(uint32_t row, uint32_t column, uint64_t *random, uint32_t *positions)
{
	uint32_t count = 0;

	(void)row;
	(void)random;
	if (column > 0)
		positions[count++] = column - 1;
	positions[count++] = column;
	if (column + 1 < GRAPH_WIDTH)
		positions[count++] = column + 1;
	return count;
}

/* A stage of a fast Fourier transform: the cell and its partner in the butterfly. */
static uint32_t fft_inputs(uint32_t row, uint32_t column, uint64_t *random, uint32_t *positions)
{
	uint32_t stages = (uint32_t)__builtin_ctz(GRAPH_WIDTH);

	(void)random;
	positions[0] = column;
	positions[1] = column ^ (1u << ((row - 1) % stages));
	return 2;
}

/* From one root to all leaves and back to one, again and again. */
static uint32_t tree_width(uint32_t row)
{
	uint32_t levels = (uint32_t)__builtin_ctz(GRAPH_WIDTH), level = row % (2 * levels);

	return 1u << (level <= levels ? level : 2 * levels - level);
}

static uint32_t tree_inputs(uint32_t row, uint32_t column, uint64_t *random, uint32_t *positions)
{
	(void)random;
	if (tree_width(row) > tree_width(row - 1)) {
		positions[0] = column / 2;
		return 1;
	}
	positions[0] = 2 * column;
	positions[1] = 2 * column + 1;
	return 2;
}

/* One to three of any. */
static uint32_t random_inputs(uint32_t row, uint32_t column, uint64_t *random, uint32_t *positions)
{
	uint32_t wanted = 1 + (uint32_t)(next_random(random) % INPUTS_MAX), count = 0;

	(void)row;
	(void)column;
	while (count < wanted) {
		uint32_t position = (uint32_t)(next_random(random) % GRAPH_WIDTH), same = 0;

		while (same < count && positions[same] != position)
			same++;
		if (same == count)
			positions[count++] = position;
	}
	return count;
}

const struct pattern stencil_pattern = {"stencil", full_width, stencil_inputs};
const struct pattern fft_pattern = {"fft", full_width, fft_inputs};
const struct pattern tree_pattern = {"tree", tree_width, tree_inputs};
const struct pattern random_pattern = {"random", full_width, random_inputs};
