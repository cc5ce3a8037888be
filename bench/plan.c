/* SPDX-License-Identifier: MIT */
#include "plan.h"

#include "catalogue.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int processors(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

static void add(struct plan *plan, const struct workload *workload, const char *backend,
		const char *file, int workers)
{
	plan->cells[plan->count++] = (struct plan_cell){
		.workload = workload, .backend = backend, .file = file, .workers = workers};
}

/* A first table has one row of a kind; who names a workload gets it. */
static bool is_left_out(const struct workload *workload, const struct options *options)
{
	return workload->full_only && options->scale == SCALE_QUICK && !options->workload_glob;
}

/* Where all workloads are wanted, those without a raw form have no raw rows, supported or not. */
static bool has_row(const struct workload *workload, const struct subject *subject,
		    const struct options *options)
{
	return !subject->raw || workload->has_raw || options->workload_glob;
}

static void add_workload(struct plan *plan, const struct workload *workload,
			 const struct options *options)
{
	int by_default = workload->workers ? workload->workers : processors();
	size_t settings = options->worker_count ? options->worker_count : 1;

	if (workload->without && !(workload->on_executors && options->executors_only))
		add(plan, workload, workload->without, workload->without, 1);
	for (size_t i = 0; workload->on_executors && i < settings; i++)
		for (size_t j = 0; j < options->backend_count; j++)
			if (has_row(workload, &options->backends[j], options))
				add(plan, workload, options->backends[j].name,
				    options->backends[j].file,
				    options->worker_count ? options->workers[i] : by_default);
}

static void shuffle(size_t *indexes, size_t count, uint64_t *random)
{
	for (size_t i = count; i > 1; i--) {
		size_t j = (size_t)(next_random(random) % i), kept = indexes[i - 1];

		indexes[i - 1] = indexes[j];
		indexes[j] = kept;
	}
}

/* The first cell of the next workload. */
static size_t next_group(const struct plan *plan, size_t first)
{
	size_t next = first;

	while (next < plan->count && plan->cells[next].workload == plan->cells[first].workload)
		next++;
	return next;
}

static void draw_repetition(const struct plan *plan, size_t *order, size_t *groups,
			    uint64_t *random)
{
	size_t count = 0;

	for (size_t first = 0; first < plan->count; first = next_group(plan, first))
		groups[count++] = first;
	shuffle(groups, count, random);
	for (size_t i = 0; i < count; i++) {
		size_t next = next_group(plan, groups[i]), size = next - groups[i];

		for (size_t j = 0; j < size; j++)
			order[j] = groups[i] + j;
		shuffle(order, size, random);
		order += size;
	}
}

static int draw_order(struct plan *plan, const struct options *options)
{
	size_t *groups = calloc(plan->count, sizeof *groups);
	uint64_t random = options->seed;

	plan->order = calloc(plan->count * options->repetitions, sizeof *plan->order);
	plan->done = calloc(plan->count * options->repetitions, sizeof *plan->done);
	if (!plan->order || !plan->done || !groups) {
		fprintf(stderr, "assay-bench: no memory for the plan\n");
		free(groups);
		return -1;
	}
	for (unsigned i = 0; i < options->repetitions; i++)
		draw_repetition(plan, plan->order + i * plan->count, groups, &random);
	free(groups);
	return 0;
}

int plan_make(struct plan *plan, const struct options *options)
{
	size_t most = options->backend_count * (options->worker_count + 1) + 1, known = 0;

	while (workloads[known])
		known++;
	*plan = (struct plan){.repetitions = options->repetitions,
			      .repetitions_asked = options->repetitions};
	plan->cells = calloc(known * most + 1, sizeof *plan->cells);
	if (!plan->cells) {
		fprintf(stderr, "assay-bench: no memory for the plan\n");
		return -1;
	}
	for (size_t i = 0; i < known; i++)
		if (!is_left_out(workloads[i], options) &&
		    matches_any(options->workload_glob, workloads[i]->name))
			add_workload(plan, workloads[i], options);
	return draw_order(plan, options);
}

void plan_free(struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		free(plan->cells[i].latencies_ns);
	free(plan->cells);
	free(plan->order);
	free(plan->done);
}
