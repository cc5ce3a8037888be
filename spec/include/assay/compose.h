/* SPDX-License-Identifier: MIT */
/*
 * assay/compose.h - waiting on sets and iteration in completion order.
 *
 * Included by assay/executor.h. Written once, over watch and park, so that futures
 * of different executors and backends mix freely.
 *
 * Ordering
 *   C1  notify: release exchange of arrived  ->  collect: acquire exchange      the node's link
 *   C2  notify: C1's push, then G1's release exchange of the signal to SET
 *         ->  next: acquire exchange to CLEAR, then the look at arrived
 *       either this look sees the push, or SET comes after CLEAR and park does not sleep
 */
#include <assay/executor.h> /* which includes this file where it belongs */

#ifndef ASSAY_COMPOSE_H
#define ASSAY_COMPOSE_H

#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifndef CLOCK_MONOTONIC
#error "assay needs the POSIX clocks: define _POSIX_C_SOURCE as 200809L before any include"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Now, on the monotonic clock, in nanoseconds. */
static inline int64_t assay_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The moment timeout_ns from now; a sum that would overflow is ASSAY_FOREVER. [RES-14] */
static inline int64_t assay_deadline_ns(int64_t timeout_ns)
{
	int64_t now;

	if (timeout_ns == ASSAY_FOREVER)
		return ASSAY_FOREVER;
	now = assay_clock_ns();
	if (timeout_ns <= 0)
		return now;
	return timeout_ns > ASSAY_FOREVER - now ? ASSAY_FOREVER : now + timeout_ns;
}

/* What is left until a deadline, as a time limit. */
static inline int64_t assay_remaining_ns(int64_t deadline_ns)
{
	return deadline_ns == ASSAY_FOREVER ? ASSAY_FOREVER : deadline_ns - assay_clock_ns();
}

/*
 * Iteration in completion order
 */

struct assay_as_completed_node {
	struct assay_watcher watcher; /* first: notify gets its address */
	assay_future *future;         /* borrowed; NULL once yielded */
	struct assay_as_completed *iteration;
	struct assay_as_completed_node *next; /* in `arrived`, then in `ready` */
	bool watched;
};

typedef struct assay_as_completed {
	struct assay_as_completed_node *nodes; /* one for each distinct future */
	size_t count;
	size_t remaining;        /* not yielded yet */
	size_t cursor;           /* the nodes before it are yielded */
	size_t helper;           /* the nodes before it are yielded, or do not help `thread` */
	uint64_t thread;         /* who parked last: its number */
	const uint64_t *threads; /* by whose count */
	int64_t deadline_ns;
	struct assay_as_completed_node *ready;   /* done; first to be yielded first */
	struct assay_as_completed_node *arrived; /* atomic stack of what completed, latest first */
	struct assay_signal signal;              /* set after each push on `arrived` */
} assay_as_completed;

static inline void assay_as_completed_notify(struct assay_watcher *watcher)
{
	struct assay_as_completed_node *node = (struct assay_as_completed_node *)watcher;
	struct assay_as_completed *iteration = node->iteration;

	/* relaxed: the value is only linked, not followed */
	node->next = __atomic_load_n(&iteration->arrived, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&iteration->arrived, &node->next, node, true,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED)) /* C1 */
		;
	assay_signal_set(&iteration->signal); /* C2 */
}

/* Moves what arrived to `ready`, in the order of arrival. */
static inline void assay_as_completed_collect(struct assay_as_completed *iteration)
{
	struct assay_as_completed_node *node =
		__atomic_exchange_n(&iteration->arrived, (struct assay_as_completed_node *)NULL,
				    __ATOMIC_ACQUIRE); /* C1 */

	while (node) {
		struct assay_as_completed_node *next = node->next;

		node->next = iteration->ready;
		iteration->ready = node;
		node = next;
	}
}

/*
 * Copies the distinct pointers of futures[0 .. count - 1] to distinct, in order of first
 * occurrence. `table` has room for `size` pointers, a power of two of at least 2 * count, all NULL.
 */
