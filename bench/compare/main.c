/* SPDX-License-Identifier: MIT */
#include "command.h"
#include "complaint.h"
#include "files.h"
#include "judge.h"
#include "measure.h"
#include "output.h"
#include "record.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char help[] =
	"assay-compare - is NEW slower than BASE?\n"
	"\n"
	"usage:\n"
	"  assay-compare BASE NEW [options]\n"
	"  assay-compare --help\n"
	"\n"
	"  Each is a build tree (then both are measured by turns, in one run, with BASE against\n"
	"  itself as a control), or both are files of assay-bench or assay-proxies.\n"
	"\n"
	"      --workload GLOB     only workloads whose name matches: several patterns with "
	"commas; a\n"
	"                          pattern that matches nothing is an error; repeatable (default:\n"
	"                          files: all; trees: those of the classes overhead and cpu)\n"
	"      --backend GLOB      only backends whose name matches; patterns as for --workload\n"
	"      --workers N,M       only these numbers of workers, each up to 1024 (default: "
	"files:\n"
	"                          all; trees: what each workload has)\n"
	"      --rounds N          of each cell in the first batch, at least 4 (default 7): BASE "
	"and\n"
	"                          NEW, twice each; up to 24 times as many in all where these "
	"leave\n"
	"                          a question; trees only\n"
	"      --samples N         of each of the four in a round, of which the least counts "
	"(default\n"
	"                          1); trees only\n"
	"      --scale SCALE       of the samples: tiny, quick or full (default quick); trees "
	"only\n"
	"      --seed N            of the order, of random inputs and of the intervals (default "
	"1)\n"
	"      --threshold KIND=P  what is a regression, in percent (default cpu=5, wall=10,\n"
	"                          latency=25, memory=5, ratio=10, events=25, instructions=0.5,\n"
	"                          calls=5, count=0); repeatable\n"
	"      --force             compare what comes of different machines or builds, or of "
	"builds\n"
	"                          that are not to be timed\n"
	"      --format FORMAT     text, json, markdown or junit (default: what the ending of "
	"FILE\n"
	"                          says, .txt, .json, .md or .xml; else text)\n"
	"  -o, --output FILE       instead of the standard output\n"
	"      --markdown FILE     a summary besides, of the same measurement\n"
	"      --names BASE,NEW    what the two are called in what is written (default: as given)\n"
	"  -h, --help              this text\n"
	"\n"
	"environment\n"
	"  TMPDIR                  where samples are while they run (default /tmp)\n"
	"\n"
	"exit code\n"
	"  0  no regression\n"
	"  1  a regression\n"
	"  2  what was asked could not be done: nothing matched, a cell failed or is missing in "
	"NEW,\n"
	"     a broken file\n"
	"  3  inconclusive\n"
	"\n"
	"examples\n"
	"  assay-compare old/build build --workload 'submit_*'\n"
	"  assay-compare base.json new.json -o verdict.xml\n";

typedef void writer(struct text *text, const struct account *account);

struct request {
	struct selection selection;
	struct measurement measurement;
	struct rules rules;
	writer *output;       /* NULL: as the path says */
	const char *of_trees; /* an option that files have no use for; NULL: none was given */
	const char *path;
	const char *summary; /* NULL: none */
	char *names;         /* NULL: as on the command line; cut at the comma once read */
	bool force;
	bool help;
};

static int mistake(const char *what, const char *value, const char *expected)
{
	return complain("%s '%s': expected %s", what, value, expected);
}

static int parse_number(const char *option, const char *text, unsigned long least,
			unsigned long most, unsigned long *number)
{
	char expected[80], *end;

	errno = 0;
	*number = strtoul(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && !errno && *number >= least && *number <= most)
		return 0;
	snprintf(expected, sizeof expected, "a whole number from %lu to %lu", least, most);
	return mistake(option, text, expected);
}

static int parse_workers(const char *list, struct selection *selection)
{
	size_t most = sizeof selection->workers / sizeof *selection->workers;
	char item[32];

	selection->worker_count = 0;
	for (const char *rest = list; rest;
	     rest = strchr(rest, ',') ? strchr(rest, ',') + 1 : NULL) {
		unsigned long number;

		snprintf(item, sizeof item, "%.*s", (int)strcspn(rest, ","), rest);
		if (selection->worker_count == most)
			return mistake("--workers", list, "at most 16 numbers");
		if (parse_number("--workers", item, 1, 1024, &number))
			return -1;
		for (size_t i = 0; i < selection->worker_count; i++)
			if (selection->workers[i] == (int)number)
				return mistake("--workers", list, "each number once");
		selection->workers[selection->worker_count++] = (int)number;
	}
	return 0;
}

