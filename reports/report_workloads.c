/* SPDX-License-Identifier: MIT */
#include "report.h"
#include "value.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

static void missing(struct page *page)
{
	page_paragraph(page, "warning");
	page_say(page, "No measurements: no file of them was given.");
	page_paragraph_end(page);
}

static void no_plots(struct page *page, const struct plots *plots)
{
	if (!plots->message)
		return;
	page_paragraph(page, "warning");
	page_say(page, "Tables only, no plots: %s.", plots->message);
	page_paragraph_end(page);
}

static void heat_cell(struct page *page, const struct results *results, const struct row *row,
		      size_t backend)
{
	const struct cell *cell = results_cell(results, row->workload, backend, row->workers);
	const struct series *series = cell ? cell_primary(results, cell) : NULL;
	char text[VALUE_SIZE];

	page_cell(page, cell && cell->failures ? "bad" : NULL, cell ? cell->message : NULL);
	if (!cell)
		page_muted(page, "–");
	else if (cell->failures)
		page_say(page, "failed");
	else if (cell->ratio > 0) {
		value_ratio(text, cell->ratio);
		page_say(page, "%s", text);
	} else if (series) {
		value_format(text, series->median, series->unit);
		page_muted(page, "%s", text);
	} else {
		page_muted(page, cell->unsupported ? "not supported" : "unknown");
	}
}

/* Ratios have no meaningful sum; and rows without a value are counted, not passed over. */
static void mean_cell(struct page *page, const struct results *results, size_t backend)
{
	double logarithms = 0;
	size_t count = 0;
	char ratio[VALUE_SIZE];

	for (size_t i = 0; i < results->row_count; i++) {
		const struct row *row = &results->rows[i];
		const struct cell *cell =
			results_cell(results, row->workload, backend, row->workers);

		if (cell && cell->ratio > 0) {
			logarithms += log(cell->ratio);
			count++;
		}
	}
	page_cell(page, NULL, NULL);
	if (count) {
		value_ratio(ratio, exp(logarithms / (double)count));
		page_strong(page, "%s", ratio);
		page_say(page, " ");
	}
	page_muted(page, "(%zu of %zu)", count, results->row_count);
}

static void heat_table(struct page *page, const struct results *results)
{
	struct text columns = {0};

	text_add(&columns, "t");
	for (size_t i = 0; i < results->backend_count; i++)
		if (results->backends[i].measured && results->backends[i].executor)
			text_add(&columns, "n");
	page_table(page, NULL, columns.data);
	page_cell(page, NULL, NULL);
	page_say(page, "Workload");
	for (size_t i = 0; i < results->backend_count; i++)
		if (results->backends[i].measured && results->backends[i].executor) {
			page_cell(page, NULL, NULL);
			report_backend(page, &results->backends[i]);
		}
	for (size_t i = 0; i <= results->row_count; i++) {
		struct text name = {0};

		page_row(page, NULL);
		page_cell(page, NULL, NULL);
		if (i < results->row_count)
			report_row_name(&name, results, &results->rows[i]);
		else
			text_add(&name, "geometric mean");
		page_say(page, "%s", name.data);
		text_free(&name);
		for (size_t j = 0; j < results->backend_count; j++) {
			if (!results->backends[j].measured || !results->backends[j].executor)
				continue;
			if (i < results->row_count)
				heat_cell(page, results, &results->rows[i], j);
			else
				mean_cell(page, results, j);
		}
	}
	page_table_end(page);
	text_free(&columns);
}

void report_heat_map(struct page *page, const struct results *results, const struct plots *plots)
{
	page_heading(page, 2, "heat-map", "Workloads and executors");
	if (!results->bench_context) {
		missing(page);
		return;
	}
	no_plots(page, plots);
	if (results->row_count == 0) {
		page_paragraph(page, "note");
		page_say(page, "No executor was measured.");
		page_paragraph_end(page);
		return;
	}
	if (plots->heat_map.svg) {
		page_figure(page, plots->heat_map.svg, plots->heat_map.file,
			    "Heat map: each workload on each executor, as a multiple of the best");
		page_fold(page, false, "The same as a table, with the mean");
	}
	page_paragraph(page, "note");
	page_say(page,
		 "The median of each executor as a multiple of the lowest in its row; 1.00 is "
		 "the best. The mean counts the rows that have a value, and says how many. What "
		 "runs "
		 "tasks in the thread that submits is shown beside the others and never the "
		 "lowest.");
	page_paragraph_end(page);
	heat_table(page, results);
	if (plots->heat_map.svg)
		page_fold_end(page);
}