static inline size_t assay_distinct(assay_future *const *futures, size_t count,
				    assay_future **table, size_t size, assay_future **distinct)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++) {
		size_t slot = (size_t)(((uintptr_t)futures[i] >> 4) * 0x9e3779b97f4a7c15u >> 20);

		while (table[slot &= size - 1] && table[slot] != futures[i])
			slot++;
		if (!table[slot]) {
			table[slot] = futures[i];
			distinct[found++] = futures[i];
		}
	}
	return found;
}

/* A new array of the distinct futures, to be freed; NULL without memory. *found is their number. */
static inline assay_future **assay_distinct_copy(assay_future *const *futures, size_t count,
						 size_t *found)
{
	size_t size = 2;
	assay_future **memory;

	if (count > SIZE_MAX / 8 / sizeof *memory)
		return NULL;
	while (size < 2 * count)
		size *= 2;
	memory = (assay_future **)calloc(size + count + 1, sizeof *memory);
	if (memory)
		*found = assay_distinct(futures, count, memory + count + 1, size, memory);
	return memory;
}

/*
 * assay_as_completed_end - stop, in whatever state, and free the iteration. NULL is ignored.
 *
 * Futures not yielded are not affected, and nothing of the iteration stays on them.
 * [ASC-14 ASC-15]
 */
static inline void assay_as_completed_end(assay_as_completed *iteration)
{
	if (!iteration)
		return;
	for (size_t i = iteration->cursor; i < iteration->count; i++)
		if (iteration->nodes[i].future && iteration->nodes[i].watched)
			iteration->nodes[i].future->ops->unwatch(iteration->nodes[i].future,
								 &iteration->nodes[i].watcher);
	free(iteration->nodes);
	free(iteration);
}

/*
 * assay_as_completed_begin - iterate over futures in the order in which they complete.
 *					[ASC-1 ASC-2 ASC-3 ASC-4 ASC-7 ASC-8 ASC-12]
 *
 * The time limit bounds the whole iteration and counts from this call. The array is copied; each
 * future is borrowed until it is yielded or the iteration ends. A future given several times is
 * yielded once. One thread at a time may use *iteration, which must go to assay_as_completed_end().
 *
 * ASSAY_EINVAL		futures is NULL but count is not 0, or holds a NULL; iteration is NULL
 * ASSAY_ENOMEM
 */
ASSAY_MUST_CHECK static inline int assay_as_completed_begin(assay_future *const *futures,
							    size_t count, int64_t timeout_ns,
							    assay_as_completed **iteration)
{
	struct assay_as_completed *it;
	assay_future **distinct;
	struct assay_as_completed_node **tail;
	int64_t deadline_ns = assay_deadline_ns(timeout_ns);

	if (!iteration || (!futures && count))
		return ASSAY_EINVAL;
	for (size_t i = 0; i < count; i++)
		if (!futures[i])
			return ASSAY_EINVAL;
	it = (struct assay_as_completed *)calloc(1, sizeof *it);
	if (!it)
		return ASSAY_ENOMEM;
	distinct = assay_distinct_copy(futures, count, &it->remaining);
	if (distinct)
		it->nodes = (struct assay_as_completed_node *)calloc(it->remaining + 1,
								     sizeof *it->nodes);
	if (!it->nodes) {
		free(distinct);
		assay_as_completed_end(it);
		return ASSAY_ENOMEM;
	}
	it->deadline_ns = deadline_ns;
	tail = &it->ready;
	for (; it->count < it->remaining; it->count++) {
		struct assay_as_completed_node *node = &it->nodes[it->count];
		int error;

		node->future = distinct[it->count];
		node->iteration = it;
		node->watcher.notify = assay_as_completed_notify;
		error = node->future->ops->watch(node->future, &node->watcher);
		node->watched = !error;
		if (error == ASSAY_EDONE) {
			*tail = node;
			tail = &node->next;
		} else if (error) {
			free(distinct);
			assay_as_completed_end(it);
			return error;
		}
	}
	free(distinct);
	*iteration = it;
	return ASSAY_OK;
}

/* How many futures are still to be yielded. [ASC-10] */
static inline size_t assay_as_completed_remaining(const assay_as_completed *iteration)
{
	return iteration->remaining;
}

/*
 * Whether it is the calling thread that parked last; from now on it is. Threads are numbered, since what a
 * thread has an address of its own for comes again with a later one. There may be several counts, one for
 * each source file that uses this: a number says who it is together with the count.
 */
