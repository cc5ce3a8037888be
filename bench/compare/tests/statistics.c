/* SPDX-License-Identifier: MIT */
/* The statistics on data of which the truth is known, and the rules on figures made up for each. */
#include "../judge.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned failures;

#define EXPECT(holds)                                                                     \
	do {                                                                              \
		if (!(holds)) {                                                           \
			failures++;                                                       \
			printf("FAIL: %s:%d: expected %s\n", __FILE__, __LINE__, #holds); \
		}                                                                         \
	} while (0)

static double uniform(uint64_t *state)
{
	return ((double)(next_draw(state) >> 11) + 0.5) / 9007199254740992.0;
}

/* Of mean 0 and standard deviation 1 (Box and Muller). */
static double normal(uint64_t *state)
{
	return sqrt(-2 * log(uniform(state))) * cos(6.283185307179586 * uniform(state));
}

/* Rounds share a disturbance of `common`; each value has one of `own` besides. */
static void make(double *base, double *changed, size_t rounds, double ratio, double common,
		 double own, uint64_t *state)
{
	for (size_t i = 0; i < rounds; i++) {
		double shared = common * normal(state);

		base[i] = 100 * exp(shared + own * normal(state));
		changed[i] = 100 * ratio * exp(shared + own * normal(state));
	}
}

static void check_medians(void)
{
	double odd[] = {3, 1, 2}, even[] = {4, 1, 3, 2};

	EXPECT(median_of(odd, 3) == 2);
	EXPECT(odd[0] == 3); /* not sorted in place */
	EXPECT(median_of(even, 4) == 2.5);
	EXPECT(median_of(even, 0) == 0);
}

/* Of 1000 intervals of 95 % some 950 hold the truth; the bootstrap of a median is a bit shy of it. */
static void check_coverage(void)
{
	uint64_t state = 7;
	unsigned held = 0, held_apart = 0;

	for (unsigned i = 0; i < 1000; i++) {
		double base[20], changed[20];
		struct effect effect;

		make(base, changed, 20, 1.1, 0.5, 0.05, &state);
		effect = effect_of_rounds(base, changed, 20, 0.95, i);
		held += effect.low <= 1.1 && 1.1 <= effect.high;
		EXPECT(effect.low <= effect.ratio && effect.ratio <= effect.high);
		make(base, changed, 20, 1.1, 0, 0.05, &state);
		effect = effect_of_runs(base, 20, changed, 20, 0.95, i);
		held_apart += effect.low <= 1.1 && 1.1 <= effect.high;
	}
	EXPECT(held >= 900 && held <= 990);
	EXPECT(held_apart >= 900 && held_apart <= 995);
}

/* A disturbance of 50 % that both sides share does not hide 10 %; without pairs it would. */
static void check_pairing(void)
{
	uint64_t state = 11;
	unsigned seen = 0, seen_apart = 0;

	for (unsigned i = 0; i < 100; i++) {
		double base[20], changed[20];
		struct effect effect;

		make(base, changed, 20, 1.1, 0.5, 0.03, &state);
		effect = effect_of_rounds(base, changed, 20, 0.95, i);
		seen += effect_is_slower(&effect, 0.05);
		effect = effect_of_runs(base, 20, changed, 20, 0.95, i);
		seen_apart += effect_is_slower(&effect, 0.05);
	}
	EXPECT(seen >= 95);
	EXPECT(seen_apart <= 50);
}

static void check_limits(void)
{
	double base[] = {1, 2, NAN, NAN, 3, 4}, changed[] = {2, 4, 5, 5, 6, 8};
	struct effect effect = effect_of_rounds(base, changed, 6, 0.95, 1);

	EXPECT(effect.known && effect.count == 4 && fabs(effect.ratio - 2) < 1e-12);
	EXPECT(fabs(effect.low - 2) < 1e-12 && fabs(effect.high - 2) < 1e-12);
	EXPECT(!effect_of_rounds(base, changed, 3, 0.95, 1).known);
	EXPECT(!effect_of_runs(base, 3, changed, 6, 0.95, 1).known);
	effect = effect_exact(0, 0);
	EXPECT(effect.ratio == 1 && !effect_is_slower(&effect, 0));
	effect = effect_exact(0, 1);
	EXPECT(effect_is_slower(&effect, 0));
	effect = effect_exact(1000, 1004);
	EXPECT(!effect_is_slower(&effect, 0.005) && effect_is_slower(&effect, 0));
	effect = effect_exact(1000, 1006);
	EXPECT(effect_is_slower(&effect, 0.005));
	effect = effect_exact(1000, 990);
	EXPECT(effect_is_faster(&effect, 0.005) && !effect_is_slower(&effect, 0));
}

/* What happens never, or became so, has no logarithm, but a ratio. */
static void check_zeros(void)
{
	double none[7] = {0}, some[] = {1, 2, 1, 3, 1, 1, 2}, once[] = {0, 0, 0, 9, 0, 0, 0};
	double even[] = {0, 0, 5, 5}, odd[] = {5, 5, 0, 0};
	struct effect effect = effect_of_rounds(none, none, 7, 0.95, 1);

	EXPECT(effect.ratio == 1 && effect.low == 1 && effect.high == 1);
	EXPECT(!effect_is_slower(&effect, 0) && !effect_is_vague(&effect, 0));
	effect = effect_of_rounds(none, some, 7, 0.95, 1);
	EXPECT(isinf(effect.ratio) && isinf(effect.low) && effect_is_slower(&effect, 100));
	effect = effect_of_rounds(some, none, 7, 0.95, 1);
	EXPECT(effect.ratio == 0 && effect.high == 0 && effect_is_faster(&effect, 100));
	effect = effect_of_rounds(none, once, 7, 0.95, 1);
	EXPECT(effect.ratio == 1 && effect.low == 1 && effect.high == 1);
	effect = effect_of_rounds(even, odd, 4, 0.95, 1);
	EXPECT(effect.ratio == 1 && effect.low == 0 && isinf(effect.high));
	EXPECT(!effect_is_slower(&effect, 0) && effect_is_vague(&effect, 1));
	effect = effect_of_runs(none, 7, none, 7, 0.95, 1);
	EXPECT(effect.ratio == 1 && effect.low == 1 && effect.high == 1);
	effect = effect_of_runs(none, 7, some, 7, 0.95, 1);
	EXPECT(isinf(effect.low) && effect_is_slower(&effect, 100));
	effect = effect_of_runs(some, 7, once, 7, 0.95, 1);
	EXPECT(effect.ratio == 0 && effect_is_faster(&effect, 100));
}

static void check_same_seed(void)
{
	double base[20], changed[20];
	uint64_t state = 3;
	struct effect one, two;

	make(base, changed, 20, 1, 0, 0.1, &state);
	one = effect_of_rounds(base, changed, 20, 0.95, 5);
	two = effect_of_rounds(base, changed, 20, 0.95, 5);
	EXPECT(one.low == two.low && one.high == two.high);
}

static void check_kinds(void)
{
	EXPECT(kind_of("cpu_per_op", "ns") == KIND_CPU);
	EXPECT(kind_of("idle_cpu_per_s", "ns") == KIND_CPU);
	EXPECT(kind_of("generator_lateness", "ns") == KINDS);
	EXPECT(kind_of("submit_per_op", "ns") == KINDS);
	EXPECT(kind_of("system_calls_per_task", "system calls") == KIND_CALLS);
	EXPECT(kind_of("wall_per_op", "ns") == KIND_WALL);
	EXPECT(kind_of("makespan", "ns") == KIND_WALL);
	EXPECT(kind_of("p99.9", "ns") == KIND_LATENCY);
	EXPECT(kind_of("pending", "bytes") == KIND_MEMORY);
	EXPECT(kind_of("instructions_per_task", "instructions") == KIND_INSTRUCTIONS);
	EXPECT(kind_of("allocations_per_task", "allocations") == KIND_COUNT);
	EXPECT(kind_of("ratio_to_ideal", "ratio") == KIND_RATIO);
	EXPECT(kind_of("dip", "ratio") == KIND_RATIO);
	EXPECT(kind_of("wake_ups", "count") == KIND_EVENTS);
	EXPECT(kind_of("speed", "furlongs") == KINDS);
	EXPECT(kind_of("wall_per_op", NULL) == KINDS);
}

/* Of NEW and of BASE again to BASE, in each batch; 0: there was none. */
struct ratios {
	double changed[3];
	double again[3];
};

#define NEW(...) .changed = {__VA_ARGS__}
#define AGAIN(...) .again = {__VA_ARGS__}

/* A figure with these in every round but for a little noise. */
static struct figure *add(struct figures *figures, const char *name, struct ratios ratios)
{
	struct sample sample = {.workload = name, .backend = "pool", .workers = 2, .unit = "ns"};
	struct figure *figure = figures_find(figures, &sample, "cpu_per_op");
	uint64_t state = 5;

	for (int batch = 0; batch < 3 && ratios.changed[batch] > 0; batch++) {
		double of[ARMS] = {1, ratios.changed[batch], ratios.changed[batch],
				   ratios.again[batch] > 0 ? ratios.again[batch] : 1};

		for (int arm = 0; arm < ARMS; arm++)
			for (size_t round = 0; round < 20; round++)
				values_set(&figure->arms[batch][arm], round,
					   100 * of[arm] * exp(0.01 * normal(&state)));
	}
	return figure;
}

static void expect_verdict(int line, struct ratios ratios, enum state state, enum verdict verdict)
{
	struct figures figures = {.interleaved = true};
	struct rules rules = rules_default();
	enum verdict seen;

	add(&figures, "work", ratios);
	seen = judge(&figures, &rules);
	if (figures.list[0].state != state || seen != verdict) {
		failures++;
		printf("FAIL: line %d: state '%s' and verdict '%s', expected '%s' and '%s'\n", line,
		       state_names[figures.list[0].state], verdict_name(seen), state_names[state],
		       verdict_name(verdict));
	}
	figures_free(&figures);
}

#define EXPECT_VERDICT(state, verdict, ...) \
	expect_verdict(__LINE__, (struct ratios){__VA_ARGS__}, state, verdict)

static void check_rules(void)
{
	EXPECT_VERDICT(STATE_PASS, VERDICT_PASS, NEW(1.00));
	EXPECT_VERDICT(STATE_PASS, VERDICT_PASS, NEW(1.03));
	EXPECT_VERDICT(STATE_FASTER, VERDICT_PASS, NEW(0.80));
	EXPECT_VERDICT(STATE_REGRESSED, VERDICT_REGRESSION, NEW(1.10, 1.10));
	/* It did not repeat: a third batch has to tell. */
	EXPECT_VERDICT(STATE_NOISY, VERDICT_INCONCLUSIVE, NEW(1.10, 1.00));
	EXPECT_VERDICT(STATE_UNSTABLE, VERDICT_INCONCLUSIVE, NEW(1.10));
	/* BASE against itself: such a batch does not count, and there have to be more that do. */
	EXPECT_VERDICT(STATE_UNSTABLE, VERDICT_INCONCLUSIVE, NEW(1.10, 1.10), AGAIN(1.10));
	EXPECT_VERDICT(STATE_UNSTABLE, VERDICT_INCONCLUSIVE, NEW(1.10, 1.10), AGAIN(1, 1.10));
	EXPECT_VERDICT(STATE_UNSTABLE, VERDICT_INCONCLUSIVE, NEW(1, 1), AGAIN(1, 0.90));
	EXPECT_VERDICT(STATE_UNSTABLE, VERDICT_INCONCLUSIVE, NEW(1, 1), AGAIN(1.10, 0.90));
	EXPECT_VERDICT(STATE_UNSTABLE, VERDICT_INCONCLUSIVE, NEW(1), AGAIN(1.10));
	EXPECT_VERDICT(STATE_UNSTABLE, VERDICT_INCONCLUSIVE, NEW(1.10, 1.10, 1.10),
		       AGAIN(1, 1.10, 0.90));
	EXPECT_VERDICT(STATE_PASS, VERDICT_PASS, NEW(1, 1, 1), AGAIN(1, 0.90, 1));
	EXPECT_VERDICT(STATE_PASS, VERDICT_PASS, NEW(1, 1.10, 1), AGAIN(1, 1.10, 1));
	EXPECT_VERDICT(STATE_REGRESSED, VERDICT_REGRESSION, NEW(1.10, 1, 1.10), AGAIN(1, 1.10, 1));
}

/* Of 14 rounds a coin shows 13 heads once in 1000 times, and 12 six times. */
static void check_chance(void)
{
	struct rules rules = rules_default();

	for (size_t against = 0; against <= 2; against++) {
		struct figures figures = {.interleaved = true};
		struct figure *figure = add(&figures, "work", (struct ratios){NEW(0)});

		for (int batch = 0; batch < 2; batch++)
			for (int arm = 0; arm < ARMS; arm++)
				for (size_t round = 0; round < 7; round++) {
					bool is_new = arm == ARM_NEW || arm == ARM_NEW_AGAIN;
					bool is_slower = round || (size_t)batch >= against;

					values_set(&figure->arms[batch][arm], round,
						   !is_new     ? 100
						   : is_slower ? 120
							       : 90);
				}
		EXPECT((judge_so_far(figure, true, &rules) == ANSWER_SLOWER) == (against < 2));
		EXPECT((judge(&figures, &rules) == VERDICT_REGRESSION) == (against < 2));
		figures_free(&figures);
	}
}

/* Batches count by their rounds: of three short ones and two long ones these have two thirds. What only
 * the long ones show clearly is a regression, and what only the short ones do is none. */
static void check_weights(void)
{
	static const size_t rounds[5] = {7, 7, 7, 14, 28};
	struct rules rules = rules_default();

	for (int long_ones = 0; long_ones < 2; long_ones++) {
		struct figures figures = {.interleaved = true};
		struct figure *figure = add(&figures, "work", (struct ratios){NEW(0)});

		for (int batch = 0; batch < 5; batch++)
			for (int arm = 0; arm < ARMS; arm++)
				for (size_t round = 0; round < rounds[batch]; round++) {
					bool is_new = arm == ARM_NEW || arm == ARM_NEW_AGAIN;
					bool is_clear = (batch >= 3) == long_ones;

					/* Vague: in four rounds of seven. */
					values_set(&figure->arms[batch][arm], round,
						   !is_new                      ? 100
						   : is_clear || round % 7 >= 3 ? 120
										: 90);
				}
		EXPECT((judge(&figures, &rules) == VERDICT_REGRESSION) == long_ones);
		figures_free(&figures);
	}
}

/* A figure whose BASE and NEW happen so often, in every round. */
static struct figure *add_events(struct figures *figures, const char *name, double base,
				 double changed, int batches)
{
	struct sample sample = {.workload = name, .backend = "pool", .workers = 2, .unit = "count"};
	struct figure *figure = figures_find(figures, &sample, "wake_ups");

	for (int batch = 0; batch < batches; batch++)
		for (int arm = 0; arm < ARMS; arm++)
			for (size_t round = 0; round < 7; round++)
				values_set(&figure->arms[batch][arm], round,
					   arm == ARM_NEW || arm == ARM_NEW_AGAIN ? changed : base);
	return figure;
}

/* What happened never is compared like all else: it has to repeat, and what never happens is known. */
static void check_events(void)
{
	struct figures figures = {.interleaved = true};
	struct rules rules = rules_default();
	struct figure *figure;

	EXPECT(judge_so_far(add_events(&figures, "never", 0, 0, 1), true, &rules) == ANSWER_CLEAR);
	EXPECT(judge_so_far(add_events(&figures, "gone", 9, 0, 1), true, &rules) == ANSWER_CLEAR);
	EXPECT(judge(&figures, &rules) == VERDICT_PASS);
	EXPECT(figures.list[0].state == STATE_PASS && figures.list[1].state == STATE_FASTER);
	figure = add_events(&figures, "came", 0, 5000, 1);
	EXPECT(judge_so_far(figure, true, &rules) == ANSWER_UNREPEATED);
	figure = add_events(&figures, "came", 0, 5000, 2);
	EXPECT(judge_so_far(figure, true, &rules) == ANSWER_SLOWER);
	EXPECT(judge(&figures, &rules) == VERDICT_REGRESSION);
	/* In one of two processes is half as often as in both, not never. */
	figure = add_events(&figures, "seldom", 1, 1, 1);
	for (size_t round = 0; round < 7; round++)
		figure->arms[0][round % 2 ? ARM_BASE : ARM_AGAIN].list[round] = 0;
	judge(&figures, &rules);
	EXPECT(figure->effect.low == 2 && figure->effect.high == 2);
	figures_free(&figures);
}

static void expect_answer(int line, struct ratios ratios, enum answer answer)
{
	struct figures figures = {.interleaved = true};
	struct rules rules = rules_default();
	enum answer seen = judge_so_far(add(&figures, "work", ratios), true, &rules);

	if (seen != answer) {
		failures++;
		printf("FAIL: line %d: answer %d, expected %d\n", line, seen, answer);
	}
	figures_free(&figures);
}

#define EXPECT_ANSWER(answer, ...) expect_answer(__LINE__, (struct ratios){__VA_ARGS__}, answer)

static void check_open(void)
{
	EXPECT_ANSWER(ANSWER_CLEAR, NEW(1));
	EXPECT_ANSWER(ANSWER_CLEAR, NEW(0.90));
	EXPECT_ANSWER(ANSWER_UNREPEATED, NEW(1.10));
	EXPECT_ANSWER(ANSWER_SLOWER, NEW(1.10, 1.10));
	EXPECT_ANSWER(ANSWER_UNREPEATED, NEW(1), AGAIN(0.90));
	EXPECT_ANSWER(ANSWER_UNREPEATED, NEW(1, 1), AGAIN(0.90, 1));
	EXPECT_ANSWER(ANSWER_CLEAR, NEW(1, 1, 1), AGAIN(0.90, 1, 1));
}

static void check_verdicts(void)
{
	struct figures figures = {.interleaved = true};
	struct rules rules = rules_default();
	struct sample sample = {.workload = "gone", .backend = "pool", .workers = 2};

	EXPECT(judge(&figures, &rules) == VERDICT_ERROR); /* nothing matched */
	add(&figures, "same", (struct ratios){NEW(1)});
	EXPECT(judge(&figures, &rules) == VERDICT_PASS);
	figure_settle(figures_find(&figures, &sample, NULL), STATE_ADDED, "only NEW has it");
	EXPECT(judge(&figures, &rules) == VERDICT_PASS);
	sample.workers = 3;
	figure_settle(figures_find(&figures, &sample, NULL), STATE_UNSUPPORTED, "cannot");
	EXPECT(judge(&figures, &rules) == VERDICT_PASS);
	sample.workers = 4;
	figure_settle(figures_find(&figures, &sample, NULL), STATE_MISSING, "only BASE has it");
	EXPECT(judge(&figures, &rules) == VERDICT_ERROR);
	figures_free(&figures);
}

int main(void)
{
	check_medians();
	check_coverage();
	check_pairing();
	check_limits();
	check_zeros();
	check_same_seed();
	check_kinds();
	check_rules();
	check_chance();
	check_weights();
	check_events();
	check_open();
	check_verdicts();
	return failures != 0;
}
