/* SPDX-License-Identifier: MIT */
/*
 * Fork and join without a cut-off: fib, where each inner node has one fork and almost no work, and
 * skynet, a tree of ten children a node. One operation is a fork of fib, a node of skynet. What is
 * left after the plain calls of the serial row is the price of making them stealable. An executor
 * that offers children to nobody has no row: it would show plain calls. Children that nobody wants are a
 * row of their own, the floor of all that fork and join through assay/fork_join.h.
 */
#include "../forks.h"

#include "../raw/work.h"

#include <stdlib.h>

struct tree {
	unsigned n;      /* of fib */
	uint64_t leaves; /* of skynet */
	uint64_t result;
};

struct fib {
	uint64_t value;
	unsigned n;
};

static int fib(assay_call *call, void *frame)
{
	struct fib *self = frame, left, right;
	struct assay_fork child;
	int error, failed;

	if (self->n < 2) {
		self->value = self->n;
		return ASSAY_OK;
	}
	left.n = self->n - 1;
	right.n = self->n - 2;
	assay_fork(call, &child, fib, &right);
	error = fib(call, &left);
	failed = assay_join(call, &child);
	self->value = left.value + right.value;
	return error ? error : failed;
}

static int fib_task(assay_call *call)
{
	struct fib root = {0, *(const unsigned *)call->argument};
	int error = fib(call, &root);

	return error ? error : assay_return(call, &root.value, sizeof root.value);
}

struct skynet {
	uint64_t first;
	uint64_t leaves;
	uint64_t sum;
};

static int skynet(assay_call *call, void *frame)
{
	struct skynet *self = frame, children[SKYNET_CHILDREN];
	struct assay_fork forks[SKYNET_CHILDREN - 1];
	int error, last = SKYNET_CHILDREN - 1;

	if (self->leaves == 1) {
		self->sum = self->first;
		return ASSAY_OK;
	}
	for (int i = 0; i <= last; i++)
		children[i] = (struct skynet){
			self->first + (uint64_t)i * (self->leaves / SKYNET_CHILDREN),
			self->leaves / SKYNET_CHILDREN, 0};
	for (int i = 0; i < last; i++)
		assay_fork(call, &forks[i], skynet, &children[i]);
	error = skynet(call, &children[last]);
	self->sum = children[last].sum;
	for (int i = last; i-- > 0;) {
		int failed = assay_join(call, &forks[i]);

		error = error ? error : failed;
		self->sum += children[i].sum;
	}
	return error;
}

static int skynet_task(assay_call *call)
{
	struct skynet root = {0, *(const uint64_t *)call->argument, 0};
	int error = skynet(call, &root);

	return error ? error : assay_return(call, &root.sum, sizeof root.sum);
}

static const struct assay_named_function functions[] = {
	{"fib", fib_task}, {"skynet", skynet_task}, FORK_PROBE, {NULL, NULL}};

/* The largest tree that has no more forks or nodes than this. */
static unsigned fib_of(uint64_t forks)
{
	unsigned n = 2;

	while (fib_forks(n + 1) <= forks)
		n++;
	return n;
}

static uint64_t skynet_of(uint64_t nodes)
{
	uint64_t leaves = SKYNET_CHILDREN;

	while (skynet_nodes(leaves * SKYNET_CHILDREN) <= nodes)
		leaves *= SKYNET_CHILDREN;
	return leaves;
}

static int setup(struct cell *cell)
{
	cell->state = calloc(1, sizeof(struct tree));
	return cell->state ? 0 : cell_fail(cell, "no memory");
}

static int prepare(struct cell *cell, uint64_t operations)
{
	*(struct tree *)cell->state = (struct tree){
		.n = fib_of(operations), .leaves = skynet_of(operations), .result = UINT64_MAX};
	return 0;
}

static int run_task(struct cell *cell, const struct assay_task *task)
{
	struct tree *tree = cell->state;
	assay_future *future;
	int error = assay_submit(cell->executor, task, &future);

	if (error)
		return cell_fail(cell, "submit: %s", assay_error_text(error));
	error = assay_future_result(future, ASSAY_FOREVER, &tree->result, sizeof tree->result);
	assay_future_release(future);
	return error ? cell_fail(cell, "the root: %s", assay_error_text(error)) : 0;
}

static int run_fib(struct cell *cell, uint64_t operations)
{
	struct tree *tree = cell->state;
	struct assay_task task;

	(void)operations;
	if (cell->raw)
		return cell_raw(cell, "fib", cell->raw->fib(cell->pool, tree->n, &tree->result));
	if (!cell->executor) {
		tree->result = fib_serial(tree->n);
		return 0;
	}
	task = cell_task(cell, fib_task, &tree->n, sizeof tree->n);
	return run_task(cell, &task);
}

