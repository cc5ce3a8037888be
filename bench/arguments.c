/* SPDX-License-Identifier: MIT */
#include "arguments.h"

#include "command.h"
#include "run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char help[] =
	"assay-bench - measure executors on the same work\n"
	"\n"
	"usage:\n"
	"  assay-bench run [BACKEND|FILE.so ...] [options]\n"
	"  assay-bench list workloads|rivals [--format text|json] [-o FILE]\n"
	"  assay-bench --help\n"
	"\n"
	"run\n"
	"  Measures each backend: by name, from the directories in ASSAY_BACKEND_PATH and\n"
	"  ../lib/assay beside this program; by path, with a slash or ending in .so; all that are\n"
	"  found if none is given. asio_raw, cpython_process_raw, cpython_thread_raw, glib_raw,\n"
	"  omp_raw, pipe_pair_raw, tbb_raw and uv_raw are rivals as their own manuals would use\n"
	"  them; raw stands for all that were built. Lower is better in every figure. Each sample "
	"is\n"
	"  a process of its own.\n"
	"\n"
	"      --workload GLOB     only workloads whose name matches: several patterns with "
	"commas; a\n"
	"                          workload is measured if one of them matches; a pattern that\n"
	"                          matches nothing is an error; repeatable\n"
	"      --backend GLOB      instead of names: the backends whose name matches; patterns as "
	"for\n"
	"                          --workload\n"
	"      --executors-only    without the rows of a plain loop to compare with\n"
	"      --workers N,M       each up to 1024 (default: what each workload has)\n"
	"      --repetitions N     samples of each cell (default 10; with --quick and tiny 5)\n"
	"      --seed N            of the order and of random inputs (default 1)\n"
	"      --scale SCALE       size of the samples: tiny, quick or full (default full)\n"
	"      --quick             --scale quick: a first table, in about a quarter of a minute "
	"for\n"
	"                          each executor, and as much again for the floors\n"
	"      --deadline SECONDS  for one sample (default 120; with --quick and tiny 30)\n"
	"      --budget SECONDS    begin no sample after this time, and, after the first "
	"repetition,\n"
	"                          none that would end later (default: no end)\n"
	"      --format FORMAT     text or json (default: what the ending of FILE says, .txt or\n"
	"                          .json; else text)\n"
	"  -o, --output FILE       instead of the standard output. JSON grows as results come, in\n"
	"                          FILE.part; what is there stays until all of it is there\n"
	"      --resume FILE       go on with a run that was interrupted, in FILE.part, instead "
	"of\n"
	"                          --output; the other options, the programs and the machine as "
	"they\n"
	"                          were\n"
	"      --dry-run           only check all of this, and name the executors that would be\n"
	"                          measured\n"
	"  -h, --help              this text\n"
	"\n"
	"list\n"
	"  Shows what there is to measure, and which rivals can be built; --format and --output "
	"as\n"
	"  for run.\n"
	"\n"
	"environment\n"
	"  ASSAY_BACKEND_PATH      directories of backends, separated by colons\n"
	"  ASSAY_NGINX             the nginx that the workloads of HTTP start (default: nginx)\n"
	"  TMPDIR                  where files of the samples are while they run (default /tmp)\n"
	"\n"
	"exit code\n"
	"  0  all was measured\n"
	"  1  a cell failed\n"
	"  2  what was asked could not be done\n"
	"\n"
	"examples\n"
	"  assay-bench run --quick\n"
	"  assay-bench run mutex_queue ./my_pool.so --workload 'submit_*,round_trip_*'\n"
	"  assay-bench run --workers 1,2,4 -o bench.json\n";

static int mistake(const char *what, const char *value, const char *expected)
{
	fprintf(stderr, "assay-bench: %s '%s': expected %s\n", what, value, expected);
	return -1;
}

static int parse_number(const char *option, const char *text, uint64_t least, uint64_t most,
			uint64_t *number)
{
	char expected[80], *end;

	errno = 0;
	*number = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && !errno && *number >= least && *number <= most)
		return 0;
	snprintf(expected, sizeof expected, "a whole number from %" PRIu64 " to %" PRIu64, least,
		 most);
	return mistake(option, text, expected);
}

static int parse_workers(const char *list, struct options *options)
{
	char item[32];

	options->worker_count = 0;
	for (const char *rest = list; rest;
	     rest = strchr(rest, ',') ? strchr(rest, ',') + 1 : NULL) {
		uint64_t number;

		snprintf(item, sizeof item, "%.*s", (int)strcspn(rest, ","), rest);
		if (options->worker_count == WORKERS_MAX)
			return mistake("--workers", list, "at most 64 numbers");
		if (parse_number("--workers", item, 1, 1024, &number))
			return -1;
		for (size_t i = 0; i < options->worker_count; i++)
			if (options->workers[i] == (int)number)
				return mistake("--workers", list, "each number once");
		options->workers[options->worker_count++] = (int)number;
	}
	return 0;
}

static int parse_format(const char *text, struct options *options)
{
	options->json = strcmp(text, "json") == 0;
	if (!options->json && strcmp(text, "text") != 0)
		return mistake("--format", text, "text or json");
	return 0;
}

static int parse_scale(const char *text, struct options *options)
{
	for (options->scale = 0; options->scale < SCALES; options->scale++)
		if (strcmp(text, scale_names[options->scale]) == 0)
			return 0;
	return mistake("--scale", text, "tiny, quick or full");
}

