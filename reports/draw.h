/* SPDX-License-Identifier: MIT */
/* What gnuplot is told: the script and the data of each kind of figure. */
#ifndef DRAW_H
#define DRAW_H

#include "results.h"
#include "text.h"

struct drawing {
	int width, height; /* in pixels of the SVG */
	struct text data;  /* blocks, each ended by two empty lines */
	struct text script;
	int blocks;
};

void draw_heat_map(struct drawing *drawing, const struct results *results);

/* False if the workload has nothing to show. */
bool draw_workload(struct drawing *drawing, const struct results *results, size_t workload);

void drawing_free(struct drawing *drawing);

/* Ends the block being written; returns its index for the script. */
int drawing_block(struct drawing *drawing);

/* A row of a block of labels: x, y, text, colour. */
void drawing_label(struct drawing *drawing, double x, double y, const char *string,
		   unsigned colour);

/* The commands for a panel with these edges in pixels from the left and the top. */
void drawing_panel(struct drawing *drawing, double left, double right, double top, double bottom);
/* The same without an axis; its coordinates are these pixels. */
void drawing_canvas(struct drawing *drawing, double left, double right, double top, double bottom);

/* Plots a block of labels in a canvas; align is left, right or center. */
void drawing_labels(struct drawing *drawing, int block, const char *align, const char *font);

/* Characters of a name in a plot. */
#define NAME_LIMIT 30

#endif
