/* SPDX-License-Identifier: MIT */
/*
 * The pause between two round trips: one for executors and floors, so that both wake the same way.
 * A timer wakes no thread early, and late by what the machine needs for it: tens of microseconds on
 * a virtual one, more on a busy one. So how long the pause was is a figure of its own. To look at the
 * clock for the rest of it would keep a processor from sleeping that in the client's place would.
 */
#ifndef BENCH_REST_H
#define BENCH_REST_H

#include "../workload.h"

#include <stddef.h>

/* After it every worker sleeps. */
#define PARKED_GAP_NS 2000000

void rest(long gap_ns);

/* The metric `gap`: the median of the pauses as they were, which are sorted. */
void rest_report(struct cell *cell, uint64_t *gaps_ns, size_t count);

#endif
