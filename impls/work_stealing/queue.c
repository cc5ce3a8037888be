/* SPDX-License-Identifier: MIT */
/*
 * A deque for each worker: what its tasks submit it runs latest first, and what others steal from it
 * is the oldest. Who is no worker submits to a lane of its own (lanes.h), from which a worker moves
 * several tasks to its deque at once. Q1 is D1, P6 is D3 and D1; K1 holds because all ends
 * are atomics.
 *
 * Ordering
 *   H1  queue_begin: release store of root.mark, and then of root.task  ->  is_of_awaited: acquire
 *       loads, then the state of the task
 *       what bottom was when the task began. An element that was read at or behind mark before the
 *       task was seen not to be done was pushed while it ran: what a worker pushes after a task it
 *       pushes after its end was visible, and by D1 both are seen or none. queue_end: store of root.task
 *       ->  the task's end (F1 F2), a later task in the same record: who awaits that finds no old root
 *
 * Relaxed without a word: steals, a statistic.
 */
#include "../core/lanes.h"
#include "../core/pace.h"
#include "../core/queue.h"

#include <stdlib.h>
#include <string.h>

/* Pops after which a worker looks outside again. */
#define TURN 61
/* Tasks taken at once: enough to share the price of a cache line between the cores. */
#define BATCH 32
/* With so many a worker does not wait for more; see pace.h. */
#define ENOUGH 24
/* Tasks of one stack that others can help. */
#define ROOTS 16

/* A task that a worker has popped and runs. What it and those above it on the stack push lies at or
 * behind `mark`. */
struct root {
	_Atomic(const struct future *) task;
	_Atomic int64_t mark;
};

struct own {
	struct lane lane; /* the deque */
	/* What the worker remembers. */
	_Alignas(PORT_APART) int index;
	uint32_t cursor; /* the lane to look at next */
	uint32_t random;
	uint32_t turn;    /* pops until what was submitted outside comes first */
	struct pace pace; /* of looks outside */
	_Atomic uint64_t steals;
	_Alignas(PORT_APART) struct root roots[ROOTS]; /* outermost first */
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
		queue->own[i].random = 2654435769u * (uint32_t)(i + 1);
		deque_init(&queue->own[i].lane.deque, lopsided);
	}
	return queue;
}

void queue_destroy(struct queue *queue)
{
	for (uint32_t i = 0; i < queue->workers; i++)
		deque_free(&queue->own[i].lane.deque);
	lanes_free(&queue->lanes);
	free(queue);
}

struct own *queue_own(struct queue *queue, int worker)
{
	return &queue->own[worker];
}

bool queue_try_push(struct queue *queue, struct own *own, struct future *future)
{
	return own ? lane_try_push(&queue->lanes, &own->lane, future)
		   : lanes_try_push(&queue->lanes, future);
}

int queue_push_many(struct queue *queue, struct own *own, struct future *const *futures,
		    size_t count)
{
	return own ? lane_push_many(&queue->lanes, &own->lane, futures, count)
		   : lanes_push_many(&queue->lanes, futures, count);
}

/* Of several tasks the first for now, the others for later. */
static struct future *keep(struct own *own, struct future **batch, size_t count, bool *moved)
{
	*moved = count > 1;
	return deque_keep(&own->lane.deque, batch, count);
}

/* Without room for more, one has to be enough. */
static size_t most(struct queue *queue, struct own *own)
{
	return !lanes_are_closed(&queue->lanes) && deque_reserve(&own->lane.deque, BATCH) ? BATCH
											  : 1;
}

static struct future *take_from_lanes(struct queue *queue, struct own *own, bool *moved)
{
	struct future *batch[BATCH];
	uint32_t cursor = own->cursor;
	size_t count = lanes_take(&queue->lanes, &own->cursor, batch, most(queue, own));

	own->turn = TURN;
	pace_note(&own->pace, count, ENOUGH, own->cursor == cursor);
	return keep(own, batch, count, moved);
}

static void count_steals(struct own *own, size_t count)
{
	atomic_store_explicit(&own->steals,
			      atomic_load_explicit(&own->steals, memory_order_relaxed) + count,
			      memory_order_relaxed);
}

static struct future *steal_from(struct queue *queue, struct own *own, struct own *victim,
				 bool *moved)
{
	struct deque *deque = &victim->lane.deque;
	struct future *batch[BATCH];
	size_t count = 0;

	while (!count && !deque_looks_empty(deque))
		count = deque_steal_many(deque, batch, most(queue, own), own->index);
	count_steals(own, count);
	return keep(own, batch, count, moved);
}

/* Once round the other workers, from a random one on. */
static struct future *steal(struct queue *queue, struct own *own, bool *moved)
{
	uint32_t victim;

