/* SPDX-License-Identifier: MIT */
/*
 * malloc() and its kin, and mmap(), of this program and of every backend that it loads, counted on
 * a board. What the C library asks of itself (stacks of threads, say) is not seen.
 */
#ifndef PROXIES_ALLOCATIONS_H
#define PROXIES_ALLOCATIONS_H

#include "exercise.h"

/* From here on. */
void allocations_count(struct board *board);

#endif
