/* SPDX-License-Identifier: MIT */
/* What the arrivals of a run say, and when they say nothing. */
#include "arrivals.h"

#include <stdio.h>
#include <stdlib.h>

/* Beyond this share of what is to be known the generator's own lateness is not small. */
enum { LATE_SHARE = 10 };

/* What is left over at the end of the run, as time: a queue that grew all along. */
enum { OVERLOAD_SHARE = 10, OVERLOAD_MIN_NS = 10000000 };

static int compare(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

static uint64_t p99(uint64_t *values, size_t count)
{
	if (!count)
		return 0;
	qsort(values, count, sizeof *values, compare);
	return values[count - 1 - count / 100];
}

/* Of the generator, at its p99. */
static uint64_t lateness_p99(const struct arrivals *arrivals, uint64_t *room)
{
	int64_t free_ns = 0;

	for (size_t i = 0; i < arrivals->count; i++) {
		const struct arrival *arrival = &arrivals->list[i];
		int64_t from_ns = arrival->due_ns > free_ns ? arrival->due_ns : free_ns;

		room[i] = (uint64_t)(arrival->sent_ns > from_ns ? arrival->sent_ns - from_ns : 0);
		free_ns = arrival->returned_ns;
	}
	return p99(room, arrivals->count);
}

/*
 * Whether percentiles are to be refused, and why: 0, or -1 with a reason. All arrivals, and the
 * p99 of the latencies in question.
 */
static int refuse(const struct arrivals *arrivals, uint64_t latency_p99_ns,
		  uint64_t lateness_p99_ns, char *reason, size_t size)
{
	int64_t due_ns = 0, done_ns = 0;

	for (size_t i = 0; i < arrivals->count; i++) {
		if (due_ns < arrivals->list[i].due_ns)
			due_ns = arrivals->list[i].due_ns;
		if (done_ns < arrivals->list[i].done_ns)
			done_ns = arrivals->list[i].done_ns;
	}
	if (done_ns - due_ns > OVERLOAD_MIN_NS && done_ns - due_ns > due_ns / OVERLOAD_SHARE) {
		snprintf(reason, size,
			 "overloaded: all was done %.0f ms after the last task was due, in a run "
			 "of %.0f ms",
			 (double)(done_ns - due_ns) / 1e6, (double)due_ns / 1e6);
		return -1;
	}
	if (lateness_p99_ns > latency_p99_ns / LATE_SHARE) {
		snprintf(reason, size,
			 "the generator was late by %.0f us (p99), more than a tenth "
			 "of the %.0f us measured",
			 (double)lateness_p99_ns / 1e3, (double)latency_p99_ns / 1e3);
		return -1;
	}
	return 0;
}

void arrivals_report(struct arrivals *arrivals, uint64_t longest_wait_ns)
{
	static const char *const names[] = {"p50", "p99", "p99.9"};
	uint64_t *room = calloc(arrivals->count + 1, sizeof *room), lateness_ns, latency_ns;
	struct cell *cell = arrivals->cell;
	size_t count = 0;
	char reason[160];

	if (!room) {
		cell_fail(cell, "no memory for the latencies");
		return;
	}
	lateness_ns = lateness_p99(arrivals, room);
	for (size_t i = 0; i < arrivals->count; i++)
		if (arrivals->list[i].service.wait_ns <= longest_wait_ns)
			room[count++] =
				(uint64_t)(arrivals->list[i].done_ns - arrivals->list[i].due_ns);
	latency_ns = p99(room, count);
	if (refuse(arrivals, latency_ns, lateness_ns, reason, sizeof reason))
		for (size_t i = 0; i < sizeof names / sizeof *names; i++)
			cell_no_metric(cell, names[i], "ns", "%s", reason);
	else
		cell_percentiles(cell, room, count);
	cell_metric(cell, "generator_lateness", "ns", (double)lateness_ns);
	free(room);
}
