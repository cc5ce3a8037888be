/* SPDX-License-Identifier: MIT */
/*
 * Runs one test in a process of its own: own process group, deadline, output captured, every
 * descendant gone afterwards. The calling process must have no other thread, and no child that it
 * wants to keep: what is left of a test is adopted and killed.
 */
#ifndef RUNNER_H
#define RUNNER_H

#include "test.h"
#include "verdict.h"

struct result {
	enum verdict verdict;
	int signal; /* that ended it, if the verdict is a crash */
	int64_t duration_ns;
	char message[2048]; /* why it is no pass; empty for a pass */
	char note[512];
	char output[4096]; /* the end of what the test wrote, unless it passed */
};

/* What the program that runs tests says before anything else. */
void runner_start(void);

/* Calls body(user) in a process of its own. */
void runner_isolate(void (*body)(void *user), void *user, int64_t deadline_ns,
		    struct result *result);

/* How a test is run. */
struct setup {
	const char *backend_path;
	const char *options; /* of executors that set none themselves; NULL: none */
	int workers;
	int deadline_ms; /* counts if the test has none of its own */
};

void runner_run(const struct test *test, const struct setup *setup, struct result *result);

/* The default for deadline_ms, longer under a sanitizer. */
#define RUNNER_DEADLINE_MS 10000

/* What a backend says about itself. */
struct facts {
	char name[ASSAY_NAME_LIMIT + 1];
	char summary[256];
	uint64_t capabilities;
	uint32_t lookahead;
	uint64_t argument_limit; /* bytes */
	uint64_t result_limit;
	/* Of a mutant (see mutants/mutant.h); empty for any other backend. */
	char mutant_clauses[256];
	char mutant_what[256];
};

/* Opens a backend in a process of its own, and creates an executor with the options, if they are not
 * NULL. False: message says why it is none, or refuses. Leaves the calling process as it was. */
bool runner_describe(const char *backend_path, const char *options, struct facts *facts,
		     char *message, size_t size);

#endif
