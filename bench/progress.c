/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include "run.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int64_t started_ns;
static size_t started_at; /* samples that an earlier run took */
static int64_t budget_ns;
static bool terminal;

void progress_begin(const struct plan *plan, const struct options *options, size_t done)
{
	started_at = done;
	budget_ns = options->budget_ns;
	started_ns = assay_clock_ns();
	terminal = isatty(STDERR_FILENO);
	fprintf(stderr, "assay-bench: %zu cell%s, %u repetition%s each (%s), seed %llu\n",
		plan->count, plan->count == 1 ? "" : "s", plan->repetitions,
		plan->repetitions == 1 ? "" : "s", scale_names[options->scale],
		(unsigned long long)options->seed);
}

static void show_left(double left_s)
{
	if (left_s >= 5400)
		fprintf(stderr, "  %.1f h left", left_s / 3600);
	else if (left_s >= 90)
		fprintf(stderr, "  %.0f min left", left_s / 60);
	else
		fprintf(stderr, "  %.0f s left", left_s);
}

void progress_show(const struct plan *plan, size_t done, const struct plan_cell *cell)
{
	size_t all = plan->count * plan->repetitions, taken = done - started_at;
	double elapsed_s = (double)(assay_clock_ns() - started_ns) / 1e9, left_s;

	if (!terminal)
		return;
	fprintf(stderr, "\r\033[K%3zu%%  %zu/%zu", done * 100 / all, done, all);
	/* Cells differ; a dozen of them in random order make an estimate that is not silly. */
	if (taken >= 12) {
		left_s = elapsed_s * (double)(all - done) / (double)taken;
		if (budget_ns && left_s > (double)budget_ns / 1e9 - elapsed_s)
			left_s = fmax(0, (double)budget_ns / 1e9 - elapsed_s);
		show_left(left_s);
	}
	fprintf(stderr, "  %s on %s", cell->workload->name, cell->backend);
	fflush(stderr);
}

void progress_note(const char *message, const struct plan_cell *cell, unsigned repetition)
{
	struct text shown = {0};

	if (!message)
		return;
	if (terminal)
		fputs("\r\033[K", stderr);
	text_line(&shown, message); /* of any program, as its last words */
	fprintf(stderr, "assay-bench: %s on %s, %d worker%s, repetition %u: %s\n",
		cell->workload->name, cell->backend, cell->workers, cell->workers == 1 ? "" : "s",
		repetition, shown.length ? shown.data : "");
	text_free(&shown);
}

void progress_end(void)
{
	if (terminal)
		fputs("\r\033[K", stderr);
}
