/* SPDX-License-Identifier: MIT */
#include "report.h"
#include "value.h"

/* Medians closer than this, or with middle halves that overlap, are not told apart. */
#define TIE 1.10

static size_t failed_clauses(const struct backend *backend)
{
	size_t failed = 0;

	for (int i = VERDICT_FAIL; i <= VERDICT_CRASH; i++)
		failed += backend->clauses[i];
	return failed;
}

/* No clause failed, none was left open, and at least one passed. */
static bool is_conformant(const struct backend *backend)
{
	return backend->conformed && failed_clauses(backend) == 0 &&
	       backend->clauses[VERDICT_UNRESOLVED] == 0 &&
	       backend->clauses[VERDICT_NOT_RUN] == 0 &&
	       backend->clauses[VERDICT_PASS] + backend->clauses[VERDICT_PARTLY] > 0;
}

const char *report_verdict(const struct backend *backend)
{
	if (is_conformant(backend))
		return "conformant";
	return failed_clauses(backend) > 0 ? "not conformant" : "undecided";
}

void report_backend(struct page *page, const struct backend *backend)
{
	if (backend->executor)
		page_swatch(page, backend->colour);
	page_say(page, "%s", backend->name);
}

static void say_verdict(struct page *page, const struct results *results,
			const struct backend *backend)
{
	bool conformant = is_conformant(backend), failed = failed_clauses(backend) > 0;
	const size_t *clauses = backend->clauses;

	page_item(page, conformant ? "good" : failed ? "bad" : "doubt");
	if (page->format == PAGE_HTML)
		page_swatch(page, backend->colour);
	page_strong(page, "%s: %s", backend->name, report_verdict(backend));
	page_say(page, ". %zu clause%s: %zu pass", results->clause_count,
		 results->clause_count == 1 ? "" : "s", clauses[VERDICT_PASS]);
	if (clauses[VERDICT_PARTLY])
		page_say(page, ", %zu in part", clauses[VERDICT_PARTLY]);
	page_say(page, ", %zu fail, %zu unsupported, %zu untested", failed_clauses(backend),
		 clauses[VERDICT_UNSUPPORTED], clauses[VERDICT_UNTESTED]);
	if (clauses[VERDICT_UNRESOLVED])
		page_say(page, ", %zu unresolved", clauses[VERDICT_UNRESOLVED]);
	if (clauses[VERDICT_NOT_RUN])
		page_say(page, ", %zu not run in full", clauses[VERDICT_NOT_RUN]);
	page_say(page, ".");
	if (backend->summary)
		page_muted(page, " %s", backend->summary);
	page_item_end(page);
}

static void say_verdicts(struct page *page, const struct results *results)
{
	if (!results->conformance_context) {
		page_paragraph(page, "warning");
		page_strong(page, "No verdict on conformance.");
		page_say(page, " No file of conformance results was given.");
		page_paragraph_end(page);
		return;
	}
	page_list(page, "verdicts");
	for (size_t i = 0; i < results->backend_count; i++)
		if (results->backends[i].conformed)
			say_verdict(page, results, &results->backends[i]);
	page_list_end(page);
}

void report_row_name(struct text *text, const struct results *results, const struct row *row)
{
	text_add(text, results->workloads[row->workload].name);
	if (row->several)
		text_format(text, ", %d worker%s", row->workers, row->workers == 1 ? "" : "s");
}

static bool told_apart(const struct series *best, const struct series *other)
{
	return other->median > TIE * best->median && other->lower > best->upper;
}

/* Whether a cell may be the lowest of a row. */
static const struct series *competing(const struct results *results, const struct row *row,
				      const struct cell *cell, const char *metric)
{
	if (cell->workload != row->workload || cell->workers != row->workers ||
	    !backend_competes(&results->backends[cell->backend]))
		return NULL;
	return cell_comparable(cell, metric);
}

/* The cell of a row with the lowest median of a metric among those that ran without a failure. */
static const struct cell *lowest(const struct results *results, const struct row *row,
				 const char *metric, const struct series *above)
{
	const struct cell *found = NULL;
	double least = 0;

	for (size_t i = 0; i < results->cell_count; i++) {
		const struct cell *cell = &results->cells[i];
		const struct series *series = competing(results, row, cell, metric);

		if (series && (!above || told_apart(above, series)) &&
		    (!found || series->median < least)) {
			found = cell;
			least = series->median;
		}
	}
	return found;
}

static void say_answer(struct page *page, const struct results *results, const struct cell *cell,
		       const char *metric)
{
	const struct backend *backend = &results->backends[cell->backend];
	const struct series *series = cell_series(cell, metric);
	char value[VALUE_SIZE];

	value_format(value, series->median, series->unit);
	report_backend(page, backend);
	page_say(page, " ");
	page_muted(page, "%s", value);
	if (backend->conformed && !is_conformant(backend))
		page_muted(page, " †");
}