static inline bool assay_as_completed_parks_again(struct assay_as_completed *iteration)
{
	static uint64_t threads;
	static __thread uint64_t number;
	bool again;

	if (!number)
		number = __atomic_add_fetch(&threads, 1, __ATOMIC_RELAXED);
	again = iteration->thread == number && iteration->threads == &threads;
	iteration->thread = number;
	iteration->threads = &threads;
	return again;
}

/*
 * A node not yielded yet by whose backend to park: one that helps, if there is any. What does not
 * help a thread never will again, so a thread passes over each future once in the whole iteration.
 */
static inline struct assay_as_completed_node *
assay_as_completed_sleeper(struct assay_as_completed *iteration)
{
	if (!assay_as_completed_parks_again(iteration))
		iteration->helper = 0;
	for (; iteration->helper < iteration->count; iteration->helper++) {
		assay_future *future = iteration->nodes[iteration->helper].future;

		if (future && future->ops->helps(future))
			return &iteration->nodes[iteration->helper];
	}
	while (!iteration->nodes[iteration->cursor].future)
		iteration->cursor++;
	return &iteration->nodes[iteration->cursor];
}

/*
 * assay_as_completed_next - the next future that is done; waits for it.	[ASC-5 ASC-6 ASC-9]
 *
 * *future is the caller's own pointer: no reference is added, and the iteration does not touch it
 * again. [ASC-13]
 *
 * ASSAY_EEND		all were yielded
 * ASSAY_ETIMEDOUT	the limit of the iteration passed; futures that complete later are still
 *			yielded if asked again
 * ASSAY_EUNREACHABLE	as of assay_future_wait()
 */
ASSAY_MUST_CHECK static inline int assay_as_completed_next(assay_as_completed *iteration,
							   assay_future **future)
{
	struct assay_as_completed_node *node;

	if (!iteration->remaining)
		return ASSAY_EEND;
	while (!iteration->ready) {
		int error;

		assay_as_completed_collect(iteration);
		if (iteration->ready)
			break;
		/* Cleared before the second look, set after each push: no arrival is slept over. */
		__atomic_exchange_n(&iteration->signal.state, (uint32_t)ASSAY_SIGNAL_CLEAR,
				    __ATOMIC_ACQ_REL);                      /* C2 */
		if (__atomic_load_n(&iteration->arrived, __ATOMIC_ACQUIRE)) /* C2 */
			continue;
		node = assay_as_completed_sleeper(iteration);
		error = node->future->ops->park(node->future, &iteration->signal,
						assay_remaining_ns(iteration->deadline_ns));
		if (error == ASSAY_ETIMEDOUT)
			assay_as_completed_collect(iteration);
		if (error && !iteration->ready)
			return error;
	}
	node = iteration->ready;
	iteration->ready = node->next;
	iteration->remaining--;
	if (node->watched)
		node->future->ops->unwatch(node->future, &node->watcher);
	*future = node->future;
	node->future = NULL;
	return ASSAY_OK;
}

/*
 * Waiting on a set
 */

enum assay_wait_until {
	ASSAY_ALL_COMPLETED = 0,
	ASSAY_FIRST_COMPLETED,
	ASSAY_FIRST_FAILURE, /* a failure is an outcome with an error, cancellation not [WAIT-8] */
};

/* The two disjoint sets that assay_wait() reports. [WAIT-1 WAIT-12] */
struct assay_partition {
	assay_future **futures; /* the caller's room for `count` pointers, or NULL: counts only */
	size_t done;            /* futures[0 .. done - 1] are done */
	size_t pending;         /* futures[done .. done + pending - 1] are not */
};

static inline bool assay_has_failed(assay_future *future)
{
	struct assay_outcome outcome;

	return future->ops->outcome(future, 0, &outcome) == ASSAY_OK && outcome.error &&
	       outcome.error != ASSAY_ECANCELLED;
}

static inline int assay_wait_set(assay_future *const *futures, size_t count,
				 enum assay_wait_until until, int64_t timeout_ns)
{
	assay_as_completed *iteration;
	assay_future *future;
	int error;

