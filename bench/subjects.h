/* SPDX-License-Identifier: MIT */
/*
 * The backends and raw rivals that are asked for: each one is opened once, in a child, before
 * anything is run.
 */
#ifndef BENCH_SUBJECTS_H
#define BENCH_SUBJECTS_H

#include "digest.h"
#include "raw/raw.h"

#include <stdbool.h>
#include <stddef.h>

struct cJSON;

struct subject {
	char *name;    /* in its descriptor; unique */
	char *file;    /* the name or path for assay_backend_open(), or the path for raw_open() */
	char *path;    /* of its file */
	char *summary; /* in its descriptor */
	char *version; /* of a rival's library; "" if it is none, or nobody can tell */
	char digest[DIGEST_SIZE]; /* of its file */
	bool raw;
};

struct subjects {
	struct subject *list;
	size_t count;
};

/*
 * The backends and raw drivers with these names or paths; without any, all backends that there are.
 * `raw` stands for every raw driver that was built, and says which were not. 0, or -1 after a message
 * that names the one that cannot be measured. To be freed in both cases.
 */
int subjects_choose(struct subjects *subjects, const char *const *names, size_t count);
void subjects_free(struct subjects *subjects);

/* What was measured, for the results: name, summary, version, digest, and whether it is raw. */
struct cJSON *subjects_list(const struct subject *list, size_t count);

/* In a child: writes name, summary and version to CELL_OUTPUT, a line each. The exit code of the child. */
int subject_describe(const char *file);

#endif
