/* SPDX-License-Identifier: MIT */
/* Slots to be used and used again, the ring that workers take them from, and waking the workers. The
 * labels are those of segment.h and pool.h. */
#include "look.h"
#include "pool.h"

/* Slots that get memory at once: as many as there are, up to these, so that a short life is cheap. */
#define CHUNK_BYTES ((size_t)65536)
/* Entries of the ring looked at for slots to reuse, before new ones are touched. */
#define REAP_BATCH 256

/* Its word stays as it is until the next task comes: the line is the worker's, and far. */
void slot_free(struct pool *pool, uint32_t index)
{
	struct ticket *ticket = &pool->tickets[index];

	/* relaxed: the value is only linked, not followed */
	ticket->next = atomic_load_explicit(&pool->returned, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&pool->returned, &ticket->next, index + 1,
						      memory_order_release, /* P2 */
						      memory_order_relaxed))
		;
}

/* Entries that the head has passed: frees what was cancelled, and ends what is done and nobody has
 * asked for yet. */
static void reap(struct pool *pool, size_t most)
{
	struct segment *segment = pool->segment;
	uint64_t head =
		atomic_load_explicit(&segment->control->head, memory_order_acquire); /* S6 */

	if (head > pool->ring_tail)
		head = pool->ring_tail;
	for (; most && pool->reaped < head; most--, pool->reaped++) {
		uint64_t hint = ring_entry(segment, pool->reaped);
		uint64_t word = atomic_load_explicit(&segment->slots[WORD_INDEX(hint)].word,
						     memory_order_acquire); /* S2 S6 */

		if (GENERATION(word) != GENERATION(hint))
			continue;
		if (status_of(word) == SLOT_CANCELLED) {
			/* Once, however often a task may have written its hint into the ring. */
			if (ticket_settle(pool, WORD_INDEX(hint), GENERATION(word)))
				slot_free(pool, WORD_INDEX(hint));
		} else if (status_of(word) == SLOT_DONE && !(word & SLOT_TELL)) {
			ticket_collect(pool, WORD_INDEX(hint), word);
		}
	}
}

/* Slots that have not been used before. */
static bool refresh(struct pool *pool)
{
	struct segment *segment = pool->segment;
	size_t bytes = pool->fresh_end * sizeof *segment->slots;

	if (pool->fresh < pool->fresh_end)
		return true;
	if (bytes < UNIT)
		bytes = UNIT;
	if (bytes > CHUNK_BYTES)
		bytes = CHUNK_BYTES;
	if (pool->fresh_end == segment->slot_count ||
	    !segment_populate(&segment->slots[pool->fresh_end], bytes))
		return false;
	pool->fresh_end += (uint32_t)(bytes / sizeof *segment->slots);
	return true;
}

/* A free slot; UINT32_MAX without memory. */
uint32_t slot_take(struct pool *pool)
{
	uint32_t index;

	if (!pool->free_list)
		pool->free_list =
			atomic_exchange_explicit(&pool->returned, 0, memory_order_acquire); /* P2 */
	if (!pool->free_list) {
		reap(pool, REAP_BATCH);
		pool->free_list =
			atomic_exchange_explicit(&pool->returned, 0, memory_order_acquire); /* P2 */
	}
	if (!pool->free_list && refresh(pool))
		return pool->fresh++;
	if (!pool->free_list) {
		reap(pool, SIZE_MAX);
		pool->free_list =
			atomic_exchange_explicit(&pool->returned, 0, memory_order_acquire); /* P2 */
	}
	if (!pool->free_list)
		return UINT32_MAX;
	index = pool->free_list - 1;
	pool->free_list = pool->tickets[index].next;
	return index;
}

/* Room for one more entry. Each unfinished entry is that of a slot, so there is always some, once
 * what the head has passed is reaped. */
bool ring_ready(struct pool *pool)
{
	struct segment *segment = pool->segment;
	uint64_t tail = pool->ring_tail;

	if (tail - pool->reaped >= segment->ring_count)
		reap(pool, SIZE_MAX);
	if (tail - pool->reaped >= segment->ring_count)
		return false;
	if (tail < pool->ring_end || pool->ring_end == segment->ring_count)
		return true;
	if (!segment_populate((char *)segment->ring + pool->ring_end * sizeof *segment->ring, UNIT))
		return false;
	pool->ring_end += UNIT / sizeof *segment->ring;
	return true;
}

