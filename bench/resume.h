/* SPDX-License-Identifier: MIT */
/* An interrupted run goes on where it stopped, in its own file. */
#ifndef BENCH_RESUME_H
#define BENCH_RESUME_H

#include "plan.h"

#include <cjson/cJSON.h>

/*
 * What the run that wrote options->part, or without one options->output, had measured: its document,
 * with the samples marked as done in the plan and their latencies taken over. NULL after a message: no
 * such file, not what the bench writes, or of a run that differs from that which would begin `now` in
 * what was asked for, in the programs or in the machine.
 */
cJSON *resume_read(struct plan *plan, const struct options *options, const cJSON *now);

/* What only an unfinished document needs: the latencies of which there are no percentiles yet. */
void resume_keep(cJSON *document, const struct plan *plan, bool complete);

#endif
