/* SPDX-License-Identifier: MIT */
#include "record.h"

#include <assay/backend.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "slab.h"

static_assert(sizeof(struct future) == SLAB_RECORD, "a future is one record");

/* How long a waiter looks before it sleeps: about the price of one wake-up. */
#define WAIT_SPINS 200

/* A done callback hangs among the watchers; its notify is never called but tells it apart. */
struct callback {
	struct assay_watcher watcher;
	assay_callback *function;
	void *user;
};

static void callback_mark(struct assay_watcher *watcher)
{
	(void)watcher;
}

struct future *future_create(assay_function *function, const void *argument, size_t size,
			     uint32_t references)
{
	struct future *future = slab_allocate();
	uint32_t flags = (uint32_t)size << SIZE_SHIFT;

	if (!future)
		return NULL;
	if (size > FUTURE_INLINE) {
		struct block block = {malloc(size), size};

		if (!block.data) {
			slab_free(future);
			return NULL;
		}
		memcpy(block.data, argument, size);
		memcpy(future->bytes, &block, sizeof block);
		flags = HEAP;
	} else if (size) {
		memcpy(future->bytes, argument, size);
	}
	future->base.ops = &future_ops;
	future->function = function;
	future->next = NULL;
	future->observers = NULL;
	/* relaxed: nobody else knows the record yet */
	atomic_store_explicit(&future->state, ASSAY_PENDING | flags, memory_order_relaxed);
	atomic_store_explicit(&future->references, references, memory_order_relaxed);
	return future;
}

static void free_contents(struct future *future, uint32_t state)
{
	if (state & HEAP)
		free(block_of(future).data);
	else if (state & FAILED)
		free(failure_of(future).message);
}

void future_discard(struct future *future)
{
	/* relaxed: only this thread knows the record */
	free_contents(future, atomic_load_explicit(&future->state, memory_order_relaxed));
	slab_free(future);
}

void future_release(struct future *future)
{
	/* The only reference left is ours: nobody can add one, no locked instruction is needed. */
	if (atomic_load_explicit(&future->references, memory_order_acquire) == 1 ||       /* F2 */
	    atomic_fetch_sub_explicit(&future->references, 1, memory_order_acq_rel) == 1) /* F2 */
		future_discard(future);
}

static void release_op(assay_future *base)
{
	future_release(future_of(base));
}

static void retain_op(assay_future *base)
{
	/* relaxed: whoever retains holds a reference already */
	atomic_fetch_add_explicit(&future_of(base)->references, 1, memory_order_relaxed);
}

static enum assay_state state_op(assay_future *base)
{
	return atomic_load_explicit(&future_of(base)->state, memory_order_acquire) &
	       STATUS; /* F1 */
}

/*
 * Takes the right to edit `observers`. False: the future is done, and the list is the settler's.
 */
static bool lock(struct future *future)
{
	uint32_t state = atomic_load_explicit(&future->state, memory_order_acquire); /* F1 */
	unsigned step = 0;

	while (!is_done(state)) {
		if (state & LOCKED) {
			port_backoff(&step);
			state = atomic_load_explicit(&future->state, memory_order_acquire); /* F1 */
		} else if (atomic_compare_exchange_weak_explicit(&future->state, &state,
								 state | LOCKED,
								 memory_order_acquire, /* F3 F1 */
								 memory_order_acquire)) {
			return true;
		}
	}
	return false;
}

static void unlock(struct future *future)
{
	if (future->observers) /* sticky: settling an empty list is harmless */
		atomic_fetch_or_explicit(&future->state, OBSERVED, memory_order_relaxed);
	atomic_fetch_and_explicit(&future->state, ~LOCKED, memory_order_release); /* F3 */
}

/* Appends to the ring whose last element is *ring. */
static void ring_append(struct assay_watcher **ring, struct assay_watcher *watcher)
{
	struct assay_watcher *last = *ring;

	if (last) {
		watcher->next = last->next;
		watcher->previous = last;
		watcher->next->previous = watcher;
		last->next = watcher;
	} else {
		watcher->next = watcher->previous = watcher;
	}
	*ring = watcher;
}

static void ring_remove(struct assay_watcher **ring, struct assay_watcher *watcher)
{
	if (*ring == watcher)
		*ring = watcher->previous == watcher ? NULL : watcher->previous;
	watcher->previous->next = watcher->next;
	watcher->next->previous = watcher->previous;
}

