/* SPDX-License-Identifier: MIT */
/* The pause between two round trips: one for executors and floors, so that both wake the same way. */
#ifndef BENCH_REST_H
#define BENCH_REST_H

#include <errno.h>
#include <sys/prctl.h>
#include <time.h>

/* After it every worker sleeps. */
#define PARKED_GAP_NS 2000000

/* To the microsecond: a gap of 100 us must not become 150. What tasks see is not touched. */
static inline void rest(long gap_ns)
{
	const struct timespec gap = {.tv_nsec = gap_ns};

	prctl(PR_SET_TIMERSLACK, 1);
	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &gap, NULL) == EINTR)
		;
	prctl(PR_SET_TIMERSLACK, 0);
}

#endif
