/* SPDX-License-Identifier: MIT */
/* The horizontal axis of a plot: its range, and ticks at round values. */
#ifndef SCALE_H
#define SCALE_H

#include "text.h"

#include <stdbool.h>
#include <stddef.h>

struct scale {
	double least, most; /* of the values; to be grown by scale_include() */
	bool any;
	bool logarithmic;
	double from, to; /* of the axis */
};

void scale_include(struct scale *scale, double value);

/* Chooses the range when all values are in. An axis that is not logarithmic starts at 0. */
void scale_settle(struct scale *scale);

/* The gnuplot commands for the range and the ticks. */
void scale_write(const struct scale *scale, const char *unit, struct text *script);

#endif
