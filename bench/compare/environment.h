/* SPDX-License-Identifier: MIT */
/* How and where both sides were built and measured: whether that can be compared, and how noisy it was. */
#ifndef COMPARE_ENVIRONMENT_H
#define COMPARE_ENVIRONMENT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

struct text;

/* To be freed; all NULL and 0 at first. */
struct environment {
	cJSON *contexts[2]; /* of BASE and NEW, from the bench; NULL: not known yet */
	cJSON *machine;     /* during the whole run; NULL: the two were not measured in one */
	size_t judged;      /* samples that were long enough to judge the machine by */
	size_t noisy;       /* of these too noisy for a claim about times */
	char *forced;       /* NULL, or in spite of what they are compared */
	bool checked;
};

void environment_free(struct environment *environment);

/* The context of a sample: the first of a side is kept, and the judgement of each counted. */
void environment_take(struct environment *environment, int side, const cJSON *context);

/*
 * Both sides were built alike and to be measured, and where they were measured apart also on machines
 * alike. 0, or -1 after a message; with force that is kept instead.
 */
int environment_check(struct environment *environment, bool apart, bool force);

/* Any of the contexts says that the machine was too noisy. */
bool environment_is_noisy(const struct environment *environment);

/* One line: the machine, how noisy it was, and what was forced. Nothing if nothing is known. */
void environment_describe(const struct environment *environment, struct text *text);

#endif
