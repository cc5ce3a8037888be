/* SPDX-License-Identifier: MIT */
/*
 * The heat map. Boxes with explicit corners: `with image` packs the cells that exist together when
 * one is missing, and colours the wrong ones without a word.
 */
#include "draw.h"
#include "report.h"
#include "style.h"
#include "value.h"

#include <stdio.h>

#define LEFT 236
#define COLUMN 132
#define ROW 42
#define CLASS 30 /* above the first row of a class, for its name */
#define TOP 104
#define WIDE_COLUMNS 6 /* with more columns, they are narrow and their names slant */
#define NARROW_COLUMN 80
#define NARROW_TOP 178
#define SLANT_WIDTH 84
#define LEGEND 66
#define GAP 1.5
#define LIGHT_STEPS 5 /* steps of the palette under dark text */

/* Upper ends of the steps. */
static const double steps[HEAT_STEPS - 1] = {1.05, 1.25, 1.6, 2.5, 5, 10, 30};

static int step_of(double ratio)
{
	int step = 0;

	while (step < HEAT_STEPS - 1 && ratio > steps[step])
		step++;
	return step;
}

static unsigned text_colour(int step)
{
	return colour_of(step < LIGHT_STEPS ? "heat_low" : "heat_high", -1);
}

/* What is compared with is in no colour of its own. */
static unsigned box_colour(const struct results *results, const struct cell *cell)
{
	if (!cell || !(cell->ratio > 0) || !backend_competes(&results->backends[cell->backend]))
		return colour_of("absent", -1);
	return colour_of("heat", step_of(cell->ratio));
}

static unsigned number_colour(const struct results *results, const struct cell *cell)
{
	return backend_competes(&results->backends[cell->backend])
		       ? text_colour(step_of(cell->ratio))
		       : colour_of("muted", -1);
}

static bool is_column(const struct backend *backend)
{
	return backend->executor && backend->measured;
}

static bool has_reference(const struct results *results)
{
	for (size_t i = 0; i < results->backend_count; i++)
		if (is_column(&results->backends[i]) && results->backends[i].in_caller)
			return true;
	return false;
}

static bool is_narrow(const struct results *results)
{
	size_t count = 0;

	for (size_t i = 0; i < results->backend_count; i++)
		count += is_column(&results->backends[i]);
	return count > WIDE_COLUMNS;
}

static double column_width(const struct results *results)
{
	return is_narrow(results) ? NARROW_COLUMN : COLUMN;
}

/* Column edges are in the order of the backends. */
static double column_left(const struct results *results, size_t backend)
{
	double left = LEFT;

	for (size_t i = 0; i < backend; i++)
		left += is_column(&results->backends[i]) ? column_width(results) : 0;
	return left;
}

static const struct workload *workload_of(const struct results *results, size_t row)
{
	return &results->workloads[results->rows[row].workload];
}

static bool begins_class(const struct results *results, size_t row)
{
	const struct workload *workload = workload_of(results, row);

	return workload->kind &&
	       (!row || !workload_same_class(workload_of(results, row - 1), workload));
}

static double row_top(const struct results *results, size_t row)
{
	double top = (is_narrow(results) ? NARROW_TOP : TOP) + ROW * (double)row;

	for (size_t i = 0; i <= row && i < results->row_count; i++)
		top += begins_class(results, i) ? CLASS : 0;
	return top;
}

/* Under the names of the columns, above the first row. */
static double header_bottom(const struct results *results)
{
	return is_narrow(results) ? NARROW_TOP : TOP;
}

static void add_box(struct drawing *drawing, double left, double top, double width, double height,
		    unsigned colour)
{
	text_format(&drawing->data, "%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%u\n", left + width / 2,
		    top + height / 2, left + GAP, left + width - GAP, top + GAP, top + height - GAP,
		    colour);
}

static void add_boxes(struct drawing *drawing, const struct results *results)
{
	for (size_t i = 0; i < results->row_count; i++)
		for (size_t j = 0; j < results->backend_count; j++) {
			const struct row *row = &results->rows[i];
			const struct cell *cell =
				results_cell(results, row->workload, j, row->workers);

			if (is_column(&results->backends[j]))
				add_box(drawing, column_left(results, j), row_top(results, i),
					column_width(results), ROW, box_colour(results, cell));
		}
}

/* The ratio, or why there is none. */
static void add_number(struct drawing *drawing, const struct results *results,
		       const struct cell *cell, double x, double y)
{
	char ratio[VALUE_SIZE];

	if (!cell)
		drawing_label(drawing, x, y, "–", colour_of("muted", -1));
	else if (cell->failures)
		drawing_label(drawing, x, y, "failed", colour_of("bad", -1));
	else if (cell->ratio > 0) {
		value_ratio(ratio, cell->ratio);
		drawing_label(drawing, x, y - 8, ratio, number_colour(results, cell));
	}
}

