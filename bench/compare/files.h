/* SPDX-License-Identifier: MIT */
/* Two files of results: what was measured is what there is, and was measured apart. */
#ifndef COMPARE_FILES_H
#define COMPARE_FILES_H

#include "figures.h"

#include <cjson/cJSON.h>

struct selection {
	const char *workload_glob; /* NULL: all; several with commas */
	const char *backend_glob;
	int workers[16];
	size_t worker_count; /* 0: all */
};

/*
 * The figures of both files. Repetitions are dealt in halves: the second half has to repeat what
 * the first shows. force: also where machine or build differ. 0, or -1 after a message.
 */
int files_read(struct figures *figures, const char *base, const char *changed,
	       const struct selection *selection, bool force);

#endif