void slots_warm(struct pool *pool)
{
	pthread_mutex_lock(&pool->submit_mutex);
	if (refresh(pool))
		ring_ready(pool);
	pthread_mutex_unlock(&pool->submit_mutex);
}

void ring_put(struct pool *pool, uint64_t hint)
{
	struct segment *segment = pool->segment;

	atomic_store_explicit(&segment->ring[pool->ring_tail++ & (segment->ring_count - 1)], hint,
			      memory_order_release); /* S9 */
	atomic_store_explicit(&pool->newest, WORD_INDEX(hint), memory_order_relaxed);
}

void ring_rest(struct pool *pool, uint64_t *head, uint64_t *tail)
{
	pthread_mutex_lock(&pool->submit_mutex);
	*head = atomic_load_explicit(&pool->segment->control->head, memory_order_seq_cst); /* S6 */
	if (*head < pool->reaped)
		*head = pool->reaped;
	*tail = pool->ring_tail;
	pthread_mutex_unlock(&pool->submit_mutex);
}

void ring_publish(struct pool *pool)
{
	struct control *control = pool->segment->control;

	/* relaxed: hints, all of them */
	atomic_store_explicit(&control->caller_cpu, this_cpu(), memory_order_relaxed);
	atomic_store_explicit(&control->caller_waits,
			      atomic_load_explicit(&pool->has_waited, memory_order_relaxed),
			      memory_order_relaxed);
	atomic_store_explicit(&pool->has_waited, false, memory_order_relaxed);
	atomic_store_explicit(&control->tail, pool->ring_tail, memory_order_seq_cst); /* S1 K1 */
}

bool has_parked(const struct pool *pool)
{
	const struct segment *segment = pool->segment;

	for (int i = 0; i < (segment->workers + 63) / 64; i++)
		/* relaxed: for a hint */
		if (atomic_load_explicit(&segment->control->idle[i], memory_order_relaxed))
			return true;
	return false;
}

/* Gives up to `wanted` parked workers their token, and wakes them if asked to. The last of them, or NULL. */
static struct lane *choose(struct pool *pool, size_t wanted, bool wakes)
{
	struct segment *segment = pool->segment;
	struct lane *last = NULL;

	for (int i = 0; i < (segment->workers + 63) / 64; i++) {
		_Atomic uint64_t *idle = &segment->control->idle[i];
		uint64_t bits = atomic_load_explicit(idle, memory_order_seq_cst); /* K1 */

		while (wanted && bits) {
			uint64_t bit = bits & -bits;
			struct lane *lane = &segment->lanes[i * 64 + __builtin_ctzll(bits)];

			bits = atomic_fetch_and_explicit(idle, ~bit, memory_order_seq_cst); /* K1 */
			if (!(bits & bit))
				continue;
			bits &= ~bit;
			wanted--;
			last = lane;
			atomic_fetch_add_explicit(&pool->wakes, 1, memory_order_relaxed);
			atomic_store_explicit(&lane->token, 1, memory_order_release); /* W8 */
			if (wakes)
				shared_wake(&lane->token, 1);
		}
	}
	return last;
}

void rouse(struct pool *pool, size_t wanted)
{
	choose(pool, wanted, true);
}

/* Woken all at once, from a processor that is busy, they would end one after the other on the one that
 * is not. */
void rouse_to_leave(struct pool *pool)
{
	struct lane *last = choose(pool, SIZE_MAX, false);

	if (last) /* when all have their token, which the others are known by */
		shared_wake(&last->token, 1);
}

void rouse_again(struct pool *pool)
{
	for (int i = 0; i < pool->segment->workers; i++)
		shared_wake(&pool->segment->lanes[i].token, 1);
}

void make_room(struct pool *pool)
{
	struct control *control = pool->segment->control;

	if (atomic_load_explicit(&control->blocked, memory_order_seq_cst) == 0) /* K2 */
		return;
	atomic_fetch_add_explicit(&control->room, 1, memory_order_seq_cst); /* K2 */
	shared_wake(&control->room, INT_MAX);
}
