/* SPDX-License-Identifier: MIT */
/*
 * The future, which is also the task: one 64-byte record that holds the function, small arguments
 * and small results, the state, and the heads of whatever waits. Every in-tree backend uses it.
 *
 * State and references share one word, so that ending a task (settle, and give up the executor's
 * reference) is one atomic operation. A record starts with two references: the client's and the
 * executor's. The executor's passes with the record from submit through the queue to the worker that
 * runs it, or to whoever drains it.
 *
 * Ordering
 *   F1  settle, end, cancel: release exchange of the word  ->  any acquire load that finds it done
 *       publishes the outcome in bytes, and everything the task wrote
 *   F2  release, end: release decrement of the references  ->  the last one's acquire
 *       all uses before the free
 *   F3  lock, unlock: acquire and release of the LOCKED bit of the word      the observers list
 *   F4  settle: release store of watcher.detached  ->  unwatch: acquire load
 *       notify has returned, the watcher may be freed
 * Relaxed where only the status is asked for: it moves one way, and nothing is read by it.
 * Publication of the argument from submit to the worker is the queue's (Q1 of each policy).
 */
#ifndef FUTURE_H
#define FUTURE_H

#include "port.h"

#define FUTURE_INLINE 24 /* bytes of argument or result inside the record */

struct future {
	assay_future base;
	_Atomic uint64_t word; /* references above, state below: see record.h */
	assay_function *function;
	const assay_executor *home; /* that it was submitted to: compared, never followed */
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

/*
 * What a thread may do while it waits without a limit for a future of its own executor: run that very
 * future while it is pending; and help it where it runs elsewhere, if help is not NULL: run a task that was
 * submitted there while it ran. So what lies above a waiting task on its stack is what it waits for, or
 * comes from that: they are no more than the tasks are nested. help returns false where there was nothing
 * to run. has_others: as far as can be seen another thread will take what is pending there; or NULL: none
 * does. begun: another value once another thread there has begun something, or can.
 */
struct runner {
	const assay_executor *executor;
	unsigned forks; /* port_forks where it runs: in a child nothing of the executor is left */
	void (*run)(struct runner *runner, struct future *future);
	bool (*help)(struct runner *runner, struct future *future);
	/* Or NULL. Somebody is about to wait here, for a future or an executor of this backend. */
	void (*waits)(struct runner *runner);
	bool (*has_others)(const struct runner *runner);
	uint64_t (*begun)(const struct runner *runner);
};

/* Of the calling thread; NULL: it only waits. */
extern _Thread_local struct runner *current_runner;

/* The calling thread is about to wait: others may do meanwhile what it will do when it goes on. */
static inline void runner_waits(void)
{
	if (current_runner && current_runner->waits)
		current_runner->waits(current_runner);
}

/* By the calling thread, ever, and for a client. Who submits counts; a pool of threads leaves out what its own
 * tasks submit, and what the submitter runs itself. */
extern _Thread_local uint64_t futures_created;

/* A pending future of `home` with `references` references (2, or 1 if the client wants none) that
 * will run `function` on a copy of the argument. NULL without memory. */
struct future *future_create(const assay_executor *home, assay_function *function,
			     const void *argument, size_t size, uint32_t references);

/* The same where it is done in few steps; NULL where it takes a call: future_create() may have one. */
struct future *future_try_create(const assay_executor *home, assay_function *function,
				 const void *argument, size_t size, uint32_t references);

/* Frees a record that was never handed to anybody. */
void future_discard(struct future *future);

/* Gives up the executor's reference. */
void future_release(struct future *future);

/* Pending to running. False: it was cancelled, or somebody who waits for it runs it; the function
 * must not run. */
bool future_start(struct future *future);

/* The same in place of whoever would pop it: the entry stays in the queue with the executor's
 * reference, which goes by future_release_entry(); the outcome goes with the last client. Who takes the entry
 * out before the end has the reference, and ends the future by future_end(). `word` is what the word was seen
 * to be. */
bool future_start_left(struct future *future, uint64_t word);
void future_release_entry(struct future *future);

bool future_is_pending(const struct future *future);
/* With all that was done before its end. */
bool future_is_done(const struct future *future);
bool future_was_cancelled(const struct future *future);
/* Started: found in a queue, it is run by somebody who waits for it. */
bool future_has_started(const struct future *future);
/* Pending, and no client can wait for it. */
bool future_is_forgotten(const struct future *future);

/*
 * Running a started future takes three steps in one thread, so that the caller can count in
 * between: future_call() runs the function and puts the outcome into the record, true for success;
 * future_settle() makes it visible and wakes who waits, true if somebody observes; then
 * future_notify() tells the observers and calls the callbacks. No reference is spent.
 * future_end() is settle and release in one, for a future that this thread has started; true: somebody
 * observes, and the reference is kept for future_notify() and future_release().
 */
struct future_outcome {
	uint32_t flags; /* what the state will say about bytes */
};

/* What a running task works with. It lies where it outlives the function even when that ends its
 * thread: in the worker, or in the frame that catches the end. */
struct running {
	assay_call call; /* first: the ops get its address */
	char *message;
	_Alignas(16) unsigned char scratch[FUTURE_INLINE];
};

/* The two entries of a call's table that belong to the record; the others are the backend's. */
int future_call_reserve(assay_call *call, size_t size);
void future_call_message(assay_call *call, const char *message);

/* Of calls without `children`. */
extern const struct assay_call_ops future_call_ops;

/* Before future_call(), which sets the rest of the call. */
static inline void running_init(struct running *running, const struct assay_call_ops *ops,
				struct assay_children *children)
{
	running->call.ops = ops;
	running->call.children = children;
}

bool future_call(struct future *future, assay_executor *executor, struct running *running,
		 struct future_outcome *outcome);
bool future_settle(struct future *future, struct future_outcome outcome);
bool future_end(struct future *future, struct future_outcome outcome);
void future_notify(struct future *future);

/* Its first half, where callbacks cannot run yet: true if there are any, for future_notify(). */
bool future_notify_watchers(struct future *future);

/* In place of future_call() for a started future whose function will not be called. */
void future_fail(struct future *future, int error, const char *message,
		 struct future_outcome *outcome);

/* In place of the rest of future_call() when the function ended its thread. */
void future_call_ended(struct future *future, struct running *running,
		       struct future_outcome *outcome);

#endif
