/* SPDX-License-Identifier: MIT */
/*
 * How often each task ran, counted where every worker sees it: memory shared with the processes
 * that are forked after marks_begin(). Results alone do not show that a task ran twice.
 */
#ifndef BENCH_MARKS_H
#define BENCH_MARKS_H

#include "workload.h"

#include <stddef.h>

/* In setup, before there are workers. Anonymous memory that they share; NULL after cell_fail(). */
void *shared_memory(struct cell *cell, size_t size);
void shared_memory_free(void *memory, size_t size);

/* In setup: for tasks 0 to count - 1. In teardown: the end. */
int marks_begin(struct cell *cell, size_t count);
void marks_end(void);

/* In prepare: no task has run. */
void marks_clear(void);

/* In a task. Where its worker does not share memory, nothing is counted. */
void mark(uint64_t task);

/* In check: each of the first count tasks ran once. 0, or -1 after cell_fail(). */
int marks_check(struct cell *cell, size_t count);

#endif
