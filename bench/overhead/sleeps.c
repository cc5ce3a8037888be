/* SPDX-License-Identifier: MIT */
/*
 * Sleeps of 1 ms on 64 workers: nothing but threads that go to sleep and get up. The ideal is 1 ms
 * for every 64; beyond it is the kernel's own overshoot, the same for all, and what waking 64
 * workers and taking turns at the queue costs, which shows best in the CPU time.
 */
#include "../batch.h"

#include "../raw/work.h"

#include <assay/compose.h>

#include <errno.h>
#include <stdlib.h>
#include <time.h>

enum { SLEEP_NS = 1000000, WORKERS = 64 };

struct sleeper {
	uint64_t index;
	uint64_t result;
};

struct sleeps {
	struct cell *cell;
	size_t count;
	struct sleeper *sleepers;
	assay_future **futures;
};

static uint64_t sleep_and_spread(uint64_t index)
{
	struct timespec left = {.tv_nsec = SLEEP_NS};

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
		;
	return spread(index);
}

static void sleep_item(void *item)
{
	struct sleeper *sleeper = item;

	sleeper->result = sleep_and_spread(sleeper->index);
}

static int sleep_task(assay_call *call)
{
	uint64_t result = sleep_and_spread(*(const uint64_t *)call->argument);

	return assay_return(call, &result, sizeof result);
}

static const struct assay_named_function functions[] = {{"sleep", sleep_task}, {NULL, NULL}};

static int setup(struct cell *cell)
{
	struct sleeps *sleeps = calloc(1, sizeof *sleeps);

	if (!sleeps)
		return cell_fail(cell, "no memory for the tasks");
	sleeps->cell = cell;
	cell->state = sleeps;
	return 0;
}

static int prepare(struct cell *cell, uint64_t operations)
{
	struct sleeps *sleeps = cell->state;

	free(sleeps->sleepers);
	free(sleeps->futures);
	sleeps->count = operations;
	sleeps->sleepers = calloc(operations, sizeof *sleeps->sleepers);
	sleeps->futures = calloc(operations, sizeof(assay_future *));
	if (!sleeps->sleepers || !sleeps->futures)
		return cell_fail(cell, "no memory for the tasks");
	for (size_t i = 0; i < operations; i++)
		sleeps->sleepers[i].index = i;
	return 0;
}

static int run_raw(void *user)
{
	struct sleeps *sleeps = user;
	struct cell *cell = sleeps->cell;

	return cell_raw(cell, "for each",
			cell->raw->for_each(cell->pool, sleep_item, sleeps->sleepers,
					    sizeof *sleeps->sleepers, sleeps->count));
}

static int run_executor(struct cell *cell, struct sleeps *sleeps)
{
	size_t submitted = submit_each(cell, sleep_task, sleeps->sleepers, sizeof *sleeps->sleepers,
				       sizeof(uint64_t), sleeps->count, sleeps->futures);

	collect_each(cell, sleeps->futures, submitted, &sleeps->sleepers->result,
		     sizeof *sleeps->sleepers);
	return cell_failed(cell) ? -1 : 0;
}

static int run(struct cell *cell, uint64_t operations)
{
	(void)operations;
	return cell->raw ? cell_enter(cell, run_raw, cell->state) : run_executor(cell, cell->state);
}

/* All threads are there, and have slept once. */
static int warm_up(struct cell *cell, uint64_t *operations)
{
	const uint64_t twice = UINT64_C(2) * WORKERS;
	uint64_t once = *operations < twice ? *operations : twice;
	int64_t start = assay_clock_ns();

	if (prepare(cell, once) || run(cell, once))
		return -1;
	*operations = cell_affordable(cell, *operations, once, assay_clock_ns() - start);
	return 0;
}

static int check(struct cell *cell, uint64_t operations)
{
	const struct sleeps *sleeps = cell->state;

	for (size_t i = 0; i < operations; i++)
		if (sleeps->sleepers[i].result != spread(i))
			return cell_fail(cell, "task %zu returned %#llx, expected %#llx", i,
					 (unsigned long long)sleeps->sleepers[i].result,
					 (unsigned long long)spread(i));
	return 0;
}

static void teardown(struct cell *cell)
{
	struct sleeps *sleeps = cell->state;

	if (!sleeps)
		return;
	free(sleeps->sleepers);
	free(sleeps->futures);
	free(sleeps);
}

static bool has_raw(const struct raw_driver *driver)
{
	return driver->for_each;
}

const struct workload sleeps_64_workers = {
	.name = "sleeps_64_workers",
	.full_only = true,
	.class_name = "overhead",
	.operation = "sleep",
	.separates = "What waking 64 workers and their turns at the queue cost: sleeps of 1 ms.",
	.metric = "wall_per_op",
	.unit = "ns",
	.workers = WORKERS,
	.on_executors = true,
	.has_raw = has_raw,
	.sample = {{.operations = 64}, {.operations = 2000}, {.operations = 10000}},
	.functions = functions,
	.setup = setup,
	.warm_up = warm_up,
	.prepare = prepare,
	.run = run,
	.check = check,
	.teardown = teardown,
};
