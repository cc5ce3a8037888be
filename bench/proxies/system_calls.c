/* SPDX-License-Identifier: MIT */
#include "system_calls.h"

#include "interrupt.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

static bool is_entry(pid_t thread)
{
	struct __ptrace_syscall_info info = {.op = 0};

	return ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) > 0 &&
	       info.op == PTRACE_SYSCALL_INFO_ENTRY;
}

/* A thread stopped: what it is to be told, and to go on until its next system call. */
static void answer(pid_t thread, int status, struct board *board)
{
	int number = WSTOPSIG(status), event = status >> 16;
	long deliver = 0;

	if (number == (SIGTRAP | 0x80)) {
		if (is_entry(thread))
			atomic_fetch_add(&board->system_calls[atomic_load(&board->phase)], 1);
	} else if (!event) {
		deliver = number;
	}
	ptrace(PTRACE_SYSCALL, thread, NULL, deliver);
}

int system_calls_count(pid_t child, struct board *board)
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
			     PTRACE_O_TRACEVFORK | PTRACE_O_EXITKILL;
	int status, last = -1;
	pid_t thread;

	if (waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SEIZE, child, NULL, options))
		return -1;
	kill(child, SIGCONT);
	while ((thread = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
		if (interrupt_came())
			kill(child, SIGKILL);
		if (thread <= 0)
			continue;
		if (WIFSTOPPED(status))
			answer(thread, status, board);
		else if (thread == child)
			last = status;
	}
	return last;
}
