/* SPDX-License-Identifier: MIT */
/*
 * The work-stealing deque of Chase and Lev: its owner pushes and pops at the bottom, everybody else
 * steals at the top. It grows, and what it outgrew is freed with it, so that a thief may go on
 * reading an old array: nothing that can still be stolen through it changes there, but for becoming
 * NULL when the system takes its pages back, by which the thief knows.
 *
 * A thief that wants several marks top with its number first. As long as the mark is there nobody has taken
 * anything since: the owner takes the mark away before it pops, another thief by taking the oldest, each
 * with the one exchange that it needs, and waits for nobody. The thief that had marked then gets one element
 * at most, as if it had not.
 *
 * Used as a queue of one writer (the owner never pops), the others take several without any fence.
 *
 * Ordering
 *   D1  push, pop: release store of bottom  ->  acquire load of bottom
 *       slots and records; where a pop has emptied it, what was done before (P6 in queue.h)
 *   D2  pop: store of bottom, light fence, then the load of top
 *         against   steal: load of top, heavy fence, then the load of bottom
 *       A thief that sees the old bottom has read a top that the owner sees, too: the last element
 *       is contended by the exchange of top, and no other is.
 *   D3  whoever takes: seq_cst exchange of top  ->  acquire load of top
 *       the owner: the slot has been read before it is written again; others: no bottom older than
 *       the taker's, which would make the deque look empty, and what the taker did before (P6)
 *   D4  grow: release store of slots  ->  steal: acquire load                  the copied elements
 *       whoever reads an array that was outgrown finds the same there, or NULL
 *   D5  steal_many: seq_cst exchange that marks top, heavy fence, then the load of bottom
 *         against   pop: store of bottom, light fence, then the load of top
 *       as D2, of all that the thief takes: an owner that sees no mark has its bottom seen. An owner
 *       that takes the mark away by an exchange is seen by who marks after it, and the number keeps
 *       the thief from taking another's mark for its own
 *   D6  Where `fenced` is DEQUE_FENCED, full fences will do on both sides of D2 and D5.
 *       a thief: exchange to DEQUE_FENCING, heavy fence, seq_cst store of DEQUE_FENCED
 *         ->  another thief's seq_cst load of that, then of bottom
 *       if the owner popped without a full fence because it had not seen the exchange yet, its bottom is
 *       seen: it was stored before the heavy fence. Only the thief between the two ends DEQUE_FENCING
 *         a thief: the load or exchange of top, then the seq_cst load of fenced that finds DEQUE_FENCED
 *         against   the owner: seq_cst clear of fenced, full fence, then its loads of top
 *       if it popped without a full fence because it has cleared fenced since, it has seen what the thief
 *       had seen of top, or its mark
 *
 * The labels of a meeting (D2, D5) stand at its fences; its stores and loads have those of what they publish.
 *
 * Relaxed without a word: the owner's loads of bottom and slots, which it alone writes, and of fenced, behind
 * D2's fence; elements, which D1 and D4 publish, and which are nobody's before an exchange of top or D2.
 */
#ifndef DEQUE_H
#define DEQUE_H

#include "future.h"

/* A record is fetched when it is this far from being popped. */
#define DEQUE_AHEAD 4

struct slots {
	struct slots *outgrown; /* freed with the deque */
	size_t mask;
	_Atomic(struct future *) at[];
};

/* So many pops without a thief, and the owner passes full fences no longer. They cost less than the next
 * thief's heavy one, which interrupts every running thread. */
#define DEQUE_FENCES 128

/* Who passes a full fence where the owner pops. */
enum deque_fences {
	DEQUE_UNFENCED, /* nobody; each thief a heavy one */
	DEQUE_FENCING, /* the owner; one thief passes a heavy one for those to come, the others their own */
	DEQUE_FENCED, /* the owner and the thieves, until for long nobody has stolen */
	DEQUE_ALWAYS_FENCED,
};

struct deque {
	_Alignas(PORT_APART) _Atomic int64_t bottom; /* written by the owner only */
	_Atomic(struct slots *) slots;
	size_t mask;             /* the owner's: of slots, at hand before these are */
	int64_t top_seen;        /* the owner's: top was at least this */
	int64_t limit;           /* the owner's: bottom may go up to this */
	_Atomic int64_t pruned;  /* what lies before was put there by deque_prune(), or is older */
	_Atomic uint32_t fenced; /* an enum deque_fences */
	uint32_t fences; /* the owner's: full ones since a thief has moved top to top_fenced */
	int64_t top_fenced;
	_Alignas(PORT_APART) _Atomic int64_t top; /* perhaps with a mark */
};

