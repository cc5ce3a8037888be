/* SPDX-License-Identifier: MIT */
/*
 * Submissions, sharded by submitter: every thread that submits has a lane of its own, a queue of one
 * writer from which any worker takes. A push is a few plain stores; producers never meet. What one
 * thread submits stays in order, until its thread-specific data is being destroyed: what it submits from
 * there goes into any lane.
 *
 * Memory: a lane lives as long as the lanes do, and is passed on to a later thread when its own ends
 * (threads are numbered, and a number is used again). A deque keeps what it outgrew. So nothing that
 * a taker may look at is freed before queue_destroy(), when nobody looks: no reclamation is needed.
 *
 * Ordering
 *   E1  open: store of pushing, light fence, then the load of closed
 *         against   close: store of closed, heavy fence, then the loads of count and pushing
 *       a push that close does not wait for sees that it is too late. lanes_are_closed: likewise a
 *       worker that moves tasks, with taking (P6 in worker.h) in place of pushing
 *   E2  done: release store of pushing  ->  close: acquire load       what was pushed before
 *   E3  attach: release store of a lane  ->  lanes_find: acquire load     the lane's contents
 *   E4  attach: seq_cst raise of count, behind E3's store  ->  acquire loads of count
 *       who counts a lane finds it; no push is ahead of its raise: K1 and E1 hold for it, too;
 *       K1 and K3 are those of park.h
 */
#ifndef LANES_H
#define LANES_H

#include "deque.h"
#include "thread.h"

struct lane {
	struct deque deque;
	/* Beside bottom, written by the same thread. */
	_Alignas(PORT_APART) _Atomic uint64_t pushed;
	_Atomic uint32_t pushing;
};

#define LANE_BLOCKS 28
#define LANES_FIRST UINT32_C(16)

/* The first block has LANES_FIRST lanes, each further one twice as many. */
struct lanes {
	_Atomic(struct lane *) blocks[LANE_BLOCKS];
	_Atomic uint32_t count; /* lanes that may have been used: 0 .. count - 1 */
	_Atomic bool closed;
	bool lopsided;
	uint32_t shares; /* one for each worker, and never all of a lane for one */
	/* Futures that were run where they were, whose entries may still be in some lane: roughly, and less
	 * than none where entries went before they were counted. relaxed: whether a look is worth it. */
	_Alignas(PORT_APART) _Atomic int64_t left;
};

void lanes_init(struct lanes *lanes, int workers, bool lopsided);
void lanes_free(struct lanes *lanes);

static inline unsigned lanes_block(uint32_t i)
{
	return 31 - (unsigned)__builtin_clz(i / LANES_FIRST + 1);
}

/* The lanes of a block, and those of all before it. */
static inline uint32_t lanes_in(unsigned block)
{
	return LANES_FIRST << block;
}

static inline uint32_t lanes_before(unsigned block)
{
	return lanes_in(block) - LANES_FIRST;
}

/* Lane i; NULL while its block does not exist. */
static inline struct lane *lanes_find(struct lanes *lanes, uint32_t i)
{
	unsigned block = i < LANES_FIRST ? 0 : lanes_block(i);
	struct lane *first =
		atomic_load_explicit(&lanes->blocks[block], memory_order_acquire); /* E3 */

	return first ? &first[i - lanes_before(block)] : NULL;
}

/* Of the calling thread, if it has one. */
static inline struct lane *lanes_old(struct lanes *lanes)
{
	uint32_t number = thread_own_number;

	/* relaxed: this thread has raised the count, or reads it before its push and the fence after
	 * it: who could miss the push for an older count is seen asleep, or to search no more, by
	 * this thread (K1 K3) */
	return number < atomic_load_explicit(&lanes->count, memory_order_relaxed)
		       ? lanes_find(lanes, number)
		       : NULL;
}

PORT_RARE struct lane *lanes_attach(struct lanes *lanes);

/* Of the calling thread; NULL without memory, and where the thread is over. */
static inline struct lane *lanes_mine(struct lanes *lanes)
{
	struct lane *lane = lanes_old(lanes);

	return lane ? lane : lanes_attach(lanes);
}

/* For a worker that has said that it takes something (P6 in worker.h), before it moves anything: after
 * a close nothing is moved any more, so that who looks then finds everything. */
static inline bool lanes_are_closed(struct lanes *lanes)
{
	port_fence_light(lanes->lopsided);                                 /* E1 */
	return atomic_load_explicit(&lanes->closed, memory_order_relaxed); /* E1 */
}

