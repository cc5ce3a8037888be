/* SPDX-License-Identifier: MIT */
/*
 * The future of a task in a slot. Until it is done the core's record is pending and its function
 * names the slot, whose word is the truth. Whoever asks first after the task is done copies the outcome
 * into the record (collects it); from then on it is a future like any other. One that somebody
 * watches is collected by the collector only, so that callbacks run in no waiter's time.
 *
 * The labels are those of segment.h and pool.h, F1 and F2 those of core/future.h.
 */
#include "pool.h"

#include "../core/record.h"
#include "../core/slab.h"

#include <stdlib.h>

/* A longer result stays in the arena until the future is released: it is not copied twice. */
#define COPIED_BYTES 16384

/* Where a long result lies; owner is NULL if it is from malloc. */
struct long_result {
	struct block block;
	struct segment *owner;
};

static_assert(sizeof(struct long_result) <= FUTURE_INLINE, "it fits");
static_assert(sizeof(assay_function *) == sizeof(uint64_t), "so does a hint");

void ticket_bind(struct future *future, uint64_t hint, bool has_roused)
{
	/* Not in the bytes: they become the outcome while others still look. */
	future->function = (assay_function *)(uintptr_t)(hint | (has_roused ? HINT_HAS_ROUSED : 0));
	future->base.ops = &ticket_ops;
}

static uint64_t word_of(struct future *future)
{
	return atomic_load_explicit(&future->word, memory_order_acquire); /* F1 F2 */
}

/* Pending, in a child of the process that it belongs to. */
static bool is_orphaned(struct future *future)
{
	/* relaxed: they change when there is one thread only; not the settings, which are not
	 * there any more, or another pool's, if the future has just been done */
	return atomic_load_explicit(&pool_of(future->home)->forks, memory_order_relaxed) !=
		       atomic_load_explicit(&port_forks, memory_order_relaxed) &&
	       !is_done(word_of(future));
}

/*
 * The end of a task
 */

static struct future_outcome fail(struct future *future, int error, int code, const char *bytes,
				  size_t size)
{
	struct failure failure = {error, code, size ? malloc(size + 1) : NULL};

	if (failure.message) {
		memcpy(failure.message, bytes, size);
		failure.message[size] = '\0';
	}
	store_failure(future, failure);
	return (struct future_outcome){FAILED};
}

static struct future_outcome succeed(struct future *future, const char *bytes, size_t size)
{
	struct long_result result = {{NULL, size}, NULL};

	if (size <= FUTURE_INLINE) {
		if (size)
			memcpy(future->bytes, bytes, size);
		return (struct future_outcome){(uint32_t)size << SIZE_SHIFT};
	}
	result.block.data = malloc(size);
	if (!result.block.data)
		return fail(future, ASSAY_ENOMEM, 0, NULL, 0);
	memcpy(result.block.data, bytes, size);
	memcpy(future->bytes, &result, sizeof result);
	return (struct future_outcome){HEAP};
}

/* What a slot says of an outcome. */
struct outline {
	size_t size;
	size_t extent;
	int32_t error;
	int32_t code;
	uint32_t offset;
};

/* The result becomes the future's, where it lies. */
static struct future_outcome keep_extent(struct pool *pool, struct future *future,
					 const struct outline *slot)
{
	struct segment *segment = pool->segment;
	struct long_result result = {{segment->arena + slot->extent, slot->size}, segment};

	arena_mark(segment, slot->extent, slot->size, owner_of_future(client_forks()));
	/* relaxed: the pool has one */
	atomic_fetch_add_explicit(&segment->references, 1, memory_order_relaxed);
	memcpy(future->bytes, &result, sizeof result);
	return (struct future_outcome){HEAP};
}

/* What a task left in the slot may be anything, if it wrote where it must not. */
static bool is_sound(struct pool *pool, const struct outline *slot, uint32_t index)
{
	if (slot->offset != SLOT_EXTENT)
		return slot->offset <= SLOT_BYTES && slot->size <= SLOT_BYTES - slot->offset;
	return slot->size <= assay_backend.result_limit &&
	       arena_is_owned(pool->segment, slot->extent, slot->size, owner_of_result(index));
}

static struct future_outcome read_slot(struct pool *pool, struct future *future, uint32_t index)
{
	static const char damaged[] = "a worker damaged the outcome";
	struct slot *shared = &pool->segment->slots[index];
	/* Looked at once: whoever wrote it may be writing still. */
	struct outline copy = {shared->size, shared->extent, shared->error, shared->code,
			       shared->offset};
	const struct outline *slot = &copy;
	const char *bytes = (const char *)shared->bytes + slot->offset;
	struct future_outcome outcome = {0};

