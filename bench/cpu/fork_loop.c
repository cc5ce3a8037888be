/* SPDX-License-Identifier: MIT */
/*
 * A flat loop of small children: a task forks LOOP of them, joins them, the latest first, and begins
 * again. One operation is a child of some 0.3 us: others get them in time only if a theft costs less,
 * for them and for the worker that they steal from.
 */
#include "../forks.h"

#include <stdlib.h>

#define LOOP 1000
#define STEPS 250

struct loop {
	uint64_t rounds;
	uint64_t expected; /* of a round */
	uint64_t result;
};

/* Each step needs the one before. */
static uint64_t churn(uint64_t number)
{
	for (int i = 0; i < STEPS; i++)
		number = number * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return number;
}

static uint64_t loop_serial(uint64_t rounds)
{
	uint64_t sum = 0;

	for (uint64_t round = 0; round < rounds; round++)
		for (uint64_t i = 0; i < LOOP; i++)
			sum += churn(i);
	return sum;
}

static int churn_child(assay_call *call, void *frame)
{
	uint64_t *number = frame;

	(void)call;
	*number = churn(*number);
	return ASSAY_OK;
}

static int loop_task(assay_call *call)
{
	uint64_t rounds = *(const uint64_t *)call->argument, sum = 0;
	struct assay_fork children[LOOP];
	uint64_t numbers[LOOP];
	int error = ASSAY_OK;

	for (; rounds > 0 && !error; rounds--) {
		for (size_t i = 0; i < LOOP; i++) {
			numbers[i] = i;
			assay_fork(call, &children[i], churn_child, &numbers[i]);
		}
		for (size_t i = LOOP; i-- > 0;) {
			int failed = assay_join(call, &children[i]);

			error = error ? error : failed;
			sum += numbers[i];
		}
	}
	return error ? error : assay_return(call, &sum, sizeof sum);
}

static const struct assay_named_function functions[] = {
	{"loop", loop_task}, FORK_PROBE, {NULL, NULL}};

static int setup(struct cell *cell)
{
	struct loop *loop = calloc(1, sizeof *loop);

	if (!loop)
		return cell_fail(cell, "no memory");
	loop->expected = loop_serial(1);
	cell->state = loop;
	return 0;
}

static int prepare(struct cell *cell, uint64_t operations)
{
	struct loop *loop = cell->state;

	loop->rounds = operations / LOOP;
	loop->result = ~(loop->rounds * loop->expected);
	return 0;
}

static int run(struct cell *cell, uint64_t operations)
{
	struct loop *loop = cell->state;
	struct assay_task task;
	assay_future *future;
	int error;

	(void)operations;
	if (!cell->executor) {
		loop->result = loop_serial(loop->rounds);
		return 0;
	}
	task = cell_task(cell, loop_task, &loop->rounds, sizeof loop->rounds);
	error = assay_submit(cell->executor, &task, &future);
	if (error)
		return cell_fail(cell, "submit: %s", assay_error_text(error));
	error = assay_future_result(future, ASSAY_FOREVER, &loop->result, sizeof loop->result);
	assay_future_release(future);
	return error ? cell_fail(cell, "the loop: %s", assay_error_text(error)) : 0;
}

static int warm_up(struct cell *cell, uint64_t *operations)
{
	return prepare(cell, *operations) || run(cell, *operations) ? -1 : 0;
}

static int check(struct cell *cell, uint64_t operations)
{
	const struct loop *loop = cell->state;

	(void)operations;
	if (loop->result != loop->rounds * loop->expected)
		return cell_fail(cell, "the sum of %llu rounds is %llu, expected %llu",
				 (unsigned long long)loop->rounds, (unsigned long long)loop->result,
				 (unsigned long long)(loop->rounds * loop->expected));
	return 0;
}

static void teardown(struct cell *cell)
{
	free(cell->state);
}

const struct workload fork_loop = {
	.name = "fork_loop",
	.full_only = true,
	.class_name = "cpu",
	.operation = "child",
	.separates = "A thousand children of 0.3 us at once: what a theft costs both sides.",
	.metric = "wall_per_op",
	.unit = "ns",
	.on_executors = true,
	.forks = true,
	.without = "serial",
	.sample = {{.operations = LOOP}, {.operations = 50 * LOOP}, {.operations = 500 * LOOP}},
	.functions = functions,
	.setup = setup,
	.warm_up = warm_up,
	.prepare = prepare,
	.run = run,
	.check = check,
	.teardown = teardown,
};
