/* SPDX-License-Identifier: MIT */
/* Holds clauses and tests against each other: what is required is tested or says why it is not, and
 * what is tested is required. */
#include "conform.h"
#include "catalogue.h"
#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct test *find_test(const char *name)
{
	size_t count;
	const struct test *const *tests = suite_tests(&count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(tests[i]->name, name) == 0)
			return tests[i];
	return NULL;
}

static bool lists(const struct clause *clause, const char *test)
{
	for (size_t i = 0; i < clause->test_count; i++)
		if (strcmp(clause->tests[i], test) == 0)
			return true;
	return false;
}

static int check_listed_test(const struct clause *clause, const char *name)
{
	const struct test *test = find_test(name);

	if (test && strcmp(test->clause, clause->id) == 0)
		return 0;
	fprintf(stderr, "%s:%d: clause %s lists the test %s, which ", clause->file, clause->line,
		clause->id, name);
	if (test)
		fprintf(stderr, "is one of clause %s (%s:%d)\n", test->clause, test->file,
			test->line);
	else
		fprintf(stderr, "does not exist\n");
	return 1;
}

static int check_clause(const struct clause *clause)
{
	int wrong = 0;

	if (clause->test_count == 0 && (!clause->untested || !*clause->untested)) {
		fprintf(stderr, "%s:%d: clause %s has neither Tests nor 'Untested: reason'\n",
			clause->file, clause->line, clause->id);
		wrong++;
	}
	if (clause->test_count > 0 && clause->untested) {
		fprintf(stderr, "%s:%d: clause %s has both Tests and Untested\n", clause->file,
			clause->line, clause->id);
		wrong++;
	}
	for (size_t i = 0; i < clause->test_count; i++)
		wrong += check_listed_test(clause, clause->tests[i]);
	return wrong;
}

static int check_test(const struct catalogue *catalogue, const struct test *test)
{
	size_t place = test->clause ? catalogue_index(catalogue, test->clause) : catalogue->count;

	if (place == catalogue->count) {
		fprintf(stderr, "%s:%d: test %s is of clause %s, which is in no chapter\n",
			test->file, test->line, test->name, test->clause ? test->clause : "(none)");
		return 1;
	}
	if (lists(&catalogue->clauses[place], test->name))
		return 0;
	fprintf(stderr, "%s:%d: test %s is not listed under its clause %s (%s:%d)\n", test->file,
		test->line, test->name, test->clause, catalogue->clauses[place].file,
		catalogue->clauses[place].line);
	return 1;
}

int command_check(int argc, char **argv)
{
	const struct catalogue *catalogue = catalogue_load();
	size_t count, untested = 0;
	const struct test *const *tests = suite_tests(&count);
	int wrong = (int)catalogue->problem_count;

	(void)argv;
	if (argc > 1) {
		fprintf(stderr, "assay-conform: check takes no arguments\n");
		return refuse_usage();
	}
	for (size_t i = 0; i < catalogue->problem_count; i++)
		fprintf(stderr, "%s:%d: %s\n", catalogue->problems[i].file,
			catalogue->problems[i].line, catalogue->problems[i].message);
	for (size_t i = 0; i < catalogue->count; i++) {
		wrong += check_clause(&catalogue->clauses[i]);
		untested += catalogue->clauses[i].untested != NULL;
	}
	for (size_t i = 0; i < count; i++) {
		wrong += check_test(catalogue, tests[i]);
		if (find_test(tests[i]->name) != tests[i]) {
			fprintf(stderr, "%s:%d: there is another test %s\n", tests[i]->file,
				tests[i]->line, tests[i]->name);
			wrong++;
		}
	}
	printf("%zu clauses, %zu of them untested, %zu tests, %d problem%s\n", catalogue->count,
	       untested, count, wrong, wrong == 1 ? "" : "s");
	return wrong ? EXIT_SHORT : EXIT_GOOD;
}
