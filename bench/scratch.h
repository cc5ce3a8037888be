/* SPDX-License-Identifier: MIT */
/* Directories for the files of a run. */
#ifndef BENCH_SCRATCH_H
#define BENCH_SCRATCH_H

#include <stddef.h>

/* One for the whole run, below $TMPDIR or /tmp. 0, or -1 after a message. */
int scratch_begin(char *directory, size_t size);

/* A new one in it. 0, or -1 after a message. */
int scratch_make(const char *parent, char *directory, size_t size);

/* The directory and everything in it; "" is ignored. What cannot be removed stays. */
void scratch_remove(const char *directory);

#endif
