/* SPDX-License-Identifier: MIT */
/*
 * A deque for each worker: what its tasks submit it runs latest first, and what others steal from it
 * is the oldest. Who is no worker submits to a lane of its own (lanes.h), from which a worker moves
 * several tasks to its deque at once. Q1 is D1; K1 holds because all ends are atomics; P6 is D3.
 */
#include "../core/lanes.h"
#include "../core/queue.h"

#include <stdlib.h>
#include <string.h>

/* Tasks taken at once: enough to share the price of a cache line between the cores. */
#define BATCH 32

struct queue {
	struct lanes lanes;
	uint32_t workers;
	struct thief *thieves;
	struct lane own[]; /* the workers' deques */
};

/* What a worker remembers. */
struct thief {
	_Alignas(PORT_APART) uint32_t cursor; /* the lane that had something last */
	uint32_t random;
	_Atomic uint64_t steals;
};

struct queue *queue_create(int workers, bool lopsided)
{
	size_t size = sizeof(struct queue) + (size_t)workers * sizeof(struct lane);
	struct queue *queue = aligned_alloc(PORT_APART, size);

	if (!queue)
		return NULL;
	memset(queue, 0, size);
	queue->workers = (uint32_t)workers;
	queue->thieves = aligned_alloc(PORT_APART, (size_t)workers * sizeof *queue->thieves);
	if (!queue->thieves) {
		free(queue);
		return NULL;
	}
	lanes_init(&queue->lanes, lopsided);
	for (int i = 0; i < workers; i++) {
		queue->thieves[i] = (struct thief){.random = 2654435769u * (uint32_t)(i + 1)};
		deque_init(&queue->own[i].deque, lopsided);
	}
	return queue;
}

void queue_destroy(struct queue *queue)
{
	for (uint32_t i = 0; i < queue->workers; i++)
		deque_free(&queue->own[i].deque);
	lanes_free(&queue->lanes);
	free(queue->thieves);
	free(queue);
}

int queue_push(struct queue *queue, int worker, struct future *const *futures, size_t count)
{
	struct lane *lane = worker == WORKER_NONE ? lanes_mine(&queue->lanes) : &queue->own[worker];

	return lane ? lane_push(&queue->lanes, lane, futures, count) : ASSAY_ENOMEM;
}

/* Tasks of a lane: the first for now, the others for later, the oldest of them next. */
static struct future *take_batch(struct queue *queue, int worker)
{
	struct deque *own = &queue->own[worker].deque;
	struct future *batch[BATCH], *reversed[BATCH];
	/* Without room for more, one has to be enough. */
	size_t most = deque_reserve(own, BATCH) ? BATCH : 1;
	size_t count = lanes_take(&queue->lanes, &queue->thieves[worker].cursor, batch, most);

	if (!count)
		return NULL;
	for (size_t i = 1; i < count; i++) {
		reversed[count - 1 - i] = batch[i];
		if (i <= DEQUE_AHEAD)
			port_prefetch(batch[i]);
	}
	if (count > 1)
		deque_push_many(own, reversed, count - 1);
	return batch[0];
}

/* Once round the other workers, from a random one on. */
static struct future *steal(struct queue *queue, struct thief *thief)
{
	uint32_t victim;

	thief->random ^= thief->random << 13; /* xorshift */
	thief->random ^= thief->random >> 17;
	thief->random ^= thief->random << 5;
	victim = thief->random % queue->workers;
	for (uint32_t left = queue->workers; left > 0; left--) {
		struct future *future = deque_steal(&queue->own[victim].deque);

		if (future) {
			atomic_store_explicit(
				&thief->steals,
				atomic_load_explicit(&thief->steals, memory_order_relaxed) + 1,
				memory_order_relaxed);
			return future;
		}
		victim = victim + 1 < queue->workers ? victim + 1 : 0;
	}
	return NULL;
}

/* For who is no worker: one at a time, until there is nothing. */
static struct future *pop_outside(struct queue *queue)
{
	uint32_t cursor = 0;
	struct future *future;

	if (lanes_take(&queue->lanes, &cursor, &future, 1))
		return future;
	for (uint32_t i = 0; i < queue->workers; i++)
		while (!deque_looks_empty(&queue->own[i].deque)) {
			future = deque_steal(&queue->own[i].deque);
			if (future)
				return future;
		}
	return NULL;
}

struct future *queue_pop(struct queue *queue, int worker)
{
	struct future *future;

	if (worker == WORKER_NONE)
		return pop_outside(queue);
	future = deque_pop(&queue->own[worker].deque);
	if (!future)
		future = take_batch(queue, worker);
	return future ? future : steal(queue, &queue->thieves[worker]);
}

struct future *queue_take_latest(struct queue *queue, int worker, const struct future *wanted)
{
	struct deque *own = &queue->own[worker].deque;
	struct future *latest = deque_pop(own);

	if (!latest || latest == wanted || !future_is_pending(latest))
		return latest;
	deque_push(own, latest); /* in the room that it has just left */
	return NULL;
}

bool queue_looks_empty(struct queue *queue)
{
	if (!lanes_look_empty(&queue->lanes))
		return false;
	for (uint32_t i = 0; i < queue->workers; i++)
		if (!deque_looks_empty(&queue->own[i].deque))
			return false;
	return true;
}

void queue_close(struct queue *queue)
{
	lanes_close(&queue->lanes, queue->own, queue->workers);
}

uint64_t queue_pushed(struct queue *queue)
{
	uint64_t pushed = lanes_pushed(&queue->lanes);

	for (uint32_t i = 0; i < queue->workers; i++)
		pushed += atomic_load_explicit(&queue->own[i].pushed, memory_order_acquire);
	return pushed;
}

uint64_t queue_steals(struct queue *queue)
{
	uint64_t steals = 0;

	for (uint32_t i = 0; i < queue->workers; i++)
		steals += atomic_load_explicit(&queue->thieves[i].steals, memory_order_relaxed);
	return steals;
}
