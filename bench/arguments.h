/* SPDX-License-Identifier: MIT */
#ifndef BENCH_ARGUMENTS_H
#define BENCH_ARGUMENTS_H

#include "plan.h"

struct arguments {
	struct options options;
	const char *const *names; /* operands: the last of the words */
	size_t name_count;
	bool help; /* is all that is asked for */
};

extern const char help[];

/*
 * The words from the command on; the first stands before the messages. Reorders them. 0, or -1
 * after a message.
 */
int arguments_parse(int count, char **words, struct arguments *arguments);

#endif
