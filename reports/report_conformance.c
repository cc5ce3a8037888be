/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <string.h>

#define NO_BREAK "\u00A0"

static const char *verdict_class(enum verdict verdict)
{
	return verdict == VERDICT_NOT_RUN  ? "notrun"
	       : verdict == VERDICT_PARTLY ? "partly"
					   : verdict_name(verdict);
}

static bool starts_chapter(const struct results *results, size_t clause)
{
	return clause == 0 ||
	       strcmp(results->clauses[clause - 1].chapter, results->clauses[clause].chapter) != 0;
}

static size_t chapter_end(const struct results *results, size_t first)
{
	size_t end = first + 1;

	while (end < results->clause_count && !starts_chapter(results, end))
		end++;
	return end;
}

static size_t conformed_count(const struct results *results)
{
	size_t count = 0;

	for (size_t i = 0; i < results->backend_count; i++)
		count += results->backends[i].conformed;
	return count;
}

/* "tt" and a 'v' for each backend that was tested. */
static void make_columns(struct text *columns, const struct results *results)
{
	text_add(columns, "tt");
	for (size_t i = 0; i < conformed_count(results); i++)
		text_add(columns, "v");
}

static void say_place(struct text *text, const struct outcome *outcome)
{
	const char *file = outcome->file;

	/* An absolute path speaks of the machine, not of the suite. */
	if (file && file[0] == '/')
		file = strrchr(file, '/') + 1;
	if (file)
		text_format(text, "%s:%d", file, outcome->line);
}

/* Each test of the cell with its place, for the pointer over it. */
static void describe_cell(struct text *tip, const struct results *results,
			  const struct clause *clause, size_t backend)
{
	text_format(tip, "%s on %s: %s", clause->id, results->backends[backend].name,
		    verdict_name(clause->cells[backend]));
	for (size_t i = clause->first; i < clause->first + clause->count; i++) {
		const struct outcome *outcome = &results->outcomes[i];

		if (outcome->backend != backend)
			continue;
		text_format(tip, "\n%s (", outcome->test);
		say_place(tip, outcome);
		text_format(tip, "): %s", verdict_name(outcome->verdict));
		if (outcome->message)
			text_format(tip, ": %s", outcome->message);
	}
	if (clause->cells[backend] == VERDICT_UNTESTED)
		text_format(tip, "\n%s", clause->untested ? clause->untested : "no reason given");
}

static void matrix_header(struct page *page, const struct results *results)
{
	page_cell(page, NULL, NULL);
	page_say(page, "Clause");
	page_cell(page, NULL, NULL);
	for (size_t i = 0; i < results->backend_count; i++)
		if (results->backends[i].conformed) {
			page_cell(page, NULL, NULL);
			report_backend(page, &results->backends[i]);
		}
}

static void say_cell(struct page *page, const struct results *results, const struct clause *clause,
		     size_t backend)
{
	enum verdict verdict = clause->cells[backend];
	size_t passed = clause_count(results, clause, backend, VERDICT_PASS);

	page_say(page, "%s ", verdict_symbol(verdict));
	if (verdict == VERDICT_PARTLY)
		page_say(page, "%zu of %zu", passed,
			 passed + clause_count(results, clause, backend, VERDICT_UNSUPPORTED));
	else
		page_say(page, "%s", verdict_name(verdict));
}

static void matrix_row(struct page *page, const struct results *results,
		       const struct clause *clause)
{
	page_row(page, NULL);
	page_cell(page, "clause", clause->statement);
	page_link(page, clause->anchor, "%s", clause->id);
	page_cell(page, NULL, clause->statement);
	page_say(page, "%s",
		 clause->title       ? clause->title
		 : clause->statement ? clause->statement
				     : "");
	for (size_t i = 0; i < results->backend_count; i++) {
		struct text tip = {0};

		if (!results->backends[i].conformed)
			continue;
		describe_cell(&tip, results, clause, i);
		page_cell(page, verdict_class(clause->cells[i]), tip.data);
		say_cell(page, results, clause, i);
		text_free(&tip);
	}
}

/* The kinds of failure share a symbol, and are one number. */
static void say_counts(struct page *page, const struct results *results, size_t first, size_t end,
		       size_t backend)
{
	size_t counts[VERDICTS] = {0};
	const char *separator = "";

	for (size_t i = first; i < end; i++) {
		enum verdict verdict = results->clauses[i].cells[backend];

		counts[verdict_is_failure(verdict) ? VERDICT_FAIL : verdict]++;
	}
	for (enum verdict verdict = VERDICT_PASS; verdict < VERDICTS; verdict++)
		if (counts[verdict]) {
			page_say(page, "%s%s" NO_BREAK "%zu" NO_BREAK "%s", separator,
				 verdict_symbol(verdict), counts[verdict], verdict_name(verdict));
			separator = ", ";
		}
}

