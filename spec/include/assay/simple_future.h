/* SPDX-License-Identifier: MIT */
/*
 * assay/simple_future.h - a complete future for authors of backends, on one mutex and one condition
 * variable. Not fast; it keeps the contract. What is left to write is a queue and workers:
 *
 *	submit:   assay_simple_create(executor, function, task, future ? 2 : 1, &simple), queue it,
 *	          then *future = &simple->base. If the queue refuses: assay_simple_discard(simple).
 *	worker:   take it from the queue and assay_simple_run(simple).
 *	shutdown: assay_simple_cancel() what is in the queue; if broken, assay_simple_fail() it.
 *
 * The last three spend the queue's reference and call callbacks: hold no lock around them. The
 * mutex of a future is a leaf: while it is held nothing else is locked and no foreign code runs.
 *
 * When a future becomes done
 *	1. its outcome is complete before its state says so, and waiters are woken;
 *	2. watchers are notified, then callbacks are called, in the order in which they were added;
 *	3. both without the mutex: a callback may use the future, and notify may wake a waiter of
 *	   another backend, which takes locks of its own;
 *	4. unwatch waits for a notify that is under way, since its caller frees the watcher next.
 *
 * Ordering; all else is under the mutex
 *   M1  move: release store of state  ->  state: acquire load     outcome, and what the task wrote
 *   M2  release: release decrement of references  ->  the last one's acquire    uses before the free
 */
#ifndef ASSAY_SIMPLE_FUTURE_H
#define ASSAY_SIMPLE_FUTURE_H

#include <assay/backend.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Arguments and results up to this many bytes stay inside the future. */
#define ASSAY_SIMPLE_ROOM 32

struct assay_simple_callback {
	struct assay_simple_callback *next;
	assay_callback *function;
	void *user;
};

struct assay_simple_future {
	assay_future base;                /* first: the table gets its address */
	struct assay_simple_future *next; /* the owner's: a link for its queue */
	assay_executor *executor;         /* used until the task is done, not longer */
	assay_function *function;
	size_t argument_size;
	uint32_t references; /* atomic */
	uint32_t state;      /* enum assay_state; atomic, changes under mutex */
	pthread_mutex_t mutex;
	pthread_cond_t changed; /* the future is done, or a watcher was detached */
	/* Under mutex while not done; whoever makes the future done empties them. */
	struct assay_watcher watchers; /* the head of a ring; nothing else of it is used */
	struct assay_simple_callback *callbacks;
	struct assay_simple_callback **callbacks_end; /* the link that the next one goes into */
	/* Written by whoever makes the future done, before it is. */
	struct assay_outcome outcome;
	void *large_result;   /* from malloc; NULL if the result fits in room */
	char *message;        /* from malloc, or NULL */
	void *large_argument; /* from malloc, until the task ends; NULL if it fits */
	unsigned char room[ASSAY_SIMPLE_ROOM] __attribute__((aligned(16)));
	unsigned char argument_room[ASSAY_SIMPLE_ROOM] __attribute__((aligned(16)));
};

struct assay_simple_call {
	assay_call call; /* first: the table gets its address */
	struct assay_simple_future *future;
};

/* Frees a future that was never handed to anybody, whatever its references. */
static inline void assay_simple_discard(struct assay_simple_future *future)
{
	pthread_cond_destroy(&future->changed);
	pthread_mutex_destroy(&future->mutex);
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the analyzer does not count references */
	free(future->large_argument);
	free(future->large_result);
	free(future->message);
	free(future);
}

static inline void assay_simple_retain(assay_future *base)
{
	/* relaxed: whoever retains holds a reference already */
	__atomic_fetch_add(&((struct assay_simple_future *)base)->references, 1, __ATOMIC_RELAXED);
}

static inline void assay_simple_release(assay_future *base)
{
	struct assay_simple_future *future = (struct assay_simple_future *)base;

	if (__atomic_fetch_sub(&future->references, 1, __ATOMIC_ACQ_REL) == 1) /* M2 */
		assay_simple_discard(future);
}

