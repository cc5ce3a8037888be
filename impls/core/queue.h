/* SPDX-License-Identifier: MIT */
/*
 * The seam between the pool (threads, admission, parking, shutdown) and a queueing policy. A thread
 * backend defines the two structures and these functions, and nothing else: they are linked, not
 * dispatched, so that a link-time optimiser inlines them into the pool's loop.
 *
 * Ordering that every policy keeps
 *   Q1  a push of a task  ->  the queue_pop that returns it      the record and its argument
 *   K1  a push, then the pushing thread's light fence (park.h), against a parking worker's
 *       heavy fence, then its queue_pop: one of them sees the other. Likewise against a heavy fence, then
 *       queue_looks_empty (K3). Plain atomics in push and pop do.
 *   P6  a queue_pop or queue_take_back that took a task, and a later queue_pop that found nothing
 *       because of it, are ordered.
 */
#ifndef QUEUE_H
#define QUEUE_H

#include "future.h"

struct queue;

/* What a worker has of its own in a queue; NULL where the caller is no worker of this pool. */
struct own;

/* For workers 0 .. workers - 1, with fences that meet as `lopsided` says. NULL without memory. */
struct queue *queue_create(int workers, bool lopsided);

/* The queue is empty and nobody uses it. */
void queue_destroy(struct queue *queue);

/* That of worker 0 .. workers - 1, until queue_destroy(). */
struct own *queue_own(struct queue *queue, int worker);

/*
 * Any thread, with its own. Hands over all these tasks, in this order. ASSAY_ESHUTDOWN: the queue is closed;
 * ASSAY_ENOMEM. In both cases nothing was taken.
 */
int queue_push_many(struct queue *queue, struct own *own, struct future *const *futures,
		    size_t count);

/* The same for one task, as far as few steps do it: where none of them is a call, who submits needs no frame.
 * False: nothing was taken, and queue_push_many() finds out why, or takes it. */
bool queue_try_push(struct queue *queue, struct own *own, struct future *future);

/*
 * Any thread. Never sleeps; a worker may give up its processor once. NULL: nothing was found, or after close:
 * nothing will be. A worker may move further tasks to where it takes its next ones from, and others can still
 * get them: then it sets *moved. While it moves them nobody else finds them; what is popped after a close moves
 * nothing.
 */
struct future *queue_pop(struct queue *queue, struct own *own, bool *moved);

/*
 * A worker that has started `wanted` in place of whoever would have popped it: takes it out, if it is
 * what the worker would pop next, or can be had as easily. False: it stays behind, and is to be
 * skipped, or somebody has it; a policy sees to it that such entries do not pile up.
 */
bool queue_take_back(struct queue *queue, struct own *own, const struct future *wanted);

/*
 * Whether queue_help() may ever find anything. A policy that does not know whose tasks are whose leaves out
 * this one and the next three.
 */
bool queue_knows_parents(void);

/*
 * Brackets what a worker does with a task that it has popped: from before it starts to before it is seen to
 * be done, so that nobody who meets its record when that is used again finds it here. Tasks that it pops
 * meanwhile, inside, have depth 1, and so on. In between queue_help() knows whose tasks the worker pushes.
 */
void queue_begin(struct own *own, unsigned depth, const struct future *future);
void queue_end(struct own *own, unsigned depth);

/*
 * As queue_pop(), for a worker that waits inside a task for one that runs on another worker: some
 * task that was pushed there since `awaited` began, if a client may still wait for it. NULL where there
 * is none, or the policy does not tell them apart, or awaited is done.
 */
struct future *queue_help(struct queue *queue, struct own *own, const struct future *awaited,
			  bool *moved);

/* A hint: no task can be popped. */
bool queue_looks_empty(struct queue *queue);

/* From the return on every push fails. Tasks inside stay. May be called again. */
void queue_close(struct queue *queue);

/* Tasks ever pushed; at least those whose pop happened before the call. */
uint64_t queue_pushed(struct queue *queue);

/* Tasks that workers took from another's queue; a statistic. */
uint64_t queue_steals(struct queue *queue);

#endif
