/* SPDX-License-Identifier: MIT */
#include "conform.h"
#include "catalogue.h"
#include "output.h"
#include "suite.h"

#include <record.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct request {
	char *clauses; /* patterns with commas; NULL: all */
	char *tests;
	const char *options; /* of the backends; NULL: none */
	int workers;
	int jobs;
	int repeat;
	output_format *format;
	const char *file; /* NULL: standard output */
};

/* Adds patterns to a list. */
static void add_patterns(char **list, const char *patterns)
{
	char *longer;

	if (asprintf(&longer, "%s%s%s", *list ? *list : "", *list ? "," : "", patterns) < 0) {
		perror("assay-conform: cannot keep the patterns");
		exit(EXIT_CANNOT);
	}
	free(*list);
	*list = longer;
}

static int read_options(int argc, char **argv, struct request *request)
{
	enum { OPTIONS = 1 }; /* without a letter */
	static const struct option options[] = {
		{"clause", required_argument, NULL, 'c'},
		{"test", required_argument, NULL, 't'},
		{"workers", required_argument, NULL, 'w'},
		{"jobs", required_argument, NULL, 'j'},
		{"repeat", required_argument, NULL, 'r'},
		{"format", required_argument, NULL, 'f'},
		{"output", required_argument, NULL, 'o'},
		{"options", required_argument, NULL, OPTIONS},
		{0},
	};
	bool seen[128] = {false};
	const char *format = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "c:t:w:j:r:f:o:", options, NULL)) != -1) {
		if (!strchr("ct?", option) && !option_is_new(options, option, seen))
			return EXIT_CANNOT;
		if (option == 'c')
			add_patterns(&request->clauses, optarg);
		else if (option == 't')
			add_patterns(&request->tests, optarg);
		else if (option == 'w')
			request->workers = option_number("--workers", optarg, 1, 1024);
		else if (option == 'j')
			request->jobs = option_number("--jobs", optarg, 1, 1024);
		else if (option == 'r')
			request->repeat = option_number("--repeat", optarg, 1, 1000000000);
		else if (option == 'f')
			format = optarg;
		else if (option == 'o')
			request->file = optarg;
		else if (option == OPTIONS)
			request->options = optarg;
		else
			return refuse_usage();
	}
	if (request->workers < 0 || request->jobs < 0 || request->repeat < 0)
		return EXIT_CANNOT;
	if (!format)
		format = format_of_file(request->file);
	request->format = output_named(format);
	if (!request->format) {
		fprintf(stderr,
			"assay-conform: there is no format '%s'; there are text, json, junit and "
			"tap\n",
			format);
		return EXIT_CANNOT;
	}
	return EXIT_GOOD;
}

static void show_progress(const struct campaign *campaign, size_t done)
{
	static size_t shown = SIZE_MAX;

	if (done == shown)
		return;
	shown = done;
	fprintf(stderr, "\r\033[K%s: %zu of %zu", campaign->facts.name, done, campaign->count);
	if (done == campaign->count)
		fputs("\r\033[K", stderr);
	fflush(stderr);
}

static bool all_good(const struct campaign *campaigns, size_t count)
{
	for (size_t c = 0; c < count; c++) {
		struct tally tally = tally_of(&campaigns[c]);

		if (tally_failed(&tally))
			return false;
	}
	return true;
}

static volatile sig_atomic_t is_interrupted;

static void interrupt(int signal_number)
{
	(void)signal_number;
	is_interrupted = true;
}

