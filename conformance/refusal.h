/* SPDX-License-Identifier: MIT */
/* A system that refuses this process any further thread or process. */
#ifndef REFUSAL_H
#define REFUSAL_H

#include "family.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* An account that owns nothing. */
#define NOBODY 65534

/* The limit does not hold for root: the process becomes somebody else, for good. To be called before
 * there are executors, so that their processes are somebody else's, too. */
static inline void give_up_rights(struct subject *s)
{
	(void)s;
	if (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY))
		UNRESOLVED("cannot give up the rights of root: %s", strerror(errno));
	/* So that this process may still be looked at, by a leak checker and by itself. */
	prctl(PR_SET_DUMPABLE, 1);
}

/* One that has ended in between needs no limit. */
static inline void limit_process(pid_t process, void *is_refused)
{
	struct rlimit limit;

	if (process != getpid() && !is_descendant(process))
		return;
	if (prlimit(process, RLIMIT_NPROC, NULL, &limit) == 0) {
		limit.rlim_cur = *(bool *)is_refused ? 1 : limit.rlim_max;
		if (prlimit(process, RLIMIT_NPROC, &limit, NULL) == 0)
			return;
	}
	if (errno != ESRCH)
		UNRESOLVED("cannot limit the number of processes: %s", strerror(errno));
}

/* For this process, and those that an executor has now. */
static inline void refuse_threads(void)
{
	bool is_refused = true;

	process_each(limit_process, &is_refused);
}

static inline void allow_threads(void)
{
	bool is_refused = false;

	process_each(limit_process, &is_refused);
}

#endif
