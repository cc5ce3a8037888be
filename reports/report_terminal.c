/* SPDX-License-Identifier: MIT */
/* The report in short, for a terminal: conformance, and each workload relative to its best. */
#include "record.h"
#include "report.h"
#include "value.h"

#include <stdio.h>

#define NAME_WIDTH 28
#define COLUMN_WIDTH 28

/* Columns are aligned by characters: what begins a character counts, what continues it does not. */
static void add_cell(struct text *line, const char *string, int width)
{
	int shown = 0;

	for (const char *at = string; *at; at++)
		shown += ((unsigned char)*at & 0xc0) != 0x80;
	text_format(line, "%s%*s", string, shown < width ? width - shown : 1, "");
}

static void add_name(struct text *line, const char *name, int width)
{
	struct text shown = {0};

	text_line(&shown, name);
	add_cell(line, shown.data ? shown.data : "", width);
	text_free(&shown);
}

/* The last cell is padded as the others are, but no line ends in blanks. */
static void end_line(struct text *out, struct text *line)
{
	while (line->length > 0 && line->data[line->length - 1] == ' ')
		line->length--;
	text_bytes(out, line->data, line->length);
	text_add(out, "\n");
	text_free(line);
}

/* A line of its own, where there is something to say. */
static void add_parts(struct text *out, const struct results *results)
{
	struct text line = {0};
	size_t parts = 0;

	add_cell(&line, "  in part", NAME_WIDTH);
	for (size_t i = 0; i < results->backend_count; i++) {
		const struct backend *backend = &results->backends[i];
		char cell[32];

		if (!backend->executor)
			continue;
		snprintf(cell, sizeof cell, "%zu", backend->clauses[VERDICT_PARTLY]);
		add_cell(&line, backend->conformed ? cell : "", COLUMN_WIDTH);
		parts += backend->clauses[VERDICT_PARTLY];
	}
	if (parts)
		end_line(out, &line);
	text_free(&line);
}

static void add_conformance(struct text *out, const struct results *results)
{
	struct text line = {0};

	add_cell(&line, "clauses", NAME_WIDTH);
	for (size_t i = 0; i < results->backend_count; i++) {
		const struct backend *backend = &results->backends[i];
		char cell[96];

		if (!backend->executor)
			continue;
		snprintf(cell, sizeof cell, "%s: %zu of %zu",
			 backend->conformed ? report_verdict(backend) : "not run",
			 backend->clauses[VERDICT_PASS], results->clause_count);
		add_cell(&line, cell, COLUMN_WIDTH);
	}
	end_line(out, &line);
	add_parts(out, results);
}

static void add_measurement(struct text *line, const struct results *results,
			    const struct cell *cell)
{
	const struct series *series = cell ? cell_primary(results, cell) : NULL;
	char value[VALUE_SIZE], ratio[VALUE_SIZE], both[2 * VALUE_SIZE + 2];

	if (cell && cell->failures) {
		add_cell(line, "FAILED", COLUMN_WIDTH);
	} else if (cell && cell->unsupported) {
		add_cell(line, "not supported", COLUMN_WIDTH);
	} else if (!series) {
		add_cell(line, "-", COLUMN_WIDTH);
	} else if (!(cell->ratio > 0)) {
		value_format(value, series->median, series->unit);
		add_cell(line, value, COLUMN_WIDTH);
	} else {
		value_format(value, series->median, series->unit);
		value_ratio(ratio, cell->ratio);
		snprintf(both, sizeof both, "%s %s", ratio, value);
		add_cell(line, both, COLUMN_WIDTH);
	}
}

int report_terminal(const struct results *results, const char *directory)
{
	struct text out = {0}, line = {0};
	int failed;

	add_cell(&line, "", NAME_WIDTH);
	for (size_t i = 0; i < results->backend_count; i++)
		if (results->backends[i].executor)
			add_name(&line, results->backends[i].name, COLUMN_WIDTH);
	end_line(&out, &line);
	if (results->conformance_context)
		add_conformance(&out, results);
	for (size_t i = 0; i < results->row_count; i++) {
		const struct row *row = &results->rows[i];
		struct text name = {0};

		if (!results->workloads[row->workload].has_executors)
			continue;
		report_row_name(&name, results, row);
		add_name(&line, name.data ? name.data : "", NAME_WIDTH);
		text_free(&name);
		for (size_t j = 0; j < results->backend_count; j++)
			if (results->backends[j].executor)
				add_measurement(
					&line, results,
					results_cell(results, row->workload, j, row->workers));
		end_line(&out, &line);
	}
	text_format(&out, "\n%s%s/report.html\n",
		    results->row_count ? "Medians, each as a multiple of the lowest in its row.\n"
				       : "",
		    directory);
	failed = record_write(NULL, out.data);
	text_free(&out);
	return failed;
}
