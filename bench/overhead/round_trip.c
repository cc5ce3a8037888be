/* SPDX-License-Identifier: MIT */
/*
 * Round-trip latency: one task at a time, from before submit until its result is read. Back to
 * back, the workers have just gone idle and may still be looking for work; after 10 to 200 us they may or
 * may not, at a price in CPU time; after 2 ms they are asleep, and the wake-up is in the figure. On
 * a machine whose idle processors are halted that wake-up is the machine's more than the
 * executor's: compare it only within one run. The gaps are those asked for; `gap` is the median of
 * what they were, from a result to the next submit. Told to look for a second, nobody sleeps at all.
 */
#include "rest.h"

#include "../raw/work.h"

#include <stdlib.h>
#include <string.h>

enum { REHEARSED = 100 };

struct trips {
	struct cell *cell;
	uint64_t count;
	long gap_ns;
	uint64_t *latencies_ns;
	uint64_t *gaps_ns; /* before each */
	uint64_t *answers;
};

static int spread_task(assay_call *call)
{
	uint64_t value = spread(*(const uint64_t *)call->argument);

	return assay_return(call, &value, sizeof value);
}

static const struct assay_named_function functions[] = {{"spread", spread_task}, {NULL, NULL}};

static int ask_executor(struct cell *cell, uint64_t index, uint64_t *answer)
{
	struct assay_task task = cell_task(cell, spread_task, &index, sizeof index);
	assay_future *future;
	int error = assay_submit(cell->executor, &task, &future);

	if (error)
		return cell_fail(cell, "submit: %s", assay_error_text(error));
	error = assay_future_result(future, ASSAY_FOREVER, answer, sizeof *answer);
	assay_future_release(future);
	if (error)
		return cell_fail(cell, "task %llu: %s", (unsigned long long)index,
				 assay_error_text(error));
	return 0;
}

static int travel(void *user)
{
	struct trips *trips = user;
	struct cell *cell = trips->cell;
	int64_t end = assay_clock_ns();

	for (uint64_t i = 0; i < trips->count; i++) {
		int64_t start;
		int failed;

		if (trips->gap_ns)
			rest(trips->gap_ns);
		start = assay_clock_ns();
		if (cell->raw)
			failed = cell_raw(cell, "round trip",
					  cell->raw->round_trip(cell->pool, i, &trips->answers[i]));
		else
			failed = ask_executor(cell, i, &trips->answers[i]);
		trips->gaps_ns[i] = (uint64_t)(start - end);
		end = assay_clock_ns();
		trips->latencies_ns[i] = (uint64_t)(end - start);
		if (failed)
			return failed;
	}
	return 0;
}

static int setup(struct cell *cell, long gap_ns)
{
	struct trips *trips = calloc(1, sizeof *trips);

	if (!trips)
		return cell_fail(cell, "no memory for the latencies");
	trips->cell = cell;
	trips->gap_ns = gap_ns;
	cell->state = trips;
	return 0;
}

static int setup_idle(struct cell *cell)
{
	return setup(cell, 0);
}

static int setup_gap_10(struct cell *cell)
{
	return setup(cell, 10000);
}

static int setup_gap_30(struct cell *cell)
{
	return setup(cell, 30000);
}

static int setup_gap_60(struct cell *cell)
{
	return setup(cell, 60000);
}

static int setup_gap(struct cell *cell)
{
	return setup(cell, 100000);
}

static int setup_gap_200(struct cell *cell)
{
	return setup(cell, 200000);
}

static int setup_parked(struct cell *cell)
{
	return setup(cell, PARKED_GAP_NS);
}

static int prepare(struct cell *cell, uint64_t operations)
{
	struct trips *trips = cell->state;

	free(trips->latencies_ns);
	free(trips->gaps_ns);
	free(trips->answers);
	trips->count = operations;
	trips->latencies_ns = malloc(operations * sizeof *trips->latencies_ns);
	trips->gaps_ns = malloc(operations * sizeof *trips->gaps_ns);
	trips->answers = malloc(operations * sizeof *trips->answers);
	if (!trips->latencies_ns || !trips->gaps_ns || !trips->answers)
		return cell_fail(cell, "no memory for the latencies");
	memset(trips->latencies_ns, 0, operations * sizeof *trips->latencies_ns);
	memset(trips->gaps_ns, 0, operations * sizeof *trips->gaps_ns);
	memset(trips->answers, 0, operations * sizeof *trips->answers);
	return 0;
}

