/* SPDX-License-Identifier: MIT */
/*
 * No lock anywhere: a lane for each submitting thread (lanes.h), from which a worker takes several
 * tasks with one exchange. It keeps them in a deque of its own, oldest first to come, where others
 * may steal what it has not begun. Q1 is D1, P6 is D3 and D1; K1 holds because all ends
 * are atomics.
 *
 * Relaxed without a word: steals, a statistic.
 */
#include "../core/lanes.h"
#include "../core/pace.h"
#include "../core/queue.h"

#include <stdlib.h>
#include <string.h>

/* Tasks taken at once: enough to share the price of a cache line between the cores. */
#define BATCH 32
/* With so many a worker does not wait for more; see pace.h. */
#define ENOUGH 24

struct own {
	struct deque taken; /* latest first */
	/* The worker's. */
	int index;
	uint32_t cursor; /* behind the lane that had something last */
	uint32_t victim;
	struct pace pace;
	_Atomic uint64_t steals;
};

struct queue {
	struct lanes lanes;
	uint32_t workers;
	struct own own[];
};

struct queue *queue_create(int workers, bool lopsided)
{
	size_t size = sizeof(struct queue) + (size_t)workers * sizeof(struct own);
	struct queue *queue = aligned_alloc(PORT_APART, size);

	if (!queue)
		return NULL;
	memset(queue, 0, size);
	queue->workers = (uint32_t)workers;
	lanes_init(&queue->lanes, workers, lopsided);
	for (int i = 0; i < workers; i++) {
		queue->own[i].index = i;
		queue->own[i].victim = (uint32_t)i;
		deque_init(&queue->own[i].taken, lopsided);
	}
	return queue;
}

void queue_destroy(struct queue *queue)
{
	for (uint32_t i = 0; i < queue->workers; i++)
		deque_free(&queue->own[i].taken);
	lanes_free(&queue->lanes);
	free(queue);
}

struct own *queue_own(struct queue *queue, int worker)
{
	return &queue->own[worker];
}

bool queue_try_push(struct queue *queue, struct own *own, struct future *future)
{
	if (own)
		pace_pushed(&own->pace);
	return lanes_try_push(&queue->lanes, future);
}

int queue_push_many(struct queue *queue, struct own *own, struct future *const *futures,
		    size_t count)
{
	if (own)
		pace_pushed(&own->pace);
	return lanes_push_many(&queue->lanes, futures, count);
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

/* Without room for more, one has to be enough. */
static size_t most(struct queue *queue, struct own *own)
{
	return !lanes_are_closed(&queue->lanes) && deque_reserve(&own->taken, BATCH) ? BATCH : 1;
}

static struct future *take_batch(struct queue *queue, struct own *own, bool *moved)
{
	struct future *batch[BATCH];
	uint32_t cursor = own->cursor;
	size_t count;

	pace_await(&own->pace, queue);
	count = lanes_take(&queue->lanes, &own->cursor, batch, most(queue, own));
	pace_note(&own->pace, count, ENOUGH, own->cursor == cursor);
	return keep(own, batch, count, moved);
}

static struct future *steal(struct queue *queue, struct own *own, bool *moved)
{
	struct future *batch[BATCH];

	for (uint32_t left = queue->workers; left > 0; left--) {
		struct deque *taken;
		size_t count = 0;

		own->victim = own->victim + 1 < queue->workers ? own->victim + 1 : 0;
		taken = &queue->own[own->victim].taken;
		/* A race lost is no answer. */
		while (!count && !deque_looks_empty(taken))
			count = deque_steal_many(taken, batch, most(queue, own), own->index);
		if (count) {
			atomic_store_explicit(
				&own->steals,
				atomic_load_explicit(&own->steals, memory_order_relaxed) + count,
				memory_order_relaxed);
			return keep_stolen(own, batch, count, moved);
		}
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

/* First in, first out: the latest is not next. Its entry stays behind. */
bool queue_take_back(struct queue *queue, struct own *own, const struct future *wanted)
{
	(void)own;
	(void)wanted;
	lanes_leave(&queue->lanes);
	return false;
}

bool queue_looks_empty(struct queue *queue)
{
	if (!lanes_look_empty(&queue->lanes))
		return false;
	for (uint32_t i = 0; i < queue->workers; i++)
		if (!deque_looks_empty(&queue->own[i].taken))
			return false;
	return true;
}

void queue_close(struct queue *queue)
{
	lanes_close(&queue->lanes);
}

uint64_t queue_pushed(struct queue *queue)
{
	return lanes_pushed(&queue->lanes);
}

uint64_t queue_steals(struct queue *queue)
{
	uint64_t steals = 0;

	for (uint32_t i = 0; i < queue->workers; i++)
		steals += atomic_load_explicit(&queue->own[i].steals, memory_order_relaxed);
	return steals;
}
