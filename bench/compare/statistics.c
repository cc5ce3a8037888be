/* SPDX-License-Identifier: MIT */
#include "statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RESAMPLES = 2000 };

/* SplitMix64: the same intervals from the same seed, on every machine. */
uint64_t next_draw(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static double median_in_place(double *values, size_t count)
{
	if (!count)
		return 0;
	qsort(values, count, sizeof *values, compare);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

double median_of(const double *values, size_t count)
{
	double *sorted = calloc(count + 1, sizeof *sorted), median;

	if (!sorted)
		return NAN;
	memcpy(sorted, values, count * sizeof *values);
	median = median_in_place(sorted, count);
	free(sorted);
	return median;
}

static double resampled_median(const double *values, size_t count, double *scratch, uint64_t *state)
{
	for (size_t i = 0; i < count; i++)
		scratch[i] = values[next_draw(state) % count];
	return median_in_place(scratch, count);
}

/* Of differences of logarithms. second NULL: first holds the differences already. */
static struct effect bootstrap(const double *first, size_t first_count, const double *second,
			       size_t second_count, double level, uint64_t seed)
{
	size_t most = first_count > second_count ? first_count : second_count;
	double *scratch = calloc(most + 1, sizeof *scratch);
	double *medians = calloc(RESAMPLES, sizeof *medians);
	struct effect effect = {.known = false};
	size_t tail = (size_t)((1 - level) / 2 * RESAMPLES);

	if (scratch && medians) {
		effect.known = true;
		effect.ratio = median_of(first, first_count);
		if (second)
			effect.ratio -= median_of(second, second_count);
		for (size_t i = 0; i < RESAMPLES; i++) {
			medians[i] = resampled_median(first, first_count, scratch, &seed);
			if (second)
				medians[i] -=
					resampled_median(second, second_count, scratch, &seed);
		}
		qsort(medians, RESAMPLES, sizeof *medians, compare);
		effect.ratio = exp(effect.ratio);
		effect.low = exp(medians[tail]);
		effect.high = exp(medians[RESAMPLES - 1 - tail]);
		effect.count = second && second_count < first_count ? second_count : first_count;
	}
	free(scratch);
	free(medians);
	return effect;
}

struct effect effect_of_rounds(const double *base, const double *changed, size_t rounds,
			       double level, uint64_t seed)
{
	double *differences = calloc(rounds + 1, sizeof *differences);
	struct effect effect = {.known = false};
	size_t count = 0;

	for (size_t i = 0; differences && i < rounds; i++)
		if (base[i] > 0 && changed[i] > 0)
			differences[count++] = log(changed[i]) - log(base[i]);
	if (count >= ROUNDS_LEAST)
		effect = bootstrap(differences, count, NULL, 0, level, seed);
	free(differences);
	return effect;
}

static size_t logarithms(const double *values, size_t count, double *into)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (values[i] > 0)
			into[kept++] = log(values[i]);
	return kept;
}

struct effect effect_of_runs(const double *base, size_t base_count, const double *changed,
			     size_t changed_count, double level, uint64_t seed)
{
	double *both = calloc(base_count + changed_count + 1, sizeof *both);
	struct effect effect = {.known = false};
	size_t bases, changes;

	if (!both)
		return effect;
	bases = logarithms(base, base_count, both);
	changes = logarithms(changed, changed_count, both + bases);
	if (bases >= ROUNDS_LEAST && changes >= ROUNDS_LEAST)
		effect = bootstrap(both + bases, changes, both, bases, level, seed);
	free(both);
	return effect;
}

struct effect effect_exact(double base, double changed)
{
	double ratio = base > 0 ? changed / base : changed > 0 ? INFINITY : 1;

	return (struct effect){true, ratio, ratio, ratio, 1};
}

/* A ratio of 1 in exact figures comes out of a division: equal values give exactly 1. */
bool effect_is_slower(const struct effect *effect, double threshold)
{
	return effect->known && effect->low > 1 && effect->ratio > 1 + threshold;
}

bool effect_is_faster(const struct effect *effect, double threshold)
{
	return effect->known && effect->high < 1 && effect->ratio < 1 / (1 + threshold);
}

bool effect_is_vague(const struct effect *effect, double threshold)
{
	return !effect->known ||
	       (effect->high > 1 + threshold && !effect_is_slower(effect, threshold));
}