static int parse_threshold(const char *text, struct rules *rules)
{
	const char *equals = strchr(text, '=');
	char *end = NULL;
	double percent = equals ? strtod(equals + 1, &end) : -1;

	for (int kind = 0; equals && kind < KINDS; kind++)
		if (strlen(kinds[kind].name) == (size_t)(equals - text) &&
		    strncmp(text, kinds[kind].name, (size_t)(equals - text)) == 0 &&
		    end != equals + 1 && !*end && percent >= 0 && percent <= 10000) {
			rules->thresholds[kind] = percent / 100;
			return 0;
		}
	return mistake(
		"--threshold", text,
		"a kind (cpu, wall, latency, memory, ratio, events, instructions, calls or count), "
		"=, and a percentage from 0 to 10000");
}

/* NULL without a format, or of one that there is not. */
static writer *writer_of(const char *format)
{
	static const struct {
		const char *name;
		writer *output;
	} formats[] = {{"text", output_text},
		       {"json", output_json},
		       {"markdown", output_markdown},
		       {"junit", output_junit}};

	for (size_t i = 0; format && i < sizeof formats / sizeof *formats; i++)
		if (strcmp(format, formats[i].name) == 0)
			return formats[i].output;
	return NULL;
}

static int parse_format(const char *text, struct request *request)
{
	request->output = writer_of(text);
	return request->output ? 0 : mistake("--format", text, "text, json, markdown or junit");
}

static int parse_scale(const char *text, struct measurement *measurement)
{
	measurement->scale = text;
	if (strcmp(text, "tiny") == 0 || strcmp(text, "quick") == 0 || strcmp(text, "full") == 0)
		return 0;
	return mistake("--scale", text, "tiny, quick or full");
}

static int check_names(const char *names)
{
	const char *comma = strchr(names, ',');

	if (comma && comma != names && comma[1] && !strchr(comma + 1, ','))
		return 0;
	return mistake("--names", names, "two with a comma between them");
}

/* Several are one list of patterns. */
static void add_workload(const char *patterns, struct selection *selection)
{
	static struct text list; /* as long as the program runs */

	text_format(&list, "%s%s", list.length ? "," : "", patterns);
	selection->workload_glob = list.data;
}

static int parse_option(int option, const char *value, struct request *request)
{
	struct measurement *measurement = &request->measurement;
	unsigned long number = 0;
	int failed = 0;

	switch (option) {
	case 'l':
		add_workload(value, &request->selection);
		break;
	case 'b':
		request->selection.backend_glob = value;
		break;
	case 'w':
		return parse_workers(value, &request->selection);
	case 'r':
		failed = parse_number("--rounds", value, ROUNDS_LEAST, 10000, &number);
		measurement->rounds = (unsigned)number;
		break;
	case 'n':
		failed = parse_number("--samples", value, 1, 100, &number);
		measurement->samples = (unsigned)number;
		break;
	case 's':
		failed = parse_number("--seed", value, 0, 1UL << 53, &number);
		measurement->seed = request->rules.seed = number;
		break;
	case 'c':
		return parse_scale(value, measurement);
	case 't':
		return parse_threshold(value, &request->rules);
	case 'F':
		request->force = true;
		break;
	case 'f':
		return parse_format(value, request);
	case 'o':
		request->path = strcmp(value, "-") == 0 ? NULL : value;
		break;
	case 'N':
		request->names = (char *)value;
		return check_names(value);
	case 'm':
		request->summary = value;
		break;
	case 'h':
		request->help = true;
		break;
	default: /* getopt_long() said what is wrong */
		failed = -1;
	}
	return failed;
}

/* ./assay compare gives names, and first asks for help, before what it was given. */
static bool is_repeatable(int option)
{
	return option == 'h' || option == 'l' || option == 't' || option == 'N';
}

static int parse(int count, char **words, struct request *request)
{
	static const struct option known[] = {{"workload", required_argument, NULL, 'l'},
					      {"backend", required_argument, NULL, 'b'},
					      {"workers", required_argument, NULL, 'w'},
					      {"rounds", required_argument, NULL, 'r'},
					      {"samples", required_argument, NULL, 'n'},
					      {"seed", required_argument, NULL, 's'},
					      {"scale", required_argument, NULL, 'c'},
					      {"threshold", required_argument, NULL, 't'},
					      {"force", no_argument, NULL, 'F'},
					      {"format", required_argument, NULL, 'f'},
					      {"output", required_argument, NULL, 'o'},
					      {"markdown", required_argument, NULL, 'm'},
					      {"names", required_argument, NULL, 'N'},
					      {"help", no_argument, NULL, 'h'},
					      {0}};
	bool given[128] = {false};
	int option;

	while ((option = getopt_long(count, words, "ho:", known, NULL)) != -1)
		if ((!is_repeatable(option) && command_once(known, given, option)) ||
		    parse_option(option, optarg, request))
			return command_see_help();
	if (!request->help && count - optind != 2) {
		complain("expected BASE and NEW");
		return command_see_help();
	}
	request->of_trees = given['r']   ? "--rounds"
			    : given['n'] ? "--samples"
			    : given['c'] ? "--scale"
					 : NULL;
	if (!request->output)
		request->output = writer_of(command_format(request->path));
	if (!request->output)
		request->output = output_text;
	return 0;
}

