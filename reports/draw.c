/* SPDX-License-Identifier: MIT */
#include "draw.h"

void drawing_free(struct drawing *drawing)
{
	text_free(&drawing->data);
	text_free(&drawing->script);
	*drawing = (struct drawing){0};
}

int drawing_block(struct drawing *drawing)
{
	text_add(&drawing->data, "\n\n");
	return drawing->blocks++;
}

void drawing_label(struct drawing *drawing, double x, double y, const char *string, unsigned colour)
{
	text_format(&drawing->data, "%.17g\t%.17g\t", x, y);
	text_field(&drawing->data, string, NAME_LIMIT);
	text_format(&drawing->data, "\t%u\n", colour);
}

void drawing_panel(struct drawing *drawing, double left, double right, double top, double bottom)
{
	double width = drawing->width, height = drawing->height;

	text_format(&drawing->script,
		    "set lmargin at screen %.6f\nset rmargin at screen %.6f\n"
		    "set tmargin at screen %.6f\nset bmargin at screen %.6f\n",
		    left / width, right / width, 1 - top / height, 1 - bottom / height);
}

void drawing_canvas(struct drawing *drawing, double left, double right, double top, double bottom)
{
	drawing_panel(drawing, left, right, top, bottom);
	text_format(&drawing->script,
		    "unset logscale x\nunset border\nunset tics\nunset grid\n"
		    "set xrange [%.6f:%.6f]\nset yrange [%.6f:%.6f]\n",
		    left, right, bottom, top);
}

void drawing_labels(struct drawing *drawing, int block, const char *align, const char *font)
{
	text_format(&drawing->script,
		    "plot data index %d using 1:2:(strcol(3)):4 with labels %s noenhanced "
		    "font '%s' tc rgb variable notitle\n",
		    block, align, font);
}
