/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <string.h>

static void say_field(struct page *page, const char *name, const char *value)
{
	if (!value)
		return;
	page_paragraph(page, "note");
	page_say(page, "%s: ", name);
	page_prose(page, value);
	page_paragraph_end(page);
}

/* The letters of the catalogue in words. */
static const char *say_strength(const char *strength)
{
	static const struct {
		const char *letter, *words;
	} strengths[] = {
		{"D", "D, documented"},         {"T", "T, asserted by tests of the source"},
		{"I", "I, as implemented"},     {"A", "A, ambiguous in the source"},
		{"X", "X, from other sources"},
	};

	for (size_t i = 0; strength && i < sizeof strengths / sizeof *strengths; i++)
		if (strcmp(strength, strengths[i].letter) == 0)
			return strengths[i].words;
	return strength;
}

/* The outcomes of one test are neighbours; returns the position behind them. */
static size_t say_test(struct page *page, const struct results *results, size_t first, size_t end)
{
	const struct outcome *outcome = &results->outcomes[first];
	const char *file = outcome->file;
	size_t i = first;

	if (file && file[0] == '/')
		file = strrchr(file, '/') + 1;
	page_item(page, NULL);
	page_code(page, outcome->test);
	if (file)
		page_muted(page, " %s:%d", file, outcome->line);
	for (; i < end && strcmp(results->outcomes[i].test, outcome->test) == 0; i++) {
		const struct outcome *other = &results->outcomes[i];

		page_say(page, "%s %s %s", i == first ? ":" : ",",
			 results->backends[other->backend].name, verdict_name(other->verdict));
		if (other->note)
			page_muted(page, " (%s)", other->note);
	}
	page_item_end(page);
	return i;
}

static bool has_outcome(const struct results *results, const struct clause *clause,
			const char *test)
{
	for (size_t i = clause->first; i < clause->first + clause->count; i++)
		if (strcmp(results->outcomes[i].test, test) == 0)
			return true;
	return false;
}

static void say_tests_not_run(struct page *page, const struct results *results,
			      const struct clause *clause)
{
	const cJSON *test;

	cJSON_ArrayForEach(test, clause->test_list)
	{
		const cJSON *name = cJSON_GetObjectItemCaseSensitive(test, "name");
		const char *string = name ? name->valuestring : test->valuestring;

		if (has_outcome(results, clause, string))
			continue;
		page_item(page, NULL);
		page_code(page, string);
		page_muted(page, " not run");
		page_item_end(page);
	}
}

static void say_tests(struct page *page, const struct results *results, const struct clause *clause)
{
	if (clause->count == 0 && clause->tests == 0) {
		say_field(page, "Untested",
			  clause->untested ? clause->untested : "no reason given");
		return;
	}
	page_list(page, "tests");
	for (size_t i = clause->first; i < clause->first + clause->count;)
		i = say_test(page, results, i, clause->first + clause->count);
	say_tests_not_run(page, results, clause);
	page_list_end(page);
}

static void say_clause(struct page *page, const struct results *results,
		       const struct clause *clause)
{
	page_heading(page, 4, clause->anchor, "%s%s%s", clause->id, clause->title ? "  " : "",
		     clause->title ? clause->title : "");
	if (clause->statement) {
		page_paragraph(page, NULL);
		if (clause->level) {
			page_strong(page, "%s.", clause->level);
			page_say(page, " ");
		}
		page_prose(page, clause->statement);
		page_paragraph_end(page);
	}
	if (!clause->listed)
		say_field(page, "Unknown", "the list of clauses has no such clause");
	say_field(page, "Intent", clause->intent);
	say_field(page, "Source", clause->source);
	say_field(page, "Choice", clause->choice);
	say_field(page, "Strength", say_strength(clause->strength));
	say_field(page, "Profile", clause->profile);
	say_tests(page, results, clause);
}

void report_clauses(struct page *page, const struct results *results)
{
	const char *chapter = NULL;

	page_heading(page, 2, "clauses", "The clauses");
	for (size_t i = 0; i < results->clause_count; i++) {
		const struct clause *clause = &results->clauses[i];

		if (!chapter || strcmp(chapter, clause->chapter) != 0)
			page_heading(page, 3, NULL, "%s", clause->chapter);
		chapter = clause->chapter;
		say_clause(page, results, clause);
	}
}
