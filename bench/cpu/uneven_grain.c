/* SPDX-License-Identifier: MIT */
/*
 * Tasks of very different lengths (a Pareto distribution, the longest a hundred times the
 * shortest), against the machine's own ideal: before and after, within the same sample, plain
 * threads do the same sum of work in equal shares, and their mean is what the executor is divided
 * by. So a neighbour that takes half a processor is in both.
 */
#include "../batch.h"

#include "../raw/work.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>

enum { SHORTEST = 5000, LONGEST = 100 * SHORTEST, THREADS_MAX = 64 };

struct grain {
	uint64_t seed;
	uint64_t length;
	uint64_t result;
};

struct share {
	pthread_t thread;
	sem_t *start;
	uint64_t length;
	uint64_t result;
};

struct uneven {
	struct cell *cell;
	struct grain *grains;
	assay_future **futures;
	size_t count;
	uint64_t sum;     /* of the lengths */
	int64_t ideal_ns; /* of both times */
	int64_t took_ns;
};

static void burn_grain(void *item)
{
	struct grain *grain = item;

	grain->result = burn(grain->seed, grain->length);
}

static int grain_task(assay_call *call)
{
	const struct grain *grain = call->argument;
	uint64_t result = burn(grain->seed, grain->length);

	return assay_return(call, &result, sizeof result);
}

static const struct assay_named_function functions[] = {{"grain", grain_task}, {NULL, NULL}};

static void *burn_share(void *user)
{
	struct share *share = user;

	while (sem_wait(share->start))
		;
	share->result = burn(1, share->length);
	return NULL;
}

/* As many as run at once: workers beyond the processors make nothing faster. */
static int parallel(const struct cell *cell)
{
	cpu_set_t set;
	int processors = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
	int most = processors < cell->workers ? processors : cell->workers;

	return most < THREADS_MAX ? most : THREADS_MAX;
}

static int start_shares(struct cell *cell, struct share *shares, int count, sem_t *start)
{
	const struct uneven *uneven = cell->state;
	int started = 0;

	for (int i = 0; i < count; i++)
		shares[i] = (struct share){.start = start, .length = uneven->sum / (uint64_t)count};
	while (started < count - 1 &&
	       pthread_create(&shares[started].thread, NULL, burn_share, &shares[started]) == 0)
		started++;
	if (started < count - 1)
		cell_fail(cell, "cannot start a thread");
	return started;
}

/* The same work in equal shares, by threads that are there before the clock starts. */
static int measure_ideal(struct cell *cell)
{
	struct uneven *uneven = cell->state;
	struct share shares[THREADS_MAX];
	int count = parallel(cell), started;
	int64_t began;
	sem_t start;

	if (sem_init(&start, 0, 0))
		return cell_fail(cell, "cannot make a semaphore");
	started = start_shares(cell, shares, count, &start);
	began = assay_clock_ns();
	for (int i = 0; i < started; i++)
		sem_post(&start);
	shares[count - 1].result = burn(1, shares[count - 1].length);
	for (int i = 0; i < started; i++)
		pthread_join(shares[i].thread, NULL);
	uneven->ideal_ns += assay_clock_ns() - began;
	sem_destroy(&start);
	for (int i = 0; i < started; i++)
		if (shares[i].result != shares[count - 1].result)
			return cell_fail(cell, "equal shares came to different results");
	return cell_failed(cell) ? -1 : 0;
}

static int setup(struct cell *cell)
{
	struct uneven *uneven = calloc(1, sizeof *uneven);

	if (!uneven)
		return cell_fail(cell, "no memory for the tasks");
	uneven->cell = cell;
	cell->state = uneven;
	return 0;
}

static int draw(struct cell *cell, size_t count)
{
	struct uneven *uneven = cell->state;
	uint64_t random = cell->seed;

	free(uneven->grains);
	free(uneven->futures);
	uneven->count = count;
	uneven->sum = 0;
	uneven->ideal_ns = 0;
	uneven->grains = calloc(count, sizeof *uneven->grains);
	uneven->futures = calloc(count, sizeof(assay_future *));
	if (!uneven->grains || !uneven->futures)
		return cell_fail(cell, "no memory for the tasks");
	for (size_t i = 0; i < count; i++) {
		double uniform = (double)((next_random(&random) >> 11) + 1) * 0x1p-53;
		double length = SHORTEST * pow(uniform, -0.8);

		uneven->grains[i].seed = i;
		uneven->grains[i].length = length < LONGEST ? (uint64_t)length : LONGEST;
		uneven->sum += uneven->grains[i].length;
	}
	return 0;
}

static int run_raw(void *user)
{
	struct uneven *uneven = user;
	struct cell *cell = uneven->cell;

	return cell_raw(cell, "for each",
			cell->raw->for_each(cell->pool, burn_grain, uneven->grains,
					    sizeof *uneven->grains, uneven->count));
}

static int run_executor(struct cell *cell, struct uneven *uneven)
{
	size_t submitted = submit_each(cell, grain_task, uneven->grains, sizeof *uneven->grains,
				       sizeof *uneven->grains, uneven->count, uneven->futures);

	collect_each(cell, uneven->futures, submitted, &uneven->grains->result,
		     sizeof *uneven->grains);
	return cell_failed(cell) ? -1 : 0;
}

static int work(struct cell *cell)
{
	struct uneven *uneven = cell->state;

	return cell->raw ? cell_enter(cell, run_raw, uneven) : run_executor(cell, uneven);
}

static int warm_up(struct cell *cell, uint64_t *operations)
{
	return draw(cell, *operations / 50 + 1) || work(cell);
}

static int prepare(struct cell *cell, uint64_t operations)
{
	return draw(cell, operations) || measure_ideal(cell);
}

static int run(struct cell *cell, uint64_t operations)
{
	struct uneven *uneven = cell->state;
	int64_t start = assay_clock_ns();
	int failed = work(cell);

	(void)operations;
	uneven->took_ns = assay_clock_ns() - start;
	return failed;
}

static int check(struct cell *cell, uint64_t operations)
{
	struct uneven *uneven = cell->state;

	(void)operations;
	if (measure_ideal(cell))
		return -1;
	for (size_t i = 0; i < uneven->count; i++) {
		const struct grain *grain = &uneven->grains[i];

		if (grain->result != burn(grain->seed, grain->length))
			return cell_fail(cell, "task %zu came to another result", i);
	}
	cell_metric(cell, "ratio_to_ideal", "ratio",
		    2 * (double)uneven->took_ns / (double)uneven->ideal_ns);
	return 0;
}

static void teardown(struct cell *cell)
{
	struct uneven *uneven = cell->state;

	if (!uneven)
		return;
	free(uneven->grains);
	free(uneven->futures);
	free(uneven);
}

static bool has_raw(const struct raw_driver *driver)
{
	return driver->for_each;
}

const struct workload uneven_grain = {
	.name = "uneven_grain",
	.class_name = "cpu",
	.operation = "task",
	.separates = "Balance: how near heavy-tailed tasks come to what plain threads make of the "
		     "same work in equal shares.",
	.metric = "ratio_to_ideal",
	.unit = "ratio",
	.on_executors = true,
	.has_raw = has_raw,
	.sample = {{.operations = 100}, {.operations = 2000}, {.operations = 10000}},
	.functions = functions,
	.setup = setup,
	.warm_up = warm_up,
	.prepare = prepare,
	.run = run,
	.check = check,
	.teardown = teardown,
};
