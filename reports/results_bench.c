/* SPDX-License-Identifier: MIT */
#include "json.h"
#include "results.h"
#include "text.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS_LIMIT 1000000
#define RATIO_LIMIT 1e15

/* A record of the file: one metric of one repetition, or the failure of one repetition. */
struct sample {
	size_t workload, backend;
	int workers;
	double repetition;
	const char *metric;
	const char *unit;
	const char *message;
	bool ok;
	bool known; /* value is a number */
	bool unsupported;
	bool together; /* of all repetitions */
	double value;
	size_t position;
};

static size_t workload_of(struct results *results, const char *name)
{
	for (size_t i = 0; i < results->workload_count; i++)
		if (strcmp(results->workloads[i].name, name) == 0)
			return i;
	results->workloads = reallocate(results->workloads, results->workload_count + 1,
					sizeof *results->workloads);
	results->workloads[results->workload_count] = (struct workload){.name = name};
	return results->workload_count++;
}

static int compare_workloads(const void *left, const void *right)
{
	const struct workload *a = left, *b = right;

	return strcmp(a->name, b->name);
}

/* The records come in the order of the runs, which is drawn by lot: without a list, by name. */
static int name_workloads(struct results *results, const struct place *place, const cJSON *list)
{
	struct place inside = {place->path, "results", 0};
	const cJSON *object;
	const char *name;

	if (results->workload_count)
		return 0;
	cJSON_ArrayForEach(object, list)
	{
		if (json_string(&inside, object, "workload", false, &name))
			return -1;
		workload_of(results, name);
		inside.index++;
	}
	if (results->workload_count)
		qsort(results->workloads, results->workload_count, sizeof *results->workloads,
		      compare_workloads);
	return 0;
}

bool workload_same_class(const struct workload *left, const struct workload *right)
{
	const char *a = left->kind ? left->kind : "", *b = right->kind ? right->kind : "";

	return strcmp(a, b) == 0;
}

/* Those of a class together, the classes in the order in which they come first. */
static void group_workloads(struct results *results)
{
	struct workload *list = results->workloads;

	for (size_t i = 1; i < results->workload_count; i++) {
		struct workload moved = list[i];
		size_t place = i;

		while (place && !workload_same_class(&list[place - 1], &moved))
			place--;
		if (!place)
			continue;
		memmove(&list[place + 1], &list[place], (i - place) * sizeof *list);
		list[place] = moved;
	}
}

/* What the file says of its workloads, if it does; then they come in this order. */
static int read_workloads(struct results *results, const char *path, const cJSON *tree)
{
	struct place place = {.path = path};
	const cJSON *list, *object;

	if (!cJSON_GetObjectItemCaseSensitive(tree, "workloads"))
		return 0;
	if (json_array(&place, tree, "workloads", &list))
		return -1;
	place.array = "workloads";
	cJSON_ArrayForEach(object, list)
	{
		struct workload *workload;
		const char *name;
		size_t index;

		if (json_string(&place, object, "name", false, &name))
			return -1;
		index = workload_of(results, name); /* may move the array */
		workload = &results->workloads[index];
		if (json_string(&place, object, "class", true, &workload->kind) ||
		    json_string(&place, object, "separates", true, &workload->separates) ||
		    json_string(&place, object, "operation", true, &workload->operation) ||
		    json_string(&place, object, "metric", true, &workload->metric))
			return -1;
		place.index++;
	}
	group_workloads(results);
	return 0;
}

/* In the order asked for, where the file tells it; that of the runs is drawn by lot. */
static int read_backends(struct results *results, const char *path, const cJSON *tree)
{
	struct place place = {.path = path};
	const cJSON *list, *object;
	const char *name;

	if (!cJSON_GetObjectItemCaseSensitive(tree, "backends"))
		return 0;
	if (json_array(&place, tree, "backends", &list))
		return -1;
	place.array = "backends";
	cJSON_ArrayForEach(object, list)
	{
		if (json_string(&place, object, "backend", false, &name))
			return -1;
		results_backend(results, name);
		place.index++;
	}
	return 0;
}

