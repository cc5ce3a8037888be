/* SPDX-License-Identifier: MIT */
/*
 * Where workers sleep, and how few wake-ups are enough. A worker is busy, searching for work, or
 * asleep. While somebody searches nobody is woken for new work: the searcher finds it, and the last
 * searcher that finds something wakes the next if there is more.
 *
 * A worker goes to sleep in three steps: park_announce(), one more look for work, then park_sleep(),
 * or park_withdraw() if the look found something. It comes back from both as a searcher.
 *
 * A heavy fence is a call to the system. So that it is not made for each few tasks, who pushes passes
 * full fences once somebody has slept, or was the last to search, until these have cost as much. Of the
 * latter only those who rely on a searcher. Meanwhile a full fence is heavy enough (K5).
 *
 * Ordering
 *   K1  park_announce: the count of sleepers, heavy fence, then the look for work
 *         against   submit: the push, light fence, then park_try_look's load of the counts
 *       Either the look sees the task or the load sees the sleeper.
 *   K2  park_wake: release exchange of the sleeper's word  ->  park_sleep, park_withdraw: acquire load
 *       what it was woken for
 *   K3  park_found: seq_cst decrement of searching, heavy fence, then the look for more work
 *         against   submit: the push, light fence, then park_try_look's load that still sees a searcher
 *       as K1: whoever relies on a searcher has made its task visible to it
 *   K4  park_announce: the word, then the seq_cst add to counts; take_one: release exchange of them
 *         -> take_one, park_found: acquire
 *       whoever takes a sleeper off the count finds a word that is set; what a wake is for goes
 *       with the count, to whichever sleeper ends up with it
 *   K5  park_announce, park_found: seq_cst change of counts, then the load of fenced (set)
 *         against   pass_fence: seq_cst clear of it  ->  others' loads of it, then of counts
 *       who passes no full fence sees the sleeper, or that the searcher has gone. The bit is set before a
 *       heavy fence: what was pushed by who has not seen it set is there for the look of who set it, if for
 *       nobody else's; and a searcher on whom that one then relies stops after this fence
 */
#ifndef PARK_H
#define PARK_H

#include "port.h"

/* What a push must not miss: that somebody went to sleep, or that the last searcher stopped. */
enum park_change { PARK_SLEPT, PARK_STOPPED };

/* Its bit of `fenced`. */
static inline uint32_t park_flag(enum park_change change)
{
	return UINT32_C(1) << change;
}

struct park {
	/* Sleepers above, searchers below: one load tells a submit whether to wake somebody. */
	_Alignas(PORT_APART) _Atomic uint64_t counts;
	_Atomic uint32_t fenced; /* a bit for each change: who pushes passes a full fence */
	/* By who pushes, since each change; relaxed: roughly. */
	_Alignas(PORT_APART) _Atomic uint32_t fences[2];
	_Alignas(PORT_APART) _Atomic uint32_t *asleep; /* each worker's futex: 1 while it sleeps */
	uint32_t workers;
	bool lopsided;          /* fenced is not always set */
	_Atomic uint64_t parks; /* statistics */
	_Atomic uint64_t wakes;
};

#define PARK_SLEEPER (UINT64_C(1) << 32)

static inline uint32_t park_sleepers(uint64_t counts)
{
	return (uint32_t)(counts >> 32);
}

static inline uint32_t park_searchers(uint64_t counts)
{
	return (uint32_t)counts;
}

/* False without memory. */
bool park_init(struct park *park, uint32_t workers, bool lopsided);
void park_free(struct park *park);

/* The caller looks for work from now on. */
static inline void park_search(struct park *park)
{
	/* relaxed: who relies on a searcher relies on what it does when it stops (K3) */
	atomic_fetch_add_explicit(&park->counts, 1, memory_order_relaxed);
}

/* The searching caller found work, or gave up. True: nobody searches any more, and the caller must
 * see whether there is more work (K3). */
bool park_found(struct park *park);

void park_announce(struct park *park, uint32_t worker);
/* Until a wake chose this sleeper. */
void park_sleep(struct park *park, uint32_t worker);
/* Undoes park_announce(). True: a wake had chosen this sleeper, and what it was for needs another. */
bool park_withdraw(struct park *park, uint32_t worker);

/* The counts after a push. A searcher among them will find what was pushed; where there is none, a
 * sleeper should be woken, or a worker started. False: that is known behind a full fence only. */
static inline bool park_try_look(struct park *park, uint64_t *counts)
{
	uint32_t fenced;

	port_fence_light(true);                                              /* K1 K3 */
	fenced = atomic_load_explicit(&park->fenced, memory_order_seq_cst);  /* K5 */
	*counts = atomic_load_explicit(&park->counts, memory_order_seq_cst); /* K5 */
	return !(fenced & park_flag(PARK_SLEPT)) &&
	       !(park_searchers(*counts) && fenced == park_flag(PARK_STOPPED));
}

/* The same with the fence, if it is still due. */
PORT_OUTLINE uint64_t park_look_fenced(struct park *park);

static inline uint64_t park_look(struct park *park)
{
	uint64_t counts;

	return park_try_look(park, &counts) ? counts : park_look_fenced(park);
}

/* Wakes one sleeper, who becomes a searcher. False: nobody sleeps. */
bool park_wake(struct park *park);

/*
 * Everybody is to go. Called by who says so, and again by each worker that goes: a wake may reach one
 * that has announced itself and is not counted yet, in place of one that is; then the count that the
 * first adds is all that tells of the other.
 */
void park_wake_all(struct park *park);

#endif