static struct assay_watcher *ring_take_first(struct assay_watcher **ring)
{
	struct assay_watcher *first = *ring ? (*ring)->next : NULL;

	if (first)
		ring_remove(ring, first);
	return first;
}

/* Watchers first, so that no waiter waits for somebody's callback; then callbacks in order. */
void future_notify(struct future *future)
{
	struct assay_watcher *ring = future->observers, *watcher;
	struct assay_watcher *callbacks = NULL, **end = &callbacks;

	while ((watcher = ring_take_first(&ring))) {
		if (watcher->notify == callback_mark) {
			watcher->next = NULL;
			*end = watcher;
			end = &watcher->next;
		} else {
			watcher->notify(watcher);
			__atomic_store_n(&watcher->detached, 1, __ATOMIC_RELEASE); /* F4 */
		}
	}
	while (callbacks) {
		struct callback callback = *(struct callback *)callbacks;

		free(callbacks); /* first: it may end the thread */
		callbacks = callback.watcher.next;
		callback.function(&future->base, callback.user);
	}
}

/* Moves status `from` to the done word `to`, once, and wakes who sleeps; *before is the word it
 * was. False: the status is another. */
static bool settle(struct future *future, uint32_t from, uint32_t to, uint32_t *before)
{
	uint32_t state = atomic_load_explicit(&future->state, memory_order_relaxed);
	unsigned step = 0;

	for (;;) {
		if ((state & STATUS) != from)
			return false;
		if (state & LOCKED) {
			port_backoff(&step);
			state = atomic_load_explicit(&future->state, memory_order_relaxed);
		} else if (atomic_compare_exchange_weak_explicit(
				   &future->state, &state, to, memory_order_acq_rel, /* F1 F3 F5 */
				   memory_order_relaxed)) {
			break;
		}
	}
	*before = state;
	if (state & SLEEPERS)
		port_wake(&future->state, INT_MAX);
	return true;
}

static bool cancel_op(assay_future *base)
{
	struct future *future = future_of(base);
	uint32_t before;

	if (settle(future, ASSAY_PENDING, ASSAY_CANCELLED, &before)) {
		if (before & HEAP) /* the argument; the done word no longer mentions it */
			free(block_of(future).data);
		if (before & OBSERVED)
			future_notify(future);
		return true;
	}
	return state_op(base) == ASSAY_CANCELLED;
}

bool future_start(struct future *future)
{
	uint32_t state = atomic_load_explicit(&future->state, memory_order_relaxed);

	while ((state & STATUS) == ASSAY_PENDING) /* relaxed: the queue published the record */
		if (atomic_compare_exchange_weak_explicit(
			    &future->state, &state, state | ASSAY_RUNNING, memory_order_relaxed,
			    memory_order_relaxed))
			return true;
	return false;
}

bool future_settle(struct future *future, struct future_outcome outcome)
{
	uint32_t before = 0;

	settle(future, ASSAY_RUNNING, ASSAY_FINISHED | outcome.flags, &before);
	return before & OBSERVED;
}

void future_fail(struct future *future, int error, const char *message,
		 struct future_outcome *outcome)
{
	struct failure failure = {error, 0, strdup(message)};

	/* relaxed: as in future_call() */
	if (atomic_load_explicit(&future->state, memory_order_relaxed) & HEAP)
		free(block_of(future).data);
	store_failure(future, failure);
	outcome->flags = FAILED;
}

static void read_outcome(const struct future *future, uint32_t state, struct assay_outcome *outcome)
{
	*outcome = (struct assay_outcome){.message = ""};
	if ((state & STATUS) == ASSAY_CANCELLED) {
		outcome->error = ASSAY_ECANCELLED;
	} else if (state & FAILED) {
		struct failure failure = failure_of(future);

		outcome->error = failure.error;
		outcome->code = failure.code;
		if (failure.message)
			outcome->message = failure.message;
	} else if (state & HEAP) {
		outcome->result = block_of(future).data;
		outcome->result_size = block_of(future).size;
	} else if (state >> SIZE_SHIFT) {
		outcome->result = future->bytes;
		outcome->result_size = state >> SIZE_SHIFT;
	}
}

