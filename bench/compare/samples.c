/* SPDX-License-Identifier: MIT */
#include "samples.h"

#include "json.h"
#include "text.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS_LIMIT 1000000

static int read_value(const struct place *place, const cJSON *object, struct sample *sample)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, "value");
	const cJSON *ok = cJSON_GetObjectItemCaseSensitive(object, "ok");
	const cJSON *supported = cJSON_GetObjectItemCaseSensitive(object, "supported");

	if (!cJSON_IsBool(ok))
		return json_refuse(place, "expected true or false as \"ok\"");
	if (supported && !cJSON_IsBool(supported))
		return json_refuse(place, "expected true or false as \"supported\"");
	sample->ok = cJSON_IsTrue(ok);
	sample->supported = !cJSON_IsFalse(supported);
	sample->known =
		json_is_number(value) && value->valuedouble >= 0 && value->valuedouble <= 1e30;
	if (!sample->known && !cJSON_IsNull(value))
		return json_refuse(place,
				   "expected a number from 0 to 1e30, or null, as \"value\"");
	if (sample->known)
		sample->value = value->valuedouble;
	return 0;
}

static int read_sample(const struct place *place, const cJSON *object, struct sample *sample)
{
	double workers;

	sample->position = place->index;
	if (json_string(place, object, "workload", false, &sample->workload) ||
	    json_string(place, object, "backend", false, &sample->backend) ||
	    json_string(place, object, "metric", false, &sample->metric) ||
	    json_string(place, object, "unit", true, &sample->unit) ||
	    json_string(place, object, "message", true, &sample->message) ||
	    json_integer(place, object, "workers", 0, WORKERS_LIMIT, &workers) ||
	    json_integer(place, object, "repetition", 0, INT_MAX, &sample->repetition))
		return -1;
	sample->workers = (int)workers;
	return read_value(place, object, sample);
}

static int compare_figures(const struct sample *a, const struct sample *b)
{
	int order = strcmp(a->workload, b->workload);

	if (!order)
		order = strcmp(a->backend, b->backend);
	if (!order)
		order = (a->workers > b->workers) - (a->workers < b->workers);
	return order ? order : strcmp(a->metric, b->metric);
}

static int compare(const void *left, const void *right)
{
	const struct sample *a = left, *b = right;
	int order = compare_figures(a, b);

	return order ? order : (a->repetition > b->repetition) - (a->repetition < b->repetition);
}

static int refuse_duplicate(const struct sample *a, const struct sample *b, const char *path)
{
	size_t first = a->position < b->position ? a->position : b->position;
	struct place place = {path, "results", a->position + b->position - first};

	return json_refuse(&place,
			   "repetition %.0f of \"%s\" of the workload \"%s\" on the backend \"%s\" "
			   "occurs a second time (first in results[%zu]); expected each once",
			   b->repetition, b->metric, b->workload, b->backend, first);
}

/* Of one figure each repetition once, and all in one unit. */
static int refuse_misfits(const struct samples *samples, const char *path)
{
	for (size_t i = 1; i < samples->count; i++) {
		const struct sample *a = &samples->list[i - 1], *b = a + 1;
		const char *unit = a->unit ? a->unit : "", *other = b->unit ? b->unit : "";
		struct place place = {path, "results", b->position};

		if (compare(a, b) == 0)
			return refuse_duplicate(a, b, path);
		if (compare_figures(a, b) == 0 && strcmp(unit, other) != 0)
			return json_refuse(&place,
					   "\"%s\" has the unit \"%s\", but \"%s\" in results[%zu]",
					   b->metric, other, unit, a->position);
	}
	return 0;
}

int samples_read(struct samples *samples, const char *path)
{
	struct place place = {.path = path};
	const cJSON *list, *object;

	*samples = (struct samples){.tree = json_read(path, "assay-bench/1")};
	if (!samples->tree || json_array(&place, samples->tree, "results", &list))
		return -1;
	samples->context = cJSON_GetObjectItemCaseSensitive(samples->tree, "context");
	if (!cJSON_IsObject(samples->context))
		return json_refuse(&place, "expected an object \"context\"");
	samples->list = allocate((size_t)cJSON_GetArraySize(list) + 1, sizeof *samples->list);
	place.array = "results";
	cJSON_ArrayForEach(object, list)
	{
		if (read_sample(&place, object, &samples->list[samples->count]))
			return -1;
		samples->count++;
		place.index++;
	}
	qsort(samples->list, samples->count, sizeof *samples->list, compare);
	return refuse_misfits(samples, path);
}

void samples_free(struct samples *samples)
{
	free(samples->list);
	cJSON_Delete(samples->tree);
	*samples = (struct samples){.tree = NULL};
}