static inline enum assay_state assay_simple_state(assay_future *base)
{
	return (enum assay_state)__atomic_load_n(&((struct assay_simple_future *)base)->state,
						 __ATOMIC_ACQUIRE); /* M1 */
}

/* Who made the task end is the last to need its argument: the future may be kept for long. */
static inline void assay_simple_free_argument(struct assay_simple_future *future)
{
	free(future->large_argument);
	future->large_argument = NULL;
}

/* Moves from one state to another, once: of several who try only one gets true. */
static inline bool assay_simple_move(struct assay_simple_future *future, enum assay_state from,
				     enum assay_state to)
{
	bool moved;

	pthread_mutex_lock(&future->mutex);
	moved = future->state == (uint32_t)from;
	if (moved) {
		if (to == ASSAY_CANCELLED)
			future->outcome.error = ASSAY_ECANCELLED;
		__atomic_store_n(&future->state, (uint32_t)to, __ATOMIC_RELEASE); /* M1 */
		if (to >= ASSAY_CANCELLED)
			pthread_cond_broadcast(&future->changed);
	}
	pthread_mutex_unlock(&future->mutex);
	return moved;
}

/* For whoever made the future done: from then on both lists are this thread's alone. */
static inline void assay_simple_notify(struct assay_simple_future *future)
{
	struct assay_watcher *watcher = future->watchers.next;
	struct assay_simple_callback *callback = future->callbacks;

	assay_simple_retain(&future->base); /* a callback may give up the caller's reference */
	while (watcher != &future->watchers) {
		struct assay_watcher *next = watcher->next; /* once detached it may be gone */

		watcher->notify(watcher);
		pthread_mutex_lock(&future->mutex);
		watcher->detached = 1;
		pthread_cond_broadcast(&future->changed);
		pthread_mutex_unlock(&future->mutex);
		watcher = next;
	}
	while (callback) {
		struct assay_simple_callback *next = callback->next;

		callback->function(&future->base, callback->user);
		free(callback);
		callback = next;
	}
	assay_simple_release(&future->base);
}

static inline bool assay_simple_cancel_op(assay_future *base)
{
	struct assay_simple_future *future = (struct assay_simple_future *)base;

	if (!assay_simple_move(future, ASSAY_PENDING, ASSAY_CANCELLED))
		return assay_simple_state(base) == ASSAY_CANCELLED;
	assay_simple_free_argument(future);
	assay_simple_notify(future);
	return true;
}

static inline int assay_simple_outcome(assay_future *base, int64_t timeout_ns,
				       struct assay_outcome *outcome)
{
	struct assay_simple_future *future = (struct assay_simple_future *)base;

	if (timeout_ns > 0 && assay_simple_state(base) < ASSAY_CANCELLED) {
		struct timespec deadline = assay_deadline(timeout_ns);
		int error = 0;

		pthread_mutex_lock(&future->mutex);
		while (future->state < (uint32_t)ASSAY_CANCELLED && error != ETIMEDOUT)
			error = timeout_ns == ASSAY_FOREVER
					? pthread_cond_wait(&future->changed, &future->mutex)
					: pthread_cond_timedwait(&future->changed, &future->mutex,
								 &deadline);
		pthread_mutex_unlock(&future->mutex);
	}
	/* Asked again after the time-out: done wins. */
	if (assay_simple_state(base) < ASSAY_CANCELLED)
		return ASSAY_ETIMEDOUT;
	if (outcome)
		*outcome = future->outcome;
	return ASSAY_OK;
}

static inline int assay_simple_add_done_callback(assay_future *base, assay_callback *function,
						 void *user)
{
	struct assay_simple_future *future = (struct assay_simple_future *)base;
	struct assay_simple_callback *callback =
		(struct assay_simple_callback *)calloc(1, sizeof *callback);
	bool done;

	if (!callback)
		return ASSAY_ENOMEM;
	callback->function = function;
	callback->user = user;
	pthread_mutex_lock(&future->mutex);
	done = future->state >= (uint32_t)ASSAY_CANCELLED;
	if (!done) {
		*future->callbacks_end = callback;
		future->callbacks_end = &callback->next;
	}
	pthread_mutex_unlock(&future->mutex);
	if (done) {
		free(callback);
		function(base, user);
	}
	return ASSAY_OK;
}

