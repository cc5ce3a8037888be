/* SPDX-License-Identifier: MIT */
/*
 * Trees of children, forked and joined on more workers than processors, by several tasks at once.
 * Each child runs once, what it wrote is there after its join, and what it returned arrives. Trees
 * are bushy, deep, and wider than a worker's deque has room for. With either form of the fences.
 */
#include <assay/executor.h>

#include <assay/backend.h>

#include "../fork.h"
#include "validate.h"

#include <stdio.h>

#define WORKERS 4
#define TASKS 3

struct node {
	uint32_t seed;
	uint32_t depth;
	uint32_t ran;
	uint64_t leaves;
};

static int grow_tree(assay_call *call, void *frame);

/* `count` children at once, joined latest first. */
static uint64_t fork_all(assay_call *call, struct node *self, uint32_t count)
{
	struct node *nodes = calloc(count, sizeof *nodes);
	struct assay_fork *children = calloc(count, sizeof *children);
	uint64_t leaves = 0;

	MUST(nodes && children);
	for (uint32_t i = 0; i < count; i++) {
		nodes[i].seed = validate_random(&self->seed);
		nodes[i].depth = self->depth - 1;
		assay_fork(call, &children[i], grow_tree, &nodes[i]);
	}
	for (uint32_t i = count; i-- > 0;) {
		MUST(assay_join(call, &children[i]) == (int)(nodes[i].seed % 1000));
		MUST(nodes[i].ran == 1);
		leaves += nodes[i].leaves;
	}
	free(children);
	free(nodes);
	return leaves;
}

static int grow_tree(assay_call *call, void *frame)
{
	struct node *self = frame;

	self->ran++;
	if (self->depth == 0)
		self->leaves = 1;
	else
		self->leaves = fork_all(call, self, 1 + validate_random(&self->seed) % 5);
	self->seed |= 1;
	return (int)(self->seed % 1000);
}

static int grow_wood(assay_call *call)
{
	struct node root = *(const struct node *)call->argument;
	uint64_t leaves = fork_all(call, &root, root.depth == 1 ? 3 * FORKS : 2);

	return assay_return(call, &leaves, sizeof leaves);
}

static uint64_t wood(assay_executor *executor, uint32_t seed, uint32_t depth)
{
	assay_future *futures[TASKS];
	uint64_t first = 0, leaves = 0;

	for (int i = 0; i < TASKS; i++) {
		struct node root = {.seed = seed, .depth = depth};
		struct assay_task task = {
			.function = grow_wood, .argument = &root, .argument_size = sizeof root};

		MUST(assay_submit(executor, &task, &futures[i]) == ASSAY_OK);
	}
	for (int i = 0; i < TASKS; i++) {
		MUST(assay_future_result(futures[i], ASSAY_FOREVER, &leaves, sizeof leaves) ==
		     ASSAY_OK);
		MUST(i == 0 || leaves == first); /* the same tree, however it was shared out */
		first = leaves;
		assay_future_release(futures[i]);
	}
	return leaves;
}

int main(void)
{
	static const char *const options[] = {NULL, "fences=full"};
	int rounds = validate_rounds(300);
	uint64_t leaves[2] = {0};

	validate_expect_end(100);
	for (int form = 0; form < 2; form++) {
		struct assay_config config = assay_config_default();
		struct assay_statistics statistics;
		assay_executor *executor;

		config.workers = WORKERS;
		config.options = options[form];
		MUST(assay_executor_create(&assay_backend, &config, &executor) == ASSAY_OK);
		for (int round = 1; round <= rounds; round++) {
			leaves[form] += wood(executor, (uint32_t)round, 8);
			leaves[form] += wood(executor, (uint32_t)round, 1);
		}
		assay_executor_statistics(executor, &statistics);
		printf("%s: %llu leaves, %llu steals\n", options[form] ? options[form] : "default",
		       (unsigned long long)leaves[form], (unsigned long long)statistics.steals);
		MUST(assay_executor_destroy(executor) == ASSAY_OK);
	}
	MUST(leaves[0] == leaves[1]);
	return 0;
}
