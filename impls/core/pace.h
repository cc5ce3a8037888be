/* SPDX-License-Identifier: MIT */
/*
 * How soon a worker looks again at a queue that others fill. Each look takes cache lines from who
 * submits, and finds more when it comes later. Where workers outnumber processors it matters most: who
 * is always back at once finds nothing before long, sleeps, and is woken in the place of who submits. A worker
 * that has submitted since does not wait: what it is to find may be its own.
 *
 * A worker that keeps up with one thread that submits many in a row gives up its processor before it looks:
 * if that thread or another worker waits for this very one, it gets it. Not so
 *   for a few tasks that somebody then waits for,
 *   where several threads are seen to submit, which would meet each other, and who reads their results, at
 *     each task,
 *   and ever more seldom where it was away for long and little was submitted meanwhile: then another program
 *     had the processor.
 */
#ifndef PACE_H
#define PACE_H

#include "queue.h"

#include <sched.h>

/* One or two microseconds. */
#define PACE_PAUSES 48
/* Before a processor is given up: looks in a row that got several, of which one got enough, and looks that got
 * tasks of one thread only. */
#define PACE_STREAM 8
#define PACE_ALONE 64u
/* How often the latter are doubled: once each time that a worker was away for longer than this, and in each
 * microsecond less than one task was submitted. */
#define PACE_DOUBLINGS 10
#define PACE_LONG_NS 100000
#define PACE_TASK_NS 1000

/* Of one worker. */
struct pace {
	bool got_few;
	bool had_enough;    /* once in the stream */
	unsigned stream;    /* looks in a row that got several */
	unsigned alone;     /* looks that got any, since another thread was seen to submit */
	unsigned doublings; /* of PACE_ALONE */
};

static inline bool pace_gives_way(const struct pace *pace)
{
	return pace->got_few && pace->had_enough && pace->stream >= PACE_STREAM &&
	       pace->alone >= PACE_ALONE << pace->doublings;
}

/* Another had the processor for so long, and meanwhile so many tasks were submitted. */
static inline void pace_gave_way(struct pace *pace, int64_t for_ns, uint64_t pushed)
{
	if (for_ns < PACE_LONG_NS)
		return;
	if (pushed >= (uint64_t)(for_ns / PACE_TASK_NS)) {
		pace->doublings = 0;
		return;
	}
	pace->alone = 0;
	if (pace->doublings < PACE_DOUBLINGS)
		pace->doublings++;
}

/* Before a look. */
static inline void pace_await(struct pace *pace, struct queue *queue)
{
	for (int i = 0; pace->got_few && i < PACE_PAUSES; i++)
		port_pause();
	if (pace_gives_way(pace)) {
		uint64_t pushed = queue_pushed(queue);
		int64_t began_ns = assay_clock_ns();

		sched_yield();
		pace_gave_way(pace, assay_clock_ns() - began_ns, queue_pushed(queue) - pushed);
	}
}

/* After it: what it got, how many would have been enough to be back at once, and, if any, whether nobody else is
 * seen to have submitted since the look before. After one alone none may come. */
static inline void pace_note(struct pace *pace, size_t got, size_t enough, bool same)
{
	pace->got_few = got > 1 && got < enough;
	pace->stream = got > 1 ? pace->stream + 1 : 0;
	pace->had_enough = got >= enough || (pace->had_enough && got > 1);
	if (got)
		pace->alone = same ? pace->alone + 1 : 0;
}

/* The worker itself has submitted. */
static inline void pace_pushed(struct pace *pace)
{
	pace->got_few = false;
	pace->alone = 0;
}

#endif
