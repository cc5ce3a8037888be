/* SPDX-License-Identifier: MIT */
/*
 * Records allocated by one thread and freed by another, while threads come and go. Each record is
 * filled with its own number and checked before it is freed: two owners of one record, or a link
 * written into a record in use, would show. What destructors of thread-specific data allocate, in each
 * round of them, costs no memory for ever.
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
	uint64_t number = atomic_fetch_add_explicit(&numbers, WORDS, memory_order_relaxed);
	uint64_t *record;

	slab_fetch_ahead(); /* a hint, wherever it points to */
	record = slab_allocate();
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

/* Destroyed before and after the slab's own key in each round: one is made before that, one after it. */
static pthread_key_t keys[2];
static uintptr_t places[50]; /* of 64 KiB, that records were in */
static size_t place_count;

struct late {
	pthread_key_t key;
	int rounds;
};

static void note_place(const void *record)
{
	uintptr_t place = (uintptr_t)record >> 16;

	for (size_t i = 0; i < place_count; i++)
		if (places[i] == place)
			return;
	MUST(place_count < sizeof places / sizeof *places);
	places[place_count++] = place;
}

static void allocate_late(void *user)
{
	struct late *late = user;
	uint64_t *record = make();

	note_place(record);
	check_and_free(record);
	if (++late->rounds < validate_destructor_rounds())
		MUST(pthread_setspecific(late->key, late) == 0);
}

static void *be_late(void *user)
{
	struct late *lates = user;

	check_and_free(make());
	for (int i = 0; i < 2; i++)
		MUST(pthread_setspecific(lates[i].key, &lates[i]) == 0);
	return NULL;
}

static void allocate_while_destroyed(void)
{
	for (int i = 0; i < 200; i++) {
		struct late lates[2] = {{.key = keys[0]}, {.key = keys[1]}};
		pthread_t thread;

		validate_start(&thread, be_late, lates);
		validate_join(thread);
		MUST(lates[0].rounds + lates[1].rounds == 2 * validate_destructor_rounds());
	}
}

int main(void)
{
	int generations = validate_rounds(400);

	validate_expect_end(60);
	MUST(pthread_key_create(&keys[0], allocate_late) == 0);
	check_and_free(make()); /* makes the slab's */
	MUST(pthread_key_create(&keys[1], allocate_late) == 0);
	allocate_while_destroyed();
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
