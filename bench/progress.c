/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include "run.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int64_t started_ns;
static bool terminal;

void progress_begin(const struct plan *plan, const struct options *options)
{
	started_ns = assay_clock_ns();
	terminal = isatty(STDERR_FILENO);
	fprintf(stderr, "assay-bench: %zu cell%s, %u repetition%s each (%s), seed %llu\n",
		plan->count, plan->count == 1 ? "" : "s", plan->repetitions,
		plan->repetitions == 1 ? "" : "s", scale_names[options->scale],
		(unsigned long long)options->seed);
}

void progress_show(const struct plan *plan, size_t done, const struct plan_cell *cell)
{
	size_t all = plan->count * plan->repetitions;
	double elapsed_s = (double)(assay_clock_ns() - started_ns) / 1e9;

	if (!terminal)
		return;
	fprintf(stderr, "\r\033[K%3zu%%  %zu/%zu", done * 100 / all, done, all);
	/* A whole repetition holds every cell once: from then on the estimate is a fair one. */
	if (done >= plan->count)
		fprintf(stderr, "  %.0f s left", elapsed_s * (double)(all - done) / (double)done);
	fprintf(stderr, "  %s on %s", cell->workload->name, cell->backend);
	fflush(stderr);
}

void progress_note(const char *message, const struct plan_cell *cell, unsigned repetition)
{
	if (!message)
		return;
	if (terminal)
		fputs("\r\033[K", stderr);
	fprintf(stderr, "assay-bench: %s on %s, %d worker%s, repetition %u: %s\n",
		cell->workload->name, cell->backend, cell->workers, cell->workers == 1 ? "" : "s",
		repetition, message);
}

void progress_end(void)
{
	if (terminal)
		fputs("\r\033[K", stderr);
}
