/* SPDX-License-Identifier: MIT */
/*
 * Memory orders, by label:
 *   value   waiting: fetch_sub release by each input once its value is stored, and acquire by the
 *           last of them, whose thread reads the values and submits the node.
 *   still   moving: fetch_sub release by each callback when it is done with the graph, and acquire
 *           by the last of them, which lets graph_run() go on.
 */
#include "graph.h"

#include "../batch.h"
#include "../marks.h"

#include <stdlib.h>
#include <string.h>

static uint64_t mix(const struct node_work *work)
{
	uint64_t value = work->node;

	for (size_t i = 0; i < INPUTS_MAX; i++) {
		value ^= work->inputs[i];
		value = next_random(&value);
	}
	return value;
}

static int node_task(assay_call *call)
{
	const struct node_work *work = call->argument;
	uint64_t value = kernel(mix(work), work->iterations);

	mark(work->node);
	return assay_return(call, &value, sizeof value);
}

const struct assay_named_function graph_functions[] = {{"node", node_task}, {NULL, NULL}};

static struct node_work work_of(const struct node *node)
{
	const struct graph *graph = node->graph;
	struct node_work work = {.node = (uint64_t)(node - graph->nodes),
				 .iterations = graph->iterations};

	for (uint32_t i = 0; i < node->input_count; i++)
		work.inputs[i] = graph->nodes[node->inputs[i]].value;
	return work;
}

static void settle(struct graph *graph)
{
	/* still */
	if (atomic_fetch_sub_explicit(&graph->moving, 1, memory_order_acq_rel) == 1)
		sem_post(&graph->still);
}

static void node_done(assay_future *future, void *user);

/* A refused task is not counted as moving any more; what follows it never starts. */
static void submit(struct node *node)
{
	struct cell *cell = node->graph->cell;
	struct node_work work = work_of(node);
	struct assay_task task = cell_task(cell, node_task, &work, sizeof work);
	assay_future *future;
	int error = assay_submit(cell->executor, &task, &future);

	if (error) {
		cell_fail(cell, "submit: %s", assay_error_text(error));
		settle(node->graph);
		return;
	}
	error = assay_future_add_done_callback(future, node_done, node);
	if (error) {
		cell_fail(cell, "add_done_callback: %s", assay_error_text(error));
		settle(node->graph);
	}
	assay_future_release(future);
}

/*
 * What is ready is submitted by a loop at the bottom of the stack. Where submit runs the task and
 * its callback before it returns, it would otherwise go one deeper with each row.
 */
static _Thread_local struct node *ready;
static _Thread_local bool submitting;

static void submit_ready(void)
{
	struct node *node;

	if (submitting)
		return;
	submitting = true;
	while ((node = ready)) {
		ready = node->next_ready;
		submit(node);
	}
	submitting = false;
}

static void make_ready(struct node *node)
{
	/* Relaxed: the caller is counted too, so it does not pass through 0. */
	atomic_fetch_add_explicit(&node->graph->moving, 1, memory_order_relaxed);
	node->next_ready = ready;
	ready = node;
}

static void release_successors(const struct node *node)
{
	struct graph *graph = node->graph;

	for (uint32_t i = 0; i < node->successor_count; i++) {
		struct node *next = &graph->nodes[graph->successors[node->first_successor + i]];

		/* value */
		if (atomic_fetch_sub_explicit(&next->waiting, 1, memory_order_acq_rel) == 1)
			make_ready(next);
	}
}

static void node_done(assay_future *future, void *user)
{
	struct node *node = user;
	struct graph *graph = node->graph;
	int error = assay_future_result(future, 0, &node->value, sizeof node->value);

	if (error)
		cell_fail(graph->cell, "task %zu: %s", (size_t)(node - graph->nodes),
			  assay_error_text(error));
	else
		release_successors(node);
	settle(graph);
	submit_ready();
}