/* Brackets every push to a lane, or to another deque of one owner with the same fields. False: the
 * lanes are closed, nothing may be pushed. */
static inline bool lane_open(struct lanes *lanes, struct lane *lane)
{
	atomic_store_explicit(&lane->pushing, 1, memory_order_relaxed);  /* E1 */
	port_fence_light(lanes->lopsided);                               /* E1 */
	if (!atomic_load_explicit(&lanes->closed, memory_order_relaxed)) /* E1 */
		return true;
	atomic_store_explicit(&lane->pushing, 0, memory_order_release); /* E2 */
	return false;
}

static inline void lane_done(struct lane *lane)
{
	atomic_store_explicit(&lane->pushing, 0, memory_order_release); /* E2 */
}

/* The future was started by who waits for it, and its entry stays where it is. */
static inline void lanes_leave(struct lanes *lanes)
{
	atomic_fetch_add_explicit(&lanes->left, 1, memory_order_relaxed);
}

/* Room where there was none seen: where many entries were left behind, those of this lane go before it
 * grows. False without memory. */
PORT_RARE bool lane_reserve(struct lanes *lanes, struct lane *lane, size_t count);

/* Before a push of so many, for which there is room. relaxed: one writer; the count is ahead of what can be
 * taken, see queue_pushed() */
static inline void lane_count(struct lane *lane, size_t count)
{
	atomic_store_explicit(&lane->pushed,
			      atomic_load_explicit(&lane->pushed, memory_order_relaxed) + count,
			      memory_order_relaxed);
}

/* Opens, pushes, counts and is done, where there is room. False: nothing was pushed, and lane_push_many() finds
 * out why, or does it. */
static inline bool lane_try_push(struct lanes *lanes, struct lane *lane, struct future *future)
{
	if (__builtin_expect(deque_is_full(&lane->deque, 1) || !lane_open(lanes, lane), 0))
		return false;
	lane_count(lane, 1);
	deque_push(&lane->deque, future);
	lane_done(lane);
	return true;
}

/* The same for so many, and makes room. ASSAY_ESHUTDOWN, ASSAY_ENOMEM: nothing was pushed. */
static inline int lane_push_many(struct lanes *lanes, struct lane *lane,
				 struct future *const *futures, size_t count)
{
	if (__builtin_expect(!lane_open(lanes, lane), 0))
		return ASSAY_ESHUTDOWN;
	if (__builtin_expect(deque_is_full(&lane->deque, count), 0) &&
	    !lane_reserve(lanes, lane, count)) {
		lane_done(lane);
		return ASSAY_ENOMEM;
	}
	lane_count(lane, count);
	deque_push_many(&lane->deque, futures, count);
	lane_done(lane);
	return ASSAY_OK;
}

/* The push of a thread that has no lane: of one that is over, under a borrowed number. */
PORT_RARE int lanes_push_late(struct lanes *lanes, struct future *const *futures, size_t count);

/* To the lane of the calling thread, if it has one. False: as above. */
static inline bool lanes_try_push(struct lanes *lanes, struct future *future)
{
	struct lane *lane = lanes_old(lanes);

	return lane && lane_try_push(lanes, lane, future);
}

/* To the lane of the calling thread. Errors as above. */
static inline int lanes_push_many(struct lanes *lanes, struct future *const *futures, size_t count)
{
	struct lane *lane = lanes_mine(lanes);

	return lane ? lane_push_many(lanes, lane, futures, count)
		    : lanes_push_late(lanes, futures, count);
}

/* From the return on no lane opens, and none of the directory is open. */
void lanes_close(struct lanes *lanes);

/* After that: until no push to a lane outside the directory is under way. */
void lane_await(struct lane *lane);

/* Futures ever pushed to the lanes of the directory. */
uint64_t lanes_pushed(struct lanes *lanes);

/*
 * Up to `most` of the oldest of some lane, beginning with lane *cursor, which is moved on behind where
 * something was found. Where it comes back as it was, that was the lane of the find before, but for the first
 * find and while lanes are added: a hint. One worker's share of what a lane holds at most, so that others
 * find work, too.
 */
size_t lanes_take(struct lanes *lanes, uint32_t *cursor, struct future **futures, size_t most);

/* A hint. */
bool lanes_look_empty(struct lanes *lanes);

#endif
