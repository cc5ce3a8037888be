/* SPDX-License-Identifier: MIT */
/*
 * A batch in which BASE differs from itself by the rule that is meant for NEW is void. Regression:
 * over the other batches the interval excludes 1 and the median ratio is beyond the threshold of its
 * kind, and two of them on their own have an interval that excludes 1.
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

/* What the batches together say, and how many of them say anything. */
struct evidence {
	bool is_void[BATCHES];
	unsigned batches;  /* measured */
	unsigned clean;    /* of them not void */
	unsigned repeated; /* of these slower on their own, by however little */
	struct effect effect;
	struct effect control;
};

/* Rounds keep their places, so that what belongs together stays together. */
static struct values joined(const struct figure *figure, enum arm arm, const bool *is_void)
{
	struct values all = {NULL, 0};
	size_t start = 0;

	for (int batch = 0; batch < BATCHES; batch++) {
		const struct values *values = &figure->arms[batch][arm];

		if (is_void[batch])
			continue;
		for (size_t i = 0; i < values->count; i++)
			values_set(&all, start + i, values->list[i]);
		start += rounds_of(figure->arms[batch]);
	}
	return all;
}

static struct effect overall(const struct figure *figure, enum arm arm, const bool *is_void,
			     bool interleaved, const struct rules *rules)
{
	struct values base = joined(figure, ARM_BASE, is_void);
	struct values changed = joined(figure, arm, is_void);
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

static struct evidence weigh(const struct figure *figure, bool interleaved,
			     const struct rules *rules)
{
	double threshold = rules->thresholds[figure->kind];
	struct evidence evidence = {.batches = 0};

	for (int batch = 0; batch < BATCHES; batch++) {
		struct effect effect = of_batch(figure, batch, ARM_NEW, interleaved, rules);
		struct effect control = of_batch(figure, batch, ARM_AGAIN, interleaved, rules);

		evidence.batches += rounds_of(figure->arms[batch]) > 0;
		evidence.is_void[batch] = fires(&control, threshold);
		evidence.clean += effect.known && !evidence.is_void[batch];
		evidence.repeated += !evidence.is_void[batch] && effect_is_slower(&effect, 0);
	}
	evidence.effect = overall(figure, ARM_NEW, evidence.is_void, interleaved, rules);
	evidence.control = overall(figure, ARM_AGAIN, evidence.is_void, interleaved, rules);
	return evidence;
}

bool judge_is_open(const struct figure *figure, bool interleaved, const struct rules *rules)
{
	struct evidence evidence;
	double threshold;

	if (figure->kind == KINDS || kinds[figure->kind].exact || figure->message[0])
		return false;
	threshold = rules->thresholds[figure->kind];
	evidence = weigh(figure, interleaved, rules);
	if (effect_is_slower(&evidence.effect, threshold))
		return evidence.repeated < 2;
	return !evidence.clean || effect_is_vague(&evidence.effect, threshold);
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
	double threshold = rules->thresholds[figure->kind];
	struct evidence evidence = weigh(figure, all->interleaved, rules);

	figure->effect = evidence.effect;
	figure->control = evidence.control;
	if (evidence.batches && !evidence.clean && evidence.is_void[0])
		figure_settle(figure, STATE_UNSTABLE, "BASE differs from itself");
	else if (!effect_is_slower(&evidence.effect, threshold))
		settle_unflagged(figure, threshold);
	else if (all->doubtful)
		figure_settle(figure, STATE_UNSTABLE,
			      "slower, but the machine was too noisy to say so");
	else if (evidence.repeated < 2)
		figure_settle(figure, STATE_UNSTABLE, "slower, but not in two batches");
	else
		figure_settle(figure, STATE_REGRESSED, "in %u batches", evidence.repeated);
}

/* The control speaks for its kind: wall times that move do not excuse CPU time. */
static bool is_sure(const struct figures *figures, enum kind kind)
{
	for (size_t i = 0; i < figures->count; i++)
		if (figures->list[i].state == STATE_UNSTABLE && figures->list[i].kind == kind)
			return false;
	return true;
}

static bool has_regressed(const struct figures *figures)
{
	for (size_t i = 0; i < figures->count; i++)
		if (figures->list[i].state == STATE_REGRESSED &&
		    is_sure(figures, figures->list[i].kind))
			return true;
	return false;
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
	if (has_regressed(figures))
		return VERDICT_REGRESSION;
	if (figures_in(figures, STATE_UNSTABLE))
		return VERDICT_INCONCLUSIVE;
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
