/* SPDX-License-Identifier: MIT */
/*
 * Records allocated by one thread and freed by another, while threads come and go. Each record is
 * filled with its own number and checked before it is freed: two owners of one record, or a link
 * written into a record in use, would show.
 *
 * Ordering
 *   V1  exchange: release exchange of a slot  ->  acquire exchange of it     what is in the record
 *
 * Relaxed without a word: the counts, which are read when the threads are joined, and numbers.
 */
#include "../slab.h"

#include "validate.h"

#define THREADS 4
#define SLOTS 256
#define WORDS (SLAB_RECORD / sizeof(uint64_t))

/* Where threads leave records for each other. */
static _Atomic(uint64_t *) slots[SLOTS];
static _Atomic uint64_t allocated, freed, numbers;

static uint64_t *make(void)
{
	uint64_t *record = slab_allocate();
	uint64_t number = atomic_fetch_add_explicit(&numbers, WORDS, memory_order_relaxed);

	MUST(record);
	MUST((uintptr_t)record % SLAB_RECORD == 0);
	for (size_t i = 0; i < WORDS; i++)
		record[i] = number + i;
	atomic_fetch_add_explicit(&allocated, 1, memory_order_relaxed);
	return record;
}

static void check_and_free(uint64_t *record)
{
	MUST(record[0] % WORDS == 0);
	for (size_t i = 0; i < WORDS; i++)
		MUST(record[i] == record[0] + i);
	slab_free(record);
	atomic_fetch_add_explicit(&freed, 1, memory_order_relaxed);
}

static void *exchange(void *user)
{
	uint32_t seed = (uint32_t)(uintptr_t)user;
	int rounds = validate_rounds(20000);

	for (int i = 0; i < rounds; i++) {
		uint32_t random = validate_random(&seed);
		uint64_t *record = random & 256 ? make() : NULL;

		/* What this thread made goes in, what another left comes out. */
		record = atomic_exchange_explicit(&slots[random % SLOTS], record,
						  memory_order_acq_rel); /* V1 */
		if (record)
			check_and_free(record);
		if ((random & 0xf000) == 0) /* and one that stays at home */
			check_and_free(make());
	}
	return NULL;
}

int main(void)
{
	int generations = validate_rounds(400);

	validate_expect_end(60);
	for (int generation = 0; generation < generations; generation++) {
		pthread_t threads[THREADS];

		for (int i = 0; i < THREADS; i++)
			validate_start(&threads[i], exchange,
				       (void *)(uintptr_t)(1 + generation * THREADS + i));
		for (int i = 0; i < THREADS; i++)
			validate_join(threads[i]);
	}
	for (int i = 0; i < SLOTS; i++) {
		uint64_t *record = atomic_load(&slots[i]);

		if (record)
			check_and_free(record);
	}
	MUST(atomic_load(&allocated) > 0);
	MUST(atomic_load(&allocated) == atomic_load(&freed));
	return 0;
}