static void chapter_table(struct page *page, const struct results *results, const char *columns)
{
	page_table(page, NULL, columns);
	page_cell(page, NULL, NULL);
	page_say(page, "Chapter");
	page_cell(page, NULL, NULL);
	page_say(page, "Clauses");
	for (size_t i = 0; i < results->backend_count; i++)
		if (results->backends[i].conformed) {
			page_cell(page, NULL, NULL);
			report_backend(page, &results->backends[i]);
		}
	for (size_t i = 0, end; i < results->clause_count; i = end) {
		end = chapter_end(results, i);
		page_row(page, NULL);
		page_cell(page, "name", NULL);
		page_say(page, "%s", results->clauses[i].chapter);
		page_cell(page, NULL, NULL);
		page_say(page, "%zu", end - i);
		for (size_t j = 0; j < results->backend_count; j++)
			if (results->backends[j].conformed) {
				page_cell(page, "counts", NULL);
				say_counts(page, results, i, end, j);
			}
	}
	page_table_end(page);
}

static void failure_row(struct page *page, const struct results *results,
			const struct outcome *outcome)
{
	const struct clause *clause = &results->clauses[outcome->clause];
	struct text place = {0};

	text_add(&place, "");
	say_place(&place, outcome);
	page_row(page, NULL);
	page_cell(page, "name", NULL);
	report_backend(page, &results->backends[outcome->backend]);
	page_cell(page, "name", clause->statement);
	page_link(page, clause->anchor, "%s", clause->id);
	page_cell(page, verdict_class(outcome->verdict), NULL);
	page_say(page, "%s %s", verdict_symbol(outcome->verdict), verdict_name(outcome->verdict));
	page_cell(page, "wide", NULL);
	page_code(page, outcome->test);
	page_break(page);
	page_muted(page, "%s", place.data);
	page_cell(page, "wide", NULL);
	page_say(page, "%s", outcome->message ? outcome->message : "no message");
	text_free(&place);
}

static void failures(struct page *page, const struct results *results)
{
	static const char *const headers[] = {"Executor", "Clause", "Verdict", "Test", "Message"};
	size_t count = 0;

	for (size_t i = 0; i < results->outcome_count; i++) {
		const struct outcome *outcome = &results->outcomes[i];

		if (!verdict_is_failure(outcome->verdict) && outcome->verdict != VERDICT_UNRESOLVED)
			continue;
		if (count++ == 0) {
			page_heading(page, 3, "failures", "What fell short");
			page_table(page, NULL, "ttvtt");
			for (size_t j = 0; j < sizeof headers / sizeof *headers; j++) {
				page_cell(page, NULL, NULL);
				page_say(page, "%s", headers[j]);
			}
		}
		failure_row(page, results, outcome);
	}
	if (count)
		page_table_end(page);
}

static void legend(struct page *page)
{
	page_paragraph(page, "note");
	page_say(page, "The worst of a clause's tests decides its cell. ");
	page_say(page,
		 "✓ pass: every test passed. ◐ in part: every test that applies passed; the others "
		 "need what the executor does not claim. ✗ fail, timeout, crash, sanitizer: a test "
		 "did. ");
	page_say(page, "? unresolved: a test could not establish what it needs. ");
	page_say(page, "○ unsupported: every test needs what the executor does not claim. ");
	page_say(page, "− untested: the suite has no test; the clause says why. ");
	page_say(page, "· not run: the suite has tests that were left out of this run.");
	page_paragraph_end(page);
}

void report_matrix(struct page *page, const struct results *results)
{
	struct text columns = {0};

	page_heading(page, 2, "conformance", "Conformance");
	if (!results->conformance_context) {
		page_paragraph(page, "warning");
		page_say(page, "No conformance results: no file of them was given.");
		page_paragraph_end(page);
		return;
	}
	make_columns(&columns, results);
	legend(page);
	chapter_table(page, results, columns.data);
	failures(page, results);
	for (size_t i = 0, end; i < results->clause_count; i = end) {
		end = chapter_end(results, i);
		page_fold(page, true, "%s", results->clauses[i].chapter);
		page_table(page, "matrix", columns.data);
		matrix_header(page, results);
		for (size_t j = i; j < end; j++)
			matrix_row(page, results, &results->clauses[j]);
		page_table_end(page);
		page_fold_end(page);
	}
	text_free(&columns);
}
