/* SPDX-License-Identifier: MIT */
/*
 * The pictures of a report, by gnuplot. Names and numbers reach it in data files alone: its command
 * language runs a shell in backquotes.
 */
#ifndef PLOT_H
#define PLOT_H

#include "results.h"
#include "text.h"

struct figure {
	char *svg;  /* to stand inside a page, in the colours of its style sheet; NULL: none */
	char *file; /* plots/NAME.svg */
};

struct plots {
	struct figure heat_map;
	struct figure *workloads; /* by workload */
	size_t workload_count;
	const char *message; /* why there are none; NULL if there are */
	struct text reason;
};

/*
 * Draws into DIRECTORY/plots/, which exists, an SVG and a PNG of each figure. Always returns with
 * plots that a report can be written with; without gnuplot, or if it fails, they are empty and say
 * why.
 */
void plots_make(struct plots *plots, const struct results *results, const char *directory);
void plots_free(struct plots *plots);

#endif
