/* SPDX-License-Identifier: MIT */
/* The life of a record, but for running its task and waiting for it. The labels are those of
 * future.h, Q1 is that of queue.h. */
#include "record.h"

#include <assay/backend.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "slab.h"

static_assert(sizeof(struct future) == SLAB_RECORD, "a future is one record");

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

void copy_odd(unsigned char *to, const void *from, size_t size)
{
	memcpy(to, from, size);
}

/* Puts a large argument on the heap. False without memory. */
PORT_RARE static bool store_block(struct future *future, const void *argument, size_t size)
{
	struct block block = {malloc(size), size};

	if (!block.data)
		return false;
	memcpy(block.data, argument, size);
	memcpy(future->bytes, &block, sizeof block);
	return true;
}

_Thread_local uint64_t futures_created;

/* But for its bytes, which are as `flags` say. */
static inline void init(struct future *future, const assay_executor *home, assay_function *function,
			uint32_t references, uint32_t flags)
{
	future->base.ops = &future_ops;
	future->function = function;
	future->home = home;
	future->observers = NULL;
	/* relaxed: nobody else knows the record yet */
	atomic_store_explicit(&future->word, references * REFERENCE | ASSAY_PENDING | flags,
			      memory_order_relaxed);
}

struct future *future_create(const assay_executor *home, assay_function *function,
			     const void *argument, size_t size, uint32_t references)
{
	struct future *future = slab_allocate();
	uint32_t flags = (uint32_t)size << SIZE_SHIFT;

	if (!future)
		return NULL;
	if (size <= FUTURE_INLINE) {
		copy_inline(future->bytes, argument, size);
	} else if (store_block(future, argument, size)) {
		flags = HEAP;
	} else {
		slab_free(future);
		return NULL;
	}
	init(future, home, function, references, flags);
	return future;
}

struct future *future_try_create(const assay_executor *home, assay_function *function,
				 const void *argument, size_t size, uint32_t references)
{
	struct future *future = is_common_size(size) ? slab_try_allocate() : NULL;
	bool is_copied;

	if (!future)
		return NULL;
	is_copied = copy_common(future->bytes, argument, size);
	assert(is_copied);
	(void)is_copied;
	init(future, home, function, references, (uint32_t)size << SIZE_SHIFT);
	return future;
}

PORT_RARE static void free_contents(struct future *future, uint64_t state)
{
	free(state & HEAP ? block_of(future).data : failure_of(future).message);
}

static inline void discard(struct future *future, uint64_t word)
{
	if (__builtin_expect(word & (HEAP | FAILED), 0))
		free_contents(future, word);
	slab_free(future);
}

void future_discard(struct future *future)
{
	/* relaxed: only this thread knows the record */
	discard(future, atomic_load_explicit(&future->word, memory_order_relaxed));
}

void future_release(struct future *future)
{
	/* The only reference left is ours: nobody can add one, no locked instruction is needed. */
	if (references_of(atomic_load_explicit(&future->word, memory_order_acquire)) ==
		    1 || /* F2 */
	    references_of(atomic_fetch_sub_explicit(&future->word, REFERENCE,
						    memory_order_acq_rel)) == 1) /* F2 */
		future_discard(future);
}

void future_release_entry(struct future *future)
{
	uint64_t word = atomic_load_explicit(&future->word, memory_order_acquire); /* F2 */

	while (references_of(word) != 1)
		if (atomic_compare_exchange_weak_explicit(
			    &future->word, &word, (word - REFERENCE) & ~(uint64_t)LEFT,
			    memory_order_acq_rel, memory_order_acquire)) /* F2 */
			return;
	future_discard(future);
}

/* The last client of a future whose record an entry in a queue still holds: nobody will read the
 * outcome, which may be large. False: the word has changed, and *word is what it is now. */
PORT_RARE static bool release_outcome(struct future *future, uint64_t *word)
{
	unsigned char bytes[FUTURE_INLINE];

	memcpy(bytes, future->bytes, sizeof bytes);
	if (!atomic_compare_exchange_strong_explicit(
		    &future->word, word, (*word - REFERENCE) & ~(uint64_t)(HEAP | FAILED),
		    memory_order_acq_rel, memory_order_acquire)) /* F2 F1 */
		return false;
	if (*word & HEAP) {
		struct block block;

		memcpy(&block, bytes, sizeof block);
		free(block.data);
	} else {
		struct failure failure;

		memcpy(&failure, bytes, sizeof failure);
		free(failure.message);
	}
	return true;
}

