/* SPDX-License-Identifier: MIT */
/*
 * How soon a worker looks again at a queue that others fill. Each look takes cache lines from who
 * submits, and finds more when it comes later. Where workers outnumber processors it matters most: who
 * is always back at once finds nothing before long, sleeps, and is woken in the place of who submits.
 *
 * A worker that keeps up with one thread that submits many in a row gives up its processor before it looks:
 * either that thread has been waiting for this very one, or another worker has. Not so for a few tasks that
 * somebody then waits for, nor where several threads submit: those would meet each other, and who reads
 * their results, at each task.
 */
#ifndef PACE_H
#define PACE_H

#include "port.h"

#include <sched.h>

/* One or two microseconds. */
#define PACE_PAUSES 48
/* Looks in a row with several tasks, and looks with tasks of one thread only, before a processor is given up. */
#define PACE_STREAM 8
#define PACE_ALONE 64

/* Of one worker. */
struct pace {
	bool got_few;
	unsigned stream; /* looks in a row that got several */
	unsigned alone;  /* of those that got any: since a thread other than before had submitted */
};

static inline bool pace_gives_way(const struct pace *pace)
{
	return pace->got_few && pace->stream >= PACE_STREAM && pace->alone >= PACE_ALONE;
}

/* Before a look. */
static inline void pace_await(const struct pace *pace)
{
	for (int i = 0; pace->got_few && i < PACE_PAUSES; i++)
		port_pause();
	if (pace_gives_way(pace))
		sched_yield();
}

/* After it: what it got, how many would have been enough to be back at once, and, if any, whether they are of
 * whom those of the look before were. After one alone none may come. */
static inline void pace_note(struct pace *pace, size_t got, size_t enough, bool same)
{
	pace->got_few = got > 1 && got < enough;
	pace->stream = got > 1 ? pace->stream + 1 : 0;
	if (got)
		pace->alone = same ? pace->alone + 1 : 0;
}

#endif