	if (!is_sound(pool, slot, index))
		return !future ? outcome
			       : fail(future, ASSAY_EDIED, 0, damaged, sizeof damaged - 1);
	if (slot->offset == SLOT_EXTENT) {
		bytes = pool->segment->arena + slot->extent;
		if (future && slot->error == ASSAY_OK && slot->size > COPIED_BYTES)
			return keep_extent(pool, future, slot);
	}
	if (future)
		outcome = slot->error ? fail(future, slot->error, slot->code, bytes, slot->size)
				      : succeed(future, bytes, slot->size);
	if (slot->offset == SLOT_EXTENT)
		arena_give(pool->segment, slot->extent, slot->size);
	return outcome;
}

static void give_back(const struct long_result *result)
{
	struct segment *segment = result->owner;
	size_t extent = (size_t)((char *)result->block.data - segment->arena);
	uint32_t forks = client_forks();

	/* In a forked child the arena is the parent's, who leaves it what it may still read.
	 * relaxed: as in settings_are_orphaned() */
	if (segment->forks == atomic_load_explicit(&port_forks, memory_order_relaxed) &&
	    forks % 2 == 0 && arena_is_owned(segment, extent, 1, owner_of_future(forks)))
		arena_give(segment, extent, result->block.size);
	segment_release(segment);
}

static void discard(struct future *future)
{
	struct long_result result;

	/* relaxed: nobody else knows the record any more */
	if (atomic_load_explicit(&future->word, memory_order_relaxed) & HEAP) {
		memcpy(&result, future->bytes, sizeof result);
		if (result.owner) {
			give_back(&result);
			atomic_store_explicit(&future->word, 0, memory_order_relaxed);
		}
	}
	future_discard(future);
}

static void release(struct future *future)
{
	if (references_of(word_of(future)) == 1 ||
	    references_of(atomic_fetch_sub_explicit(&future->word, REFERENCE,
						    memory_order_acq_rel)) == 1) /* F2 */
		discard(future);
}

/* The outcome is in the bytes: publishes it, and gives up the executor's reference. But that is kept if
 * there are callbacks, which is true. */
static bool end(struct future *future, struct future_outcome outcome)
{
	bool is_observed = true;

	future_start(future);
	if (outcome.flags & HEAP) /* which the core would free */
		is_observed = future_settle(future, outcome);
	else if (!future_end(future, outcome))
		return false;
	if (is_observed && future_notify_watchers(future))
		return true;
	release(future);
	return false;
}

/* The slot stays done, so that its ticket can be in the list. Only the collector ends what is observed. */
static void call_later(struct pool *pool, uint32_t index)
{
	pool->tickets[index].next = 0;
	if (pool->uncalled)
		pool->tickets[pool->last_uncalled - 1].next = index + 1;
	else
		pool->uncalled = index + 1;
	pool->last_uncalled = index + 1;
}

void ticket_call_back(struct pool *pool)
{
	while (pool->uncalled) {
		uint32_t index = pool->uncalled - 1;
		struct ticket *ticket = &pool->tickets[index];
		struct future *future = atomic_load_explicit(&ticket->future, memory_order_relaxed);

		pool->uncalled = ticket->next;
		slot_free(pool, index);
		future_notify(future);
		release(future);
	}
}

/* What a ticket says of its task. */
struct stub {
	struct future *future;
	size_t size;
	size_t extent;
};

static struct stub read_ticket(const struct pool *pool, uint32_t index)
{
	const struct ticket *ticket = &pool->tickets[index];

	return (struct stub){atomic_load_explicit(&ticket->future, memory_order_relaxed),
			     atomic_load_explicit(&ticket->size, memory_order_relaxed),
			     atomic_load_explicit(&ticket->extent, memory_order_relaxed)};
}

/* If its worker has not: all of it then. */
static void give_argument(struct pool *pool, uint32_t index, const struct stub *stub)
{
	if (stub->size > SLOT_BYTES &&
	    arena_is_owned(pool->segment, stub->extent, stub->size, owner_of_argument(index)))
		arena_give(pool->segment, stub->extent, stub->size);
}

void ticket_reclaim(struct pool *pool, uint32_t index)
{
	struct stub stub = read_ticket(pool, index);

	give_argument(pool, index, &stub);
	if (stub.size > SLOT_BYTES)
		arena_reclaim(pool->segment, stub.extent, stub.size, owner_of_argument(index));
}

