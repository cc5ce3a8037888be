/* SPDX-License-Identifier: MIT */
/* A system that refuses this process any further thread or process. */
#ifndef REFUSAL_H
#define REFUSAL_H

#include "fixture.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* An account that owns nothing. */
#define NOBODY 65534

/* The limit does not hold for root: the process becomes somebody else, for good. */
static inline void refuse_threads(struct subject *s)
{
	struct rlimit limit;

	(void)s;
	if (getrlimit(RLIMIT_NPROC, &limit))
		UNRESOLVED("cannot read the limit of processes: %s", strerror(errno));
	limit.rlim_cur = 1;
	if (setrlimit(RLIMIT_NPROC, &limit))
		UNRESOLVED("cannot set the limit of processes: %s", strerror(errno));
	if (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY))
		UNRESOLVED("cannot give up the rights of root: %s", strerror(errno));
	/* So that a leak checker may still look at this process. */
	prctl(PR_SET_DUMPABLE, 1);
}

static inline void allow_threads(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NPROC, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NPROC, &limit);
	}
}

#endif
