/* SPDX-License-Identifier: MIT */
#include "cgroup.h"
#include "record.h"
#include "revision.h"

#include <dlfcn.h>
#include <errno.h>
#include <gnu/libc-version.h>
#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

/* The first line of a small file of the kernel, without its newline. */
static bool read_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	bool found = file && fgets(line, (int)size, file);

	if (file)
		fclose(file);
	if (found)
		line[strcspn(line, "\n")] = '\0';
	return found;
}

/* The value of the first "key : value" line of a file, as of /proc/cpuinfo. */
static bool read_value(const char *path, const char *key, char *value, size_t size)
{
	char line[4096];
	FILE *file = fopen(path, "re");
	bool found = false;

	while (file && !found && fgets(line, sizeof line, file)) {
		const char *colon = strchr(line, ':');

		if (!colon || strncmp(line, key, strlen(key)) != 0)
			continue;
		found = true;
		line[strcspn(line, "\n")] = '\0';
		snprintf(value, size, "%s", colon + 1 + strspn(colon + 1, " \t"));
	}
	if (file)
		fclose(file);
	return found;
}

static void add_date(cJSON *context)
{
	char date[32];
	time_t now = time(NULL);
	struct tm utc;

	gmtime_r(&now, &utc);
	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &utc);
	cJSON_AddStringToObject(context, "date", date);
}

/* A cpu_set_t of the default size fails with EINVAL on machines of more than 1024 CPUs. */
static int allowed_cpus(void)
{
	int count = -1;

	for (int size = 1024; count < 0 && size <= 1 << 20; size *= 2) {
		cpu_set_t *set = CPU_ALLOC((size_t)size);
		size_t bytes = CPU_ALLOC_SIZE((size_t)size);

		if (!set)
			return -1;
		if (sched_getaffinity(0, bytes, set) == 0)
			count = CPU_COUNT_S(bytes, set);
		else if (errno != EINVAL)
			size = 1 << 20;
		CPU_FREE(set);
	}
	return count;
}

static void add_processor(cJSON *context)
{
	char text[4096], padded[4098];
	int allowed = allowed_cpus();

	cJSON_AddNumberToObject(context, "host_cpus", (double)sysconf(_SC_NPROCESSORS_ONLN));
	if (allowed > 0)
		cJSON_AddNumberToObject(context, "allowed_cpus", allowed);
	if (read_value("/proc/cpuinfo", "model name", text, sizeof text))
		cJSON_AddStringToObject(context, "cpu_model", text);
	if (read_value("/proc/cpuinfo", "flags", text, sizeof text)) {
		snprintf(padded, sizeof padded, "%s ", text);
		cJSON_AddBoolToObject(context, "hypervisor",
				      strstr(padded, " hypervisor ") != NULL);
	}
	if (read_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", text, sizeof text))
		cJSON_AddStringToObject(context, "governor", text);
}

/* The number that a text starts with, or fallback. */
static double number_of(const char *text, double fallback)
{
	char *end;
	double number = strtod(text, &end);

	return end == text ? fallback : number;
}

/* Absent when there is none. */
static void add_quota(cJSON *context)
{
	double quota = cgroup_quota_cpus("");

	if (!isnan(quota))
		cJSON_AddNumberToObject(context, "cgroup_cpu_quota_cpus", quota);
}

/* What moves times from one machine or start to the next, beside the processor. */
static void add_settings(cJSON *context)
{
	char text[128], *first, *end;
	Dl_info allocator;

	if (read_value("/proc/self/status", "Cpus_allowed_list", text, sizeof text))
		cJSON_AddStringToObject(context, "allowed_cpu_list", text);
	if (read_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", text,
		      sizeof text))
		cJSON_AddStringToObject(context, "clock_source", text);
	if (read_line("/proc/sys/kernel/randomize_va_space", text, sizeof text))
		cJSON_AddBoolToObject(context, "address_randomization", strcmp(text, "0") != 0);
	/* "always [madvise] never" */
	if (read_line("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof text) &&
	    (first = strchr(text, '[')) && (end = strchr(first, ']'))) {
		*end = '\0';
		cJSON_AddStringToObject(context, "huge_pages", first + 1);
	}
	/* The file that malloc() is in: another than the C library's if it was preloaded. */
	if (dladdr(dlsym(RTLD_DEFAULT, "malloc"), &allocator) && allocator.dli_fname)
		cJSON_AddStringToObject(context, "allocator", basename(allocator.dli_fname));
}

/* Of "some avg10=1.23 avg60=...". */
static void add_pressure(cJSON *context)
{
	static const char before[] = "some avg10=";
	char text[128];

	if (read_line("/proc/pressure/cpu", text, sizeof text) &&
	    strncmp(text, before, strlen(before)) == 0)
		cJSON_AddNumberToObject(context, "cpu_pressure_avg10_percent",
					number_of(text + strlen(before), 0));
}

static void add_system(cJSON *context)
{
	char text[128], libc[64];
	double load[3];
	struct utsname names;

	if (uname(&names) == 0) {
		snprintf(text, sizeof text, "%.60s %.60s", names.sysname, names.release);
		cJSON_AddStringToObject(context, "kernel", text);
		cJSON_AddStringToObject(context, "architecture", names.machine);
	}
	if (read_value("/proc/meminfo", "MemTotal", text, sizeof text))
		cJSON_AddNumberToObject(context, "memory_kib", strtod(text, NULL));
	if (getloadavg(load, 3) == 3)
		cJSON_AddItemToObject(context, "load_average", cJSON_CreateDoubleArray(load, 3));
	add_pressure(context);
	snprintf(libc, sizeof libc, "glibc %s", gnu_get_libc_version());
	cJSON_AddStringToObject(context, "libc", libc);
}

static void add_build(cJSON *context)
{
	cJSON_AddStringToObject(context, "compiler", RECORD_COMPILER);
	cJSON_AddStringToObject(context, "compiler_flags", RECORD_FLAGS);
	cJSON_AddStringToObject(context, "build_type", RECORD_BUILD_TYPE);
	cJSON_AddStringToObject(context, "sanitizer", RECORD_SANITIZER);
	if (RECORD_REVISION[0]) {
		cJSON_AddStringToObject(context, "git_revision", RECORD_REVISION);
		cJSON_AddBoolToObject(context, "git_dirty", RECORD_DIRTY);
	}
}

cJSON *record_context(const char *program)
{
	cJSON *context = cJSON_CreateObject();

	if (!context)
		return NULL;
	cJSON_AddStringToObject(context, "program", program);
	cJSON_AddStringToObject(context, "version", RECORD_VERSION);
	add_date(context);
	add_processor(context);
	add_quota(context);
	add_settings(context);
	add_system(context);
	add_build(context);
	return context;
}

static bool is_passing(const char *name)
{
	/* What differs from start to start, and what a bench writes as it goes on. */
	static const char *const passing[] = {"date",
					      "load_average",
					      "cpu_pressure_avg10_percent",
					      "memory_kib",
					      "repetitions",
					      "samples",
					      "samples_planned",
					      "cells_cut",
					      "complete",
					      "machine"};

	for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
		if (strcmp(name, passing[i]) == 0)
			return true;
	return false;
}

static const char *lacking(const cJSON *context, const cJSON *other)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, context)
	{
		const cJSON *same = cJSON_GetObjectItemCaseSensitive(other, item->string);

		if (!is_passing(item->string) && !cJSON_Compare(item, same, true))
			return item->string;
	}
	return NULL;
}

const char *record_difference(const cJSON *context, const cJSON *other)
{
	const char *name = lacking(context, other);

	return name ? name : lacking(other, context);
}
