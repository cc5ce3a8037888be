/* SPDX-License-Identifier: MIT */
#include "conform.h"
#include "catalogue.h"
#include "output.h"
#include "suite.h"

#include <record.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where a list goes. */
struct listing {
	cJSON *records; /* NULL: as text */
	FILE *text;
};

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
			 void (*use)(struct listing *, const struct backend_file *,
				     const struct facts *),
			 struct listing *listing)
{
	bool is_good = true;

	for (struct backend_file *file = files; file->name; file++) {
		struct facts facts;
		char message[2048];

		if (runner_describe(file->path, NULL, &facts, message, sizeof message)) {
			use(listing, file, &facts);
		} else {
			fprintf(stderr, "assay-conform: %s\n", message);
			is_good = false;
		}
	}
	backends_free(files);
	return is_good;
}

static void add_backend(struct listing *listing, const struct backend_file *file,
			const struct facts *facts)
{
	cJSON *record;

	if (!listing->records) {
		fprintf(listing->text, "%-20s %s\n", file->name, facts->summary);
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
	cJSON_AddItemToArray(listing->records, record);
}

static void add_mutant(struct listing *listing, const struct backend_file *file,
		       const struct facts *facts)
{
	char clauses[sizeof facts->mutant_clauses], *rest = NULL;
	cJSON *record, *list;

	if (!listing->records) {
		fprintf(listing->text, "%-32s %-20s %s\n", file->name, facts->mutant_clauses,
			facts->mutant_what);
		return;
	}
	record = cJSON_CreateObject();
	cJSON_AddStringToObject(record, "mutant", file->name);
	cJSON_AddStringToObject(record, "what", facts->mutant_what);
	list = cJSON_AddArrayToObject(record, "clauses");
	memcpy(clauses, facts->mutant_clauses, sizeof clauses);
	for (char *id = strtok_r(clauses, ",", &rest); id; id = strtok_r(NULL, ",", &rest))
		cJSON_AddItemToArray(list, cJSON_CreateString(id));
	cJSON_AddItemToArray(listing->records, record);
}

static void add_clause(struct listing *listing, const struct clause *clause)
{
	cJSON *record, *tests;

	if (!listing->records) {
		fprintf(listing->text, "%-10s %-7s %s %-9s %3zu %s  %s\n", clause->id,
			clause->level, clause->strength, clause->profile, clause->test_count,
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
	cJSON_AddItemToArray(listing->records, record);
}

static void add_test(struct listing *listing, const struct test *test)
{
	cJSON *record;

	if (!listing->records) {
		fprintf(listing->text, "%-10s %-60s %s:%d\n", test->clause, test->name, test->file,
			test->line);
		return;
	}
	record = cJSON_CreateObject();
	cJSON_AddStringToObject(record, "test", test->name);
	cJSON_AddStringToObject(record, "clause", test->clause);
	cJSON_AddStringToObject(record, "file", test->file);
	cJSON_AddNumberToObject(record, "line", test->line);
	add_capabilities(record, "needs", test->needs | ASSAY_CAP_SHARED_MAPPINGS);
	cJSON_AddNumberToObject(record, "rounds", test->rounds);
	cJSON_AddItemToArray(listing->records, record);
}

/* False: some of it could not be read. */
static bool list_clauses(struct listing *listing)
{
	const struct catalogue *catalogue = catalogue_load();

	for (size_t i = 0; i < catalogue->count; i++)
		add_clause(listing, &catalogue->clauses[i]);
	return true;
}

static bool list_tests(struct listing *listing)
{
	size_t count;
	const struct test *const *tests = suite_tests(&count);

	for (size_t i = 0; i < count; i++)
		add_test(listing, tests[i]);
	return true;
}

static bool list_backends(struct listing *listing)
{
	size_t count;

	return each_backend(backends_find(&count), add_backend, listing);
}

static bool list_mutants(struct listing *listing)
{
	size_t count;
	struct backend_file *mutants = mutants_find(&count);

	return mutants && each_backend(mutants, add_mutant, listing);
}

struct list {
	const char *what;
	bool (*fill)(struct listing *listing);
};

static bool fill_json(const struct list *list, FILE *text)
{
	cJSON *root = cJSON_CreateObject();
	struct listing listing = {.text = text};
	bool is_good;
	char *json;

	cJSON_AddStringToObject(root, "format", "assay-list/1");
	listing.records = cJSON_AddArrayToObject(root, list->what);
	is_good = list->fill(&listing);
	json = cJSON_Print(root);
	if (json)
		fprintf(text, "%s\n", json);
	else
		fprintf(stderr, "assay-conform: out of memory for the list\n");
	is_good &= json != NULL;
	cJSON_free(json);
	cJSON_Delete(root);
	return is_good;
}

/* A file gets the whole list or stays as it was; the standard output gets what could be read. */
static int write_list(const struct list *list, bool is_json, const char *file)
{
	char *text = NULL;
	size_t size;
	FILE *out;
	bool is_good;

	if (!output_can_be_written(file))
		return EXIT_CANNOT;
	out = open_memstream(&text, &size);
	if (!out) {
		perror("assay-conform: cannot keep the list");
		return EXIT_CANNOT;
	}
	is_good = is_json ? fill_json(list, out) : list->fill(&(struct listing){.text = out});
	if (fclose(out)) {
		perror("assay-conform: cannot keep the list");
		is_good = false;
	} else if (is_good || !file || strcmp(file, "-") == 0) {
		is_good &= record_write(file, text) == 0;
	}
	free(text);
	return is_good ? EXIT_GOOD : EXIT_CANNOT;
}

static int read_options(int argc, char **argv, bool *is_json, const char **file)
{
	static const struct option options[] = {{"format", required_argument, NULL, 'f'},
						{"output", required_argument, NULL, 'o'},
						{0}};
	bool seen[128] = {false};
	const char *format = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "f:o:", options, NULL)) != -1) {
		if (option != '?' && !option_is_new(options, option, seen))
			return EXIT_CANNOT;
		if (option == 'f')
			format = optarg;
		else if (option == 'o')
			*file = optarg;
		else
			return refuse_usage();
	}
	if (!format) {
		*is_json = strcmp(format_of_file(*file), "json") == 0;
		return EXIT_GOOD;
	}
	*is_json = strcmp(format, "json") == 0;
	if (*is_json || strcmp(format, "text") == 0)
		return EXIT_GOOD;
	fprintf(stderr, "assay-conform: list has the formats text and json, not '%s'\n", format);
	return EXIT_CANNOT;
}

int command_list(int argc, char **argv)
{
	static const struct list lists[] = {
		{"backends", list_backends},
		{"clauses", list_clauses},
		{"tests", list_tests},
		{"mutants", list_mutants},
	};
	const char *file = NULL;
	bool is_json = false;
	int code = read_options(argc, argv, &is_json, &file);

	if (code)
		return code;
	if (optind == argc) {
		fprintf(stderr,
			"assay-conform: list needs one of backends, clauses, tests or mutants\n");
		return EXIT_CANNOT;
	}
	if (optind + 1 < argc) {
		fprintf(stderr, "assay-conform: unexpected argument '%s'\n", argv[optind + 1]);
		return EXIT_CANNOT;
	}
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		if (strcmp(argv[optind], lists[i].what) == 0)
			return write_list(&lists[i], is_json, file);
	fprintf(stderr,
		"assay-conform: cannot list '%s'; expected backends, clauses, tests or mutants\n",
		argv[optind]);
	return EXIT_CANNOT;
}
