/* SPDX-License-Identifier: MIT */
#ifndef BENCH_PATTERNS_H
#define BENCH_PATTERNS_H

#include <stddef.h>

/*
 * Each of the patterns, separated by commas, matches one of the names: 0. Else -1 after a message
 * that names the first that does not, and the nearest that there are. Sorts the names. `what` is in the singular.
 */
int patterns_check(const char *what, const char *patterns, const char **names, size_t count);

/* Says that there is none of this name, and which are nearest. Sorts the names. Returns -1. */
int names_refuse(const char *what, const char *wanted, const char **names, size_t count);

#endif
