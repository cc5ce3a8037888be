/* SPDX-License-Identifier: MIT */
/*
 * Where workers sleep. A counted set of sleepers and a futex of wake-up tokens: a wake takes one
 * sleeper off the count and leaves one token for it, so there are never more wake-ups than
 * sleepers, and none when nobody sleeps.
 *
 * A worker goes to sleep in three steps: park_announce(), one more look for work, then
 * park_sleep(), or park_withdraw() if the look found something.
 *
 * Ordering
 *   K1  park_announce: seq_cst add to sleepers, then the look for work
 *         against   submit: the push, then park_wake's seq_cst load of sleepers
 *       Either the look sees the task or the load sees the sleeper. It needs push and pop to take
 *       part in the same order: see queue.h.
 *   K2  park_wake: release add to tokens  ->  park_sleep, park_withdraw: acquire take of a token
 */
#ifndef PARK_H
#define PARK_H

#include "port.h"

struct park {
	_Alignas(PORT_APART) _Atomic uint32_t sleepers; /* announced and not yet chosen by a wake */
	_Atomic uint32_t tokens;                        /* chosen and not yet gone on */
	_Atomic uint64_t parks;                         /* statistics */
	_Atomic uint64_t wakes;
};

void park_announce(struct park *park);
/* Until a wake chose this sleeper. */
void park_sleep(struct park *park);
/* Undoes park_announce(). True: a wake had chosen this sleeper, and what it was for needs another. */
bool park_withdraw(struct park *park);

uint32_t park_wake_slow(struct park *park, uint32_t count);

/* Wakes up to count sleepers, and says how many; costs one load if there are none. */
static inline uint32_t park_wake(struct park *park, uint32_t count)
{
	if (atomic_load_explicit(&park->sleepers, memory_order_seq_cst) > 0) /* K1 */
		return park_wake_slow(park, count);
	return 0;
}

#endif
