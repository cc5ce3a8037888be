/* SPDX-License-Identifier: MIT */
/* The names that may be asked for, and what to say about one that is not among them. */
#ifndef BENCH_NAMES_H
#define BENCH_NAMES_H

#include <stdbool.h>
#include <stddef.h>

struct names {
	char **list;
	size_t count;
};

/* Both sorted as tables show them. 0, or -1 after a message. */
int names_of_backends(struct names *names);
int names_of_workloads(struct names *names);
void names_free(struct names *names);

bool names_have(const struct names *names, const char *name);

/* A message on the standard error: there is no such `kind`, and the names there are, nearest first.
 */
void names_suggest(struct names *names, const char *kind, const char *wrong);

#endif
