/* SPDX-License-Identifier: MIT */
/*
 * Hunts for lost wake-ups. The work is a counter; consumers take from it and sleep as the workers
 * of the pool do, producers add to it and wake. If a wake-up is lost, a producer that waits for its
 * work to be taken waits for ever, and the alarm rings.
 */
#include "../park.h"

#include "validate.h"

#define CONSUMERS 3
#define PRODUCERS 2

static struct park park;
static _Atomic uint32_t work;
static _Atomic uint64_t taken;
static _Atomic bool stopping;

static bool take(void)
{
	uint32_t left = atomic_load_explicit(&work, memory_order_seq_cst); /* K1 */

	while (left > 0)
		if (atomic_compare_exchange_weak_explicit(
			    &work, &left, left - 1, memory_order_seq_cst, memory_order_seq_cst)) {
			atomic_fetch_add_explicit(&taken, 1, memory_order_release);
			return true;
		}
	return false;
}

static void *consume(void *user)
{
	for (;;) {
		bool last = atomic_load_explicit(&stopping, memory_order_acquire);

		(void)user;
		if (take())
			continue;
		if (last)
			return NULL;
		park_announce(&park);
		if (take() || atomic_load_explicit(&stopping, memory_order_seq_cst))
			park_withdraw(&park);
		else
			park_sleep(&park);
	}
}

static void add(uint32_t count)
{
	atomic_fetch_add_explicit(&work, count, memory_order_seq_cst); /* K1 */
	park_wake(&park, count);
}

/* One at a time: every unit of work finds the consumers asleep, or about to be. */
static void *produce_slowly(void *user)
{
	int rounds = *(const int *)user;

	for (int i = 0; i < rounds; i++) {
		uint64_t before = atomic_load_explicit(&taken, memory_order_acquire);
		unsigned step = 0;

		add(1);
		/* This unit, or one that the other producer waits for in the same way. */
		while (atomic_load_explicit(&taken, memory_order_acquire) == before)
			port_backoff(&step);
		for (int pause = i % 64; pause > 0; pause--)
			port_pause();
	}
	return NULL;
}

static void *produce_fast(void *user)
{
	int rounds = *(const int *)user;
	uint32_t seed = 7;

	for (int i = 0; i < rounds;) {
		int count = 1 + (int)(validate_random(&seed) % 3);

		if (count > rounds - i)
			count = rounds - i;
		add((uint32_t)count);
		i += count;
		/* Now and then long enough for the consumers to run dry. */
		for (uint32_t pause = validate_random(&seed) % 128; pause > 0; pause--)
			port_pause();
	}
	return NULL;
}

static void hunt(void *(*produce)(void *), int rounds)
{
	pthread_t consumers[CONSUMERS], producers[PRODUCERS];

	park = (struct park){0};
	atomic_store(&taken, 0);
	atomic_store(&stopping, false);
	for (int i = 0; i < CONSUMERS; i++)
		validate_start(&consumers[i], consume, NULL);
	for (int i = 0; i < PRODUCERS; i++)
		validate_start(&producers[i], produce, &rounds);
	for (int i = 0; i < PRODUCERS; i++)
		validate_join(producers[i]);
	atomic_store_explicit(&stopping, true, memory_order_seq_cst);
	park_wake(&park, UINT32_MAX);
	for (int i = 0; i < CONSUMERS; i++)
		validate_join(consumers[i]);
	MUST(atomic_load(&taken) == (uint64_t)rounds * PRODUCERS);
	MUST(atomic_load(&work) == 0);
	/* Nobody is counted who is not there, and no wake-up is left for nobody. */
	MUST(atomic_load(&park.sleepers) == 0);
	MUST(atomic_load(&park.tokens) == 0);
	MUST(atomic_load(&park.parks) > 0);
}

int main(void)
{
	validate_expect_end(60);
	hunt(produce_slowly, validate_rounds(30000));
	hunt(produce_fast, validate_rounds(500000));
	return 0;
}
