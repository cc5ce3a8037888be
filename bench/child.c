/* SPDX-License-Identifier: MIT */
#include "child.h"

#include "cell.h"

#include <assay/executor.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int interrupts = -1; /* signalfd */
static bool interrupted;    /* once and for all */

static void interrupt_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
}

int child_watch_interrupts(void)
{
	sigset_t set;

	/* What a child leaves behind (a server, workers) becomes ours to reap. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	interrupt_set(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	interrupts = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (interrupts < 0)
		perror("assay-bench: cannot watch for interrupts");
	return interrupts < 0 ? -1 : 0;
}

/* In the child. Does not return. */
static void become(char *const arguments[], int output, int errors, pid_t parent)
{
	sigset_t set;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(2);
	interrupt_set(&set);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	dup2(errors, STDERR_FILENO);
	dup2(errors, STDOUT_FILENO);
	if (output == CELL_OUTPUT)
		fcntl(output, F_SETFD, 0);
	else
		dup2(output, CELL_OUTPUT);
	execv("/proc/self/exe", arguments);
	perror("assay-bench: cannot run itself");
	_exit(2);
}

/* Until the child has ended (it stays a zombie, so its group cannot become another's). */
static void await(pid_t pid, int64_t limit_ns, struct child_result *result)
{
	int64_t deadline_ns = assay_deadline_ns(limit_ns);
	int handle = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd watched[] = {{.fd = handle, .events = POLLIN},
				   {.fd = interrupts, .events = POLLIN}};

	while (handle >= 0 && !watched[0].revents) {
		int64_t left_ns = assay_remaining_ns(deadline_ns);

		if (left_ns <= 0) {
			result->timed_out = true;
			break;
		}
		if (poll(watched, 2, (int)(left_ns / 1000000) + 1) < 0 && errno != EINTR)
			break;
		if (watched[1].revents) {
			interrupted = true;
			break;
		}
	}
	if (handle >= 0)
		close(handle);
	else
		perror("assay-bench: cannot watch a child");
}

static char *read_back(int descriptor)
{
	off_t size = lseek(descriptor, 0, SEEK_END);
	char *text = calloc(1, (size_t)(size > 0 ? size : 0) + 1);

	if (text && size > 0 && pread(descriptor, text, (size_t)size, 0) != size)
		text[0] = '\0';
	return text;
}

static void run(char *const arguments[], int64_t limit_ns, int output, int errors,
		struct child_result *result)
{
	int64_t start_ns = assay_clock_ns();
	pid_t parent = getpid(), pid = fork();

	if (pid == 0)
		become(arguments, output, errors, parent);
	if (pid < 0) {
		dprintf(errors, "cannot fork: %s\n", strerror(errno));
	} else {
		setpgid(pid, pid); /* both sides: whoever is first */
		await(pid, limit_ns, result);
		kill(-pid, SIGKILL);
		while (waitpid(pid, &result->status, 0) < 0 && errno == EINTR)
			;
		while (waitpid(-pid, NULL, 0) > 0 || errno == EINTR)
			;
	}
	result->duration_ns = assay_clock_ns() - start_ns;
	result->output = read_back(output);
	result->errors = read_back(errors);
}

void child_run(char *const arguments[], int64_t limit_ns, struct child_result *result)
{
	int output, errors;

	*result = (struct child_result){.status = -1, .interrupted = interrupted};
	if (interrupted)
		return;
	output = memfd_create("record", MFD_CLOEXEC);
	errors = memfd_create("errors", MFD_CLOEXEC);
	if (output < 0 || errors < 0)
		perror("assay-bench: cannot make a buffer for a child");
	else
		run(arguments, limit_ns, output, errors, result);
	if (output >= 0)
		close(output);
	if (errors >= 0)
		close(errors);
	result->interrupted = interrupted;
}

bool child_exited(const struct child_result *child, int code)
{
	return !child->timed_out && child->status != -1 && WIFEXITED(child->status) &&
	       WEXITSTATUS(child->status) == code;
}

bool child_succeeded(const struct child_result *child)
{
	return child_exited(child, 0);
}

const char *child_last_words(struct child_result *child)
{
	char *errors = child->errors;
	size_t length = errors ? strlen(errors) : 0;
	char *line;

	while (length && errors[length - 1] == '\n')
		errors[--length] = '\0';
	line = length ? strrchr(errors, '\n') : NULL;
	return line ? line + 1 : length ? errors : "";
}

void child_explain(struct child_result *child, int64_t limit_ns, char *message, size_t size)
{
	const char *words = child_last_words(child);
	const char *colon = *words ? ": " : "";

	if (child->timed_out)
		snprintf(message, size, "killed at its deadline of %.0f s%s%s",
			 (double)limit_ns / 1e9, colon, words);
	else if (child->status == -1)
		snprintf(message, size, "the child could not be started%s%s", colon, words);
	else if (WIFSIGNALED(child->status))
		snprintf(message, size, "crashed with signal %d (%s)%s%s", WTERMSIG(child->status),
			 strsignal(WTERMSIG(child->status)), colon, words);
	else
		snprintf(message, size, "ended with exit status %d and without a result%s%s",
			 WEXITSTATUS(child->status), colon, words);
}

void child_forget(struct child_result *result)
{
	free(result->output);
	free(result->errors);
	result->output = result->errors = NULL;
}
