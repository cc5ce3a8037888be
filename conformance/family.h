/* SPDX-License-Identifier: MIT */
/* The processes that come from this one: none may be left, alive or dead. */
#ifndef FAMILY_H
#define FAMILY_H

#include "fixture.h"
#include "process.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* From here on whoever loses its parent becomes a child of this process, and can be seen. */
static inline void adopt_orphans(void)
{
	if (!prctl(PR_SET_CHILD_SUBREAPER, 1))
		return;
	if (is_emulated())
		UNSUPPORTED("the emulator lets no process adopt orphans");
	UNRESOLVED("cannot adopt orphans: %s", strerror(errno));
}

static inline void check_childless(void)
{
	pid_t child = waitpid(-1, NULL, WNOHANG);

	if (child == 0)
		test_fail(__FILE__, __LINE__, "expected no process to be left, but one lives");
	if (child > 0)
		test_fail(__FILE__, __LINE__, "expected no process to be left, but %d is a zombie",
			  (int)child);
}

static inline void await_childless(void)
{
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	CHECK_EQ(errno, ECHILD);
}

static inline bool is_descendant(pid_t process)
{
	struct process_status status = {.parent = process};

	for (int generation = 0; generation < 8 && status.parent > 1; generation++) {
		if (!process_status(status.parent, &status))
			return false;
		if (status.parent == getpid())
			return true;
	}
	return false;
}

static inline void count_if_zombie(pid_t process, void *user)
{
	struct process_status status;

	if (process_status(process, &status) && status.state == 'Z' && is_descendant(process))
		++*(int *)user;
}

/* Descendants that have ended and that nobody has waited for. */
static inline int count_zombies(void)
{
	int zombies = 0;

	process_each(count_if_zombie, &zombies);
	return zombies;
}

/* The deadline of the test is the only limit. */
static inline void await_no_zombies(void)
{
	while (count_zombies())
		sched_yield();
}

#endif
