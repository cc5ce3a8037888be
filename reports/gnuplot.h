/* SPDX-License-Identifier: MIT */
/* Running gnuplot on a script, and its SVG made fit to stand inside a page. */
#ifndef GNUPLOT_H
#define GNUPLOT_H

#include "text.h"

/* What a figure has around it when it stands alone, in pixels: left and right, and its title. */
#define GNUPLOT_MARGIN 16
#define GNUPLOT_TITLE 34

/*
 * Draws one figure as DIRECTORY/NAME.svg and .png. script says what to plot; the terminal, the
 * output and the look are set before it, and the data is in a file which it calls data. name is a
 * slug. Returns 0 with the SVG in *inlined, in the variables of the style sheet and with ids of its
 * own; or -1 with the reason, and then no file is left.
 */
int gnuplot_draw(const char *directory, const char *name, int width, int height,
		 const struct text *data, const struct text *script, struct text *inlined,
		 struct text *reason);

#endif
