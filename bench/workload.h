/* SPDX-License-Identifier: MIT */
/*
 * What a workload is, and what it is given: one cell of the table.
 *
 * A workload is written once, against assay/executor.h, and knows no backend. It checks every
 * result it gets: a fast wrong answer is an error, not a time.
 */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include <assay/executor.h>

#include "gbench.h"
#include "raw/raw.h"

/* How much of a workload is run: to see that it works, for a first table, to compare. */
enum scale { SCALE_TINY, SCALE_QUICK, SCALE_FULL, SCALES };

#define CELL_METRICS 8
#define CELL_MESSAGE 512

/* Lower is better in all of them. */
struct metric {
	const char *name;
	const char *unit;
	double value;
	bool known;
	char note[160]; /* why it is not known */
};

struct cell {
	const struct workload *workload;
	const struct assay_backend *backend; /* NULL: without an executor */
	assay_executor *executor;            /* NULL: without an executor */
	const struct raw_driver *raw;        /* NULL unless the row is a raw rival */
	struct raw_pool *pool;               /* of the raw rival */
	int workers;                         /* as asked for; 1 without an executor */
	uint64_t seed;
	enum scale scale;
	const char *directory; /* for files of this cell; removed afterwards */
	void *state;           /* the workload's own */
	/* How the sample went. */
	char message[CELL_MESSAGE]; /* first thing that went wrong */
	bool unsupported;           /* there is nothing to measure; a metric says why */
	struct metric metrics[CELL_METRICS];
	unsigned metric_count;
	/* Kept where they are too few for a percentile: several samples may have enough. */
	uint64_t *latencies_ns;
	size_t latency_count;
};

/*
 * Each step returns 0, or -1 after cell_fail(). setup and teardown bracket the cell; warm_up comes
 * once, when there is an executor; prepare, run and check are called in this order for each attempt
 * at finding the right number of operations. Only run is timed. NULL: nothing to do.
 */
struct workload {
	const char *name;
	const char *class_name; /* overhead, cpu, graph, io, load, trouble or floor */
	const char *operation;  /* what is counted, in the singular */
	const char *separates;  /* which executors it tells apart, one sentence */
	const char *metric;     /* the one to compare by */
	const char *unit;       /* of that metric */
	int workers;            /* by default; 0: one for each processor */
	unsigned parts; /* of a sample that runs for a time: its cost is the least of them */
	bool full_only; /* left out of a quick run that names no workloads */
	bool paced;     /* runs at its own pace: the wall time of an operation says nothing */
	bool on_executors;
	bool forks;      /* an executor that offers children to nobody has no row */
	int64_t spin_ns; /* that the executor is to look before it sleeps; 0: as it likes */
	uint64_t needs;  /* capabilities without which a backend has no row: not supported */
	/* Whether a raw driver has the operations for it. NULL: there is no raw form. */
	bool (*has_raw)(const struct raw_driver *driver);
	const char *without; /* name of the row without an executor: "serial", "floor"; or NULL */
	struct gbench_options sample[SCALES];
	const struct assay_named_function *functions; /* the task functions, ended by NULL */
	int (*setup)(struct cell *cell);
	/*
	 * The first touch of memory and threads, for all sides the same and before any clock. May
	 * lower a fixed number of operations, so that a slow executor ends within the deadline.
	 */
	int (*warm_up)(struct cell *cell, uint64_t *operations);
	int (*prepare)(struct cell *cell, uint64_t operations);
	int (*run)(struct cell *cell, uint64_t operations);
	int (*check)(struct cell *cell, uint64_t operations);
	void (*teardown)(struct cell *cell);
};

/* All of them, in the order of the tables, ended by NULL. */
extern const struct workload *const workloads[];

/* What they are, as in the list format: a new array, to be deleted. */
struct cJSON *workloads_describe(void);

/* Keeps the first message, from any thread. Returns -1. */
int cell_fail(struct cell *cell, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool cell_failed(struct cell *cell);
/* No failure, and no value: what is measured does not exist here. Returns -1. */
int cell_unsupported(struct cell *cell, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

void cell_metric(struct cell *cell, const char *name, const char *unit, double value);
/* A metric that could not be had, and why. */
void cell_no_metric(struct cell *cell, const char *name, const char *unit, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * For warm_up: as many of the operations as fit into the time of a sample, at the pace of those that
 * were tried; at least one. A fast executor gets all of them.
 */
uint64_t cell_affordable(const struct cell *cell, uint64_t operations, uint64_t tried,
			 int64_t took_ns);

/*
 * An executor that quietly is something else than what the row says is not measured: 0, or -1 after
 * cell_fail(). For those that a workload makes; that of the cell has been checked.
 */
int cell_check_executor(struct cell *cell, assay_executor *executor, int workers);

/* Calls body(user) where the raw rival takes tasks from this thread; without one, as it is. */
int cell_enter(struct cell *cell, int (*body)(void *user), void *user);
/* What an operation of the raw rival returned: 0, or -1 after cell_fail(). */
int cell_raw(struct cell *cell, const char *operation, int error);

/*
 * p50, p99 and p99.9 of the latencies (which are sorted), and those alone that enough of the
 * latencies exceed. If one is left out, the cell keeps a copy of the latencies.
 */
void cell_percentiles(struct cell *cell, uint64_t *latencies_ns, size_t count);

/* Of a task function of the workload; NULL if it is none. */
const char *cell_function_name(const struct cell *cell, assay_function *function);

/*
 * A task of the workload, by pointer or by name, as the backend takes it. In line: out of a call it would
 * come in words that are read two at once, before they have reached the cache: a wait that is a fifth of a
 * task in submit_many.
 */
static inline struct assay_task cell_task(const struct cell *cell, assay_function *function,
					  const void *argument, size_t argument_size)
{
	struct assay_task task = {function, NULL, argument, argument_size};

	if (cell->backend && !(cell->backend->capabilities & ASSAY_CAP_FUNCTION_POINTERS)) {
		task.function = NULL;
		task.name = cell_function_name(cell, function);
	}
	return task;
}

/* The next of a reproducible sequence (SplitMix64); also a cheap way to spread one number. */
uint64_t next_random(uint64_t *state);

#endif
