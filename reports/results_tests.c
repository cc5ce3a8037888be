/* SPDX-License-Identifier: MIT */
#include "json.h"
#include "results.h"
#include "text.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static int read_verdict(const struct place *place, const cJSON *object, enum verdict *verdict)
{
	const char *name;

	if (json_string(place, object, "verdict", false, &name))
		return -1;
	for (enum verdict i = VERDICT_PASS; i < VERDICT_UNTESTED; i++)
		if (i != VERDICT_PARTLY && strcmp(name, verdict_name(i)) == 0) {
			*verdict = i;
			return 0;
		}
	return json_refuse(
		place,
		"the verdict is \"%.60s\"; expected pass, fail, unsupported, unresolved, "
		"timeout, crash or sanitizer",
		name);
}

/* A clause that the list lacks is shown, under a chapter that says so. */
static size_t clause_of(struct results *results, const char *id)
{
	struct text anchor = {0};

	for (size_t i = 0; i < results->clause_count; i++)
		if (strcmp(results->clauses[i].id, id) == 0)
			return i;
	results->clauses =
		reallocate(results->clauses, results->clause_count + 1, sizeof *results->clauses);
	text_format(&anchor, "unlisted-clause-%zu", results->clause_count);
	results->clauses[results->clause_count] = (struct clause){
		.id = id, .chapter = "not in the list of clauses", .anchor = anchor.data};
	return results->clause_count++;
}

static int read_outcome(struct results *results, const struct place *place, const cJSON *object,
			struct outcome *outcome)
{
	const char *backend, *clause;
	double line = 0;

	if (json_string(place, object, "backend", false, &backend) ||
	    json_string(place, object, "clause", false, &clause) ||
	    json_string(place, object, "test", false, &outcome->test) ||
	    json_string(place, object, "file", true, &outcome->file) ||
	    json_string(place, object, "message", true, &outcome->message) ||
	    json_string(place, object, "note", true, &outcome->note) ||
	    read_verdict(place, object, &outcome->verdict))
		return -1;
	if (outcome->file && json_integer(place, object, "line", 0, INT_MAX, &line))
		return -1;
	outcome->line = (int)line;
	outcome->backend = results_backend(results, backend);
	outcome->clause = clause_of(results, clause);
	results->backends[outcome->backend].conformed = true;
	results->backends[outcome->backend].executor = true;
	return 0;
}

static int compare(const void *left, const void *right)
{
	const struct outcome *a = left, *b = right;
	int order = (a->clause > b->clause) - (a->clause < b->clause);

	if (!order)
		order = strcmp(a->test, b->test);
	if (!order)
		order = (a->backend > b->backend) - (a->backend < b->backend);
	return order ? order : (a->position > b->position) - (a->position < b->position);
}

static int refuse_duplicates(const struct results *results, const char *path)
{
	for (size_t i = 1; i < results->outcome_count; i++) {
		const struct outcome *a = &results->outcomes[i - 1], *b = a + 1;
		const struct place place = {path, "results", b->position};

		if (a->clause == b->clause && a->backend == b->backend &&
		    strcmp(a->test, b->test) == 0)
			return json_refuse(&place,
					   "the test \"%s\" on the backend \"%s\" occurs a second "
					   "time (first in results[%zu]); expected each once",
					   b->test, results->backends[b->backend].name,
					   a->position);
	}
	return 0;
}

static bool worse(enum verdict left, enum verdict right)
{
	return right == VERDICT_NOT_RUN || left > right;
}

/* Tests that were left out cannot have passed. */
static bool incomplete(const struct results *results, const struct clause *clause, size_t backend)
{
	size_t run = 0;

	for (size_t i = clause->first; i < clause->first + clause->count; i++)
		run += results->outcomes[i].backend == backend;
	return run < clause->tests;
}

size_t clause_count(const struct results *results, const struct clause *clause, size_t backend,
		    enum verdict verdict)
{
	size_t count = 0;

	for (size_t i = clause->first; i < clause->first + clause->count; i++)
		count += results->outcomes[i].backend == backend &&
			 results->outcomes[i].verdict == verdict;
	return count;
}

static void judge_clause(struct results *results, struct clause *clause)
{
	enum verdict none = clause->tests || clause->count ? VERDICT_NOT_RUN : VERDICT_UNTESTED;

	clause->cells = allocate(results->backend_count, sizeof *clause->cells);
	for (size_t i = 0; i < results->backend_count; i++)
		clause->cells[i] = none;
	for (size_t i = clause->first; i < clause->first + clause->count; i++) {
		const struct outcome *outcome = &results->outcomes[i];

		if (worse(outcome->verdict, clause->cells[outcome->backend]))
			clause->cells[outcome->backend] = outcome->verdict;
	}
	for (size_t i = 0; i < results->backend_count; i++) {
		if (clause->cells[i] < VERDICT_UNRESOLVED && incomplete(results, clause, i))
			clause->cells[i] = VERDICT_NOT_RUN;
		if (clause->cells[i] == VERDICT_UNSUPPORTED &&
		    clause_count(results, clause, i, VERDICT_PASS))
			clause->cells[i] = VERDICT_PARTLY;
		results->backends[i].clauses[clause->cells[i]]++;
	}
}

static void judge(struct results *results)
{
	for (size_t i = 0; i < results->outcome_count; i++) {
		struct clause *clause = &results->clauses[results->outcomes[i].clause];

		if (clause->count++ == 0)
			clause->first = i;
	}
	for (size_t i = 0; i < results->clause_count; i++)
		judge_clause(results, &results->clauses[i]);
}

/* What the file says of its backends, if it does. */
static int read_summaries(struct results *results, const char *path, const cJSON *tree)
{
	struct place place = {.path = path};
	const cJSON *list, *object;

	if (!cJSON_GetObjectItemCaseSensitive(tree, "backends"))
		return 0;
	if (json_array(&place, tree, "backends", &list))
		return -1;
	place.array = "backends";
	cJSON_ArrayForEach(object, list)
	{
		const char *name, *summary;
		size_t index;

		if (json_string(&place, object, "backend", false, &name) ||
		    json_string(&place, object, "summary", true, &summary))
			return -1;
		index = results_backend(results, name); /* may move the array */
		results->backends[index].summary = summary;
		place.index++;
	}
	return 0;
}

int results_read_tests(struct results *results, const char *path, const cJSON *tree)
{
	struct place place = {.path = path};
	const cJSON *list, *object;

	if (json_array(&place, tree, "results", &list))
		return -1;
	results->conformance_context = cJSON_GetObjectItemCaseSensitive(tree, "context");
	if (!cJSON_IsObject(results->conformance_context))
		return json_refuse(&place, "expected an object \"context\"");
	if (read_summaries(results, path, tree))
		return -1;
	results->outcomes = allocate((size_t)cJSON_GetArraySize(list), sizeof *results->outcomes);
	place.array = "results";
	cJSON_ArrayForEach(object, list)
	{
		struct outcome *outcome = &results->outcomes[results->outcome_count];

		outcome->position = place.index;
		if (read_outcome(results, &place, object, outcome))
			return -1;
		results->outcome_count++;
		place.index++;
	}
	if (results->outcome_count)
		qsort(results->outcomes, results->outcome_count, sizeof *results->outcomes,
		      compare);
	if (refuse_duplicates(results, path))
		return -1;
	judge(results);
	return 0;
}
