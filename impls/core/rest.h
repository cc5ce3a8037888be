/* SPDX-License-Identifier: MIT */
/*
 * How soon a thread that reads the results of many tasks looks for the next. Reading is faster than running:
 * it catches up, and from then on meets at each future the worker that is about to end it. The record goes to
 * and fro between their processors, which takes longer than the task. So it rests before it looks, longer each
 * time, until several tasks end in one rest.
 *
 * Not so who waits for each task that it submits, nor, as far as that is seen, who waits for those of others:
 * they would only be late.
 */
#ifndef REST_H
#define REST_H

#include <stdint.h>

#define REST_PAUSES 16
#define REST_DOUBLINGS 3 /* some us */

/* Of one thread. */
struct rest {
	uint64_t created; /* futures that it had ever created, when it last waited */
	uint64_t left; /* that it had created since the wait before, less its waits from then on */
	unsigned doublings;
};

/* Pauses before a wait looks; the thread has ever created so many futures. */
static inline unsigned rest_pauses(struct rest *rest, uint64_t created)
{
	unsigned pauses;

	if (created != rest->created) {
		*rest = (struct rest){.created = created, .left = created - rest->created - 1};
		return 0;
	}
	if (!rest->left)
		return 0;
	rest->left--;
	pauses = REST_PAUSES << rest->doublings;
	if (rest->doublings < REST_DOUBLINGS)
		rest->doublings++;
	return pauses;
}

#endif