static int refuse_output(const char *path, const char *why)
{
	return complain("cannot write '%s': %s", path, why);
}

/* A new file beside it, as record_write() will make. */
static int try_output(const char *path)
{
	char *target = realpath(path, NULL), *temporary;
	int descriptor = -1;

	if (asprintf(&temporary, "%s.XXXXXX", target ? target : path) >= 0) {
		descriptor = mkstemp(temporary);
		if (descriptor < 0)
			refuse_output(path, strerror(errno));
		else
			unlink(temporary);
		free(temporary);
	}
	free(target);
	return descriptor < 0 ? -1 : close(descriptor);
}

/* Before minutes of measuring, not after. */
static int check_output(const char *path)
{
	struct stat status;

	if (!path)
		return 0;
	if (!*path)
		return refuse_output(path, "expected the name of a file");
	if (stat(path, &status))
		return lstat(path, &status) ? try_output(path)
					    : refuse_output(path, "it is a link to nothing");
	if (S_ISDIR(status.st_mode))
		return refuse_output(path, "it is a directory; expected a file");
	return S_ISREG(status.st_mode) ? try_output(path) : 0;
}

/* The second would take the place of the first. */
static int check_outputs_differ(const struct request *request)
{
	struct stat output, summary;
	bool same;

	if (!request->path || !request->summary)
		return 0;
	same = strcmp(request->path, request->summary) == 0 ||
	       (stat(request->path, &output) == 0 && stat(request->summary, &summary) == 0 &&
		S_ISREG(output.st_mode) && output.st_dev == summary.st_dev &&
		output.st_ino == summary.st_ino);
	return same ? complain("--output '%s' and --markdown '%s' are one file", request->path,
			       request->summary)
		    : 0;
}

static bool is_directory(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static int gather(struct request *request, const char *base, const char *changed,
		  struct figures *figures)
{
	if (is_directory(base) != is_directory(changed))
		return complain("'%s' and '%s': expected two build trees or two files", base,
				changed);
	if (!is_directory(base) && request->of_trees)
		return complain("%s is for build trees: '%s' and '%s' are files, measured already",
				request->of_trees, base, changed);
	if (!is_directory(base))
		return files_read(figures, base, changed, &request->selection, request->force);
	request->measurement.trees[0] = base;
	request->measurement.trees[1] = changed;
	request->measurement.selection = &request->selection;
	request->measurement.force = request->force;
	return measure(figures, &request->measurement, &request->rules);
}

static int write_account(writer *output, const char *path, const struct account *account)
{
	struct text text = {0};
	int failed;

	/* The standard error has said it. */
	if (account->figures->trouble && output == output_text && !path)
		return 0;
	output(&text, account);
	failed = record_write(path, text.data);
	text_free(&text);
	return failed;
}

static void name_sides(struct account *account, char *names)
{
	char *comma = strchr(names, ',');

	*comma = '\0';
	account->base = names;
	account->changed = comma + 1;
}

/* An earlier verdict must not be taken for this one: also what cannot be compared is written. */
static int compare(struct request *request, const char *base, const char *changed)
{
	struct figures figures = {.count = 0};
	struct account account = {&figures,      &request->rules,
				  base,          changed,
				  VERDICT_ERROR, !request->path && isatty(STDOUT_FILENO)};
	int code = VERDICT_ERROR;

	if (check_output(request->path) || check_output(request->summary) ||
	    check_outputs_differ(request))
		return VERDICT_ERROR;
	if (request->names)
		name_sides(&account, request->names);
	if (gather(request, base, changed, &figures)) {
		figures_free(&figures);
		figures.trouble = complaint_last();
	} else {
		account.verdict = judge(&figures, &request->rules);
		figures_sort(&figures);
	}
	if (!write_account(request->output, request->path, &account) &&
	    (!request->summary || !write_account(output_markdown, request->summary, &account)))
		code = (int)account.verdict;
	figures_free(&figures);
	return code;
}

int main(int count, char **words)
{
	struct request request = {
		.rules = rules_default(),
		.measurement = {.scale = "quick", .rounds = 7, .samples = 1, .seed = 1}};
	char program[] = "assay-compare";

	words[0] = program;
	command_hold_streams();
	complaint_listen();
	if (parse(count, words, &request))
		return VERDICT_ERROR;
	if (request.help)
		return record_write(NULL, help) ? VERDICT_ERROR : VERDICT_PASS;
	return compare(&request, words[optind], words[optind + 1]);
}