static inline int assay_simple_watch(assay_future *base, struct assay_watcher *watcher)
{
	struct assay_simple_future *future = (struct assay_simple_future *)base;
	bool done;

	pthread_mutex_lock(&future->mutex);
	done = future->state >= (uint32_t)ASSAY_CANCELLED;
	if (!done) {
		watcher->detached = 0;
		watcher->next = &future->watchers;
		watcher->previous = future->watchers.previous;
		watcher->previous->next = future->watchers.previous = watcher;
	}
	pthread_mutex_unlock(&future->mutex);
	return done ? ASSAY_EDONE : ASSAY_OK;
}

static inline void assay_simple_unwatch(assay_future *base, struct assay_watcher *watcher)
{
	struct assay_simple_future *future = (struct assay_simple_future *)base;

	pthread_mutex_lock(&future->mutex);
	if (future->state < (uint32_t)ASSAY_CANCELLED) {
		watcher->previous->next = watcher->next;
		watcher->next->previous = watcher->previous;
	} else {
		while (!watcher->detached)
			pthread_cond_wait(&future->changed, &future->mutex);
	}
	pthread_mutex_unlock(&future->mutex);
}

static const struct assay_future_ops assay_simple_future_ops = {
	assay_simple_retain,    assay_simple_release, assay_simple_state,
	assay_simple_cancel_op, assay_simple_outcome, assay_simple_add_done_callback,
	assay_simple_watch,     assay_simple_unwatch, assay_default_park,
	assay_default_helps,
};

/*
 * For the backend
 */

static inline void *assay_simple_argument(struct assay_simple_future *future)
{
	return future->large_argument ? future->large_argument : future->argument_room;
}

/* A pending future that will run function on a copy of the task's argument. References: 2, one the
 * client's and one the queue's, or 1, the queue's. executor must exist until the task has ended.
 * ASSAY_ETOOBIG if the argument exceeds the limit of the backend, ASSAY_ENOMEM. */
static inline int assay_simple_create(assay_executor *executor, assay_function *function,
				      const struct assay_task *task, uint32_t references,
				      struct assay_simple_future **out)
{
	struct assay_simple_future *future;
	pthread_condattr_t attributes;

