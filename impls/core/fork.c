/* SPDX-License-Identifier: MIT */
/* The labels are those of fork.h, P5 is that of worker.h, K3 that of park.h. */
#include "fork.h"

#include <stdlib.h>

/* assay_fork.state. A child that was stolen stays FORKED until it has run. */
enum { FORKED, KEPT, SLEEPING, DONE };

/* Constant: who takes from it or pushes to it, against the rules of fork and join, faults. */
static const struct forks none;
struct forks *const forks_none = (struct forks *)&none;

static struct forks *forks_make(struct worker *worker)
{
	struct forks *forks = aligned_alloc(PORT_APART, sizeof *forks);

	if (!forks)
		return forks_none;
	atomic_init(&forks->bottom, 0);
	atomic_init(&forks->top, 0);
	forks->limit = FORKS;
	forks->lopsided = worker->pool->park.lopsided;
	atomic_store_explicit(&worker->forks, forks, memory_order_release); /* J5 */
	return forks;
}

void forks_free(struct forks *forks)
{
	if (forks != forks_none)
		free(forks);
}

/* Puts it where others find it. */
static inline void offer(struct activation *activation, struct forks *forks, int64_t bottom,
			 struct assay_fork *child)
{
	struct pool *pool = activation->worker->pool;
	uintptr_t tree = activation->tree;

	child->state = FORKED;
	atomic_store_explicit(&forks->slots[bottom & (FORKS - 1)].child, child,
			      memory_order_relaxed);
	atomic_store_explicit(&forks->slots[bottom & (FORKS - 1)].tree, tree, memory_order_relaxed);
	atomic_store_explicit(&forks->bottom, bottom + 1, memory_order_release); /* J1 */
	/* Without K3's fence: a child that a searcher overlooks is run by its join. */
	if (__builtin_expect(crew_is_short(pool), 0))
		rouse_for_child(pool);
}

/* No room as far as was seen, or no deque yet. Without either the child is kept for its join. */
PORT_RARE static void offer_or_keep(struct activation *activation, struct assay_fork *child)
{
	struct worker *worker = activation->worker;
	struct forks *forks = atomic_load_explicit(&worker->forks, memory_order_relaxed);
	int64_t bottom;

	if (forks == forks_none)
		forks = forks_make(worker);
	if (forks == forks_none) {
		child->state = KEPT;
		return;
	}
	bottom = atomic_load_explicit(&forks->bottom, memory_order_relaxed);
	forks->limit = atomic_load_explicit(&forks->top, memory_order_acquire) + FORKS; /* J3 */
	if (bottom < forks->limit)
		offer(activation, forks, bottom, child);
	else
		child->state = KEPT;
}

static void fork_op(assay_call *call, struct assay_fork *child)
{
	struct activation *activation = (struct activation *)call;
	struct worker *worker = activation->worker;
	struct forks *forks = atomic_load_explicit(&worker->forks, memory_order_relaxed);
	int64_t bottom = atomic_load_explicit(&forks->bottom, memory_order_relaxed);

	child->reserved[0] = (uintptr_t)worker->unjoined;
	worker->unjoined = child;
	if (__builtin_expect(bottom < forks->limit, 1))
		offer(activation, forks, bottom, child);
	else
		offer_or_keep(activation, child);
}

/* The last touch of a child: its frame may be gone then. */
void fork_end(struct assay_fork *child, int returned)
{
	child->returned = returned;
	if (__atomic_exchange_n(&child->state, (uint32_t)DONE, __ATOMIC_RELEASE) == /* J4 */
	    SLEEPING) /* see port_wake() */
		port_wake((_Atomic uint32_t *)&child->state, INT_MAX);
}

