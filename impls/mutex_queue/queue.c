/* SPDX-License-Identifier: MIT */
/*
 * One ring under one mutex, first in, first out. When it is long, a worker takes several tasks under
 * one lock, and keeps them in a deque of its own where idle workers may steal them. Q1 and P6 are
 * the mutex's, for the deques D1 and D3; K1 holds because length and the ends of deques are atomics.
 *
 * Ordering
 *   B1  set_count: release store of length, under the mutex  ->  acquire load without it
 *       a length of 0 is as good as the count: as part of K1, and for P6 what its takers did before
 *   B2  steal: store of taking (P6 in worker.h), light fence, then the load of closed
 *         against   close: store of closed, heavy fence, then the looks at who is taking
 *       a worker whose taking is not seen moves nothing any more
 *
 * Relaxed without a word: steals, a statistic.
 */
#include "../core/queue.h"

#include "../core/deque.h"
#include "../core/pace.h"

#include <stdlib.h>
#include <string.h>

/* Tasks taken under one lock at most. */
#define BATCH 128
/* With so many a worker does not wait for more; see pace.h. */
#define ENOUGH 64
#define SMALLEST 64

struct own {
	struct deque taken; /* latest first */
	int index;
	/* The worker's. */
	struct pace pace;
	uint64_t turns; /* of the queue, when it took something last */
	_Atomic uint64_t steals;
};

struct queue {
	_Alignas(PORT_APART) pthread_mutex_t mutex; /* guards up to `closed` */
	struct future **ring;
	size_t size; /* a power of two */
	size_t first;
	size_t count;
	size_t left; /* futures that were run where they were, whose entries may be here */
	uint64_t pushed;
	uintptr_t pusher; /* of the latest push: an address that no other thread has at the time */
	uint64_t turns;   /* how often that was another than before, or a worker */
	_Atomic bool closed; /* read without it, too */
	/* Written under the mutex: looked at first, so that who finds nothing needs no lock. */
	_Alignas(PORT_APART) _Atomic size_t length;
	uint32_t workers;
	bool lopsided;
	struct own own[];
};

static _Thread_local char self; /* for its address */

/* Who finds it locked looks for a while before it sleeps: it is held for a few lines. */
static void init_mutex(pthread_mutex_t *mutex)
{
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
	pthread_mutex_init(mutex, &attributes);
	pthread_mutexattr_destroy(&attributes);
}

struct queue *queue_create(int workers, bool lopsided)
{
	size_t size = sizeof(struct queue) + (size_t)workers * sizeof(struct own);
	struct queue *queue = aligned_alloc(PORT_APART, size);

	if (!queue)
		return NULL;
	memset(queue, 0, size);
	queue->workers = (uint32_t)workers;
	queue->lopsided = lopsided;
	queue->size = SMALLEST;
	queue->ring = malloc(queue->size * sizeof *queue->ring);
	if (!queue->ring) {
		free(queue);
		return NULL;
	}
	init_mutex(&queue->mutex);
	for (int i = 0; i < workers; i++) {
		queue->own[i].index = i;
		deque_init(&queue->own[i].taken, lopsided);
	}
	return queue;
}

void queue_destroy(struct queue *queue)
{
	for (uint32_t i = 0; i < queue->workers; i++)
		deque_free(&queue->own[i].taken);
	pthread_mutex_destroy(&queue->mutex);
	free(queue->ring);
	free(queue);
}

static void set_count(struct queue *queue, size_t count)
{
	queue->count = count;
	atomic_store_explicit(&queue->length, count, memory_order_release); /* B1 */
}

/* relaxed: under the mutex; or behind a fence of B2 */
static bool is_closed(struct queue *queue)
{
	return atomic_load_explicit(&queue->closed, memory_order_relaxed);
}