bool ticket_collect(struct pool *pool, uint32_t index, uint64_t word)
{
	struct slot *slot = &pool->segment->slots[index];
	struct stub stub;
	struct future_outcome outcome;

	/* Not by the slot's word, which is the worker's to write, and far. */
	if (!ticket_settle(pool, index, GENERATION(word)))
		return false;
	stub = read_ticket(pool, index); /* the winner's now */
	give_argument(pool, index, &stub);
	if (slot->error && slot->error != ASSAY_EBROKEN) /* which the guardian counts */
		count(&pool->failed);
	outcome = read_slot(pool, stub.future, index);
	if (stub.future && end(stub.future, outcome))
		call_later(pool, index);
	else
		slot_free(pool, index);
	return true;
}

/*
 * Looking at the slot of a future
 */

bool visit_begin(struct pool *pool, struct future *future)
{
	atomic_fetch_add_explicit(&pool->visitors, 1, memory_order_acq_rel); /* P1 */
	if (!is_done(word_of(future)))
		return true;
	visit_end(pool);
	return false;
}

/* If the slot is of another generation: whoever freed it has yet to end the future. */
static void await_end(struct pool *pool, struct future *future, uint64_t hint)
{
	unsigned step = 0;
	uint64_t word;

	while (!read_word(pool, hint, &word) && !is_done(word_of(future)))
		port_backoff(&step);
}

/* From here on the collector ends the task, or the future is done, or about to be. With NULL: it may be
 * gone, and only the executor's reference is left. */
static void tell(struct pool *pool, struct future *future, uint64_t hint)
{
	struct slot *slot = slot_of(pool, hint);
	unsigned step = 0;
	uint64_t word;

	while (read_word(pool, hint, &word) && !(word & SLOT_TELL)) {
		if (is_ripe(pool, word)) {
			/* Or a waiter copies the outcome, and expects no observers. */
			if (ticket_collect(pool, WORD_INDEX(hint), word) || !future ||
			    is_done(word_of(future)))
				return;
			port_backoff(&step);
		} else if (status_of(word) == SLOT_CANCELLED) {
			return;
		} else {
			atomic_compare_exchange_weak_explicit(&slot->word, &word, word | SLOT_TELL,
							      memory_order_acq_rel, /* S2 */
							      memory_order_relaxed);
		}
	}
	if (future)
		await_end(pool, future, hint);
}

static void tell_of(struct future *future)
{
	struct pool *pool = pool_of(future->home);
	uint64_t hint = hint_of(future);

	if (is_done(word_of(future)) || is_orphaned(future) || !visit_begin(pool, future))
		return;
	tell(pool, future, hint);
	visit_end(pool);
}

/*
 * The table
 */

static void release_op(assay_future *base)
{
	struct future *future = future_of(base);
	struct pool *pool = pool_of(future->home);
	uint64_t hint = hint_of(future), word;

	if (is_done(word_of(future)) || is_orphaned(future) || !visit_begin(pool, future)) {
		release(future);
		return;
	}
	STEP();
	word = atomic_fetch_sub_explicit(&future->word, REFERENCE, memory_order_acq_rel); /* F2 */
	if (references_of(word) == 1)
		discard(future);
	else if (references_of(word) == 2 && !is_done(word))
		tell(pool, NULL, hint); /* nobody will ask: it must end by itself */
	visit_end(pool);
}

static void retain_op(assay_future *base)
{
	future_ops.retain(base);
}

static enum assay_state state_op(assay_future *base)
{
	struct future *future = future_of(base);
	enum assay_state state = future_ops.state(base);
	struct pool *pool = pool_of(future->home);
	uint64_t hint = hint_of(future), word;

	if (state >= ASSAY_CANCELLED || is_orphaned(future) || !visit_begin(pool, future))
		return future_ops.state(base);
	if (read_word(pool, hint, &word)) {
		bool collected =
			is_ripe(pool, word) && ticket_collect(pool, WORD_INDEX(hint), word);

		if (!collected && status_of(word) != SLOT_PENDING &&
		    status_of(word) != SLOT_CANCELLED)
			state = ASSAY_RUNNING;
	} else {
		await_end(pool, future, hint); /* cancelled perhaps: then it never ran */
	}
	visit_end(pool);
	return future_ops.state(base) >= ASSAY_CANCELLED ? future_ops.state(base) : state;
}

static void end_cancelled(struct pool *pool, uint32_t index, const struct stub *stub)
{
	atomic_fetch_add_explicit(&pool->cancelled, 1, memory_order_seq_cst); /* K2 */
	give_argument(pool, index, stub);
	make_room(pool);
	if (stub->future) {
		future_ops.cancel(&stub->future->base);
		release(stub->future);
	}
}

