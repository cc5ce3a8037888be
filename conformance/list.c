/* SPDX-License-Identifier: MIT */
#include "conform.h"
#include "catalogue.h"
#include "suite.h"

#include <record.h>

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add_capabilities(cJSON *record, const char *key, uint64_t set)
{
	cJSON *names = cJSON_AddArrayToObject(record, key);

	for (unsigned bit = 0; capability_name(bit); bit++)
		if (set & UINT64_C(1) << bit)
			cJSON_AddItemToArray(names, cJSON_CreateString(capability_name(bit)));
}

/* An optional text: absent is null. */
static void add_optional(cJSON *record, const char *key, const char *text)
{
	cJSON_AddItemToObject(record, key, text ? cJSON_CreateString(text) : cJSON_CreateNull());
}

/* Calls use for each backend file that can be opened. False: for one of them it could not. */
static bool each_backend(struct backend_file *files,
			 void (*use)(cJSON *, const struct backend_file *, const struct facts *),
			 cJSON *records)
{
	bool is_good = true;

	for (struct backend_file *file = files; file->name; file++) {
		struct facts facts;
		char message[2048];

		if (runner_describe(file->path, &facts, message, sizeof message)) {
			use(records, file, &facts);
		} else {
			fprintf(stderr, "assay-conform: %s\n", message);
			is_good = false;
		}
	}
	backends_free(files);
	return is_good;
}

static void add_backend(cJSON *records, const struct backend_file *file, const struct facts *facts)
{
	cJSON *record;

	if (!records) {
		printf("%-20s %s\n", file->name, facts->summary);
		return;
	}
	record = cJSON_CreateObject();
	cJSON_AddStringToObject(record, "backend", facts->name);
	cJSON_AddStringToObject(record, "path", file->path);
	cJSON_AddStringToObject(record, "summary", facts->summary);
	add_capabilities(record, "capabilities", facts->capabilities);
	cJSON_AddNumberToObject(record, "lookahead", facts->lookahead);
	cJSON_AddNumberToObject(record, "argument_limit_bytes", (double)facts->argument_limit);
	cJSON_AddNumberToObject(record, "result_limit_bytes", (double)facts->result_limit);
	cJSON_AddItemToArray(records, record);
}

static void add_mutant(cJSON *records, const struct backend_file *file, const struct facts *facts)
{
	char clauses[sizeof facts->mutant_clauses], *rest = NULL;
	cJSON *record, *list;

	if (!records) {
		printf("%-32s %-20s %s\n", file->name, facts->mutant_clauses, facts->mutant_what);
		return;
	}
	record = cJSON_CreateObject();
	cJSON_AddStringToObject(record, "mutant", file->name);
	cJSON_AddStringToObject(record, "what", facts->mutant_what);
	list = cJSON_AddArrayToObject(record, "clauses");
	memcpy(clauses, facts->mutant_clauses, sizeof clauses);
	for (char *id = strtok_r(clauses, ",", &rest); id; id = strtok_r(NULL, ",", &rest))
		cJSON_AddItemToArray(list, cJSON_CreateString(id));
	cJSON_AddItemToArray(records, record);
}

static void add_clause(cJSON *records, const struct clause *clause)
{
	cJSON *record, *tests;

	if (!records) {
		printf("%-10s %-7s %s %-9s %3zu %s  %s\n", clause->id, clause->level,
		       clause->strength, clause->profile, clause->test_count,
		       clause->test_count == 1 ? "test " : "tests", clause->title);
		return;
	}
	record = cJSON_CreateObject();
	cJSON_AddStringToObject(record, "id", clause->id);
	cJSON_AddStringToObject(record, "chapter", clause->chapter);
	cJSON_AddStringToObject(record, "title", clause->title);
	cJSON_AddStringToObject(record, "level", clause->level);
	cJSON_AddStringToObject(record, "statement", clause->statement);
	cJSON_AddStringToObject(record, "intent", clause->intent);
	cJSON_AddStringToObject(record, "source", clause->source);
	cJSON_AddStringToObject(record, "strength", clause->strength);
	cJSON_AddStringToObject(record, "profile", clause->profile);
	add_optional(record, "choice", clause->choice);
	add_capabilities(record, "needs", clause->needs);
	tests = cJSON_AddArrayToObject(record, "tests");
	for (size_t i = 0; i < clause->test_count; i++)
		cJSON_AddItemToArray(tests, cJSON_CreateString(clause->tests[i]));
	add_optional(record, "untested", clause->untested);
	cJSON_AddStringToObject(record, "file", clause->file);
	cJSON_AddNumberToObject(record, "line", clause->line);
	cJSON_AddItemToArray(records, record);
}

