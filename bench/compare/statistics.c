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

/* Logarithms of 0 are infinite: between what became 0 and what was 0 there is no change. */
static double halfway(double low, double high)
{
	return isinf(low) && isinf(high) && low != high ? 0 : low / 2 + high / 2;
}

/* Of logarithms: 0 to 0 is no change either. */
static double minus(double left, double right)
{
	return left == right ? 0 : left - right;
}

/* Of as many as were sorted. */
static double middle(const double *sorted, size_t count)
{
	if (!count)
		return 0;
	return halfway(sorted[(count - 1) / 2], sorted[count / 2]);
}

double median_of(const double *values, size_t count)
{
	double *sorted = calloc(count + 1, sizeof *sorted), median;

	if (!sorted)
		return NAN;
	memcpy(sorted, values, count * sizeof *values);
	qsort(sorted, count, sizeof *sorted, compare);
	median = middle(sorted, count);
	free(sorted);
	return median;
}

/* Values to draw from, by size, and how often each was drawn: nothing has to be sorted again. */
struct urn {
	double *sorted;
	uint32_t *drawn;
	size_t count;
};

static bool urn_fill(struct urn *urn, const double *values, size_t count)
{
	*urn = (struct urn){calloc(count + 1, sizeof *urn->sorted),
			    calloc(count + 1, sizeof *urn->drawn), count};
	if (!urn->sorted || !urn->drawn)
		return false;
	memcpy(urn->sorted, values, count * sizeof *values);
	qsort(urn->sorted, count, sizeof *urn->sorted, compare);
	return true;
}

static void urn_empty(struct urn *urn)
{
	free(urn->sorted);
	free(urn->drawn);
}

/* The median of as many values as there are, each drawn from all of them. */
static double urn_median(struct urn *urn, uint64_t *state)
{
	size_t count = urn->count, low, place = 0, passed = 0;

	memset(urn->drawn, 0, count * sizeof *urn->drawn);
	for (size_t i = 0; i < count; i++)
		urn->drawn[(next_draw(state) >> 32) * count >> 32]++;
	while (passed + urn->drawn[place] <= (count - 1) / 2)
		passed += urn->drawn[place++];
	low = place;
	while (passed + urn->drawn[place] <= count / 2)
		passed += urn->drawn[place++];
	return halfway(urn->sorted[low], urn->sorted[place]);
}

/* Of differences of logarithms. second NULL: first holds the differences already. */
static struct effect bootstrap(struct urn *first, struct urn *second, double level, uint64_t seed)
{
	double *medians = calloc(RESAMPLES, sizeof *medians);
	struct effect effect = {.known = medians};
	size_t tail = (size_t)((1 - level) / 2 * RESAMPLES);

	if (!medians)
		return effect;
	for (size_t i = 0; i < RESAMPLES; i++) {
		medians[i] = urn_median(first, &seed);
		if (second)
			medians[i] = minus(medians[i], urn_median(second, &seed));
	}
	qsort(medians, RESAMPLES, sizeof *medians, compare);
	effect.ratio = middle(first->sorted, first->count);
	if (second)
		effect.ratio = minus(effect.ratio, middle(second->sorted, second->count));
	effect.ratio = exp(effect.ratio);
	effect.low = exp(medians[tail]);
	effect.high = exp(medians[RESAMPLES - 1 - tail]);
	effect.count = second && second->count < first->count ? second->count : first->count;
	free(medians);
	return effect;
}

static struct effect effect_between(const double *first, size_t first_count, const double *second,
				    size_t second_count, double level, uint64_t seed)
{
	struct effect effect = {.known = false};
	struct urn urns[2] = {{NULL, NULL, 0}};

	if (urn_fill(&urns[0], first, first_count) &&
	    (!second || urn_fill(&urns[1], second, second_count)))
		effect = bootstrap(&urns[0], second ? &urns[1] : NULL, level, seed);
	urn_empty(&urns[0]);
	urn_empty(&urns[1]);
	return effect;
}

static size_t logarithms(const double *values, size_t count, double *into)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++)
		if (values[i] >= 0)
			into[kept++] = log(values[i]);
	return kept;
}

/* Of a coin: at least so many heads. What happens to equal code, whatever disturbs it. */
static double chance_of(size_t heads, size_t count)
{
	double all = lgamma((double)count + 1) - (double)count * log(2), sum = 0;

	for (size_t i = heads; i <= count; i++)
		sum += exp(all - lgamma((double)i + 1) - lgamma((double)(count - i) + 1));
	return sum;
}

struct effect effect_of_rounds(const double *base, const double *changed, size_t rounds,
			       double level, uint64_t seed)
{
	double *differences = calloc(rounds + 1, sizeof *differences);
	struct effect effect = {.known = false};
	size_t count = 0, slower = 0;

	for (size_t i = 0; differences && i < rounds; i++) {
		if (!(base[i] >= 0 && changed[i] >= 0))
			continue;
		slower += changed[i] > base[i];
		differences[count++] = minus(log(changed[i]), log(base[i]));
	}
	if (count >= ROUNDS_LEAST)
		effect = effect_between(differences, count, NULL, 0, level, seed);
	effect.chance = chance_of(slower, count);
	free(differences);
	return effect;
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
		effect = effect_between(both + bases, changes, both, bases, level, seed);
	free(both);
	return effect;
}

struct effect effect_exact(double base, double changed)
{
	double ratio = base > 0 ? changed / base : changed > 0 ? INFINITY : 1;

	return (struct effect){true, ratio, ratio, ratio, 1, 0};
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
