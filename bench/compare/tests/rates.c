/* SPDX-License-Identifier: MIT */
/*
 * usage: rates [GATES]
 * How often the gate is wrong by chance, by simulation: GATES gates (4000) of one figure whose values
 * scatter so much, judged as they would be. Beside it the rule that was asked for: two batches, and
 * inconclusive if BASE differs from itself in one. Ours may not be red more often on equal code.
 */
#include "../judge.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const unsigned factors[BATCHES] = {1, 1, 2, 4, 8, 8};

static double normal(uint64_t *state)
{
	double u = ((double)(next_draw(state) >> 11) + 0.5) * 0x1p-53;
	double v = ((double)(next_draw(state) >> 11) + 0.5) * 0x1p-53;

	return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

struct count {
	unsigned red, inconclusive; /* by our rule */
	unsigned void_first;        /* the A/A arm fired in the first batch */
	unsigned void_any;
	unsigned asked_red, asked_inconclusive; /* by that which was asked for */
};

static void measure(struct figure *figure, int batch, double scatter, double ratio, uint64_t *state)
{
	for (int arm = 0; arm < ARMS; arm++)
		for (unsigned round = 0; round < 7 * factors[batch]; round++)
			values_set(&figure->arms[batch][arm], round,
				   100 * exp(scatter * normal(state)) *
					   (arm == ARM_NEW || arm == ARM_NEW_AGAIN ? ratio : 1));
}

/* Of one batch on its own: NEW is slower, or BASE again is another than BASE. */
static bool is_slower(const struct figure *figure, int batch, const struct rules *rules)
{
	double base[7 * 8], changed[7 * 8];
	const struct values *arms = figure->arms[batch];
	struct effect effect;

	for (size_t i = 0; i < arms[ARM_BASE].count; i++) {
		base[i] = sqrt(arms[ARM_BASE].list[i] * arms[ARM_AGAIN].list[i]);
		changed[i] = sqrt(arms[ARM_NEW].list[i] * arms[ARM_NEW_AGAIN].list[i]);
	}
	effect = effect_of_rounds(base, changed, arms[ARM_BASE].count, rules->level, rules->seed);
	return effect_is_slower(&effect, rules->thresholds[figure->kind]);
}

static bool is_void(const struct figure *figure, int batch, const struct rules *rules)
{
	const struct values *arms = figure->arms[batch];
	double threshold = rules->thresholds[figure->kind];
	struct effect effect = effect_of_rounds(arms[ARM_BASE].list, arms[ARM_AGAIN].list,
						arms[ARM_BASE].count, rules->level, rules->seed);

	return effect_is_slower(&effect, threshold) || effect_is_faster(&effect, threshold);
}

static void ask(struct count *count, struct figure *figure, double scatter, double ratio,
		const struct rules *rules, uint64_t *state)
{
	bool was_void = is_void(figure, 0, rules), slower = is_slower(figure, 0, rules);

	if (slower) {
		if (!figure->arms[1][ARM_BASE].count)
			measure(figure, 1, scatter, ratio, state);
		was_void |= is_void(figure, 1, rules);
		slower = is_slower(figure, 1, rules);
	}
	count->asked_red += slower && !was_void;
	count->asked_inconclusive += was_void;
}

static void gate(struct count *count, double scatter, double ratio, uint64_t *state)
{
	struct figures figures = {.interleaved = true};
	struct rules rules = rules_default();
	struct sample sample = {.workload = "work", .backend = "pool", .workers = 2, .unit = "ns"};
	struct figure *figure = figures_find(&figures, &sample, "cpu_per_op");
	bool any = false;
	enum verdict verdict;

	for (int batch = 0; batch < BATCHES; batch++) {
		enum answer answer;

		measure(figure, batch, scatter, ratio, state);
		any |= is_void(figure, batch, &rules);
		count->void_first += batch == 0 && any;
		answer = judge_so_far(figure, true, &rules);
		if (answer == ANSWER_CLEAR || answer == ANSWER_SLOWER)
			break;
	}
	count->void_any += any;
	verdict = judge(&figures, &rules);
	count->red += verdict == VERDICT_REGRESSION;
	count->inconclusive += verdict == VERDICT_INCONCLUSIVE;
	ask(count, figure, scatter, ratio, &rules, state);
	figures_free(&figures);
}

int main(int arguments, char **words)
{
	static const double scatters[] = {0.02, 0.05, 0.10, 0.20, 0.50}, ratios[] = {1, 1.1};
	unsigned gates = arguments > 1 ? (unsigned)strtoul(words[1], NULL, 10) : 4000;
	double percent = 100.0 / gates;
	bool failed = false;

	puts("| NEW/BASE | scatter | red | inconclusive | asked for: red | inconclusive | "
	     "A/A fires in the first batch | in any |\n|---|---|---|---|---|---|---|---|");
	for (size_t i = 0; i < 2; i++)
		for (size_t j = 0; j < sizeof scatters / sizeof *scatters; j++) {
			struct count count = {.red = 0};
			uint64_t state = 1000 * i + j;

			for (unsigned k = 0; k < gates; k++)
				gate(&count, scatters[j], ratios[i], &state);
			printf("| %.1f | %.0f %% | %.2f | %.1f | %.2f | %.1f | %.1f | %.1f |\n",
			       ratios[i], 100 * scatters[j], percent * count.red,
			       percent * count.inconclusive, percent * count.asked_red,
			       percent * count.asked_inconclusive, percent * count.void_first,
			       percent * count.void_any);
			fflush(stdout);
			failed |= i ? scatters[j] <= 0.05 && percent * count.red < 95
				    : percent * count.red > 0.5;
		}
	return failed;
}