static inline bool is_last_reader(uint64_t word)
{
	return references_of(word) == 2 && is_done(word) && (word & LEFT) &&
	       (word & (HEAP | FAILED));
}

/* Not a plain decrement: of clients that release at the same time one must see that it is the last. */
PORT_OUTLINE static void release_shared(struct future *future, uint64_t word)
{
	while (references_of(word) != 1) {
		if (__builtin_expect(is_last_reader(word), 0)) {
			if (release_outcome(future, &word))
				return;
		} else if (atomic_compare_exchange_weak_explicit(
				   &future->word, &word, word - REFERENCE, memory_order_acq_rel,
				   memory_order_acquire)) { /* F2 F1 */
			return;
		}
	}
	future_discard(future);
}

static void release_op(assay_future *base)
{
	struct future *future = future_of(base);
	uint64_t word = atomic_load_explicit(&future->word, memory_order_acquire); /* F1 F2 */

	if (references_of(word) == 1)
		discard(future, word);
	else
		release_shared(future, word);
}

static void retain_op(assay_future *base)
{
	/* relaxed: whoever retains holds a reference already */
	atomic_fetch_add_explicit(&future_of(base)->word, REFERENCE, memory_order_relaxed);
}

static enum assay_state state_op(assay_future *base)
{
	return (enum assay_state)(
		atomic_load_explicit(&future_of(base)->word, memory_order_acquire) & /* F1 */
		STATUS);
}

/*
 * Takes the right to edit `observers`. False: the future is done, and the list is the settler's.
 */
static bool lock(struct future *future)
{
	uint64_t word = atomic_load_explicit(&future->word, memory_order_acquire); /* F1 */
	unsigned step = 0;

	while (!is_done(word)) {
		if (word & LOCKED) {
			port_backoff(&step);
			word = atomic_load_explicit(&future->word, memory_order_acquire); /* F1 */
		} else if (atomic_compare_exchange_weak_explicit(&future->word, &word,
								 word | LOCKED,
								 memory_order_acquire, /* F3 F1 */
								 memory_order_acquire)) {
			return true;
		}
	}
	return false;
}

