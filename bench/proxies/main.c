/* SPDX-License-Identifier: MIT */
/* Costs of a task that can be counted: the same in every run, whoever else is on the machine. */
#include "allocations.h"
#include "catalogue.h"
#include "command.h"
#include "exercise.h"
#include "instructions.h"
#include "interrupt.h"
#include "record.h"
#include "system_calls.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static const char help[] =
	"assay-proxies - count what a small task costs\n"
	"\n"
	"usage:\n"
	"  assay-proxies [BACKEND|FILE.so ...] [--format text|json] [-o FILE]\n"
	"  assay-proxies --help\n"
	"\n"
	"  On the uncontended path: instructions (callgrind), allocations, bytes of a pending "
	"task,\n"
	"  system calls. No clock is read: two runs of one build agree, and assay-compare judges "
	"the\n"
	"  JSON with exact thresholds. Backends by name, from the directories in "
	"ASSAY_BACKEND_PATH\n"
	"  and ../lib/assay beside this program; by path, with a slash or ending in .so; all that\n"
	"  are found if none is given.\n"
	"\n"
	"      --format FORMAT  text or json (default: what the ending of FILE says, .txt or "
	".json;\n"
	"                       else text)\n"
	"  -o, --output FILE    instead of the standard output\n"
	"  -h, --help           this text\n"
	"\n"
	"environment\n"
	"  ASSAY_BACKEND_PATH   directories of backends, separated by colons\n"
	"  TMPDIR               where callgrind's files are while it runs (default /tmp)\n"
	"\n"
	"exit code\n"
	"  0  all was counted that can be\n"
	"  1  a backend failed\n"
	"  2  what was asked could not be done; nothing was written\n"
	"\n"
	"examples\n"
	"  assay-proxies mutex_queue ./my_pool.so\n"
	"  assay-proxies -o base.json\n";

/* An exercise that hangs ends here. */
enum { LIMIT_S = 60 };

#define ASK_PERSONALITY 0xffffffffUL

struct output {
	cJSON *results;
	char *text;
	size_t size;
	FILE *table;
	bool failed;
};

struct count {
	const char *metric;
	const char *unit;
	double value; /* of a task */
	const char *message;
	bool known;
};

static void add_record(struct output *output, const struct board *board, const char *backend,
		       const struct count *count, bool ok)
{
	cJSON *record = cJSON_CreateObject();

	cJSON_AddStringToObject(record, "backend", backend);
	cJSON_AddStringToObject(record, "workload", "proxy_task");
	cJSON_AddNumberToObject(record, "workers", 1);
	cJSON_AddStringToObject(record, "metric", count->metric);
	cJSON_AddStringToObject(record, "unit", count->unit);
	if (ok && count->known)
		cJSON_AddNumberToObject(record, "value", count->value);
	else
		cJSON_AddNullToObject(record, "value");
	cJSON_AddNumberToObject(record, "repetition", 0);
	cJSON_AddBoolToObject(record, "ok", ok);
	cJSON_AddStringToObject(record, "message",
				(!ok || !count->known) && count->message ? count->message : "");
	cJSON_AddNumberToObject(record, "tasks", (double)board->tasks);
	cJSON_AddItemToArray(output->results, record);
}

/* The exercise itself waits a few times: of thousands of tasks, less than a hundredth each. */
static double per_task(const struct board *board, uint64_t count, double digits)
{
	return round((double)count / (double)board->tasks * digits) / digits;
}

static uint64_t sum(const _Atomic uint64_t counts[PHASES])
{
	return counts[PHASE_SUBMIT] + counts[PHASE_RUN] + counts[PHASE_COLLECT];
}

static void no_phase(enum phase phase)
{
	(void)phase;
}

/* The end of that process. A backend that ends it otherwise has no result, whatever the exit code. */
_Noreturn static void end_apart(struct board *board, bool succeeded)
{
	board->finished = succeeded;
	_exit(succeeded ? 0 : 1);
}

