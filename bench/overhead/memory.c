/* SPDX-License-Identifier: MIT */
/*
 * Memory of a pending task with its future. Every worker is kept in a task, then tasks are
 * submitted that none can start; what the resident set of the process grew by (Rss of smaps_rollup,
 * which is exact; the allocator gives back what it can before the first reading) is divided by
 * their number. There is no warm-up: memory that was used before would hide in it. The caller's array of
 * handles is there, and touched, before the first reading.
 */
#include "../workload.h"

#include "../raw/work.h"

#include <malloc.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct memory {
	struct cell *cell;
	size_t count;
	assay_future **futures;
	uint64_t *values;
	sem_t inside, leave;
	double bytes[2];
	int readings;
};

static int spread_task(assay_call *call)
{
	uint64_t value = spread(*(const uint64_t *)call->argument);

	return assay_return(call, &value, sizeof value);
}

static int hold_task(assay_call *call)
{
	struct memory *memory = *(struct memory *const *)call->argument;

	sem_post(&memory->inside);
	while (sem_wait(&memory->leave))
		;
	return ASSAY_OK;
}

static const struct assay_named_function functions[] = {
	{"spread", spread_task}, {"hold", hold_task}, {NULL, NULL}};

static double resident_bytes(void)
{
	double kib = -1;
	char line[128];
	FILE *file = fopen("/proc/self/smaps_rollup", "re");

	while (file && kib < 0 && fgets(line, sizeof line, file))
		if (strncmp(line, "Rss:", 4) == 0)
			kib = strtod(line + 4, NULL);
	if (file)
		fclose(file);
	return kib * 1024;
}

static void mark(void *user)
{
	struct memory *memory = user;

	if (memory->readings == 0)
		malloc_trim(0);
	if (memory->readings < 2)
		memory->bytes[memory->readings] = resident_bytes();
	memory->readings++;
}

static int setup(struct cell *cell)
{
	struct memory *memory = calloc(1, sizeof *memory);

	if (!memory || sem_init(&memory->inside, 0, 0) || sem_init(&memory->leave, 0, 0)) {
		free(memory);
		return cell_fail(cell, "no memory for the tasks");
	}
	memory->cell = cell;
	cell->state = memory;
	return 0;
}

static int prepare(struct cell *cell, uint64_t operations)
{
	struct memory *memory = cell->state;

	memory->count = operations;
	memory->futures = malloc(operations * sizeof(assay_future *));
	memory->values = malloc(operations * sizeof *memory->values);
	if (!memory->futures || !memory->values)
		return cell_fail(cell, "no memory for the tasks");
	memset(memory->futures, 1, operations * sizeof(assay_future *));
	memset(memory->values, 1, operations * sizeof *memory->values);
	return 0;
}

/* How many workers were given something to hold them; all of them are in it. */
static int hold(struct cell *cell, struct memory *memory)
{
	struct assay_task task = cell_task(cell, hold_task, &memory, sizeof memory);
	int held = 0;

	for (; held < cell->workers; held++) {
		int error = assay_submit(cell->executor, &task, NULL);

		if (error) {
			cell_fail(cell, "submit: %s", assay_error_text(error));
			break;
		}
	}
	for (int i = 0; i < held; i++)
		while (sem_wait(&memory->inside))
			;
	return held;
}

static size_t submit(struct cell *cell, struct memory *memory)
{
	for (uint64_t i = 0; i < memory->count; i++) {
		struct assay_task task = cell_task(cell, spread_task, &i, sizeof i);
		int error = assay_submit(cell->executor, &task, &memory->futures[i]);

		if (error) {
			cell_fail(cell, "submit: %s", assay_error_text(error));
			return i;
		}
	}
	return memory->count;
}

static int run_executor(struct cell *cell, struct memory *memory)
{
	int held = hold(cell, memory);
	size_t submitted;

	mark(memory);
	submitted = submit(cell, memory);
	mark(memory);
	for (int i = 0; i < held; i++)
		sem_post(&memory->leave);
	for (size_t i = 0; i < submitted; i++) {
		int error = assay_future_result(memory->futures[i], ASSAY_FOREVER,
						&memory->values[i], sizeof(uint64_t));

		assay_future_release(memory->futures[i]);
		if (error)
			cell_fail(cell, "task %zu: %s", i, assay_error_text(error));
	}
	return cell_failed(cell) ? -1 : 0;
}

static int run_raw(void *user)
{
	struct memory *memory = user;
	struct cell *cell = memory->cell;

	return cell_raw(cell, "submit",
			cell->raw->pend(cell->pool, memory->count, memory->values, mark, memory));
}

static int run(struct cell *cell, uint64_t operations)
{
	(void)operations;
	return cell->raw ? cell_enter(cell, run_raw, cell->state) : run_executor(cell, cell->state);
}

static int check(struct cell *cell, uint64_t operations)
{
	const struct memory *memory = cell->state;

	for (size_t i = 0; i < operations; i++)
		if (memory->values[i] != spread(i))
			return cell_fail(cell, "task %zu returned %#llx, expected %#llx", i,
					 (unsigned long long)memory->values[i],
					 (unsigned long long)spread(i));
	if (memory->readings != 2 || memory->bytes[0] < 0 || memory->bytes[1] < 0)
		return cell_fail(cell, "cannot read /proc/self/smaps_rollup");
	if (memory->bytes[1] < memory->bytes[0])
		cell_no_metric(cell, "bytes_per_task", "bytes", "the resident set shrank");
	else
		cell_metric(cell, "bytes_per_task", "bytes",
			    (memory->bytes[1] - memory->bytes[0]) / (double)operations);
	return 0;
}

static void teardown(struct cell *cell)
{
	struct memory *memory = cell->state;

	if (!memory)
		return;
	sem_destroy(&memory->inside);
	sem_destroy(&memory->leave);
	free(memory->futures);
	free(memory->values);
	free(memory);
}

static bool has_raw(const struct raw_driver *driver)
{
	return driver->pend;
}

const struct workload memory_per_pending_task = {
	.name = "memory_per_pending_task",
	.class_name = "overhead",
	.operation = "task",
	.separates = "Bytes of a task that waits, with its future: how long a queue can grow.",
	.metric = "bytes_per_task",
	.unit = "bytes",
	.paced = true,
	.on_executors = true,
	.needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT | ASSAY_CAP_SHARED_MEMORY |
		 ASSAY_CAP_WORKER_LIMIT,
	.has_raw = has_raw,
	.sample = {{.operations = 2000}, {.operations = 100000}, {.operations = 1000000}},
	.functions = functions,
	.setup = setup,
	.prepare = prepare,
	.run = run,
	.check = check,
	.teardown = teardown,
};
