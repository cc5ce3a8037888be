/* SPDX-License-Identifier: MIT */
/*
 * How soon a worker looks again at a queue that others fill. Each look takes cache lines from who
 * submits, and finds more when it comes later. Where workers outnumber processors it matters most: who
 * is always back at once finds nothing before long, sleeps, and is woken in the place of who submits.
 */
#ifndef PACE_H
#define PACE_H

#include "port.h"

/* One or two microseconds. */
#define PACE_PAUSES 48

/* Of one worker. */
struct pace {
	bool got_few;
};

/* Before a look. */
static inline void pace_await(const struct pace *pace)
{
	for (int i = 0; pace->got_few && i < PACE_PAUSES; i++)
		port_pause();
}

/* After it: what it got, and how many would have been enough to be back at once. After one alone none may
 * come. */
static inline void pace_note(struct pace *pace, size_t got, size_t enough)
{
	pace->got_few = got > 1 && got < enough;
}

#endif
