/* SPDX-License-Identifier: MIT */
/*
 * Ordering
 *   L1  slab_free by another thread: release push on returned
 *         -> slab_allocate by the owner: acquire exchange of returned
 *       the freed record's contents. Only whole lists are taken: a push needs no guard against ABA.
 *
 * Ownership: free_list, fresh and fresh_end belong to the thread whose `mine` is this slab, or to
 * nobody while the slab is on the idle list (under idle_mutex). A slab lives for ever, so a thread
 * may push on `returned` at any time.
 */
#include "slab.h"

#include "port.h"

#include <stdlib.h>

#define CHUNK_SIZE 65536
/* A record is fetched so many allocations ahead: memory has long answered by then, and the caches still hold it. */
#define AHEAD 64
#define NEAR (4 * SLAB_RECORD)

struct record {
	struct record *next;
};

struct slab {
	struct record *free_list;
	char *fresh; /* never used records of the newest chunk */
	char *fresh_end;
	struct slab *next_idle;
	_Alignas(PORT_APART) _Atomic(struct record *) returned; /* freed by other threads */
};

/* At the start of each chunk, in the place of one record. */
struct chunk {
	struct slab *owner;
	struct chunk *next; /* keeps every chunk reachable for leak checkers */
};

#if PORT_ASAN
/* Under AddressSanitizer every record is its own allocation, so that a late access is caught. */

void *slab_allocate(void)
{
	return aligned_alloc(SLAB_RECORD, SLAB_RECORD);
}

void *slab_try_allocate(void)
{
	return slab_allocate();
}

void slab_free(void *record)
{
	free(record);
}

void slab_fetch_ahead(void)
{
}

#else

static pthread_mutex_t idle_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct slab *idle;
static _Atomic(struct chunk *) chunks; /* only pushed to */
static pthread_key_t key; /* its destructor puts a slab on the idle list when its thread ends */
static bool key_exists;   /* under idle_mutex */

static _Thread_local struct slab *mine;
static _Thread_local bool over; /* the destructor has run: another slab might never be retired */

static void retire(struct slab *slab)
{
	pthread_mutex_lock(&idle_mutex);
	slab->next_idle = idle;
	idle = slab;
	pthread_mutex_unlock(&idle_mutex);
}

static void retire_mine(void *slab)
{
	mine = NULL;
	over = true;
	retire(slab);
}

static void lock_idle(void)
{
	pthread_mutex_lock(&idle_mutex);
}

static void unlock_idle(void)
{
	pthread_mutex_unlock(&idle_mutex);
}

/* A child finds the list whole, whatever other threads are doing. */
PORT_AT_LOAD static void watch_forks(void)
{
	pthread_atfork(lock_idle, unlock_idle, unlock_idle);
}

/* An idle slab, or a new one: the thread's own, if its end will be noticed. */
static struct slab *adopt(void)
{
	struct slab *slab;
	bool keeps;

	pthread_mutex_lock(&idle_mutex);
	key_exists = key_exists || pthread_key_create(&key, retire_mine) == 0;
	keeps = key_exists && !over;
	slab = idle;
	if (slab)
		idle = slab->next_idle;
	pthread_mutex_unlock(&idle_mutex);
	if (!slab) {
		slab = aligned_alloc(PORT_APART, sizeof *slab);
		if (!slab)
			return NULL;
		*slab = (struct slab){0};
	}
	if (keeps && pthread_setspecific(key, slab) == 0)
		mine = slab;
	return slab;
}

static void *take_record(struct slab *slab)
{
	struct record *record = slab->free_list;
	struct chunk *chunk;

	if (!record)
		record = atomic_exchange_explicit(&slab->returned, NULL,
						  memory_order_acquire); /* L1 */
	if (record) {
		slab->free_list = record->next;
		return record;
	}
	if (slab->fresh == slab->fresh_end) {
		chunk = aligned_alloc(CHUNK_SIZE, CHUNK_SIZE);
		if (!chunk)
			return NULL;
		chunk->owner = slab;
		/* relaxed: linked, and never followed */
		chunk->next = atomic_load_explicit(&chunks, memory_order_relaxed);
		while (!atomic_compare_exchange_weak_explicit(
			&chunks, &chunk->next, chunk, memory_order_relaxed, memory_order_relaxed))
			;
		slab->fresh = (char *)chunk + SLAB_RECORD;
		slab->fresh_end = (char *)chunk + CHUNK_SIZE;
	}
	record = (struct record *)slab->fresh;
	slab->fresh += SLAB_RECORD;
	return record;
}

PORT_RARE static void *allocate_slow(void)
{
	struct slab *slab = mine ? mine : adopt();
	void *record;

	if (!slab)
		return NULL;
	record = take_record(slab);
	if (slab != mine)
		retire(slab);
	return record;
}

void *slab_try_allocate(void)
{
	struct slab *slab = mine;
	struct record *record = slab ? slab->free_list : NULL;

	if (record)
		slab->free_list = record->next;
	return record;
}

void *slab_allocate(void)
{
	void *record = slab_try_allocate();

	return record ? record : allocate_slow();
}

/* The list itself cannot be followed so far without a wait for each record: the address is a guess, and made
 * only where the next one is near. */
void slab_fetch_ahead(void)
{
	struct slab *slab = mine;
	uintptr_t first, step;

	if (!slab || !slab->free_list)
		return;
	first = (uintptr_t)slab->free_list;
	step = (uintptr_t)slab->free_list->next - first;
	if (step + NEAR <= 2 * NEAR)
		port_prefetch((void *)(first + AHEAD * step));
}

void slab_free(void *memory)
{
	struct chunk *chunk = (struct chunk *)((uintptr_t)memory & ~(uintptr_t)(CHUNK_SIZE - 1));
	struct slab *owner = chunk->owner;
	struct record *record = memory;

	if (owner == mine) {
		record->next = owner->free_list;
		owner->free_list = record;
		return;
	}
	/* relaxed: the value is only linked, not followed */
	record->next = atomic_load_explicit(&owner->returned, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&owner->returned, &record->next, record,
						      memory_order_release, /* L1 */
						      memory_order_relaxed))
		;
}

#endif
