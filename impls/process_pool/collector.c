/* SPDX-License-Identifier: MIT */
/*
 * The thread that ends tasks which somebody watches, has called back for, or has forgotten: callbacks
 * run here. The labels are those of segment.h and pool.h.
 */
#include "pool.h"

static _Thread_local const struct pool *own; /* whose collector this thread is */

bool is_collector(const struct pool *pool)
{
	return pool == own;
}

static void collect_slot(struct pool *pool, uint32_t index, bool all)
{
	struct slot *slot = &pool->segment->slots[index];
	uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire); /* S2 */

	if (status_of(word) == SLOT_DONE && (all || word & SLOT_TELL))
		ticket_collect(pool, index, word);
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

static void collect_told(struct pool *pool)
{
	for (int i = 0; i < pool->segment->workers; i++)
		if (has_told(&pool->segment->lanes[i]))
			listen_to(pool, &pool->segment->lanes[i]);
	if (atomic_exchange_explicit(&pool->scan, 0, memory_order_seq_cst)) /* K1 */
		collect_all(pool, false);
}

/* Or until it is over. False: the deadline passed. */
static bool wait_for_news(struct pool *pool, const _Atomic uint32_t *is_over, int64_t deadline_ns)
{
	struct control *control = pool->segment->control;
	bool in_time = true;

	atomic_store_explicit(&control->bell, 1, memory_order_seq_cst);              /* K1 */
	if (!has_news(pool) && !atomic_load_explicit(is_over, memory_order_seq_cst)) /* K1 */
		while (in_time && atomic_load_explicit(&control->bell, memory_order_seq_cst))
			in_time = shared_sleep(&control->bell, 1, deadline_ns);
	atomic_store_explicit(&control->bell, 0, memory_order_seq_cst); /* K1 */
	return in_time;
}

/* The collector's, in a callback that waits: it sleeps on the bell all the same. */
struct nap {
	struct control *control;
	_Atomic uint32_t is_over; /* 1: its signal is set; 2: and this is not touched any more */
};

static void wake_collector(struct assay_signal *signal)
{
	struct nap *nap = signal->sleeper;

	atomic_store_explicit(&nap->is_over, 1, memory_order_seq_cst); /* K1 */
	ring_bell(nap->control);
	atomic_store_explicit(&nap->is_over, 2, memory_order_release); /* P7 */
}

int collector_park(struct pool *pool, struct assay_signal *signal, int64_t timeout_ns)
{
	int64_t deadline_ns = assay_deadline_ns(timeout_ns);
	struct nap nap = {pool->segment->control, 0};
	uint32_t state = ASSAY_SIGNAL_CLEAR;
	unsigned step = 0;

	signal->wake = wake_collector;
	signal->sleeper = &nap;
	if (!__atomic_compare_exchange_n(&signal->state, &state, (uint32_t)ASSAY_SIGNAL_PARKED,
					 false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) /* G2 G1 */
		return ASSAY_OK;                                                     /* it is set */
	do
		collect_told(pool);
	while (!atomic_load_explicit(&nap.is_over, memory_order_acquire) && /* P7 */
	       (has_news(pool) ? assay_clock_ns() < deadline_ns
			       : wait_for_news(pool, &nap.is_over, deadline_ns)));
	state = ASSAY_SIGNAL_PARKED;
	if (__atomic_compare_exchange_n(&signal->state, &state, (uint32_t)ASSAY_SIGNAL_CLEAR, false,
					__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) /* G1 */
		return ASSAY_ETIMEDOUT;
	while (atomic_load_explicit(&nap.is_over, memory_order_acquire) != 2) /* P7 */
		port_backoff(&step);
	return ASSAY_OK;
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

	own = pool;
	attach(pool, &visit);
	while (!atomic_load_explicit(&pool->final, memory_order_acquire)) { /* P5 */
		collect_told(pool);
		ticket_call_back(pool);
		if (!has_news(pool))
			wait_for_news(pool, &pool->final, ASSAY_FOREVER);
	}
	collect_all(pool, true); /* nothing runs any more */
	ticket_call_back(pool);
	return NULL;
}