static int read_value(const struct place *place, const cJSON *object, struct sample *sample)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, "value");
	const cJSON *ok = cJSON_GetObjectItemCaseSensitive(object, "ok");

	if (!cJSON_IsBool(ok))
		return json_refuse(place, "expected true or false as \"ok\"");
	sample->ok = cJSON_IsTrue(ok);
	if (json_is_number(value) && value->valuedouble >= 0 && value->valuedouble <= 1e30) {
		sample->value = value->valuedouble;
		sample->known = sample->ok;
		return 0;
	}
	if (!cJSON_IsNull(value))
		return json_refuse(place,
				   "expected a number from 0 to 1e30, or null, as \"value\"");
	return 0;
}

/* Percentiles of all of them together stand behind the last. */
static double repetitions_of(const struct results *results)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(results->bench_context, "repetitions");

	return json_is_number(item) ? item->valuedouble : INFINITY;
}

/* What gave a value without a worker gave it in the thread that submits. */
static bool ran_in_caller(const cJSON *object)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, "workers_effective");

	return json_is_number(item) && item->valuedouble == 0;
}

static int read_sample(struct results *results, const struct place *place, const cJSON *object,
		       struct sample *sample)
{
	const char *backend, *workload;
	double workers;

	if (json_string(place, object, "backend", false, &backend) ||
	    json_string(place, object, "workload", false, &workload) ||
	    json_string(place, object, "metric", false, &sample->metric) ||
	    json_string(place, object, "unit", true, &sample->unit) ||
	    json_string(place, object, "message", true, &sample->message) ||
	    json_integer(place, object, "workers", 0, WORKERS_LIMIT, &workers) ||
	    json_integer(place, object, "repetition", 0, INT_MAX, &sample->repetition) ||
	    read_value(place, object, sample))
		return -1;
	sample->unsupported = cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(object, "supported"));
	sample->together = sample->repetition >= repetitions_of(results);
	sample->workers = (int)workers;
	sample->workload = workload_of(results, workload);
	sample->backend = results_backend(results, backend);
	results->backends[sample->backend].measured = true;
	if (results->backends[sample->backend].executor) {
		results->workloads[sample->workload].has_executors = true;
		results->backends[sample->backend].in_caller |=
			sample->known && ran_in_caller(object);
	}
	return 0;
}

static int by_cell(const void *left, const void *right)
{
	const struct sample *a = left, *b = right;

	if (a->workload != b->workload)
		return a->workload < b->workload ? -1 : 1;
	if (a->workers != b->workers)
		return a->workers < b->workers ? -1 : 1;
	if (a->backend != b->backend)
		return a->backend < b->backend ? -1 : 1;
	return 0;
}

static int by_repetition(const void *left, const void *right)
{
	const struct sample *a = left, *b = right;
	int order = by_cell(left, right);

	if (!order)
		order = strcmp(a->metric, b->metric);
	if (!order)
		order = (a->repetition > b->repetition) - (a->repetition < b->repetition);
	return order ? order : (a->position > b->position) - (a->position < b->position);
}

/* Sorted so that duplicates are neighbours; and with the file's order of metrics inside a cell. */
static int by_position(const void *left, const void *right)
{
	const struct sample *a = left, *b = right;
	int order = by_cell(left, right);

	return order ? order : (a->position > b->position) - (a->position < b->position);
}

static int refuse_duplicates(const struct results *results, const char *path,
			     const struct sample *samples, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		const struct sample *a = &samples[i - 1], *b = a + 1;
		const struct place place = {path, "results", b->position};

		if (by_cell(a, b) == 0 && a->repetition == b->repetition &&
		    strcmp(a->metric, b->metric) == 0)
			return json_refuse(
				&place,
				"repetition %.0f of \"%s\" of the workload \"%s\" on the "
				"backend \"%s\" occurs a second time (first in "
				"results[%zu]); expected each once",
				b->repetition, b->metric, results->workloads[b->workload].name,
				results->backends[b->backend].name, a->position);
	}
	return 0;
}

