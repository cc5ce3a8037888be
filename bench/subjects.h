/* SPDX-License-Identifier: MIT */
/* The backends that are asked for: each one is opened once, in a child, before anything is run. */
#ifndef BENCH_SUBJECTS_H
#define BENCH_SUBJECTS_H

#include <stddef.h>

struct subject {
	char *name; /* in its descriptor; unique */
	char *file; /* the name or path for assay_backend_open() */
};

struct subjects {
	struct subject *list;
	size_t count;
};

/*
 * The backends with these names or paths; without any, all that there are. 0, or -1 after a message
 * that names the one that cannot be measured. To be freed in both cases.
 */
int subjects_choose(struct subjects *subjects, const char *const *names, size_t count);
void subjects_free(struct subjects *subjects);

/* In a child: writes the name of the backend to CELL_OUTPUT. The exit code of the child. */
int subject_describe(const char *file);

#endif
