/* SPDX-License-Identifier: MIT */
/*
 * Round-trip latency: one task at a time, from before submit until its result is read. Back to
 * back, the workers have just gone idle and may still be looking for work; after a gap of 2 ms they
 * are asleep, and the wake-up is in the figure. On a machine whose idle processors are halted that
 * wake-up is the machine's more than the executor's: compare it only within one run.
 */
#include "../workload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PARKED_GAP_NS = 2000000 };

static int echo_task(assay_call *call)
{
	return assay_return(call, call->argument, call->argument_size);
}

static const struct assay_named_function functions[] = {{"echo", echo_task}, {NULL, NULL}};

static int prepare(struct cell *cell, uint64_t operations)
{
	free(cell->state);
	cell->state = calloc(operations, sizeof(uint64_t));
	return cell->state ? 0 : cell_fail(cell, "no memory for the latencies");
}

static int round_trip(struct cell *cell, uint64_t index, uint64_t *latency_ns)
{
	struct assay_task task = cell_task(cell, echo_task, &index, sizeof index);
	uint64_t answer = ~index;
	assay_future *future;
	int64_t start = assay_clock_ns();
	int error = assay_submit(cell->executor, &task, &future);

	if (error)
		return cell_fail(cell, "submit: %s", assay_error_text(error));
	error = assay_future_result(future, ASSAY_FOREVER, &answer, sizeof answer);
	*latency_ns = (uint64_t)(assay_clock_ns() - start);
	assay_future_release(future);
	if (error)
		return cell_fail(cell, "task %llu: %s", (unsigned long long)index,
				 assay_error_text(error));
	if (answer != index)
		return cell_fail(cell, "task %llu returned %llu", (unsigned long long)index,
				 (unsigned long long)answer);
	return 0;
}

static int run_idle(struct cell *cell, uint64_t operations)
{
	uint64_t *latencies = cell->state;

	for (uint64_t i = 0; i < operations; i++)
		if (round_trip(cell, i, &latencies[i]))
			return -1;
	return 0;
}

static int run_parked(struct cell *cell, uint64_t operations)
{
	const struct timespec gap = {.tv_nsec = PARKED_GAP_NS};
	uint64_t *latencies = cell->state;

	for (uint64_t i = 0; i < operations; i++) {
		while (clock_nanosleep(CLOCK_MONOTONIC, 0, &gap, NULL) == EINTR)
			;
		if (round_trip(cell, i, &latencies[i]))
			return -1;
	}
	return 0;
}

static int check(struct cell *cell, uint64_t operations)
{
	if (cell_failed(cell))
		return -1;
	cell_percentiles(cell, cell->state, operations);
	return 0;
}

static void teardown(struct cell *cell)
{
	free(cell->state);
}

const struct workload round_trip_idle = {
	.name = "round_trip_idle",
	.class_name = "overhead",
	.operation = "task",
	.separates = "The hand-over to a worker and back, one task after the other.",
	.metric = "p50",
	.unit = "ns",
	.on_executors = true,
	.sample = {{.operations = 100}, {.operations = 12000}, {.operations = 40000}},
	.functions = functions,
	.prepare = prepare,
	.run = run_idle,
	.check = check,
	.teardown = teardown,
};

const struct workload round_trip_parked = {
	.name = "round_trip_parked",
	.class_name = "overhead",
	.operation = "task",
	.separates = "The same when every worker sleeps: what it costs to wake one.",
	.metric = "p50",
	.unit = "ns",
	.paced = true,
	.on_executors = true,
	.sample = {{.operations = 20}, {.operations = 1000}, {.operations = 4000}},
	.functions = functions,
	.prepare = prepare,
	.run = run_parked,
	.check = check,
	.teardown = teardown,
};