static void add_test(cJSON *records, const struct test *test)
{
	cJSON *record;

	if (!records) {
		printf("%-10s %-60s %s:%d\n", test->clause, test->name, test->file, test->line);
		return;
	}
	record = cJSON_CreateObject();
	cJSON_AddStringToObject(record, "test", test->name);
	cJSON_AddStringToObject(record, "clause", test->clause);
	cJSON_AddStringToObject(record, "file", test->file);
	cJSON_AddNumberToObject(record, "line", test->line);
	add_capabilities(record, "needs", test->needs | ASSAY_CAP_SHARED_MAPPINGS);
	cJSON_AddNumberToObject(record, "rounds", test->rounds);
	cJSON_AddItemToArray(records, record);
}

/* To records, or to the standard output if that is NULL. False: some of it could not be read. */
static bool list_clauses(cJSON *records)
{
	const struct catalogue *catalogue = catalogue_load();

	for (size_t i = 0; i < catalogue->count; i++)
		add_clause(records, &catalogue->clauses[i]);
	return true;
}

static bool list_tests(cJSON *records)
{
	size_t count;
	const struct test *const *tests = suite_tests(&count);

	for (size_t i = 0; i < count; i++)
		add_test(records, tests[i]);
	return true;
}

static bool list_backends(cJSON *records)
{
	size_t count;

	return each_backend(backends_find(&count), add_backend, records);
}

static bool list_mutants(cJSON *records)
{
	char directory[PATH_MAX + 32];
	size_t count;

	mutant_directory(directory, sizeof directory);
	return each_backend(backends_in(directory, &count), add_mutant, records);
}

static int print_json(const char *what, bool (*list)(cJSON *))
{
	cJSON *root = cJSON_CreateObject();
	bool is_good;
	char *text;

	cJSON_AddStringToObject(root, "format", "assay-list/1");
	is_good = list(cJSON_AddArrayToObject(root, what));
	text = cJSON_Print(root);
	if (!text)
		fprintf(stderr, "assay-conform: out of memory for the list\n");
	if (!text || record_write(NULL, text))
		is_good = false;
	cJSON_free(text);
	cJSON_Delete(root);
	return is_good ? EXIT_GOOD : EXIT_CANNOT;
}

/* True: as JSON. */
static int read_format(int argc, char **argv, bool *is_json)
{
	static const struct option options[] = {{"format", required_argument, NULL, 'f'}, {0}};
	const char *format = "text";
	int option;

	while ((option = getopt_long(argc, argv, "f:", options, NULL)) != -1) {
		if (option != 'f')
			return refuse_usage();
		format = optarg;
	}
	*is_json = strcmp(format, "json") == 0;
	if (*is_json || strcmp(format, "text") == 0)
		return EXIT_GOOD;
	fprintf(stderr, "assay-conform: list has the formats text and json, not '%s'\n", format);
	return EXIT_CANNOT;
}

int command_list(int argc, char **argv)
{
	static const struct {
		const char *what;
		bool (*list)(cJSON *records);
	} lists[] = {
		{"backends", list_backends},
		{"clauses", list_clauses},
		{"tests", list_tests},
		{"mutants", list_mutants},
	};
	bool is_json = false;
	int code = read_format(argc, argv, &is_json);

	if (code)
		return code;
	for (size_t i = 0; i < sizeof lists / sizeof *lists && optind + 1 == argc; i++)
		if (strcmp(argv[optind], lists[i].what) == 0) {
			if (is_json)
				return print_json(lists[i].what, lists[i].list);
			return lists[i].list(NULL) ? EXIT_GOOD : EXIT_CANNOT;
		}
	fprintf(stderr, "assay-conform: list what? backends, clauses, tests or mutants\n");
	return EXIT_CANNOT;
}