/* A mark on top: above all positions, so that an owner that compares finds it; then the thief's number, then the
 * position, if that has no more bits than are left. Where it has, top is not marked. */
#define DEQUE_MARK (INT64_C(1) << 62)
#define DEQUE_MARK_SHIFT 47
#define DEQUE_MARKS (1 << (62 - DEQUE_MARK_SHIFT))

static inline int64_t deque_position(int64_t top)
{
	return top < DEQUE_MARK ? top : top & ((INT64_C(1) << DEQUE_MARK_SHIFT) - 1);
}

/* Empty; memory is taken by the first push. Not lopsided: it is fenced always. */
void deque_init(struct deque *deque, bool lopsided);
void deque_free(struct deque *deque);

/* The owner: as far as it has seen, a push of `count` would have to grow the deque. */
static inline bool deque_is_full(const struct deque *deque, size_t count)
{
	return atomic_load_explicit(&deque->bottom, memory_order_relaxed) + (int64_t)count >
	       deque->limit;
}

/* The owner. Room for `count` more; false without memory. */
PORT_RARE bool deque_reserve_slow(struct deque *deque, size_t count);

static inline bool deque_reserve(struct deque *deque, size_t count)
{
	return !deque_is_full(deque, count) || deque_reserve_slow(deque, count);
}

/* The owner, where it is not full. Many: in this order, visible at once. */
static inline void deque_push(struct deque *deque, struct future *future)
{
	struct slots *slots = atomic_load_explicit(&deque->slots, memory_order_relaxed);
	int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_relaxed);

	atomic_store_explicit(&slots->at[(size_t)bottom & deque->mask], future,
			      memory_order_relaxed);
	atomic_store_explicit(&deque->bottom, bottom + 1, memory_order_release); /* D1 */
}

static inline void deque_push_many(struct deque *deque, struct future *const *futures, size_t count)
{
	struct slots *slots = atomic_load_explicit(&deque->slots, memory_order_relaxed);
	int64_t bottom = atomic_load_explicit(&deque->bottom, memory_order_relaxed);

	for (size_t i = 0; i < count; i++)
		atomic_store_explicit(&slots->at[((size_t)bottom + i) & deque->mask], futures[i],
				      memory_order_relaxed);
	atomic_store_explicit(&deque->bottom, bottom + (int64_t)count,
			      memory_order_release); /* D1 */
}

/* The owner, after deque_reserve(): returns the first of what it has taken elsewhere, and puts the others here, so
 * that they are popped in their order. NULL if there is none. */
struct future *deque_keep(struct deque *deque, struct future *const *futures, size_t count);

/* The owner: the latest; NULL if there is none. */
struct future *deque_pop(struct deque *deque);

/* The owner: the latest, if it is this one. False: it is not, or was stolen. */
bool deque_pop_if(struct deque *deque, const struct future *wanted);

/* Anybody: the oldest; NULL if there is none, or if another thief was quicker. */
struct future *deque_steal(struct deque *deque);

/* Anybody; `thief` is of no other thread. Up to `most` of the oldest, in order, and no more than half: for the
 * price of one, unless the owner or another thief comes between. 0: as NULL above. */
size_t deque_steal_many(struct deque *deque, struct future **futures, size_t most, int thief);

/* As deque_steal(), if `fits` says so of its position. It is asked when the element was read, and what it
 * knows of the past then holds for the element: who put it there did so before. */
struct future *deque_steal_if(struct deque *deque, bool (*fits)(const void *user, int64_t position),
			      const void *user);

/* Anybody, of a deque whose owner never pops and from which nobody steals: up to `most` of the oldest, in
 * order, and no more than one of so many equal shares. 0: none, or another was quicker. */
size_t deque_take(struct deque *deque, struct future **futures, size_t most, size_t shares);

/* The owner: takes out what has started already, and gives up its references; at the price of a look
 * at everything, and nobody else finds anything meanwhile. Returns how many these were. */
size_t deque_prune(struct deque *deque);

/* The owner: elements that its array holds. */
static inline size_t deque_room(struct deque *deque)
{
	return atomic_load_explicit(&deque->slots, memory_order_relaxed) ? deque->mask + 1 : 0;
}

/* A hint. */
static inline int64_t deque_length(const struct deque *deque)
{
	return atomic_load_explicit(&deque->bottom, memory_order_relaxed) -
	       deque_position(atomic_load_explicit(&deque->top, memory_order_relaxed));
}

/* A hint. What made it empty happened before (P6 in queue.h). */
static inline bool deque_looks_empty(const struct deque *deque)
{
	return deque_position(atomic_load_explicit(&deque->top, memory_order_acquire)) >= /* D3 */
	       atomic_load_explicit(&deque->bottom, memory_order_acquire);                /* D1 */
}

#endif
