/* SPDX-License-Identifier: MIT */
/*
 * Submit throughput. Each producer submits rounds of small tasks, one by one or through
 * assay_submit_many(), and then reads every future of the round. The task does next to nothing, so
 * what is left is the executor: allocation, the queue and its lock, wake-ups, publication.
 */
#include "../workload.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

enum {
	ROUND = 4096, /* tasks of a producer that are under way at once: bounds the memory */
	BATCH = 256,  /* tasks of one submit_many */
	PRODUCERS = 4,
};

struct producer {
	struct cell *cell;
	pthread_t thread;
	uint64_t first; /* tasks first .. first + count - 1 are its own */
	uint64_t count;
	int (*submit)(struct producer *producer, uint64_t first, size_t count);
	sem_t *gate;
	assay_future *futures[ROUND];
	struct assay_task tasks[BATCH];
	uint64_t arguments[BATCH];
};

struct producers {
	sem_t gate;
	unsigned count;
	unsigned started;
	struct producer producers[];
};

static uint64_t spread(uint64_t value)
{
	return next_random(&value);
}

static int spread_task(assay_call *call)
{
	uint64_t value = spread(*(const uint64_t *)call->argument);

	return assay_return(call, &value, sizeof value);
}

static const struct assay_named_function functions[] = {{"spread", spread_task}, {NULL, NULL}};

static int submit_each(struct producer *producer, uint64_t first, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t argument = first + i;
		struct assay_task task =
			cell_task(producer->cell, spread_task, &argument, sizeof argument);
		int error = assay_submit(producer->cell->executor, &task, &producer->futures[i]);

		if (error) {
			while (i--)
				assay_future_release(producer->futures[i]);
			return cell_fail(producer->cell, "submit: %s", assay_error_text(error));
		}
	}
	return 0;
}

static int submit_batches(struct producer *producer, uint64_t first, size_t count)
{
	size_t done = 0;

	while (done < count) {
		size_t batch = count - done < BATCH ? count - done : BATCH, accepted;
		int error;

		for (size_t i = 0; i < batch; i++) {
			producer->arguments[i] = first + done + i;
			producer->tasks[i] = cell_task(producer->cell, spread_task,
						       &producer->arguments[i], sizeof(uint64_t));
		}
		error = assay_submit_many(producer->cell->executor, producer->tasks, batch,
					  producer->futures + done, &accepted);
		done += accepted;
		if (!error && accepted != batch)
			error = ASSAY_EFULL;
		if (error) {
			while (done--)
				assay_future_release(producer->futures[done]);
			return cell_fail(producer->cell, "submit_many: %s",
					 assay_error_text(error));
		}
	}
	return 0;
}

static int read_all(struct producer *producer, uint64_t first, size_t count)
{
	int failed = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t value = 0, expected = spread(first + i);
		int error = assay_future_result(producer->futures[i], ASSAY_FOREVER, &value,
						sizeof value);

		if (error)
			failed = cell_fail(producer->cell, "task %llu: %s",
					   (unsigned long long)first + i, assay_error_text(error));
		else if (value != expected)
			failed = cell_fail(producer->cell,
					   "task %llu returned %#llx, expected %#llx",
					   (unsigned long long)first + i, (unsigned long long)value,
					   (unsigned long long)expected);
		assay_future_release(producer->futures[i]);
	}
	return failed;
}

static void produce(struct producer *producer)
{
	uint64_t done = 0;

	while (done < producer->count) {
		uint64_t left = producer->count - done;
		size_t round = left < ROUND ? (size_t)left : ROUND;

		if (producer->submit(producer, producer->first + done, round) ||
		    read_all(producer, producer->first + done, round))
			return;
		done += round;
	}
}

static void *producer_thread(void *user)
{
	struct producer *producer = user;

	while (sem_wait(producer->gate))
		;
	produce(producer);
	return NULL;
}

