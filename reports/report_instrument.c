/* SPDX-License-Identifier: MIT */
#include "report.h"
#include "value.h"

#include <string.h>

/* The series of a workload that runs without an executor; NULL if it was not measured. */
static const struct series *series_of(const struct results *results, const char *workload,
				      const char *metric)
{
	for (size_t i = 0; i < results->cell_count; i++) {
		const struct cell *cell = &results->cells[i];

		if (!cell->failures &&
		    strcmp(results->workloads[cell->workload].name, workload) == 0)
			return cell_series(cell, metric);
	}
	return NULL;
}

static void say(struct page *page, const struct series *series, const char *before,
		const char *after)
{
	char value[VALUE_SIZE];

	if (!series)
		return;
	value_format(value, series->median, series->unit);
	page_say(page, "%s%s%s", before, value, after);
}

/* The first thing that a reader of small figures should know. */
void report_instrument(struct page *page, const struct results *results)
{
	const struct series *loop = series_of(results, "instrument_loop", "wall_per_op");
	const struct series *bare = series_of(results, "instrument_loop", "bare_per_op");
	const struct series *latency = series_of(results, "instrument_latency", "p50");

	if (!loop)
		return;
	page_paragraph(page, "note");
	say(page, loop, "What measuring itself costs: ", " an operation");
	say(page, bare, " (a bare loop: ", ")");
	say(page, series_of(results, "instrument_clock", "wall_per_op"), "; ",
	    " to read the clock");
	say(page, series_of(results, "instrument_latency", "wall_per_op"), "; ",
	    " to take and store a latency");
	say(page, latency, ", of which ", " are in the latency");
	say(page, series_of(results, "instrument_sample", "wall_per_op"), "; ", " a sample");
	page_say(page, ".");
	page_paragraph_end(page);
}
