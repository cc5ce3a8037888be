/* SPDX-License-Identifier: MIT */
/*
 * Tasks that are all submitted and then all read, with arguments and results of one size each. The
 * same functions run without an executor, one after the other: the serial row of a workload.
 */
#ifndef BENCH_BATCH_H
#define BENCH_BATCH_H

#include "workload.h"

#include <stddef.h>

struct batch {
	/* To be set before batch_make(). */
	assay_function *function;
	size_t argument_size;
	size_t result_size;
	/* Of batch_make(). */
	size_t count;
	char *arguments;
	char *results;
	assay_future **futures;
};

/*
 * A batch as the state of the cell, and marks for so many tasks at most: in setup. In teardown the end
 * of both, whether or not they were begun. 0, or -1 after cell_fail().
 */
int batch_begin(struct cell *cell, assay_function *function, size_t argument_size,
		size_t result_size, size_t most);
void batch_end(struct cell *cell);

/* Room for so many tasks, in place of what was there. 0, or -1 after cell_fail(). */
int batch_make(struct cell *cell, struct batch *batch, size_t count);
void batch_free(struct batch *batch);

static inline void *batch_argument(const struct batch *batch, size_t index)
{
	return batch->arguments + index * batch->argument_size;
}

static inline const void *batch_result(const struct batch *batch, size_t index)
{
	return batch->results + index * batch->result_size;
}

/* Every task ended well with a result of the right size, which is in its place: 0. */
int batch_run(struct cell *cell, const struct batch *batch);

/*
 * A task for each argument, which are so many bytes apart. Returns how many were submitted: all, or
 * fewer after cell_fail().
 */
size_t submit_each(struct cell *cell, assay_function *function, const void *arguments,
		   size_t stride, size_t argument_size, size_t count, assay_future **futures);
/* Waits for all at once, as the rivals wait for their group, and not with a wake-up for each; then takes
 * each one's number and releases it. A task that failed fails the cell. */
void collect_each(struct cell *cell, assay_future **futures, size_t count, uint64_t *first,
		  size_t stride);

/* Runs one task in this thread. */
int batch_call(struct cell *cell, assay_function *function, const void *argument,
	       size_t argument_size, void *result, size_t result_size);

#endif
