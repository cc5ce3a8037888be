/* SPDX-License-Identifier: MIT */
/*
 * Submit throughput. Each producer submits small tasks, one by one or through
 * assay_submit_many(), and then reads every future. The task does next to nothing, so what is left
 * is the executor: allocation, the queue and its lock, wake-ups, publication.
 *
 * In one go, a million futures are alive at once: the figure has their memory in it. In rounds of a
 * few thousand they stay in the caches, and each round ends with an idle executor.
 *
 * What it costs the producers to submit, until they could do something else, is told apart: a batch may save them
 * much and yet all of it may end no sooner.
 */
#include "../workload.h"

#include "../raw/work.h"

#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

enum {
	ROUND = 4096, /* tasks under way at once, where they are not all */
	BATCH = 1000, /* tasks of one submit_many */
	PRODUCERS = 4,
	TRIED = 2000, /* tasks that tell how many an executor can do in time */
};

/* How a producer submits. */
struct style {
	size_t round; /* tasks at once, read before the next ones; 0: all */
	bool in_batches;
};

struct producer {
	struct cell *cell;
	pthread_t thread;
	uint64_t first; /* tasks first .. first + count - 1 are its own */
	size_t count;
	struct style style;
	sem_t *gate;
	assay_future **futures;
	uint64_t *values;  /* what the tasks returned */
	int64_t submit_ns; /* how long it submitted */
	struct assay_task tasks[BATCH];
	uint64_t arguments[BATCH];
};

struct producers {
	sem_t gate;
	unsigned count;
	unsigned started;
	assay_future **futures; /* of all */
	uint64_t *values;
	struct producer producers[];
};

static int spread_task(assay_call *call)
{
	uint64_t value = spread(*(const uint64_t *)call->argument);

	return assay_return(call, &value, sizeof value);
}

static const struct assay_named_function functions[] = {{"spread", spread_task}, {NULL, NULL}};