static void listen_for_signals(void)
{
	struct sigaction action = {.sa_handler = interrupt};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

/* After the campaign of this place was interrupted with so many of its tests done. */
static void say_interrupted(const struct campaign *campaigns, size_t count, size_t place,
			    size_t done)
{
	size_t total = 0;

	for (size_t c = 0; c < count; c++) {
		done += c < place ? campaigns[c].count : 0;
		total += campaigns[c].count;
	}
	fprintf(stderr, "assay-conform: interrupted after %zu of %zu tests; nothing was written\n",
		done, total);
}

/* Runs everything up to `repeat` times; stops at the first round that is not good. False after a
 * message: interrupted. */
static bool run_rounds(const struct request *request, struct campaign *campaigns, size_t count)
{
	bool is_terminal = isatty(STDERR_FILENO);
	int round = 0;

	listen_for_signals();
	do {
		for (size_t c = 0; c < count; c++) {
			size_t done = campaign_run(
				&campaigns[c], is_terminal ? show_progress : NULL, &is_interrupted);

			if (is_interrupted) {
				fputs(is_terminal ? "\r\033[K" : "", stderr);
				say_interrupted(campaigns, count, c, done);
				return false;
			}
		}
		round++;
	} while (round < request->repeat && all_good(campaigns, count));
	if (request->repeat > 1)
		fprintf(stderr, "assay-conform: %d of %d rounds run\n", round, request->repeat);
	return true;
}

static int write_results(const struct request *request, const struct campaign *campaigns,
			 size_t count)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int error;

	if (!out) {
		perror("assay-conform: cannot keep the results");
		return EXIT_CANNOT;
	}
	request->format(out, campaigns, count);
	error = fclose(out) || record_write(request->file, text);
	if (!error && request->file && strcmp(request->file, "-") != 0)
		output_text(stdout, campaigns, count);
	free(text);
	if (error)
		return EXIT_CANNOT;
	return all_good(campaigns, count) && count_tested(campaigns, count) ? EXIT_GOOD
									    : EXIT_SHORT;
}

/* One campaign for each backend named, or for every one there is, with no more than its path. Fewer
 * than *count after a message. */
static struct campaign *choose_backends(char **names, size_t *count)
{
	struct backend_file *all = NULL;
	struct campaign *campaigns;
	size_t wanted = 0;

	while (names[wanted])
		wanted++;
	if (wanted == 0) {
		all = backends_find(&wanted);
		if (wanted == 0)
			fprintf(stderr, "assay-conform: there is no backend: build them, or name "
					"their directory in ASSAY_BACKEND_PATH\n");
	}
	campaigns = calloc(wanted + 1, sizeof *campaigns);
	*count = campaigns ? wanted : 0;
	for (size_t c = 0; c < *count; c++) {
		campaigns[c].path =
			all ? strdup(all[c].path) : backend_resolve("assay-conform", names[c]);
		if (!campaigns[c].path)
			*count = 0;
	}
	backends_free(all);
	return campaigns;
}

static bool prepare(const struct request *request, const struct selection *selection,
		    struct campaign *campaign)
{
	char message[2048];

	campaign->options = request->options;
	campaign->workers = request->workers;
	campaign->jobs = request->jobs;
	campaign->deadline_ms = RUNNER_DEADLINE_MS;
	if (!runner_describe(campaign->path, campaign->options, &campaign->facts, message,
			     sizeof message)) {
		fprintf(stderr, "assay-conform: %s\n", message);
		return false;
	}
	campaign->tests = suite_select(selection, &campaign->count);
	campaign->is_filtered = selection->clauses || selection->tests;
	return campaign->tests;
}

/* Results are told apart by what backends call themselves. */
static bool is_name_new(const struct campaign *campaigns, size_t c)
{
	for (size_t i = 0; i < c; i++)
		if (strcmp(campaigns[i].facts.name, campaigns[c].facts.name) == 0) {
			if (strcmp(campaigns[i].path, campaigns[c].path) == 0)
				fprintf(stderr, "assay-conform: '%s' is given twice\n",
					campaigns[c].facts.name);
			else
				fprintf(stderr,
					"assay-conform: there are two backends '%s': '%s' and "
					"'%s'; expected each name once\n",
					campaigns[c].facts.name, campaigns[i].path,
					campaigns[c].path);
			return false;
		}
	return true;
}

static int run(const struct request *request, char **names)
{
	const struct selection selection = {request->clauses, request->tests};
	struct campaign *campaigns;
	size_t count;
	bool is_ready;
	int code = EXIT_CANNOT;

	if (!suite_can_select(&selection) || !output_can_be_written(request->file))
		return EXIT_CANNOT;
	campaigns = choose_backends(names, &count);
	is_ready = count > 0;
	for (size_t c = 0; c < count && is_ready; c++)
		is_ready = prepare(request, &selection, &campaigns[c]) && is_name_new(campaigns, c);
	if (is_ready && run_rounds(request, campaigns, count))
		code = write_results(request, campaigns, count);
	for (size_t c = 0; campaigns && campaigns[c].path; c++)
		campaign_free(&campaigns[c]);
	free(campaigns);
	return code;
}

int command_run(int argc, char **argv)
{
	struct request request = {.workers = 2, .jobs = 1, .repeat = 1};
	int code = read_options(argc, argv, &request);

	if (!code)
		code = run(&request, argv + optind);
	free(request.clauses);
	free(request.tests);
	return code;
}