static const char *const percentiles[] = {"p50", "p99", "p99.9"};

static void value_cell(struct page *page, const struct cell *cell, const char *metric)
{
	const struct series *series = cell_series(cell, metric);
	char value[VALUE_SIZE];

	page_cell(page, NULL, NULL);
	if (series) {
		value_format(value, series->median, series->unit);
		page_say(page, "%s", value);
		return;
	}
	page_muted(page, "–");
}

static void range_cell(struct page *page, const struct series *series)
{
	char least[VALUE_SIZE], most[VALUE_SIZE];

	page_cell(page, NULL, NULL);
	if (!series) {
		page_muted(page, "–");
		return;
	}
	value_format(least, series->least, series->unit);
	value_format(most, series->most, series->unit);
	page_say(page, "%s – %s", least, most);
}

/* "4 of 5": a median of four may lack the worst of five. */
static void say_repetitions(struct page *page, const struct cell *cell, const struct series *series)
{
	size_t count = !series ? 0 : series->together ? cell->repetitions : series->count;

	if (count < cell->repetitions)
		page_say(page, "%zu of ", count);
	page_say(page, "%zu", cell->repetitions);
}

static void cell_row(struct page *page, const struct results *results, const struct cell *cell,
		     bool tail)
{
	const struct workload *workload = &results->workloads[cell->workload];
	const struct series *series = cell_series(cell, workload->metric);
	char ratio[VALUE_SIZE] = "–";

	if (cell->ratio > 0)
		value_ratio(ratio, cell->ratio);
	page_row(page, NULL);
	page_cell(page, "name", NULL);
	report_backend(page, &results->backends[cell->backend]);
	if (!results->backends[cell->backend].executor)
		page_muted(page, " (no executor)");
	if (results->backends[cell->backend].in_caller)
		page_muted(page, " (in the caller)");
	page_cell(page, NULL, NULL);
	page_say(page, "%d", cell->workers);
	page_cell(page, NULL, NULL);
	say_repetitions(page, cell, series);
	if (cell->failures)
		page_say(page, " + %zu failed", cell->failures);
	value_cell(page, cell, workload->metric);
	range_cell(page, series);
	page_cell(page, NULL, NULL);
	page_say(page, "%s", ratio);
	if (tail)
		for (size_t i = 1; i < 3; i++)
			value_cell(page, cell, percentiles[i]);
	value_cell(page, cell, "cpu_per_op");
}

static void table_header(struct page *page, const char *const *headers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		page_cell(page, NULL, NULL);
		page_say(page, "%s", headers[i]);
	}
}

static void workload_table(struct page *page, const struct results *results, size_t index)
{
	static const char *const first[] = {"Executor", "Workers",      "Repetitions",
					    "Median",   "Least – most", "To best"};
	const struct workload *workload = &results->workloads[index];
	bool tail = workload->latency;

	page_table(page, NULL, tail ? "tnnnnnnnn" : "tnnnnnn");
	table_header(page, first, sizeof first / sizeof *first);
	if (tail)
		table_header(page, percentiles + 1, 2);
	page_cell(page, NULL, NULL);
	page_say(page, "CPU per operation");
	for (int executor = 1; executor >= 0; executor--)
		for (size_t i = 0; i < results->cell_count; i++)
			if (results->cells[i].workload == index &&
			    results->backends[results->cells[i].backend].executor == executor)
				cell_row(page, results, &results->cells[i], tail);
	page_table_end(page);
}

static void failed_cells(struct page *page, const struct results *results, size_t index)
{
	for (size_t i = 0; i < results->cell_count; i++) {
		const struct cell *cell = &results->cells[i];

		if (cell->workload != index || !cell->failures)
			continue;
		page_paragraph(page, "warning");
		page_strong(page, "%s, %d worker%s:", results->backends[cell->backend].name,
			    cell->workers, cell->workers == 1 ? "" : "s");
		page_say(page, " %zu failed: %s", cell->failures, cell->message);
		page_paragraph_end(page);
	}
}

