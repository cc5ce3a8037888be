/* SPDX-License-Identifier: MIT */
#include "measure.h"

#include "../machine.h"
#include "cells.h"
#include "complaint.h"
#include "interrupt.h"
#include "process.h"
#include "text.h"
#include "turn.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct progress {
	size_t done, all;
	struct timespec start;
};

static void show(struct progress *progress, const struct cell *cell)
{
	struct timespec now;
	double elapsed_s;

	if (!isatty(STDERR_FILENO))
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	elapsed_s = (double)(now.tv_sec - progress->start.tv_sec) +
		    1e-9 * (double)(now.tv_nsec - progress->start.tv_nsec);
	fprintf(stderr, "\r\033[K%3zu%%", progress->done * 100 / progress->all);
	if (progress->done)
		fprintf(stderr, "  %.0f s left",
			elapsed_s * (double)(progress->all - progress->done) /
				(double)progress->done);
	fprintf(stderr, "  %s on %s", cell->workload, cell->backend);
	fflush(stderr);
}

static void clear(void)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

static void shuffle(size_t *indexes, size_t count, uint64_t *random)
{
	for (size_t i = 0; i < count; i++)
		indexes[i] = i;
	for (size_t i = count; i > 1; i--) {
		size_t j = (size_t)(next_draw(random) % i), kept = indexes[i - 1];

		indexes[i - 1] = indexes[j];
		indexes[j] = kept;
	}
}

/*
 * One side encloses the other, so that a steady drift meets both alike. Which one, and which sample
 * of a side is called the second, is drawn: under equal code all arms can be exchanged.
 */
static void draw_order(enum arm order[ARMS], uint64_t *random)
{
	uint64_t draw = next_draw(random);
	int base = draw & 1, base_swapped = draw >> 1 & 1, new_swapped = draw >> 2 & 1;

	order[base] = base_swapped ? ARM_AGAIN : ARM_BASE;
	order[ARMS - 1 - base] = base_swapped ? ARM_BASE : ARM_AGAIN;
	order[!base] = new_swapped ? ARM_NEW_AGAIN : ARM_NEW;
	order[ARMS - 1 - !base] = new_swapped ? ARM_NEW : ARM_NEW_AGAIN;
}

/* All arms of a cell, so often that each has its samples. */
static int take_turns(struct turn *turn, uint64_t *random)
{
	for (turn->sample = 0; turn->sample < turn->samples; turn->sample++) {
		enum arm order[ARMS];

		draw_order(order, random);
		for (int i = 0; i < ARMS; i++) {
			turn->arm = order[i];
			if (turn_take(turn))
				return -1;
			if (turn->cell->settled)
				return 0;
		}
	}
	return 0;
}

/* As soon as both have said how they were built: seconds, not minutes. */
static int check_builds(struct figures *figures, const struct measurement *measurement)
{
	struct environment *environment = &figures->environment;

	if (environment->checked || !environment->contexts[0] || !environment->contexts[1])
		return 0;
	clear();
	return environment_check(environment, false, measurement->force);
}

static int run_batch(struct figures *figures, struct cells *cells,
		     const struct measurement *measurement, int batch, const char *directory)
{
	/* What a few rounds left open, as many more often leave open again. */
	static const unsigned factors[BATCHES] = {1, 1, 2, 4, 8, 8};
	unsigned rounds = factors[batch] * measurement->rounds;
	size_t *order = allocate(cells->count + 1, sizeof *order), open = 0;
	uint64_t random = measurement->seed + (uint64_t)batch;
	struct progress progress = {.done = 0};
	int failed = 0;

	for (size_t i = 0; i < cells->count; i++)
		open += cells->list[i].open && !cells->list[i].settled;
	progress.all = open * rounds;
	clock_gettime(CLOCK_MONOTONIC, &progress.start);
	for (unsigned round = 0; round < rounds && !failed; round++) {
		shuffle(order, cells->count, &random);
		for (size_t i = 0; i < cells->count && !failed; i++) {
			struct cell *cell = &cells->list[order[i]];
			struct turn turn = {.figures = figures,
					    .cell = cell,
					    .trees = measurement->trees,
					    .directory = directory,
					    .scale = measurement->scale,
					    .seed = measurement->seed + round,
					    .batch = batch,
					    .round = round,
					    .samples = measurement->samples};

			if (!cell->open || cell->settled)
				continue;
			show(&progress, cell);
			failed = take_turns(&turn, &random) || check_builds(figures, measurement);
			progress.done++;
		}
	}
	clear();
	free(order);
	return failed ? -1 : 0;
}

