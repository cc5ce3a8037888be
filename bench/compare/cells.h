/* SPDX-License-Identifier: MIT */
/* The cells that two build trees have in common. */
#ifndef COMPARE_CELLS_H
#define COMPARE_CELLS_H

#include "files.h"

struct cell {
	char *workload;
	char *backend;
	char *files[2]; /* of the backend, in BASE and NEW */
	int workers;    /* 0: what the workload has by default */
	bool open;      /* to be measured in the next batch */
	bool settled;   /* failed, or not supported: not measured any more */
};

struct cells {
	struct cell *list;
	size_t count;
};

/*
 * What one tree alone has is a figure that says so. Without a glob of workloads, those that are no
 * longer than their operations: of the classes overhead and cpu. 0, or -1 after a message.
 */
int cells_choose(struct cells *cells, struct figures *figures, const char *const trees[2],
		 const struct selection *selection, const char *directory);
void cells_free(struct cells *cells);

bool is_figure_of(const struct figure *figure, const struct cell *cell);

#endif