/* Returns what the child returned; its parent has not been told. */
static int call_stolen(struct worker *worker, struct stolen stolen)
{
	struct activation activation = {.tree = stolen.tree, .child = stolen.child, .flags = CHILD};
	int returned;

	activation.running.call.ops = &fork_call_ops;
	activation.running.call.executor = &worker->pool->base;
	activation_enter(&activation, worker);
	pthread_cleanup_push(stack_ended, worker);
	returned = stolen.child->function(&activation.running.call, stolen.child->frame);
	end_if_orphaned(worker->pool);
	pthread_cleanup_pop(0);
	activation_leave(&activation, worker);
	return returned;
}

void forks_run(struct worker *worker, struct stolen stolen)
{
	int returned;

	/* Until it has run this worker is as good as busy. relaxed: P5 has the fence. */
	atomic_store_explicit(&worker->helping, HELPING, memory_order_relaxed);
	grow_if_short(worker->pool);
	returned = call_stolen(worker, stolen);
	/* relaxed: who sees that the child is done [J4] finds this worker free, as by P1 */
	atomic_store_explicit(&worker->helping, 0, memory_order_relaxed);
	fork_end(stolen.child, returned);
}

static bool is_done(struct assay_fork *child)
{
	return __atomic_load_n(&child->state, __ATOMIC_ACQUIRE) == DONE; /* J4 */
}

