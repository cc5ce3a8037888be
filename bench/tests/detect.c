/* SPDX-License-Identifier: MIT */
/*
 * Whether the bench notices: wrong backends, crashes, hangs, missing programs, bad arguments.
 * usage: detect assay-bench wrong.so odd.so no-backend.so
 */
#include <cjson/cJSON.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *bench;
static char *wrong;
static char *odd;
static char *plain; /* a shared object that is no backend */
static unsigned failures;

struct answer {
	int status; /* exit status; -1 if it did not exit */
	char *output;
	char *errors;
};

static char *read_back(int descriptor)
{
	off_t size = lseek(descriptor, 0, SEEK_END);
	char *text = calloc(1, (size_t)size + 1);

	if (!text || pread(descriptor, text, (size_t)size, 0) != size) {
		perror("detect: cannot read back what the bench said");
		exit(2);
	}
	return text;
}

static struct answer ask(char *const arguments[])
{
	int output = memfd_create("output", 0), errors = memfd_create("errors", 0), status;
	pid_t pid = fork();
	struct answer answer;

	if (pid == 0) {
		dup2(output, STDOUT_FILENO);
		dup2(errors, STDERR_FILENO);
		execv(bench, arguments);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR) {
			perror("detect: cannot run the bench");
			exit(2);
		}
	answer.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	answer.output = read_back(output);
	answer.errors = read_back(errors);
	close(output);
	close(errors);
	return answer;
}

static void forget(struct answer *answer)
{
	free(answer->output);
	free(answer->errors);
}

static void expect(bool holds, const char *about, const char *what, const char *seen)
{
	if (holds)
		return;
	failures++;
	printf("FAIL: %s: expected %s, saw: %s\n", about, what, seen);
}

static const char *text_of(const cJSON *object, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

	return text ? text : "";
}

static void expect_failed_row(const char *about, const cJSON *record, const char *message)
{
	const char *said = text_of(record, "message");
	char *text = cJSON_PrintUnformatted(record);

	expect(cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(record, "ok")), about, "a failed row",
	       text);
	expect(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(record, "value")), about, "no value",
	       text);
	expect(*said && (!message || strstr(said, message)), about, message ? message : "a message",
	       text);
	cJSON_free(text);
}

/*
 * Each row of this backend (NULL: of all) failed, with this in its message (NULL: anything), the others did not,
 * and the exit code says so.
 */
static void expect_failed(const char *about, struct answer *answer, const char *backend, int rows,
			  const char *message)
{
	cJSON *document = cJSON_Parse(answer->output), *record;
	const cJSON *results = cJSON_GetObjectItemCaseSensitive(document, "results");
	int seen = 0;

	expect(answer->status == 1, about, "exit status 1", answer->errors);
	cJSON_ArrayForEach(record, results)
	{
		bool ok = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(record, "ok"));

		if (!backend || strcmp(text_of(record, "backend"), backend) == 0) {
			expect_failed_row(about, record, message);
			seen++;
		} else {
			expect(ok, about, "that the others succeed", text_of(record, "message"));
		}
	}
	expect(seen == rows, about, "one row for each sample", answer->output);
	cJSON_Delete(document);
	forget(answer);
}

/* repetitions: of one cell. */
static struct answer ask_wrong(const char *how, char *glob, char *repetitions)
{
	bool hangs = strcmp(how, "hang") == 0;
	char *arguments[] = {"assay-bench",      "run",       wrong,     "--workload", glob,
			     "--repetitions",    repetitions, "--scale", "tiny",       "--deadline",
			     hangs ? "2" : "60", "--format",  "json",    NULL};

	setenv("ASSAY_WRONG", how, 1);
	return ask(arguments);
}

static void check_wrong_results(void)
{
	static char *const names[] = {
		"submit_1_producer",  "submit_4_producers", "submit_many",    "round_trip_idle",
		"round_trip_polling", "round_trip_parked",  "sum_of_squares", "downloads_fixed",
		"downloads_random",   "http_files",         "http_slow"};
	static const char *const ways[] = {"corrupt", "lose"};

	for (size_t way = 0; way < sizeof ways / sizeof *ways; way++)
		for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
			struct answer answer = ask_wrong(ways[way], names[i], "1");

			expect_failed(names[i], &answer, "wrong", 1, NULL);
		}
}

