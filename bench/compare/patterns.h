/* SPDX-License-Identifier: MIT */
/* What was asked for by patterns: each has to find something, or a mistake would pass for a gate. */
#ifndef COMPARE_PATTERNS_H
#define COMPARE_PATTERNS_H

#include <stddef.h>

struct names {
	const char **list; /* owned by others */
	size_t count;
};

void names_add(struct names *names, const char *name);
void names_free(struct names *names);

/*
 * Each of the patterns, separated by commas, matches one of the names, which are sorted. NULL: none
 * was asked for. 0, or -1 after a message with the pattern and the nearest that there are.
 */
int patterns_check(const char *what, const char *patterns, struct names *names);

#endif
