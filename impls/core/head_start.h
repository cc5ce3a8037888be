/* SPDX-License-Identifier: MIT */
/*
 * How soon a thread that reads the results of many tasks looks for the next. Reading is faster than running:
 * it catches up, and from then on meets at each future the worker that is about to end it. The record goes to
 * and fro between their processors, which takes longer than a short task. So before it looks it gives the
 * workers a head start: longer each time, but no longer than there are tasks left, at a pause for each.
 *
 * None is given by who waits for each task that it submits, or has submitted nothing: they would only be late.
 */
#ifndef HEAD_START_H
#define HEAD_START_H

#include <stdint.h>

/* 16 to 128: more gained nothing, and less not as much. */
#define HEAD_START_PAUSES 16
#define HEAD_START_DOUBLINGS 3u

/* Of one thread. What it reads without a wait is not noted, but taken for as many as there were pauses. */
struct head_start {
	uint64_t created; /* futures that it had ever created, when it last waited */
	uint64_t left;    /* of the newest of these, still to be read */
	unsigned doublings;
};

/* In pauses; the thread has ever created so many futures. */
static inline unsigned head_start_give(struct head_start *start, uint64_t created)
{
	unsigned pauses;

	if (created != start->created) {
		*start = (struct head_start){.created = created,
					     .left = created - start->created - 1};
		return 0;
	}
	pauses = (unsigned)(HEAD_START_PAUSES << start->doublings);
	if (pauses > start->left)
		pauses = (unsigned)start->left;
	start->left -= pauses;
	if (start->doublings < HEAD_START_DOUBLINGS)
		start->doublings++;
	return pauses;
}

#endif
