/* SPDX-License-Identifier: MIT */
/* The sections of a report, in the order in which they stand there. */
#ifndef REPORT_H
#define REPORT_H

#include "page.h"
#include "plot.h"
#include "results.h"

/* The whole of it, in the page's format. */
void report_write(struct page *page, const struct results *results, const struct plots *plots);

/* The same in short on standard output, and where the page is: 0, or -1 after a message. */
int report_terminal(const struct results *results, const char *directory);

/* In the summary already: when and where, what the machine did to the times, and what measuring them costs. */
void report_head(struct page *page, const struct results *results);
void report_noise(struct page *page, const struct results *results);
void report_instrument(struct page *page, const struct results *results);
void report_summary(struct page *page, const struct results *results);
void report_heat_map(struct page *page, const struct results *results, const struct plots *plots);
void report_matrix(struct page *page, const struct results *results);
void report_workloads(struct page *page, const struct results *results, const struct plots *plots);
void report_environment(struct page *page, const struct results *results);
void report_clauses(struct page *page, const struct results *results);

/* "conformant", "not conformant" if a clause failed, "undecided". */
const char *report_verdict(const struct backend *backend);

/* "submit, 4 workers": a row's name, unique in the report. */
void report_row_name(struct text *text, const struct results *results, const struct row *row);

/* A backend's name behind its colour. */
void report_backend(struct page *page, const struct backend *backend);

#endif
