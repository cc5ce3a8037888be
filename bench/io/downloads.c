/* SPDX-License-Identifier: MIT */
/*
 * Simulated downloads: tasks that wait, of fixed or of random latency, consumed in the order of
 * completion. Nothing is computed, so the only question is how many of them wait at once and how
 * soon the next starts: the ratio to the ideal makespan of as many workers is the answer.
 */
#include "../workload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MEAN_LATENCY_NS UINT64_C(10000000)

enum { WORKERS = 8 };

struct download {
	uint64_t id;
	uint64_t latency_ns;
};

struct downloads {
	bool random;
	struct download *list;
	assay_future **futures;
	unsigned char *seen;
	int64_t makespan_ns;
};

static void fetch(const struct download *download)
{
	struct timespec rest = {.tv_sec = (time_t)(download->latency_ns / 1000000000),
				.tv_nsec = (long)(download->latency_ns % 1000000000)};

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &rest, &rest) == EINTR)
		;
}

static int fetch_task(assay_call *call)
{
	const struct download *download = call->argument;

	fetch(download);
	return assay_return(call, &download->id, sizeof download->id);
}

static const struct assay_named_function functions[] = {{"download", fetch_task}, {NULL, NULL}};

static int setup(struct cell *cell, bool random)
{
	struct downloads *all = calloc(1, sizeof *all);

	if (!all)
		return cell_fail(cell, "out of memory");
	all->random = random;
	cell->state = all;
	return 0;
}

static int setup_fixed(struct cell *cell)
{
	return setup(cell, false);
}

static int setup_random(struct cell *cell)
{
	return setup(cell, true);
}

static void forget(struct downloads *all)
{
	free(all->list);
	free(all->futures);
	free(all->seen);
}

static int prepare(struct cell *cell, uint64_t operations)
{
	struct downloads *all = cell->state;
	uint64_t random = cell->seed;

	forget(all);
	all->list = calloc(operations, sizeof *all->list);
	all->futures = calloc(operations, sizeof(assay_future *));
	all->seen = calloc(operations, 1);
	if (!all->list || !all->futures || !all->seen)
		return cell_fail(cell, "no memory for %llu downloads",
				 (unsigned long long)operations);
	for (uint64_t i = 0; i < operations; i++) {
		all->list[i].id = i;
		all->list[i].latency_ns = MEAN_LATENCY_NS;
		if (all->random) /* even between a tenth and nineteen tenths of the mean */
			all->list[i].latency_ns = MEAN_LATENCY_NS / 10 +
						  next_random(&random) % (MEAN_LATENCY_NS / 5 * 9);
	}
	return 0;
}

static int arrived(struct cell *cell, size_t count, assay_future *future)
{
	struct downloads *all = cell->state;
	uint64_t id = UINT64_MAX;
	size_t index = 0;
	int error = assay_future_result(future, 0, &id, sizeof id);

	if (error)
		return cell_fail(cell, "a download that as_completed yielded: %s",
				 assay_error_text(error));
	while (index < count && all->futures[index] != future)
		index++;
	if (index == count)
		return cell_fail(cell, "as_completed yielded a future that is none of ours");
	if (id != index)
		return cell_fail(cell, "download %zu answered as download %llu", index,
				 (unsigned long long)id);
	all->seen[index]++;
	return 0;
}

static int consume(struct cell *cell, uint64_t operations)
{
	struct downloads *all = cell->state;
	assay_as_completed *iteration;
	assay_future *future;
	size_t count = operations < UINT32_MAX ? (size_t)operations : 0;
	int failed = 0;
	int error = assay_as_completed_begin(all->futures, count, ASSAY_FOREVER, &iteration);

	if (error)
		return cell_fail(cell, "as_completed: %s", assay_error_text(error));
	while (!failed && (error = assay_as_completed_next(iteration, &future)) == ASSAY_OK)
		failed = arrived(cell, count, future);
	assay_as_completed_end(iteration);
	if (!failed && error != ASSAY_EEND)
		failed = cell_fail(cell, "as_completed: %s", assay_error_text(error));
	return failed;
}

