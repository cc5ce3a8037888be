/* SPDX-License-Identifier: MIT */
/* Percentiles of one repetition and of several, and which of them are left out. */
#include "../pool.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned failures;

static void expect(bool holds, const char *what)
{
	if (holds)
		return;
	failures++;
	printf("FAIL: %s\n", what);
}

static const struct metric *metric_of(const struct cell *cell, const char *name)
{
	for (unsigned i = 0; i < cell->metric_count; i++)
		if (strcmp(cell->metrics[i].name, name) == 0)
			return &cell->metrics[i];
	return NULL;
}

static bool is_value(const struct cell *cell, const char *name, double value)
{
	const struct metric *metric = metric_of(cell, name);

	return metric && metric->known && metric->value == value;
}

static bool is_left_out(const struct cell *cell, const char *name, const char *note)
{
	const struct metric *metric = metric_of(cell, name);

	return metric && !metric->known && strcmp(metric->note, note) == 0;
}

/* count latencies 1 .. count, the largest first. */
static uint64_t *descending(size_t count)
{
	uint64_t *latencies = calloc(count, sizeof *latencies);

	if (!latencies)
		exit(2);
	for (size_t i = 0; i < count; i++)
		latencies[i] = count - i;
	return latencies;
}

static void check_enough(void)
{
	struct cell cell = {.metric_count = 0};
	uint64_t *latencies = descending(10000);

	cell_percentiles(&cell, latencies, 10000);
	expect(is_value(&cell, "p50", 5000), "p50 of 1 .. 10000 is 5000");
	expect(is_value(&cell, "p99", 9900), "p99 of 1 .. 10000 is 9900");
	expect(is_value(&cell, "p99.9", 9990), "p99.9 of 1 .. 10000 is 9990");
	expect(!cell.latencies_ns, "nothing is kept when there is nothing to add");
	free(latencies);
}

static void check_too_few(void)
{
	struct cell cell = {.metric_count = 0};
	uint64_t *latencies = descending(999);

	cell_percentiles(&cell, latencies, 999);
	expect(is_value(&cell, "p50", 500), "p50 of 1 .. 999 is 500");
	expect(is_left_out(&cell, "p99", "999 latencies are too few: this percentile needs 1000"),
	       "p99 of 999 is left out, and says why");
	expect(is_left_out(&cell, "p99.9",
			   "999 latencies are too few: this percentile needs 10000"),
	       "p99.9 of 999 is left out, and says why");
	expect(cell.latency_count == 999, "the latencies are kept");
	free(cell.latencies_ns);
	free(latencies);
}

static void check_together(void)
{
	struct plan_cell cell = {.backend = "any"};
	cJSON *answer = cJSON_CreateObject(), *list, *percentiles;
	const cJSON *first;

	list = cJSON_AddArrayToObject(answer, "latencies_ns");
	for (int i = 500; i > 0; i--)
		cJSON_AddItemToArray(list, cJSON_CreateNumber(i));
	expect(pool_take(&cell, answer) == 0 && pool_take(&cell, answer) == 0,
	       "two repetitions are taken");
	percentiles = pool_percentiles(&cell);
	first = cJSON_GetArrayItem(percentiles, 0);
	expect(cJSON_GetArraySize(percentiles) == 1, "p99 alone needs both repetitions");
	expect(cJSON_GetNumberValue(cJSON_GetObjectItem(first, "value")) == 495,
	       "p99 of twice 1 .. 500 is 495");
	cJSON_Delete(percentiles);
	cJSON_Delete(answer);
	free(cell.latencies_ns);
}

static void check_not_finite(void)
{
	struct cell cell = {.metric_count = 0};

	cell_metric(&cell, "time", "ns", NAN);
	expect(cell_failed(&cell) && cell.metric_count == 0, "NaN is no metric but a failure");
	expect(strcmp(cell.message, "time is not a finite number") == 0, "and says which");
	cell_fail(&cell, "another");
	expect(strcmp(cell.message, "time is not a finite number") == 0, "the first message stays");
}

int main(void)
{
	check_enough();
	check_too_few();
	check_together();
	check_not_finite();
	return failures != 0;
}
