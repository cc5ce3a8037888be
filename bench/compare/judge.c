/* SPDX-License-Identifier: MIT */
/*
 * A batch in which BASE differs from itself by the rule that is meant for NEW is void. Regression:
 * over the other batches the interval excludes 1 and the median ratio is beyond the threshold of its
 * kind, two of them and batches with half of the rounds have an interval of their own that excludes 1,
 * and NEW is slower in more rounds than chance would have it.
 */
#include "judge.h"

#include "text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of equal code the gate asks up to five times whether it is slower. */
#define CHANCE_LIMIT 0.001

struct rules rules_default(void)
{
	struct rules rules = {.level = 0.95, .seed = 1};

	for (int kind = 0; kind < KINDS; kind++)
		rules.thresholds[kind] = kinds[kind].threshold;
	return rules;
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
	unsigned voids;
	unsigned clean;                 /* measured and not void */
	unsigned repeated;              /* of these slower on their own, by however little */
	size_t rounds, rounds_repeated; /* of the clean ones, and of the repeated */
	struct effect effect;
	struct effect control;
};

/* One side of a comparison: an arm, or the geometric mean of two. */
struct side {
	enum arm first, second;
};

static double at(const struct values *values, size_t round)
{
	return round < values->count ? values->list[round] : NAN;
}

/* Of what scatters by a factor; a single 0 has no logarithm, and does not make the other one 0. */
static double mean_of(double first, double second)
{
	return first > 0 && second > 0 ? sqrt(first * second) : (first + second) / 2;
}

/* Rounds keep their places, so that what belongs together stays together. */
static struct values joined(const struct figure *figure, struct side side, const bool *left_out)
{
	struct values all = {NULL, 0};

	for (int batch = 0; batch < BATCHES; batch++) {
		const struct values *arms = figure->arms[batch];
		size_t rounds = left_out[batch] ? 0 : rounds_of(arms);

		for (size_t i = 0; i < rounds; i++) {
			double first = at(&arms[side.first], i), second = at(&arms[side.second], i);

			values_set(&all, all.count,
				   side.first == side.second ? first : mean_of(first, second));
		}
	}
	return all;
}

static struct effect between(const struct figure *figure, struct side base, struct side changed,
			     const bool *left_out, bool interleaved, const struct rules *rules)
{
	struct values bases = joined(figure, base, left_out);
	struct values changes = joined(figure, changed, left_out);
	struct effect effect = interleaved
				       ? effect_of_rounds(bases.list, changes.list, bases.count,
							  rules->level, rules->seed)
				       : effect_of_runs(bases.list, bases.count, changes.list,
							changes.count, rules->level, rules->seed);

	free(bases.list);
	free(changes.list);
	return effect;
}

/* Files have a single arm of each side. */
static struct effect of_new(const struct figure *figure, const bool *left_out, bool interleaved,
			    const struct rules *rules)
{
	struct side base = {ARM_BASE, interleaved ? ARM_AGAIN : ARM_BASE};
	struct side changed = {ARM_NEW, interleaved ? ARM_NEW_AGAIN : ARM_NEW};

	return between(figure, base, changed, left_out, interleaved, rules);
}

static struct effect of_base(const struct figure *figure, const bool *left_out, bool interleaved,
			     const struct rules *rules)
{
	return between(figure, (struct side){ARM_BASE, ARM_BASE},
		       (struct side){ARM_AGAIN, ARM_AGAIN}, left_out, interleaved, rules);
}

static bool fires(const struct effect *control, double threshold)
{
	return effect_is_slower(control, threshold) || effect_is_faster(control, threshold);
}