/* All that cannot be told from the best, the best first. */
static void say_best(struct page *page, const struct results *results, const struct row *row,
		     const struct cell *best, const char *metric)
{
	const struct series *first = cell_series(best, metric);

	say_answer(page, results, best, metric);
	for (size_t i = 0; i < results->cell_count; i++) {
		const struct cell *cell = &results->cells[i];
		const struct series *series = competing(results, row, cell, metric);

		if (cell == best || !series || told_apart(first, series))
			continue;
		page_break(page);
		page_muted(page, "≈ ");
		say_answer(page, results, cell, metric);
	}
}

/* A cell that an interrupted run did not come to is not in the file. */
static bool is_unknown(const struct results *results, const struct row *row, size_t backend,
		       const char *metric)
{
	const struct cell *cell = results_cell(results, row->workload, backend, row->workers);
	const cJSON *complete =
		cJSON_GetObjectItemCaseSensitive(results->bench_context, "complete");

	if (!results->backends[backend].measured || !backend_competes(&results->backends[backend]))
		return false;
	return cell ? !cell->unsupported && !cell_comparable(cell, metric)
		    : cJSON_IsFalse(complete);
}

/* Those that may be better than the best that is known. */
static void say_unknown(struct page *page, const struct results *results, const struct row *row,
			const char *metric)
{
	const char *before = "not known: ";

	for (size_t i = 0; i < results->backend_count; i++) {
		if (!is_unknown(results, row, i, metric))
			continue;
		if (before[0] == 'n')
			page_break(page);
		page_muted(page, "%s%s", before, results->backends[i].name);
		before = ", ";
	}
}

/* A multiple of the best, which nothing is of nothing. */
static void value_next(char string[VALUE_SIZE], const struct results *results,
		       const struct cell *cell)
{
	const struct series *series = cell_primary(results, cell);

	if (cell->ratio > 0)
		value_ratio(string, cell->ratio);
	else
		value_format(string, series->median, series->unit);
}

static void decision_row(struct page *page, const struct results *results, const struct row *row)
{
	const struct workload *workload = &results->workloads[row->workload];
	const struct cell *best = lowest(results, row, workload->metric, NULL);
	const struct cell *cpu = lowest(results, row, "cpu_per_op", NULL), *next = NULL;
	struct text name = {0};
	char ratio[VALUE_SIZE];

	report_row_name(&name, results, row);
	page_row(page, NULL);
	page_cell(page, "name", workload->separates);
	page_say(page, "%s", name.data);
	text_free(&name);
	page_cell(page, "name", NULL);
	page_muted(page, "%s", value_metric(workload->metric));
	page_cell(page, "lowest", NULL);
	if (best) {
		const struct series *first = cell_series(best, workload->metric);

		say_best(page, results, row, best, workload->metric);
		next = lowest(results, row, workload->metric, first);
	} else {
		page_muted(page, "none ran");
	}
	say_unknown(page, results, row, workload->metric);
	page_cell(page, "name", NULL);
	if (next) {
		value_next(ratio, results, next);
		report_backend(page, &results->backends[next->backend]);
		page_muted(page, " %s", ratio);
	} else {
		page_muted(page, "–");
	}
	page_cell(page, "name", NULL);
	if (cpu)
		say_answer(page, results, cpu, "cpu_per_op");
	else
		page_muted(page, "–");
}

/* What hands nothing over has no rivals in what it costs to hand something over. */
static void say_references(struct page *page, const struct results *results)
{
	const char *before = " Never the lowest, since tasks run in the thread that submits: ";

	for (size_t i = 0; i < results->backend_count; i++)
		if (results->backends[i].measured && results->backends[i].in_caller) {
			page_say(page, "%s%s", before, results->backends[i].name);
			before = ", ";
		}
	page_say(page, "%s", before[0] == ',' ? "." : "");
}

static void decisions(struct page *page, const struct results *results)
{
	static const char *const headers[] = {"Workload", "Compared by", "Lowest", "Next",
					      "Least CPU per operation"};

	page_heading(page, 2, "decisions", "Which executor for which work");
	if (results->row_count == 0) {
		page_paragraph(page, "note");
		page_say(page, "Nothing was measured, so there is nothing to decide by.");
		page_paragraph_end(page);
		return;
	}
	page_table(page, NULL, "ttttt");
	for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
		page_cell(page, NULL, NULL);
		page_say(page, "%s", headers[i]);
	}
	for (size_t i = 0; i < results->row_count; i++)
		decision_row(page, results, &results->rows[i]);
	page_table_end(page);
	page_paragraph(page, "note");
	page_say(page,
		 "Medians of this machine and these runs. ≈: not told apart from the lowest, "
		 "because the medians differ by less than %.0f %% or the middle halves of the "
		 "repetitions overlap. The second means that this run cannot tell, not that they "
		 "are equal. Not known: no value, or of fewer than half of the repetitions. †: not "
		 "conformant, or undecided.",
		 100 * (TIE - 1));
	say_references(page, results);
	page_paragraph_end(page);
}

void report_summary(struct page *page, const struct results *results)
{
	page_heading(page, 1, "verdict", "Assay report");
	report_head(page, results);
	say_verdicts(page, results);
	report_noise(page, results);
	report_instrument(page, results);
	decisions(page, results);
}
