/* SPDX-License-Identifier: MIT */
/*
 * Hunts for lost wake-ups. The work is a pair of counters for each producer, which gives with a plain
 * store; consumers take from it and sleep as the workers of the pool do, producers wake. If a wake-up
 * is lost, a producer that waits for its work to be taken waits for ever, and the alarm rings; or a
 * consumer does that waits for another to take the second of a pair. With either form of the fences.
 *
 * Ordering; K1 is that of park.h
 *   V1  add: release store of given  ->  take: acquire load     as a queue's push and pop (Q1)
 *   V2  take: release add to taken  ->  produce_slowly: acquire load     what the taker did with it
 *   V3  hunt: seq_cst store of stopping  ->  consume: acquire load, then the last look
 *       what was given before; and by K1 nobody sleeps over it
 *
 * Relaxed without a word: a producer's own count; a source's count of what was taken, which
 * publishes nothing; and what is_empty() looks at, behind a fence or until it holds.
 */
#include "../park.h"

#include "validate.h"

#include <stdio.h>

#define CONSUMERS 3
#define PRODUCERS 2

struct source {
	_Alignas(PORT_APART) _Atomic uint32_t given; /* written by its producer only */
	_Alignas(PORT_APART) _Atomic uint32_t taken;
};

static struct park park;
static struct source sources[PRODUCERS];
static _Atomic uint64_t taken;
static _Atomic bool stopping;
static bool paired; /* units come in pairs; set before there are threads */

static bool is_empty(const struct source *source)
{
	return atomic_load_explicit(&source->taken, memory_order_relaxed) ==
	       atomic_load_explicit(&source->given, memory_order_relaxed);
}

static bool take(struct source **source, uint32_t *unit)
{
	for (int i = 0; i < PRODUCERS; i++) {
		uint32_t before = atomic_load_explicit(&sources[i].taken, memory_order_relaxed);

		while (before <
		       atomic_load_explicit(&sources[i].given, memory_order_acquire)) /* V1 */
			if (atomic_compare_exchange_weak_explicit(&sources[i].taken, &before,
								  before + 1, memory_order_relaxed,
								  memory_order_relaxed)) {
				atomic_fetch_add_explicit(&taken, 1, memory_order_release); /* V2 */
				*source = &sources[i];
				*unit = before;
				return true;
			}
	}
	return false;
}

/* Who has the first of a pair cannot take the second, too. Of the others there is always one that can:
 * a producer has given one pair at most. */
static void await_second(const struct source *source, uint32_t unit)
{
	unsigned step = 0;

	if (paired && unit % 2 == 0)
		while (atomic_load_explicit(&source->taken, memory_order_relaxed) == unit + 1)
			port_backoff(&step);
}

static void rouse(void)
{
	uint64_t counts = park_look(&park);

	if (!park_searchers(counts) && park_sleepers(counts))
		park_wake(&park);
}

/* The searcher that finds something wakes the next for the rest, as the pool's workers do. */
static void stop_searching(bool *searching)
{
	if (*searching && park_found(&park))
		for (int i = 0; i < PRODUCERS; i++)
			if (!is_empty(&sources[i]))
				rouse();
	*searching = false;
}

static void *consume(void *user)
{
	uint32_t self = (uint32_t)(uintptr_t)user;
	bool searching = false;
	struct source *source;
	uint32_t unit;

	for (;;) {
		bool last = atomic_load_explicit(&stopping, memory_order_acquire); /* V3 */

		if (take(&source, &unit)) {
			stop_searching(&searching);
			await_second(source, unit);
			continue;
		}
		if (last) {
			stop_searching(&searching);
			park_wake_all(&park);
			return NULL;
		}
		if (!searching)
			park_search(&park);
		searching = true;
		park_announce(&park, self);
		if (take(&source, &unit)) {
			park_withdraw(&park, self);
			stop_searching(&searching);
			await_second(source, unit);
		} else if (atomic_load_explicit(&stopping, memory_order_seq_cst)) { /* V3 K1 */
			park_withdraw(&park, self);
		} else {
			park_sleep(&park, self);
		}
	}
}

static void add(struct source *source, uint32_t count)
{
	uint32_t given = atomic_load_explicit(&source->given, memory_order_relaxed);

	atomic_store_explicit(&source->given, given + count, memory_order_release); /* V1 */
	rouse();
}

struct producer {
	struct source *source;
	int rounds;
};

