/* SPDX-License-Identifier: MIT */
/* The tests that are linked in, which of them to run, and what came of it. */
#ifndef SUITE_H
#define SUITE_H

#include "runner.h"

#include <signal.h>

/* All tests in the order of the catalogue: by chapter and clause, never by link order. The array
 * is the library's, its end marked by NULL. */
const struct test *const *suite_tests(size_t *count);

/* Lists of patterns as of fnmatch(3), separated by commas; NULL: everything. */
struct selection {
	const char *clauses;
	const char *tests;
};

/* A new array of the tests that match both; NULL if there is none. */
const struct test **suite_select(const struct selection *selection, size_t *count);

/* Every pattern matches a test, and some test matches both lists. False after a message that says
 * what does not, and what would be near. */
bool suite_can_select(const struct selection *selection);

/* The tests of one backend. */
struct campaign {
	char *path; /* of the backend */
	struct facts facts;
	const char *options; /* NULL: none */
	int workers;
	int jobs;        /* tests at the same time */
	int deadline_ms; /* for a test that names none */
	const struct test **tests;
	struct result *results; /* one for each test, in shared memory */
	size_t count;
	bool is_filtered; /* not all tests there are: says nothing about the whole catalogue */
	pid_t *job_ids;   /* while it runs */
};

/* Runs all tests and fills results. progress is called now and then with the number done. When
 * is_interrupted (NULL: never) becomes true, the tests are ended. Returns the number done. */
size_t campaign_run(struct campaign *campaign, void (*progress)(const struct campaign *, size_t),
		    const volatile sig_atomic_t *is_interrupted);

/* Back to where no test was selected. */
void campaign_reset(struct campaign *campaign);

/* All that it points to. */
void campaign_free(struct campaign *campaign);

#endif
