/* SPDX-License-Identifier: MIT */
/*
 * Graphs of tasks with dependencies, after Task Bench (Slaughter and others, SC 2020): rows of
 * tasks, each of which needs some of the row before. Nobody waits inside a task: when a task is
 * done, its callback submits what has nothing left to wait for. So it runs on every executor.
 */
#ifndef BENCH_GRAPH_H
#define BENCH_GRAPH_H

#include "../workload.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stddef.h>

enum { GRAPH_WIDTH = 16, INPUTS_MAX = 3 };

struct graph;

/* What a task is told: its own number, the values it depends on, and how much there is to do. */
struct node_work {
	uint64_t node;
	uint64_t iterations;
	uint64_t inputs[INPUTS_MAX];
};

struct node {
	struct graph *graph;
	struct node *next_ready; /* in the list of the thread that submits it */
	uint64_t value;          /* of its task */
	uint32_t inputs[INPUTS_MAX];
	uint32_t input_count;
	uint32_t first_successor;
	uint32_t successor_count;
	_Atomic uint32_t waiting; /* inputs that are not done */
};

struct graph {
	struct cell *cell;
	struct node *nodes;
	uint32_t *successors;
	uint32_t count;
	uint64_t iterations; /* of each task */
	/* Tasks under way, and one for who starts them: at 0 nothing moves any more. */
	_Atomic uint32_t moving;
	sem_t still;
};

/*
 * A pattern says which nodes there are. Called once for each row, with the number of the first node
 * of the row before and how many that has: adds its own nodes.
 */
struct pattern {
	const char *name;
	uint32_t (*width)(uint32_t row);
	/* Positions in the row before; returns how many, 1 to INPUTS_MAX, all different. */
	uint32_t (*inputs)(uint32_t row, uint32_t column, uint64_t *random, uint32_t *positions);
};

extern const struct pattern stencil_pattern, fft_pattern, tree_pattern, random_pattern;

/* In setup. 0, or -1 after cell_fail(). */
int graph_make(struct graph *graph, struct cell *cell, const struct pattern *pattern,
	       uint32_t rows);
void graph_free(struct graph *graph);

/* Runs every task once, with so many iterations each, and returns when none is left. */
int graph_run(struct graph *graph, uint64_t iterations);

/* Whether the value of each task follows from those it depends on. */
int graph_check(const struct graph *graph);

/* The work of a task: a chain of multiplications and additions, one after the other. */
uint64_t kernel(uint64_t value, uint64_t iterations);
/* The same in logarithmic time. */
uint64_t kernel_leap(uint64_t value, uint64_t iterations);

extern const struct assay_named_function graph_functions[];

#endif
