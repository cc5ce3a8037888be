/* SPDX-License-Identifier: MIT */
/*
 * What an executor costs that has nothing to do. After a burst of tasks and 50 ms to come to rest,
 * the thread that submitted sleeps, and whatever else of this process and its children gets a
 * processor is counted: wake-ups are context switches of all other threads, and their CPU time
 * includes that of coming to rest, where spinning would hide. `window` is how long wake-ups are counted.
 */
#include "../workload.h"

#include "../raw/work.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { BURST = 10000 /* at most */, REST_NS = 50000000 };

static const size_t bursts[SCALES] = {500, BURST, BURST};
static const int64_t window_ns[SCALES] = {20000000, 500000000, 5000000000};

struct idle {
	struct cell *cell;
	assay_future *futures[BURST];
	uint64_t values[BURST];
	double switches;
	double cpu_ns;
};

struct usage {
	double switches;
	double cpu_ns;
};

static int spread_task(assay_call *call)
{
	uint64_t value = spread(*(const uint64_t *)call->argument);

	return assay_return(call, &value, sizeof value);
}

static const struct assay_named_function functions[] = {{"spread", spread_task}, {NULL, NULL}};

/* 0 if the line begins otherwise. */
static double number_after(const char *line, const char *beginning)
{
	size_t length = strlen(beginning);

	return strncmp(line, beginning, length) == 0 ? strtod(line + length, NULL) : 0;
}

static void add_thread(long process, long thread, struct usage *usage)
{
	char path[96], line[160];
	FILE *file;

	snprintf(path, sizeof path, "/proc/%ld/task/%ld/status", process, thread);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof line, file))
		usage->switches += number_after(line, "voluntary_ctxt_switches:") +
				   number_after(line, "nonvoluntary_ctxt_switches:");
	if (file)
		fclose(file);
	snprintf(path, sizeof path, "/proc/%ld/task/%ld/schedstat", process, thread);
	file = fopen(path, "re");
	if (file && fgets(line, sizeof line, file))
		usage->cpu_ns += number_after(line, "");
	if (file)
		fclose(file);
}

/* All threads of the process but one, and of those below it. */
static void add_process(long process, long except, struct usage *usage)
{
	char path[96];
	struct dirent *entry;
	DIR *threads;

	snprintf(path, sizeof path, "/proc/%ld/task", process);
	threads = opendir(path);
	while (threads && (entry = readdir(threads))) {
		long thread = strtol(entry->d_name, NULL, 10);
		char child[24];
		FILE *children;

		if (thread <= 0)
			continue;
		if (thread != except)
			add_thread(process, thread, usage);
		snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", process, thread);
		children = fopen(path, "re");
		while (children && fscanf(children, "%23s", child) == 1)
			add_process(strtol(child, NULL, 10), 0, usage);
		if (children)
			fclose(children);
	}
	if (threads)
		closedir(threads);
}

static struct usage others(void)
{
	struct usage usage = {0, 0};

	add_process(getpid(), syscall(SYS_gettid), &usage);
	return usage;
}

static int setup(struct cell *cell)
{
	struct idle *idle = calloc(1, sizeof *idle);

	if (!idle)
		return cell_fail(cell, "no memory for the tasks");
	idle->cell = cell;
	cell->state = idle;
	return 0;
}

static int burst_raw(void *user)
{
	struct idle *idle = user;
	struct cell *cell = idle->cell;

	return cell_raw(cell, "submit",
			cell->raw->submit(cell->pool, 0, bursts[cell->scale], idle->values));
}

static int burst_executor(struct cell *cell, struct idle *idle)
{
	size_t submitted = 0;
	int error = 0;

	for (uint64_t i = 0; i < bursts[cell->scale] && !error; i++) {
		struct assay_task task = cell_task(cell, spread_task, &i, sizeof i);

		error = assay_submit(cell->executor, &task, &idle->futures[i]);
		submitted += !error;
	}
	if (error)
		cell_fail(cell, "submit: %s", assay_error_text(error));
	for (size_t i = 0; i < submitted; i++) {
		error = assay_future_result(idle->futures[i], ASSAY_FOREVER, &idle->values[i],
					    sizeof(uint64_t));
		assay_future_release(idle->futures[i]);
		if (error)
			cell_fail(cell, "task %zu: %s", i, assay_error_text(error));
	}
	return cell_failed(cell) ? -1 : 0;
}

static void rest(int64_t ns)
{
	struct timespec left = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
		;
}

static int run(struct cell *cell, uint64_t operations)
{
	struct idle *idle = cell->state;
	struct usage busy, resting, after;

	(void)operations;
	if (cell->raw ? cell_enter(cell, burst_raw, idle) : burst_executor(cell, idle))
		return -1;
	busy = others();
	rest(REST_NS);
	resting = others();
	rest(window_ns[cell->scale]);
	after = others();
	/* A thread that has ended took its figures with it. */
	idle->switches = after.switches < resting.switches ? 0 : after.switches - resting.switches;
	idle->cpu_ns = after.cpu_ns < busy.cpu_ns ? 0 : after.cpu_ns - busy.cpu_ns;
	return 0;
}

static int check(struct cell *cell, uint64_t operations)
{
	const struct idle *idle = cell->state;
	double seconds = (double)(window_ns[cell->scale] + REST_NS) / 1e9;

	(void)operations;
	for (size_t i = 0; i < bursts[cell->scale]; i++)
		if (idle->values[i] != spread(i))
			return cell_fail(cell, "task %zu returned %#llx, expected %#llx", i,
					 (unsigned long long)idle->values[i],
					 (unsigned long long)spread(i));
	cell_metric(cell, "wake_ups", "count", idle->switches);
	cell_metric(cell, "window", "s", (double)window_ns[cell->scale] / 1e9);
	cell_metric(cell, "idle_cpu_per_s", "ns", idle->cpu_ns / seconds);
	return 0;
}

static void teardown(struct cell *cell)
{
	free(cell->state);
}

static bool has_raw(const struct raw_driver *driver)
{
	return driver->submit;
}

const struct workload idle_after_burst = {
	.name = "idle_after_burst",
	.class_name = "overhead",
	.operation = "burst",
	.separates =
		"Whether a pool without work leaves the processors alone: wake-ups in a `window`.",
	.metric = "wake_ups",
	.unit = "count",
	.paced = true,
	.on_executors = true,
	.has_raw = has_raw,
	.sample = {{.operations = 1}, {.operations = 1}, {.operations = 1}},
	.functions = functions,
	.setup = setup,
	.run = run,
	.check = check,
	.teardown = teardown,
};
