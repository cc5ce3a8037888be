/* SPDX-License-Identifier: MIT */
#include "resume.h"

#include "compare/samples.h"
#include "json.h"
#include "record.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char latencies_name[] = "unfinished_latencies";

/* The file that grew, if there is one. */
static const char *file_of(const struct options *options)
{
	return access(options->part, F_OK) == 0 ? options->part : options->output;
}

static int refuse(const struct options *options, const char *why)
{
	fprintf(stderr, "assay-bench: cannot resume '%s': %s\n", file_of(options), why);
	return -1;
}

static struct plan_cell *cell_of(struct plan *plan, const char *workload, const char *backend,
				 int workers)
{
	for (size_t i = 0; i < plan->count; i++) {
		struct plan_cell *cell = &plan->cells[i];

		if (cell->workers == workers && strcmp(cell->workload->name, workload) == 0 &&
		    strcmp(cell->backend, backend) == 0)
			return cell;
	}
	return NULL;
}

/* Samples of two programs, machines or orders do not belong into one file. */
static int check_context(const cJSON *context, const cJSON *now, const struct options *options)
{
	const char *name = record_difference(now, context);
	struct text why = {0};

	if (!name)
		return 0;
	if (strcmp(name, "scale") == 0 || strcmp(name, "seed") == 0 ||
	    strcmp(name, "repetitions_asked") == 0) {
		text_add(&why, "it was run with another scale, seed or number of repetitions");
	} else {
		text_add(&why, "the field \"");
		text_line(&why, name); /* of any file */
		text_add(&why, "\" of its context has changed");
	}
	refuse(options, why.data);
	text_free(&why);
	return -1;
}

static const cJSON *named(const cJSON *backends, const cJSON *name)
{
	const cJSON *item;

	cJSON_ArrayForEach(
		item, backends) if (cJSON_Compare(cJSON_GetObjectItemCaseSensitive(item, "backend"),
						  name, true)) return item;
	return NULL;
}

/* The same, built as they were, in any order. */
static int check_backends(const cJSON *backends, const cJSON *now, const struct options *options)
{
	const cJSON *item;
	char why[200];

	if (cJSON_GetArraySize(backends) != cJSON_GetArraySize(now))
		return refuse(options, "it was run with other backends");
	cJSON_ArrayForEach(item, now)
	{
		const cJSON *name = cJSON_GetObjectItemCaseSensitive(item, "backend");
		const cJSON *before = named(backends, name);

		if (!before)
			return refuse(options, "it was run with other backends");
		if (cJSON_Compare(before, item, true))
			continue;
		snprintf(why, sizeof why, "backend '%.100s' is another than it was then",
			 name->valuestring);
		return refuse(options, why);
	}
	return 0;
}

static int mark(struct plan *plan, const struct options *options, const struct samples *samples)
{
	for (size_t i = 0; i < samples->count; i++) {
		const struct sample *sample = &samples->list[i];
		struct plan_cell *cell =
			cell_of(plan, sample->workload, sample->backend, sample->workers);
		size_t repetition = (size_t)sample->repetition;

		if (!cell || repetition >= plan->repetitions)
			return refuse(options, "it has samples that this run would not take; give "
					       "the same backends, workloads and workers");
		plan->done[(size_t)(cell - plan->cells) * plan->repetitions + repetition] = true;
	}
	return 0;
}

static int restore(struct plan_cell *cell, const cJSON *values, const cJSON *last)
{
	size_t count = (size_t)cJSON_GetArraySize(values);
	const cJSON *value;

	cell->latencies_ns = calloc(count + 1, sizeof *cell->latencies_ns);
	if (!cell->latencies_ns || !cJSON_IsNumber(last) || last->valuedouble < 0 ||
	    last->valuedouble > (double)count)
		return -1;
	cJSON_ArrayForEach(value, values)
	{
		if (!json_is_number(value) || value->valuedouble < 0 || value->valuedouble > 1e18)
			return -1;
		cell->latencies_ns[cell->latency_count++] = (uint64_t)value->valuedouble;
	}
	cell->repetition_latencies = (size_t)last->valuedouble;
	return 0;
}

static int restore_all(struct plan *plan, const struct options *options, const cJSON *document)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(document, latencies_name), *item;

	cJSON_ArrayForEach(item, list)
	{
		const cJSON *workload = cJSON_GetObjectItemCaseSensitive(item, "workload");
		const cJSON *backend = cJSON_GetObjectItemCaseSensitive(item, "backend");
		const cJSON *workers = cJSON_GetObjectItemCaseSensitive(item, "workers");
		struct plan_cell *cell = NULL;

		if (cJSON_IsString(workload) && cJSON_IsString(backend) && cJSON_IsNumber(workers))
			cell = cell_of(plan, workload->valuestring, backend->valuestring,
				       workers->valueint);
		if (!cell || cell->latencies_ns ||
		    restore(cell, cJSON_GetObjectItemCaseSensitive(item, "values"),
			    cJSON_GetObjectItemCaseSensitive(item, "of_last_repetition")))
			return refuse(options, "its unfinished latencies are broken");
	}
	return 0;
}

cJSON *resume_read(struct plan *plan, const struct options *options, const cJSON *now)
{
	struct samples samples;
	cJSON *document = NULL;

	if (samples_read(&samples, file_of(options)) == 0 &&
	    check_context(samples.context, cJSON_GetObjectItemCaseSensitive(now, "context"),
			  options) == 0 &&
	    check_backends(cJSON_GetObjectItemCaseSensitive(samples.tree, "backends"),
			   cJSON_GetObjectItemCaseSensitive(now, "backends"), options) == 0 &&
	    mark(plan, options, &samples) == 0 && restore_all(plan, options, samples.tree) == 0) {
		document = samples.tree;
		samples.tree = NULL;
	}
	samples_free(&samples);
	return document;
}

void resume_keep(cJSON *document, const struct plan *plan, bool complete)
{
	cJSON *list;

	cJSON_DeleteItemFromObjectCaseSensitive(document, latencies_name);
	if (complete)
		return;
	list = cJSON_AddArrayToObject(document, latencies_name);
	for (size_t i = 0; i < plan->count; i++) {
		const struct plan_cell *cell = &plan->cells[i];
		cJSON *item, *values;

		if (!cell->latency_count)
			continue;
		item = cJSON_CreateObject();
		cJSON_AddStringToObject(item, "workload", cell->workload->name);
		cJSON_AddStringToObject(item, "backend", cell->backend);
		cJSON_AddNumberToObject(item, "workers", cell->workers);
		cJSON_AddNumberToObject(item, "of_last_repetition",
					(double)cell->repetition_latencies);
		values = cJSON_AddArrayToObject(item, "values");
		for (size_t j = 0; j < cell->latency_count; j++)
			cJSON_AddItemToArray(values,
					     cJSON_CreateNumber((double)cell->latencies_ns[j]));
		cJSON_AddItemToArray(list, item);
	}
}
