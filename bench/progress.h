/* SPDX-License-Identifier: MIT */
/* What a waiting person sees, on the standard error. */
#ifndef BENCH_PROGRESS_H
#define BENCH_PROGRESS_H

#include "plan.h"

/* The plan, in one line; `done` samples are there already. */
void progress_begin(const struct plan *plan, const struct options *options, size_t done);

/* On a terminal: how far we are, and how long it will take; `done` samples have been taken. */
void progress_show(const struct plan *plan, size_t done, const struct plan_cell *cell);

/* A cell failed. NULL is ignored. */
void progress_note(const char *message, const struct plan_cell *cell, unsigned repetition);

/* Clears the line. */
void progress_end(void);

#endif
