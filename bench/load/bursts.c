/* SPDX-License-Identifier: MIT */
/*
 * Bursts: 128 tasks at once every 10 ms, and rest between. What counts is how long a burst takes to
 * drain, from when it was due until its last task is done: how soon all workers are awake, and
 * whether one wakes the next. The CPU time of an operation shows what the rest costs.
 */
#include "arrivals.h"

#include <stdlib.h>

enum { BURST = 128, GAP_NS = 10000000, ITERATIONS = 10000 };

static int setup(struct cell *cell)
{
	struct arrivals *arrivals = calloc(1, sizeof *arrivals);

	if (!arrivals)
		return cell_fail(cell, "out of memory");
	cell->state = arrivals;
	return arrivals_begin(arrivals, cell, cell->workload->sample[cell->scale].operations);
}

static int prepare(struct cell *cell, uint64_t operations)
{
	struct arrivals *arrivals = cell->state;

	if (arrivals_make(arrivals, operations))
		return -1;
	for (size_t i = 0; i < operations; i++) {
		arrivals->list[i].service.iterations = ITERATIONS;
		arrivals->list[i].due_ns = (int64_t)(i / BURST + 1) * GAP_NS;
	}
	return 0;
}

static int run(struct cell *cell, uint64_t operations)
{
	(void)operations;
	return arrivals_run(cell->state);
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static int report_drain(struct cell *cell, const struct arrivals *arrivals)
{
	size_t bursts = arrivals->count / BURST;
	double *drains_ns = calloc(bursts, sizeof *drains_ns);

	if (!drains_ns)
		return cell_fail(cell, "no memory for %zu bursts", bursts);
	for (size_t i = 0; i < bursts * BURST; i++) {
		const struct arrival *arrival = &arrivals->list[i];
		double drained_ns = (double)(arrival->done_ns - arrival->due_ns);

		if (drains_ns[i / BURST] < drained_ns)
			drains_ns[i / BURST] = drained_ns;
	}
	qsort(drains_ns, bursts, sizeof *drains_ns, compare);
	cell_metric(cell, "drain", "ns", drains_ns[bursts / 2]);
	free(drains_ns);
	return 0;
}

static int check(struct cell *cell, uint64_t operations)
{
	struct arrivals *arrivals = cell->state;

	(void)operations;
	if (arrivals_check(arrivals) || report_drain(cell, arrivals))
		return -1;
	arrivals_report(arrivals, 0);
	return 0;
}

static void teardown(struct cell *cell)
{
	if (cell->state)
		arrivals_end(cell->state);
	free(cell->state);
}

const struct workload bursts = {
	.name = "bursts",
	.class_name = "load",
	.operation = "task",
	.separates = "How soon all workers are awake: 128 tasks at once every 10 ms.",
	.metric = "drain",
	.unit = "ns",
	.paced = true,
	.full_only = true,
	.on_executors = true,
	/* 2, 30 and 120 bursts */
	.sample = {{.operations = 256}, {.operations = 3840}, {.operations = 15360}},
	.functions = arrival_functions,
	.setup = setup,
	.prepare = prepare,
	.run = run,
	.check = check,
	.teardown = teardown,
};
