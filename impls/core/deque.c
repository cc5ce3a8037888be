/* SPDX-License-Identifier: MIT */
/* What need not be inline. The labels are those of deque.h. */
#include "deque.h"

#include <stdlib.h>

#define SMALLEST 64

void deque_init(struct deque *deque, bool lopsided)
{
	*deque = (struct deque){.fenced = lopsided ? DEQUE_UNFENCED : DEQUE_ALWAYS_FENCED};
}

void deque_free(struct deque *deque)
{
	/* relaxed: nobody else is there */
	struct slots *slots = atomic_load_explicit(&deque->slots, memory_order_relaxed), *outgrown;

	for (; slots; slots = outgrown) {
		outgrown = slots->outgrown;
		free(slots);
	}
}

static bool grow(struct deque *deque, size_t needed)
{
	struct slots *old = atomic_load_explicit(&deque->slots, memory_order_relaxed), *new;
	int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_relaxed);
	size_t size = old ? old->mask + 1 : SMALLEST;

	while (size < needed)
		size *= 2;
	new = malloc(sizeof *new + size * sizeof new->at[0]);
	if (!new)
		return false;
	new->outgrown = old;
	new->mask = size - 1;
	for (int64_t i = deque->top_seen; i < bottom; i++)
		atomic_store_explicit(
			&new->at[(size_t)i & new->mask],
			atomic_load_explicit(&old->at[(size_t)i & old->mask], memory_order_relaxed),
			memory_order_relaxed);
	deque->mask = new->mask;
	atomic_store_explicit(&deque->slots, new, memory_order_release); /* D4 */
	if (old)
		port_discard(old->at, (old->mask + 1) * sizeof old->at[0]);
	return true;
}

bool deque_reserve_slow(struct deque *deque, size_t count)
{
	int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_relaxed);
	size_t needed;

	deque->top_seen =
		deque_position(atomic_load_explicit(&deque->top, memory_order_acquire)); /* D3 */
	needed = (size_t)(bottom - deque->top_seen) + count;
	if (needed > deque_room(deque) && !grow(deque, needed))
		return false;
	deque->limit = deque->top_seen + (int64_t)deque_room(deque);
	return true;
}

struct future *deque_keep(struct deque *deque, struct future *const *futures, size_t count)
{
	struct slots *slots = atomic_load_explicit(&deque->slots, memory_order_relaxed);
	int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_relaxed);

	if (count < 2)
		return count ? futures[0] : NULL;
	for (size_t i = count - 1; i > 0; i--, bottom++) {
		if (i <= DEQUE_AHEAD)
			port_prefetch(futures[i]);
		atomic_store_explicit(&slots->at[(size_t)bottom & deque->mask], futures[i],
				      memory_order_relaxed);
	}
	atomic_store_explicit(&deque->bottom, bottom, memory_order_release); /* D1 */
	return futures[0];
}

/* The last: whoever moves top has it. Or there are more, and a thief has marked top. */
PORT_OUTLINE static struct future *pop_last(struct deque *deque, int64_t bottom, int64_t top)
{
	struct slots *slots = atomic_load_explicit(&deque->slots, memory_order_relaxed);
	struct future *future = atomic_load_explicit(&slots->at[(size_t)bottom & deque->mask],
						     memory_order_relaxed);
	int64_t position;
	bool mine = false;

	/* Until nobody else moves or marks it meanwhile. */
	while (!mine && (position = deque_position(top)) <= bottom) {
		if (top < bottom) /* the mark went by itself */
			return future;
		mine = atomic_compare_exchange_strong_explicit(
			&deque->top, &top, position < bottom ? position : bottom + 1,
			memory_order_seq_cst, /* D3 D5 */
			memory_order_acquire);
		if (mine && position < bottom)
			return future;
	}
	deque->top_seen = bottom + 1;
	if (mine)
		deque->top_fenced = bottom + 1; /* no thief moved it */
	atomic_store_explicit(&deque->bottom, bottom + 1, memory_order_release); /* D1 */
	return mine ? future : NULL;
}

/* The owner's full fence. */
PORT_OUTLINE static void pop_fenced(struct deque *deque, uint32_t fenced)
{
	int64_t top = atomic_load_explicit(&deque->top, memory_order_relaxed); /* a hint */

	atomic_thread_fence(memory_order_seq_cst); /* D2 D5 */
	if (top != deque->top_fenced) {
		deque->top_fenced = top;
		deque->fences = 0;
	} else if (++deque->fences >= DEQUE_FENCES && fenced == DEQUE_FENCED) {
		deque->fences = 0;
		atomic_store_explicit(&deque->fenced, DEQUE_UNFENCED,
				      memory_order_seq_cst); /* D6 */
		atomic_thread_fence(memory_order_seq_cst);   /* D6 */
	}
}