static int setup(struct cell *cell, unsigned count,
		 int (*submit)(struct producer *, uint64_t, size_t))
{
	struct producers *all = calloc(1, sizeof *all + count * sizeof all->producers[0]);

	if (!all || sem_init(&all->gate, 0, 0)) {
		free(all);
		return cell_fail(cell, "no memory for %u producers", count);
	}
	all->count = count;
	for (unsigned i = 0; i < count; i++) {
		all->producers[i].cell = cell;
		all->producers[i].submit = submit;
		all->producers[i].gate = &all->gate;
	}
	cell->state = all;
	return 0;
}

static int setup_one(struct cell *cell)
{
	return setup(cell, 1, submit_each);
}

static int setup_four(struct cell *cell)
{
	return setup(cell, PRODUCERS, submit_each);
}

static int setup_many(struct cell *cell)
{
	return setup(cell, 1, submit_batches);
}

static void open_gate(struct producers *all)
{
	for (unsigned i = 0; i < all->started; i++)
		sem_post(&all->gate);
	while (all->started)
		pthread_join(all->producers[--all->started].thread, NULL);
}

static int start_producers(struct cell *cell, struct producers *all)
{
	for (; all->started < all->count; all->started++) {
		struct producer *producer = &all->producers[all->started];

		if (pthread_create(&producer->thread, NULL, producer_thread, producer) == 0)
			continue;
		for (unsigned i = 0; i < all->started; i++)
			all->producers[i].count = 0;
		open_gate(all);
		return cell_fail(cell, "cannot start a producer thread");
	}
	return 0;
}

/* The threads of several producers exist, and wait at the gate, before the clock starts. */
static int prepare(struct cell *cell, uint64_t operations)
{
	struct producers *all = cell->state;
	uint64_t first = 0;

	for (unsigned i = 0; i < all->count; i++) {
		struct producer *producer = &all->producers[i];

		producer->first = first;
		producer->count = operations / all->count + (i < operations % all->count);
		first += producer->count;
	}
	return all->count == 1 ? 0 : start_producers(cell, all);
}

static int run(struct cell *cell, uint64_t operations)
{
	struct producers *all = cell->state;

	(void)operations;
	if (all->count == 1)
		produce(&all->producers[0]);
	else
		open_gate(all);
	return cell_failed(cell) ? -1 : 0;
}

static void teardown(struct cell *cell)
{
	struct producers *all = cell->state;

	if (all)
		sem_destroy(&all->gate);
	free(all);
}

#define SUBMIT_SAMPLES                                     \
	{                                                  \
		{.operations = 300}, {.min_time_s = 0.05}, \
		{                                          \
			.min_time_s = 0.1                  \
		}                                          \
	}

const struct workload submit_one_producer = {
	.name = "submit_1_producer",
	.class_name = "overhead",
	.operation = "task",
	.separates =
		"The cost of one small task from submit to result: allocation, queue, wake-ups.",
	.metric = "wall_per_op",
	.unit = "ns",
	.on_executors = true,
	.sample = SUBMIT_SAMPLES,
	.functions = functions,
	.setup = setup_one,
	.prepare = prepare,
	.run = run,
	.teardown = teardown,
};

const struct workload submit_four_producers = {
	.name = "submit_4_producers",
	.class_name = "overhead",
	.operation = "task",
	.separates = "Contention: how much of that cost grows when four threads submit at once.",
	.metric = "wall_per_op",
	.unit = "ns",
	.on_executors = true,
	.sample = SUBMIT_SAMPLES,
	.functions = functions,
	.setup = setup_four,
	.prepare = prepare,
	.run = run,
	.teardown = teardown,
};

const struct workload submit_many = {
	.name = "submit_many",
	.class_name = "overhead",
	.operation = "task",
	.separates = "What a batch of 256 tasks saves over submitting them one by one.",
	.metric = "wall_per_op",
	.unit = "ns",
	.on_executors = true,
	.sample = SUBMIT_SAMPLES,
	.functions = functions,
	.setup = setup_many,
	.prepare = prepare,
	.run = run,
	.teardown = teardown,
};
