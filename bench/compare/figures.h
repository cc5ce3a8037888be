/* SPDX-License-Identifier: MIT */
/*
 * What is compared: a figure is one metric of one cell, measured on both sides. A cell that cannot be
 * compared is a figure without a metric, so that it is shown and never absent.
 */
#ifndef COMPARE_FIGURES_H
#define COMPARE_FIGURES_H

#include "environment.h"
#include "samples.h"
#include "statistics.h"

/* Each side twice: what moves between BASE and BASE again is not the code. */
enum arm { ARM_BASE, ARM_NEW, ARM_NEW_AGAIN, ARM_AGAIN, ARMS };

enum { BATCHES = 6 }; /* at most */

enum kind {
	KIND_CPU,
	KIND_WALL,
	KIND_LATENCY,
	KIND_MEMORY,
	KIND_RATIO,
	KIND_EVENTS,       /* what happens by itself, as wake-ups: often never */
	KIND_INSTRUCTIONS, /* from here on the same in every run: no statistics */
	KIND_CALLS,
	KIND_COUNT,
	KINDS
};

struct kind_facts {
	const char *name;
	double threshold; /* as 0.05 for 5 % */
	bool exact;
};

extern const struct kind_facts kinds[KINDS];

enum state {
	STATE_PASS,
	STATE_FASTER,
	STATE_REGRESSED,
	STATE_NOISY,       /* a slowdown of the size of the threshold may be there */
	STATE_UNSTABLE,    /* BASE differs from itself */
	STATE_ADDED,       /* only NEW has the cell, or the metric */
	STATE_UNSUPPORTED, /* neither side can do it */
	STATE_MISSING,     /* only BASE has it */
	STATE_FAILED,
	STATES
};

extern const char *const state_names[STATES];

struct values {
	double *list; /* NaN where a round has none */
	size_t count;
};

struct figure {
	char *workload;
	char *backend;
	int workers;
	char *metric; /* NULL: the cell as a whole */
	char *unit;
	enum kind kind;
	bool told[2]; /* of trees: BASE, NEW has such a metric, if only without a value */
	struct values arms[BATCHES][ARMS];
	struct effect effect;  /* over all batches that are not void */
	struct effect control; /* BASE against itself, over the same */
	enum state state;
	char message[256];
};

struct figures {
	struct figure *list;
	size_t count;
	struct environment environment;
	const char *trouble; /* NULL, or why there is nothing to judge */
	bool interleaved;    /* the rounds of the arms belong together */
	bool doubtful;       /* not interleaved, and the machine was busy with other things */
};

/* The kind of a metric; KINDS: none that can be judged. */
enum kind kind_of(const char *metric, const char *unit);

/* The figure of this metric (NULL: of the cell) of the sample's cell; made if there is none. */
struct figure *figures_find(struct figures *figures, const struct sample *sample,
			    const char *metric);
/* Forgets those that there is nothing to say of: no metric that can be judged, and no message. */
void figures_prune(struct figures *figures);
void figures_free(struct figures *figures);

/* The sample has the unit of the figure. Otherwise the figure has failed: sides are as "NEW". */
bool figure_has_unit(struct figure *figure, const struct sample *sample, const char *side);

/* At this place; places before it that have no value become NaN. */
void values_set(struct values *values, size_t place, double value);
bool figure_has_values(const struct figure *figure, enum arm arm);

/* Keeps the first message. */
void figure_settle(struct figure *figure, enum state state, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* As missing or as new: only BASE has it, or only NEW. */
void figure_settle_one_sided(struct figure *figure, bool base_has_it);

/* By workload, backend, workers, metric. */
void figures_sort(struct figures *figures);

#endif