static int submit_each(struct producer *producer, size_t from, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t argument = producer->first + from + i;
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

static int submit_batches(struct producer *producer, size_t from, size_t count)
{
	size_t done = 0;

	while (done < count) {
		size_t batch = count - done < BATCH ? count - done : BATCH, accepted;
		int error;

		for (size_t i = 0; i < batch; i++) {
			producer->arguments[i] = producer->first + from + done + i;
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

static int read_all(struct producer *producer, size_t from, size_t count)
{
	int failed = 0;

	for (size_t i = 0; i < count; i++) {
		int error = assay_future_result(producer->futures[i], ASSAY_FOREVER,
						&producer->values[from + i], sizeof(uint64_t));

		if (error)
			failed = cell_fail(producer->cell, "task %" PRIu64 ": %s",
					   producer->first + from + i, assay_error_text(error));
		assay_future_release(producer->futures[i]);
	}
	return failed;
}

static size_t next_round(const struct producer *producer, size_t done)
{
	size_t left = producer->count - done, round = producer->style.round;

	return round && round < left ? round : left;
}

static int produce_raw(struct producer *producer)
{
	struct cell *cell = producer->cell;
	const struct raw_driver *raw = cell->raw;
	int failed = 0;

	for (size_t done = 0, count; !failed && done < producer->count; done += count) {
		uint64_t first = producer->first + done;
		uint64_t *values = producer->values + done;

		count = next_round(producer, done);
		failed = producer->style.in_batches
				 ? cell_raw(cell, "submit_many",
					    raw->submit_many(cell->pool, first, count, BATCH,
							     values))
				 : cell_raw(cell, "submit",
					    raw->submit(cell->pool, first, count, values));
	}
	return failed;
}

static int produce(void *user)
{
	struct producer *producer = user;
	size_t done = 0;

	if (producer->cell->raw)
		return produce_raw(producer);
	while (done < producer->count) {
		size_t round = next_round(producer, done);
		int64_t start_ns = assay_clock_ns();
		int failed = producer->style.in_batches ? submit_batches(producer, done, round)
							: submit_each(producer, done, round);

		producer->submit_ns += assay_clock_ns() - start_ns;
		if (failed || read_all(producer, done, round))
			return -1;
		done += round;
	}
	return 0;
}

static void *producer_thread(void *user)
{
	struct producer *producer = user;

	while (sem_wait(producer->gate))
		;
	cell_enter(producer->cell, produce, producer);
	return NULL;
}

static int setup(struct cell *cell, unsigned count, struct style style)
{
	struct producers *all = calloc(1, sizeof *all + count * sizeof all->producers[0]);

	if (!all || sem_init(&all->gate, 0, 0)) {
		free(all);
		return cell_fail(cell, "no memory for %u producers", count);
	}
	all->count = count;
	for (unsigned i = 0; i < count; i++) {
		all->producers[i].cell = cell;
		all->producers[i].style = style;
		all->producers[i].gate = &all->gate;
	}
	cell->state = all;
	return 0;
}

static int setup_one(struct cell *cell)
{
	return setup(cell, 1, (struct style){0});
}

static int setup_four(struct cell *cell)
{
	return setup(cell, PRODUCERS, (struct style){0});
}

static int setup_many(struct cell *cell)
{
	return setup(cell, 1, (struct style){.in_batches = true});
}

static int setup_rounds(struct cell *cell)
{
	return setup(cell, 1, (struct style){.round = ROUND});
}

static int setup_many_rounds(struct cell *cell)
{
	return setup(cell, 1, (struct style){.round = ROUND, .in_batches = true});
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

static int share_out(struct cell *cell, uint64_t operations)
{
	struct producers *all = cell->state;
	uint64_t first = 0;

	free(all->futures);
	free(all->values);
	all->futures = calloc(operations, sizeof(assay_future *));
	all->values = malloc(operations * sizeof *all->values);
	if (!all->futures || !all->values)
		return cell_fail(cell, "no memory for %llu futures",
				 (unsigned long long)operations);
	for (unsigned i = 0; i < all->count; i++) {
		struct producer *producer = &all->producers[i];

		producer->first = first;
		producer->count = operations / all->count + (i < operations % all->count);
		producer->futures = all->futures + first;
		producer->values = all->values + first;
		first += producer->count;
	}
	return 0;
}

/* The threads of several producers exist, and wait at the gate, before the clock starts. */
static int prepare(struct cell *cell, uint64_t operations)
{
	struct producers *all = cell->state;

	/* Touched, and no right answer of the warm-up is left. */
	memset(all->futures, 0, operations * sizeof(assay_future *));
	memset(all->values, 0, operations * sizeof *all->values);
	for (unsigned i = 0; i < all->count; i++)
		all->producers[i].submit_ns = 0;
	return all->count == 1 ? 0 : start_producers(cell, all);
}

static int run(struct cell *cell, uint64_t operations)
{
	struct producers *all = cell->state;

	(void)operations;
	if (all->count == 1)
		cell_enter(cell, produce, &all->producers[0]);
	else
		open_gate(all);
	return cell_failed(cell) ? -1 : 0;
}

static int check(struct cell *cell, uint64_t operations)
{
	const struct producers *all = cell->state;
	int64_t submit_ns = 0;

	for (uint64_t i = 0; i < operations; i++)
		if (all->values[i] != spread(i))
			return cell_fail(cell, "task %llu returned %#llx, expected %#llx",
					 (unsigned long long)i, (unsigned long long)all->values[i],
					 (unsigned long long)spread(i));
	for (unsigned i = 0; i < all->count; i++)
		submit_ns += all->producers[i].submit_ns;
	if (!cell->raw) /* its driver submits and reads in one call */
		cell_metric(cell, "submit_per_op", "ns", (double)submit_ns / (double)operations);
	return 0;
}

static int rehearse(struct cell *cell, uint64_t operations)
{
	if (share_out(cell, operations) || prepare(cell, operations) || run(cell, operations))
		return -1;
	return check(cell, operations);
}

/* A few tasks tell the pace; then all of them, so that the memory has been touched. */
static int warm_up(struct cell *cell, uint64_t *operations)
{
	uint64_t tried = *operations < TRIED ? *operations : TRIED;
	int64_t start = assay_clock_ns();

	if (rehearse(cell, tried))
		return -1;
	*operations = cell_affordable(cell, *operations, tried, assay_clock_ns() - start);
	return rehearse(cell, *operations);
}

static void teardown(struct cell *cell)
{
	struct producers *all = cell->state;

	if (!all)
		return;
	sem_destroy(&all->gate);
	free(all->futures);
	free(all->values);
	free(all);
}

static bool has_raw(const struct raw_driver *driver)
{
	return driver->submit;
}

static bool has_raw_many(const struct raw_driver *driver)
{
	return driver->submit_many;
}

#define SUBMIT_WORKLOAD                                                                       \
	.class_name = "overhead", .operation = "task", .metric = "wall_per_op", .unit = "ns", \
	.on_executors = true,                                                                 \
	.sample = {{.operations = 300}, {.operations = 200000}, {.operations = 1000000}},     \
	.functions = functions, .warm_up = warm_up, .prepare = prepare, .run = run,           \
	.check = check, .teardown = teardown

const struct workload submit_one_producer = {
	.name = "submit_1_producer",
	.separates = "The cost of one small task from submit to result, all submitted in one go: "
		     "allocation, queue, wake-ups.",
	.has_raw = has_raw,
	.setup = setup_one,
	SUBMIT_WORKLOAD,
};

const struct workload submit_rounds = {
	.name = "submit_rounds",
	.full_only = true,
	.separates = "The same in rounds of 4096, which fit into the caches and end with an idle "
		     "executor.",
	.has_raw = has_raw,
	.setup = setup_rounds,
	SUBMIT_WORKLOAD,
};

const struct workload submit_four_producers = {
	.name = "submit_4_producers",
	.separates = "Contention: how much of that cost grows when four threads submit at once.",
	.has_raw = has_raw,
	.setup = setup_four,
	SUBMIT_WORKLOAD,
};

const struct workload submit_many = {
	.name = "submit_many",
	.separates = "What a batch of 1,000 tasks saves over submitting them one by one.",
	.has_raw = has_raw_many,
	.setup = setup_many,
	SUBMIT_WORKLOAD,
};

const struct workload submit_many_rounds = {
	.name = "submit_many_rounds",
	.full_only = true,
	.separates = "The same in rounds of 4096: who reads catches up with who runs them.",
	.setup = setup_many_rounds,
	SUBMIT_WORKLOAD,
};

const struct workload oversubscribed_submit = {
	.name = "oversubscribed_submit",
	.full_only = true,
	.separates = "The same with 16 workers, more than processors: spinning, and locks held by "
		     "threads that do not run.",
	.workers = 16,
	.has_raw = has_raw,
	.setup = setup_one,
	SUBMIT_WORKLOAD,
};
