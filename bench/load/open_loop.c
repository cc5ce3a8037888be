/* SPDX-License-Identifier: MIT */
/*
 * Poisson arrivals at a share of the capacity. The capacity is that of the same executor in the
 * same sample, in a closed loop with some tasks waiting for each worker; so the load is relative,
 * and what is compared is the queueing: how long a task waits at the same share of what the
 * executor can do. capacity_per_op says what that is worth.
 */
#include "arrivals.h"

#include <stdlib.h>

enum {
	ITERATIONS = 50000, /* some 100 microseconds */
	SHORT_ITERATIONS = 10000,
	WAIT_NS = 2000000,
	ONE_IN = 5, /* of the mixed tasks waits */
	WAITING_WORKERS = 8,
	IN_FLIGHT = 8, /* of the closed loop, for each worker */
};

static const struct {
	size_t capacity_tasks;
	double longest_s;
} scales[SCALES] = {{50, 0.1}, {400, 1}, {2000, 4}};

struct open_loop {
	struct arrivals arrivals;
	double share;
	bool mixed;
	double capacity_ns; /* of a task */
};

static int make(struct open_loop *loop, size_t count)
{
	if (arrivals_make(&loop->arrivals, count))
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct service *service = &loop->arrivals.list[i].service;

		service->iterations = loop->mixed ? SHORT_ITERATIONS : ITERATIONS;
		service->wait_ns = loop->mixed && i % ONE_IN == 0 ? WAIT_NS : 0;
	}
	return 0;
}

static int setup(struct cell *cell, unsigned percent, bool mixed)
{
	struct open_loop *loop = calloc(1, sizeof *loop);
	uint64_t most = cell->workload->sample[cell->scale].operations;

	if (!loop)
		return cell_fail(cell, "out of memory");
	cell->state = loop;
	loop->share = percent / 100.0;
	loop->mixed = mixed;
	if (most < scales[cell->scale].capacity_tasks)
		most = scales[cell->scale].capacity_tasks;
	return arrivals_begin(&loop->arrivals, cell, most);
}

/* A slow executor gets fewer arrivals, not a longer run. */
static int warm_up(struct cell *cell, uint64_t *operations)
{
	struct open_loop *loop = cell->state;
	double most;

	if (make(loop, scales[cell->scale].capacity_tasks) ||
	    arrivals_run_closed(&loop->arrivals, IN_FLIGHT * (unsigned)cell->workers,
				&loop->capacity_ns))
		return -1;
	most = 1e9 * scales[cell->scale].longest_s * loop->share / loop->capacity_ns;
	if (most < (double)*operations)
		*operations = most < 1 ? 1 : (uint64_t)most;
	return 0;
}

static int prepare(struct cell *cell, uint64_t operations)
{
	struct open_loop *loop = cell->state;

	if (make(loop, operations))
		return -1;
	arrivals_poisson(&loop->arrivals, loop->capacity_ns / loop->share, cell->seed);
	return 0;
}

static int run(struct cell *cell, uint64_t operations)
{
	struct open_loop *loop = cell->state;

	(void)operations;
	return arrivals_run(&loop->arrivals);
}

static int check(struct cell *cell, uint64_t operations)
{
	struct open_loop *loop = cell->state;

	(void)operations;
	if (arrivals_check(&loop->arrivals))
		return -1;
	arrivals_report(&loop->arrivals, 0);
	cell_metric(cell, "capacity_per_op", "ns", loop->capacity_ns);
	return 0;
}

static void teardown(struct cell *cell)
{
	struct open_loop *loop = cell->state;

	if (loop)
		arrivals_end(&loop->arrivals);
	free(loop);
}

#define OPEN_LOOP(symbol, percent, is_mixed, worker_count, compared_by, sentence)             \
	static int setup_##symbol(struct cell *cell)                                          \
	{                                                                                     \
		return setup(cell, percent, is_mixed);                                        \
	}                                                                                     \
	const struct workload symbol = {                                                      \
		.name = #symbol,                                                              \
		.class_name = "load",                                                         \
		.operation = "task",                                                          \
		.separates = sentence,                                                        \
		.metric = compared_by,                                                        \
		.unit = "ns",                                                                 \
		.workers = worker_count,                                                      \
		.paced = true,                                                                \
		.full_only = percent != 80 || is_mixed,                                       \
		.on_executors = true,                                                         \
		.sample = {{.operations = 100}, {.operations = 4000}, {.operations = 20000}}, \
		.functions = arrival_functions,                                               \
		.setup = setup_##symbol,                                                      \
		.warm_up = warm_up,                                                           \
		.prepare = prepare,                                                           \
		.run = run,                                                                   \
		.check = check,                                                               \
		.teardown = teardown,                                                         \
	}

OPEN_LOOP(poisson_30, 30, false, 0, "p99",
	  "Latency from the due time when there is little to do: sleeping workers are woken.");
OPEN_LOOP(poisson_60, 60, false, 0, "p99", "The same at 60 % of the capacity.");
OPEN_LOOP(poisson_80, 80, false, 0, "p99",
	  "Queueing at 80 % of the capacity: what a user would wait.");
OPEN_LOOP(poisson_95, 95, false, 0, "p99",
	  "The tail near saturation: the order of the queue and every hiccup.");
OPEN_LOOP(mixed, 80, true, WAITING_WORKERS, "p99",
	  "What short tasks wait behind others that hold a worker for 2 ms.");
