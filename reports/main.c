/* SPDX-License-Identifier: MIT */
/* assay-report: the results of the suite and of the bench as one page, and as pictures. */
#include "command.h"
#include "holds.h"
#include "interrupt.h"
#include "publish.h"
#include "record.h"
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
	"assay-report - the results of the suite and of the bench as a page\n"
	"\n"
	"usage:\n"
	"  assay-report CONFORMANCE.json BENCH.json CLAUSES.json [--judge] -o DIR\n"
	"  assay-report --holds CONFORMANCE.json [BACKEND ...]\n"
	"  assay-report --help\n"
	"\n"
	"  Writes DIR/report.html, DIR/report.md and DIR/plots/ (SVG and PNG), and the same in "
	"short\n"
	"  on the standard output. In the place of CONFORMANCE.json or BENCH.json, - says that "
	"there\n"
	"  is none, and so does the report. Plots need gnuplot.\n"
	"\n"
	"  -o, --output DIR  where the report goes; made if it is missing; other files in it stay\n"
	"      --judge       the exit code says what the results are like, too\n"
	"      --holds FILE  write nothing: whether the file of conformance is of the build, the\n"
	"                    machine and the backends (their names) that there are now\n"
	"  -h, --help        this text\n"
	"\n"
	"exit code\n"
	"  0  the report is written; with --judge: and every test passed or is unsupported, and "
	"no\n"
	"     measurement failed; with --holds: the file holds\n"
	"  1  with --judge: something fell short; with --holds: it does not hold\n"
	"  2  what was asked could not be done; with --judge: nothing was judged, since a file "
	"holds\n"
	"     no results, or there is none\n"
	"\n"
	"examples\n"
	"  assay-report conformance.json bench.json clauses.json -o out\n"
	"  assay-report - bench.json clauses.json --judge -o out\n";

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
	if (plots.message && !interrupt_came())
		fprintf(stderr, "assay-report: warning: tables only, no plots: %s\n",
			plots.message);
	failed = write_page(results, &plots, PAGE_MARKDOWN, "report.md") ||
		 write_page(results, &plots, PAGE_HTML, "report.html");
	plots_free(&plots);
	if (!failed && interrupt_came()) {
		fprintf(stderr, "assay-report: interrupted; nothing was written\n");
		failed = -1;
	}
	if (failed) {
		publish_cancel(&publication);
		return -1;
	}
	return publish_end(&publication);
}

static int refuse_usage(const char *message)
{
	fprintf(stderr, "assay-report: %s\n", message);
	return command_see_help();
}

struct request {
	const char *directory;
	const char *earlier; /* NULL: not asked for whether it holds */
	bool judge;
	bool help;
};

static int parse(int argc, char *argv[], struct request *request)
{
	static const struct option known[] = {{"output", required_argument, NULL, 'o'},
					      {"judge", no_argument, NULL, 'j'},
					      {"holds", required_argument, NULL, 'c'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	bool given[128] = {false};
	int option;

	while ((option = getopt_long(argc, argv, "o:h", known, NULL)) != -1) {
		if (option == '?' || command_once(known, given, option))
			return command_see_help();
		if (option == 'o')
			request->directory = optarg;
		else if (option == 'c')
			request->earlier = optarg;
	}
	request->judge = given['j'];
	request->help = given['h'];
	if (request->help)
		return 0;
	if (request->earlier)
		return request->directory || request->judge
			       ? refuse_usage(
					 "--holds writes and judges no report: expected neither "
					 "--output nor --judge beside it")
			       : 0;
	if (argc - optind != 3)
		return refuse_usage("expected three files");
	return request->directory && request->directory[0]
		       ? 0
		       : refuse_usage("expected a directory after -o");
}

static int report(char *const files[3], const struct request *request)
{
	struct results results = {0};
	int code = 0;

	atexit(clean_up);
	if (interrupt_watch()) {
		perror("assay-report: cannot watch for interrupts");
		return 2;
	}
	if (results_read(&results, files[0], files[1], files[2]) ||
	    make_report(&results, request->directory) ||
	    report_terminal(&results, request->directory)) {
		code = 2;
	} else if (request->judge && results_are_empty(&results)) {
		fprintf(stderr, "assay-report: nothing was judged: expected a file of results, and "
				"results in each\n");
		code = 2;
	} else if (request->judge) {
		code = results_are_good(&results) ? 0 : 1;
	}
	results_free(&results);
	return code;
}

int main(int argc, char *argv[])
{
	struct request request = {.judge = false};
	char program[] = "assay-report"; /* what getopt_long() puts before its messages */

	argv[0] = program;
	command_hold_streams();
	if (parse(argc, argv, &request))
		return 2;
	if (request.help)
		return record_write(NULL, help) ? 2 : 0;
	if (request.earlier)
		return holds(request.earlier, argv + optind, (size_t)(argc - optind));
	return report(argv + optind, &request);
}
