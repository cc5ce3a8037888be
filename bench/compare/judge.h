/* SPDX-License-Identifier: MIT */
/* The rules of the gate. */
#ifndef COMPARE_JUDGE_H
#define COMPARE_JUDGE_H

#include "figures.h"

enum verdict { VERDICT_PASS, VERDICT_REGRESSION, VERDICT_ERROR, VERDICT_INCONCLUSIVE };

struct rules {
	double thresholds[KINDS];
	double level; /* of the intervals */
	uint64_t seed;
};

struct rules rules_default(void);

/* What the batches so far say of a figure. */
enum answer {
	ANSWER_CLEAR,
	ANSWER_SLOWER,     /* by more than the threshold, and so again */
	ANSWER_VAGUE,      /* the values scatter too much to tell */
	ANSWER_UNREPEATED, /* slower, but not yet so often; or BASE differs from itself */
	ANSWERS
};

enum answer judge_so_far(const struct figure *figure, bool interleaved, const struct rules *rules);

/* Settles each figure that is not settled yet, and says what follows from all of them. */
enum verdict judge(struct figures *figures, const struct rules *rules);

/* In a word, and in a sentence; to be freed. */
const char *verdict_name(enum verdict verdict);
char *verdict_explain(const struct figures *figures, enum verdict verdict);

size_t figures_in(const struct figures *figures, enum state state);

#endif
