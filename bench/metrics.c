/* SPDX-License-Identifier: MIT */
/* What a workload reports of its cell, and the small things it needs for its work. */
#include "workload.h"

#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A percentile that fewer latencies exceed is an accident, not a property. */
enum { BEYOND = 10 };

static pthread_mutex_t message_lock = PTHREAD_MUTEX_INITIALIZER;

int cell_fail(struct cell *cell, const char *format, ...)
{
	va_list arguments;

	pthread_mutex_lock(&message_lock);
	if (!cell->message[0]) {
		va_start(arguments, format);
		vsnprintf(cell->message, sizeof cell->message, format, arguments);
		va_end(arguments);
	}
	pthread_mutex_unlock(&message_lock);
	return -1;
}

bool cell_failed(struct cell *cell)
{
	bool failed;

	pthread_mutex_lock(&message_lock);
	failed = cell->message[0] != '\0';
	pthread_mutex_unlock(&message_lock);
	return failed;
}

static struct metric *next_metric(struct cell *cell, const char *name, const char *unit)
{
	struct metric *metric = &cell->metrics[cell->metric_count];

	if (cell->metric_count == CELL_METRICS) {
		cell_fail(cell, "the workload has more than %d metrics", CELL_METRICS);
		return NULL;
	}
	cell->metric_count++;
	*metric = (struct metric){.name = name, .unit = unit};
	return metric;
}

void cell_metric(struct cell *cell, const char *name, const char *unit, double value)
{
	struct metric *metric;

	if (!isfinite(value)) {
		cell_fail(cell, "%s is not a finite number", name);
		return;
	}
	metric = next_metric(cell, name, unit);
	if (metric) {
		metric->value = value;
		metric->known = true;
	}
}

void cell_no_metric(struct cell *cell, const char *name, const char *unit, const char *format, ...)
{
	struct metric *metric = next_metric(cell, name, unit);
	va_list arguments;

	if (!metric)
		return;
	va_start(arguments, format);
	vsnprintf(metric->note, sizeof metric->note, format, arguments);
	va_end(arguments);
}

int cell_unsupported(struct cell *cell, const char *format, ...)
{
	char why[CELL_MESSAGE];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, sizeof why, format, arguments);
	va_end(arguments);
	cell->metric_count = 0;
	cell_no_metric(cell, cell->workload->metric, cell->workload->unit, "not supported: %s",
		       why);
	cell->unsupported = true;
	return -1;
}

uint64_t cell_affordable(const struct cell *cell, uint64_t operations, uint64_t tried,
			 int64_t took_ns)
{
	static const double budget_ns[SCALES] = {1e9, 5e8, 8e9};
	double fit = budget_ns[cell->scale] / ((double)took_ns + 1) * (double)tried;

	if (fit >= (double)operations)
		return operations;
	return fit < 1 ? 1 : (uint64_t)fit;
}

int cell_enter(struct cell *cell, int (*body)(void *user), void *user)
{
	if (!cell->raw || !cell->raw->enter)
		return body(user);
	return cell->raw->enter(cell->pool, body, user);
}

int cell_raw(struct cell *cell, const char *operation, int error)
{
	if (!error)
		return 0;
	return cell_fail(cell, "%s: %s: %s", cell->raw->version(), operation, strerror(error));
}

static int compare(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

static void keep(struct cell *cell, const uint64_t *latencies_ns, size_t count)
{
	free(cell->latencies_ns);
	cell->latency_count = 0;
	cell->latencies_ns = calloc(count, sizeof *latencies_ns);
	if (!cell->latencies_ns)
		return; /* without them there is no percentile of several samples: it says so */
	memcpy(cell->latencies_ns, latencies_ns, count * sizeof *latencies_ns);
	cell->latency_count = count;
}

void cell_percentiles(struct cell *cell, uint64_t *latencies_ns, size_t count)
{
	static const struct {
		const char *name;
		size_t one_in; /* so many exceed it */
	} percentiles[] = {{"p50", 2}, {"p99", 100}, {"p99.9", 1000}};

	qsort(latencies_ns, count, sizeof *latencies_ns, compare);
	for (size_t i = 0; i < sizeof percentiles / sizeof *percentiles; i++) {
		size_t beyond = count / percentiles[i].one_in;

		if (beyond < BEYOND) {
			cell_no_metric(cell, percentiles[i].name, "ns",
				       "%zu latencies are too few: this percentile needs %zu",
				       count, BEYOND * percentiles[i].one_in);
			if (cell->latency_count != count)
				keep(cell, latencies_ns, count);
			continue;
		}
		cell_metric(cell, percentiles[i].name, "ns",
			    (double)latencies_ns[count - 1 - beyond]);
	}
}

const char *cell_function_name(const struct cell *cell, assay_function *function)
{
	const struct assay_named_function *named = cell->workload->functions;

	while (named->name && named->function != function)
		named++;
	return named->name;
}

uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}
