/* SPDX-License-Identifier: MIT */
/*
 * What the instrument itself costs: what an operation of nothing takes through the shim and in a
 * bare loop, a sample of one operation of nothing, a reading of the clock, and a latency: its two
 * readings, which alone are in the figure that it gives, and the rest, with its share of sorting them
 * all for the percentiles. A figure below these measures the bench.
 */
#include "../workload.h"

#include <stdlib.h>

enum { LATENCIES_MOST = 1 << 20 };

/* The compiler has to count. */
static void count_to(uint64_t operations)
{
	for (uint64_t i = 0; i < operations; i++)
		__asm__ volatile("" : : "r"(i));
}

static int run_loop(struct cell *cell, uint64_t operations)
{
	(void)cell;
	count_to(operations);
	return 0;
}

/* The same loop between two readings of the clock, without the library. */
static int check_loop(struct cell *cell, uint64_t operations)
{
	int64_t start_ns = assay_clock_ns(), end_ns;

	count_to(operations);
	end_ns = assay_clock_ns();
	cell_metric(cell, "bare_per_op", "ns", (double)(end_ns - start_ns) / (double)operations);
	return 0;
}

static int run_nothing(struct cell *cell, uint64_t operations)
{
	(void)cell;
	(void)operations;
	return 0;
}

static int run_clock(struct cell *cell, uint64_t operations)
{
	int64_t last_ns = assay_clock_ns();

	for (uint64_t i = 0; i < operations; i++) {
		int64_t now_ns = assay_clock_ns();

		if (now_ns < last_ns)
			return cell_fail(cell, "the clock went back by %lld ns",
					 (long long)(last_ns - now_ns));
		last_ns = now_ns;
	}
	return 0;
}

static int setup_latency(struct cell *cell)
{
	cell->state = calloc(LATENCIES_MOST, sizeof(uint64_t));
	return cell->state ? 0 : cell_fail(cell, "no memory for the latencies");
}

static int prepare_latency(struct cell *cell, uint64_t operations)
{
	return operations <= LATENCIES_MOST ? 0
					    : cell_fail(cell, "too many latencies for one sample");
}

static int run_latency(struct cell *cell, uint64_t operations)
{
	uint64_t *latencies_ns = cell->state;

	for (uint64_t i = 0; i < operations; i++) {
		int64_t start_ns = assay_clock_ns();

		latencies_ns[i] = (uint64_t)(assay_clock_ns() - start_ns);
	}
	cell_percentiles(cell, latencies_ns, operations);
	return 0;
}

static void teardown_latency(struct cell *cell)
{
	free(cell->state);
}

const struct workload instrument_loop = {
	.name = "instrument_loop",
	.class_name = "instrument",
	.operation = "operation",
	.separates = "The bench: an operation of nothing through its timer, and in a bare loop.",
	.metric = "wall_per_op",
	.unit = "ns",
	.without = "floor",
	.sample = {{.operations = 100000}, {.min_time_s = 0.05}, {.min_time_s = 0.1}},
	.run = run_loop,
	.check = check_loop,
};

const struct workload instrument_sample = {
	.name = "instrument_sample",
	.class_name = "instrument",
	.operation = "sample",
	.separates = "The bench: a sample of nothing, from one reading of its clocks to the next.",
	.metric = "wall_per_op",
	.unit = "ns",
	.without = "floor",
	.sample = {{.operations = 1}, {.operations = 1}, {.operations = 1}},
	.run = run_nothing,
};

const struct workload instrument_clock = {
	.name = "instrument_clock",
	.class_name = "instrument",
	.operation = "reading",
	.separates = "The bench: a reading of the clock.",
	.metric = "wall_per_op",
	.unit = "ns",
	.without = "floor",
	.sample = {{.operations = 10000}, {.min_time_s = 0.05}, {.min_time_s = 0.1}},
	.run = run_clock,
};

const struct workload instrument_latency = {
	.name = "instrument_latency",
	.class_name = "instrument",
	.operation = "latency",
	.separates = "The bench: a latency of nothing, stored, and its share of the percentiles; "
		     "what it shows of itself is its p50.",
	.metric = "wall_per_op",
	.unit = "ns",
	.without = "floor",
	.sample = {{.operations = 20000}, {.operations = 200000}, {.operations = 1000000}},
	.setup = setup_latency,
	.prepare = prepare_latency,
	.run = run_latency,
	.teardown = teardown_latency,
};
