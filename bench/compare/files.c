/* SPDX-License-Identifier: MIT */
#include "files.h"

#include "catalogue.h"
#include "complaint.h"
#include "patterns.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Searching is quadratic; the largest run has some thousand. */
#define FIGURES_LIMIT 10000

/* The rows without an executor measure the machine, not the code. */
static bool is_machine(const char *backend)
{
	return strcmp(backend, "serial") == 0 || strcmp(backend, "floor") == 0;
}

static bool is_selected(const struct selection *selection, const char *workload,
			const char *backend, int workers)
{
	bool listed = !selection->worker_count;

	for (size_t i = 0; i < selection->worker_count; i++)
		listed |= selection->workers[i] == workers;
	return listed && !is_machine(backend) && matches_any(selection->workload_glob, workload) &&
	       matches_any(selection->backend_glob, backend);
}

static int check_workers(const struct samples sides[2], const struct selection *selection)
{
	for (size_t i = 0; i < selection->worker_count; i++) {
		bool found = false;

		for (int side = 0; side < 2; side++)
			for (size_t j = 0; j < sides[side].count; j++)
				found |= sides[side].list[j].workers == selection->workers[i];
		if (!found)
			return complain("--workers %d: neither file has it", selection->workers[i]);
	}
	return 0;
}

/* What one of the two has is known. */
static int check_selection(const struct samples sides[2], const struct selection *selection)
{
	struct names workloads = {NULL, 0}, backends = {NULL, 0};
	int failed;

	for (int side = 0; side < 2; side++)
		for (size_t i = 0; i < sides[side].count; i++) {
			if (is_machine(sides[side].list[i].backend))
				continue;
			names_add(&workloads, sides[side].list[i].workload);
			names_add(&backends, sides[side].list[i].backend);
		}
	failed = patterns_check("workload", selection->workload_glob, &workloads) ||
		 patterns_check("backend", selection->backend_glob, &backends) ||
		 check_workers(sides, selection);
	names_free(&workloads);
	names_free(&backends);
	return failed ? -1 : 0;
}

/* How many repetitions the file has of this figure, which starts at sample `first`. */
static size_t repetitions_of(const struct samples *samples, size_t first)
{
	const struct sample *start = &samples->list[first];
	size_t next = first + 1;

	for (; next < samples->count; next++) {
		const struct sample *sample = &samples->list[next];

		if (strcmp(sample->workload, start->workload) != 0 ||
		    strcmp(sample->backend, start->backend) != 0 ||
		    sample->workers != start->workers || strcmp(sample->metric, start->metric) != 0)
			break;
	}
	return next - first;
}

static void add(struct figure *figure, int batch, enum arm arm, double value)
{
	struct values *values = &figure->arms[batch][arm];

	values_set(values, values->count, value);
}

/* BASE against itself: each half of its repetitions against the other. */
static void deal(struct figure *figure, enum arm arm, const struct sample *samples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int batch = i >= (count + 1) / 2;

		if (!samples[i].known)
			continue;
		add(figure, batch, arm, samples[i].value);
		if (arm == ARM_BASE)
			add(figure, !batch, ARM_AGAIN, samples[i].value);
	}
}

static int take(struct figures *figures, const struct samples *samples, enum arm arm,
		const struct selection *selection)
{
	for (size_t i = 0, count; i < samples->count; i += count) {
		const struct sample *sample = &samples->list[i], *bad = NULL;
		const char *metric = sample->metric;
		struct figure *figure;

		count = repetitions_of(samples, i);
		if (!is_selected(selection, sample->workload, sample->backend, sample->workers))
			continue;
		for (size_t j = 0; j < count; j++)
			if (!samples->list[i + j].ok || !samples->list[i + j].supported)
				bad = &samples->list[i + j];
		if (bad) {
			figure = figures_find(figures, sample, NULL);
			figure_settle(figure, bad->supported ? STATE_FAILED : STATE_UNSUPPORTED,
				      "%s: %s", arm == ARM_BASE ? "BASE" : "NEW",
				      bad->message ? bad->message : "no message");
		} else {
			figure = figures_find(figures, sample, metric);
			if (figure_has_unit(figure, sample, arm == ARM_BASE ? "BASE" : "NEW") &&
			    figure->kind != KINDS)
				deal(figure, arm, sample, count);
		}
		if (figures->count > FIGURES_LIMIT)
			return complain("more than %d figures", FIGURES_LIMIT);
	}
	return 0;
}

/* A cell that failed is one figure: what is left of its metrics is not judged beside it. */
static const struct figure *cell_of(const struct figures *figures, const struct figure *like)
{
	for (size_t i = 0; i < figures->count; i++) {
		const struct figure *figure = &figures->list[i];

		if (!figure->metric && figure->workers == like->workers &&
		    strcmp(figure->workload, like->workload) == 0 &&
		    strcmp(figure->backend, like->backend) == 0)
			return figure;
	}
	return NULL;
}

static void settle_sides(struct figures *figures)
{
	for (size_t i = 0; i < figures->count; i++) {
		struct figure *figure = &figures->list[i];
		const struct figure *cell = cell_of(figures, figure);
		bool base = figure_has_values(figure, ARM_BASE);
		bool changed = figure_has_values(figure, ARM_NEW);

		if (!figure->metric)
			continue;
		/* Null on both sides, as a percentile of too few, or part of what failed. */
		if ((!base && !changed) || (cell && cell->state == STATE_FAILED))
			figure->kind = KINDS;
		else if (base && !changed && cell)
			figure_settle(figure, STATE_MISSING, "NEW no longer supports it");
		else if (base != changed)
			figure_settle_one_sided(figure, base);
	}
}

int files_read(struct figures *figures, const char *base, const char *changed,
	       const struct selection *selection, bool force)
{
	struct samples sides[2] = {{.tree = NULL}};
	struct environment *environment = &figures->environment;
	int failed = samples_read(&sides[0], base) || samples_read(&sides[1], changed) ||
		     check_selection(sides, selection);

	for (int side = 0; side < 2 && !failed; side++)
		environment_take(environment, side, sides[side].context);
	failed = failed || environment_check(environment, true, force) ||
		 take(figures, &sides[0], ARM_BASE, selection) ||
		 take(figures, &sides[1], ARM_NEW, selection);
	if (!failed) {
		figures->doubtful = environment_is_noisy(environment);
		settle_sides(figures);
		figures_prune(figures);
	}
	samples_free(&sides[0]);
	samples_free(&sides[1]);
	return failed ? -1 : 0;
}
