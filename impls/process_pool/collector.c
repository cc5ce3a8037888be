/* SPDX-License-Identifier: MIT */
/*
 * The thread that ends tasks which somebody watches, has called back for, or has forgotten: callbacks
 * run here. The labels are those of segment.h and pool.h.
 */
#include "pool.h"

static bool collect_slot(struct pool *pool, uint32_t index, bool all)
{
	struct slot *slot = &pool->segment->slots[index];
	uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire); /* S2 */

	while (status_of(word) == SLOT_DONE && (all || word & SLOT_TELL)) {
		if (ticket_collect(pool, index, word))
			return true;
		word = atomic_load_explicit(&slot->word, memory_order_acquire); /* S2 */
	}
	return false;
}

/* Everything, wherever it is. */
static void collect_all(struct pool *pool, bool all)
{
	uint32_t end;

	pthread_mutex_lock(&pool->submit_mutex);
	end = pool->fresh;
	pthread_mutex_unlock(&pool->submit_mutex);
	for (uint32_t i = 0; i < end; i++)
		collect_slot(pool, i, all);
}

static bool has_told(struct lane *lane)
{
	return atomic_load_explicit(&lane->told_tail, memory_order_seq_cst) != /* S3 K1 */
		       atomic_load_explicit(&lane->told_head, memory_order_relaxed) ||
	       atomic_load_explicit(&lane->overflown, memory_order_seq_cst); /* K1 */
}

static void listen_to(struct pool *pool, struct lane *lane)
{
	uint32_t tail = atomic_load_explicit(&lane->told_tail, memory_order_seq_cst); /* S3 */
	uint32_t head = atomic_load_explicit(&lane->told_head, memory_order_relaxed);

	for (; head != tail; head++) {
		uint32_t index =
			atomic_load_explicit(&lane->told[head % TOLD_RING], memory_order_relaxed);

		/* First: the callback may take its time, and end many other tasks. */
		atomic_store_explicit(&lane->told_head, head + 1, memory_order_release); /* S5 */
		if (index < pool->segment->slot_count)
			collect_slot(pool, index, false);
	}
	if (atomic_exchange_explicit(&lane->overflown, 0, memory_order_seq_cst)) /* K1 */
		collect_all(pool, false);
}

static bool has_news(struct pool *pool)
{
	for (int i = 0; i < pool->segment->workers; i++)
		if (has_told(&pool->segment->lanes[i]))
			return true;
	return atomic_load_explicit(&pool->scan, memory_order_seq_cst); /* K1 */
}

static void wait_for_news(struct pool *pool)
{
	struct control *control = pool->segment->control;

	atomic_store_explicit(&control->bell, 1, memory_order_seq_cst);                   /* K1 */
	if (!has_news(pool) && !atomic_load_explicit(&pool->final, memory_order_seq_cst)) /* K1 */
		while (atomic_load_explicit(&control->bell, memory_order_seq_cst))        /* K1 */
			shared_sleep(&control->bell, 1, ASSAY_FOREVER);
	atomic_store_explicit(&control->bell, 0, memory_order_seq_cst); /* K1 */
}

void collector_scan(struct pool *pool)
{
	atomic_store_explicit(&pool->scan, 1, memory_order_seq_cst); /* K1 */
	ring_bell(pool->segment->control);
}

void *collector_run(void *user)
{
	struct pool *pool = user;
	struct visit visit;

	attach(pool, &visit);
	while (!atomic_load_explicit(&pool->final, memory_order_acquire)) { /* P5 */
		for (int i = 0; i < pool->segment->workers; i++)
			if (has_told(&pool->segment->lanes[i]))
				listen_to(pool, &pool->segment->lanes[i]);
		if (atomic_exchange_explicit(&pool->scan, 0, memory_order_seq_cst)) /* K1 */
			collect_all(pool, false);
		if (!has_news(pool))
			wait_for_news(pool);
	}
	collect_all(pool, true); /* nothing runs any more */
	return NULL;
}