static void check_other_wrongs(void)
{
	struct answer answer;

	answer = ask_wrong("crash", "submit_many", "1");
	expect_failed("a crash", &answer, "wrong", 1, "crashed with signal 6");
	answer = ask_wrong("hang", "submit_many", "2");
	expect_failed("a hang", &answer, "wrong", 2, "deadline");
	answer = ask_wrong("workers", "submit_many", "1");
	expect_failed("another number of workers", &answer, "wrong", 1,
		      "workers, the executor says");
	answer = ask_wrong("backend", "submit_many", "1");
	expect_failed("another backend", &answer, "wrong", 1,
		      "says that its backend is 'mutex_queue'");
	answer = ask_wrong("sleepy", "round_trip_polling", "1");
	expect_failed("one that is not to sleep", &answer, "wrong", 1, "cannot create an executor");
	answer = ask_wrong("sleepy", "round_trip_idle", "1");
	expect(answer.status == 0, "one that may sleep", "exit status 0", answer.errors);
	forget(&answer);
	answer = ask_wrong("", "submit_many", "1");
	expect(answer.status == 0, "nothing wrong", "exit status 0", answer.errors);
	forget(&answer);
}

/* What runs for a time is not one task because the first of them was held up. */
static void check_stall(void)
{
	char *arguments[] = {"assay-bench",
			     "run",
			     wrong,
			     "--workload",
			     "sum_of_squares",
			     "--scale",
			     "quick",
			     "--repetitions",
			     "1",
			     "--executors-only",
			     "--format",
			     "json",
			     NULL};
	struct answer answer;
	cJSON *document, *record;

	setenv("ASSAY_WRONG", "stall", 1);
	answer = ask(arguments);
	document = cJSON_Parse(answer.output);
	record = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(document, "results"), 0);
	expect(cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(record, "tasks")) > 100000,
	       "a first task that is held up", "as many operations as otherwise", answer.output);
	cJSON_Delete(document);
	forget(&answer);
}

static void check_missing(void)
{
	char *server[] = {"assay-bench", "run",      "inline", "--workload",
			  "http_files",  "--scale",  "tiny",   "--repetitions",
			  "1",           "--format", "json",   NULL};
	struct answer answer;

	setenv("ASSAY_NGINX", "/nowhere/nginx", 1);
	answer = ask(server);
	unsetenv("ASSAY_NGINX");
	expect_failed("no nginx", &answer, NULL, 2, "install the Debian package nginx-light");
}

/* The samples in the order of their measurement, as one string. */
static char *order_of(char *seed)
{
	char *arguments[] = {"assay-bench", "run",           "--workload", "submit*", "--scale",
			     "tiny",        "--repetitions", "4",          "--seed",  seed,
			     "--format",    "json",          NULL};
	struct answer answer = ask(arguments);
	cJSON *document = cJSON_Parse(answer.output), *record;
	char *order = calloc(1, strlen(answer.output) + 1);

	if (!order)
		exit(2);
	expect(answer.status == 0, "a run with a seed", "exit status 0", answer.errors);
	cJSON_ArrayForEach(record, cJSON_GetObjectItemCaseSensitive(document, "results"))
		sprintf(order + strlen(order), "%s %s,", text_of(record, "workload"),
			text_of(record, "backend"));
	cJSON_Delete(document);
	forget(&answer);
	return order;
}

static void check_order(void)
{
	char *first = order_of("7"), *again = order_of("7"), *other = order_of("8");

	expect(*first && strcmp(first, again) == 0, "one seed", "the same order twice", again);
	expect(strcmp(first, other) != 0, "another seed", "another order", other);
	free(first);
	free(again);
	free(other);
}

