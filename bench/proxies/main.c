/* SPDX-License-Identifier: MIT */
/* Costs of a task that can be counted: the same in every run, whoever else is on the machine. */
#include "allocations.h"
#include "catalogue.h"
#include "exercise.h"
#include "instructions.h"
#include "record.h"
#include "system_calls.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <getopt.h>
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

static const char usage[] =
	"usage: assay-proxies [BACKEND|FILE.so ...] [--format text|json] [-o FILE]\n"
	"\n"
	"Counts what a small task costs on the uncontended path: instructions (callgrind),\n"
	"allocations, bytes of a pending task, system calls. No clock is read: two runs of one\n"
	"build agree, and assay-compare judges the JSON with exact thresholds.\n"
	"\n"
	"Exit status: 0 all counted, 1 a backend failed, 2 could not do what was asked.\n";

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

/* In a process of its own, traced or not. Its wait status, or -1. */
static int run_apart(const char *backend, struct board *board, bool traced)
{
	int status = -1;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		alarm(LIMIT_S);
		if (traced)
			raise(SIGSTOP);
		else
			allocations_count(board);
		_exit(exercise(backend, board, no_phase) ? 1 : 0);
	}
	if (pid < 0)
		return -1;
	if (!traced)
		return waitpid(pid, &status, 0) == pid ? status : -1;
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

/* Allocations and bytes; then everything else is worth trying. */
static int count_allocations(const char *backend, struct board *board, struct count counts[2])
{
	int status = run_apart(backend, board, false);

	if (status) {
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
				status == 0 && !board->racing};
	if (status == -1) {
		snprintf(board->message, sizeof board->message, "cannot trace a process here: %s",
			 strerror(errno));
		count->message = board->message;
	} else if (status) {
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

static void measure(struct output *output, const char *name, const char *file)
{
	struct board *boards[3] = {new_board(), new_board(), new_board()};
	struct count counts[7];
	const char *backend;

	if (count_allocations(file, boards[0], counts + 5)) {
		counts[0] = (struct count){"instructions_per_task", "instructions", 0,
					   boards[0]->message, false};
		backend = boards[0]->backend[0] ? boards[0]->backend : name;
		fprintf(stderr, "assay-proxies: %s: %s\n", backend, boards[0]->message);
		fprintf(output->table, "%s\n  FAILED: %s\n", backend, boards[0]->message);
		add_record(output, boards[0], backend, &counts[0], false);
		output->failed = true;
	} else {
		backend = boards[0]->backend;
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

static int run(char **names, size_t count, bool json, const char *path)
{
	struct output output = {.results = cJSON_CreateArray()};
	struct backend_file *all = NULL;

	output.table = open_memstream(&output.text, &output.size);
	if (!count)
		all = backends_find(&count);
	if (!output.table || !count) {
		fprintf(stderr, "assay-proxies: %s\n",
			count ? "no memory for the table"
			      : "there is no backend: build them, or name their directory in "
				"ASSAY_BACKEND_PATH");
		return 2;
	}
	for (size_t i = 0; i < count; i++) {
		const char *name = all ? all[i].name : names[i];
		char *file = backend_resolve("assay-proxies", name);

		if (!file)
			return 2;
		measure(&output, name, file);
		free(file);
	}
	backends_free(all);
	if (write_results(&output, json, path))
		return 2;
	return output.failed;
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

int main(int count, char **words)
{
	static const struct option known[] = {{"format", required_argument, NULL, 'f'},
					      {"output", required_argument, NULL, 'o'},
					      {"help", no_argument, NULL, 'h'},
					      {0}};
	char program[] = "assay-proxies";
	const char *path = NULL;
	bool json = false;
	int option;

	if (count == 3 && strcmp(words[1], "instructions") == 0)
		return instructions_child(words[2]);
	fix_addresses(words);
	words[0] = program;
	while ((option = getopt_long(count, words, "ho:", known, NULL)) != -1) {
		if (option == 'h') {
			fputs(usage, stdout);
			return fflush(stdout) ? 2 : 0;
		}
		if (option == 'o') {
			path = strcmp(optarg, "-") == 0 ? NULL : optarg;
		} else if (option == 'f' &&
			   (strcmp(optarg, "json") == 0 || strcmp(optarg, "text") == 0)) {
			json = strcmp(optarg, "json") == 0;
		} else {
			if (option == 'f')
				fprintf(stderr,
					"assay-proxies: --format '%s': expected text or json\n",
					optarg);
			fprintf(stderr, "\n%s", usage);
			return 2;
		}
	}
	return run(words + optind, (size_t)(count - optind), json, path);
}
