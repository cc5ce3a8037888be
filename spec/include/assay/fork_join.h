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
 * always runs in the process of its parent. A backend without better means runs it in the join. A process
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

/* One child, from its fork to its join. All members are the contract's. */
struct assay_fork {
	assay_fork_function *function;
	void *frame;
	/* The backend's, set by its fork. */
	uint32_t state;
	int returned; /* by the function, where another worker ran it */
	uintptr_t reserved[2];
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
	child->function = function;
	child->frame = frame;
	call->ops->fork(call, child);
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
	return call->ops->join(call, child) ? child->function(call, child->frame) : child->returned;
}

/* `fork` and `join` of a backend that has nothing better: the join runs the child. */
static inline void assay_default_fork(assay_call *call, struct assay_fork *child)
{
	(void)call;
	(void)child;
}

static inline bool assay_default_join(assay_call *call, struct assay_fork *child)
{
	(void)call;
	(void)child;
	return true;
}

#ifdef __cplusplus
}
#endif

#endif
