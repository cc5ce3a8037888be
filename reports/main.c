/* SPDX-License-Identifier: MIT */
/* assay-report: the results of the suite and of the bench as one page, and as pictures. */
#include "holds.h"
#include "publish.h"
#include "record.h"
#include "report.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
	"usage: assay-report CONFORMANCE.json BENCH.json CLAUSES.json [--judge] -o DIR\n"
	"       assay-report --holds CONFORMANCE.json [BACKEND ...]\n"
	"\n"
	"Writes DIR/report.html, DIR/report.md and DIR/plots/ (SVG and PNG). In the place of\n"
	"CONFORMANCE.json or BENCH.json, - says that there is none, and so does the report. Plots\n"
	"need gnuplot.\n"
	"\n"
	"  --judge  exit code 1 if a test in the files neither passed nor is unsupported, or a\n"
	"           measurement failed\n"
	"  --holds  write nothing: exit code 1 if the file is of another build, machine or set of\n"
	"           backends than these, now\n"
	"\n"
	"Exit codes: 0 the report is written, 2 it could not be.\n";

static struct publication publication;

/* Also when memory runs out in the middle. */
static void clean_up(void)
{
	if (publication.temporary)
		publish_cancel(&publication);
}

static int write_page(const struct results *results, const struct plots *plots,
		      enum page_format format, const char *name)
{
	struct page page = {.format = format};
	struct text path = {0};
	int failed;

	report_write(&page, results, plots);
	text_format(&path, "%s/%s", publication.temporary, name);
	failed = record_write(path.data, page.out.data);
	text_free(&path);
	text_free(&page.out);
	return failed;
}

static int make_report(const struct results *results, const char *directory)
{
	struct plots plots;
	int failed;

	if (publish_begin(&publication, directory)) {
		publish_cancel(&publication);
		return -1;
	}
	plots_make(&plots, results, publication.temporary);
	if (plots.message)
		fprintf(stderr, "assay-report: warning: tables only, no plots: %s\n",
			plots.message);
	failed = write_page(results, &plots, PAGE_MARKDOWN, "report.md") ||
		 write_page(results, &plots, PAGE_HTML, "report.html");
	plots_free(&plots);
	if (failed) {
		publish_cancel(&publication);
		return -1;
	}
	return publish_end(&publication);
}

static int refuse_usage(const char *message)
{
	fprintf(stderr, "assay-report: %s\n%s", message, usage);
	return 2;
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {{"output", required_argument, NULL, 'o'},
						{"judge", no_argument, NULL, 'j'},
						{"holds", required_argument, NULL, 'c'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	struct results results = {0};
	const char *directory = NULL, *earlier = NULL;
	bool judge = false, good;
	int option, failed;

	while ((option = getopt_long(argc, argv, "o:h", options, NULL)) != -1) {
		if (option == 'h')
			return record_write(NULL, usage) ? 2 : 0;
		if (option == 'o')
			directory = optarg;
		else if (option == 'c')
			earlier = optarg;
		else if (option == 'j')
			judge = true;
		else
			return refuse_usage("bad option");
	}
	if (earlier)
		return holds(earlier, argv + optind, (size_t)(argc - optind)) ? 1 : 0;
	if (argc - optind != 3)
		return refuse_usage("expected three files");
	if (!directory || !directory[0])
		return refuse_usage("expected a directory after -o");
	atexit(clean_up);
	failed = results_read(&results, argv[optind], argv[optind + 1], argv[optind + 2]) ||
		 make_report(&results, directory);
	if (!failed)
		report_terminal(&results, directory);
	good = results_are_good(&results);
	results_free(&results);
	return failed ? 2 : judge && !good;
}