/* One at a time: every unit of work finds the consumers asleep, or about to be. */
static void *produce_slowly(void *user)
{
	const struct producer *producer = user;

	for (int i = 0; i < producer->rounds; i++) {
		uint64_t before = atomic_load_explicit(&taken, memory_order_acquire); /* V2 */
		unsigned step = 0;

		add(producer->source, 1);
		/* This unit, or one that the other producer waits for in the same way. */
		while (atomic_load_explicit(&taken, memory_order_acquire) == before) /* V2 */
			port_backoff(&step);
		for (int pause = i % 64; pause > 0; pause--)
			port_pause();
	}
	return NULL;
}

static void *produce_fast(void *user)
{
	const struct producer *producer = user;
	uint32_t seed = 7;

	for (int i = 0; i < producer->rounds;) {
		int count = 1 + (int)(validate_random(&seed) % 3);

		if (count > producer->rounds - i)
			count = producer->rounds - i;
		add(producer->source, (uint32_t)count);
		i += count;
		/* Now and then long enough for the consumers to run dry. */
		for (uint32_t pause = validate_random(&seed) % 128; pause > 0; pause--)
			port_pause();
	}
	return NULL;
}

/* Both at once, so that one wake has to do for two consumers; or the second in time for one that searches. */
static void *produce_pairs(void *user)
{
	const struct producer *producer = user;
	struct source *source = producer->source;
	uint32_t seed = 9;

	for (int i = 0; i < producer->rounds; i += 2) {
		unsigned step = 0;

		if (validate_random(&seed) % 2) {
			add(source, 2);
		} else {
			add(source, 1);
			for (uint32_t pause = validate_random(&seed) % 64; pause > 0; pause--)
				port_pause();
			add(source, 1);
		}
		while (!is_empty(source))
			port_backoff(&step);
		for (uint32_t pause = validate_random(&seed) % 128; pause > 0; pause--)
			port_pause();
	}
	return NULL;
}

static void hunt(void *(*produce)(void *), int rounds, bool lopsided)
{
	pthread_t consumers[CONSUMERS], threads[PRODUCERS];
	struct producer producers[PRODUCERS];

	MUST(park_init(&park, CONSUMERS, lopsided));
	atomic_store(&taken, 0);
	atomic_store(&stopping, false);
	paired = produce == produce_pairs;
	for (int i = 0; i < PRODUCERS; i++) {
		sources[i] = (struct source){0};
		producers[i] = (struct producer){&sources[i], rounds};
	}
	for (int i = 0; i < CONSUMERS; i++)
		validate_start(&consumers[i], consume, (void *)(uintptr_t)i);
	for (int i = 0; i < PRODUCERS; i++)
		validate_start(&threads[i], produce, &producers[i]);
	for (int i = 0; i < PRODUCERS; i++)
		validate_join(threads[i]);
	atomic_store_explicit(&stopping, true, memory_order_seq_cst); /* V3 K1 */
	port_fence_heavy(lopsided);
	park_wake_all(&park);
	for (int i = 0; i < CONSUMERS; i++)
		validate_join(consumers[i]);
	MUST(atomic_load(&taken) == (uint64_t)rounds * PRODUCERS);
	/* Nobody is counted who is not there. */
	MUST(atomic_load(&park.counts) == 0);
	for (int i = 0; i < CONSUMERS; i++)
		MUST(atomic_load(&park.asleep[i]) == 0);
	MUST(atomic_load(&park.parks) > 0);
	park_free(&park);
}

/* Workers on their way to sleep are told to go, again and again: none stays behind. */
static void hunt_stop(int rounds, bool lopsided)
{
	pthread_t consumers[CONSUMERS];
	uint32_t seed = 5;

	while (rounds--) {
		MUST(park_init(&park, CONSUMERS, lopsided));
		atomic_store(&stopping, false);
		for (int i = 0; i < CONSUMERS; i++)
			validate_start(&consumers[i], consume, (void *)(uintptr_t)i);
		for (uint32_t pause = validate_random(&seed) % 2048; pause > 0; pause--)
			port_pause();
		atomic_store_explicit(&stopping, true, memory_order_seq_cst); /* V3 K1 */
		port_fence_heavy(lopsided);
		park_wake_all(&park);
		for (int i = 0; i < CONSUMERS; i++)
			validate_join(consumers[i]);
		MUST(atomic_load(&park.counts) == 0);
		park_free(&park);
	}
}

int main(void)
{
	validate_expect_end(100);
	for (int lopsided = port_can_be_lopsided(); lopsided >= 0; lopsided--) {
		hunt(produce_slowly, validate_rounds(40000), lopsided);
		hunt(produce_fast, validate_rounds(600000), lopsided);
		hunt(produce_pairs, validate_rounds(10000) * 2, lopsided);
		hunt_stop(validate_rounds(1000), lopsided);
		printf("%s fences: nothing lost\n", lopsided ? "lopsided" : "full");
	}
	return 0;
}
