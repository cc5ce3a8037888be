/* SPDX-License-Identifier: MIT */
/*
 * METG(50%), the minimum effective task granularity of Task Bench: the time that a task takes all
 * in all where just half of it is work. A graph is run with tasks of 65 microseconds, then with
 * half as much work, and so on; the crossing is found between two of them on logarithmic scales.
 *
 *	wall	granularity = wall time of the graph * processors used / tasks
 *	CPU	granularity = CPU time of the graph, all processes together / tasks
 *
 * and efficiency is the work of a task, by the CPU time that it takes without an executor, over the
 * granularity. The CPU form needs no idle machine, but does not see a processor that idles while
 * there is work: that is the difference between the two.
 */
#include "graph.h"

#include "../marks.h"
#include "../processes.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

enum { HALVINGS = 14, FORMS = 2 };

static const struct {
	uint32_t rows;
	unsigned largest; /* power of two: iterations of the largest task */
	unsigned rounds;  /* over all sizes; the least of each counts */
} scales[SCALES] = {{6, 13, 1}, {48, 15, 2}, {192, 15, 3}};

static const struct {
	const char *metric;
	const char *what;
} forms[FORMS] = {{"metg_wall", "wall"}, {"metg_cpu", "CPU"}};

struct sweep {
	struct graph graph;
	double granularity_ns[FORMS][HALVINGS];
};

static uint64_t iterations_of(const struct cell *cell, unsigned halvings)
{
	return UINT64_C(1) << (scales[cell->scale].largest - halvings);
}

static unsigned halvings_of(const struct cell *cell)
{
	unsigned most = scales[cell->scale].largest - 1;

	return most < HALVINGS ? most : HALVINGS;
}

static int setup(struct cell *cell, const struct pattern *pattern)
{
	struct sweep *sweep = calloc(1, sizeof *sweep);

	if (!sweep)
		return cell_fail(cell, "out of memory");
	cell->state = sweep;
	return graph_make(&sweep->graph, cell, pattern, scales[cell->scale].rows);
}

static int prepare(struct cell *cell, uint64_t operations)
{
	struct sweep *sweep = cell->state;

	(void)operations;
	for (unsigned form = 0; form < FORMS; form++)
		for (unsigned i = 0; i < HALVINGS; i++)
			sweep->granularity_ns[form][i] = INFINITY;
	return 0;
}

static void keep_least(double *least, double value)
{
	if (value < *least)
		*least = value;
}

static int run_once(struct cell *cell, unsigned halvings)
{
	struct sweep *sweep = cell->state;
	int allowed = processors_allowed();
	double used = cell->workers < allowed ? cell->workers : allowed;
	double tasks = sweep->graph.count, cpu_ns, wall_ns;

	marks_clear();
	cpu_ns = processes_cpu_begin();
	wall_ns = (double)assay_clock_ns();
	if (graph_run(&sweep->graph, iterations_of(cell, halvings)))
		return -1;
	wall_ns = (double)assay_clock_ns() - wall_ns;
	cpu_ns = processes_cpu_end(cpu_ns);
	keep_least(&sweep->granularity_ns[0][halvings], wall_ns * used / tasks);
	keep_least(&sweep->granularity_ns[1][halvings], cpu_ns / tasks);
	return graph_check(&sweep->graph) || marks_check(cell, sweep->graph.count) ? -1 : 0;
}

static int run(struct cell *cell, uint64_t operations)
{
	(void)operations;
	for (unsigned round = 0; round < scales[cell->scale].rounds; round++)
		for (unsigned i = 0; i < halvings_of(cell); i++)
			if (run_once(cell, i))
				return -1;
	return 0;
}

static double thread_cpu_ns(void)
{
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return 1e9 * (double)used.tv_sec + (double)used.tv_nsec;
}

/* The least of several: whatever disturbs makes it longer. */
static double iteration_ns(void)
{
	enum { ITERATIONS = 1 << 18, TIMES = 9 };
	volatile uint64_t value = 1;
	double least = INFINITY;

	for (int i = 0; i < TIMES; i++) {
		double start = thread_cpu_ns();

		value = kernel(value, ITERATIONS);
		keep_least(&least, thread_cpu_ns() - start);
	}
	return least / ITERATIONS;
}

/* Between a size that is efficient enough and the next, which is not. */
static double crossing_ns(const double *granularity_ns, double work_ns)
{
	double above = work_ns / granularity_ns[0], below = work_ns / 2 / granularity_ns[1];
	double share = log(above / 0.5) / log(above / below);

	return exp(log(granularity_ns[0]) * (1 - share) + log(granularity_ns[1]) * share);
}

static void report(struct cell *cell, unsigned form, double unit_ns)
{
	const struct sweep *sweep = cell->state;
	const double *granularity_ns = sweep->granularity_ns[form];
	unsigned sizes = halvings_of(cell), i = 0;
	double largest_ns = unit_ns * (double)iterations_of(cell, 0);

	while (i < sizes && unit_ns * (double)iterations_of(cell, i) >= 0.5 * granularity_ns[i])
		i++;
	if (i == 0)
		cell_no_metric(cell, forms[form].metric, "ns",
			       "tasks of %.0f us of work, the largest, take %.1f times as much %s "
			       "time",
			       largest_ns / 1e3, granularity_ns[0] / largest_ns, forms[form].what);
	else if (i == sizes)
		cell_no_metric(cell, forms[form].metric, "ns",
			       "less than the %.0f ns of the smallest tasks",
			       granularity_ns[sizes - 1]);
	else
		cell_metric(cell, forms[form].metric, "ns",
			    crossing_ns(granularity_ns + i - 1,
					unit_ns * (double)iterations_of(cell, i - 1)));
}

static int check(struct cell *cell, uint64_t operations)
{
	double unit_ns = iteration_ns();

	(void)operations;
	for (unsigned form = 0; form < FORMS; form++)
		report(cell, form, unit_ns);
	return 0;
}

static void teardown(struct cell *cell)
{
	struct sweep *sweep = cell->state;

	if (sweep)
		graph_free(&sweep->graph);
	free(sweep);
}

#define METG_WORKLOAD(pattern, only_full, sentence)                                  \
	static int setup_##pattern(struct cell *cell)                                \
	{                                                                            \
		return setup(cell, &pattern##_pattern);                              \
	}                                                                            \
	const struct workload metg_##pattern = {                                     \
		.name = "metg_" #pattern,                                            \
		.class_name = "graph",                                               \
		.operation = "sweep",                                                \
		.separates = sentence,                                               \
		.metric = "metg_cpu",                                                \
		.unit = "ns",                                                        \
		.paced = true,                                                       \
		.full_only = only_full,                                              \
		.on_executors = true,                                                \
		.without = "serial",                                                 \
		.sample = {{.operations = 1}, {.operations = 1}, {.operations = 1}}, \
		.functions = graph_functions,                                        \
		.setup = setup_##pattern,                                            \
		.prepare = prepare,                                                  \
		.run = run,                                                          \
		.check = check,                                                      \
		.teardown = teardown,                                                \
	}

METG_WORKLOAD(stencil, false,
	      "How small tasks with dependencies may be: each row needs its neighbours.");
METG_WORKLOAD(fft, true, "The same with the far partners of a butterfly: no locality.");
METG_WORKLOAD(tree, true, "The same from one to all and back to one: little to do at once.");
METG_WORKLOAD(random, true, "The same with one to three of any as inputs: uneven waits.");
