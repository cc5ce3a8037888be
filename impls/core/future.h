/* SPDX-License-Identifier: MIT */
/*
 * The future, which is also the task: one 64-byte record that holds the function, small arguments
 * and small results, the state, and the heads of whatever waits. Every in-tree backend uses it.
 *
 * A record starts with two references: the client's and the executor's. The executor's passes with
 * the record from submit through the queue to the worker that runs it, or to whoever drains it.
 *
 * Ordering
 *   F1  settle: release exchange of the state  ->  any acquire load that finds it done
 *       publishes the outcome in bytes, and everything the task wrote
 *   F2  future_release: release decrement  ->  the last one's acquire     all uses before the free
 *   F3  lock, unlock: acquire and release of the LOCKED bit of the state     the observers list
 *   F4  settle: release store of watcher.detached  ->  unwatch: acquire load
 *       notify has returned, the watcher may be freed
 *   F5  cancel: release exchange to CANCELLED  ->  acquire load of the state    as F1
 * Publication of the argument from submit to the worker is the queue's (Q1 of each policy).
 */
#ifndef FUTURE_H
#define FUTURE_H

#include "port.h"

#define FUTURE_INLINE 24 /* bytes of argument or result inside the record */

struct future {
	assay_future base;
	/* Status and flags: see record.h. */
	_Atomic uint32_t state;
	_Atomic uint32_t references;
	assay_function *function;
	struct future *next; /* the link of whoever holds the executor's reference: the queue */
	/* Before the function runs the argument, then the outcome; in line or by address. */
	_Alignas(16) unsigned char bytes[FUTURE_INLINE];
	struct assay_watcher *observers; /* last of a ring in order of arrival; under LOCKED */
};

/* The table of every in-tree future. */
extern const struct assay_future_ops future_ops;

static inline struct future *future_of(assay_future *base)
{
	return (struct future *)base;
}

/* A pending future with `references` references (2, or 1 if the client wants none) that will run
 * `function` on a copy of the argument. NULL without memory. */
struct future *future_create(assay_function *function, const void *argument, size_t size,
			     uint32_t references);

/* Frees a record that was never handed to anybody. */
void future_discard(struct future *future);

void future_release(struct future *future);

/* Pending to running. False: it was cancelled, the function must not run. */
bool future_start(struct future *future);

/*
 * Running a started future takes three steps in one thread, so that the caller can count in
 * between: future_call() runs the function and puts the outcome into the record, true for success;
 * future_settle() makes it visible and wakes who waits, true if somebody observes; then
 * future_notify() tells the observers and calls the callbacks. No reference is spent.
 */
struct future_outcome {
	uint32_t flags; /* what the state will say about bytes */
};

/* What a running task works with. It lies where it outlives the function even when that ends its
 * thread: in the worker, or in the frame that catches the end. */
struct running {
	assay_call call; /* first: the ops get its address */
	size_t result_limit;
	void *heap; /* the result's room, once it outgrew `scratch` */
	char *message;
	_Alignas(16) unsigned char scratch[FUTURE_INLINE];
};

bool future_call(struct future *future, assay_executor *executor, struct running *running,
		 struct future_outcome *outcome);
bool future_settle(struct future *future, struct future_outcome outcome);
void future_notify(struct future *future);

/* In place of future_call() for a started future whose function will not be called. */
void future_fail(struct future *future, int error, const char *message,
		 struct future_outcome *outcome);

/* In place of the rest of future_call() when the function ended its thread. */
void future_call_ended(struct future *future, struct running *running,
		       struct future_outcome *outcome);

#endif
