/* SPDX-License-Identifier: MIT */
/* Going to sleep, and choosing whom to wake. The labels are those of park.h. */
#include "park.h"

#include <stdlib.h>

/* So many full fences cost about as much as a heavy one, which interrupts every running thread. */
#define FENCES 512

bool park_init(struct park *park, uint32_t workers, bool lopsided)
{
	*park = (struct park){
		.workers = workers, .lopsided = lopsided, .fenced = lopsided ? 0 : UINT32_MAX};
	park->asleep = calloc(workers, sizeof *park->asleep);
	return park->asleep;
}

void park_free(struct park *park)
{
	free(park->asleep);
}

/* Before a look for what was pushed by who has not seen the change of counts. */
static void meet(struct park *park, enum park_change change)
{
	uint32_t flag = park_flag(change);
	bool fenced = atomic_load_explicit(&park->fenced, memory_order_seq_cst) & flag; /* K5 */

	atomic_store_explicit(&park->fences[change], 0, memory_order_relaxed);
	if (!fenced)
		atomic_fetch_or_explicit(&park->fenced, flag, memory_order_seq_cst); /* K5 */
	port_fence_heavy(!fenced);                                                   /* K1 K3 */
}

void park_announce(struct park *park, uint32_t worker)
{
	/* relaxed: before the count, which publishes it (K4) */
	atomic_store_explicit(&park->asleep[worker], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&park->counts, PARK_SLEEPER - 1,
				  memory_order_seq_cst); /* K1 K4 K5 */
	meet(park, PARK_SLEPT);
}

bool park_found(struct park *park)
{
	uint64_t before =
		atomic_fetch_sub_explicit(&park->counts, 1, memory_order_seq_cst); /* K3 K4 K5 */

	if (park_searchers(before) != 1)
		return false;
	meet(park, PARK_STOPPED);
	return true;
}

/* The fence of who pushes, where it is a full one. */
static void pass_fence(struct park *park, enum park_change change)
{
	uint32_t fences = atomic_load_explicit(&park->fences[change], memory_order_relaxed);

	atomic_thread_fence(memory_order_seq_cst); /* K1 K3 */
	if (!park->lopsided)
		return;
	atomic_store_explicit(&park->fences[change], fences + 1, memory_order_relaxed);
	if (fences >= FENCES)
		atomic_fetch_and_explicit(&park->fenced, ~park_flag(change),
					  memory_order_seq_cst); /* K5 */
}

uint64_t park_look_fenced(struct park *park)
{
	uint32_t fenced = atomic_load_explicit(&park->fenced, memory_order_seq_cst); /* K5 */
	uint64_t counts;

	if (fenced & park_flag(PARK_SLEPT))
		pass_fence(park, PARK_SLEPT);
	counts = atomic_load_explicit(&park->counts, memory_order_seq_cst); /* K5 */
	if (park_searchers(counts) && fenced == park_flag(PARK_STOPPED)) {
		pass_fence(park, PARK_STOPPED);
		/* relaxed: behind the fence */
		counts = atomic_load_explicit(&park->counts, memory_order_relaxed);
	}
	return counts;
}

void park_sleep(struct park *park, uint32_t worker)
{
	atomic_fetch_add_explicit(&park->parks, 1, memory_order_relaxed);         /* a statistic */
	while (atomic_load_explicit(&park->asleep[worker], memory_order_acquire)) /* K2 */
		port_sleep(&park->asleep[worker], 1, ASSAY_FOREVER);
}

/* Takes one sleeper off the count, and counts it as a searcher. False: there is none. */
static bool take_one(struct park *park)
{
	uint64_t counts = atomic_load_explicit(&park->counts, memory_order_relaxed);

	while (park_sleepers(counts))
		if (atomic_compare_exchange_weak_explicit(&park->counts, &counts,
							  counts - PARK_SLEEPER + 1,
							  memory_order_acq_rel, /* K4 */
							  memory_order_relaxed))
			return true;
	return false;
}

/* Whoever was taken off the count has its word set, or somebody else's was set for it. */
static bool claim(struct park *park, uint32_t worker)
{
	uint32_t asleep = 1;

	/* relaxed: only to spare an exchange */
	return atomic_load_explicit(&park->asleep[worker], memory_order_relaxed) &&
	       atomic_compare_exchange_strong_explicit(&park->asleep[worker], &asleep, 0,
						       memory_order_acq_rel, /* K2 */
						       memory_order_relaxed);
}

/* Wakes the sleeper that take_one() has promised; the lowest first, so that the others sleep on. */
static void wake_any(struct park *park)
{
	for (uint32_t worker = 0;; worker = worker + 1 < park->workers ? worker + 1 : 0)
		if (claim(park, worker)) {
			port_wake(&park->asleep[worker], 1);
			return;
		}
}

bool park_withdraw(struct park *park, uint32_t worker)
{
	unsigned step = 0;

	/* A wake that has counted this sleeper may choose another one that has just announced itself
	 * and is not counted yet: then its place in the count is this one's to take. */
	while (atomic_load_explicit(&park->asleep[worker], memory_order_acquire)) { /* K2 */
		if (take_one(park)) {
			/* Chosen meanwhile: the place just taken is another sleeper's. */
			if (!claim(park, worker))
				wake_any(park);
			return false;
		}
		port_backoff(&step);
	}
	return true;
}

bool park_wake(struct park *park)
{
	if (!take_one(park))
		return false;
	atomic_fetch_add_explicit(&park->wakes, 1, memory_order_relaxed); /* a statistic */
	wake_any(park);
	return true;
}

void park_wake_all(struct park *park)
{
	while (park_wake(park))
		;
}
