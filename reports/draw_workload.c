/* SPDX-License-Identifier: MIT */
/*
 * One workload: a strip for each executor with every repetition as a point, the medians as marks,
 * and their values at the right. Within a strip the repetitions run from top to bottom, so a drift
 * shows as a slope.
 */
#include "draw.h"
#include "scale.h"
#include "style.h"
#include "value.h"

#include <stdlib.h>

#define WIDTH 940
#define LEFT 210
#define TOP 96
#define BOTTOM 40
#define COLUMN 84 /* of the values at the right */
#define PERCENTILES 3
#define LANE_MARGIN 0.2    /* of a lane, above and below a strip */
#define POINTS_HEIGHT 0.58 /* of a strip */
#define MEDIAN_HEIGHT 0.78
#define TRANSLUCENT 0x60000000U

static const char *const percentiles[PERCENTILES] = {"p50", "p99", "p99.9"};

struct strips {
	const struct results *results;
	const struct workload *workload;
	const struct cell **cells;
	size_t count;
	int lanes;    /* in a strip: 1, or one for each percentile */
	double strip; /* its height in pixels */
	double right; /* where the axis ends */
	bool several; /* numbers of workers */
	const char *unit;
	struct scale scale;
};

static const char *lane_metric(const struct strips *strips, int lane)
{
	return strips->lanes > 1 && lane < PERCENTILES ? percentiles[lane]
						       : strips->workload->metric;
}

static const struct series *lane_series(const struct strips *strips, size_t strip, int lane)
{
	return strips->cells[strip]->failures
		       ? NULL
		       : cell_series(strips->cells[strip], lane_metric(strips, lane));
}

static unsigned strip_colour(const struct strips *strips, size_t strip)
{
	const struct backend *backend = &strips->results->backends[strips->cells[strip]->backend];

	return backend->executor ? colour_of("series", backend->colour) : colour_of("muted", -1);
}

/* The middle of a lane in strips, from the top. */
static double lane_middle(const struct strips *strips, size_t strip, int lane)
{
	return (double)strip + (lane + 0.5 + LANE_MARGIN) / (strips->lanes + 2 * LANE_MARGIN);
}

static void collect(struct strips *strips, size_t workload)
{
	const struct results *results = strips->results;

	strips->cells = allocate(results->cell_count, sizeof(struct cell *));
	for (int executor = 1; executor >= 0; executor--)
		for (size_t i = 0; i < results->cell_count; i++) {
			const struct cell *cell = &results->cells[i];

			if (cell->workload != workload ||
			    results->backends[cell->backend].executor != executor)
				continue;
			if (executor && strips->count &&
			    strips->cells[strips->count - 1]->workers != cell->workers)
				strips->several = true;
			strips->cells[strips->count++] = cell;
		}
	for (size_t i = 0; i < strips->count; i++)
		for (int lane = 0; lane < strips->lanes; lane++) {
			const struct series *series = lane_series(strips, i, lane);

			for (size_t j = 0; series && j < series->count; j++)
				scale_include(&strips->scale, series->values[j]);
			if (series)
				strips->unit = series->unit;
		}
	scale_settle(&strips->scale);
}

/* From the top of the lane to its bottom, in the order of the repetitions. */
static void add_lane(struct drawing *drawing, const struct strips *strips, size_t strip, int lane)
{
	const struct series *series = lane_series(strips, strip, lane);
	double top = lane_middle(strips, strip, lane) - POINTS_HEIGHT / strips->lanes / 2;

	for (size_t i = 0; series && i < series->count; i++) {
		double share = ((double)i + 0.5) / (double)series->count;

		text_format(&drawing->data, "%.17g\t%.6f\t%u\n", series->values[i],
			    top + share * POINTS_HEIGHT / strips->lanes,
			    strip_colour(strips, strip) | TRANSLUCENT);
	}
}

static int add_points(struct drawing *drawing, const struct strips *strips)
{
	for (size_t i = 0; i < strips->count; i++)
		for (int lane = 0; lane < strips->lanes; lane++)
			add_lane(drawing, strips, i, lane);
	return drawing_block(drawing);
}

/* A bar across the lane at each median. */
static int add_medians(struct drawing *drawing, const struct strips *strips)
{
	double height = MEDIAN_HEIGHT / strips->lanes;

	for (size_t i = 0; i < strips->count; i++)
		for (int lane = 0; lane < strips->lanes; lane++) {
			const struct series *series = lane_series(strips, i, lane);

			if (series)
				text_format(&drawing->data, "%.17g\t%.6f\t0\t%.6f\t%u\n",
					    series->median,
					    lane_middle(strips, i, lane) - height / 2, height,
					    strip_colour(strips, i));
		}
	return drawing_block(drawing);
}

/* In canvas coordinates, right-aligned before the axis. */
static int add_names(struct drawing *drawing, const struct strips *strips)
{
	for (size_t i = 0; i < strips->count; i++) {
		const struct cell *cell = strips->cells[i];
		const struct backend *backend = &strips->results->backends[cell->backend];
		struct text name = {0};

		text_field(&name, backend->name, strips->several ? 18 : 24);
		if (strips->several && backend->executor)
			text_format(&name, ", %d worker%s", cell->workers,
				    cell->workers == 1 ? "" : "s");
		drawing_label(drawing, LEFT - 14, TOP + strips->strip * ((double)i + 0.5),
			      name.data, colour_of("foreground", -1));
		text_free(&name);
	}
	return drawing_block(drawing);
}