/* Takes bottom back by one, to where something was when top was seen last. Returns what top is. */
static inline int64_t retract(struct deque *deque, int64_t bottom)
{
	uint32_t fenced;

	atomic_store_explicit(&deque->bottom, bottom, memory_order_release); /* D1 */
	port_fence_light(true);                                              /* D2 D5 */
	fenced = atomic_load_explicit(&deque->fenced, memory_order_relaxed); /* D6 */
	if (fenced)
		pop_fenced(deque, fenced);
	return atomic_load_explicit(&deque->top, memory_order_acquire); /* D3, for top_seen */
}

struct future *deque_pop(struct deque *deque)
{
	int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_relaxed) - 1, top;
	struct slots *slots;

	/* top only grows: what was seen of it tells of an empty deque without any fence. */
	if (deque->top_seen > bottom)
		return NULL;
	top = retract(deque, bottom);
	if (__builtin_expect(top >= bottom, 0))
		return pop_last(deque, bottom, top);
	slots = atomic_load_explicit(&deque->slots, memory_order_relaxed);
	if (bottom - top >= DEQUE_AHEAD)
		port_prefetch(atomic_load_explicit(
			&slots->at[(size_t)(bottom - DEQUE_AHEAD) & deque->mask],
			memory_order_relaxed));
	return atomic_load_explicit(&slots->at[(size_t)bottom & deque->mask], memory_order_relaxed);
}

/* A thief's fence, between its look at top, or its mark there, and its look at bottom. */
static void fence_steal(struct deque *deque)
{
	uint32_t fenced = atomic_load_explicit(&deque->fenced, memory_order_seq_cst); /* D6 */
	bool is_first;

	if (fenced >= DEQUE_FENCED) {
		atomic_thread_fence(memory_order_seq_cst); /* D2 D5 */
		return;
	}
	is_first = fenced == DEQUE_UNFENCED &&
		   atomic_compare_exchange_strong_explicit(&deque->fenced, &fenced, DEQUE_FENCING,
							   memory_order_seq_cst, /* D6 */
							   memory_order_relaxed);
	port_fence_heavy(true); /* D2 D5 */
	if (is_first)
		atomic_store_explicit(&deque->fenced, DEQUE_FENCED, memory_order_seq_cst); /* D6 */
}

static inline struct future *
steal(struct deque *deque, bool (*fits)(const void *user, int64_t position), const void *user)
{
	int64_t top = atomic_load_explicit(&deque->top, memory_order_acquire); /* D3 D2 */
	int64_t position = deque_position(top);
	struct slots *slots;
	struct future *future;

	if (position >= atomic_load_explicit(&deque->bottom, memory_order_relaxed)) /* a hint */
		return NULL;
	if (fits && !fits(user, position))
		return NULL;
	fence_steal(deque);
	if (position >= atomic_load_explicit(&deque->bottom, memory_order_acquire)) /* D1 */
		return NULL;
	slots = atomic_load_explicit(&deque->slots, memory_order_acquire); /* D4 */
	future = atomic_load_explicit(&slots->at[(size_t)position & slots->mask],
				      memory_order_relaxed);
	if (!future || /* outgrown meanwhile */
	    (fits && !fits(user, position)) ||
	    !atomic_compare_exchange_strong_explicit(&deque->top, &top, position + 1,
						     memory_order_seq_cst, /* D3 */
						     memory_order_relaxed))
		return NULL;
	return future;
}

/* Takes what was found behind the mark; or, where the mark is gone, the first of it. */
static size_t take_marked(struct deque *deque, int64_t mark, size_t count)
{
	int64_t top = mark, position = deque_position(mark);

	if (atomic_compare_exchange_strong_explicit(&deque->top, &top, position + (int64_t)count,
						    memory_order_seq_cst, /* D3 */
						    memory_order_relaxed))
		return count;
	/* The owner may have taken it away, and popped others; this one it would take by an exchange. */
	return count && top == position &&
			       atomic_compare_exchange_strong_explicit(
				       &deque->top, &top, position + 1,
				       memory_order_seq_cst, /* D3 D2 */
				       memory_order_relaxed)
		       ? 1
		       : 0;
}

