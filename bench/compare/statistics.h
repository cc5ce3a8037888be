/* SPDX-License-Identifier: MIT */
/* Ratios of two series of measurements, with an interval that the truth is likely in. */
#ifndef COMPARE_STATISTICS_H
#define COMPARE_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A ratio of medians: NEW to BASE. */
struct effect {
	bool known; /* false: too few values, or one that has no ratio */
	double ratio;
	double low, high; /* of the interval; both equal to ratio for exact figures */
	size_t count;     /* rounds, or the smaller number of values */
	double chance; /* that a coin shows NEW slower in so many rounds; 0 where none belong together */
};

/* So few values say nothing of how they scatter. */
#define ROUNDS_LEAST 4

/* The next of a reproducible sequence. */
uint64_t next_draw(uint64_t *state);

/* 0 without values. Does not change them. */
double median_of(const double *values, size_t count);

/*
 * Values of one round belong together: what disturbs a round disturbs both, and the ratio does not
 * see it. The median over rounds of the logarithm of new/base, and the percentile bootstrap of that
 * median with rounds drawn from the seed; level is that of the interval, as 0.95. A round that lacks
 * a value is left out. 0 to 0 is a ratio of 1, 0 to anything an infinite one.
 */
struct effect effect_of_rounds(const double *base, const double *changed, size_t rounds,
			       double level, uint64_t seed);

/* The same for two runs that have nothing to do with each other: each is drawn on its own. */
struct effect effect_of_runs(const double *base, size_t base_count, const double *changed,
			     size_t changed_count, double level, uint64_t seed);

/* Of figures that do not scatter. */
struct effect effect_exact(double base, double changed);

/* The interval excludes 1 and the median is beyond the threshold, as 0.05 for 5 %. */
bool effect_is_slower(const struct effect *effect, double threshold);
bool effect_is_faster(const struct effect *effect, double threshold);

/* Such a slowdown may be there, and these values cannot tell. */
bool effect_is_vague(const struct effect *effect, double threshold);

#endif
