/* SPDX-License-Identifier: MIT */
#include "report.h"

void report_write(struct page *page, const struct results *results, const struct plots *plots)
{
	static const char *const contents[] = {
		"verdict",     "Verdict",     "decisions",   "Decisions", "heat-map",
		"Heat map",    "conformance", "Conformance", "workloads", "Workloads",
		"environment", "Environment", "clauses",     "Clauses",   NULL};

	page_begin(page, "Assay report", contents);
	report_summary(page, results);
	report_heat_map(page, results, plots);
	report_matrix(page, results);
	report_workloads(page, results, plots);
	report_environment(page, results);
	report_clauses(page, results);
	page_end(page);
}
