/* SPDX-License-Identifier: MIT */
/*
 * Structured fork and join (assay/fork_join.h) for the workers of every pool. A worker keeps the children
 * that it forks, and offers the oldest of the latest FORKS to others: by a deque of its own, from which
 * idle workers steal, the oldest first. What it offers is younger than all that is on offer, and children
 * are joined latest first: so the join of one that was offered finds it at the bottom of the deque, or
 * learns that it was stolen: then nothing is left there. The join of one that is kept needs no order
 * between threads.
 *
 * A worker offers more in the fork or join that finds that it is wanted to: where fewer than FEW are on
 * offer, until enough are. How many are enough it learns: more with each that was stolen, fewer with each
 * that its own join takes back. And it offers all before it waits for something else than a child.
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
 *   J1  offer, join: release store of bottom  ->  steal: acquire load     the child, its frame
 *   J2  join: store of bottom, full fence, then the load of top
 *         against   steal: load of top, full fence, then the load of bottom
 *       as D2 in deque.h. Few joins get here, so that no fence need be lopsided
 *   J3  whoever takes: seq_cst exchange of top  ->  acquire load of top
 *       offer: the slot has been read before it is written again; steal: no bottom older than the
 *       taker's
 *   J4  end of a stolen child: release exchange of its state  ->  join: acquire load
 *       what the child wrote; its thief has done with the frame, and looks free to who waits for others
 *   J5  forks_make: release store of worker.forks  ->  steal: acquire load     the empty deque
 *   J6  offer: seq_cst clear of wanted, then the load of top
 *         against   steal: seq_cst exchange of top, then the seq_cst load of wanted, or store
 *       where fewer than FEW are left on offer, wanted is set in the end; or where one less are, since a
 *       join and a theft may each look without the other: as by J2 whoever takes after them sees both
 *
 * The label of a meeting (J2) stands at its fences; its stores and loads have those of what they publish.
 *
 * Relaxed without a word: the worker's loads of its own forks and of bottom, which it alone writes;
 * slots, which J1 publishes, and which are nobody's before an exchange of top or J2.
 */
#ifndef FORK_H
#define FORK_H

#include "worker.h"

/* Children that a worker can have on offer. A power of two. */
#define FORKS 1024

/* The oldest are most of a balanced tree: with many on offer a worker would keep little of it. To what is
 * enough, ENOUGH at least, comes one for each worker that has nothing to do, as far as there are processors. */
#define FEW 2
#define ENOUGH 4

struct forks {
	_Alignas(PORT_APART) _Atomic int64_t bottom; /* written by the worker only */
	int64_t enough;                              /* the worker's own */
	struct assay_children *children;             /* of the worker */
	_Alignas(PORT_APART) _Atomic int64_t top;
	_Alignas(PORT_APART) struct {
		_Atomic(struct assay_fork *) child;
		_Atomic uintptr_t tree;
	} slots[FORKS];
};

/* Of every worker that has offered nothing: empty. */
extern struct forks *const forks_none;

void forks_free(struct forks *forks);

/* The ops of a call on a worker; its activation begins with the call. The children are the worker's. */
extern const struct assay_call_ops fork_call_ops;

/* The worker will neither fork nor join for an unknown time: it offers what it has kept in the task on
 * top of its stack. */
PORT_RARE void forks_offer_all(struct worker *worker);

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
