/* SPDX-License-Identifier: MIT */
/*
 * Structured fork and join (assay/fork_join.h) for the workers of every pool. Each worker has a deque
 * of the children that it forked and has not joined; idle workers steal the oldest. As children are
 * joined latest first, a join finds its child at the bottom, or learns that it was stolen: then
 * nothing is left in the deque.
 *
 * While its child runs elsewhere, a join runs children of the same tree alone (of the same task and
 * what it forked, directly or not). Nothing else may wait for these, and they are done before their
 * task is: so what a join piles up on its stack never waits for what lies below. It piles up no more
 * than JOINS of them at a time; then it only waits.
 *
 * A task that a child waits for is run in place, and may end the thread. Then the frames below are
 * lost, but not before forks_abandon() has seen to it that nobody works in them any more.
 *
 * Ordering
 *   J1  fork, join: release store of bottom  ->  steal: acquire load      the child, its frame
 *   J2  join: store of bottom, light fence, then the load of top
 *         against   steal: load of top, heavy fence, then the load of bottom      as D2 in deque.h
 *   J3  whoever takes: seq_cst exchange of top  ->  acquire load of top
 *       fork: the slot has been read before it is written again; steal: no bottom older than the
 *       taker's
 *   J4  end of a stolen child: release exchange of its state  ->  join: acquire load
 *       what the child wrote; its thief has done with the frame, and looks free to who waits for others
 *   J5  forks_make: release store of worker.forks  ->  steal: acquire load     the empty deque
 *
 * The label of a meeting (J2) stands at its fences; its stores and loads have those of what they publish.
 *
 * Relaxed without a word: the worker's loads of its own forks and of bottom, which it alone writes;
 * slots, which J1 publishes, and which are nobody's before an exchange of top or J2.
 */
#ifndef FORK_H
#define FORK_H

#include "worker.h"

/* Children that a worker has forked and not joined, as far as others can take them; more are run by
 * their joins. A power of two. */
#define FORKS 1024

struct forks {
	_Alignas(PORT_APART) _Atomic int64_t bottom; /* written by the worker only */
	int64_t limit;                               /* the worker's: bottom may go up to this */
	bool lopsided;
	_Alignas(PORT_APART) _Atomic int64_t top;
	_Alignas(PORT_APART) struct {
		_Atomic(struct assay_fork *) child;
		_Atomic uintptr_t tree;
	} slots[FORKS];
};

/* Of every worker that has not forked: empty for who steals, and full for the worker. */
extern struct forks *const forks_none;

void forks_free(struct forks *forks);

/* The ops of a call on a worker; its activation begins with the call. */
extern const struct assay_call_ops fork_call_ops;

/* A child that was stolen. */
struct stolen {
	struct assay_fork *child;
	uintptr_t tree;
};

/* Children that joins of one stack run in place of waiting, one inside another. */
#define JOINS 64

/* Any tree, for forks_steal(). */
#define ANY_TREE 0

/* The oldest child of some other worker, if it is of this tree. False: none was found. */
bool forks_steal(struct worker *thief, uintptr_t tree, struct stolen *stolen);

/* Runs it, and tells its parent. */
void forks_run(struct worker *worker, struct stolen stolen);

/* The thread ends: takes back the children forked since `before` that nobody took, and waits for the
 * others. */
void forks_abandon(struct worker *worker, struct assay_fork *before);

/* The last touch of a stolen child: its frame may be gone then. */
void fork_end(struct assay_fork *child, int returned);

/* A hint: some worker has children that can be stolen. */
bool forks_wait(struct pool *pool);

#endif
