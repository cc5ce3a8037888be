/* SPDX-License-Identifier: MIT */
/* CPU time of a tree of processes: of those that live, ended, lost their parent, or do not count. */
#include "../processes.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BURN_NS 60e6

static unsigned failures;

static void expect(bool holds, const char *what, double cpu_ns)
{
	if (holds)
		return;
	failures++;
	printf("FAIL: %s: %.1f ms\n", what, cpu_ns / 1e6);
}

static void burn(void)
{
	struct timespec used;

	do {
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	} while (1e9 * (double)used.tv_sec + (double)used.tv_nsec < BURN_NS);
}

/* Says on the pipe that it has burned, and lives until it is killed, or ends. */
static pid_t start(int done, bool lives)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	burn();
	if (write(done, "", 1) != 1)
		_exit(2);
	if (!lives)
		_exit(0);
	for (;;)
		pause();
}

static void await(int done)
{
	char byte;

	if (read(done, &byte, 1) != 1)
		exit(2);
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void check_living(int pipes[2])
{
	double cpu_ns = processes_cpu_begin();
	pid_t pid = start(pipes[1], true);

	await(pipes[0]);
	cpu_ns = processes_cpu_end(cpu_ns);
	expect(cpu_ns > 0.9 * BURN_NS, "a child that lives counts", cpu_ns);
	end(pid);
}

static void check_ended(int pipes[2])
{
	double cpu_ns = processes_cpu_begin();
	pid_t pid = start(pipes[1], false);

	await(pipes[0]);
	waitpid(pid, NULL, 0);
	cpu_ns = processes_cpu_end(cpu_ns);
	expect(cpu_ns > 0.9 * BURN_NS, "a child that was waited for counts", cpu_ns);
}

/* Its parent ends: it becomes ours, as a subreaper's. */
static void check_orphan(int pipes[2])
{
	double cpu_ns = processes_cpu_begin();
	pid_t parent = fork();

	if (parent == 0)
		_exit(start(pipes[1], true) < 0);
	waitpid(parent, NULL, 0);
	await(pipes[0]);
	cpu_ns = processes_cpu_end(cpu_ns);
	expect(cpu_ns > 0.9 * BURN_NS, "a child of a child that ended counts", cpu_ns);
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM); /* our group: the orphan alone obeys */
	waitpid(-1, NULL, 0);
	signal(SIGTERM, SIG_DFL);
}

static void check_aside(int pipes[2])
{
	int go[2];
	double cpu_ns;
	pid_t pid;
	char byte;

	if (pipe(go))
		exit(2);
	pid = fork();
	if (pid == 0) {
		if (read(go[0], &byte, 1) != 1)
			_exit(2);
		burn();
		if (write(pipes[1], "", 1) != 1)
			_exit(2);
		for (;;)
			pause();
	}
	processes_set_aside();
	cpu_ns = processes_cpu_begin();
	if (write(go[1], "", 1) != 1)
		exit(2);
	await(pipes[0]);
	cpu_ns = processes_cpu_end(cpu_ns);
	expect(cpu_ns < 0.5 * BURN_NS, "a child that was set aside does not count", cpu_ns);
	end(pid);
	close(go[0]);
	close(go[1]);
}

int main(void)
{
	int pipes[2];

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	setpgid(0, 0);
	if (pipe(pipes))
		return 2;
	check_living(pipes);
	check_ended(pipes);
	check_orphan(pipes);
	check_aside(pipes);
	return failures != 0;
}
