/* SPDX-License-Identifier: MIT */
/*
 * Workers that die under load. Tasks of some 100 microseconds keep all workers busy; now and then
 * one kills its worker. It has to end with ASSAY_EDIED, and all others, what the worker held in
 * reserve included, as if nothing had happened.
 *
 *	detection   from when the task that kills was about to, to its callback
 *	recovery    from the death to the first WINDOW tasks in a row at nine tenths of the usual
 *	            throughput
 *	dip         the slowest WINDOW tasks that a death falls into, against the usual time
 *
 * each the median over the deaths of the sample.
 */
#include "../load/arrivals.h"
#include "../marks.h"

#include <stdlib.h>

enum {
	ITERATIONS = 50000,
	SECTION = 400, /* tasks from one death to the next */
	WINDOW = 16,
	IN_FLIGHT = 8, /* for each worker */
};

struct crash {
	struct arrivals arrivals;
	int64_t *deaths_ns; /* shared with the workers that die */
	size_t deaths;
	/* Of the last run. */
	int64_t *done_ns; /* when each task was done, in order */
	size_t count;
	double usual_ns; /* time of WINDOW tasks */
};

static size_t deaths_bytes(const struct cell *cell)
{
	return cell->workload->sample[cell->scale].operations * sizeof(int64_t);
}

static int setup(struct cell *cell)
{
	struct crash *crash = calloc(1, sizeof *crash);
	size_t deaths = cell->workload->sample[cell->scale].operations;

	if (!crash)
		return cell_fail(cell, "out of memory");
	cell->state = crash;
	crash->deaths_ns = shared_memory(cell, deaths_bytes(cell));
	if (!crash->deaths_ns)
		return -1;
	return arrivals_begin(&crash->arrivals, cell, deaths * SECTION);
}

static int prepare(struct cell *cell, uint64_t operations)
{
	struct crash *crash = cell->state;

	if (arrivals_make(&crash->arrivals, operations * SECTION))
		return -1;
	crash->deaths = operations;
	for (size_t i = 0; i < crash->arrivals.count; i++) {
		struct service *service = &crash->arrivals.list[i].service;

		service->iterations = ITERATIONS;
		if (i % SECTION == SECTION / 2)
			service->dies_ns = &crash->deaths_ns[i / SECTION];
	}
	return 0;
}

/* The executor of the cell has the default: to break when a worker dies. */
static int warm_up(struct cell *cell, uint64_t *operations)
{
	int error = assay_executor_destroy(cell->executor);

	(void)operations;
	cell->executor = NULL;
	return error ? cell_fail(cell, "destroy: %s", assay_error_text(error)) : 0;
}

static int create(struct cell *cell, assay_executor **executor)
{
	struct assay_config config = assay_config_default();
	int error;

	config.workers = cell->workers;
	config.on_worker_death = ASSAY_DEATH_FAILS_TASK;
	if (cell->backend->capabilities & ASSAY_CAP_NAMED_FUNCTIONS) {
		config.functions = arrival_functions;
		while (config.functions[config.function_count].name)
			config.function_count++;
	}
	error = assay_executor_create(cell->backend, &config, executor);
	return error ? cell_fail(cell,
				 "cannot create an executor that replaces workers that die: %s",
				 assay_error_text(error))
		     : 0;
}

static int run(struct cell *cell, uint64_t operations)
{
	struct crash *crash = cell->state;
	double per_task_ns;
	int failed, error;

	(void)operations;
	if (create(cell, &crash->arrivals.executor))
		return -1;
	failed = cell_check_executor(cell, crash->arrivals.executor, cell->workers) ||
		 arrivals_run_closed(&crash->arrivals, IN_FLIGHT * (unsigned)cell->workers,
				     &per_task_ns);
	error = assay_executor_destroy(crash->arrivals.executor);
	if (error)
		cell_fail(cell, "destroy: %s", assay_error_text(error));
	return failed || error ? -1 : 0;
}

static int compare_times(const void *left, const void *right)
{
	int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

	return (a > b) - (a < b);
}

static double median(int64_t *values, size_t count)
{
	size_t middle = count / 2;

	qsort(values, count, sizeof *values, compare_times);
	return (double)values[middle];
}

static int64_t window_ns(const struct crash *crash, size_t first)
{
	return crash->done_ns[first + WINDOW] - crash->done_ns[first];
}