static struct series *series_of(struct cell *cell, const struct sample *sample)
{
	for (size_t i = 0; i < cell->series_count; i++)
		if (strcmp(cell->series[i].metric, sample->metric) == 0)
			return &cell->series[i];
	if (cell->series_count == CELL_SERIES)
		return NULL;
	cell->series[cell->series_count] =
		(struct series){.metric = sample->metric, .unit = sample->unit};
	return &cell->series[cell->series_count++];
}

static int add_sample(const struct place *place, struct cell *cell, const struct sample *sample)
{
	struct series *series;

	if (!sample->ok) {
		cell->failures++;
		if (!cell->message)
			cell->message = sample->message ? sample->message : "no message";
		return 0;
	}
	series = series_of(cell, sample);
	if (!series)
		return json_refuse(place, "expected at most %d metrics of a workload", CELL_SERIES);
	if (series->unit != sample->unit &&
	    (!series->unit || !sample->unit || strcmp(series->unit, sample->unit) != 0))
		return json_refuse(place, "expected the unit of \"%s\" to be the same in all rows",
				   sample->metric);
	series->asked += !sample->together;
	if (!sample->known) {
		series->note = sample->message ? sample->message : "not known";
		cell->unsupported |= sample->unsupported;
		return 0;
	}
	if (sample->together && series->count)
		return 0;
	series->together = sample->together;
	series->values = reallocate(series->values, series->count + 1, sizeof *series->values);
	series->values[series->count++] = sample->value;
	return 0;
}

