/* SPDX-License-Identifier: MIT */
/*
 * The seam between the pool (threads, admission, parking, shutdown) and a queueing policy. A thread
 * backend defines `struct queue` and these functions, and nothing else: they are linked, not
 * dispatched, so that a link-time optimiser inlines them into the pool's loop.
 *
 * Ordering that every policy keeps
 *   Q1  queue_push of a task  ->  the queue_pop that returns it      the record and its argument
 *   K1  a queue_pop that returned NULL and a queue_push are ordered for all threads: if the pop did
 *       not see the task, the pushing thread's next seq_cst load sees what the popping thread wrote
 *       before the pop. Likewise a pop that took a task and a later pop that found nothing. (A lock
 *       gives this; without one, seq_cst on the queue's ends does.)
 */
#ifndef QUEUE_H
#define QUEUE_H

#include "future.h"

struct queue;

/* The caller is no worker of this pool. */
#define WORKER_NONE (-1)

/* For workers 0 .. workers - 1. NULL without memory. */
struct queue *queue_create(int workers);

/* The queue is empty and nobody uses it. */
void queue_destroy(struct queue *queue);

/*
 * Any thread; worker is its index in this pool or WORKER_NONE. Hands over the chain of count tasks
 * from first to last, linked by next, in this order. False: the queue is closed, nothing was taken.
 */
bool queue_push(struct queue *queue, int worker, struct future *first, struct future *last,
		size_t count);

/* Any thread. Never sleeps. NULL: nothing was found, or after close: nothing will be. */
struct future *queue_pop(struct queue *queue, int worker);

/* From the return on every push fails. Tasks inside stay. May be called again. */
void queue_close(struct queue *queue);

/* Tasks ever pushed; at least those whose push happened before the call. */
uint64_t queue_pushed(struct queue *queue);

#endif
