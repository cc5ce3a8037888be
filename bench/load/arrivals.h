/* SPDX-License-Identifier: MIT */
/*
 * Open loop: tasks arrive at times that were drawn beforehand, whether or not earlier ones are
 * done, and a latency runs from the time at which its task was due to arrive until its callback. A
 * generator that waits for a slow executor therefore hides nothing: what could not be sent in time
 * has been waiting since it was due.
 *
 * A generator that is late by itself (the machine did not wake it) would be taken for a slow
 * executor. Its own lateness is the time from when a task was due, or the previous submit returned
 * if that was later, until it is submitted. Where that is more than a tenth of the p99 of the
 * latencies, at its own p99, the percentiles are refused. So they are where the queue grew all
 * along.
 */
#ifndef BENCH_ARRIVALS_H
#define BENCH_ARRIVALS_H

#include "../workload.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stddef.h>

/* What a task does: some steps of computing, then waiting for a timer. 0 or NULL: not that. */
struct service {
	uint64_t index;
	uint64_t iterations;
	uint64_t wait_ns;
	int64_t *dies_ns; /* if not NULL it kills its worker, and the clock before goes here */
};

struct arrival {
	struct arrivals *arrivals;
	struct service service;
	int64_t due_ns; /* these four after the start of the run */
	int64_t sent_ns;
	int64_t returned_ns; /* from submit */
	int64_t done_ns;
	uint64_t value; /* returned by the task */
	int error;
};

struct arrivals {
	struct cell *cell;
	assay_executor *executor; /* that of the cell unless set otherwise */
	struct arrival *list;
	size_t count;
	int64_t start_ns;
	_Atomic size_t undone;
	sem_t all_done;
	sem_t window; /* of a closed loop: how many more may be under way */
};

extern const struct assay_named_function arrival_functions[];

/* In setup and teardown. 0, or -1 after cell_fail(). */
int arrivals_begin(struct arrivals *arrivals, struct cell *cell, size_t most);
void arrivals_end(struct arrivals *arrivals);

/* Room for so many, all due at once. */
int arrivals_make(struct arrivals *arrivals, size_t count);

/* Draws the gaps from an exponential distribution of this mean. */
void arrivals_poisson(struct arrivals *arrivals, double mean_gap_ns, uint64_t seed);

/* Each when it is due. Returns when all are done. 0, or -1 after cell_fail(). */
int arrivals_run(struct arrivals *arrivals);

/* As soon as fewer than so many are under way: *per_task_ns is the inverse of the capacity. */
int arrivals_run_closed(struct arrivals *arrivals, unsigned window, double *per_task_ns);

/* Each task ran once, and returned what it should, or died with its worker if it is fatal: 0. */
int arrivals_check(const struct arrivals *arrivals);

/*
 * Metrics p50, p99 and p99.9 of the latencies of tasks that wait no longer than longest_wait_ns,
 * and generator_lateness; or why the percentiles are refused.
 */
void arrivals_report(struct arrivals *arrivals, uint64_t longest_wait_ns);

#endif
