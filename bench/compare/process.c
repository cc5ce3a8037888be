/* SPDX-License-Identifier: MIT */
#include "process.h"

#include "complaint.h"
#include "interrupt.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a process group of its own: a Ctrl-C reaches us alone, and we end it in its own way. */
static void become(const char *program, char *const arguments[], int errors, pid_t parent)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(2);
	dup2(errors, STDERR_FILENO);
	execv(program, arguments);
	dprintf(errors, "cannot be run: %s\n", strerror(errno));
	_exit(2);
}

static void last_line(int descriptor, char *message, size_t size)
{
	char text[4096];
	off_t end = lseek(descriptor, 0, SEEK_END);
	off_t start = end > (off_t)sizeof text - 1 ? end - (off_t)sizeof text + 1 : 0;
	ssize_t length = pread(descriptor, text, sizeof text - 1, start);
	char *line;

	while (length > 0 && text[length - 1] == '\n')
		length--;
	text[length > 0 ? length : 0] = '\0';
	line = strrchr(text, '\n');
	snprintf(message, size, "%s", line ? line + 1 : text);
}

int process_run(const char *program, char *const arguments[], char *message, size_t size)
{
	int errors = memfd_create("errors", MFD_CLOEXEC), status = -1;
	pid_t parent = getpid(), pid;

	snprintf(message, size, "cannot be started");
	if (errors < 0 || interrupt_came())
		return -1;
	pid = fork();
	if (pid == 0)
		become(program, arguments, errors, parent);
	if (pid > 0)
		status = interrupt_wait(pid);
	if (pid > 0 && WIFEXITED(status)) {
		last_line(errors, message, size);
		status = WEXITSTATUS(status);
	} else if (pid > 0) {
		snprintf(message, size, "ended by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
		status = -1;
	}
	close(errors);
	return status;
}

int process_directory(char *directory, size_t size)
{
	const char *parent = getenv("TMPDIR");

	if (!parent || !*parent)
		parent = "/tmp";
	if (snprintf(directory, size, "%s/assay-compare-XXXXXX", parent) < (int)size &&
	    mkdtemp(directory))
		return 0;
	return complain("cannot make a directory in '%s': %s", parent, strerror(errno));
}

void process_remove(const char *directory)
{
	DIR *stream = opendir(directory);
	struct dirent *entry;

	while (stream && (entry = readdir(stream)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlinkat(dirfd(stream), entry->d_name, 0);
	if (stream)
		closedir(stream);
	rmdir(directory);
}
