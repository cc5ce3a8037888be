/* SPDX-License-Identifier: MIT */
#ifndef BENCH_ARGUMENTS_H
#define BENCH_ARGUMENTS_H

#include "plan.h"

struct arguments {
	struct options options;
	const char **names; /* operands; room for all words */
	size_t name_count;
};

extern const char usage[];

/* The words after the command. 0, or -1 after a message. */
int arguments_parse(int count, char **words, struct arguments *arguments);

#endif
