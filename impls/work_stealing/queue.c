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

struct queue {
	struct lanes lanes;
	uint32_t workers;
	struct thief *thieves;
	struct lane own[]; /* the workers' deques */
};

/* A task that a worker has popped and runs. What it and those above it on the stack push lies at or
 * behind `mark`. */
struct root {
	_Atomic(const struct future *) task;
	_Atomic int64_t mark;
};

/* What a worker remembers. */
struct thief {
	_Alignas(PORT_APART) uint32_t cursor; /* the lane to look at next */
	uint32_t random;
	struct pace pace; /* of looks outside */
	uint32_t turn;    /* pops until what was submitted outside comes first */
	_Atomic uint64_t steals;
	_Alignas(PORT_APART) struct root roots[ROOTS]; /* outermost first */
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
	lanes_init(&queue->lanes, workers, lopsided);
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
	return worker == WORKER_NONE
		       ? lanes_push(&queue->lanes, futures, count)
		       : lane_push(&queue->lanes, &queue->own[worker], futures, count);
}

/* Of several tasks the first for now, the others for later. */
static struct future *keep(struct deque *own, struct future **batch, size_t count, bool *moved)
{
	*moved = count > 1;
	return deque_keep(own, batch, count);
}

/* Without room for more, one has to be enough. */
static size_t most(struct queue *queue, struct deque *own)
{
	return !lanes_are_closed(&queue->lanes) && deque_reserve(own, BATCH) ? BATCH : 1;
}

static struct future *take_from_lanes(struct queue *queue, int worker, bool *moved)
{
	struct deque *own = &queue->own[worker].deque;
	struct future *batch[BATCH];
	size_t count =
		lanes_take(&queue->lanes, &queue->thieves[worker].cursor, batch, most(queue, own));

	queue->thieves[worker].turn = TURN;
	pace_note(&queue->thieves[worker].pace, count, ENOUGH);
	return keep(own, batch, count, moved);
}

static void count_steals(struct thief *thief, size_t count)
{
	atomic_store_explicit(&thief->steals,
			      atomic_load_explicit(&thief->steals, memory_order_relaxed) + count,
			      memory_order_relaxed);
}

static struct future *steal_from(struct queue *queue, int worker, uint32_t victim, bool *moved)
{
	struct deque *own = &queue->own[worker].deque, *deque = &queue->own[victim].deque;
	struct future *batch[BATCH];
	size_t count = 0;

	while (!count && !deque_looks_empty(deque))
		count = deque_steal_many(deque, batch, most(queue, own), worker);
	count_steals(&queue->thieves[worker], count);
	return keep(own, batch, count, moved);
}

/* Once round the other workers, from a random one on. */
static struct future *steal(struct queue *queue, int worker, bool *moved)
{
	struct thief *thief = &queue->thieves[worker];
	uint32_t victim;

	thief->random ^= thief->random << 13; /* xorshift */
	thief->random ^= thief->random >> 17;
	thief->random ^= thief->random << 5;
	victim = thief->random % queue->workers;
	for (uint32_t left = queue->workers; left > 0; left--) {
		struct future *future = victim == (uint32_t)worker
						? NULL
						: steal_from(queue, worker, victim, moved);

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
		struct deque *deque = &queue->own[i].deque;

		while (!deque_looks_empty(deque)) {
			future = deque_steal(deque);
			if (future)
				return future;
		}
	}
	return NULL;
}

/* It is the turn of those outside, or the deque is empty. */
PORT_OUTLINE static struct future *pop_with_care(struct queue *queue, int worker, bool *moved)
{
	struct thief *thief = &queue->thieves[worker];
	struct future *future = NULL;

	if (!thief->turn)
		future = take_from_lanes(queue, worker, moved);
	if (!future)
		future = deque_pop(&queue->own[worker].deque);
	if (!future) {
		pace_await(&thief->pace);
		future = take_from_lanes(queue, worker, moved);
	}
	return future ? future : steal(queue, worker, moved);
}

struct future *queue_pop(struct queue *queue, int worker, bool *moved)
{
	struct thief *thief;
	struct future *future;

	if (worker == WORKER_NONE)
		return pop_outside(queue);
	*moved = false;
	thief = &queue->thieves[worker];
	/* Tasks that keep submitting must not keep out what comes from outside. */
	if (!thief->turn || --thief->turn == 0)
		return pop_with_care(queue, worker, moved);
	future = deque_pop(&queue->own[worker].deque);
	return future ? future : pop_with_care(queue, worker, moved);
}

bool queue_take_back(struct queue *queue, int worker, const struct future *wanted)
{
	bool taken = deque_pop_if(&queue->own[worker].deque, wanted);

	if (!taken)
		lanes_leave(&queue->lanes);
	return taken;
}

bool queue_knows_parents(void)
{
	return true;
}

void queue_begin(struct queue *queue, int worker, unsigned depth, const struct future *future)
{
	struct root *root;

	if (depth >= ROOTS)
		return;
	root = &queue->thieves[worker].roots[depth];
	atomic_store_explicit(
		&root->mark,
		atomic_load_explicit(&queue->own[worker].deque.bottom, memory_order_relaxed),
		memory_order_release);                                    /* H1 */
	atomic_store_explicit(&root->task, future, memory_order_release); /* H1 */
}

void queue_end(struct queue *queue, int worker, unsigned depth)
{
	/* relaxed: before the end of the task, which publishes it (H1) */
	if (depth < ROOTS)
		atomic_store_explicit(&queue->thieves[worker].roots[depth].task, NULL,
				      memory_order_relaxed);
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
static struct future *help_from(struct queue *queue, int worker, uint32_t victim,
				const struct source *source, bool *moved)
{
	struct deque *own = &queue->own[worker].deque;
	struct future *future;

	if (most(queue, own) == 1)
		return NULL;
	future = deque_steal_if(&queue->own[victim].deque, is_of_awaited, source);
	if (!future)
		return NULL;
	count_steals(&queue->thieves[worker], 1);
	if (!future_is_forgotten(future))
		return future;
	deque_push(own, future);
	*moved = true;
	return NULL;
}

struct future *queue_help(struct queue *queue, int worker, const struct future *awaited,
			  bool *moved)
{
	for (uint32_t victim = 0; victim < queue->workers; victim++)
		for (int depth = 0; depth < ROOTS && victim != (uint32_t)worker; depth++) {
			struct source source = {awaited, &queue->thieves[victim].roots[depth],
						&queue->own[victim].deque};
			/* relaxed: is_of_awaited() looks again */
			const struct future *task =
				atomic_load_explicit(&source.root->task, memory_order_relaxed);

			if (task == awaited)
				return help_from(queue, worker, victim, &source, moved);
			if (!task) /* nor inside */
				break;
		}
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
		/* relaxed: as in lanes_pushed() */
		pushed += atomic_load_explicit(&queue->own[i].pushed, memory_order_relaxed);
	return pushed;
}

uint64_t queue_steals(struct queue *queue)
{
	uint64_t steals = 0;

	for (uint32_t i = 0; i < queue->workers; i++)
		steals += atomic_load_explicit(&queue->thieves[i].steals, memory_order_relaxed);
	return steals;
}