static int run(struct cell *cell, uint64_t operations)
{
	(void)operations;
	return cell_enter(cell, travel, cell->state);
}

static int warm_up(struct cell *cell, uint64_t *operations)
{
	int64_t start;

	if (prepare(cell, REHEARSED))
		return -1;
	start = assay_clock_ns();
	if (run(cell, REHEARSED))
		return -1;
	*operations = cell_affordable(cell, *operations, REHEARSED, assay_clock_ns() - start);
	return 0;
}

static int check(struct cell *cell, uint64_t operations)
{
	const struct trips *trips = cell->state;

	for (uint64_t i = 0; i < operations; i++)
		if (trips->answers[i] != spread(i))
			return cell_fail(cell, "task %llu returned %#llx, expected %#llx",
					 (unsigned long long)i,
					 (unsigned long long)trips->answers[i],
					 (unsigned long long)spread(i));
	cell_percentiles(cell, trips->latencies_ns, operations);
	if (trips->gap_ns)
		rest_report(cell, trips->gaps_ns, operations);
	return 0;
}

static void teardown(struct cell *cell)
{
	struct trips *trips = cell->state;

	if (!trips)
		return;
	free(trips->latencies_ns);
	free(trips->gaps_ns);
	free(trips->answers);
	free(trips);
}

static bool has_raw(const struct raw_driver *driver)
{
	return driver->round_trip;
}

#define TRIP                                                                                  \
	.class_name = "overhead", .operation = "task", .metric = "p50", .unit = "ns",         \
	.on_executors = true, .functions = functions, .warm_up = warm_up, .prepare = prepare, \
	.run = run, .check = check, .teardown = teardown
#define ROUND_TRIP .has_raw = has_raw, TRIP

const struct workload round_trip_idle = {
	.name = "round_trip_idle",
	.separates = "The hand-over to a worker and back, one task after the other.",
	.sample = {{.operations = 100}, {.operations = 12000}, {.operations = 40000}},
	.setup = setup_idle,
	ROUND_TRIP,
};

/* One worker: more that look would take turns with the client where processors are few. No rival can be
 * told to. */
const struct workload round_trip_polling = {
	.name = "round_trip_polling",
	.separates = "The same with one worker that never sleeps: the hand-over alone.",
	.workers = 1,
	.spin_ns = 1000000000,
	.full_only = true,
	.sample = {{.operations = 100}, {.operations = 12000}, {.operations = 40000}},
	.setup = setup_idle,
	TRIP,
};

#define GAP                               \
	.full_only = true, .paced = true, \
	.sample = {{.operations = 20}, {.operations = 2000}, {.operations = 10000}}, ROUND_TRIP

const struct workload round_trip_gap_10 = {
	.name = "round_trip_gap_10",
	.separates = "The same after a rest of 10 us: how soon an executor gives up looking.",
	.setup = setup_gap_10,
	GAP,
};

const struct workload round_trip_gap_30 = {
	.name = "round_trip_gap_30",
	.separates = "The same after 30 us.",
	.setup = setup_gap_30,
	GAP,
};

const struct workload round_trip_gap_60 = {
	.name = "round_trip_gap_60",
	.separates = "The same after 60 us.",
	.setup = setup_gap_60,
	GAP,
};

const struct workload round_trip_gap = {
	.name = "round_trip_gap",
	.separates = "The same after 100 us: latency bought with spinning has its price "
		     "in CPU time.",
	.setup = setup_gap,
	GAP,
};

const struct workload round_trip_gap_200 = {
	.name = "round_trip_gap_200",
	.separates = "The same after 200 us: most executors sleep.",
	.setup = setup_gap_200,
	GAP,
};

const struct workload round_trip_parked = {
	.name = "round_trip_parked",
	.separates = "The same when every worker sleeps: what it costs to wake one.",
	.paced = true,
	.sample = {{.operations = 10}, {.operations = 200}, {.operations = 1500}},
	.setup = setup_parked,
	ROUND_TRIP,
};