/* In a process of its own, traced or not: its wait status, or -1. It may be 0 without a result. */
static int run_apart(const char *backend, struct board *board, bool traced)
{
	int status = -1;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		interrupt_unwatch();
		alarm(LIMIT_S);
		if (traced)
			raise(SIGSTOP);
		else
			allocations_count(board);
		end_apart(board, !exercise(backend, board, no_phase));
	}
	if (pid < 0)
		return -1;
	if (!traced)
		return interrupt_wait(pid);
	status = system_calls_count(pid, board);
	if (status == -1) {
		int error = errno;

		kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) == pid)
			;
		errno = error;
	}
	return status;
}

static void explain(struct board *board, int status)
{
	if (board->message[0])
		return;
	if (status != -1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		snprintf(board->message, sizeof board->message, "not done after %d s", LIMIT_S);
	else if (status != -1 && WIFSIGNALED(status))
		snprintf(board->message, sizeof board->message, "crashed with signal %d (%s)",
			 WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(board->message, sizeof board->message, "ended without a result");
}

static const char racing[] = "its tasks run beside each other: no two runs are the same";

struct subject {
	const char *asked; /* the name or path that was given */
	char *file;
	char name[sizeof((struct board *)NULL)->backend]; /* in its descriptor */
};

/* Allocations and bytes; then everything else is worth trying. */
static int count_allocations(const char *backend, struct board *board, struct count counts[2])
{
	int status = run_apart(backend, board, false);

	if (!board->finished) {
		explain(board, status);
		return -1;
	}
	counts[0] = (struct count){"allocations_per_task", "allocations",
				   per_task(board, sum(board->allocations), 100), racing,
				   !board->racing};
	counts[1] = (struct count){"bytes_per_pending_task", "allocated bytes",
				   round((double)board->pending_bytes / (double)board->tasks),
				   "no task waits for another here", !board->together};
	return 0;
}

static void count_system_calls(const char *backend, struct board *board, struct count *count)
{
	int status = run_apart(backend, board, true);

	*count = (struct count){"system_calls_per_task", "system calls",
				per_task(board, sum(board->system_calls), 100), racing,
				board->finished && !board->racing};
	if (status == -1) {
		snprintf(board->message, sizeof board->message, "cannot trace a process here: %s",
			 strerror(errno));
		count->message = board->message;
	} else if (!board->finished) {
		explain(board, status);
		count->message = board->message;
	}
}

static void count_instructions(const char *backend, struct board *board, struct count counts[4])
{
	static const char *const names[] = {"instructions_per_task", "instructions_submit",
					    "instructions_run", "instructions_collect"};
	uint64_t instructions[PHASES];
	int failed = instructions_count(backend, board, instructions);

	instructions[0] =
		instructions[PHASE_SUBMIT] + instructions[PHASE_RUN] + instructions[PHASE_COLLECT];
	for (int i = 0; i < PHASES; i++) {
		counts[i] = (struct count){names[i], "instructions",
					   per_task(board, instructions[i], 10),
					   failed ? board->message : NULL, !failed};
		if (!failed && board->racing) {
			counts[i].known = false;
			counts[i].message = racing;
		} else if (!failed && i > 0 && board->together) {
			counts[i].known = false;
			counts[i].message = "its tasks run while others are submitted";
		} else if (!failed && board->apart && (i == 0 || i == PHASE_RUN)) {
			counts[i].known = false;
			counts[i].message = "its workers are processes that callgrind does not see";
		}
	}
}

static void tell(struct output *output, const char *backend, const struct count *counts,
		 size_t count)
{
	fprintf(output->table, "%s\n", backend);
	for (size_t i = 0; i < count; i++)
		if (counts[i].known)
			fprintf(output->table, "  %-24s %10.2f %s\n", counts[i].metric,
				counts[i].value, counts[i].unit);
		else
			fprintf(output->table, "  %-24s %10s %s\n", counts[i].metric, "-",
				counts[i].message ? counts[i].message : "");
}

static struct board *new_board(void)
{
	struct board *board = board_create();

	if (!board) {
		fprintf(stderr, "assay-proxies: no memory\n");
		exit(2);
	}
	return board;
}

static void measure(struct output *output, const struct subject *subject)
{
	struct board *boards[3] = {new_board(), new_board(), new_board()};
	const char *backend = subject->name, *file = subject->file;
	struct count counts[7];

	if (count_allocations(file, boards[0], counts + 5)) {
		counts[0] = (struct count){"instructions_per_task", "instructions", 0,
					   boards[0]->message, false};
		fprintf(stderr, "assay-proxies: %s: %s\n", backend, boards[0]->message);
		fprintf(output->table, "%s\n  FAILED: %s\n", backend, boards[0]->message);
		add_record(output, boards[0], backend, &counts[0], false);
		output->failed = true;
	} else {
		count_system_calls(file, boards[1], &counts[4]);
		boards[2]->tasks = boards[0]->tasks;
		boards[2]->apart = boards[0]->apart;
		boards[2]->together = boards[0]->together;
		boards[2]->racing = boards[0]->racing;
		count_instructions(file, boards[2], counts);
		tell(output, backend, counts, 7);
		for (int i = 0; i < 7; i++)
			add_record(output, boards[0], backend, &counts[i], true);
	}
	for (int i = 0; i < 3; i++)
		munmap(boards[i], sizeof *boards[i]);
}

static int write_results(struct output *output, bool json, const char *path)
{
	cJSON *document, *context;
	char *text;
	int failed;

	if (fclose(output->table)) {
		fprintf(stderr, "assay-proxies: no memory for the table\n");
		return -1;
	}
	if (!json) {
		failed = record_write(path, output->text);
		cJSON_Delete(output->results);
		free(output->text);
		return failed;
	}
	document = cJSON_CreateObject();
	context = record_context("assay-proxies");
	cJSON_AddStringToObject(document, "format", "assay-bench/1");
	cJSON_AddItemToObject(document, "context", context);
	cJSON_AddItemToObject(document, "results", output->results);
	text = cJSON_Print(document);
	failed = text ? record_write(path, text) : -1;
	cJSON_free(text);
	cJSON_Delete(document);
	free(output->text);
	return failed;
}

/* In a process of its own: what it does when it is loaded is not to be counted later. */
static int open_apart(struct subject *subject)
{
	struct board *board = new_board();
	int status = -1;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		interrupt_unwatch();
		alarm(LIMIT_S);
		end_apart(board, exercise_open(subject->file, board));
	}
	if (pid > 0)
		status = interrupt_wait(pid);
	if (board->finished) {
		snprintf(subject->name, sizeof subject->name, "%s", board->backend);
	} else if (interrupt_came()) {
		fprintf(stderr, "assay-proxies: interrupted; nothing was written\n");
	} else if (board->message[0]) {
		fprintf(stderr, "assay-proxies: %s\n", board->message);
	} else {
		explain(board, status);
		fprintf(stderr, "assay-proxies: cannot load backend '%s': %s\n", subject->asked,
			board->message);
	}
	status = board->finished ? 0 : -1;
	munmap(board, sizeof *board);
	return status;
}

static int refuse_twice(const struct subject *first, const struct subject *second)
{
	if (strcmp(first->asked, second->asked) == 0)
		fprintf(stderr, "assay-proxies: '%s' is given twice\n", second->asked);
	else
		fprintf(stderr, "assay-proxies: backend '%s' is given twice: as '%s' and as '%s'\n",
			second->name, first->asked, second->asked);
	return -1;
}

/* All of them, before the first is measured. */
static int resolve(struct subject *subjects, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < i; j++)
			if (strcmp(subjects[i].asked, subjects[j].asked) == 0)
				return refuse_twice(&subjects[j], &subjects[i]);
	for (size_t i = 0; i < count; i++) {
		subjects[i].file = backend_resolve("assay-proxies", subjects[i].asked);
		if (!subjects[i].file || open_apart(&subjects[i]))
			return -1;
		for (size_t j = 0; j < i; j++)
			if (strcmp(subjects[i].name, subjects[j].name) == 0)
				return refuse_twice(&subjects[j], &subjects[i]);
	}
	return 0;
}

