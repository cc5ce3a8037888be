/* SPDX-License-Identifier: MIT */
#include "rest.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

/* Without the 50 us by which a timer may be late else. What tasks see is not touched. */
void rest(long gap_ns)
{
	const struct timespec gap = {.tv_nsec = gap_ns};

	prctl(PR_SET_TIMERSLACK, 1);
	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &gap, NULL) == EINTR)
		;
	prctl(PR_SET_TIMERSLACK, 0);
}

static int compare(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

void rest_report(struct cell *cell, uint64_t *gaps_ns, size_t count)
{
	qsort(gaps_ns, count, sizeof *gaps_ns, compare);
	cell_metric(cell, "gap", "us", (double)gaps_ns[count / 2] / 1e3);
}