	if (task->argument_size > executor->ops->backend->argument_limit)
		return ASSAY_ETOOBIG;
	future = (struct assay_simple_future *)calloc(1, sizeof *future);
	if (future && task->argument_size > sizeof future->argument_room)
		future->large_argument = malloc(task->argument_size);
	if (!future ||
	    (task->argument_size > sizeof future->argument_room && !future->large_argument)) {
		free(future);
		return ASSAY_ENOMEM;
	}
	future->base.ops = &assay_simple_future_ops;
	future->executor = executor;
	future->function = function;
	future->references = references;
	future->outcome.message = "";
	future->watchers.next = future->watchers.previous = &future->watchers;
	future->callbacks_end = &future->callbacks;
	future->argument_size = task->argument_size;
	if (task->argument_size)
		memcpy(assay_simple_argument(future), task->argument, task->argument_size);
	pthread_mutex_init(&future->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&future->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	*out = future;
	return ASSAY_OK;
}

static inline int assay_simple_reserve(assay_call *call, size_t size)
{
	struct assay_simple_future *future = ((struct assay_simple_call *)call)->future;
	void *room;

	if (size > future->executor->ops->backend->result_limit)
		return ASSAY_ETOOBIG;
	room = malloc(size);
	if (!room)
		return ASSAY_ENOMEM;
	free(future->large_result);
	future->large_result = room;
	call->result = room;
	call->result_capacity = size;
	return ASSAY_OK;
}

static inline void assay_simple_message(assay_call *call, const char *message)
{
	struct assay_simple_future *future = ((struct assay_simple_call *)call)->future;
	char *copy = strdup(message);

	free(future->message);
	future->message = copy;
}

/* Calls the function and writes the outcome. */
static inline void assay_simple_call_function(struct assay_simple_future *future)
{
	static const struct assay_call_ops ops = {assay_simple_reserve, assay_simple_message, NULL,
						  NULL};
	struct assay_outcome *outcome = &future->outcome;
	struct assay_simple_call running;
	int returned;

	memset(&running, 0, sizeof running);
	running.future = future;
	running.call.ops = &ops;
	running.call.argument = assay_simple_argument(future);
	running.call.argument_size = future->argument_size;
	running.call.executor = future->executor;
	running.call.result = future->room;
	running.call.result_capacity = sizeof future->room;
	returned = future->function(&running.call);
	assay_simple_free_argument(future);
	if (returned == ASSAY_OK) {
		outcome->result_size = running.call.result_size;
		outcome->result = running.call.result_size ? running.call.result : NULL;
		return;
	}
	/* These two are of the closed set; any other number is the task's own. */
	outcome->error =
		returned == ASSAY_ENOMEM || returned == ASSAY_ETOOBIG ? returned : ASSAY_EFAILED;
	outcome->code = outcome->error == ASSAY_EFAILED ? returned : 0;
	outcome->message = future->message ? future->message : "";
}

static inline void assay_simple_finish(struct assay_simple_future *future)
{
	assay_simple_move(future, ASSAY_RUNNING, ASSAY_FINISHED);
	assay_simple_notify(future);
}

/* Runs the task on the calling thread, unless it was cancelled, and tells everybody. Returns the
 * error of its outcome: ASSAY_OK, ASSAY_ECANCELLED (nothing was run), ASSAY_EFAILED ... */
static inline int assay_simple_run(struct assay_simple_future *future)
{
	int error = ASSAY_ECANCELLED;

	if (assay_simple_move(future, ASSAY_PENDING, ASSAY_RUNNING)) {
		assay_simple_call_function(future);
		error = future->outcome.error;
		assay_simple_finish(future);
	}
	assay_simple_release(&future->base);
	return error;
}

/* Cancels a task that was taken from the queue, for shutdown. */
static inline void assay_simple_cancel(struct assay_simple_future *future)
{
	assay_simple_cancel_op(&future->base);
	assay_simple_release(&future->base);
}

/* Ends a task that will not run with an error of the closed set. False: it was cancelled before. */
static inline bool assay_simple_fail(struct assay_simple_future *future, int error)
{
	bool pending = assay_simple_move(future, ASSAY_PENDING, ASSAY_RUNNING);

	if (pending) {
		assay_simple_free_argument(future);
		future->outcome.error = error;
		assay_simple_finish(future);
	}
	assay_simple_release(&future->base);
	return pending;
}

/* For create: refuses a setting that differs from its default and whose capability is not claimed,
 * with ASSAY_EUNSUPPORTED, and any options with ASSAY_EINVAL. */
static inline int assay_simple_check_config(const struct assay_config *config,
					    uint64_t capabilities)
{
	uint64_t needed = 0;

	if (config->queue_capacity != ASSAY_UNLIMITED || config->when_full != ASSAY_FULL_BLOCK)
		needed |= ASSAY_CAP_BOUNDED_QUEUE;
	if (config->initializer)
		needed |= ASSAY_CAP_INITIALIZER;
	if (config->tasks_per_worker != INT_MAX)
		needed |= ASSAY_CAP_TASKS_PER_WORKER;
	if (config->stack_size)
		needed |= ASSAY_CAP_STACK_SIZE;
	if (config->on_worker_death != ASSAY_DEATH_BREAKS || config->retries)
		needed |= ASSAY_CAP_SURVIVES_CRASH;
	if (config->function_count)
		needed |= ASSAY_CAP_NAMED_FUNCTIONS;
	if (config->name)
		needed |= ASSAY_CAP_WORKER_NAMES;
	if (config->options && *config->options)
		return ASSAY_EINVAL;
	return needed & ~capabilities ? ASSAY_EUNSUPPORTED : ASSAY_OK;
}

#ifdef __cplusplus
}
#endif

#endif
