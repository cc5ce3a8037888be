/* SPDX-License-Identifier: MIT */
/*
 * fib by ordinary futures: each inner node submits one of its two calls, makes the other itself,
 * and waits for the future inside the task. One operation is such a fork. Executors that let a
 * waiting worker run other tasks get through at any depth; a plain queue gives them the oldest
 * task, which is the largest, a deque the youngest.
 */
#include "../workload.h"

#include "../raw/work.h"

#include <stdlib.h>

struct node {
	assay_executor *executor;
	uint64_t n;
};

struct root {
	struct node node;
	uint64_t result;
};

static int fib_task(assay_call *call);

static int fib(assay_executor *executor, uint64_t n, uint64_t *value)
{
	struct node left;
	struct assay_task task;
	uint64_t other;
	assay_future *future;
	int error;

	if (n < 2) {
		*value = n;
		return ASSAY_OK;
	}
	left = (struct node){executor, n - 1};
	task = (struct assay_task){fib_task, NULL, &left, sizeof left};
	error = assay_submit(executor, &task, &future);
	if (error)
		return error;
	error = fib(executor, n - 2, value);
	if (!error)
		error = assay_future_result(future, ASSAY_FOREVER, &other, sizeof other);
	if (!error)
		*value += other;
	assay_future_release(future);
	return error;
}

static int fib_task(assay_call *call)
{
	const struct node *node = call->argument;
	uint64_t value;
	int error = fib(node->executor, node->n, &value);

	if (error)
		return assay_fail(call, -error, assay_error_text(error));
	return assay_return(call, &value, sizeof value);
}

static unsigned fib_of(uint64_t forks)
{
	unsigned n = 2;

	while (fib_forks(n + 1) <= forks)
		n++;
	return n;
}

static int setup(struct cell *cell)
{
	cell->state = calloc(1, sizeof(struct root));
	return cell->state ? 0 : cell_fail(cell, "no memory");
}

static int prepare(struct cell *cell, uint64_t operations)
{
	*(struct root *)cell->state =
		(struct root){{cell->executor, fib_of(operations)}, UINT64_MAX};
	return 0;
}

static int run_root(struct cell *cell, struct root *root)
{
	struct assay_task task = {fib_task, NULL, &root->node, sizeof root->node};
	struct assay_outcome outcome;
	assay_future *future;
	int error = assay_submit(cell->executor, &task, &future);

	if (error)
		return cell_fail(cell, "submit: %s", assay_error_text(error));
	error = assay_future_outcome(future, ASSAY_FOREVER, &outcome);
	if (error || outcome.error)
		cell_fail(cell, "fib(%u): %s; %s", (unsigned)root->node.n,
			  assay_error_text(error ? error : outcome.error),
			  error ? "" : outcome.message);
	else if (outcome.result_size != sizeof root->result)
		cell_fail(cell, "fib(%u): a result of %zu bytes, expected 8",
			  (unsigned)root->node.n, outcome.result_size);
	else
		root->result = *(const uint64_t *)outcome.result;
	assay_future_release(future);
	return cell_failed(cell) ? -1 : 0;
}

static int run(struct cell *cell, uint64_t operations)
{
	struct root *root = cell->state;

	(void)operations;
	if (cell->raw)
		return cell_raw(cell, "fib",
				cell->raw->fib(cell->pool, (unsigned)root->node.n, &root->result));
	return run_root(cell, root);
}

static int check(struct cell *cell, uint64_t operations)
{
	const struct root *root = cell->state;
	uint64_t expected = fib_number((unsigned)root->node.n);

	(void)operations;
	if (root->result != expected)
		return cell_fail(cell, "fib(%u) is %llu, expected %llu", (unsigned)root->node.n,
				 (unsigned long long)root->result, (unsigned long long)expected);
	return 0;
}

static int warm_up(struct cell *cell, uint64_t *operations)
{
	uint64_t tried = fib_forks(10);
	int64_t start = assay_clock_ns();

	if (prepare(cell, tried) || run(cell, tried))
		return -1;
	*operations = cell_affordable(cell, *operations, tried, assay_clock_ns() - start);
	*operations = fib_forks(fib_of(*operations));
	return prepare(cell, *operations) || run(cell, *operations);
}

static void teardown(struct cell *cell)
{
	free(cell->state);
}

static bool has_raw(const struct raw_driver *driver)
{
	return driver->fib;
}

#define FIB_FUTURES                                                                          \
	.class_name = "cpu", .operation = "fork", .metric = "wall_per_op", .unit = "ns",     \
	.on_executors = true, .has_raw = has_raw,                                            \
	.needs = ASSAY_CAP_NESTED_SUBMIT | ASSAY_CAP_NESTED_WAIT | ASSAY_CAP_SHARED_MEMORY | \
		 ASSAY_CAP_FUNCTION_POINTERS,                                                \
	.setup = setup, .warm_up = warm_up, .prepare = prepare, .run = run, .check = check,  \
	.teardown = teardown

/* fib(10), fib(25), fib(30) */
const struct workload fib_futures = {
	.name = "fib_futures",
	.separates = "Futures made and waited for inside tasks: fib(30), no cut-off.",
	.sample = {{.operations = 88}, {.operations = 121392}, {.operations = 1346268}},
	FIB_FUTURES,
};

/* fib(8), fib(20), fib(25) */
const struct workload fib_futures_25 = {
	.name = "fib_futures_25",
	.full_only = true,
	.separates = "The same with fib(25), for queues in which a waiting worker nests deeply.",
	.sample = {{.operations = 33}, {.operations = 10945}, {.operations = 121392}},
	FIB_FUTURES,
};
