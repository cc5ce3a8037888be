/* SPDX-License-Identifier: MIT */
/* What need not be inline. The labels are those of lanes.h and deque.h. */
#include "lanes.h"

#include <stdlib.h>

void lanes_init(struct lanes *lanes, int workers, bool lopsided)
{
	*lanes =
		(struct lanes){.lopsided = lopsided, .shares = workers > 2 ? (uint32_t)workers : 2};
}

void lanes_free(struct lanes *lanes)
{
	for (unsigned block = 0; block < LANE_BLOCKS; block++) {
		/* relaxed: nobody else is there */
		struct lane *first =
			atomic_load_explicit(&lanes->blocks[block], memory_order_relaxed);

		for (uint32_t i = 0; first && i < lanes_in(block); i++)
			deque_free(&first[i].deque);
		free(first);
	}
}

/* Makes the block of lane i, unless another thread did. */
static struct lane *attach(struct lanes *lanes, uint32_t i)
{
	unsigned block = lanes_block(i);
	struct lane *made = aligned_alloc(PORT_APART, lanes_in(block) * sizeof *made);
	struct lane *found = NULL;

	if (!made)
		return NULL;
	for (uint32_t k = 0; k < lanes_in(block); k++) {
		made[k] = (struct lane){.pushing = 0};
		deque_init(&made[k].deque, lanes->lopsided);
	}
	if (!atomic_compare_exchange_strong_explicit(&lanes->blocks[block], &found, made,
						     memory_order_release, /* E3 */
						     memory_order_relaxed))
		free(made); /* relaxed: what is found is looked up again */
	return lanes_find(lanes, i);
}

/* Lane i, counted among those that may have been used; NULL without memory. */
static struct lane *attach_counted(struct lanes *lanes, uint32_t i)
{
	uint32_t count = atomic_load_explicit(&lanes->count, memory_order_relaxed);
	struct lane *lane = lanes_find(lanes, i);

	if (!lane)
		lane = attach(lanes, i);
	while (lane && count <= i)
		if (atomic_compare_exchange_weak_explicit(&lanes->count, &count, i + 1,
							  memory_order_seq_cst, /* E4 */
							  memory_order_relaxed))
			break;
	return lane;
}

struct lane *lanes_attach(struct lanes *lanes)
{
	uint32_t number = thread_number();

	return number == THREAD_UNNUMBERED ? NULL : attach_counted(lanes, number);
}

int lanes_push_late(struct lanes *lanes, struct future *const *futures, size_t count)
{
	struct thread_number *number = thread_is_over() ? thread_borrow() : NULL;
	struct lane *lane;
	int error;

	if (!number)
		return ASSAY_ENOMEM;
	lane = attach_counted(lanes, number->value);
	error = lane ? lane_push_many(lanes, lane, futures, count) : ASSAY_ENOMEM;
	thread_give_back(number);
	return error;
}

bool lane_reserve(struct lanes *lanes, struct lane *lane, size_t count)
{
	struct deque *deque = &lane->deque;
	int64_t left = atomic_load_explicit(&lanes->left, memory_order_relaxed);
	size_t room = deque_room(deque), more = count, gone;

	if (left > 0 && 2 * left >= (int64_t)room &&
	    deque_length(deque) + (int64_t)count > (int64_t)room) {
		gone = deque_prune(deque);
		atomic_fetch_sub_explicit(&lanes->left, (int64_t)gone, memory_order_relaxed);
		/* So that the next look at everything is as many pushes away. */
		more = gone < room / 4 ? count + room / 4 : count;
	}
	return deque_reserve(deque, more);
}

void lane_await(struct lane *lane)
{
	unsigned step = 0;

	while (atomic_load_explicit(&lane->pushing, memory_order_acquire)) /* E2 */
		port_backoff(&step);
}

void lanes_close(struct lanes *lanes)
{
	uint32_t count;

	atomic_store_explicit(&lanes->closed, true, memory_order_seq_cst); /* E1 */
	port_fence_heavy(lanes->lopsided);                                 /* E1 */
	count = atomic_load_explicit(&lanes->count, memory_order_seq_cst); /* E1 E4 */
	for (uint32_t i = 0; i < count; i++) {
		struct lane *lane = lanes_find(lanes, i);

		if (lane)
			lane_await(lane);
	}
}

uint64_t lanes_pushed(struct lanes *lanes)
{
	uint32_t count = atomic_load_explicit(&lanes->count, memory_order_acquire); /* E4 */
	uint64_t pushed = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct lane *lane = lanes_find(lanes, i);

		/* relaxed: who has popped one, or heard of it, has by D1 the count with it */
		if (lane)
			pushed += atomic_load_explicit(&lane->pushed, memory_order_relaxed);
	}
	return pushed;
}

size_t lanes_take(struct lanes *lanes, uint32_t *cursor, struct future **futures, size_t most)
{
	uint32_t count = atomic_load_explicit(&lanes->count, memory_order_acquire); /* E4 */
	uint32_t i = *cursor < count ? *cursor : 0;

	for (uint32_t left = count; left > 0; left--) {
		struct lane *lane = lanes_find(lanes, i);
		size_t taken = 0;

		/* Until something was taken or the lane is empty: a race lost is no answer. */
		while (lane && !taken && !deque_looks_empty(&lane->deque))
			taken = deque_take(&lane->deque, futures, most, lanes->shares);
		i = i + 1 < count ? i + 1 : 0;
		if (taken) {
			*cursor = i; /* by turns: a lane that never runs dry keeps nobody waiting */
			return taken;
		}
	}
	return 0;
}

bool lanes_look_empty(struct lanes *lanes)
{
	uint32_t count = atomic_load_explicit(&lanes->count, memory_order_acquire); /* E4 */

	for (uint32_t i = 0; i < count; i++) {
		struct lane *lane = lanes_find(lanes, i);

		if (lane && !deque_looks_empty(&lane->deque))
			return false;
	}
	return true;
}