/* Under the mutex: takes out what has started already. */
static void prune(struct queue *queue)
{
	size_t kept = 0;

	for (size_t i = 0; i < queue->count; i++) {
		struct future *future = queue->ring[(queue->first + i) & (queue->size - 1)];

		if (future_has_started(future))
			future_release_entry(future);
		else
			queue->ring[(queue->first + kept++) & (queue->size - 1)] = future;
	}
	queue->left = 0;
	set_count(queue, kept);
}

/* Under the mutex: makes room where there is none. False without memory. */
PORT_RARE static bool grow(struct queue *queue, size_t count)
{
	size_t size = queue->size;
	struct future **ring;

	if (2 * queue->left >= size)
		prune(queue);
	while (size < queue->count + count)
		size *= 2;
	if (size == queue->size)
		return true;
	ring = malloc(size * sizeof *ring);
	if (!ring)
		return false;
	for (size_t i = 0; i < queue->count; i++)
		ring[i] = queue->ring[(queue->first + i) & (queue->size - 1)];
	free(queue->ring);
	queue->ring = ring;
	queue->size = size;
	queue->first = 0;
	return true;
}

struct own *queue_own(struct queue *queue, int worker)
{
	return &queue->own[worker];
}

/* Under the mutex, as the next one, which needs the room. */
static inline bool has_room(const struct queue *queue, size_t count)
{
	return queue->count + count <= queue->size;
}

static inline void put(struct queue *queue, struct own *own, struct future *const *futures,
		       size_t count)
{
	if (own)
		pace_pushed(&own->pace);
	for (size_t i = 0; i < count; i++)
		queue->ring[(queue->first + queue->count + i) & (queue->size - 1)] = futures[i];
	queue->pushed += count;
	queue->turns += own || queue->pusher != (uintptr_t)&self;
	queue->pusher = (uintptr_t)&self;
	set_count(queue, queue->count + count);
}

int queue_push_many(struct queue *queue, struct own *own, struct future *const *futures,
		    size_t count)
{
	int error = ASSAY_OK;

	pthread_mutex_lock(&queue->mutex);
	if (is_closed(queue))
		error = ASSAY_ESHUTDOWN;
	else if (!has_room(queue, count) && !grow(queue, count))
		error = ASSAY_ENOMEM;
	else
		put(queue, own, futures, count);
	pthread_mutex_unlock(&queue->mutex);
	return error;
}

bool queue_try_push(struct queue *queue, struct own *own, struct future *future)
{
	bool fits;

	pthread_mutex_lock(&queue->mutex);
	fits = !is_closed(queue) && has_room(queue, 1);
	if (fits)
		put(queue, own, &future, 1);
	pthread_mutex_unlock(&queue->mutex);
	return fits;
}

/* Tasks of the ring, oldest first: a share of them that leaves enough for every worker. If there are any,
 * *turns is set to the queue's. */
static size_t take(struct queue *queue, struct future **futures, size_t most, uint64_t *turns)
{
	size_t count = 0;

	if (atomic_load_explicit(&queue->length, memory_order_acquire) == 0) /* B1 */
		return 0;
	pthread_mutex_lock(&queue->mutex);
	if (queue->count) {
		count = queue->count / queue->workers;
		/* After a close nothing is moved: who looks then finds everything. */
		count = count < 1 || is_closed(queue) ? 1 : count > most ? most : count;
		for (size_t i = 0; i < count; i++)
			futures[i] = queue->ring[(queue->first + i) & (queue->size - 1)];
		queue->first += count;
		set_count(queue, queue->count - count);
		*turns = queue->turns;
	}
	pthread_mutex_unlock(&queue->mutex);
	return count;
}

/* Of several tasks the first for now, the others for later. */
static struct future *keep(struct own *own, struct future **batch, size_t count, bool *moved)
{
	*moved = count > 1;
	return deque_keep(&own->taken, batch, count);
}

/* The same of what others had kept, where the latest lies first. */
static struct future *keep_stolen(struct own *own, struct future **batch, size_t count, bool *moved)
{
	*moved = count > 1;
	deque_push_many(&own->taken, batch, count - 1);
	return batch[count - 1];
}

