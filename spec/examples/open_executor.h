/* SPDX-License-Identifier: MIT */
/* How every example begins: it takes its arguments, opens a backend and creates an executor. */
#ifndef OPEN_EXECUTOR_H
#define OPEN_EXECUTOR_H

#include <assay/load.h>

/* Ends the program with a message that says what failed, and why, unless error is ASSAY_OK. */
static inline void must(int error, const char *what)
{
	if (error) {
		fprintf(stderr, "cannot %s: %s\n", what, assay_error_text(error));
		exit(1);
	}
}

/* An executor of the backend whose name or path is the first of one or two arguments. */
static inline assay_executor *open_executor(int argc, char **argv, const char *usage, int workers)
{
	struct assay_config config = assay_config_default();
	const struct assay_backend *backend;
	assay_executor *executor;
	char message[512];

	snprintf(message, sizeof message, "usage: %s", usage);
	if (argc < 2 || argc > 3 ||
	    assay_backend_open(argv[1], &backend, message, sizeof message)) {
		fprintf(stderr, "%s\n", message);
		exit(2);
	}
	config.workers = workers;
	must(assay_executor_create(backend, &config, &executor), "create an executor");
	return executor;
}

/* The second argument as a number, if there is one. */
static inline uint64_t number_argument(int argc, char **argv, uint64_t otherwise)
{
	char *end;
	uint64_t number;

	if (argc < 3)
		return otherwise;
	number = strtoull(argv[2], &end, 10);
	if (end == argv[2] || *end) {
		fprintf(stderr, "'%s' is not a number\n", argv[2]);
		exit(2);
	}
	return number;
}

#endif
