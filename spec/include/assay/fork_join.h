/* SPDX-License-Identifier: MIT */
/*
 * assay/fork_join.h - structured fork and join inside a task.
 *
 * Included by assay/executor.h. A child is a function and a frame, and its record lies in the frame
 * of who forks it: no allocation, no reference count, no argument to copy. The child reads its input
 * from the frame and leaves its result there:
 *
 *	struct fib { unsigned n; uint64_t value; };
 *
 *	static int fib(assay_call *call, void *frame)
 *	{
 *		struct fib *self = frame;
 *		struct fib left = {self->n - 1, 0}, right = {self->n - 2, 0};
 *		struct assay_fork child;
 *
 *		if (self->n < 2) {
 *			self->value = self->n;
 *			return ASSAY_OK;
 *		}
 *		assay_fork(call, &child, fib, &right);
 *		fib(call, &left);
 *		assay_join(call, &child);
 *		self->value = left.value + right.value;
 *		return ASSAY_OK;
 *	}
 *
 * Rules, checked by nobody: a function joins each of its children before it returns, the latest
 * first; it passes on the call that it was given, and to no other thread; neither it nor what it
 * calls ends its thread. Argument and result of the call are for the task's own function: a child
 * reads neither, and does not use assay_return(), assay_fail() or assay_call_result(). One that runs
 * on another worker has none. A child may submit, wait, fork and join.
 *
 * Backends of threads may run a child on another worker, at any time between fork and join; a child
 * always runs in the process of its parent. Where nobody else takes it, the join runs it. A process
 * that a task forks joins what it forked itself, and nothing from before.
 */
#include <assay/executor.h> /* which includes this file where it belongs */

#ifndef ASSAY_FORK_JOIN_H
#define ASSAY_FORK_JOIN_H

#ifdef __cplusplus
extern "C" {
#endif

/* Returns ASSAY_OK, or whatever its parent understands: assay_join() passes it on. */
typedef int assay_fork_function(assay_call *call, void *frame);

/* One child, from its fork to its join. None of its members is the client's. */
struct assay_fork {
	assay_fork_function *function;
	void *frame;
	struct assay_fork *older; /* the one that was forked before, and is not joined; or NULL */
	/* 0: kept, known to who forked it alone. Else the backend's, and never 0 again. */
	uint32_t state;
	int returned;          /* by the function, where another worker ran it */
	uintptr_t reserved[2]; /* the backend's */
};

/*
 * Children that were forked and not joined, latest first. One thread keeps the list; others touch `wanted`
 * alone. A backend has one for each worker, or for each call; calls that run on top of one another in a
 * thread may share it, since what each forks is joined before it ends.
 *
 * While `wanted` is 0 forks and joins keep the list and call nobody, but for the join of a child that was
 * offered. Else each fork calls ops->offer(), with the child on the list, and each join ops->join(), which
 * takes it off, whatever its state: one that was never offered is the caller's to run. Any thread of the
 * backend may set `wanted` at any time; a later fork or join sees it.
 *
 * To offer a child is to set its `state`, before another thread can know of it. The list's thread does that:
 * in ops->offer(); in ops->join(), to others than the one joined; or elsewhere in the backend, as in a wait.
 * It offers what the running task, or child of another worker's task, has forked: from `latest` down to,
 * and without, what was latest when that began. What was offered stays on the list until its join. From
 * then on `state` is written atomically, by who holds a lock, too, since assay_join() reads it without
 * one; what orders the child's writes is ops->join().
 *
 * ops->offer() and ops->join() may be called in a process that the task has forked, without other threads.
 */
struct assay_children {
	struct assay_fork *latest; /* NULL at first. Of forks, joins and ops->join() */
	uint32_t wanted;           /* anybody's, atomic */
};

/* Function and struct share a name, as those of stat() do, which GCC minds in C++. */
#ifdef __cplusplus
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif

/*
 * assay_fork - let another worker run function(call, frame), if one has time.	[FJ-1 FJ-2 FJ-3]
 *
 * *child and *frame stay where they are, and are not touched, until assay_join(). Never fails and
 * never waits: where nobody takes the child, the join runs it.
 */
static inline void assay_fork(assay_call *call, struct assay_fork *child,
			      assay_fork_function *function, void *frame)
{
	struct assay_children *children = call->children;

	child->function = function;
	child->frame = frame;
	if (!children)
		return;
	child->older = children->latest;
	child->state = 0;
	children->latest = child;
	/* relaxed: who misses a change sees it in a later fork or join */
	if (__builtin_expect(__atomic_load_n(&children->wanted, __ATOMIC_RELAXED), 0))
		call->ops->offer(call);
}

#ifdef __cplusplus
#pragma GCC diagnostic pop
#endif

/*
 * assay_join - the child has run when this returns, and what it wrote is visible.  [FJ-4 FJ-5 FJ-6]
 *
 * Runs the child now, in this thread, unless another worker took it; then waits for that, and may
 * meanwhile run other children of the same task. Returns what the function returned; ASSAY_EDIED if
 * a task that the child waited for, on another worker, ended the thread beneath both. [RES-16] The
 * child's cleanup handlers and destructors then run later: they must not use its frame.
 */
static inline int assay_join(assay_call *call, struct assay_fork *child)
{
	struct assay_children *children = call->children;

	/* relaxed: what is kept is this thread's own; of the rest ops->join() sees to the order */
	if (children) {
		if (__builtin_expect(__atomic_load_n(&child->state, __ATOMIC_RELAXED) |
					     __atomic_load_n(&children->wanted, __ATOMIC_RELAXED),
				     0)) {
			if (!call->ops->join(call, child))
				return child->returned;
		} else {
			children->latest = child->older;
		}
	}
	return child->function(call, child->frame);
}

#ifdef __cplusplus
}
#endif

#endif