static bool has_values(const struct figure *figure)
{
	for (int arm = 0; arm < ARMS; arm++)
		if (figure_has_values(figure, (enum arm)arm))
			return true;
	return false;
}

/* A metric that only one side has: more rounds would not tell more. */
static void settle_sides(struct figures *figures, const struct cells *cells)
{
	for (size_t i = 0; i < cells->count; i++)
		for (size_t j = 0; j < figures->count && !cells->list[i].settled; j++) {
			struct figure *figure = &figures->list[j];

			if (figure->metric && figure->kind != KINDS &&
			    is_figure_of(figure, &cells->list[i]) &&
			    figure->told[0] != figure->told[1])
				figure_settle_one_sided(figure, figure->told[0]);
		}
}

/*
 * A cell is measured again as a whole if one of its figures is open. Where another is slower for sure,
 * it need not be known of the rest how much exactly.
 */
static size_t reopen(struct cells *cells, const struct figures *figures, const struct rules *rules)
{
	size_t open = 0;

	for (size_t i = 0; i < cells->count; i++) {
		struct cell *cell = &cells->list[i];
		size_t answers[ANSWERS] = {0};

		for (size_t j = 0; j < figures->count && !cell->settled; j++)
			if (is_figure_of(&figures->list[j], cell) && has_values(&figures->list[j]))
				answers[judge_so_far(&figures->list[j], true, rules)]++;
		cell->open = answers[ANSWER_UNREPEATED] ||
			     (answers[ANSWER_VAGUE] && !answers[ANSWER_SLOWER]);
		open += cell->open;
	}
	return open;
}

/* Of a cell that failed the samples before it say nothing. What neither side has a value of, as a percentile of
 * too few, is no figure. */
static void drop_empty(struct figures *figures, const struct cells *cells)
{
	for (size_t i = 0; i < cells->count; i++)
		for (size_t j = 0; j < figures->count; j++) {
			struct figure *figure = &figures->list[j];

			if (figure->metric && is_figure_of(figure, &cells->list[i]) &&
			    !figure->message[0] && (cells->list[i].settled || !has_values(figure)))
				figure->kind = KINDS;
		}
	figures_prune(figures);
}

static int run_batches(struct figures *figures, struct cells *cells,
		       const struct measurement *measurement, const struct rules *rules,
		       const char *directory)
{
	fprintf(stderr, "assay-compare: %zu cell%s, %u rounds of BASE and NEW, twice each\n",
		cells->count, cells->count == 1 ? "" : "s", measurement->rounds);
	for (int batch = 0; batch < BATCHES; batch++) {
		size_t open = batch ? reopen(cells, figures, rules) : 0;

		if (batch && !open)
			break;
		if (batch)
			fprintf(stderr, "assay-compare: %zu cell%s once more: slower or unclear\n",
				open, open == 1 ? "" : "s");
		if (run_batch(figures, cells, measurement, batch, directory))
			return -1;
		settle_sides(figures, cells);
	}
	drop_empty(figures, cells);
	return 0;
}

int measure(struct figures *figures, const struct measurement *measurement,
	    const struct rules *rules)
{
	char directory[PATH_MAX];
	struct cells cells = {.count = 0};
	struct machine before, after;
	int failed = -1;

	figures->interleaved = true;
	if (interrupt_watch())
		return complain("cannot watch for interrupts: %s", strerror(errno));
	if (process_directory(directory, sizeof directory))
		return -1;
	machine_read(&before);
	if (cells_choose(&cells, figures, measurement->trees, measurement->selection, directory) ==
	    0)
		failed = run_batches(figures, &cells, measurement, rules, directory);
	machine_read(&after);
	figures->environment.machine = machine_describe(&before, &after);
	cells_free(&cells);
	process_remove(directory);
	return failed;
}
