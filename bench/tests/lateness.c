/* SPDX-License-Identifier: MIT */
/* When latencies of an open loop are refused, on arrivals whose times are made up. */
#include "../load/arrivals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT = 2000, GAP_NS = 100000, LATENCY_NS = 2000000 };

static unsigned failures;

static void expect(bool holds, const char *what)
{
	if (holds)
		return;
	failures++;
	printf("FAIL: expected %s\n", what);
}

/* Every task is sent when it is due, submit returns at once, and the latency is always the same. */
static struct arrivals punctual(struct cell *cell)
{
	struct arrivals arrivals = {.cell = cell, .count = COUNT};

	*cell = (struct cell){.workers = 1};
	arrivals.list = calloc(COUNT, sizeof *arrivals.list);
	if (!arrivals.list)
		exit(2);
	for (size_t i = 0; i < COUNT; i++) {
		struct arrival *arrival = &arrivals.list[i];

		arrival->due_ns = arrival->sent_ns = arrival->returned_ns = (int64_t)i * GAP_NS;
		arrival->done_ns = arrival->due_ns + LATENCY_NS;
	}
	return arrivals;
}

static const struct metric *metric_of(const struct cell *cell, const char *name)
{
	for (unsigned i = 0; i < cell->metric_count; i++)
		if (strcmp(cell->metrics[i].name, name) == 0)
			return &cell->metrics[i];
	return NULL;
}

static void report(struct arrivals *arrivals)
{
	arrivals_report(arrivals, 0);
	free(arrivals->list);
	free(arrivals->cell->latencies_ns);
}

static bool is(const struct cell *cell, const char *name, double value_ns)
{
	const struct metric *metric = metric_of(cell, name);

	return metric && metric->known && metric->value >= value_ns && metric->value <= value_ns;
}

static bool is_refused(const struct cell *cell, const char *name, const char *reason)
{
	const struct metric *metric = metric_of(cell, name);

	return metric && !metric->known && strstr(metric->note, reason);
}

static void check_punctual(void)
{
	struct cell cell;
	struct arrivals arrivals = punctual(&cell);

	report(&arrivals);
	expect(is(&cell, "p50", LATENCY_NS), "the p50 of a punctual generator");
	expect(is(&cell, "p99", LATENCY_NS), "the p99 of a punctual generator");
	expect(is(&cell, "generator_lateness", 0), "no lateness");
}

/* Of 2000 more than 20 late ones count. */
static void check_late(size_t late, int64_t late_ns, bool refused)
{
	struct cell cell;
	struct arrivals arrivals = punctual(&cell);

	for (size_t i = 0; i < late; i++)
		arrivals.list[i * 50].sent_ns += late_ns;
	report(&arrivals);
	expect(is(&cell, "generator_lateness", late > 20 ? (double)late_ns : 0),
	       "the lateness at its p99");
	if (!refused) {
		expect(is(&cell, "p99", LATENCY_NS), "a p99, up to a tenth late");
		return;
	}
	expect(is_refused(&cell, "p50", "the generator was late"), "no p50 of a late generator");
	expect(is_refused(&cell, "p99", "the generator was late"), "no p99 of a late generator");
	expect(is_refused(&cell, "p99.9", "the generator was late"), "no p99.9 either");
	expect(cell.latency_count == 0, "nothing kept for a percentile of all repetitions");
}

/*
 * A submit that blocks for 50 ms: those due meanwhile are sent late, and that is the executor's
 * doing. Their latencies hold all of it.
 */
static void check_blocked(void)
{
	const int64_t blocked_ns = 50000000;
	struct cell cell;
	struct arrivals arrivals = punctual(&cell);
	int64_t until_ns = arrivals.list[100].sent_ns + blocked_ns;

	arrivals.list[100].returned_ns = arrivals.list[100].done_ns = until_ns;
	for (size_t i = 101; i < COUNT && arrivals.list[i].due_ns < until_ns; i++) {
		struct arrival *arrival = &arrivals.list[i];

		arrival->sent_ns = arrival->returned_ns = until_ns;
		arrival->done_ns = until_ns + LATENCY_NS;
	}
	report(&arrivals);
	expect(is(&cell, "generator_lateness", 0), "no lateness of the generator's own");
	/* One in a hundred: the 20 that were due within 2 ms of the block are beyond. */
	expect(metric_of(&cell, "p99")->value > (double)blocked_ns - 20 * GAP_NS,
	       "what was due while submit blocked counts from when it was due");
}

static void check_overload(void)
{
	struct cell cell;
	struct arrivals arrivals = punctual(&cell);

	/* Each takes half as long again as the gap. */
	for (size_t i = 0; i < COUNT; i++)
		arrivals.list[i].done_ns = (int64_t)i * (GAP_NS + GAP_NS / 2);
	report(&arrivals);
	expect(is_refused(&cell, "p99", "overloaded"), "no p99 of a queue that grows");
}

static void check_poisson(void)
{
	struct cell cell;
	struct arrivals one = punctual(&cell), same = punctual(&cell), other = punctual(&cell);
	double mean_ns;
	bool sorted = true, equal = true;

	arrivals_poisson(&one, GAP_NS, 7);
	arrivals_poisson(&same, GAP_NS, 7);
	arrivals_poisson(&other, GAP_NS, 8);
	mean_ns = (double)one.list[COUNT - 1].due_ns / COUNT;
	for (size_t i = 0; i < COUNT; i++) {
		equal &= one.list[i].due_ns == same.list[i].due_ns;
		sorted &= i == 0 || one.list[i - 1].due_ns <= one.list[i].due_ns;
	}
	expect(equal, "the same arrivals of the same seed");
	expect(one.list[9].due_ns != other.list[9].due_ns, "others of another");
	expect(sorted, "arrivals in order");
	expect(mean_ns > 0.9 * GAP_NS && mean_ns < 1.1 * GAP_NS, "the mean gap that was asked for");
	free(one.list);
	free(same.list);
	free(other.list);
}

int main(void)
{
	check_punctual();
	check_late(21, LATENCY_NS / 10, false);
	check_late(21, LATENCY_NS / 10 + 1, true);
	check_late(20, LATENCY_NS, false);
	check_blocked();
	check_overload();
	check_poisson();
	return failures != 0;
}
