/* SPDX-License-Identifier: MIT */
/* What is to be measured, and in which order. */
#ifndef BENCH_PLAN_H
#define BENCH_PLAN_H

#include "workload.h"

#include <stddef.h>

#define WORKERS_MAX 64

struct options {
	const char *const *backends; /* as given to assay_backend_open() */
	size_t backend_count;
	const char *workload_glob; /* NULL: all */
	int workers[WORKERS_MAX];
	size_t worker_count; /* 0: what each workload has by default */
	unsigned repetitions;
	uint64_t seed;
	enum scale scale;
	int64_t limit_ns; /* of one child */
	bool json;
	const char *output; /* NULL: standard output */
};

/* One line of the table. */
struct plan_cell {
	const struct workload *workload;
	const char *backend;
	int workers;
	bool given_up; /* after it ran into the deadline */
	/* Of all repetitions so far, where one alone has too few for its percentiles. */
	uint64_t *latencies_ns;
	size_t latency_count;
	size_t repetition_latencies; /* of the last repetition */
};

struct plan {
	struct plan_cell *cells;
	size_t count;
	/* order[r * count .. (r + 1) * count - 1] are the indexes of the cells in repetition r. */
	size_t *order;
	unsigned repetitions;
};

/*
 * Cells of a workload stay together, so that what is compared is measured within one stretch of
 * time; within a repetition workloads and the cells of each are in an order drawn from the seed.
 * 0, or -1 after a message: no workload matches, or no memory.
 */
int plan_make(struct plan *plan, const struct options *options);
void plan_free(struct plan *plan);

/* The name for tables: of a path, the file name without its ending. Valid until the next call. */
const char *plan_label(const char *backend);

#endif