static void unknown_values(struct page *page, const struct results *results, size_t index)
{
	for (size_t i = 0; i < results->cell_count; i++) {
		const struct cell *cell = &results->cells[i];

		for (size_t j = 0; cell->workload == index && j < cell->series_count; j++) {
			const struct series *series = &cell->series[j];

			if (!series->note || series->count)
				continue;
			page_paragraph(page, "note");
			if (cell->unsupported)
				page_say(page, "%s: %s.", results->backends[cell->backend].name,
					 series->note);
			else
				page_say(page, "%s of %s is not known: %s.",
					 value_metric(series->metric),
					 results->backends[cell->backend].name, series->note);
			page_paragraph_end(page);
		}
	}
}

static bool has_column(const struct workload *workload, const char *metric)
{
	/* The wall time of what runs at its own pace says nothing. */
	return strcmp(metric, workload->metric) == 0 || strcmp(metric, "cpu_per_op") == 0 ||
	       strcmp(metric, "wall_per_op") == 0 ||
	       (workload->latency &&
		(strcmp(metric, percentiles[1]) == 0 || strcmp(metric, percentiles[2]) == 0));
}

static void medians(struct page *page, const struct results *results, size_t index,
		    const char *metric)
{
	const char *separator = "", *words = value_metric(metric);

	page_paragraph(page, "note");
	page_say(page, "%c%s, medians: ", toupper((unsigned char)words[0]), words + 1);
	for (size_t i = 0; i < results->cell_count; i++) {
		const struct series *series = cell_series(&results->cells[i], metric);
		char value[VALUE_SIZE];

		if (results->cells[i].workload != index || !series)
			continue;
		value_format(value, series->median, series->unit);
		page_say(page, "%s%s %s", separator,
			 results->backends[results->cells[i].backend].name, value);
		if (!series->together && series->count < results->cells[i].repetitions)
			page_say(page, " (%zu of %zu)", series->count,
				 results->cells[i].repetitions);
		separator = ", ";
	}
	page_say(page, ".");
	page_paragraph_end(page);
}

/* Whether an earlier cell of the workload has values of this metric. */
static bool was_said(const struct results *results, size_t cell, const char *metric)
{
	for (size_t i = 0; i < cell; i++)
		if (results->cells[i].workload == results->cells[cell].workload &&
		    cell_series(&results->cells[i], metric))
			return true;
	return false;
}

/* Metrics that have no column of their own, and values that could not be had. */
static void other_metrics(struct page *page, const struct results *results, size_t index)
{
	unknown_values(page, results, index);
	for (size_t i = 0; i < results->cell_count; i++) {
		const struct cell *cell = &results->cells[i];

		for (size_t j = 0; cell->workload == index && j < cell->series_count; j++) {
			const char *metric = cell->series[j].metric;

			if (cell->series[j].count &&
			    !has_column(&results->workloads[index], metric) &&
			    !was_said(results, i, metric))
				medians(page, results, index, metric);
		}
	}
}

static bool was_measured(const struct results *results, size_t workload)
{
	for (size_t i = 0; i < results->cell_count; i++)
		if (results->cells[i].workload == workload)
			return true;
	return false;
}

static void workload_section(struct page *page, const struct results *results, size_t index,
			     const struct figure *figure)
{
	const struct workload *workload = &results->workloads[index];
	struct text anchor = {0};

	text_format(&anchor, "workload-%zu", index);
	page_heading(page, 3, anchor.data, "%s", workload->name);
	text_free(&anchor);
	page_paragraph(page, "note");
	if (workload->separates)
		page_say(page, "%s ", workload->separates);
	page_say(page, "Compared by the median %s; lower is better.",
		 value_metric(workload->metric));
	page_paragraph_end(page);
	if (figure->svg)
		page_figure(page, figure->svg, figure->file, workload->name);
	workload_table(page, results, index);
	failed_cells(page, results, index);
	other_metrics(page, results, index);
}

void report_workloads(struct page *page, const struct results *results, const struct plots *plots)
{
	page_heading(page, 2, "workloads", "Each workload");
	if (!results->bench_context) {
		missing(page);
		return;
	}
	for (size_t i = 0; i < results->workload_count; i++)
		if (was_measured(results, i))
			workload_section(page, results, i, &plots->workloads[i]);
}