static void unlock(struct future *future)
{
	if (future->observers) /* sticky: settling an empty list is harmless; relaxed: before F3 */
		atomic_fetch_or_explicit(&future->word, OBSERVED, memory_order_relaxed);
	atomic_fetch_and_explicit(&future->word, ~(uint64_t)LOCKED, memory_order_release); /* F3 */
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

bool future_notify_watchers(struct future *future)
{
	struct assay_watcher *ring = future->observers, *callbacks = NULL, *watcher;

	while ((watcher = ring_take_first(&ring))) {
		if (watcher->notify == callback_mark) {
			ring_append(&callbacks, watcher);
		} else {
			watcher->notify(watcher);
			__atomic_store_n(&watcher->detached, 1, __ATOMIC_RELEASE); /* F4 */
		}
	}
	future->observers = callbacks;
	return callbacks;
}

/* Watchers first, so that no waiter waits for somebody's callback; then callbacks in order. The last
 * of them may give up the last reference. */
void future_notify(struct future *future)
{
	struct assay_watcher *next;

	if (!future_notify_watchers(future))
		return;
	next = future->observers->next;
	future->observers->next = NULL; /* no ring any more: the last is the end */
	while (next) {
		struct callback callback = *(struct callback *)next;

		free(next); /* first: it may end the thread */
		next = callback.watcher.next;
		callback.function(&future->base, callback.user);
	}
}

/* Moves status `from` to the done state `to`, once, gives up a reference if asked to, and wakes who
 * sleeps; *before is the word it was. False: the status is another. */
PORT_RARE static bool settle(struct future *future, uint32_t from, uint32_t to, bool give_up,
			     uint64_t *before)
{
	uint64_t word = atomic_load_explicit(&future->word, memory_order_relaxed);
	_Atomic uint32_t *futex = futex_of(future);
	unsigned step = 0;

	for (;;) {
		uint64_t references = word & ~(uint64_t)UINT32_MAX;

		if ((word & STATUS) != from)
			return false;
		if (give_up && !(word & OBSERVED))
			references -= REFERENCE;
		if (word & LOCKED) {
			port_backoff(&step);
			word = atomic_load_explicit(&future->word, memory_order_relaxed);
		} else if (atomic_compare_exchange_weak_explicit(
				   &future->word, &word,
				   references | (give_up ? 0 : word & LEFT) | to,
				   memory_order_acq_rel, /* F1 F2 F3 */
				   memory_order_relaxed)) {
			break;
		}
	}
	*before = word;
	if (word & SLEEPERS) /* the record may be gone: see port_wake() */
		port_wake(futex, INT_MAX);
	return true;
}

static bool cancel_op(assay_future *base)
{
	struct future *future = future_of(base);
	uint64_t before;

	if (settle(future, ASSAY_PENDING, ASSAY_CANCELLED, false, &before)) {
		if (before & HEAP) /* the argument; the done word no longer mentions it */
			free(block_of(future).data);
		if (before & OBSERVED)
			future_notify(future);
		return true;
	}
	return state_op(base) == ASSAY_CANCELLED;
}

/* `word` is what the word was seen to be. */
static inline bool start(struct future *future, uint32_t flags, uint64_t word)
{
	/* relaxed: the queue published the record (Q1), or whoever gave its waiter the future */
	while ((word & STATUS) == ASSAY_PENDING)
		if (atomic_compare_exchange_weak_explicit(
			    &future->word, &word, word | ASSAY_RUNNING | flags,
			    memory_order_relaxed, memory_order_relaxed))
			return true;
	return false;
}

bool future_start(struct future *future)
{
	return start(future, 0, atomic_load_explicit(&future->word, memory_order_relaxed));
}

bool future_start_left(struct future *future, uint64_t word)
{
	return start(future, LEFT, word);
}

bool future_is_pending(const struct future *future)
{
	return (atomic_load_explicit(&future->word, memory_order_relaxed) & STATUS) ==
	       ASSAY_PENDING;
}

bool future_has_started(const struct future *future)
{
	return atomic_load_explicit(&future->word, memory_order_relaxed) & ASSAY_RUNNING;
}

bool future_is_done(const struct future *future)
{
	return is_done(atomic_load_explicit(&future->word, memory_order_acquire)); /* F1 */
}

bool future_is_forgotten(const struct future *future)
{
	uint64_t word = atomic_load_explicit(&future->word, memory_order_relaxed);

	return (word & STATUS) == ASSAY_PENDING && references_of(word) == 1;
}

bool future_was_cancelled(const struct future *future)
{
	return (atomic_load_explicit(&future->word, memory_order_relaxed) & STATUS) ==
	       ASSAY_CANCELLED;
}

bool future_settle(struct future *future, struct future_outcome outcome)
{
	uint64_t before = 0;

	settle(future, ASSAY_RUNNING, ASSAY_FINISHED | outcome.flags, false, &before);
	return before & OBSERVED;
}

/* Somebody waits or observes, or came just now. */
PORT_OUTLINE static bool end_among_others(struct future *future, struct future_outcome outcome)
{
	uint64_t before = 0;

	settle(future, ASSAY_RUNNING, ASSAY_FINISHED | outcome.flags, true, &before);
	if (before & OBSERVED)
		return true;
	if (references_of(before) == 1) /* nobody is left to read the outcome */
		future_discard(future);
	return false;
}

bool future_end(struct future *future, struct future_outcome outcome)
{
	/* relaxed: this thread started it; only the references and the bits of waiters change */
	uint64_t before = atomic_load_explicit(&future->word, memory_order_relaxed);
	uint64_t after =
		((before & ~(uint64_t)UINT32_MAX) | ASSAY_FINISHED | outcome.flags) - REFERENCE;

	if (before & (LOCKED | SLEEPERS | OBSERVED) ||
	    !atomic_compare_exchange_strong_explicit(&future->word, &before, after,
						     memory_order_acq_rel, /* F1 F2 */
						     memory_order_relaxed))
		return end_among_others(future, outcome);
	if (references_of(before) == 1) /* nobody is left to read the outcome */
		future_discard(future);
	return false;
}

void future_fail(struct future *future, int error, const char *message,
		 struct future_outcome *outcome)
{
	struct failure failure = {error, 0, strdup(message)};

	/* relaxed: as in future_call() */
	if (atomic_load_explicit(&future->word, memory_order_relaxed) & HEAP)
		free(block_of(future).data);
	store_failure(future, failure);
	outcome->flags = FAILED;
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

const struct assay_future_ops future_ops = {
	.retain = retain_op,
	.release = release_op,
	.state = state_op,
	.cancel = cancel_op,
	.outcome = wait_outcome_op,
	.add_done_callback = add_done_callback_op,
	.watch = watch_op,
	.unwatch = unwatch_op,
	.park = wait_park_op,
	.helps = wait_helps_op,
};
