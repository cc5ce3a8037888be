/* SPDX-License-Identifier: MIT */
#include "resume.h"

#include "compare/samples.h"
#include "json.h"
#include "record.h"
#include "run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char latencies_name[] = "unfinished_latencies";

static int refuse(const struct options *options, const char *why)
{
	fprintf(stderr, "assay-bench: cannot resume '%s': %s\n", options->output, why);
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

static bool has_number(const cJSON *context, const char *name, double expected)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(context, name);

	return cJSON_IsNumber(item) && item->valuedouble == expected;
}

static bool has_text(const cJSON *context, const char *name, const char *expected)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(context, name));

	return text ? expected && strcmp(text, expected) == 0 : !expected;
}

/* Samples of two programs, machines or orders do not belong into one file. */
static int check_context(const cJSON *context, const struct options *options)
{
	static const char *const same[] = {"version",        "git_revision", "compiler",
					   "compiler_flags", "build_type",   "cpu_model"};
	cJSON *now = record_context("assay-bench");
	char message[120] = "";

	if (!has_text(context, "scale", scale_names[options->scale]) ||
	    !has_number(context, "seed", (double)options->seed) ||
	    !has_number(context, "repetitions_asked", options->repetitions))
		snprintf(message, sizeof message,
			 "it was run with another scale, seed or number of repetitions");
	for (size_t i = 0; i < sizeof same / sizeof *same && !*message; i++)
		if (!has_text(context, same[i],
			      cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(now, same[i]))))
			snprintf(message, sizeof message, "its %s is another than now", same[i]);
	cJSON_Delete(now);
	return *message ? refuse(options, message) : 0;
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

cJSON *resume_read(struct plan *plan, const struct options *options)
{
	struct samples samples;
	cJSON *document = NULL;

	if (samples_read(&samples, options->output) == 0 &&
	    check_context(samples.context, options) == 0) {
		if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(samples.context, "complete")))
			refuse(options, "it is complete");
		else if (mark(plan, options, &samples) == 0 &&
			 restore_all(plan, options, samples.tree) == 0) {
			document = samples.tree;
			samples.tree = NULL;
		}
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