/* Several are one list of patterns. */
static int add_workload(const char *patterns, struct options *options)
{
	static char *list; /* as long as the program runs */
	char *longer;

	if (asprintf(&longer, "%s%s%s", list ? list : "", list ? "," : "", patterns) < 0) {
		fprintf(stderr, "assay-bench: no memory for the patterns\n");
		return -1;
	}
	free(list);
	options->workload_glob = list = longer;
	return 0;
}

static int parse_option(int option, const char *value, struct options *options)
{
	uint64_t number = 0;
	int failed = 0;

	switch (option) {
	case 'q':
		options->scale = SCALE_QUICK;
		break;
	case 'e':
		options->executors_only = true;
		break;
	case 'B':
		options->backend_glob = value;
		break;
	case 'l':
		return add_workload(value, options);
	case 'w':
		return parse_workers(value, options);
	case 'r':
		failed = parse_number("--repetitions", value, 1, 10000, &number);
		options->repetitions = (unsigned)number;
		break;
	case 's':
		/* A JSON number holds no larger one exactly. */
		return parse_number("--seed", value, 0, UINT64_C(1) << 53, &options->seed);
	case 'd':
		failed = parse_number("--deadline", value, 1, 86400, &number);
		options->limit_ns = (int64_t)number * 1000000000;
		break;
	case 'b':
		failed = parse_number("--budget", value, 1, 1000000, &number);
		options->budget_ns = (int64_t)number * 1000000000;
		break;
	case 'R':
		options->resume = true;
		options->output = value;
		break;
	case 'n':
		options->dry_run = true;
		break;
	case 'f':
		return parse_format(value, options);
	case 'c':
		return parse_scale(value, options);
	case 'o':
		options->output = strcmp(value, "-") == 0 ? NULL : value;
		break;
	default: /* getopt_long() said what is wrong */
		failed = -1;
	}
	return failed;
}

/* Who resumes FILE.part means FILE. */
static int name_files(struct options *options)
{
	static const char end[] = ".part";
	const char *output = options->output ? options->output : "";
	size_t length = strlen(output);
	static char *whole, *part; /* as long as the program runs */

	if (options->resume && length >= sizeof end &&
	    strcmp(output + length - (sizeof end - 1), end) == 0)
		length -= sizeof end - 1;
	whole = strndup(output, length);
	if (!whole || asprintf(&part, "%s%s", whole, end) < 0) {
		fprintf(stderr, "assay-bench: no memory for the names of files\n");
		return -1;
	}
	if (options->output)
		options->output = whole;
	options->part = part;
	return 0;
}

/* Of two options that say the same, one would win without a word. */
static int check_pairs(const bool given[128], const struct options *options)
{
	const char *why = NULL;

	if (given['q'] && given['c'])
		why = "--scale is given beside --quick, which is --scale quick";
	else if (given['R'] && given['o'])
		why = "--output is given beside --resume, which names the file";
	else if (given['R'] && given['f'] && !options->json)
		why = "--format text is given beside --resume, which goes on with JSON";
	if (why)
		fprintf(stderr, "assay-bench: %s\n", why);
	return why ? -1 : 0;
}

static void choose_format(const bool given[128], struct options *options)
{
	const char *format = command_format(options->output);

	if (!given['f'] && format)
		options->json = strcmp(format, "json") == 0;
	options->json |= options->resume;
}

int arguments_parse(int count, char **words, struct arguments *arguments)
{
	static const struct option known[] = {{"backend", required_argument, NULL, 'B'},
					      {"workload", required_argument, NULL, 'l'},
					      {"workers", required_argument, NULL, 'w'},
					      {"repetitions", required_argument, NULL, 'r'},
					      {"seed", required_argument, NULL, 's'},
					      {"executors-only", no_argument, NULL, 'e'},
					      {"quick", no_argument, NULL, 'q'},
					      {"scale", required_argument, NULL, 'c'},
					      {"deadline", required_argument, NULL, 'd'},
					      {"budget", required_argument, NULL, 'b'},
					      {"resume", required_argument, NULL, 'R'},
					      {"dry-run", no_argument, NULL, 'n'},
					      {"format", required_argument, NULL, 'f'},
					      {"output", required_argument, NULL, 'o'},
					      {"help", no_argument, NULL, 'h'},
					      {0}};
	struct options *options = &arguments->options;
	bool given[128] = {false};
	int option;

	*options = (struct options){.scale = SCALE_FULL, .seed = 1};
	while ((option = getopt_long(count, words, "ho:", known, NULL)) != -1)
		if ((option != 'l' && command_once(known, given, option)) ||
		    (option != 'h' && parse_option(option, optarg, options)))
			return command_see_help();
	arguments->help = given['h'];
	arguments->names = (const char *const *)words + optind;
	arguments->name_count = (size_t)(count - optind);
	if (check_pairs(given, options))
		return command_see_help();
	choose_format(given, options);
	if (name_files(options))
		return -1;
	if (!options->repetitions)
		options->repetitions = options->scale == SCALE_FULL ? 10 : 5;
	if (!options->limit_ns)
		options->limit_ns = (options->scale == SCALE_FULL ? 120 : 30) * INT64_C(1000000000);
	return 0;
}
