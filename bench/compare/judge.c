/* SPDX-License-Identifier: MIT */
/*
 * Regression: in the first batch the interval excludes 1 and the median ratio is beyond the
 * threshold of its kind; in the second, which measured only what was suspicious, the interval
 * excludes 1 again; and so it is over both. BASE against itself goes through the same rule: where
 * that fires, a batch says nothing.
 */
#include "judge.h"

#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct rules rules_default(void)
{
	struct rules rules = {.level = 0.95, .seed = 1};

	for (int kind = 0; kind < KINDS; kind++)
		rules.thresholds[kind] = kinds[kind].threshold;
	return rules;
}

static struct effect effect_between(const struct values *base, const struct values *changed,
				    bool interleaved, const struct rules *rules)
{
	size_t rounds = base->count < changed->count ? base->count : changed->count;

	if (interleaved)
		return effect_of_rounds(base->list, changed->list, rounds, rules->level,
					rules->seed);
	return effect_of_runs(base->list, base->count, changed->list, changed->count, rules->level,
			      rules->seed);
}

static size_t rounds_of(const struct values arms[ARMS])
{
	size_t rounds = 0;

	for (int arm = 0; arm < ARMS; arm++)
		if (arms[arm].count > rounds)
			rounds = arms[arm].count;
	return rounds;
}

/* Rounds keep their places, so that what belongs together stays together. */
static struct values joined(const struct figure *figure, enum arm arm)
{
	struct values all = {NULL, 0};
	size_t start = 0;

	for (int batch = 0; batch < BATCHES; batch++) {
		const struct values *values = &figure->arms[batch][arm];

		for (size_t i = 0; i < values->count; i++)
			values_set(&all, start + i, values->list[i]);
		start += rounds_of(figure->arms[batch]);
	}
	return all;
}

static struct effect overall(const struct figure *figure, enum arm arm, bool interleaved,
			     const struct rules *rules)
{
	struct values base = joined(figure, ARM_BASE), changed = joined(figure, arm);
	struct effect effect = effect_between(&base, &changed, interleaved, rules);

	free(base.list);
	free(changed.list);
	return effect;
}

static struct effect of_batch(const struct figure *figure, int batch, enum arm arm,
			      bool interleaved, const struct rules *rules)
{
	return effect_between(&figure->arms[batch][ARM_BASE], &figure->arms[batch][arm],
			      interleaved, rules);
}

static bool fires(const struct effect *control, double threshold)
{
	return effect_is_slower(control, threshold) || effect_is_faster(control, threshold);
}

bool judge_is_open(const struct figure *figure, bool interleaved, const struct rules *rules)
{
	double threshold;
	struct effect effect, control;

	if (figure->kind == KINDS || kinds[figure->kind].exact || figure->message[0])
		return false;
	threshold = rules->thresholds[figure->kind];
	effect = of_batch(figure, 0, ARM_NEW, interleaved, rules);
	control = of_batch(figure, 0, ARM_AGAIN, interleaved, rules);
	return effect_is_slower(&effect, threshold) || fires(&control, threshold);
}

static void judge_exact(struct figure *figure, double threshold)
{
	const struct values *base = &figure->arms[0][ARM_BASE];
	const struct values *changed = &figure->arms[0][ARM_NEW];

	figure->effect = effect_exact(median_of(base->list, base->count),
				      median_of(changed->list, changed->count));
	if (effect_is_slower(&figure->effect, threshold))
		figure_settle(figure, STATE_REGRESSED, "counted, not timed: no noise in it");
	else
		figure->state =
			effect_is_faster(&figure->effect, threshold) ? STATE_FASTER : STATE_PASS;
}

static void settle_unflagged(struct figure *figure, double threshold)
{
	if (!figure->effect.known)
		figure_settle(figure, STATE_NOISY,
			      "too few rounds with a value above 0: at least %d are needed",
			      ROUNDS_LEAST);
	else if (effect_is_vague(&figure->effect, threshold))
		figure_settle(figure, STATE_NOISY, "a slowdown of %.3g %% would not be seen",
			      100 * threshold);
	else
		figure->state =
			effect_is_faster(&figure->effect, threshold) ? STATE_FASTER : STATE_PASS;
}

