/* SPDX-License-Identifier: MIT */
#include "value.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int decimals(double value)
{
	return value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
}

static void format_scaled(char string[VALUE_SIZE], double value, const char *const *units,
			  double step)
{
	/* 999.6 would be shown as 1000 of the smaller unit. */
	while (units[1] && value >= step - step / 2000) {
		value /= step;
		units++;
	}
	if (value >= 1e6)
		snprintf(string, VALUE_SIZE, "%.3g %s", value, *units);
	else
		snprintf(string, VALUE_SIZE, "%.*f %s", decimals(value), value, *units);
}

static const char *const times[] = {"ns", "µs", "ms", "s", NULL};
static const char *const sizes[] = {"B", "KiB", "MiB", "GiB", NULL};

static bool is_time(const char *unit)
{
	return unit && strcmp(unit, "ns") == 0;
}

static bool is_size(const char *unit)
{
	return unit && (strcmp(unit, "bytes") == 0 || strcmp(unit, "B") == 0);
}

/* Wake-ups and the like need no name for what they are. */
static bool is_count(const char *unit)
{
	return unit && strcmp(unit, "count") == 0;
}

void value_format(char string[VALUE_SIZE], double value, const char *unit)
{
	if (is_time(unit))
		format_scaled(string, value, times, 1000);
	else if (unit && strcmp(unit, "us") == 0)
		format_scaled(string, value, times + 1, 1000);
	else if (is_size(unit))
		format_scaled(string, value, sizes, 1024);
	else if (is_count(unit) && value < 1e6 && value == floor(value))
		snprintf(string, VALUE_SIZE, "%.0f", value);
	else if (!unit || is_count(unit) || strcmp(unit, "ratio") == 0)
		snprintf(string, VALUE_SIZE, "%.*f", value < 1e6 ? decimals(value) : 0, value);
	else
		snprintf(string, VALUE_SIZE, "%.3g %.12s", value, unit);
}

void value_tick(char string[VALUE_SIZE], double value, const char *unit)
{
	const char *const *name = times;

	if (!is_time(unit)) {
		snprintf(string, VALUE_SIZE, "%.3g", value);
		return;
	}
	for (; name[1] && value >= 1000; name++)
		value /= 1000;
	snprintf(string, VALUE_SIZE, "%.3g%s%s", value, value > 0 ? " " : "",
		 value > 0 ? *name : "");
}

void value_ratio(char string[VALUE_SIZE], double ratio)
{
	if (ratio >= 1e6)
		snprintf(string, VALUE_SIZE, "%.2g×", ratio);
	else
		snprintf(string, VALUE_SIZE, "%.*f×", decimals(ratio), ratio);
}

const char *value_metric(const char *metric)
{
	static const struct {
		const char *metric, *words;
	} names[] = {
		{"wall_per_op", "time per operation"},
		{"cpu_per_op", "CPU time per operation"},
		{"submit_per_op", "time to submit one"},
		{"makespan", "time for all of them"},
		{"ratio_to_ideal", "ratio to the ideal time"},
		{"metg_cpu", "METG(50%) by CPU time"},
		{"metg_wall", "METG(50%) by wall time"},
		{"capacity_per_op", "time per operation at full load"},
		{"generator_lateness", "lateness of the generator (p99)"},
		{"drain", "time to drain a burst"},
		{"create", "time to create"},
		{"first_task", "time of the first task"},
		{"destroy", "time to destroy"},
		{"bytes_per_task", "memory of a task that waits"},
		{"wake_ups", "number of wake-ups"},
		{"gap", "rest before each"},
		{"window", "time watched"},
		{"idle_cpu_per_s", "CPU time of a second without work"},
		{"p50", "latency (p50)"},
		{"p99", "latency (p99)"},
		{"worker_memory", "memory of a worker"},
		{"detection", "time until a death is noticed"},
		{"recovery", "time until the throughput is back"},
		{"dip", "slowest stretch to the usual time"},
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(metric, names[i].metric) == 0)
			return names[i].words;
	return metric;
}