static struct evidence weigh(const struct figure *figure, bool interleaved,
			     const struct rules *rules)
{
	double threshold = rules->thresholds[figure->kind];
	struct evidence evidence = {.voids = 0};

	for (int batch = 0; batch < BATCHES; batch++) {
		struct effect effect, control;
		bool others[BATCHES];

		for (int other = 0; other < BATCHES; other++)
			others[other] = other != batch;
		effect = of_new(figure, others, interleaved, rules);
		control = of_base(figure, others, interleaved, rules);
		evidence.is_void[batch] = fires(&control, threshold);
		evidence.voids += evidence.is_void[batch];
		if (!effect.known || evidence.is_void[batch])
			continue;
		evidence.clean++;
		evidence.rounds += effect.count;
		if (!effect_is_slower(&effect, 0))
			continue;
		evidence.repeated++;
		evidence.rounds_repeated += effect.count;
	}
	evidence.effect = of_new(figure, evidence.is_void, interleaved, rules);
	evidence.control = of_base(figure, evidence.is_void, interleaved, rules);
	return evidence;
}

/* Many looks find something once: it has to come back, not seldom, and be no chance. A short batch may
 * miss what a long one shows. */
static bool is_repeated(const struct evidence *evidence)
{
	return evidence->repeated >= 2 && 2 * evidence->rounds_repeated >= evidence->rounds &&
	       evidence->effect.chance < CHANCE_LIMIT;
}

/* Where BASE differs from itself as often as not, the batches between say nothing either. */
static bool is_unstable(const struct evidence *evidence)
{
	return evidence->voids && evidence->voids >= evidence->clean;
}

enum answer judge_so_far(const struct figure *figure, bool interleaved, const struct rules *rules)
{
	struct evidence evidence;
	double threshold;

	if (figure->kind == KINDS || kinds[figure->kind].exact || figure->message[0])
		return ANSWER_CLEAR;
	threshold = rules->thresholds[figure->kind];
	evidence = weigh(figure, interleaved, rules);
	if (!evidence.clean || is_unstable(&evidence))
		return ANSWER_UNREPEATED;
	if (effect_is_slower(&evidence.effect, threshold))
		return is_repeated(&evidence) ? ANSWER_SLOWER : ANSWER_UNREPEATED;
	return effect_is_vague(&evidence.effect, threshold) ? ANSWER_VAGUE : ANSWER_CLEAR;
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
			      "too few rounds with a value: at least %d are needed", ROUNDS_LEAST);
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
	if (is_unstable(&evidence))
		figure_settle(figure, STATE_UNSTABLE,
			      "BASE differs from itself in %u of %u batches", evidence.voids,
			      evidence.voids + evidence.clean);
	else if (!effect_is_slower(&evidence.effect, threshold))
		settle_unflagged(figure, threshold);
	else if (all->doubtful)
		figure_settle(figure, STATE_UNSTABLE,
			      "slower, but the machine was too noisy to say so");
	else if (!is_repeated(&evidence))
		figure_settle(figure, STATE_UNSTABLE,
			      "slower, but not often enough: in %u of %u batches",
			      evidence.repeated, evidence.clean);
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

static const char *plural(size_t count)
{
	return count == 1 ? "" : "s";
}

static void add_error(struct text *text, const struct figures *figures, size_t judged)
{
	size_t failed = figures_in(figures, STATE_FAILED);
	size_t missing = figures_in(figures, STATE_MISSING);

	text_format(text, "%zu cell%s failed, %zu %s missing, %zu figure%s judged", failed,
		    plural(failed), missing, missing == 1 ? "is" : "are", judged, plural(judged));
}

char *verdict_explain(const struct figures *figures, enum verdict verdict)
{
	size_t all = 0, noisy = figures_in(figures, STATE_NOISY);
	struct text text = {0};

	for (size_t i = 0; i < figures->count; i++)
		all += figures->list[i].state <= STATE_UNSTABLE;
	switch (verdict) {
	case VERDICT_PASS:
		text_format(&text, "no regression in %zu figure%s", all, plural(all));
		break;
	case VERDICT_REGRESSION:
		text_format(&text, "%zu of %zu figures regressed",
			    figures_in(figures, STATE_REGRESSED), all);
		break;
	case VERDICT_ERROR:
		if (figures->trouble)
			text_add(&text, figures->trouble);
		else if (!all && !figures->count)
			text_add(&text, "nothing matched: there is no figure on both sides");
		else
			add_error(&text, figures, all);
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