static void judge_timed(struct figure *figure, const struct figures *all, const struct rules *rules)
{
	bool interleaved = all->interleaved;
	double threshold = rules->thresholds[figure->kind];
	struct effect first = of_batch(figure, 0, ARM_NEW, interleaved, rules);
	struct effect control = of_batch(figure, 0, ARM_AGAIN, interleaved, rules);
	bool flagged = effect_is_slower(&first, threshold), void_first = fires(&control, threshold);
	bool repeated = figure->arms[1][ARM_BASE].count > 0;
	struct effect second = of_batch(figure, 1, ARM_NEW, interleaved, rules);

	figure->effect = overall(figure, ARM_NEW, interleaved, rules);
	figure->control = repeated ? of_batch(figure, 1, ARM_AGAIN, interleaved, rules) : control;
	if ((flagged || void_first) && !repeated)
		figure_settle(figure, STATE_UNSTABLE,
			      flagged ? "slower, and there is no second batch to repeat it"
				      : "BASE differs from itself");
	else if (flagged && all->doubtful)
		figure_settle(figure, STATE_UNSTABLE,
			      "slower, but the machine was too noisy to say so");
	else if (repeated && fires(&figure->control, threshold))
		figure_settle(figure, STATE_UNSTABLE, "BASE differs from itself");
	else if (void_first && effect_is_slower(&second, threshold))
		figure_settle(figure, STATE_UNSTABLE,
			      "slower, but in the first batch BASE differed from itself");
	else if (flagged && !void_first && effect_is_slower(&second, 0) &&
		 effect_is_slower(&figure->effect, threshold))
		figure_settle(figure, STATE_REGRESSED, "in both batches");
	else {
		/* The first batch was mistaken, or void: what it saw is no part of the answer. */
		if ((flagged || void_first) && interleaved)
			figure->effect = second;
		settle_unflagged(figure, threshold);
	}
}

size_t figures_in(const struct figures *figures, enum state state)
{
	size_t count = 0;

	for (size_t i = 0; i < figures->count; i++)
		count += figures->list[i].state == state;
	return count;
}

enum verdict judge(struct figures *figures, const struct rules *rules)
{
	size_t judged = 0;

	for (size_t i = 0; i < figures->count; i++) {
		struct figure *figure = &figures->list[i];

		if (figure->message[0] || figure->kind == KINDS)
			continue;
		if (kinds[figure->kind].exact)
			judge_exact(figure, rules->thresholds[figure->kind]);
		else
			judge_timed(figure, figures, rules);
	}
	for (size_t i = 0; i < figures->count; i++)
		judged += figures->list[i].state <= STATE_UNSTABLE;
	if (!judged || figures_in(figures, STATE_MISSING) || figures_in(figures, STATE_FAILED))
		return VERDICT_ERROR;
	if (figures_in(figures, STATE_UNSTABLE))
		return VERDICT_INCONCLUSIVE;
	if (figures_in(figures, STATE_REGRESSED))
		return VERDICT_REGRESSION;
	return 2 * figures_in(figures, STATE_NOISY) > judged ? VERDICT_INCONCLUSIVE : VERDICT_PASS;
}

const char *verdict_name(enum verdict verdict)
{
	static const char *const names[] = {"pass", "regression", "error", "inconclusive"};

	return names[verdict];
}

char *verdict_explain(const struct figures *figures, enum verdict verdict)
{
	size_t all = 0, noisy = figures_in(figures, STATE_NOISY);
	struct text text = {0};

	for (size_t i = 0; i < figures->count; i++)
		all += figures->list[i].state <= STATE_UNSTABLE;
	switch (verdict) {
	case VERDICT_PASS:
		text_format(&text, "no regression in %zu figures", all);
		break;
	case VERDICT_REGRESSION:
		text_format(&text, "%zu of %zu figures regressed",
			    figures_in(figures, STATE_REGRESSED), all);
		break;
	case VERDICT_ERROR:
		if (!all && !figures->count)
			text_add(&text, "nothing matched: there is no figure on both sides");
		else
			text_format(&text, "%zu cells failed, %zu are missing, %zu figures judged",
				    figures_in(figures, STATE_FAILED),
				    figures_in(figures, STATE_MISSING), all);
		break;
	case VERDICT_INCONCLUSIVE:
		if (figures_in(figures, STATE_UNSTABLE))
			text_format(&text, "%zu of %zu figures are unstable on this machine",
				    figures_in(figures, STATE_UNSTABLE), all);
		else
			text_format(&text, "this machine is too noisy");
	}
	if (noisy)
		text_format(&text, "; %zu too noisy to see their threshold", noisy);
	return text.data;
}