/* The median; alone where it has no ratio, and why where there is none. */
static void add_median(struct drawing *drawing, const struct results *results,
		       const struct cell *cell, double x, double y)
{
	const struct series *series = cell ? cell_primary(results, cell) : NULL;
	char value[VALUE_SIZE];

	if (series) {
		value_format(value, series->median, series->unit);
		if (cell->ratio > 0)
			drawing_label(drawing, x, y + 9, value, number_colour(results, cell));
		else
			drawing_label(drawing, x, y, value, colour_of("foreground", -1));
	} else if (cell && !cell->failures) {
		drawing_label(drawing, x, y, cell->unsupported ? "not supported" : "unknown",
			      colour_of("muted", -1));
	}
}

static void add_cells(struct drawing *drawing, const struct results *results, bool medians)
{
	for (size_t i = 0; i < results->row_count; i++)
		for (size_t j = 0; j < results->backend_count; j++) {
			const struct row *row = &results->rows[i];
			const struct cell *cell =
				results_cell(results, row->workload, j, row->workers);
			double x = column_left(results, j) + column_width(results) / 2;
			double y = row_top(results, i) + ROW / 2.0;

			if (!is_column(&results->backends[j]))
				continue;
			if (medians)
				add_median(drawing, results, cell, x, y);
			else
				add_number(drawing, results, cell, x, y);
		}
}

static void add_names(struct drawing *drawing, const struct results *results)
{
	for (size_t i = 0; i < results->row_count; i++) {
		struct text name = {0};

		report_row_name(&name, results, &results->rows[i]);
		drawing_label(drawing, LEFT - 14, row_top(results, i) + ROW / 2.0, name.data,
			      colour_of("foreground", -1));
		text_free(&name);
	}
}

static void add_classes(struct drawing *drawing, const struct results *results)
{
	for (size_t i = 0; i < results->row_count; i++)
		if (begins_class(results, i))
			drawing_label(drawing, LEFT - 14, row_top(results, i) - 11,
				      workload_of(results, i)->kind, colour_of("muted", -1));
}

static void add_headers(struct drawing *drawing, const struct results *results)
{
	for (size_t i = 0; i < results->backend_count; i++)
		if (is_column(&results->backends[i])) {
			struct text name = {0};

			/* What fits over a column. */
			text_field(&name, results->backends[i].name, 18);
			drawing_label(drawing, column_left(results, i) + column_width(results) / 2,
				      header_bottom(results) - 9, name.data,
				      colour_of("series", results->backends[i].colour));
			text_free(&name);
		}
}

static void add_legend(struct drawing *drawing, double top, bool numbers)
{
	double width = 54;

	for (int i = 0; i < HEAT_STEPS; i++) {
		double left = LEFT + width * i;
		char label[VALUE_SIZE];

		if (!numbers) {
			add_box(drawing, left, top, width, 14, colour_of("heat", i));
		} else if (i < HEAT_STEPS - 1) {
			snprintf(label, sizeof label, "%g×", steps[i]);
			drawing_label(drawing, left + width, top + 25, label,
				      colour_of("muted", -1));
		}
	}
}

void draw_heat_map(struct drawing *drawing, const struct results *results)
{
	double columns = column_left(results, results->backend_count);
	double legend = row_top(results, results->row_count) + 20;
	int boxes, numbers, medians, names, classes, headers, title, subtitle;

	drawing->width = (int)(columns < LEFT + 8 * 54 ? LEFT + 8 * 54 : columns) + 16 +
			 (is_narrow(results) ? SLANT_WIDTH : 0);
	drawing->height = (int)legend + LEGEND - 20;
	add_boxes(drawing, results);
	add_legend(drawing, legend, false);
	boxes = drawing_block(drawing);
	add_cells(drawing, results, false);
	numbers = drawing_block(drawing);
	add_cells(drawing, results, true);
	add_legend(drawing, legend, true);
	medians = drawing_block(drawing);
	add_names(drawing, results);
	names = drawing_block(drawing);
	add_classes(drawing, results);
	classes = drawing_block(drawing);
	add_headers(drawing, results);
	headers = drawing_block(drawing);
	drawing_label(drawing, 16, 24, "Each workload on each executor",
		      colour_of("foreground", -1));
	title = drawing_block(drawing);
	text_format(
		&drawing->data, "16\t47\t%s%s\t%u\n",
		"median as a multiple of the lowest in its row, and the median; 1.00 is the best",
		has_reference(results) ? "; grey: its tasks run in the caller" : "",
		colour_of("muted", -1));
	subtitle = drawing_block(drawing);
	text_add(&drawing->script, "set multiplot\n");
	drawing_canvas(drawing, 0, drawing->width, 0, drawing->height);
	text_format(&drawing->script,
		    "plot data index %d using 1:2:3:4:5:6:7 with boxxyerror fs solid 1.0 noborder "
		    "lc rgb variable notitle\n",
		    boxes);
	drawing_labels(drawing, numbers, "center", ",14");
	drawing_labels(drawing, medians, "center", ",11");
	drawing_labels(drawing, names, "right", ",13");
	drawing_labels(drawing, classes, "right", ":Bold,11");
	drawing_labels(drawing, headers, is_narrow(results) ? "left rotate by 40" : "center",
		       ",13");
	drawing_labels(drawing, title, "left", ":Bold,16");
	drawing_labels(drawing, subtitle, "left", ",12");
	text_add(&drawing->script, "unset multiplot\n");
}
