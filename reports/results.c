/* SPDX-License-Identifier: MIT */
#include "results.h"

#include "json.h"
#include "style.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name, *symbol;
} verdicts[VERDICTS] = {
	[VERDICT_PASS] = {"pass", "✓"},
	[VERDICT_PARTLY] = {"in\u00A0part", "◐"},
	[VERDICT_UNSUPPORTED] = {"unsupported", "○"},
	[VERDICT_UNRESOLVED] = {"unresolved", "?"},
	[VERDICT_FAIL] = {"fail", "✗"},
	[VERDICT_TIMEOUT] = {"timeout", "✗"},
	[VERDICT_SANITIZER] = {"sanitizer", "✗"},
	[VERDICT_CRASH] = {"crash", "✗"},
	[VERDICT_UNTESTED] = {"untested", "−"},
	[VERDICT_NOT_RUN] = {"not run", "·"},
};

const char *verdict_name(enum verdict verdict)
{
	return verdicts[verdict].name;
}

const char *verdict_symbol(enum verdict verdict)
{
	return verdicts[verdict].symbol;
}

bool verdict_is_failure(enum verdict verdict)
{
	return verdict >= VERDICT_FAIL && verdict <= VERDICT_CRASH;
}

bool backend_competes(const struct backend *backend)
{
	return backend->executor && !backend->in_caller;
}

/* The bench's names for rows that run the work without an executor. */
static bool is_executor(const char *name)
{
	return strcmp(name, "serial") != 0 && strcmp(name, "floor") != 0;
}

size_t results_backend(struct results *results, const char *name)
{
	struct backend *backend;
	int colour = 0;

	for (size_t i = 0; i < results->backend_count; i++) {
		if (strcmp(results->backends[i].name, name) == 0)
			return i;
		colour += results->backends[i].executor;
	}
	results->backends = reallocate(results->backends, results->backend_count + 1,
				       sizeof *results->backends);
	backend = &results->backends[results->backend_count];
	*backend = (struct backend){
		.name = name, .executor = is_executor(name), .colour = colour % SERIES_COLOURS};
	return results->backend_count++;
}

/*
 * Only "-" says that there is none. A path that leads nowhere is a mistake, and a report with a gap
 * would hide it.
 */
static int read_optional(const char *path, const char *format, cJSON **tree)
{
	if (strcmp(path, "-") == 0)
		return 0;
	*tree = json_read(path, format);
	return *tree ? 0 : -1;
}

int results_read(struct results *results, const char *conformance, const char *bench,
		 const char *clauses)
{
	results->trees[0] = json_read(clauses, "assay-list/1");
	if (!results->trees[0] ||
	    read_optional(conformance, "assay-conformance/1", &results->trees[1]) < 0 ||
	    read_optional(bench, "assay-bench/1", &results->trees[2]) < 0)
		return -1;
	if (results_read_clauses(results, clauses, results->trees[0]) < 0)
		return -1;
	if (results->trees[1] && results_read_tests(results, conformance, results->trees[1]) < 0)
		return -1;
	if (results->trees[2] && results_read_bench(results, bench, results->trees[2]) < 0)
		return -1;
	return 0;
}

bool results_are_good(const struct results *results)
{
	for (size_t i = 0; i < results->outcome_count; i++)
		if (results->outcomes[i].verdict != VERDICT_PASS &&
		    results->outcomes[i].verdict != VERDICT_UNSUPPORTED)
			return false;
	for (size_t i = 0; i < results->cell_count; i++)
		if (results->cells[i].failures)
			return false;
	return true;
}

bool results_are_empty(const struct results *results)
{
	return (!results->trees[1] && !results->trees[2]) ||
	       (results->trees[1] && !results->outcome_count) ||
	       (results->trees[2] && !results->cell_count);
}

void results_free(struct results *results)
{
	for (size_t i = 0; i < results->clause_count; i++) {
		free(results->clauses[i].anchor);
		free(results->clauses[i].cells);
	}
	for (size_t i = 0; i < results->cell_count; i++)
		for (size_t j = 0; j < results->cells[i].series_count; j++)
			free(results->cells[i].series[j].values);
	free(results->backends);
	free(results->clauses);
	free(results->outcomes);
	free(results->workloads);
	free(results->cells);
	free(results->rows);
	for (size_t i = 0; i < 3; i++)
		cJSON_Delete(results->trees[i]);
	*results = (struct results){0};
}