static void add_value(struct drawing *drawing, const struct strips *strips, size_t strip, int lane)
{
	const struct series *series = lane_series(strips, strip, lane);
	double x = strips->right + COLUMN * (lane + 1.0);
	double y = TOP + strips->strip * ((double)strip + 0.5);
	char value[VALUE_SIZE] = "–";

	if (series)
		value_format(value, series->median, series->unit);
	if (!strips->cells[strip]->failures)
		drawing_label(drawing, x, y, value, colour_of("foreground", -1));
	else if (lane == 0)
		drawing_label(drawing, x, y, "failed", colour_of("bad", -1));
}

static int add_values(struct drawing *drawing, const struct strips *strips)
{
	char ratio[VALUE_SIZE];

	for (int lane = 0; lane < strips->lanes; lane++) {
		drawing_label(drawing, strips->right + COLUMN * (lane + 1.0), TOP - 14,
			      strips->lanes > 1 ? lane_metric(strips, lane) : "median",
			      colour_of("muted", -1));
		for (size_t i = 0; i < strips->count; i++)
			add_value(drawing, strips, i, lane);
	}
	if (strips->lanes > 1)
		return drawing_block(drawing);
	drawing_label(drawing, strips->right + 2 * COLUMN, TOP - 14, "to best",
		      colour_of("muted", -1));
	for (size_t i = 0; i < strips->count; i++)
		if (strips->cells[i]->ratio > 0) {
			value_ratio(ratio, strips->cells[i]->ratio);
			drawing_label(drawing, strips->right + 2 * COLUMN,
				      TOP + strips->strip * ((double)i + 0.5), ratio,
				      colour_of("foreground", -1));
		}
	return drawing_block(drawing);
}

static int add_subtitle(struct drawing *drawing, const struct strips *strips)
{
	text_format(&drawing->data, "16\t47\t");
	if (strips->lanes > 1)
		text_add(&drawing->data, "latency; from above: p50, p99, p99.9");
	else
		text_field(&drawing->data, value_metric(strips->workload->metric), NAME_LIMIT);
	text_format(&drawing->data, "; each repetition and the median%s\t%u\n",
		    strips->scale.logarithmic ? "; logarithmic axis" : "", colour_of("muted", -1));
	return drawing_block(drawing);
}

static void write_axis(struct drawing *drawing, const struct strips *strips)
{
	drawing_panel(drawing, LEFT, strips->right, TOP, drawing->height - BOTTOM);
	text_format(
		&drawing->script,
		"set border 1 lc rgb '#%06x' lw 1\nset grid xtics ytics lt 1 lw 1 lc rgb '#%06x'\n"
		"set yrange [%zu:0]\nset ytics 0,1 format '' scale 0\n",
		colour_of("line", -1), colour_of("line", -1), strips->count);
	scale_write(&strips->scale, strips->unit, &drawing->script);
	text_format(&drawing->script,
		    "set xtics nomirror out scale 0 font ',12' tc rgb '#%06x' noenhanced\n",
		    colour_of("muted", -1));
}

static void write_script(struct drawing *drawing, const struct strips *strips)
{
	int points = add_points(drawing, strips), medians = add_medians(drawing, strips);
	int names = add_names(drawing, strips), values = add_values(drawing, strips);
	int subtitle = add_subtitle(drawing, strips), title;

	drawing_label(drawing, 16, 24, strips->workload->name, colour_of("foreground", -1));
	title = drawing_block(drawing);
	text_add(&drawing->script, "set multiplot\n");
	write_axis(drawing, strips);
	text_format(&drawing->script,
		    "plot data index %d using 1:2:3 with points pt 7 ps 0.5 lc rgb variable "
		    "notitle, data index %d using 1:2:3:4:5 with vectors nohead lw 3 "
		    "lc rgb variable notitle\n",
		    points, medians);
	drawing_canvas(drawing, 0, drawing->width, 0, drawing->height);
	drawing_labels(drawing, names, "right", ",13");
	drawing_labels(drawing, values, "right", ",13");
	drawing_labels(drawing, title, "left", ":Bold,16");
	drawing_labels(drawing, subtitle, "left", ",12");
	text_add(&drawing->script, "unset multiplot\n");
}

bool draw_workload(struct drawing *drawing, const struct results *results, size_t workload)
{
	struct strips strips = {.results = results, .workload = &results->workloads[workload]};

	strips.lanes = strips.workload->latency ? PERCENTILES : 1;
	strips.strip = strips.lanes > 1 ? 60 : 40;
	strips.right = WIDTH - 16 - COLUMN * (strips.lanes > 1 ? PERCENTILES : 2);
	collect(&strips, workload);
	if (strips.scale.any) {
		drawing->width = WIDTH;
		drawing->height = TOP + (int)(strips.strip * (double)strips.count) + BOTTOM;
		write_script(drawing, &strips);
	}
	free(strips.cells);
	return strips.scale.any;
}