static int run_unwanted(struct cell *cell, uint64_t operations)
{
	struct tree *tree = cell->state;
	struct assay_children children = {NULL, 0};
	assay_call call = {.children = &children};
	struct fib root = {0, tree->n};

	(void)operations;
	if (fib(&call, &root))
		return cell_fail(cell, "fib failed");
	tree->result = root.value;
	return 0;
}

static int run_skynet(struct cell *cell, uint64_t operations)
{
	struct tree *tree = cell->state;
	struct assay_task task;

	(void)operations;
	if (cell->raw)
		return cell_raw(cell, "skynet",
				cell->raw->skynet(cell->pool, tree->leaves, &tree->result));
	if (!cell->executor) {
		tree->result = skynet_serial(0, tree->leaves);
		return 0;
	}
	task = cell_task(cell, skynet_task, &tree->leaves, sizeof tree->leaves);
	return run_task(cell, &task);
}

static int check_fib(struct cell *cell, uint64_t operations)
{
	const struct tree *tree = cell->state;

	(void)operations;
	if (tree->result != fib_number(tree->n))
		return cell_fail(cell, "fib(%u) is %llu, expected %llu", tree->n,
				 (unsigned long long)tree->result,
				 (unsigned long long)fib_number(tree->n));
	return 0;
}

static int check_skynet(struct cell *cell, uint64_t operations)
{
	const struct tree *tree = cell->state;
	uint64_t expected = tree->leaves * (tree->leaves - 1) / 2;

	(void)operations;
	if (tree->result != expected)
		return cell_fail(cell, "the sum of %llu leaves is %llu, expected %llu",
				 (unsigned long long)tree->leaves, (unsigned long long)tree->result,
				 (unsigned long long)expected);
	return 0;
}

/* A small tree tells the pace; then one of full size touches deques and stacks. */
static int rehearse(struct cell *cell, uint64_t *operations, uint64_t tried,
		    int (*run)(struct cell *cell, uint64_t operations))
{
	int64_t start = assay_clock_ns();

	if (prepare(cell, tried) || run(cell, tried))
		return -1;
	*operations = cell_affordable(cell, *operations, tried, assay_clock_ns() - start);
	return 0;
}

static int warm_up_fib(struct cell *cell, uint64_t *operations)
{
	if (rehearse(cell, operations, fib_forks(12), run_fib))
		return -1;
	*operations = fib_forks(fib_of(*operations));
	return prepare(cell, *operations) || run_fib(cell, *operations);
}

static int warm_up_skynet(struct cell *cell, uint64_t *operations)
{
	if (rehearse(cell, operations, skynet_nodes(100), run_skynet))
		return -1;
	*operations = skynet_nodes(skynet_of(*operations));
	return prepare(cell, *operations) || run_skynet(cell, *operations);
}

static void teardown(struct cell *cell)
{
	free(cell->state);
}

static bool has_raw_fib(const struct raw_driver *driver)
{
	return driver->fib;
}

static bool has_raw_skynet(const struct raw_driver *driver)
{
	return driver->skynet;
}

/* fib(10), fib(30), fib(32) */
#define FIB_TREE                                                                          \
	.operation = "fork", .metric = "wall_per_op", .unit = "ns",                       \
	.sample = {{.operations = 88}, {.operations = 1346268}, {.operations = 3524577}}, \
	.setup = setup, .prepare = prepare, .check = check_fib, .teardown = teardown

#define FIB                                                                               \
	FIB_TREE, .class_name = "cpu", .on_executors = true, .forks = true,               \
		  .has_raw = has_raw_fib, .functions = functions, .warm_up = warm_up_fib, \
		  .run = run_fib

const struct workload fib_fork_join = {
	.name = "fib_fork_join",
	.separates = "The price of a fork whose child is hardly ever stolen: fib(32), no cut-off.",
	.without = "serial",
	FIB,
};

const struct workload oversubscribed_fib = {
	.name = "oversubscribed_fib",
	.full_only = true,
	.separates = "The same with 16 workers, more than processors: thieves that find nothing.",
	.workers = 16,
	FIB,
};

const struct workload floor_forks = {
	.name = "floor_forks",
	.class_name = "floor",
	.separates =
		"The machine: fib_fork_join on one thread, of whose children nobody wants any.",
	.without = "floor",
	.run = run_unwanted,
	FIB_TREE,
};

const struct workload skynet_fork_join = {
	.name = "skynet",
	.full_only = true,
	.class_name = "cpu",
	.operation = "node",
	.separates =
		"Forks ten at a time, a million leaves: how queues grow, and what a join costs.",
	.metric = "wall_per_op",
	.unit = "ns",
	.on_executors = true,
	.forks = true,
	.has_raw = has_raw_skynet,
	.without = "serial",
	.sample = {{.operations = 111}, {.operations = 111111}, {.operations = 1111111}},
	.functions = functions,
	.setup = setup,
	.warm_up = warm_up_skynet,
	.prepare = prepare,
	.run = run_skynet,
	.check = check_skynet,
	.teardown = teardown,
};
