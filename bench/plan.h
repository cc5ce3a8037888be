/* SPDX-License-Identifier: MIT */
/* What is to be measured, and in which order. */
#ifndef BENCH_PLAN_H
#define BENCH_PLAN_H

#include "subjects.h"
#include "workload.h"

#include <stddef.h>

#define WORKERS_MAX 64

struct options {
	const struct subject *backends;
	size_t backend_count;
	const char *workload_glob; /* NULL: all */
	const char *backend_glob;  /* of those that there are, where none is named; NULL: all */
	int workers[WORKERS_MAX];
	size_t worker_count; /* 0: what each workload has by default */
	unsigned repetitions;
	uint64_t seed;
	enum scale scale;
	int64_t limit_ns;    /* of one child */
	int64_t budget_ns;   /* no repetition that would end later is begun; 0: none */
	bool executors_only; /* no rows without an executor beside them */
	bool resume;         /* what is in output stays, and is not measured again */
	bool json;
	bool dry_run;       /* nothing is measured */
	const char *output; /* NULL: standard output */
	const char *part;   /* beside it, until it is whole */
};

/* One line of the table. */
struct plan_cell {
	const struct workload *workload;
	const char *backend; /* the name of the row */
	const char *
		file; /* for assay_backend_open() or raw_open(), or the row's name without an executor */
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
	/* done[c * repetitions_asked + r]: an earlier run measured cell c in repetition r. */
	bool *done;
	unsigned repetitions; /* fewer than were asked for if the time is over */
	unsigned repetitions_asked;
};

/*
 * Cells of a workload stay together, so that what is compared is measured within one stretch of
 * time; within a repetition workloads and the cells of each are in an order drawn from the seed.
 * 0, or -1 after a message: no workload matches, or no memory.
 */
int plan_make(struct plan *plan, const struct options *options);
void plan_free(struct plan *plan);

#endif
