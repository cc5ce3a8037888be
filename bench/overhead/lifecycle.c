/* SPDX-License-Identifier: MIT */
/*
 * The life of an executor: made, one task, destroyed. Executors that start their workers at once
 * pay in create, lazy ones in the first task, and all of them in destroy, which waits for workers
 * to end. lifecycle is the medians of the three for the workers asked for; worker_memory is what
 * each of 64 workers adds to the memory of the client and its processes, when every one of them has
 * run a task.
 */
#include "../marks.h"
#include "../processes.h"
#include "../raw/work.h"

#include <semaphore.h>
#include <stdlib.h>

enum { MANY_WORKERS = 64, STEPS = 3 };

static const char *const steps[STEPS] = {"create", "first_task", "destroy"};

struct lives {
	uint64_t *times_ns[STEPS];
	uint64_t count;
};

/* Of the executors with many workers: each task waits here until all have come. */
struct meeting {
	sem_t leave;
	sem_t arrived;
};

static struct meeting *meeting;

static int echo_task(assay_call *call)
{
	mark(*(const uint64_t *)call->argument);
	return assay_return(call, call->argument, call->argument_size);
}

static int meet_task(assay_call *call)
{
	sem_post(&meeting->arrived);
	while (sem_wait(&meeting->leave))
		;
	return assay_return(call, call->argument, call->argument_size);
}

static const struct assay_named_function functions[] = {
	{"echo", echo_task}, {"meet", meet_task}, {NULL, NULL}};

/* Returns an error of the contract. */
static int create(const struct cell *cell, int workers, assay_executor **executor)
{
	struct assay_config config = assay_config_default();

	config.workers = workers;
	if (cell->backend->capabilities & ASSAY_CAP_NAMED_FUNCTIONS) {
		config.functions = functions;
		config.function_count = sizeof functions / sizeof *functions - 1;
	}
	return assay_executor_create(cell->backend, &config, executor);
}

static int destroy(struct cell *cell, assay_executor *executor)
{
	int error = assay_executor_destroy(executor);

	return error ? cell_fail(cell, "destroy: %s", assay_error_text(error)) : 0;
}

static int close_raw(struct cell *cell)
{
	cell->raw->close(cell->pool);
	cell->pool = NULL;
	return 0;
}

static int setup(struct cell *cell)
{
	struct lives *lives = calloc(1, sizeof *lives);

	if (!lives)
		return cell_fail(cell, "out of memory");
	cell->state = lives;
	meeting = shared_memory(cell, sizeof *meeting);
	if (!meeting)
		return -1;
	sem_init(&meeting->leave, 1, 0);
	sem_init(&meeting->arrived, 1, 0);
	return marks_begin(cell, cell->workload->sample[cell->scale].operations);
}

/* The executor of the cell goes first: some backends have but one at a time. */
static int warm_up(struct cell *cell, uint64_t *operations)
{
	assay_executor *executor = cell->executor;

	(void)operations;
	if (cell->raw)
		return close_raw(cell);
	cell->executor = NULL;
	return destroy(cell, executor);
}

static int prepare(struct cell *cell, uint64_t operations)
{
	struct lives *lives = cell->state;

	lives->count = 0;
	for (unsigned i = 0; i < STEPS; i++) {
		free(lives->times_ns[i]);
		lives->times_ns[i] = calloc(operations, sizeof(uint64_t));
		if (!lives->times_ns[i])
			return cell_fail(cell, "no memory for the times");
	}
	marks_clear();
	return 0;
}

static int first_task(struct cell *cell, assay_executor *executor, uint64_t index)
{
	struct assay_task task = cell_task(cell, echo_task, &index, sizeof index);
	uint64_t answer = ~index;
	assay_future *future;
	int error = assay_submit(executor, &task, &future);

	if (error)
		return cell_fail(cell, "submit: %s", assay_error_text(error));
	error = assay_future_result(future, ASSAY_FOREVER, &answer, sizeof answer);
	assay_future_release(future);
	if (error)
		return cell_fail(cell, "the first task: %s", assay_error_text(error));
	if (answer != index)
		return cell_fail(cell, "the first task returned %llu, expected %llu",
				 (unsigned long long)answer, (unsigned long long)index);
	return 0;
}

static int live_with_executor(struct cell *cell, uint64_t index, int64_t at_ns[STEPS + 1])
{
	assay_executor *executor;
	int64_t looked_ns;
	int error, failed;

	at_ns[0] = assay_clock_ns();
	error = create(cell, cell->workers, &executor);
	if (error)
		return cell_fail(cell, "cannot create an executor with %d workers: %s",
				 cell->workers, assay_error_text(error));
	at_ns[1] = assay_clock_ns();
	failed = first_task(cell, executor, index);
	at_ns[2] = assay_clock_ns();
	failed |= cell_check_executor(cell, executor, cell->workers);
	looked_ns = assay_clock_ns() - at_ns[2]; /* no part of destroy */
	failed |= destroy(cell, executor);
	at_ns[3] = assay_clock_ns() - looked_ns;
	return failed;
}

struct errand {
	struct cell *cell;
	uint64_t index;
};

static int first_raw_task(void *user)
{
	struct errand *errand = user;
	uint64_t answer = 0;

	if (cell_raw(errand->cell, "the first task",
		     errand->cell->raw->round_trip(errand->cell->pool, errand->index, &answer)))
		return -1;
	if (answer != spread(errand->index))
		return cell_fail(errand->cell, "the first task returned %llu, expected %llu",
				 (unsigned long long)answer,
				 (unsigned long long)spread(errand->index));
	return 0;
}

