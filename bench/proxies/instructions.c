/* SPDX-License-Identifier: MIT */
#include "instructions.h"

#include "interrupt.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#if HAVE_CALLGRIND
#include <valgrind/callgrind.h>
#endif

/* What ends is dumped under the name of its phase; what lies between phases is thrown away. */
static void dump(enum phase phase)
{
	static enum phase now = PHASE_OUTSIDE;

#if HAVE_CALLGRIND
	if (phase != PHASE_OUTSIDE) {
		CALLGRIND_ZERO_STATS;
	} else {
		CALLGRIND_DUMP_STATS_AT(phase_names[now]);
	}
#endif
	now = phase;
}

int instructions_child(const char *backend)
{
	struct board *board = board_create();

	if (!board)
		return 2;
	if (exercise(backend, board, dump)) {
		fprintf(stderr, "%s\n", board->message);
		_exit(2);
	}
	return 0;
}

static void become_valgrind(const char *backend, const char *directory, int errors)
{
	char output[PATH_MAX + 64], program[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
	int null = open("/dev/null", O_WRONLY);

	program[length > 0 ? length : 0] = '\0';
	snprintf(output, sizeof output, "--callgrind-out-file=%s/out", directory);
	dup2(null, STDOUT_FILENO);
	dup2(errors < 0 ? null : errors, STDERR_FILENO);
	execlp("valgrind", "valgrind", "--tool=callgrind", "--quiet", "--max-threads=2000", output,
	       program, "instructions", backend, (char *)NULL);
	_exit(127);
}

/* The exercise under valgrind has a board of its own: what it says is its last line. */
static void take_last_line(int errors, struct board *board)
{
	char text[4096], *line;
	off_t end = lseek(errors, 0, SEEK_END);
	off_t start = end > (off_t)sizeof text - 1 ? end - (off_t)sizeof text + 1 : 0;
	ssize_t length = errors < 0 ? 0 : pread(errors, text, sizeof text - 1, start);

	while (length > 0 && text[length - 1] == '\n')
		length--;
	text[length > 0 ? length : 0] = '\0';
	line = strrchr(text, '\n');
	snprintf(board->message, sizeof board->message, "under callgrind: %s",
		 line      ? line + 1
		 : text[0] ? text
			   : "the exercise failed");
}

/* One dump: "desc: Trigger: Client Request: submit" and "totals: 12345". */
static void read_dump(const char *path, uint64_t instructions[PHASES])
{
	FILE *file = fopen(path, "re");
	char line[1024], name[64] = "";
	uint64_t total = 0;

	while (file && fgets(line, sizeof line, file)) {
		sscanf(line, "desc: Trigger: Client Request: %63s", name);
		if (strncmp(line, "totals: ", 8) == 0)
			total = strtoull(line + 8, NULL, 10);
	}
	if (file)
		fclose(file);
	for (int phase = 1; phase < PHASES; phase++)
		if (strcmp(name, phase_names[phase]) == 0)
			instructions[phase] = total;
}

static void read_dumps(const char *directory, uint64_t instructions[PHASES])
{
	DIR *stream = opendir(directory);
	struct dirent *entry;
	char path[PATH_MAX + 280];

	while (stream && (entry = readdir(stream))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
		read_dump(path, instructions);
		unlink(path);
	}
	if (stream)
		closedir(stream);
	rmdir(directory);
}

int instructions_count(const char *backend, struct board *board, uint64_t instructions[PHASES])
{
	const char *parent = getenv("TMPDIR");
	char directory[PATH_MAX];
	int status = -1, errors, failed = 0;
	pid_t pid;

	if (interrupt_came())
		return -1;
	memset(instructions, 0, PHASES * sizeof *instructions);
	if (!HAVE_CALLGRIND) {
		snprintf(board->message, sizeof board->message,
			 "built without valgrind; install the Debian package valgrind, as ./assay "
			 "proxies does, and build again");
		return 1;
	}
	snprintf(directory, sizeof directory, "%s/assay-proxies-XXXXXX",
		 parent && *parent ? parent : "/tmp");
	if (!mkdtemp(directory)) {
		snprintf(board->message, sizeof board->message,
			 "cannot make the directory '%.200s' (TMPDIR): %s", directory,
			 strerror(errno));
		return -1;
	}
	errors = memfd_create("errors", MFD_CLOEXEC);
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		become_valgrind(backend, directory, errors);
	if (pid > 0)
		status = interrupt_wait(pid);
	read_dumps(directory, instructions);
	if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 127) {
		snprintf(board->message, sizeof board->message,
			 "valgrind cannot be run; install the Debian package valgrind");
		failed = 1;
	} else if (status != 0 || !instructions[PHASE_SUBMIT]) {
		take_last_line(errors, board);
		failed = -1;
	}
	if (errors >= 0)
		close(errors);
	return failed;
}