/* Refused before anything is measured. */
static void check_refused(char *option, char *value, const char *message)
{
	char *arguments[] = {"assay-bench", "run", option, value, NULL};
	struct answer answer = ask(arguments);

	expect(answer.status == 2, option, "exit status 2", answer.errors);
	expect(strstr(answer.errors, message) != NULL, option, message, answer.errors);
	expect(!strstr(answer.errors, " each ("), option, "no run", answer.errors);
	expect(!*answer.output, option, "no output", answer.output);
	forget(&answer);
}

static void check_unloadable(char *how, const char *message)
{
	setenv("ASSAY_ODD", how, 1);
	check_refused(odd, "--quick", message);
	unsetenv("ASSAY_ODD");
}

/* A row has the name that the descriptor says, whatever the file is called. */
static void check_descriptor_name(char *file)
{
	char *arguments[] = {"assay-bench", "run",      file,   "--workload",
			     "submit_many", "--scale",  "tiny", "--repetitions",
			     "1",           "--format", "json", NULL};
	struct answer answer = ask(arguments);

	expect_failed("the name in the descriptor", &answer, "odd", 1, "cannot create an executor");
}

static void check_backends(void)
{
	char alias[] = "alias.so", directory[] = "/tmp/bench-detect-XXXXXX";
	char *start = getcwd(NULL, 0);
	FILE *text;

	if (!start || !mkdtemp(directory) || chdir(directory) || symlink(odd, "alias.so") ||
	    symlink(odd, "other.so") || !(text = fopen("text.so", "w")) ||
	    fputs("no shared object\n", text) < 0 || fclose(text)) {
		perror("detect: cannot make files");
		exit(2);
	}
	check_refused("/nowhere/none.so", "--quick", "cannot load backend '/nowhere/none.so'");
	check_refused("none.so", "--quick", "cannot load backend 'none.so'");
	check_refused("./", "--quick", "cannot load backend './'");
	check_refused("text.so", "--quick", "cannot load backend 'text.so'");
	setenv("ASSAY_BACKEND_PATH", ".", 1);
	check_refused("alias", "--quick", "the file of backend 'alias' holds the backend 'odd'");
	unsetenv("ASSAY_BACKEND_PATH");
	check_refused("alias.so", "./other.so",
		      "backend 'odd' is given twice: as 'alias.so' and as './other.so'");
	check_refused("inline", "inline", "'inline' is given twice");
	check_unloadable("crash", "crashed with signal 6");
	check_unloadable("exit", "ended with exit status 0 and without a result");
	check_unloadable("abi", "was built for ABI 4242 of the contract");
	check_unloadable("nameless", "the name in its descriptor is not one of");
	check_unloadable("misnamed", "the name in its descriptor is not one of");
	check_unloadable("serial", "the name 'serial' is that of the rows without an executor");
	check_descriptor_name(alias);
	if (unlink("alias.so") || unlink("other.so") || unlink("text.so") || chdir(start) ||
	    rmdir(directory))
		perror("detect: cannot remove files");
	free(start);
}

static void check_no_symbol(void)
{
	check_refused(plain, "--quick", "it does not export the symbol assay_backend");
}

static void check_help(char *command, char *option)
{
	char *arguments[] = {"assay-bench", command, option, NULL};
	struct answer answer = ask(arguments);

	expect(answer.status == 0, "help", "exit status 0", answer.errors);
	expect(strstr(answer.output, "assay-bench - ") == answer.output, "help",
	       "the help on the standard output", answer.output);
	expect(strstr(answer.output, "with a slash or ending in .so") != NULL, "help",
	       "what a path is", answer.output);
	expect(!*answer.errors, "help", "nothing on the standard error", answer.errors);
	forget(&answer);
}

/* What could not be written was not done. */
static void check_full_disk(char *command, char *option)
{
	char *arguments[] = {"sh",   "-c", "exec \"$0\" \"$@\" >/dev/full", (char *)bench, command,
			     option, NULL};
	const char *program = bench;
	struct answer answer;

	bench = "/bin/sh";
	answer = ask(arguments);
	bench = program;
	expect(answer.status == 2, "a full disk", "exit status 2", answer.errors);
	expect(strstr(answer.errors, "cannot write to the standard output") != NULL, "a full disk",
	       "a message", answer.errors);
	forget(&answer);
}