static void sleep_until_done(struct assay_fork *child)
{
	uint32_t forked = FORKED;

	/* relaxed: the loads after it decide; the other wants the address only */
	__atomic_compare_exchange_n(&child->state, &forked, (uint32_t)SLEEPING, false,
				    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	while (!is_done(child))
		port_sleep((_Atomic uint32_t *)&child->state, SLEEPING, ASSAY_FOREVER);
}

/* The child runs on another worker. It stays among the unjoined meanwhile: see forks_abandon(). */
PORT_OUTLINE static bool join_stolen(struct activation *activation, struct assay_fork *child)
{
	struct worker *worker = activation->worker;
	int64_t deadline_ns = 0;
	struct stolen other;

	while (!is_done(child)) {
		if (worker->joins < JOINS && forks_steal(worker, activation->tree, &other)) {
			worker->joins++;
			fork_end(other.child, call_stolen(worker, other));
			worker->joins--;
			deadline_ns = 0;
			continue;
		}
		for (int i = 0; i < 16 && !is_done(child); i++)
			port_pause();
		if (!deadline_ns)
			deadline_ns = assay_deadline_ns(worker->pool->join_spin_ns);
		if (assay_clock_ns() < deadline_ns)
			continue;
		sleep_until_done(child);
	}
	worker->unjoined = (struct assay_fork *)child->reserved[0];
	return false;
}

/* The last child: whoever moves top has it. */
PORT_OUTLINE static bool take_last(struct forks *forks, int64_t bottom, int64_t top)
{
	bool mine = top == bottom &&
		    atomic_compare_exchange_strong_explicit(&forks->top, &top, top + 1,
							    memory_order_seq_cst, /* J3 */
							    memory_order_acquire);

	forks->limit = bottom + 1 + FORKS;
	atomic_store_explicit(&forks->bottom, bottom + 1, memory_order_release); /* J1 */
	return mine;
}

/* The latest, if nobody took it. Where all were taken bottom is below top for a moment: still nothing for a thief. */
static inline bool take_back(struct forks *forks)
{
	int64_t bottom = atomic_load_explicit(&forks->bottom, memory_order_relaxed) - 1, top;

	atomic_store_explicit(&forks->bottom, bottom, memory_order_release); /* J1 */
	port_fence_light(forks->lopsided);                                   /* J2 */
	top = atomic_load_explicit(&forks->top, memory_order_acquire);       /* J3, for limit */
	return __builtin_expect(top < bottom, 1) || take_last(forks, bottom, top);
}

void forks_abandon(struct worker *worker, struct assay_fork *before)
{
	struct forks *forks = atomic_load_explicit(&worker->forks, memory_order_relaxed);

	/* Latest first, as joins would: those that are still here, then those that were stolen.
	 * relaxed: KEPT was set by this thread */
	for (; worker->unjoined != before;
	     worker->unjoined = (struct assay_fork *)worker->unjoined->reserved[0])
		if (__atomic_load_n(&worker->unjoined->state, __ATOMIC_RELAXED) != KEPT &&
		    !take_back(forks))
			sleep_until_done(worker->unjoined);
}

static bool join_op(assay_call *call, struct assay_fork *child)
{
	struct activation *activation = (struct activation *)call;
	struct worker *worker = activation->worker;
	/* relaxed: KEPT was set by this thread; the rest is looked at in order below */
	bool here = __builtin_expect(__atomic_load_n(&child->state, __ATOMIC_RELAXED) == KEPT, 0) ||
		    take_back(atomic_load_explicit(&worker->forks, memory_order_relaxed));

	if (__builtin_expect(!here, 0))
		return join_stolen(activation, child);
	worker->unjoined = (struct assay_fork *)child->reserved[0];
	return true;
}

const struct assay_call_ops fork_call_ops = {
	.reserve = future_call_reserve,
	.message = future_call_message,
	.fork = fork_op,
	.join = join_op,
};

/* relaxed: a hint */
static bool looks_empty(const struct forks *forks)
{
	return atomic_load_explicit(&forks->top, memory_order_relaxed) >=
	       atomic_load_explicit(&forks->bottom, memory_order_relaxed);
}

static bool steal(struct forks *forks, uintptr_t tree, struct stolen *stolen)
{
	int64_t top = atomic_load_explicit(&forks->top, memory_order_acquire); /* J3 J2 */

	port_fence_heavy(forks->lopsided);                                     /* J2 */
	if (top >= atomic_load_explicit(&forks->bottom, memory_order_acquire)) /* J1 */
		return false;
	stolen->child =
		atomic_load_explicit(&forks->slots[top & (FORKS - 1)].child, memory_order_relaxed);
	stolen->tree =
		atomic_load_explicit(&forks->slots[top & (FORKS - 1)].tree, memory_order_relaxed);
	/* What was read is of the slot as long as top is still the same. */
	return (tree == ANY_TREE || stolen->tree == tree) &&
	       atomic_compare_exchange_strong_explicit(&forks->top, &top, top + 1,
						       memory_order_seq_cst, /* J3 */
						       memory_order_relaxed);
}

/* A look without any fence, so that a thief that finds nothing disturbs nobody. relaxed: a hint */
static bool is_worth_it(const struct forks *forks, uintptr_t tree)
{
	int64_t top;

	if (looks_empty(forks))
		return false;
	top = atomic_load_explicit(&forks->top, memory_order_relaxed);
	return tree == ANY_TREE || atomic_load_explicit(&forks->slots[top & (FORKS - 1)].tree,
							memory_order_relaxed) == tree;
}

bool forks_steal(struct worker *thief, uintptr_t tree, struct stolen *stolen)
{
	struct pool *pool = thief->pool;
	int workers = pool->settings.config.workers, victim;

	thief->random ^= thief->random << 13; /* xorshift */
	thief->random ^= thief->random >> 17;
	thief->random ^= thief->random << 5;
	victim = (int)(thief->random % (uint32_t)workers);
	for (int left = workers; left > 0; left--) {
		struct forks *forks = atomic_load_explicit(&pool->workers[victim].forks,
							   memory_order_acquire); /* J5 */

		if (&pool->workers[victim] != thief && is_worth_it(forks, tree) &&
		    steal(forks, tree, stolen)) {
			count(&thief->steals, memory_order_relaxed);
			return true;
		}
		victim = victim + 1 < workers ? victim + 1 : 0;
	}
	return false;
}

bool forks_wait(struct pool *pool)
{
	for (int i = 0; i < pool->settings.config.workers; i++)
		if (!looks_empty(atomic_load_explicit(&pool->workers[i].forks,
						      memory_order_acquire))) /* J5 */
			return true;
	return false;
}
