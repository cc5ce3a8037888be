/* SPDX-License-Identifier: MIT */
#include "plot.h"

#include "draw.h"
#include "gnuplot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void forget(struct figure *figure)
{
	free(figure->svg);
	free(figure->file);
	*figure = (struct figure){0};
}

/* Returns false when no figure can be expected any more. */
static bool make_figure(struct plots *plots, struct figure *figure, const char *directory,
			const char *name, const struct drawing *drawing)
{
	struct text folder = {0}, inlined = {0}, file = {0};

	text_format(&folder, "%s/plots", directory);
	if (gnuplot_draw(folder.data, name, drawing->width, drawing->height, &drawing->data,
			 &drawing->script, &inlined, &plots->reason)) {
		plots->message = plots->reason.data;
		text_free(&inlined);
	} else {
		text_format(&file, "plots/%s.svg", name);
		*figure = (struct figure){inlined.data, file.data};
	}
	text_free(&folder);
	return !plots->message;
}

/* Names of different workloads may have the same slug. */
static void name_figure(struct text *name, const struct results *results, size_t workload)
{
	text_add(name, "workload-");
	text_slug(name, results->workloads[workload].name);
	for (size_t i = 0; i < workload; i++) {
		struct text other = {0};

		text_add(&other, "workload-");
		text_slug(&other, results->workloads[i].name);
		if (strcmp(other.data, name->data) == 0) {
			text_format(name, "--%zu", workload);
			i = workload;
		}
		text_free(&other);
	}
}

static bool make_workload(struct plots *plots, const struct results *results, size_t workload,
			  const char *directory)
{
	struct drawing drawing = {0};
	struct text name = {0};
	bool drawn = true;

	name_figure(&name, results, workload);
	if (draw_workload(&drawing, results, workload))
		drawn = make_figure(plots, &plots->workloads[workload], directory, name.data,
				    &drawing);
	drawing_free(&drawing);
	text_free(&name);
	return drawn;
}

void plots_make(struct plots *plots, const struct results *results, const char *directory)
{
	struct drawing drawing = {0};
	bool drawn = true;

	*plots = (struct plots){.workload_count = results->workload_count};
	plots->workloads = allocate(results->workload_count, sizeof *plots->workloads);
	if (results->row_count) {
		draw_heat_map(&drawing, results);
		drawn = make_figure(plots, &plots->heat_map, directory, "heat-map", &drawing);
		drawing_free(&drawing);
	}
	for (size_t i = 0; drawn && i < results->workload_count; i++)
		drawn = make_workload(plots, results, i, directory);
}

void plots_free(struct plots *plots)
{
	forget(&plots->heat_map);
	for (size_t i = 0; i < plots->workload_count; i++)
		forget(&plots->workloads[i]);
	free(plots->workloads);
	text_free(&plots->reason);
	*plots = (struct plots){0};
}
