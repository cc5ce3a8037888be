/* SPDX-License-Identifier: MIT */
#include "json.h"
#include "results.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

/* The tests of a clause are names, or objects with a name. */
static int read_test_list(const struct place *place, const cJSON *object, struct clause *clause)
{
	const cJSON *tests = cJSON_GetObjectItemCaseSensitive(object, "tests"), *test;

	clause->test_list = tests;
	if (!cJSON_IsArray(tests))
		return json_refuse(place, "expected an array \"tests\"");
	cJSON_ArrayForEach(test, tests)
	{
		const cJSON *name = cJSON_GetObjectItemCaseSensitive(test, "name");

		if (!cJSON_IsString(test) && !cJSON_IsString(name))
			return json_refuse(place, "expected names of tests in \"tests\"");
		clause->tests++;
	}
	return 0;
}

static int check_level(const struct place *place, const char *level)
{
	static const char *const levels[] = {"MUST", "SHOULD", "MAY"};

	for (size_t i = 0; level && i < sizeof levels / sizeof *levels; i++)
		if (strcmp(level, levels[i]) == 0)
			return 0;
	return level ? json_refuse(place, "the level is \"%.60s\"; expected MUST, SHOULD or MAY",
				   level)
		     : 0;
}

static int read_clause(const struct place *place, const cJSON *object, struct clause *clause)
{
	*clause = (struct clause){.listed = true};
	if (json_string(place, object, "id", false, &clause->id) ||
	    json_string(place, object, "chapter", false, &clause->chapter) ||
	    json_string(place, object, "title", true, &clause->title) ||
	    json_string(place, object, "statement", true, &clause->statement) ||
	    json_string(place, object, "intent", true, &clause->intent) ||
	    json_string(place, object, "source", true, &clause->source) ||
	    json_string(place, object, "strength", true, &clause->strength) ||
	    json_string(place, object, "level", true, &clause->level) ||
	    json_string(place, object, "choice", true, &clause->choice) ||
	    json_string(place, object, "profile", true, &clause->profile) ||
	    json_string(place, object, "untested", true, &clause->untested) ||
	    check_level(place, clause->level) || read_test_list(place, object, clause))
		return -1;
	return 0;
}

static int compare_ids(const void *left, const void *right)
{
	const struct clause *const *a = left, *const *b = right;

	return strcmp((*a)->id, (*b)->id);
}

static int refuse_duplicates(const struct results *results, const char *path)
{
	const struct clause **sorted = allocate(results->clause_count, sizeof *sorted);
	const struct place place = {.path = path};
	int failed = 0;

	for (size_t i = 0; i < results->clause_count; i++)
		sorted[i] = &results->clauses[i];
	qsort(sorted, results->clause_count, sizeof *sorted, compare_ids);
	for (size_t i = 1; i < results->clause_count && !failed; i++)
		if (strcmp(sorted[i - 1]->id, sorted[i]->id) == 0)
			failed = json_refuse(&place,
					     "two clauses have the id \"%s\"; expected each once",
					     sorted[i]->id);
	free(sorted);
	return failed;
}

/* Two ids may have the same slug; the position keeps the anchors apart. */
static void give_anchors(struct results *results)
{
	for (size_t i = 0; i < results->clause_count; i++) {
		struct text anchor = {0};

		text_add(&anchor, "clause-");
		text_slug(&anchor, results->clauses[i].id);
		for (size_t j = 0; j < i; j++)
			if (strcmp(results->clauses[j].anchor, anchor.data) == 0) {
				text_format(&anchor, "-%zu", i);
				break;
			}
		results->clauses[i].anchor = anchor.data;
	}
}

int results_read_clauses(struct results *results, const char *path, const cJSON *tree)
{
	struct place place = {.path = path};
	const cJSON *list, *object;

	if (json_array(&place, tree, "clauses", &list))
		return -1;
	results->clauses = allocate((size_t)cJSON_GetArraySize(list), sizeof *results->clauses);
	place.array = "clauses";
	cJSON_ArrayForEach(object, list)
	{
		if (read_clause(&place, object, &results->clauses[results->clause_count]))
			return -1;
		results->clause_count++;
		place.index++;
	}
	if (refuse_duplicates(results, path))
		return -1;
	give_anchors(results);
	return 0;
}
