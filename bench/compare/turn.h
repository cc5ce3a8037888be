/* SPDX-License-Identifier: MIT */
/* One sample of one arm, by the bench of its tree. */
#ifndef COMPARE_TURN_H
#define COMPARE_TURN_H

#include "cells.h"

struct turn {
	struct figures *figures;
	struct cell *cell;
	const char *const *trees;
	const char *directory;
	const char *scale;
	uint64_t seed; /* of random inputs: the same for all arms of a round */
	int batch;
	unsigned round;
	unsigned samples; /* of each arm in a round */
	unsigned sample;
	enum arm arm;
};

/*
 * The least of the samples is kept, and the last of a latency's percentiles: noise only adds to a
 * cost, but shifts a percentile both ways. A failure settles the cell. -1 after a message only if
 * we were interrupted.
 */
int turn_take(struct turn *turn);

#endif