static int run_serial(struct graph *graph)
{
	for (uint32_t i = 0; i < graph->count; i++) {
		struct node *node = &graph->nodes[i];
		struct node_work work = work_of(node);

		if (batch_call(graph->cell, node_task, &work, sizeof work, &node->value,
			       sizeof node->value))
			return -1;
	}
	return 0;
}

int graph_run(struct graph *graph, uint64_t iterations)
{
	graph->iterations = iterations;
	for (uint32_t i = 0; i < graph->count; i++) {
		/* Relaxed: no task is under way. */
		atomic_store_explicit(&graph->nodes[i].waiting, graph->nodes[i].input_count,
				      memory_order_relaxed);
		graph->nodes[i].value = 0;
	}
	if (!graph->cell->executor)
		return run_serial(graph);
	/* Relaxed: as above. */
	atomic_store_explicit(&graph->moving, 1, memory_order_relaxed);
	for (uint32_t i = graph->count; i--;)
		if (graph->nodes[i].input_count == 0)
			make_ready(&graph->nodes[i]);
	submit_ready();
	settle(graph);
	while (sem_wait(&graph->still))
		;
	return cell_failed(graph->cell) ? -1 : 0;
}

int graph_check(const struct graph *graph)
{
	for (uint32_t i = 0; i < graph->count; i++) {
		const struct node *node = &graph->nodes[i];
		struct node_work work = work_of(node);
		uint64_t expected = kernel_leap(mix(&work), work.iterations);

		if (node->value != expected)
			return cell_fail(graph->cell, "task %u returned %#llx, expected %#llx", i,
					 (unsigned long long)node->value,
					 (unsigned long long)expected);
	}
	return 0;
}

static void add_row(struct graph *graph, const struct pattern *pattern, uint32_t row,
		    uint32_t before, uint64_t *random)
{
	for (uint32_t column = 0; column < pattern->width(row); column++) {
		struct node *node = &graph->nodes[graph->count++];

		node->graph = graph;
		if (row == 0)
			continue;
		node->input_count = pattern->inputs(row, column, random, node->inputs);
		for (uint32_t i = 0; i < node->input_count; i++) {
			node->inputs[i] += before;
			graph->nodes[node->inputs[i]].successor_count++;
		}
	}
}

/* The inputs of all nodes, the other way round. */
static void link_successors(struct graph *graph)
{
	uint32_t first = 0;

	for (uint32_t i = 0; i < graph->count; i++) {
		graph->nodes[i].first_successor = first;
		first += graph->nodes[i].successor_count;
		graph->nodes[i].successor_count = 0;
	}
	for (uint32_t i = 0; i < graph->count; i++)
		for (uint32_t j = 0; j < graph->nodes[i].input_count; j++) {
			struct node *input = &graph->nodes[graph->nodes[i].inputs[j]];

			graph->successors[input->first_successor + input->successor_count++] = i;
		}
}

int graph_make(struct graph *graph, struct cell *cell, const struct pattern *pattern, uint32_t rows)
{
	size_t most = (size_t)rows * GRAPH_WIDTH;
	uint64_t random = cell->seed;
	uint32_t before = 0;

	graph->cell = cell;
	if (sem_init(&graph->still, 0, 0))
		return cell_fail(cell, "cannot make a semaphore");
	graph->nodes = calloc(most, sizeof *graph->nodes);
	graph->successors = calloc(most * INPUTS_MAX, sizeof *graph->successors);
	if (!graph->nodes || !graph->successors)
		return cell_fail(cell, "no memory for a graph of %u rows", rows);
	for (uint32_t row = 0; row < rows; row++) {
		uint32_t first = graph->count;

		add_row(graph, pattern, row, before, &random);
		before = first;
	}
	link_successors(graph);
	return marks_begin(cell, graph->count);
}

void graph_free(struct graph *graph)
{
	if (graph->cell)
		sem_destroy(&graph->still);
	free(graph->nodes);
	free(graph->successors);
	marks_end();
}
