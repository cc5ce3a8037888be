/* SPDX-License-Identifier: MIT */
/* What a worker does inside a task: children that it forks and joins, and tasks that it waits for. */
#include "base_pool.h"

#include <sched.h>
#include <stdlib.h>

/* Of a child, in `state`; under the mutex, but for a look of its join (assay/fork_join.h). reserved[0]
 * is the next in `children`. */
enum { CHILD_OPEN = 1, CHILD_TAKEN, CHILD_DONE };

static struct assay_fork *next_child(const struct assay_fork *child)
{
	return (struct assay_fork *)child->reserved[0];
}

/* Of its own task only: who forked it runs it in the join, if no worker has come by then. */
void pool_offer(assay_call *call)
{
	struct pool *pool = (struct pool *)call->executor;
	struct assay_fork *child = call->children->latest;

	if (has_fault(FAULT_FORK_RUNS_CHILD)) {
		child->returned = child->function(call, child->frame);
		child->state = CHILD_DONE;
		return;
	}
	if (has_fault(FAULT_FORK_NEEDS_MEMORY)) {
		void *record = malloc((size_t)1 << 20);

		child->state = CHILD_DONE;
		child->returned = 0;
		if (!record)
			return;
		free(record);
	}
	pthread_mutex_lock(&pool->mutex);
	child->state = CHILD_OPEN;
	child->reserved[0] = (uintptr_t)pool->children;
	child->reserved[1] = (uintptr_t)current_worker;
	pool->children = child;
	pthread_cond_signal(&pool->work);
	pthread_mutex_unlock(&pool->mutex);
}

static bool forget_child(struct pool *pool, struct assay_fork *child)
{
	struct assay_fork *before = pool->children;

	if (child->state != CHILD_OPEN)
		return false;
	if (before == child) {
		pool->children = next_child(child);
		return true;
	}
	while (next_child(before) != child)
		before = next_child(before);
	before->reserved[0] = child->reserved[0];
	return true;
}

/* The fault of a pool whose joins keep busy with whatever there is. */
static void run_any_task(struct pool *pool)
{
	struct future *future = pool_pop(pool);

	if (!future) {
		pthread_cond_wait(&pool->work, &pool->mutex);
		return;
	}
	pool->counts.started++;
	pthread_mutex_unlock(&pool->mutex);
	if (future_start(future))
		worker_run(current_worker, future);
	pthread_mutex_lock(&pool->mutex);
}

bool pool_join(assay_call *call, struct assay_fork *child)
{
	struct pool *pool = (struct pool *)call->executor;
	bool is_mine;

	call->children->latest = child->older;
	pthread_mutex_lock(&pool->mutex);
	is_mine = forget_child(pool, child);
	while (!is_mine && child->state != CHILD_DONE && !has_fault(FAULT_JOIN_DOES_NOT_WAIT)) {
		if (has_fault(FAULT_JOIN_RUNS_TASKS) && current_worker)
			run_any_task(pool);
		else
			pthread_cond_wait(&pool->joined, &pool->mutex);
	}
	pthread_mutex_unlock(&pool->mutex);
	if (has_fault(FAULT_CHILD_LOST) && is_mine) {
		child->returned = 0;
		return false;
	}
	return is_mine || has_fault(FAULT_CHILD_RUN_TWICE);
}

void pool_abandon_children(struct worker *worker)
{
	struct pool *pool = worker->pool;
	struct assay_fork **link = &pool->children;

	if (has_fault(FAULT_CHILDREN_OUTLIVE_THREAD))
		return;
	pthread_mutex_lock(&pool->mutex);
	while (*link)
		if ((*link)->reserved[1] == (uintptr_t)worker)
			*link = next_child(*link);
		else
			link = (struct assay_fork **)&(*link)->reserved[0];
	while (worker->lent)
		pthread_cond_wait(&pool->joined, &pool->mutex);
	pthread_mutex_unlock(&pool->mutex);
}

/* Under the mutex. The child is not touched any more. */
static void end_child(struct pool *pool, struct assay_fork *child, int returned)
{
	struct worker *parent = (struct worker *)child->reserved[1];

	child->returned = returned;
	__atomic_store_n(&child->state, CHILD_DONE, __ATOMIC_RELAXED);
	if (parent)
		parent->lent--;
	if (has_fault(FAULT_CHILD_RUN_WHILE_IDLE))
		pool->idle--;
	pthread_cond_broadcast(&pool->joined);
	if (has_fault(FAULT_JOIN_RUNS_TASKS))
		pthread_cond_broadcast(&pool->work);
}