/* Waits until done or the deadline; returns the last state seen. */
static uint32_t await(struct future *future, int64_t timeout_ns)
{
	int64_t deadline_ns;
	uint32_t state = 0;
	bool in_time = true;

	for (int i = 0; i < WAIT_SPINS; i++) {
		state = atomic_load_explicit(&future->state, memory_order_acquire); /* F1 */
		if (is_done(state))
			return state;
		port_pause();
	}
	deadline_ns = assay_deadline_ns(timeout_ns);
	while (!is_done(state) && in_time) {
		/* On a done word the bit is meaningless, and nobody sleeps. */
		state = atomic_fetch_or_explicit(&future->state, SLEEPERS,
						 memory_order_acquire); /* F1 */
		if (is_done(state))
			return state;
		in_time = port_sleep(&future->state, state | SLEEPERS, deadline_ns);
		state = atomic_load_explicit(&future->state, memory_order_acquire); /* F1 */
	}
	return state;
}

static int outcome_op(assay_future *base, int64_t timeout_ns, struct assay_outcome *outcome)
{
	struct future *future = future_of(base);
	uint32_t state = atomic_load_explicit(&future->state, memory_order_acquire); /* F1 */

	if (!is_done(state) && timeout_ns > 0)
		state = await(future, timeout_ns);
	if (!is_done(state))
		return ASSAY_ETIMEDOUT;
	if (outcome)
		read_outcome(future, state, outcome);
	return ASSAY_OK;
}

static int add_done_callback_op(assay_future *base, assay_callback *function, void *user)
{
	struct future *future = future_of(base);
	struct callback *callback;

	if (state_op(base) >= ASSAY_CANCELLED) {
		function(base, user);
		return ASSAY_OK;
	}
	callback = malloc(sizeof *callback);
	if (!callback)
		return ASSAY_ENOMEM;
	callback->watcher.notify = callback_mark;
	callback->function = function;
	callback->user = user;
	if (!lock(future)) {
		free(callback);
		function(base, user);
		return ASSAY_OK;
	}
	ring_append(&future->observers, &callback->watcher);
	unlock(future);
	return ASSAY_OK;
}

static int watch_op(assay_future *base, struct assay_watcher *watcher)
{
	struct future *future = future_of(base);

	watcher->detached = 0;
	if (!lock(future))
		return ASSAY_EDONE;
	ring_append(&future->observers, watcher);
	unlock(future);
	return ASSAY_OK;
}

static void unwatch_op(assay_future *base, struct assay_watcher *watcher)
{
	struct future *future = future_of(base);
	unsigned step = 0;

	if (lock(future)) {
		ring_remove(&future->observers, watcher);
		unlock(future);
		return;
	}
	while (!__atomic_load_n(&watcher->detached, __ATOMIC_ACQUIRE)) /* F4 */
		port_backoff(&step);
}

static void wake_signal(struct assay_signal *signal)
{
	port_wake((_Atomic uint32_t *)&signal->state, 1);
}

static int park_op(assay_future *base, struct assay_signal *signal, int64_t timeout_ns)
{
	int64_t deadline_ns = assay_deadline_ns(timeout_ns);
	uint32_t state = ASSAY_SIGNAL_CLEAR;
	bool in_time = timeout_ns > 0;

	(void)base;
	signal->wake = wake_signal;
	if (in_time &&
	    __atomic_compare_exchange_n(&signal->state, &state, (uint32_t)ASSAY_SIGNAL_PARKED,
					false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		state = ASSAY_SIGNAL_PARKED;
	while (state != ASSAY_SIGNAL_SET && in_time) {
		in_time = port_sleep((_Atomic uint32_t *)&signal->state, ASSAY_SIGNAL_PARKED,
				     deadline_ns);
		state = __atomic_load_n(&signal->state, __ATOMIC_ACQUIRE);
	}
	if (state == ASSAY_SIGNAL_PARKED &&
	    __atomic_compare_exchange_n(&signal->state, &state, (uint32_t)ASSAY_SIGNAL_CLEAR, false,
					__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return ASSAY_ETIMEDOUT;
	return __atomic_load_n(&signal->state, __ATOMIC_ACQUIRE) == ASSAY_SIGNAL_SET
		       ? ASSAY_OK
		       : ASSAY_ETIMEDOUT;
}

const struct assay_future_ops future_ops = {
	.retain = retain_op,
	.release = release_op,
	.state = state_op,
	.cancel = cancel_op,
	.outcome = outcome_op,
	.add_done_callback = add_done_callback_op,
	.watch = watch_op,
	.unwatch = unwatch_op,
	.park = park_op,
	.helps = assay_default_helps,
};
