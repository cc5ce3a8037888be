/* SPDX-License-Identifier: MIT */
#include "table.h"

#include "record.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct summary {
	double median, least, most; /* NaN without values */
	unsigned failures;
	unsigned values;
	const char *message; /* of a failure, or why there is no value */
};

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static const char *text_of(const cJSON *record, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record, name));

	return text ? text : "";
}

static bool is_of(const cJSON *record, const struct plan_cell *cell)
{
	const cJSON *workers = cJSON_GetObjectItemCaseSensitive(record, "workers");

	return strcmp(text_of(record, "workload"), cell->workload->name) == 0 &&
	       strcmp(text_of(record, "backend"), cell->backend) == 0 &&
	       workers->valueint == cell->workers;
}

/* values has room for one value a repetition, and one of all together. */
static struct summary summarize(const cJSON *results, const struct plan_cell *cell,
				const char *metric, double *values)
{
	struct summary summary = {NAN, NAN, NAN, 0, 0, ""};
	const cJSON *record;

	cJSON_ArrayForEach(record, results)
	{
		const cJSON *value = cJSON_GetObjectItemCaseSensitive(record, "value");

		if (!is_of(record, cell))
			continue;
		if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(record, "ok"))) {
			summary.message = text_of(record, "message");
			summary.failures++;
		} else if (strcmp(text_of(record, "metric"), metric) == 0) {
			if (cJSON_IsNumber(value))
				values[summary.values++] = value->valuedouble;
			else if (!summary.failures)
				summary.message = text_of(record, "message");
		}
	}
	if (summary.values) {
		unsigned middle = summary.values / 2;

		qsort(values, summary.values, sizeof *values, compare);
		summary.least = values[0];
		summary.most = values[summary.values - 1];
		summary.median = summary.values % 2 ? values[middle]
						    : (values[middle - 1] + values[middle]) / 2;
	}
	return summary;
}

/* Nanoseconds as people read them: three digits or more, and the unit. */
static void print_time(FILE *file, double ns, int width)
{
	static const char *const units[] = {"ns", "us", "ms", "s "};
	unsigned unit = 0;

	for (; unit < 3 && fabs(ns) >= 1000; unit++)
		ns /= 1000;
	if (isnan(ns))
		fprintf(file, "%*s", width, "-");
	else
		fprintf(file, "%*.*f %s", width - 3,
			ns < 10    ? 2
			: ns < 100 ? 1
				   : 0,
			ns, units[unit]);
}

/* Bytes, counts and ratios as they are. */
static void print_value(FILE *file, double value, const char *unit, int width)
{
	if (strcmp(unit, "ns") == 0)
		print_time(file, value, width);
	else
		fprintf(file, "%*.*f   ", width - 3, value < 10 ? 3 : value < 100 ? 1 : 0, value);
}

/* A row without an executor, or one whose tasks ran in the thread that submits. */
static bool is_reference(const cJSON *results, const struct plan_cell *cell)
{
	const cJSON *record;

	if (cell->backend == cell->workload->without)
		return true;
	cJSON_ArrayForEach(record, results)
	{
		const cJSON *workers =
			cJSON_GetObjectItemCaseSensitive(record, "workers_effective");

		if (is_of(record, cell) && cJSON_IsNumber(workers) && workers->valueint == 0 &&
		    cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(record, "value")))
			return true;
	}
	return false;
}

/* Of the rows that are compared with this one; infinite if there is none. */
static double best_of(const cJSON *results, const struct plan *plan, const struct plan_cell *like,
		      double *values)
{
	double best = INFINITY;

	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_cell *cell = &plan->cells[i];
		struct summary summary;

		/* The row without an executor is beside each number of workers. */
		if (cell->workload != like->workload || is_reference(results, cell))
			continue;
		if (cell->workers != like->workers && like->backend != like->workload->without)
			continue;
		summary = summarize(results, cell, cell->workload->metric, values);
		if (!summary.failures && summary.median < best)
			best = summary.median;
	}
	return best;
}

static void print_cell(FILE *file, const cJSON *results, const struct plan *plan,
		       const struct plan_cell *cell, int width, double *values)
{
	struct summary cpu = summarize(results, cell, "cpu_per_op", values);
	struct summary p99 = summarize(results, cell, "p99", values);
	struct summary p999 = summarize(results, cell, "p99.9", values);
	struct summary all = summarize(results, cell, cell->workload->metric, values);
	double best = best_of(results, plan, cell, values);

	fprintf(file, "  %-*s %7d", width, cell->backend, cell->workers);
	if (all.failures || !all.values) {
		fprintf(file, "  %s%s\n", all.failures ? "FAILED: " : "no value: ",
			*all.message ? all.message : "not run");
		return;
	}
	print_value(file, all.median, cell->workload->unit, 12);
	print_value(file, all.least, cell->workload->unit, 12);
	fputs(" ..", file);
	print_value(file, all.most, cell->workload->unit, 10);
	/* Nothing is a multiple of nothing. */
	if (best > 0 && isfinite(best))
		fprintf(file, " %9.2f", all.median / best);
	else
		fprintf(file, " %9s", all.median > 0 || isinf(best) ? "-" : "1.00");
	print_time(file, cpu.median, 12);
	if (strcmp(cell->workload->metric, "p50") == 0) {
		print_time(file, p99.median, 12);
		print_time(file, p999.median, 12);
	}
	fputc('\n', file);
}

static void print_all(FILE *file, const cJSON *results, const struct plan *plan, double *values)
{
	const struct workload *workload = NULL;
	int width = 18;

	for (size_t i = 0; i < plan->count; i++)
		if ((int)strlen(plan->cells[i].backend) > width)
			width = (int)strlen(plan->cells[i].backend);
	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_cell *cell = &plan->cells[i];

		if (cell->workload != workload) {
			workload = cell->workload;
			fprintf(file, "%s%s: %s, one operation: %s\n", i ? "\n" : "",
				workload->name, workload->metric, workload->operation);
			fprintf(file, "  %-*s %7s%12s%24s %9s%12s%s\n", width, "backend", "workers",
				"median", "least .. most", "to best", "CPU/op",
				strcmp(workload->metric, "p50") == 0 ? "         p99       p99.9"
								     : "");
		}
		print_cell(file, results, plan, cell, width, values);
	}
}

int table_write(const cJSON *document, const struct plan *plan, const char *output)
{
	const cJSON *results = cJSON_GetObjectItemCaseSensitive(document, "results");
	double *values = calloc(plan->repetitions + 1, sizeof *values);
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);
	int failed = -1;

	if (file && values)
		print_all(file, results, plan, values);
	if (!file || !values || fclose(file))
		fprintf(stderr, "assay-bench: no memory for the table\n");
	else
		failed = record_write(output, text);
	free(values);
	free(text);
	return failed;
}
