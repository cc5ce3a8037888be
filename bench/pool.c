/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include <stdlib.h>
#include <string.h>

int pool_take(struct plan_cell *cell, const cJSON *answer)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(answer, "latencies_ns"), *item;
	size_t more = (size_t)cJSON_GetArraySize(list);
	uint64_t *pooled;

	if (!more)
		return 0;
	pooled = realloc(cell->latencies_ns, (cell->latency_count + more) * sizeof *pooled);
	if (!pooled)
		return -1;
	cell->latencies_ns = pooled;
	cJSON_ArrayForEach(item, list) pooled[cell->latency_count++] =
		(uint64_t)cJSON_GetNumberValue(item);
	cell->repetition_latencies = more;
	return 0;
}

static bool has_metric(const struct cell *cell, const char *name)
{
	for (unsigned i = 0; i < cell->metric_count; i++)
		if (cell->metrics[i].known && strcmp(cell->metrics[i].name, name) == 0)
			return true;
	return false;
}

cJSON *pool_percentiles(struct plan_cell *cell)
{
	struct cell all = {.workload = cell->workload}, one = {.workload = cell->workload};
	cJSON *list = cJSON_CreateArray();

	if (!cell->latency_count)
		return list;
	/* Of one repetition only which percentiles there are is asked; any of its size will do. */
	cell_percentiles(&one, cell->latencies_ns, cell->repetition_latencies);
	cell_percentiles(&all, cell->latencies_ns, cell->latency_count);
	for (unsigned i = 0; i < all.metric_count; i++) {
		cJSON *metric;

		if (!all.metrics[i].known || has_metric(&one, all.metrics[i].name))
			continue;
		metric = cJSON_CreateObject();
		cJSON_AddStringToObject(metric, "metric", all.metrics[i].name);
		cJSON_AddStringToObject(metric, "unit", all.metrics[i].unit);
		cJSON_AddNumberToObject(metric, "value", all.metrics[i].value);
		cJSON_AddStringToObject(metric, "message", "of all repetitions together");
		cJSON_AddItemToArray(list, metric);
	}
	free(all.latencies_ns);
	free(one.latencies_ns);
	return list;
}
