/* SPDX-License-Identifier: MIT */
/* Two build trees, measured by turns: the form of the comparison that a machine's moods spare. */
#ifndef COMPARE_MEASURE_H
#define COMPARE_MEASURE_H

#include "files.h"
#include "judge.h"

struct measurement {
	const char *trees[2]; /* bin/assay-bench and lib/assay/ are in it */
	const struct selection *selection;
	const char *scale;
	unsigned rounds;
	unsigned samples; /* of an arm in a round; the least of them is its value */
	uint64_t seed;
	bool force; /* also what was built in different ways */
};

/*
 * Measures every selected cell in rounds of all arms in random order, one process each, and then
 * once more those that are open after it. 0, or -1 after a message: a tree that is none, an
 * interrupt, no memory. A cell that fails is a figure that says so.
 */
int measure(struct figures *figures, const struct measurement *measurement,
	    const struct rules *rules);

#endif