static int measure_all(const struct subject *subjects, size_t count, bool json, const char *path)
{
	struct output output = {.results = cJSON_CreateArray()};

	output.table = open_memstream(&output.text, &output.size);
	if (!output.table) {
		fprintf(stderr, "assay-proxies: no memory for the table\n");
		return 2;
	}
	for (size_t i = 0; i < count && !interrupt_came(); i++)
		measure(&output, &subjects[i]);
	if (interrupt_came()) {
		fprintf(stderr, "assay-proxies: interrupted; nothing was written\n");
		return 2;
	}
	return write_results(&output, json, path) ? 2 : output.failed;
}

static int run(char **names, size_t count, bool json, const char *path)
{
	struct backend_file *all = count ? NULL : backends_find(&count);
	struct subject *subjects = calloc(count + 1, sizeof *subjects);
	int code = 2;

	for (size_t i = 0; subjects && i < count; i++)
		subjects[i].asked = all ? all[i].name : names[i];
	if (!subjects)
		fprintf(stderr, "assay-proxies: no memory for the backends\n");
	else if (!count)
		fprintf(stderr, "assay-proxies: there is no backend: build them, or name their "
				"directory in ASSAY_BACKEND_PATH\n");
	else if (resolve(subjects, count) == 0)
		code = measure_all(subjects, count, json, path);
	for (size_t i = 0; subjects && i < count; i++)
		free(subjects[i].file);
	free(subjects);
	backends_free(all);
	return code;
}