static int compare_numbers(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static void summarize(struct series *series)
{
	double *sorted = allocate(series->count, sizeof *sorted);
	size_t middle = series->count / 2;

	if (series->count) {
		memcpy(sorted, series->values, series->count * sizeof *sorted);
		qsort(sorted, series->count, sizeof *sorted, compare_numbers);
		series->least = sorted[0];
		series->most = sorted[series->count - 1];
		series->lower = sorted[(series->count - 1) / 4];
		series->upper = sorted[series->count - 1 - (series->count - 1) / 4];
		series->median = series->count % 2 ? sorted[middle]
						   : (sorted[middle - 1] + sorted[middle]) / 2;
	}
	free(sorted);
}

static int make_cells(struct results *results, const char *path, const struct sample *samples,
		      size_t count)
{
	results->cells = allocate(count, sizeof *results->cells);
	for (size_t i = 0; i < count; i++) {
		const struct place place = {path, "results", samples[i].position};
		struct cell *cell = &results->cells[results->cell_count];

		if (i == 0 || by_cell(&samples[i - 1], &samples[i]) != 0) {
			*cell = (struct cell){.workload = samples[i].workload,
					      .backend = samples[i].backend,
					      .workers = samples[i].workers};
			results->cell_count++;
		} else {
			cell--;
		}
		if (add_sample(&place, cell, &samples[i]))
			return -1;
	}
	for (size_t i = 0; i < results->cell_count; i++)
		for (size_t j = 0; j < results->cells[i].series_count; j++) {
			struct series *series = &results->cells[i].series[j];

			summarize(series);
			if (series->asked > results->cells[i].repetitions)
				results->cells[i].repetitions = series->asked;
		}
	return 0;
}

/* Without a word of the file, the first metric in it is the one to compare by. */
static void choose_metrics(struct results *results, const struct sample *samples, size_t count)
{
	for (int failed = 0; failed <= 1; failed++)
		for (size_t i = 0; i < count; i++) {
			struct workload *workload = &results->workloads[samples[i].workload];

			if (!workload->metric && (samples[i].ok || failed))
				workload->metric = samples[i].metric;
		}
	for (size_t i = 0; i < results->workload_count; i++) {
		const char *metric = results->workloads[i].metric;

		results->workloads[i].latency =
			metric && metric[0] == 'p' && metric[1] >= '0' && metric[1] <= '9';
	}
}

static const struct series *compared(const struct results *results, const struct cell *cell)
{
	return cell_comparable(cell, results->workloads[cell->workload].metric);
}

static void make_rows(struct results *results)
{
	results->rows = allocate(results->cell_count, sizeof *results->rows);
	for (size_t i = 0; i < results->cell_count; i++) {
		const struct cell *cell = &results->cells[i];
		struct row *row = &results->rows[results->row_count];
		const struct series *series = compared(results, cell);

		if (!results->backends[cell->backend].executor)
			continue;
		if (results->row_count && row[-1].workload == cell->workload &&
		    row[-1].workers == cell->workers) {
			row--;
		} else {
			*row = (struct row){
				.workload = cell->workload, .workers = cell->workers, .best = -1};
			results->row_count++;
		}
		if (series && backend_competes(&results->backends[cell->backend]) &&
		    (row->best < 0 || series->median < row->best))
			row->best = series->median;
	}
	for (size_t i = 1; i < results->row_count; i++)
		if (results->rows[i - 1].workload == results->rows[i].workload)
			results->rows[i - 1].several = results->rows[i].several = true;
}

/* Without an executor there are no workers: such a row is related to the workload's first. */
static const struct row *row_of(const struct results *results, const struct cell *cell)
{
	bool executor = results->backends[cell->backend].executor;

	for (size_t i = 0; i < results->row_count; i++)
		if (results->rows[i].workload == cell->workload &&
		    (!executor || results->rows[i].workers == cell->workers))
			return &results->rows[i];
	return NULL;
}

static void relate(struct results *results)
{
	for (size_t i = 0; i < results->cell_count; i++) {
		struct cell *cell = &results->cells[i];
		const struct series *series = compared(results, cell);
		const struct row *row = row_of(results, cell);

		/* Nonsense such as 1e30 to 1e-300 has no ratio, nor has anything to nothing. */
		if (series && row && series->median == row->best)
			cell->ratio = 1;
		else if (series && row && row->best > 0 && series->median / row->best < RATIO_LIMIT)
			cell->ratio = series->median / row->best;
	}
}

const struct series *cell_series(const struct cell *cell, const char *metric)
{
	for (size_t i = 0; metric && i < cell->series_count; i++)
		if (strcmp(cell->series[i].metric, metric) == 0)
			return cell->series[i].count ? &cell->series[i] : NULL;
	return NULL;
}

const struct series *cell_primary(const struct results *results, const struct cell *cell)
{
	return cell->failures ? NULL : cell_series(cell, results->workloads[cell->workload].metric);
}

const struct series *cell_comparable(const struct cell *cell, const char *metric)
{
	const struct series *series = cell->failures ? NULL : cell_series(cell, metric);

	return series && (series->together || 2 * series->count >= cell->repetitions) ? series
										      : NULL;
}

const struct cell *results_cell(const struct results *results, size_t workload, size_t backend,
				int workers)
{
	for (size_t i = 0; i < results->cell_count; i++) {
		const struct cell *cell = &results->cells[i];

		if (cell->workload == workload && cell->backend == backend &&
		    cell->workers == workers)
			return cell;
	}
	return NULL;
}

int results_read_bench(struct results *results, const char *path, const cJSON *tree)
{
	struct place place = {.path = path};
	const cJSON *list, *object;
	struct sample *samples;
	size_t count = 0;
	int failed = 0;

	if (read_backends(results, path, tree) || read_workloads(results, path, tree) ||
	    json_array(&place, tree, "results", &list) || name_workloads(results, &place, list))
		return -1;
	results->bench_context = cJSON_GetObjectItemCaseSensitive(tree, "context");
	if (!cJSON_IsObject(results->bench_context))
		return json_refuse(&place, "expected an object \"context\"");
	samples = allocate((size_t)cJSON_GetArraySize(list), sizeof *samples);
	place.array = "results";
	cJSON_ArrayForEach(object, list)
	{
		samples[count].position = place.index;
		failed = failed || read_sample(results, &place, object, &samples[count]);
		count++;
		place.index++;
		if (failed)
			break;
	}
	if (!failed) {
		qsort(samples, count, sizeof *samples, by_repetition);
		failed = refuse_duplicates(results, path, samples, count);
	}
	if (!failed) {
		qsort(samples, count, sizeof *samples, by_position);
		choose_metrics(results, samples, count);
		failed = make_cells(results, path, samples, count);
	}
	free(samples);
	if (failed)
		return -1;
	make_rows(results);
	relate(results);
	return 0;
}
