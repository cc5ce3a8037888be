/* SPDX-License-Identifier: MIT */
#include "conform.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
	"assay-conform - test executors against the clauses of the specification\n"
	"\n"
	"usage:\n"
	"  assay-conform run [BACKEND|FILE.so ...] [options]\n"
	"  assay-conform list backends|clauses|tests|mutants [--format text|json] [-o FILE]\n"
	"  assay-conform check\n"
	"  assay-conform mutant NAME\n"
	"  assay-conform --help | --version\n"
	"\n"
	"run\n"
	"  Runs the tests on each backend: by name, from the directories in ASSAY_BACKEND_PATH "
	"and\n"
	"  ../lib/assay beside this program; by path, with a slash or ending in .so; all that are\n"
	"  found if none is given. Each test is a process of its own with a deadline; whatever it\n"
	"  leaves behind is killed. A test that needs a capability which the backend does not\n"
	"  claim is unsupported.\n"
	"\n"
	"  -c, --clause GLOB    only tests of these clauses; several patterns with commas, or the\n"
	"                       option again: 'CAN-*,RES-1'\n"
	"  -t, --test GLOB      only tests with these names, likewise\n"
	"  -w, --workers N      workers where the test does not care (default 2)\n"
	"      --options TEXT   the backend's own options, for every executor that a test makes\n"
	"                       without any: 'fences=full'\n"
	"  -j, --jobs N         tests at the same time (default 1)\n"
	"  -r, --repeat N       run everything N times, stop at the first round with a failure\n"
	"  -f, --format FORMAT  text, json, junit or tap; without it the ending of FILE decides:\n"
	"                       .json, .xml for junit, .tap, any other for text\n"
	"  -o, --output FILE    write there; the text goes to the standard output as well\n"
	"\n"
	"list\n"
	"  Shows what there is. Mutants exist in a build tree only. Without --format a FILE that\n"
	"  ends in .json gets JSON.\n"
	"\n"
	"check\n"
	"  Holds the chapters in spec/ against the tests: each clause has tests or says why not, "
	"each\n"
	"  test has a clause, no id is used twice.\n"
	"\n"
	"mutant\n"
	"  Runs the tests of the clauses that a deliberately wrong backend breaks. Good if for "
	"each of\n"
	"  these clauses a test fails.\n"
	"\n"
	"verdicts\n"
	"  pass         the test returned, and nothing was found wrong up to the end of its "
	"process\n"
	"  fail         a check did not hold\n"
	"  unsupported  the backend does not claim or offer what the clause needs\n"
	"  unresolved   the test could not establish what it needs\n"
	"  timeout      not done when the deadline passed\n"
	"  crash        ended by a signal\n"
	"  sanitizer    ended by AddressSanitizer, LeakSanitizer, ThreadSanitizer or UBSan\n"
	"\n"
	"environment\n"
	"  ASSAY_BACKEND_PATH   directories of backends, separated by colons\n"
	"  ASSAY_TIME_SCALE     a factor for every time limit, above 0; more than 1 on a slow\n"
	"                       machine\n"
	"  ASSAY_TORTURE_SECONDS  how much longer than usual each test of STR-7 takes\n"
	"\n"
	"exit code\n"
	"  0  every test passed or is unsupported, and not all are unsupported\n"
	"  1  something fell short, or nothing was tested\n"
	"  2  what was asked could not be done\n"
	"\n"
	"examples\n"
	"  assay-conform run mutex_queue\n"
	"  assay-conform run ./my_pool.so --clause 'CAN-*' --repeat 100\n"
	"  assay-conform run --format junit -o results.xml\n";

int option_number(const char *option, const char *text, int low, int high)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (errno || end == text || *end || number < low || number > high) {
		fprintf(stderr, "assay-conform: %s takes a whole number from %d to %d, not '%s'\n",
			option, low, high, text);
		return -1;
	}
	return (int)number;
}

bool option_is_new(const struct option *options, int letter, bool *seen)
{
	if (!seen[letter]) {
		seen[letter] = true;
		return true;
	}
	while (options->val != letter)
		options++;
	fprintf(stderr, "assay-conform: --%s is given twice\n", options->name);
	return false;
}

/* The tests would take anything else for 1. Above the limit nanoseconds would not fit. */
static bool is_time_scale_good(void)
{
	const double limit = 1e6;
	const char *text = getenv("ASSAY_TIME_SCALE");
	char *end;
	double scale;

	if (!text)
		return true;
	scale = strtod(text, &end);
	if (end != text && !*end && scale > 0 && scale <= limit)
		return true;
	fprintf(stderr,
		"assay-conform: ASSAY_TIME_SCALE takes a number above 0, at most %.0f, not '%s'\n",
		limit, text);
	return false;
}

static bool is_torture_good(void)
{
	const char *text = getenv("ASSAY_TORTURE_SECONDS");

	return !text || option_number("ASSAY_TORTURE_SECONDS", text, 0, 999999) >= 0;
}

int refuse_usage(void)
{
	fprintf(stderr, "assay-conform: see assay-conform --help\n");
	return EXIT_CANNOT;
}

/* What could not be written was not done. */
static int after_output(int code)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	fprintf(stderr, "assay-conform: cannot write to the standard output: %s\n",
		strerror(errno));
	return EXIT_CANNOT;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} commands[] = {
		{"run", command_run},
		{"list", command_list},
		{"check", command_check},
		{"mutant", command_mutant},
	};
	static char program[] = "assay-conform";

	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return fputs(help, stdout) < 0 ? EXIT_CANNOT : after_output(EXIT_GOOD);
	if (argc > 1 && strcmp(argv[1], "--version") == 0)
		return puts("assay " ASSAY_VERSION) < 0 ? EXIT_CANNOT : after_output(EXIT_GOOD);
	for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++)
		if (strcmp(argv[1], commands[i].name) == 0) {
			if (!is_time_scale_good() || !is_torture_good())
				return EXIT_CANNOT;
			argv[1] = program; /* what getopt_long() puts before its messages */
			return after_output(commands[i].run(argc - 1, argv + 1));
		}
	if (argc > 1)
		fprintf(stderr,
			"assay-conform: there is no command '%s'; expected run, list, check or "
			"mutant\n",
			argv[1]);
	else
		fprintf(stderr, "assay-conform: expected a command: run, list, check or mutant\n");
	return refuse_usage();
}
