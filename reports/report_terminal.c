/* SPDX-License-Identifier: MIT */
/* The report in short, for a terminal: conformance, and each workload relative to its best. */
#include "report.h"
#include "value.h"

#include <stdio.h>

#define NAME_WIDTH 28
#define COLUMN_WIDTH 28

/* Columns are aligned by characters: what begins a character counts, what continues it does not. */
static void print_cell(const char *string, int width)
{
	int shown = 0;

	for (const char *at = string; *at; at++)
		shown += ((unsigned char)*at & 0xc0) != 0x80;
	printf("%s%*s", string, shown < width ? width - shown : 1, "");
}

static void print_name(const char *name, int width)
{
	struct text line = {0};

	text_line(&line, name);
	print_cell(line.data ? line.data : "", width);
	text_free(&line);
}

static void print_conformance(const struct results *results)
{
	print_cell("clauses", NAME_WIDTH);
	for (size_t i = 0; i < results->backend_count; i++) {
		const struct backend *backend = &results->backends[i];
		char cell[96];

		if (!backend->executor)
			continue;
		snprintf(cell, sizeof cell, "%s %zu of %zu",
			 !backend->conformed          ? "not run:"
			 : report_conformant(backend) ? "conformant:"
						      : "NOT conformant:",
			 backend->clauses[VERDICT_PASS], results->clause_count);
		print_cell(cell, COLUMN_WIDTH);
	}
	putchar('\n');
}

static void print_measurement(const struct results *results, const struct cell *cell)
{
	const struct series *series = cell ? cell_primary(results, cell) : NULL;
	char value[VALUE_SIZE], ratio[VALUE_SIZE], both[2 * VALUE_SIZE + 2];

	if (cell && cell->failures) {
		print_cell("FAILED", COLUMN_WIDTH);
	} else if (!series || !(cell->ratio > 0)) {
		print_cell("-", COLUMN_WIDTH);
	} else {
		value_format(value, series->median, series->unit);
		value_ratio(ratio, cell->ratio);
		snprintf(both, sizeof both, "%s %s", ratio, value);
		print_cell(both, COLUMN_WIDTH);
	}
}

void report_terminal(const struct results *results, const char *directory)
{
	print_cell("", NAME_WIDTH);
	for (size_t i = 0; i < results->backend_count; i++)
		if (results->backends[i].executor)
			print_name(results->backends[i].name, COLUMN_WIDTH);
	putchar('\n');
	if (results->conformance_context)
		print_conformance(results);
	for (size_t i = 0; i < results->row_count; i++) {
		const struct row *row = &results->rows[i];
		struct text name = {0};

		if (!results->workloads[row->workload].has_executors)
			continue;
		report_row_name(&name, results, row);
		print_name(name.data ? name.data : "", NAME_WIDTH);
		text_free(&name);
		for (size_t j = 0; j < results->backend_count; j++)
			if (results->backends[j].executor)
				print_measurement(results, results_cell(results, row->workload, j,
									row->workers));
		putchar('\n');
	}
	printf("\n%s%s/report.html\n",
	       results->row_count ? "Medians, each as a multiple of the lowest in its row.\n" : "",
	       directory);
}