/* Each way to write an option; out.json is a new file in the current directory. */
static void check_spellings(void)
{
	char *spellings[][3] = {{"--output", "detect-out.json", NULL},
				{"--output=detect-out.json", NULL, NULL},
				{"-o", "detect-out.json", NULL},
				{"-odetect-out.json", NULL, NULL}};

	for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
		char *arguments[] = {"assay-bench",
				     "run",
				     "--workload=floor_futex*",
				     "inline",
				     "--scale=tiny",
				     "--repetitions=1",
				     "--format=json",
				     spellings[i][0],
				     spellings[i][1],
				     spellings[i][2],
				     NULL};
		struct answer answer = ask(arguments);

		expect(answer.status == 0, spellings[i][0], "exit status 0", answer.errors);
		expect(strstr(answer.errors, "1 cell, 1 repetition each") != NULL, spellings[i][0],
		       "one cell in the singular", answer.errors);
		expect(unlink("detect-out.json") == 0, spellings[i][0], "a file", answer.errors);
		forget(&answer);
	}
}

/* Several patterns choose what each of them would. */
static void check_patterns(void)
{
	char *arguments[] = {"assay-bench",
			     "run",
			     "inline",
			     "--workload=floor_futex*,FLOOR_line*",
			     "--scale=tiny",
			     "--repetitions=1",
			     NULL};
	struct answer answer = ask(arguments);

	expect(answer.status == 0, "two patterns", "exit status 0", answer.errors);
	expect(strstr(answer.errors, "2 cells, ") != NULL, "two patterns", "two cells",
	       answer.errors);
	forget(&answer);
}

static void check_arguments(void)
{
	check_refused("--workload", "sumit_many",
		      "no workload 'sumit_many'; nearest are: submit_many, ");
	/* Each of several patterns, as in the name of a workload that is spelt wrong. */
	check_refused("--workload", "submit_many,sumit_rounds",
		      "no workload 'sumit_rounds'; nearest are: submit_rounds, ");
	check_refused("--workload", "submit_many,,skynet", "no workload ''; nearest are: ");
	check_refused("--workload", "submit_many,", "no workload ''; nearest are: ");
	check_refused("--backend", "inline,mutex_que",
		      "no backend 'mutex_que'; nearest are: mutex_queue, ");
	check_refused("--backend", "", "no backend ''; nearest are: ");
	check_refused("inlin", "mutex_queue", "no backend 'inlin'; nearest are: inline, ");
	check_refused("--workers", "2,0", "'0': expected a whole number from 1 to 1024");
	check_refused("--workers", "1025", "'1025': expected a whole number from 1 to 1024");
	check_refused("--workers", "2,2", "each number once");
	check_refused("--repetitions", "3x", "'3x': expected a whole number from 1");
	check_refused("--format", "xml", "'xml': expected text or json");
	check_refused("--scale", "huge", "'huge': expected tiny, quick or full");
	check_refused("-o", "/nowhere/out.json", "cannot write '/nowhere/out.json'");
	check_refused("-o", "/tmp", "cannot write '/tmp': it is a directory");
	check_refused("-o", "", "cannot write '': expected the name of a file");
	check_refused("-o", "/proc/version/x", "cannot write '/proc/version/x'");
	check_refused("--speed", "9", "unrecognized option '--speed'");
	check_refused("inline", "--workload", "option '--workload' requires an argument");
}

int main(int count, char **words)
{
	if (count != 5) {
		fprintf(stderr, "usage: detect assay-bench wrong.so odd.so no-backend.so\n");
		return 2;
	}
	bench = words[1];
	wrong = words[2];
	odd = words[3];
	plain = words[4];
	check_wrong_results();
	check_other_wrongs();
	check_stall();
	check_missing();
	check_order();
	check_backends();
	check_no_symbol();
	check_help("run", "--help");
	check_help("run", "-h");
	check_help("list", "--help");
	check_help("list", "-h");
	check_help("--help", NULL);
	check_full_disk("--help", NULL);
	check_full_disk("list", "workloads");
	check_spellings();
	check_patterns();
	check_arguments();
	return failures != 0;
}