	error = assay_as_completed_begin(futures, count, timeout_ns, &iteration);
	if (error)
		return error;
	iteration->signal.for_all = until == ASSAY_ALL_COMPLETED;
	do {
		error = assay_as_completed_next(iteration, &future);
	} while (!error && (until == ASSAY_ALL_COMPLETED ||
			    (until == ASSAY_FIRST_FAILURE && !assay_has_failed(future))));
	assay_as_completed_end(iteration);
	return error == ASSAY_EEND ? ASSAY_OK : error;
}

/* One after the other, which costs nothing for those that are done. The last first: when it is done,
 * most are, and few waits have to sleep. One that is out of reach is met in its turn. */
static inline int assay_wait_each(assay_future *const *futures, size_t count, int64_t timeout_ns)
{
	int64_t deadline_ns = assay_deadline_ns(timeout_ns);
	bool asked = false;

	for (size_t left = count; left > 0; left--) {
		assay_future *last = futures[left - 1];
		int error = last->ops->outcome(last, 0, NULL);

		/* Asleep on this one, a worker could not run what the others need. */
		for (size_t i = 0; error == ASSAY_ETIMEDOUT && !asked && i < left; i++)
			if (futures[i]->ops->helps(futures[i]))
				return assay_wait_set(futures, left, ASSAY_ALL_COMPLETED,
						      assay_remaining_ns(deadline_ns));
		asked = asked || error == ASSAY_ETIMEDOUT;
		if (error == ASSAY_ETIMEDOUT)
			error = last->ops->outcome(last, assay_remaining_ns(deadline_ns), NULL);
		if (error)
			return error;
	}
	return ASSAY_OK;
}

/*
 * assay_wait - until all futures are done, or the first is, or the first has failed.
 *				[WAIT-2 WAIT-3 WAIT-5 WAIT-6 WAIT-9 WAIT-14 WAIT-16 WAIT-27]
 *
 * Inside a task, with NESTED_WAIT and without limit, the worker may run one of them where no other is
 * free to: then it returns no sooner than that one has ended. A worker is free when the future of what it
 * ran last is seen to be done and its callbacks have returned.
 *
 * Returns when the condition holds, when no more can be done, or when the limit passed: in each
 * case with ASSAY_OK and the state of things in *partition, in the order given, every future once.
 * A cancelled future is done from the moment of its cancellation. partition may be NULL. No
 * reference changes hands and no future is affected.
 *
 * ASSAY_EINVAL		an unknown condition, futures is NULL but count is not 0, or holds a NULL
 * ASSAY_ENOMEM
 * ASSAY_EUNREACHABLE	as of assay_future_wait()
 */
ASSAY_MUST_CHECK static inline int assay_wait(assay_future *const *futures, size_t count,
					      enum assay_wait_until until, int64_t timeout_ns,
					      struct assay_partition *partition)
{
	assay_future **distinct = NULL;
	size_t found = 0;
	int error;

	if ((unsigned)until > ASSAY_FIRST_FAILURE || (!futures && count))
		return ASSAY_EINVAL;
	for (size_t i = 0; i < count; i++)
		if (!futures[i])
			return ASSAY_EINVAL;
	if (partition) {
		distinct = assay_distinct_copy(futures, count, &found);
		if (!distinct)
			return ASSAY_ENOMEM;
	}
	error = until == ASSAY_ALL_COMPLETED ? assay_wait_each(futures, count, timeout_ns)
					     : assay_wait_set(futures, count, until, timeout_ns);
	if (error == ASSAY_ETIMEDOUT)
		error = ASSAY_OK;
	if (!error && partition) {
		size_t done = 0, pending = 0;

		/* One look at each future decides for both sets; the pending ones move up behind.
		 */
		for (size_t i = 0; i < found; i++) {
			if (!assay_future_is_done(distinct[i]))
				distinct[pending++] = distinct[i];
			else if (partition->futures)
				partition->futures[done++] = distinct[i];
			else
				done++;
		}
		if (partition->futures)
			memcpy(partition->futures + done, distinct, pending * sizeof *distinct);
		partition->done = done;
		partition->pending = pending;
	}
	free(distinct);
	return error;
}

#ifdef __cplusplus
}
#endif

#endif
