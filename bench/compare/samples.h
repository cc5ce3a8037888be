/* SPDX-License-Identifier: MIT */
/* A file of the bench, read with distrust. */
#ifndef COMPARE_SAMPLES_H
#define COMPARE_SAMPLES_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

/* A record: one metric of one repetition, or the failure of one. Strings live as long as the file. */
struct sample {
	const char *workload;
	const char *backend;
	int workers;
	const char *metric;
	const char *unit;
	double repetition;
	bool ok;
	bool supported;
	bool known; /* there is a value */
	double value;
	const char *message; /* NULL without one */
	size_t position;
};

struct samples {
	cJSON *tree;
	const cJSON *context;
	struct sample *list; /* by cell, metric, repetition */
	size_t count;
};

/* 0, or -1 after a message that names the file, the place, and what was expected. To be freed in
 * both cases. */
int samples_read(struct samples *samples, const char *path);
void samples_free(struct samples *samples);

#endif