size_t deque_steal_many(struct deque *deque, struct future **futures, size_t most, int thief)
{
	int64_t top = atomic_load_explicit(&deque->top, memory_order_acquire); /* D3 */
	int64_t mark, bottom;
	struct slots *slots;
	size_t count = 0, half;

	/* relaxed: a hint */
	if (most < 2 || thief >= DEQUE_MARKS || top >> DEQUE_MARK_SHIFT || /* or marked */
	    top + 1 >= atomic_load_explicit(&deque->bottom, memory_order_relaxed)) {
		futures[0] = deque_steal(deque);
		return futures[0] ? 1 : 0;
	}
	mark = DEQUE_MARK | (int64_t)thief << DEQUE_MARK_SHIFT | top;
	if (!atomic_compare_exchange_strong_explicit(&deque->top, &top, mark,
						     memory_order_seq_cst, /* D3 D5 */
						     memory_order_relaxed))
		return 0;
	fence_steal(deque);
	bottom = atomic_load_explicit(&deque->bottom, memory_order_acquire); /* D1 */
	slots = atomic_load_explicit(&deque->slots, memory_order_acquire);   /* D4 */
	half = bottom > top ? (size_t)(bottom - top + 1) / 2 : 0;
	while (count < half && count < most) {
		futures[count] = atomic_load_explicit(
			&slots->at[((size_t)top + count) & slots->mask], memory_order_relaxed);
		if (!futures[count]) /* outgrown meanwhile */
			break;
		count++;
	}
	return take_marked(deque, mark, count);
}

struct future *deque_steal(struct deque *deque)
{
	return steal(deque, NULL, NULL);
}

struct future *deque_steal_if(struct deque *deque, bool (*fits)(const void *user, int64_t position),
			      const void *user)
{
	return steal(deque, fits, user);
}

size_t deque_take(struct deque *deque, struct future **futures, size_t most, size_t shares)
{
	int64_t top = atomic_load_explicit(&deque->top, memory_order_acquire);       /* D3 */
	int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_acquire); /* D1 */
	struct slots *slots;
	size_t count;

	if (top >= bottom)
		return 0;
	count = ((size_t)(bottom - top) + shares - 1) / shares;
	if (count > most)
		count = most;
	slots = atomic_load_explicit(&deque->slots, memory_order_acquire); /* D4 */
	for (size_t i = 0; i < count; i++) {
		futures[i] = atomic_load_explicit(&slots->at[((size_t)top + i) & slots->mask],
						  memory_order_relaxed);
		if (!futures[i]) /* outgrown meanwhile */
			return 0;
	}
	/* No fence between: bottom never goes back, so what was there is still there, or was taken
	 * by somebody who moved top. */
	if (!atomic_compare_exchange_strong_explicit(&deque->top, &top, top + (int64_t)count,
						     memory_order_seq_cst, /* D3 */
						     memory_order_relaxed))
		return 0;
	return count;
}

bool deque_pop_if(struct deque *deque, const struct future *wanted)
{
	int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_relaxed) - 1, top;
	struct slots *slots = atomic_load_explicit(&deque->slots, memory_order_relaxed);

	if (deque->top_seen > bottom ||
	    atomic_load_explicit(&slots->at[(size_t)bottom & deque->mask], memory_order_relaxed) !=
		    wanted)
		return false;
	top = retract(deque, bottom);
	return __builtin_expect(top < bottom, 1) || pop_last(deque, bottom, top);
}

size_t deque_prune(struct deque *deque)
{
	struct slots *slots = atomic_load_explicit(&deque->slots, memory_order_relaxed);
	int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_relaxed);
	int64_t top = atomic_load_explicit(&deque->top, memory_order_acquire); /* D3 */
	size_t kept = 0;

	/* Everything, by one exchange: from here on it is the owner's alone. */
	while (!atomic_compare_exchange_weak_explicit(&deque->top, &top, bottom,
						      memory_order_seq_cst, /* D3 */
						      memory_order_acquire))
		;
	top = deque_position(top);
	deque->top_seen = bottom;
	/* Kept ones go where they are in no slot that is still to be read: never ahead of it. */
	for (int64_t i = top; i < bottom; i++) {
		struct future *future = atomic_load_explicit(&slots->at[(size_t)i & deque->mask],
							     memory_order_relaxed);

		if (future_has_started(future))
			future_release_entry(future);
		else
			atomic_store_explicit(&slots->at[((size_t)bottom + kept++) & deque->mask],
					      future, memory_order_relaxed);
	}
	/* relaxed: by D1 who finds any of these finds this, too */
	atomic_store_explicit(&deque->pruned, bottom + (int64_t)kept, memory_order_relaxed);
	atomic_store_explicit(&deque->bottom, bottom + (int64_t)kept,
			      memory_order_release); /* D1 */
	return (size_t)(bottom - top) - kept;
}