/*
 * Where a mapping lies decides how much of it is cut off to align it. What cannot be had here (a
 * container may forbid it) costs a little of the sameness.
 */
static void fix_addresses(char **words)
{
	int old = personality(ASK_PERSONALITY);

	if (old == -1 || old & ADDR_NO_RANDOMIZE)
		return;
	if (personality((unsigned long)old | ADDR_NO_RANDOMIZE) != -1 &&
	    personality(ASK_PERSONALITY) & ADDR_NO_RANDOMIZE)
		execv("/proc/self/exe", words);
}

struct request {
	const char *path;   /* NULL: standard output */
	const char *format; /* NULL: as the path says */
	bool help;
};

static int parse(int count, char **words, struct request *request)
{
	static const struct option known[] = {{"format", required_argument, NULL, 'f'},
					      {"output", required_argument, NULL, 'o'},
					      {"help", no_argument, NULL, 'h'},
					      {0}};
	bool given[128] = {false};
	int option;

	while ((option = getopt_long(count, words, "ho:", known, NULL)) != -1) {
		if (option == '?' || command_once(known, given, option))
			return command_see_help();
		if (option == 'o') {
			request->path = strcmp(optarg, "-") == 0 ? NULL : optarg;
		} else if (option == 'f') {
			request->format = optarg;
			if (strcmp(optarg, "json") != 0 && strcmp(optarg, "text") != 0) {
				fprintf(stderr,
					"assay-proxies: --format '%s': expected text or json\n",
					optarg);
				return command_see_help();
			}
		}
	}
	request->help = given['h'];
	if (!request->format)
		request->format = command_format(request->path);
	return 0;
}

int main(int count, char **words)
{
	struct request request = {.path = NULL};
	char program[] = "assay-proxies";

	command_hold_streams();
	if (count == 3 && strcmp(words[1], "instructions") == 0)
		return instructions_child(words[2]);
	fix_addresses(words);
	words[0] = program;
	if (parse(count, words, &request))
		return 2;
	if (request.help)
		return record_write(NULL, help) ? 2 : 0;
	if (interrupt_watch()) {
		perror("assay-proxies: cannot watch for interrupts");
		return 2;
	}
	return run(words + optind, (size_t)(count - optind),
		   request.format && strcmp(request.format, "json") == 0, request.path);
}
