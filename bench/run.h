/* SPDX-License-Identifier: MIT */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H

#include "plan.h"

/* As in the records. */
extern const char *const scale_names[SCALES];

/*
 * Measures, and writes the results as they come.
 * The exit code: 0, 1 if a cell failed, 2 if it could not be done or was interrupted.
 */
int run_plan(struct plan *plan, const struct options *options);

#endif