static int live_raw(struct cell *cell, uint64_t index, int64_t at_ns[STEPS + 1])
{
	struct errand errand = {cell, index};
	int effective = 0, failed;

	at_ns[0] = assay_clock_ns();
	if (cell_raw(cell, "open", cell->raw->open(cell->workers, &cell->pool, &effective)))
		return -1;
	at_ns[1] = assay_clock_ns();
	if (effective != cell->workers)
		cell_fail(cell, "asked for %d workers, %s says that it has %d", cell->workers,
			  cell->raw->version(), effective);
	failed = cell_enter(cell, first_raw_task, &errand);
	at_ns[2] = assay_clock_ns();
	close_raw(cell);
	at_ns[3] = assay_clock_ns();
	return failed || cell_failed(cell) ? -1 : 0;
}

static int live(struct cell *cell, uint64_t index)
{
	struct lives *lives = cell->state;
	int64_t at_ns[STEPS + 1] = {0};
	int failed =
		cell->raw ? live_raw(cell, index, at_ns) : live_with_executor(cell, index, at_ns);

	if (failed)
		return failed;
	for (unsigned i = 0; i < STEPS; i++)
		lives->times_ns[i][index] = (uint64_t)(at_ns[i + 1] - at_ns[i]);
	return 0;
}

static int run(struct cell *cell, uint64_t operations)
{
	struct lives *lives = cell->state;

	for (; lives->count < operations; lives->count++)
		if (live(cell, lives->count))
			return -1;
	return 0;
}

static int compare(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

/* All workers at the meeting at once; those that cannot be are not there. */
static int meet(struct cell *cell, assay_executor *executor, double *bytes)
{
	assay_future *futures[MANY_WORKERS] = {NULL};
	uint64_t submitted = 0;
	int failed = 0;

	for (; submitted < MANY_WORKERS; submitted++) {
		struct assay_task task = cell_task(cell, meet_task, &submitted, sizeof submitted);
		int error = assay_submit(executor, &task, &futures[submitted]);

		if (error) {
			failed = cell_fail(cell, "submit: %s", assay_error_text(error));
			break;
		}
	}
	for (uint64_t i = 0; i < submitted; i++)
		while (sem_wait(&meeting->arrived))
			;
	*bytes = processes_memory_bytes();
	for (uint64_t i = 0; i < submitted; i++)
		sem_post(&meeting->leave);
	for (uint64_t i = 0; i < submitted; i++) {
		uint64_t answer = ~i;
		int error = assay_future_result(futures[i], ASSAY_FOREVER, &answer, sizeof answer);

		if (error || answer != i)
			failed = cell_fail(cell, "worker %llu: %s", (unsigned long long)i,
					   error ? assay_error_text(error) : "a wrong result");
		assay_future_release(futures[i]);
	}
	return failed;
}

static int measure_memory(struct cell *cell)
{
	const uint64_t needed = ASSAY_CAP_CONCURRENT | ASSAY_CAP_SHARED_MAPPINGS;
	double before, after = 0;
	assay_executor *executor;
	int error, failed;

	if ((cell->backend->capabilities & needed) != needed) {
		cell_no_metric(cell, "worker_memory", "bytes",
			       "the backend does not have %d tasks wait for one another",
			       MANY_WORKERS);
		return 0;
	}
	before = processes_memory_bytes();
	error = create(cell, MANY_WORKERS, &executor);
	if (error) {
		cell_no_metric(cell, "worker_memory", "bytes",
			       "an executor with %d workers cannot be created: %s", MANY_WORKERS,
			       assay_error_text(error));
		return 0;
	}
	failed = cell_check_executor(cell, executor, MANY_WORKERS) || meet(cell, executor, &after);
	failed |= destroy(cell, executor);
	if (failed)
		return -1;
	if (before < 0 || after < before)
		cell_no_metric(cell, "worker_memory", "bytes",
			       "the kernel does not say how much memory a process uses");
	else
		cell_metric(cell, "worker_memory", "bytes", (after - before) / MANY_WORKERS);
	return 0;
}

static int check(struct cell *cell, uint64_t operations)
{
	const struct lives *lives = cell->state;
	uint64_t middle = operations / 2;

	for (unsigned i = 0; i < STEPS; i++) {
		qsort(lives->times_ns[i], operations, sizeof(uint64_t), compare);
		cell_metric(cell, steps[i], "ns", (double)lives->times_ns[i][middle]);
	}
	if (cell->raw) {
		cell_no_metric(cell, "worker_memory", "bytes",
			       "a raw rival has no task that waits for others");
		return 0;
	}
	return marks_check(cell, operations) || measure_memory(cell) ? -1 : 0;
}

static void teardown(struct cell *cell)
{
	struct lives *lives = cell->state;

	for (unsigned i = 0; lives && i < STEPS; i++)
		free(lives->times_ns[i]);
	free(lives);
	if (meeting) {
		sem_destroy(&meeting->leave);
		sem_destroy(&meeting->arrived);
	}
	shared_memory_free(meeting, sizeof *meeting);
	meeting = NULL;
	marks_end();
}

static bool has_raw(const struct raw_driver *driver)
{
	return driver->round_trip;
}

const struct workload lifecycle = {
	.name = "lifecycle",
	.class_name = "overhead",
	.operation = "executor",
	.separates = "What it costs to have an executor at all: create, first task, destroy.",
	.metric = "wall_per_op",
	.unit = "ns",
	.full_only = true,
	.on_executors = true,
	.sample = {{.operations = 5}, {.operations = 200}, {.operations = 1000}},
	.has_raw = has_raw,
	.functions = functions,
	.setup = setup,
	.warm_up = warm_up,
	.prepare = prepare,
	.run = run,
	.check = check,
	.teardown = teardown,
};