static int run_executor(struct cell *cell, uint64_t operations)
{
	struct downloads *all = cell->state;
	uint64_t submitted = 0;
	int error = ASSAY_OK, failed = 0;

	for (; submitted < operations; submitted++) {
		struct assay_task task = cell_task(cell, fetch_task, &all->list[submitted],
						   sizeof all->list[submitted]);

		error = assay_submit(cell->executor, &task, &all->futures[submitted]);
		if (error) {
			failed = cell_fail(cell, "submit: %s", assay_error_text(error));
			break;
		}
	}
	if (!failed)
		failed = consume(cell, operations);
	while (submitted--)
		assay_future_release(all->futures[submitted]);
	return failed;
}

static int run(struct cell *cell, uint64_t operations)
{
	struct downloads *all = cell->state;
	int64_t start = assay_clock_ns();
	int failed = 0;

	if (cell->executor)
		failed = run_executor(cell, operations);
	for (uint64_t i = 0; !cell->executor && i < operations; i++) {
		fetch(&all->list[i]);
		all->seen[all->list[i].id]++;
	}
	all->makespan_ns = assay_clock_ns() - start;
	return failed;
}

/* No schedule is shorter: the work in equal shares, the longest download, and for equal ones whole
 * rounds. */
static double ideal_ns(const struct downloads *all, uint64_t operations, uint64_t workers)
{
	uint64_t sum = 0, longest = 0;

	if (!all->random) {
		uint64_t rounds = (operations + workers - 1) / workers;

		return (double)(rounds * MEAN_LATENCY_NS);
	}
	for (uint64_t i = 0; i < operations; i++) {
		sum += all->list[i].latency_ns;
		if (longest < all->list[i].latency_ns)
			longest = all->list[i].latency_ns;
	}
	return sum / workers > longest ? (double)sum / (double)workers : (double)longest;
}

static int check(struct cell *cell, uint64_t operations)
{
	struct downloads *all = cell->state;
	double ideal = ideal_ns(all, operations, (uint64_t)cell->workers);

	for (uint64_t i = 0; i < operations; i++)
		if (all->seen[i] != 1)
			return cell_fail(cell, "download %llu arrived %u times",
					 (unsigned long long)i, all->seen[i]);
	if ((double)all->makespan_ns < ideal &&
	    (!cell->backend || cell->backend->capabilities & ASSAY_CAP_WORKER_LIMIT))
		return cell_fail(cell, "done in %lld ns, which %d workers cannot do under %.0f ns",
				 (long long)all->makespan_ns, cell->workers, ideal);
	cell_metric(cell, "makespan", "ns", (double)all->makespan_ns);
	cell_metric(cell, "ratio_to_ideal", "ratio", (double)all->makespan_ns / ideal);
	return 0;
}

static void teardown(struct cell *cell)
{
	if (cell->state)
		forget(cell->state);
	free(cell->state);
}

const struct workload downloads_fixed = {
	.name = "downloads_fixed",
	.class_name = "io",
	.operation = "download",
	.separates = "Whether as many tasks as workers wait at once: 10 ms each, as completed.",
	.metric = "makespan",
	.unit = "ns",
	.workers = WORKERS,
	.on_executors = true,
	.without = "serial",
	.sample = {{.operations = 16}, {.operations = 40}, {.operations = 80}},
	.functions = functions,
	.setup = setup_fixed,
	.prepare = prepare,
	.run = run,
	.check = check,
	.teardown = teardown,
};

const struct workload downloads_random = {
	.name = "downloads_random",
	.class_name = "io",
	.operation = "download",
	.separates = "The same with 1 to 19 ms: whether a worker that is free takes the next.",
	.metric = "makespan",
	.unit = "ns",
	.workers = WORKERS,
	.on_executors = true,
	.without = "serial",
	.sample = {{.operations = 16}, {.operations = 40}, {.operations = 80}},
	.functions = functions,
	.setup = setup_random,
	.prepare = prepare,
	.run = run,
	.check = check,
	.teardown = teardown,
};