	own->random ^= own->random << 13; /* xorshift */
	own->random ^= own->random >> 17;
	own->random ^= own->random << 5;
	victim = own->random % queue->workers;
	for (uint32_t left = queue->workers; left > 0; left--) {
		struct own *other = &queue->own[victim];
		struct future *future = other == own ? NULL : steal_from(queue, own, other, moved);

		if (future)
			return future;
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
	for (uint32_t i = 0; i < queue->workers; i++) {
		struct deque *deque = &queue->own[i].lane.deque;

		while (!deque_looks_empty(deque)) {
			future = deque_steal(deque);
			if (future)
				return future;
		}
	}
	return NULL;
}

/* It is the turn of those outside, or the deque is empty. */
PORT_OUTLINE static struct future *pop_with_care(struct queue *queue, struct own *own, bool *moved)
{
	struct future *future = NULL;

	if (!own->turn)
		future = take_from_lanes(queue, own, moved);
	if (!future)
		future = deque_pop(&own->lane.deque);
	if (!future) {
		pace_await(&own->pace, queue);
		future = take_from_lanes(queue, own, moved);
	}
	return future ? future : steal(queue, own, moved);
}

struct future *queue_pop(struct queue *queue, struct own *own, bool *moved)
{
	struct future *future;

	if (!own)
		return pop_outside(queue);
	*moved = false;
	/* Tasks that keep submitting must not keep out what comes from outside. */
	if (!own->turn || --own->turn == 0)
		return pop_with_care(queue, own, moved);
	future = deque_pop(&own->lane.deque);
	return future ? future : pop_with_care(queue, own, moved);
}

bool queue_take_back(struct queue *queue, struct own *own, const struct future *wanted)
{
	bool taken = deque_pop_if(&own->lane.deque, wanted);

	if (!taken)
		lanes_leave(&queue->lanes);
	return taken;
}

bool queue_knows_parents(void)
{
	return true;
}

void queue_begin(struct own *own, unsigned depth, const struct future *future)
{
	struct root *root;

	if (depth >= ROOTS)
		return;
	root = &own->roots[depth];
	atomic_store_explicit(&root->mark,
			      atomic_load_explicit(&own->lane.deque.bottom, memory_order_relaxed),
			      memory_order_release);                      /* H1 */
	atomic_store_explicit(&root->task, future, memory_order_release); /* H1 */
}

void queue_end(struct own *own, unsigned depth)
{
	/* relaxed: before the end of the task, which publishes it (H1) */
	if (depth < ROOTS)
		atomic_store_explicit(&own->roots[depth].task, NULL, memory_order_relaxed);
}

/* Where tasks of the awaited one may lie. */
struct source {
	const struct future *awaited;
	const struct root *root;
	const struct deque *deque;
};

static bool is_of_awaited(const void *user, int64_t position)
{
	const struct source *source = user;

	return atomic_load_explicit(&source->root->task, memory_order_acquire) == /* H1 */
		       source->awaited &&
	       position >=
		       atomic_load_explicit(&source->root->mark, memory_order_acquire) && /* H1 */
	       /* relaxed: see deque_prune() */
	       position >= atomic_load_explicit(&source->deque->pruned, memory_order_relaxed) &&
	       !future_is_done(source->awaited); /* H1 */
}

/* What nobody waits for may go on for ever, or wait for whoever waits here: it is not run inside a
 * task, but put where others find it. */
static struct future *help_from(struct queue *queue, struct own *own, struct own *victim,
				const struct source *source, bool *moved)
{
	struct future *future;

	if (most(queue, own) == 1)
		return NULL;
	future = deque_steal_if(&victim->lane.deque, is_of_awaited, source);
	if (!future)
		return NULL;
	count_steals(own, 1);
	if (!future_is_forgotten(future))
		return future;
	deque_push(&own->lane.deque, future);
	*moved = true;
	return NULL;
}

struct future *queue_help(struct queue *queue, struct own *own, const struct future *awaited,
			  bool *moved)
{
	for (uint32_t i = 0; i < queue->workers; i++) {
		struct own *victim = &queue->own[i];

		for (int depth = 0; depth < ROOTS && victim != own; depth++) {
			struct source source = {awaited, &victim->roots[depth],
						&victim->lane.deque};
			/* relaxed: is_of_awaited() looks again */
			const struct future *task =
				atomic_load_explicit(&source.root->task, memory_order_relaxed);

			if (task == awaited)
				return help_from(queue, own, victim, &source, moved);
			if (!task) /* nor inside */
				break;
		}
	}
	return NULL;
}

bool queue_looks_empty(struct queue *queue)
{
	if (!lanes_look_empty(&queue->lanes))
		return false;
	for (uint32_t i = 0; i < queue->workers; i++)
		if (!deque_looks_empty(&queue->own[i].lane.deque))
			return false;
	return true;
}

void queue_close(struct queue *queue)
{
	lanes_close(&queue->lanes);
	for (uint32_t i = 0; i < queue->workers; i++)
		lane_await(&queue->own[i].lane);
}

uint64_t queue_pushed(struct queue *queue)
{
	uint64_t pushed = lanes_pushed(&queue->lanes);

	for (uint32_t i = 0; i < queue->workers; i++)
		/* relaxed: as in lanes_pushed() */
		pushed += atomic_load_explicit(&queue->own[i].lane.pushed, memory_order_relaxed);
	return pushed;
}

uint64_t queue_steals(struct queue *queue)
{
	uint64_t steals = 0;

	for (uint32_t i = 0; i < queue->workers; i++)
		steals += atomic_load_explicit(&queue->own[i].steals, memory_order_relaxed);
	return steals;
}