/* A task that the child waited for ended the thread. */
static void end_beneath(void *user)
{
	struct pool *pool = current_pool;

	if (has_fault(FAULT_ENDED_CHILD_NOT_TOLD))
		return;
	pthread_mutex_lock(&pool->mutex);
	end_child(pool, user, ASSAY_EDIED);
	pthread_mutex_unlock(&pool->mutex);
}

bool pool_run_child(struct pool *pool)
{
	struct assay_fork *child = pool->children;
	struct assay_children children = {NULL, 1};
	assay_call call = {.ops = &call_ops, .children = &children, .executor = &pool->base};
	struct worker *parent;
	int returned;

	if (!child)
		return false;
	pool->children = next_child(child);
	__atomic_store_n(&child->state, CHILD_TAKEN, __ATOMIC_RELAXED);
	parent = (struct worker *)child->reserved[1];
	if (parent)
		parent->lent++;
	if (has_fault(FAULT_CHILD_RUN_WHILE_IDLE))
		pool->idle++;
	pthread_mutex_unlock(&pool->mutex);
	pthread_cleanup_push(end_beneath, child);
	returned = child->function(&call, child->frame);
	pthread_cleanup_pop(0);
	pthread_mutex_lock(&pool->mutex);
	end_child(pool, child, has_fault(FAULT_CHILD_RETURN_LOST) ? 0 : returned);
	return true;
}

/* The pool that would run or end this future while the calling thread waits for it. */
static struct pool *helper_of(const struct future *future)
{
	if (ending_pool && future->executor == &ending_pool->base)
		return has_fault(FAULT_ENDING_THREAD_SLEEPS) ? NULL : ending_pool;
	if (has_fault(FAULT_WAITING_WORKER_SLEEPS) || has_fault(FAULT_LIMIT_LOST_IN_WORKER))
		return NULL;
	if (current_pool && future->executor == &current_pool->base)
		return current_pool;
	return NULL;
}

/* What this thread was told of last that it helps. */
static _Thread_local const assay_future *promised;

bool worker_was_promised(const assay_future *base)
{
	bool was_promised = promised == base;

	promised = NULL;
	return was_promised;
}

bool worker_helps(assay_future *base)
{
	bool is_pending = assay_future_state(base) == ASSAY_PENDING;

	if (helper_of((struct future *)base) && is_pending)
		promised = base;
	return helper_of((struct future *)base) && !has_fault(FAULT_SETS_ARE_NOT_HELPED) &&
	       (is_pending || has_fault(FAULT_HELPS_WHAT_RUNS));
}

/* Of a set, since who runs one of it cannot return when another is done: while some worker is free, that one
 * runs it, but not for ever, if it is held up. */
void worker_leave_awaited(struct future *future)
{
	struct pool *pool = helper_of(future);
	int64_t end_ns = assay_deadline_ns(1000000000);
	bool has_others = pool && pool != ending_pool && !has_fault(FAULT_SETS_ARE_RUN_HERE);

	while (has_others && assay_future_state(&future->base) == ASSAY_PENDING &&
	       assay_clock_ns() < end_ns) {
		sched_yield();
		pthread_mutex_lock(&pool->mutex);
		has_others = pool->counts.started - pool->counts.finished < (uint64_t)pool->alive;
		pthread_mutex_unlock(&pool->mutex);
	}
}

/* What is pending and not in the queue is on its way to another worker, or to a cancellation. */
void worker_run_awaited(struct future *future)
{
	struct pool *pool = helper_of(future);
	bool is_here;

	if (!pool)
		return;
	pthread_mutex_lock(&pool->mutex);
	is_here = pool_remove(pool, future);
	if (is_here && pool == ending_pool) {
		pool_end_pending(pool, future);
		is_here = false;
	}
	if (is_here && has_fault(FAULT_AWAITED_KEEPS_ROOM))
		pool->queued++;
	pthread_mutex_unlock(&pool->mutex);
	if (!is_here)
		return;
	if (future_start(future)) {
		pthread_mutex_lock(&pool->mutex);
		pool->counts.started++;
		pthread_mutex_unlock(&pool->mutex);
		if (has_fault(FAULT_AWAITED_RUNS_TWICE))
			future_call(future, &pool->base);
		worker_run(current_worker, future);
	} else {
		pthread_mutex_lock(&pool->mutex);
		pool->counts.cancelled++;
		pthread_mutex_unlock(&pool->mutex);
		future_release(future);
	}
	pthread_mutex_lock(&pool->mutex);
	pool->queued -= has_fault(FAULT_AWAITED_KEEPS_ROOM);
	pool->counts.finished -= has_fault(FAULT_AWAITED_NOT_COUNTED);
	pthread_mutex_unlock(&pool->mutex);
}
