/* SPDX-License-Identifier: MIT */
/* The child's side: one sample of one cell in a process of its own. */
#ifndef BENCH_CELL_H
#define BENCH_CELL_H

#include "workload.h"

struct cell_request {
	const char *backend; /* a name or path for assay_backend_open(), or the row's own name */
	const char *workload;
	int workers;
	uint64_t seed;
	enum scale scale;
	const char *directory;
	int output; /* descriptor for the record */
};

/* The descriptor on which a child of the bench writes its record. */
#define CELL_OUTPUT 3

/*
 * Runs the cell and writes one JSON object to request->output: ok, message, backend, workers,
 * operations, metrics. Returns the exit code of the child: 0 if the record was written.
 */
int cell_run(const struct cell_request *request);

#endif