static struct future *take_batch(struct queue *queue, struct own *own, bool *moved)
{
	struct future *batch[BATCH];
	uint64_t turns = own->turns;
	size_t count;

	pace_await(&own->pace, queue);
	/* Without room for more, one has to be enough. */
	count = take(queue, batch, deque_reserve(&own->taken, BATCH) ? BATCH : 1, &own->turns);
	pace_note(&own->pace, count, ENOUGH, own->turns == turns);
	return keep(own, batch, count, moved);
}

/* A worker that says after a close that it takes something (P6 in worker.h) moves no more than that. */
static size_t most(struct queue *queue, struct own *own)
{
	port_fence_light(queue->lopsided); /* B2 */
	return !is_closed(queue) && deque_reserve(&own->taken, BATCH) ? BATCH : 1;
}

static struct future *steal(struct queue *queue, struct own *own, bool *moved)
{
	struct future *batch[BATCH];

	for (uint32_t i = 0; i < queue->workers; i++) {
		struct deque *taken = &queue->own[i].taken;
		size_t count = 0;

		while ((int)i != own->index && !count && !deque_looks_empty(taken))
			count = deque_steal_many(taken, batch, most(queue, own), own->index);
		if (count) {
			atomic_fetch_add_explicit(&own->steals, count, memory_order_relaxed);
			return keep_stolen(own, batch, count, moved);
		}
	}
	return NULL;
}

/* For who is no worker: one at a time, until there is nothing. */
static struct future *pop_outside(struct queue *queue)
{
	struct future *future;
	uint64_t turns;

	if (take(queue, &future, 1, &turns))
		return future;
	for (uint32_t i = 0; i < queue->workers; i++)
		while (!deque_looks_empty(&queue->own[i].taken)) {
			future = deque_steal(&queue->own[i].taken);
			if (future)
				return future;
		}
	return NULL;
}

struct future *queue_pop(struct queue *queue, struct own *own, bool *moved)
{
	struct future *future;

	if (!own)
		return pop_outside(queue);
	*moved = false;
	future = deque_pop(&own->taken);
	if (!future)
		future = take_batch(queue, own, moved);
	return future ? future : steal(queue, own, moved);
}

bool queue_take_back(struct queue *queue, struct own *own, const struct future *wanted)
{
	bool taken;

	(void)own;
	pthread_mutex_lock(&queue->mutex);
	taken = queue->count &&
		queue->ring[(queue->first + queue->count - 1) & (queue->size - 1)] == wanted;
	if (taken)
		set_count(queue, queue->count - 1);
	else
		queue->left++;
	pthread_mutex_unlock(&queue->mutex);
	return taken;
}

bool queue_looks_empty(struct queue *queue)
{
	if (atomic_load_explicit(&queue->length, memory_order_acquire)) /* B1 */
		return false;
	for (uint32_t i = 0; i < queue->workers; i++)
		if (!deque_looks_empty(&queue->own[i].taken))
			return false;
	return true;
}

void queue_close(struct queue *queue)
{
	pthread_mutex_lock(&queue->mutex);
	atomic_store_explicit(&queue->closed, true, memory_order_relaxed); /* B2 */
	pthread_mutex_unlock(&queue->mutex);
	port_fence_heavy(queue->lopsided); /* B2 */
}

uint64_t queue_pushed(struct queue *queue)
{
	uint64_t pushed;

	pthread_mutex_lock(&queue->mutex);
	pushed = queue->pushed;
	pthread_mutex_unlock(&queue->mutex);
	return pushed;
}

uint64_t queue_steals(struct queue *queue)
{
	uint64_t steals = 0;

	for (uint32_t i = 0; i < queue->workers; i++)
		steals += atomic_load_explicit(&queue->own[i].steals, memory_order_relaxed);
	return steals;
}
