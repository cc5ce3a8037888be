/* SPDX-License-Identifier: MIT */
#include "turn.h"

#include "complaint.h"
#include "interrupt.h"
#include "process.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const arm_names[ARMS] = {"BASE", "NEW", "NEW again", "BASE again"};

static bool is_new(enum arm arm)
{
	return arm == ARM_NEW || arm == ARM_NEW_AGAIN;
}

static void settle(struct turn *turn, const struct sample *like, enum state state,
		   const char *message)
{
	struct figure *figure = figures_find(turn->figures, like, NULL);

	turn->cell->settled = true;
	figure_settle(figure, state, "%s: %s", arm_names[turn->arm], message);
}

static void keep(struct turn *turn, const struct sample *sample)
{
	struct figure *figure;
	struct values *values;
	bool first;

	figure = figures_find(turn->figures, sample, sample->metric);
	figure->told[is_new(turn->arm)] = true;
	if (!sample->known)
		return;
	values = &figure->arms[turn->batch][turn->arm];
	first = turn->round >= values->count || isnan(values->list[turn->round]);
	if (!figure_has_unit(figure, sample, arm_names[turn->arm]) || figure->kind == KINDS)
		return;
	if (first || figure->kind == KIND_LATENCY || sample->value < values->list[turn->round])
		values_set(values, turn->round, sample->value);
}

/* The repetition behind the last would hold pooled percentiles: with one sample there are none. */
static void take(struct turn *turn, const struct samples *samples, const struct sample *like)
{
	size_t seen = 0;

	for (size_t i = 0; i < samples->count && !turn->cell->settled; i++) {
		const struct sample *sample = &samples->list[i];

		if (strcmp(sample->backend, turn->cell->backend) != 0 || sample->repetition > 0)
			continue;
		seen++;
		if (!sample->supported)
			settle(turn, sample, is_new(turn->arm) ? STATE_MISSING : STATE_UNSUPPORTED,
			       sample->message ? sample->message : "not supported");
		else if (!sample->ok)
			settle(turn, sample, STATE_FAILED,
			       sample->message ? sample->message : "no message");
		else
			keep(turn, sample);
	}
	if (!seen)
		settle(turn, like, STATE_FAILED, "the bench gave no result of this backend");
}

int turn_take(struct turn *turn)
{
	int side = is_new(turn->arm);
	struct cell *cell = turn->cell;
	char program[PATH_MAX], file[PATH_MAX], seed[24], workers[16], message[256];
	char *arguments[] = {"assay-bench",
			     "run",
			     cell->files[side],
			     "--executors-only",
			     "--workload",
			     cell->workload,
			     "--scale",
			     (char *)turn->scale,
			     "--repetitions",
			     "1",
			     "--seed",
			     seed,
			     "--format",
			     "json",
			     "-o",
			     file,
			     cell->workers ? "--workers" : NULL,
			     workers,
			     NULL};
	struct sample like = {
		.workload = cell->workload, .backend = cell->backend, .workers = cell->workers};
	struct samples samples;
	int status;

	snprintf(program, sizeof program, "%s/bin/assay-bench", turn->trees[side]);
	snprintf(file, sizeof file, "%s/sample.json", turn->directory);
	snprintf(seed, sizeof seed, "%" PRIu64, turn->seed);
	snprintf(workers, sizeof workers, "%d", cell->workers);
	unlink(file);
	status = process_run(program, arguments, message, sizeof message);
	if (interrupt_came())
		return complain("interrupted");
	if (status != 0 && status != 1) {
		settle(turn, &like, STATE_FAILED, message);
		return 0;
	}
	if (samples_read(&samples, file) == 0) {
		environment_take(&turn->figures->environment, side, samples.context);
		take(turn, &samples, &like);
	} else {
		settle(turn, &like, STATE_FAILED, "the bench wrote no results that can be read");
	}
	samples_free(&samples);
	return 0;
}
