/* SPDX-License-Identifier: MIT */
#include "park.h"

void park_announce(struct park *park)
{
	atomic_fetch_add_explicit(&park->sleepers, 1, memory_order_seq_cst); /* K1 */
}

static bool take_token(struct park *park)
{
	uint32_t tokens = atomic_load_explicit(&park->tokens, memory_order_relaxed);

	while (tokens > 0) /* relaxed on failure: only a taken token publishes */
		if (atomic_compare_exchange_weak_explicit(&park->tokens, &tokens, tokens - 1,
							  memory_order_acquire, /* K2 */
							  memory_order_relaxed))
			return true;
	return false;
}

void park_sleep(struct park *park)
{
	atomic_fetch_add_explicit(&park->parks, 1, memory_order_relaxed); /* a statistic */
	while (!take_token(park))
		port_sleep(&park->tokens, 0, ASSAY_FOREVER);
}

bool park_withdraw(struct park *park)
{
	uint32_t sleepers = atomic_load_explicit(&park->sleepers, memory_order_relaxed);
	unsigned step = 0;

	/* Sleepers are alike: whoever is still counted may go. If all have been chosen, one of the
	 * tokens is this thread's, or will be in a moment. */
	while (sleepers > 0)
		if (atomic_compare_exchange_weak_explicit(&park->sleepers, &sleepers, sleepers - 1,
							  memory_order_relaxed,
							  memory_order_relaxed))
			return false;
	while (!take_token(park))
		port_backoff(&step);
	return true;
}

uint32_t park_wake_slow(struct park *park, uint32_t count)
{
	uint32_t sleepers = atomic_load_explicit(&park->sleepers, memory_order_relaxed);
	uint32_t chosen;

	do {
		chosen = sleepers < count ? sleepers : count;
		if (chosen == 0)
			return 0;
	} while (!atomic_compare_exchange_weak_explicit(&park->sleepers, &sleepers,
							sleepers - chosen, memory_order_relaxed,
							memory_order_relaxed));
	atomic_fetch_add_explicit(&park->wakes, chosen, memory_order_relaxed);  /* a statistic */
	atomic_fetch_add_explicit(&park->tokens, chosen, memory_order_release); /* K2 */
	port_wake(&park->tokens, (int)chosen);
	return chosen;
}