bool ticket_cancel(struct pool *pool, uint64_t hint)
{
	struct slot *slot = slot_of(pool, hint);
	uint64_t word;

	while (read_word(pool, hint, &word) && status_of(word) == SLOT_PENDING) {
		/* First: once cancelled the slot may be freed, and be another task's, at any time. */
		struct stub stub = read_ticket(pool, WORD_INDEX(hint));

		if (!atomic_compare_exchange_weak_explicit(&slot->word, &word,
							   (word & ~SLOT_STATUS) | SLOT_CANCELLED,
							   memory_order_acq_rel, /* S2 S6 */
							   memory_order_relaxed))
			continue;
		STEP();
		/* Who sleeps on the slot goes on to sleep on the future. */
		if (word & SLOT_SLEEPERS)
			shared_wake(slot_futex(slot), INT_MAX);
		end_cancelled(pool, WORD_INDEX(hint), &stub);
		return true;
	}
	return false;
}

static bool cancel_op(assay_future *base)
{
	struct future *future = future_of(base);
	struct pool *pool = pool_of(future->home);
	uint64_t hint = hint_of(future), word;
	bool cancelled = false;
	unsigned step = 0;

	if (!is_done(word_of(future)) && !is_orphaned(future) && visit_begin(pool, future)) {
		cancelled = ticket_cancel(pool, hint);
		/* Another thread may have been quicker, and not have told the future yet. */
		while (!cancelled && !is_done(word_of(future)) &&
		       (!read_word(pool, hint, &word) || status_of(word) == SLOT_CANCELLED))
			port_backoff(&step);
		visit_end(pool);
	}
	/* Another thread may be just about to say the same. */
	return cancelled || future_ops.state(base) == ASSAY_CANCELLED;
}

/* In a worker: its helper let go of the memory of other pools, and of the result with it. */
static bool is_unmapped(struct future *future)
{
	struct long_result result;

	if (!(word_of(future) & HEAP))
		return false;
	memcpy(&result, future->bytes, sizeof result);
	return result.owner && !result.owner->base;
}

static int outcome_op(assay_future *base, int64_t timeout_ns, struct assay_outcome *outcome)
{
	struct future *future = future_of(base);
	struct pool *pool = pool_of(future->home);
	uint64_t hint = hint_of(future), word;
	int64_t deadline_ns;
	bool answered = true;

	if (is_done(word_of(future)))
		return is_unmapped(future) ? ASSAY_EUNREACHABLE
					   : future_ops.outcome(base, 0, outcome);
	if (is_orphaned(future))
		return ASSAY_EUNREACHABLE;
	deadline_ns = assay_deadline_ns(timeout_ns);
	if (visit_begin(pool, future)) {
		if (timeout_ns > 0)
			answered = slot_await(pool, future, deadline_ns);
		else if (read_word(pool, hint, &word) && is_ripe(pool, word))
			ticket_collect(pool, WORD_INDEX(hint), word);
		visit_end(pool);
	}
	if (answered && timeout_ns > 0) /* somebody copies it, or calls back */
		timeout_ns = deadline_ns == ASSAY_FOREVER ? ASSAY_FOREVER
							  : deadline_ns - assay_clock_ns();
	return future_ops.outcome(base, answered ? timeout_ns : 0, outcome);
}

static int add_done_callback_op(assay_future *base, assay_callback *callback, void *user)
{
	tell_of(future_of(base));
	return future_ops.add_done_callback(base, callback, user);
}

static int watch_op(assay_future *base, struct assay_watcher *watcher)
{
	tell_of(future_of(base));
	return future_ops.watch(base, watcher);
}

static void unwatch_op(assay_future *base, struct assay_watcher *watcher)
{
	future_ops.unwatch(base, watcher);
}

static int park_op(assay_future *base, struct assay_signal *signal, int64_t timeout_ns)
{
	struct future *future = future_of(base);
	struct pool *pool = pool_of(future->home);

	if (is_orphaned(future))
		return ASSAY_EUNREACHABLE;
	return is_collector(pool) ? collector_park(pool, signal, timeout_ns)
				  : future_ops.park(base, signal, timeout_ns);
}

/* What runs, too: the collector ends it. */
static bool helps_op(assay_future *base)
{
	struct future *future = future_of(base);

	return is_collector(pool_of(future->home)) && !is_done(word_of(future));
}

const struct assay_future_ops ticket_ops = {
	.retain = retain_op,
	.release = release_op,
	.state = state_op,
	.cancel = cancel_op,
	.outcome = outcome_op,
	.add_done_callback = add_done_callback_op,
	.watch = watch_op,
	.unwatch = unwatch_op,
	.park = park_op,
	.helps = helps_op,
};
