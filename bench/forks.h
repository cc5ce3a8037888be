/* SPDX-License-Identifier: MIT */
/*
 * Whether an executor offers children to its other workers. Else the join calls them: what a workload
 * of forks would measure there is plain recursion.
 */
#ifndef BENCH_FORKS_H
#define BENCH_FORKS_H

#include "workload.h"

/* A task for forks_check(), in the table of functions of each workload that forks. */
int fork_probe(assay_call *call);
#define FORK_PROBE                       \
	{                                \
		"fork_probe", fork_probe \
	}

/* Asks a task of the executor: 0, or -1 after cell_unsupported() or cell_fail(). */
int forks_check(struct cell *cell);

#endif
