/* SPDX-License-Identifier: MIT */
/*
 * Producers against consumers: four threads submit, four others read the results, so that a future
 * is made by one thread, finished by a second and released by a third. Unlike submit_4_producers,
 * the queue is filled and drained at the same time, and memory travels between threads. A producer
 * is at most a ring of futures ahead of its consumer.
 */
#include "../marks.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

enum { PAIRS = 4, RING = 256, TASKS_MAX = 1 << 22 };

struct pair {
	struct cell *cell;
	sem_t full, vacant; /* places of the ring */
	assay_future *ring[RING];
	uint64_t first;
	uint64_t count;
};

struct pairs {
	sem_t gate;
	struct pair pairs[PAIRS];
	pthread_t threads[2 * PAIRS];
	unsigned started;
};

static uint64_t spread(uint64_t value)
{
	return next_random(&value);
}

static int spread_task(assay_call *call)
{
	uint64_t index = *(const uint64_t *)call->argument, value = spread(index);

	mark(index);
	return assay_return(call, &value, sizeof value);
}

static const struct assay_named_function functions[] = {{"spread", spread_task}, {NULL, NULL}};

static void wait_for(sem_t *semaphore)
{
	while (sem_wait(semaphore))
		;
}

static void *produce(void *user)
{
	struct pair *pair = user;
	struct cell *cell = pair->cell;
	struct pairs *all = cell->state;

	wait_for(&all->gate);
	for (uint64_t i = 0; i < pair->count; i++) {
		uint64_t index = pair->first + i;
		struct assay_task task = cell_task(cell, spread_task, &index, sizeof index);
		assay_future **place = &pair->ring[i % RING];
		int error;

		wait_for(&pair->vacant);
		error = assay_submit(cell->executor, &task, place);
		if (error) {
			cell_fail(cell, "submit: %s", assay_error_text(error));
			*place = NULL; /* the consumer stops here as well */
		}
		sem_post(&pair->full);
		if (error)
			break;
	}
	return NULL;
}

static void consume_one(struct pair *pair, uint64_t index, assay_future *future)
{
	uint64_t value = 0;
	int error = assay_future_result(future, ASSAY_FOREVER, &value, sizeof value);

	if (error)
		cell_fail(pair->cell, "task %llu: %s", (unsigned long long)index,
			  assay_error_text(error));
	else if (value != spread(index))
		cell_fail(pair->cell, "task %llu returned %#llx, expected %#llx",
			  (unsigned long long)index, (unsigned long long)value,
			  (unsigned long long)spread(index));
	assay_future_release(future);
}

static void *consume(void *user)
{
	struct pair *pair = user;
	struct pairs *all = pair->cell->state;

	wait_for(&all->gate);
	for (uint64_t i = 0; i < pair->count; i++) {
		assay_future *future;

		wait_for(&pair->full);
		future = pair->ring[i % RING];
		if (!future)
			break;
		consume_one(pair, pair->first + i, future);
		sem_post(&pair->vacant);
	}
	return NULL;
}

static int setup(struct cell *cell)
{
	struct pairs *all = calloc(1, sizeof *all);

	if (!all)
		return cell_fail(cell, "out of memory");
	cell->state = all;
	sem_init(&all->gate, 0, 0);
	for (unsigned i = 0; i < PAIRS; i++) {
		all->pairs[i].cell = cell;
		sem_init(&all->pairs[i].full, 0, 0);
		sem_init(&all->pairs[i].vacant, 0, RING);
	}
	return marks_begin(cell, TASKS_MAX);
}

static void open_gate(struct pairs *all)
{
	for (unsigned i = 0; i < all->started; i++)
		sem_post(&all->gate);
	while (all->started)
		pthread_join(all->threads[--all->started], NULL);
}

/* The threads exist, and wait at the gate, before the clock starts. */
static int start(struct cell *cell, struct pairs *all)
{
	for (; all->started < 2 * PAIRS; all->started++) {
		struct pair *pair = &all->pairs[all->started / 2];

		if (pthread_create(&all->threads[all->started], NULL,
				   all->started % 2 ? consume : produce, pair) == 0)
			continue;
		for (unsigned i = 0; i < PAIRS; i++)
			all->pairs[i].count = 0;
		open_gate(all);
		return cell_fail(cell, "cannot start %d threads", 2 * PAIRS);
	}
	return 0;
}

static int prepare(struct cell *cell, uint64_t operations)
{
	struct pairs *all = cell->state;
	uint64_t first = 0;

	if (operations > TASKS_MAX)
		return cell_fail(cell, "more than %d tasks", TASKS_MAX);
	marks_clear();
	for (unsigned i = 0; i < PAIRS; i++) {
		struct pair *pair = &all->pairs[i];

		pair->first = first;
		pair->count = operations / PAIRS + (i < operations % PAIRS);
		first += pair->count;
	}
	return start(cell, all);
}

static int run(struct cell *cell, uint64_t operations)
{
	(void)operations;
	open_gate(cell->state);
	return cell_failed(cell) ? -1 : 0;
}

static int check(struct cell *cell, uint64_t operations)
{
	return marks_check(cell, operations);
}

static void teardown(struct cell *cell)
{
	struct pairs *all = cell->state;

	if (!all)
		return;
	for (unsigned i = 0; i < PAIRS; i++) {
		sem_destroy(&all->pairs[i].full);
		sem_destroy(&all->pairs[i].vacant);
	}
	sem_destroy(&all->gate);
	free(all);
	marks_end();
}

const struct workload producers_consumers = {
	.name = "producers_consumers",
	.class_name = "overhead",
	.operation = "task",
	.separates = "Contention when four threads submit and four others read and release.",
	.metric = "wall_per_op",
	.unit = "ns",
	.full_only = true,
	.on_executors = true,
	.sample = {{.operations = 400}, {.operations = 40000}, {.operations = 200000}},
	.functions = functions,
	.setup = setup,
	.prepare = prepare,
	.run = run,
	.check = check,
	.teardown = teardown,
};
