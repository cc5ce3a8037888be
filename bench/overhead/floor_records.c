/* SPDX-License-Identifier: MIT */
/*
 * What the memory charges a client of submit_many at least: in batches of 1,000, descriptions of tasks and their
 * arguments are written, and for each a record of a cache line, taken off a list of free ones, and its address,
 * once for the queue and once for the client; then all are read and put back. Nothing is run, by nobody: there
 * are no calls, no atomic operations and no other threads.
 */
#include "../workload.h"

#include <stdalign.h>
#include <stdlib.h>

enum { BATCH = 1000 };

struct record {
	alignas(64) struct record *next;
	uint64_t state;
	assay_function *function;
	const void *home;
	uint64_t argument;
	uint64_t unused[2];
	void *observers;
};

struct records {
	struct record *records;
	struct record *free;
	struct record **futures, **queue;
	uint64_t *values;
	struct assay_task tasks[BATCH];
	uint64_t arguments[BATCH];
};

/* Never called. */
static int no_task(assay_call *call)
{
	(void)call;
	return ASSAY_OK;
}

static void release(struct records *all, struct record *record)
{
	record->next = all->free;
	all->free = record;
}

static void write_batch(struct records *all, uint64_t first, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		all->arguments[i] = first + i;
		all->tasks[i] = (struct assay_task){no_task, NULL, &all->arguments[i],
						    sizeof all->arguments[i]};
	}
	__asm__ volatile("" : : "r"(all) : "memory"); /* the descriptions are another's to read */
	for (uint64_t i = 0; i < count; i++) {
		struct record *record = all->free;

		all->free = record->next;
		record->state = 2; /* any value */
		record->function = all->tasks[i].function;
		record->home = all;
		record->argument = *(const uint64_t *)all->tasks[i].argument;
		record->observers = NULL;
		all->futures[first + i] = record;
		all->queue[first + i] = record;
	}
	__asm__ volatile("" : : "r"(all) : "memory");
}

static int run(struct cell *cell, uint64_t operations)
{
	struct records *all = cell->state;

	for (uint64_t done = 0; done < operations; done += BATCH)
		write_batch(all, done, operations - done < BATCH ? operations - done : BATCH);
	for (uint64_t i = 0; i < operations; i++) {
		struct record *record = all->futures[i];

		all->values[i] = record->argument;
		release(all, record);
	}
	return 0;
}

static int check(struct cell *cell, uint64_t operations)
{
	struct records *all = cell->state;

	for (uint64_t i = 0; i < operations; i++)
		if (all->values[i] != i || all->queue[i] != all->futures[i])
			return cell_fail(cell, "record %llu has the value %llu",
					 (unsigned long long)i, (unsigned long long)all->values[i]);
	return 0;
}

/* All of it is there, and has been touched, before any clock. */
static int warm_up(struct cell *cell, uint64_t *operations)
{
	struct records *all = cell->state = calloc(1, sizeof *all);

	if (!all)
		return cell_fail(cell, "out of memory");
	all->records = aligned_alloc(sizeof *all->records, *operations * sizeof *all->records);
	all->futures = calloc(*operations, sizeof(struct record *));
	all->queue = calloc(*operations, sizeof(struct record *));
	all->values = calloc(*operations, sizeof *all->values);
	if (!all->records || !all->futures || !all->queue || !all->values)
		return cell_fail(cell, "out of memory");
	for (uint64_t i = 0; i < *operations; i++)
		release(all, &all->records[i]);
	return run(cell, *operations);
}

static int prepare(struct cell *cell, uint64_t operations)
{
	struct records *all = cell->state;

	for (uint64_t i = 0; i < operations; i++)
		all->values[i] = UINT64_MAX;
	return 0;
}

static void teardown(struct cell *cell)
{
	struct records *all = cell->state;

	if (!all)
		return;
	free(all->records);
	free(all->futures);
	free(all->queue);
	free(all->values);
	free(all);
}

const struct workload floor_records = {
	.name = "floor_records",
	.class_name = "floor",
	.operation = "task",
	.separates = "The machine: what the client of submit_many has to write and to read.",
	.metric = "wall_per_op",
	.unit = "ns",
	.without = "floor",
	.sample = {{.operations = 300}, {.operations = 200000}, {.operations = 1000000}},
	.warm_up = warm_up,
	.prepare = prepare,
	.run = run,
	.check = check,
	.teardown = teardown,
};