/* The order in which tasks were done, and the usual time of WINDOW: most are undisturbed. */
static int order(struct cell *cell, struct crash *crash)
{
	size_t windows = crash->arrivals.count - WINDOW;
	int64_t *all_ns = calloc(windows, sizeof *all_ns);

	free(crash->done_ns);
	crash->count = crash->arrivals.count;
	crash->done_ns = calloc(crash->count, sizeof *crash->done_ns);
	if (!all_ns || !crash->done_ns) {
		free(all_ns);
		return cell_fail(cell, "no memory for the times");
	}
	for (size_t i = 0; i < crash->count; i++)
		crash->done_ns[i] = crash->arrivals.list[i].done_ns;
	qsort(crash->done_ns, crash->count, sizeof *crash->done_ns, compare_times);
	for (size_t i = 0; i < windows; i++)
		all_ns[i] = window_ns(crash, i);
	crash->usual_ns = median(all_ns, windows);
	free(all_ns);
	return 0;
}

/* False: the throughput was not what it was before the run ended. */
static bool look_at(const struct crash *crash, int64_t died_ns, int64_t *recovery_ns,
		    int64_t *slowest_ns)
{
	size_t first = 0;

	while (first + WINDOW + 1 < crash->count && crash->done_ns[first + 1] < died_ns)
		first++;
	for (*slowest_ns = 0; first + WINDOW < crash->count; first++) {
		int64_t took_ns = window_ns(crash, first);

		if (*slowest_ns < took_ns)
			*slowest_ns = took_ns;
		if (crash->done_ns[first] >= died_ns && (double)took_ns <= crash->usual_ns / 0.9) {
			*recovery_ns = crash->done_ns[first] - died_ns;
			return true;
		}
	}
	return false;
}

/* times_ns: room for three figures of each death. */
static void report(struct cell *cell, const struct crash *crash, int64_t *times_ns)
{
	int64_t *detections_ns = times_ns, *recoveries_ns = times_ns + crash->deaths,
		*slowest_ns = times_ns + 2 * crash->deaths;
	size_t unrecovered = 0;

	for (size_t i = 0; i < crash->deaths; i++) {
		const struct arrival *killer = &crash->arrivals.list[i * SECTION + SECTION / 2];
		int64_t died_ns = crash->deaths_ns[i] - crash->arrivals.start_ns;

		detections_ns[i] = killer->done_ns - died_ns;
		unrecovered += !look_at(crash, died_ns, &recoveries_ns[i], &slowest_ns[i]);
	}
	if (unrecovered)
		cell_no_metric(cell, "recovery", "ns",
			       "after %zu of %zu deaths the throughput did not come back",
			       unrecovered, crash->deaths);
	else
		cell_metric(cell, "recovery", "ns", median(recoveries_ns, crash->deaths));
	cell_metric(cell, "detection", "ns", median(detections_ns, crash->deaths));
	cell_metric(cell, "dip", "ratio", median(slowest_ns, crash->deaths) / crash->usual_ns);
}

/* arrivals_run_closed() has checked the tasks. */
static int check(struct cell *cell, uint64_t operations)
{
	struct crash *crash = cell->state;
	int64_t *times_ns = calloc(3 * operations, sizeof *times_ns);

	if (!times_ns)
		return cell_fail(cell, "no memory for the times");
	if (order(cell, crash) == 0)
		report(cell, crash, times_ns);
	free(times_ns);
	return cell_failed(cell) ? -1 : 0;
}

static void teardown(struct cell *cell)
{
	struct crash *crash = cell->state;

	if (!crash)
		return;
	arrivals_end(&crash->arrivals);
	shared_memory_free(crash->deaths_ns, deaths_bytes(cell));
	free(crash->done_ns);
	free(crash);
}

const struct workload crash = {
	.name = "crash",
	.class_name = "trouble",
	.operation = "death",
	.separates = "How soon a worker that died is replaced, and what the others lose by it.",
	.metric = "recovery",
	.unit = "ns",
	.paced = true,
	.full_only = true,
	.on_executors = true,
	.needs = ASSAY_CAP_SURVIVES_CRASH | ASSAY_CAP_SHARED_MAPPINGS,
	.sample = {{.operations = 1}, {.operations = 10}, {.operations = 40}},
	.functions = arrival_functions,
	.setup = setup,
	.warm_up = warm_up,
	.prepare = prepare,
	.run = run,
	.check = check,
	.teardown = teardown,
};
