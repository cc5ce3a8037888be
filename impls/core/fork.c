/* SPDX-License-Identifier: MIT */
/* The labels are those of fork.h, P1 and P5 are those of worker.h, K1 is that of park.h. */
#include "fork.h"

#include <stdlib.h>

/* assay_fork.state. A child that was stolen stays OFFERED, or SLEEPING, until it has run. */
enum { KEPT, OFFERED, SLEEPING, DONE };

/* What is offered later than a join began to sleep it finds when it looks again: after so long first, and
 * then after twice as long each time. */
#define NAP_NS 500000
#define NAP_NS_LIMIT 64000000

static const struct forks none;
struct forks *const forks_none = (struct forks *)&none;

/* NULL without memory. */
static struct forks *forks_make(struct worker *worker)
{
	struct forks *forks = aligned_alloc(PORT_APART, sizeof *forks);

	if (!forks)
		return NULL;
	atomic_init(&forks->bottom, 0);
	atomic_init(&forks->top, 0);
	forks->enough = FORKS;
	forks->children = &worker->children;
	atomic_store_explicit(&worker->forks, forks, memory_order_release); /* J5 */
	return forks;
}

void forks_free(struct forks *forks)
{
	if (forks != forks_none)
		free(forks);
}

/* relaxed: of a child that is kept this thread alone knows */
static inline bool is_kept(const struct assay_fork *child)
{
	return __atomic_load_n(&child->state, __ATOMIC_RELAXED) == KEPT;
}

static inline void want(struct assay_children *children)
{
	if (!__atomic_load_n(&children->wanted, __ATOMIC_SEQ_CST))        /* J6 */
		__atomic_store_n(&children->wanted, 1, __ATOMIC_SEQ_CST); /* J6 */
}

/* As far as was seen, without those that thieves take meanwhile. */
static inline int64_t on_offer(const struct forks *forks)
{
	return atomic_load_explicit(&forks->bottom, memory_order_relaxed) -
	       atomic_load_explicit(&forks->top, memory_order_acquire); /* J3 */
}

/* Where others find it, once bottom says so. */
static inline void put(struct forks *forks, int64_t position, struct assay_fork *child,
		       uintptr_t tree)
{
	child->state = OFFERED;
	atomic_store_explicit(&forks->slots[position & (FORKS - 1)].child, child,
			      memory_order_relaxed);
	atomic_store_explicit(&forks->slots[position & (FORKS - 1)].tree, tree,
			      memory_order_relaxed);
}

/* Somebody may find what was put. */
static inline void rouse_with_fence(struct pool *pool)
{
	rouse_for_children(pool, park_look(&pool->park)); /* K1 */
}

/* The same where `before` were on offer already: somebody was woken for those, and finds these, too. relaxed:
 * who goes to sleep just then may overlook them, which is not worth a fence each time. */
static inline void rouse_for_offer(struct pool *pool, int64_t before)
{
	if (before > 0)
		rouse_for_children(pool,
				   atomic_load_explicit(&pool->park.counts, memory_order_relaxed));
	else
		rouse_with_fence(pool);
}

/* The latest of what was forked in this activation, from `child` on, is kept. */
static inline bool keeps(const struct activation *activation, const struct assay_fork *child)
{
	return child != activation->unjoined && is_kept(child);
}

/* Of the children from `latest` on, as far as they are kept and no more than FORKS: the oldest, until `most`
 * are on offer, and no less than half, as far as there is room, since counting takes time. All that is on
 * offer is older. Returns how many are. */
PORT_OUTLINE static int64_t offer_oldest(struct activation *activation, struct forks *forks,
					 struct assay_fork *latest, int64_t most)
{
	int64_t bottom = atomic_load_explicit(&forks->bottom, memory_order_relaxed);
	int64_t offered = on_offer(forks), kept = 0, count;
	struct assay_fork *child;

	if (offered >= most)
		return offered;
	for (child = latest; kept < FORKS && keeps(activation, child); child = child->older)
		kept++;
	count = most - offered > kept / 2 ? most - offered : kept / 2;
	if (count > kept)
		count = kept;
	if (count > FORKS - offered)
		count = FORKS - offered;
	for (child = latest; kept > count; kept--)
		child = child->older;
	for (int64_t i = bottom + count; i-- > bottom; child = child->older)
		put(forks, i, child, activation->tree);
	atomic_store_explicit(&forks->bottom, bottom + count, memory_order_release); /* J1 */
	rouse_for_offer(activation->worker->pool, offered);
	return offered + count;
}

/* A child was taken. */
static inline void more_is_enough(struct forks *forks)
{
	forks->enough += (forks->enough + 7) / 8;
	if (forks->enough > FORKS)
		forks->enough = FORKS;
}

/* Nobody wanted a child. */
static inline void less_is_enough(struct forks *forks)
{
	forks->enough -= (forks->enough - ENOUGH + 7) / 8;
}

/* Nothing more is offered until few are left. */
PORT_OUTLINE static void keep(struct pool *pool, struct forks *forks)
{
	rouse_with_fence(pool);
	__atomic_store_n(&forks->children->wanted, 0, __ATOMIC_SEQ_CST); /* J6 */
	if (atomic_load_explicit(&forks->bottom, memory_order_relaxed) -
		    atomic_load_explicit(&forks->top, memory_order_seq_cst) < /* J6 */
	    FEW)
		want(forks->children);
}

/* What the worker has on offer or could have; NULL without memory. */
static inline struct forks *forks_of(struct worker *worker)
{
	struct forks *forks = atomic_load_explicit(&worker->forks, memory_order_relaxed);

	return __builtin_expect(forks != forks_none, 1) ? forks : forks_make(worker);
}

/* Workers that have nothing to do, or could be started, if there are processors for them. relaxed: a hint */
static inline int takers(const struct pool *pool)
{
	uint64_t counts = atomic_load_explicit(&pool->park.counts, memory_order_relaxed);
	int idle = (int)(park_sleepers(counts) + park_searchers(counts));

	if (__builtin_expect(is_growing(pool), 0) &&
	    !atomic_load_explicit(&pool->refused, memory_order_relaxed))
		idle += pool->settings.config.workers -
			atomic_load_explicit(&pool->alive, memory_order_relaxed);
	return idle < pool->others ? idle : pool->others;
}

static inline void offer(struct activation *activation)
{
	struct worker *worker = activation->worker;
	struct assay_fork *child = worker->children.latest;
	struct forks *forks = forks_of(worker);
	int64_t offered, enough;

	if (!forks)
		return;
	offered = on_offer(forks);
	enough = forks->enough + takers(worker->pool);
	if (enough > FORKS)
		enough = FORKS;
	if (offered < enough && keeps(activation, child)) {
		if (keeps(activation, child->older)) {
			offered = offer_oldest(activation, forks, child, enough);
		} else {
			int64_t bottom = atomic_load_explicit(&forks->bottom, memory_order_relaxed);

			put(forks, bottom, child, activation->tree);
			atomic_store_explicit(&forks->bottom, bottom + 1,
					      memory_order_release); /* J1 */
			rouse_for_offer(worker->pool, offered);
			offered++;
		}
	}
	if (offered >= enough)
		keep(worker->pool, forks);
}

static void offer_op(assay_call *call)
{
	offer((struct activation *)call);
}

/* The same where it will be long until the next offer, from `latest` on. */
static void offer_all(struct activation *activation, struct assay_fork *latest)
{
	struct worker *worker = activation->worker;
	struct forks *forks;

	/* With one worker there is nobody to offer it to. Where much is on offer, it is not worth counting. */
	if (keeps(activation, latest) && worker->pool->settings.config.workers > 1 &&
	    (forks = forks_of(worker)) && on_offer(forks) <= FORKS / 2) {
		offer_oldest(activation, forks, latest, FORKS);
		rouse_with_fence(worker->pool);
	}
}

void forks_offer_all(struct worker *worker)
{
	if (worker->top)
		offer_all(worker->top, worker->children.latest);
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

	running_init(&activation.running, &fork_call_ops, &worker->children);
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

static void sleep_until_done(struct assay_fork *child, int64_t deadline_ns)
{
	uint32_t offered = OFFERED;
	bool in_time = true;

	/* relaxed: the loads after it decide; the other wants the address only */
	__atomic_compare_exchange_n(&child->state, &offered, (uint32_t)SLEEPING, false,
				    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	while (!is_done(child) && in_time)
		in_time = port_sleep((_Atomic uint32_t *)&child->state, SLEEPING, deadline_ns);
}

/* The child runs on another worker. It stays among the children meanwhile: see forks_abandon(). */
PORT_OUTLINE static bool join_stolen(struct activation *activation, struct assay_fork *child)
{
	struct worker *worker = activation->worker;
	int64_t deadline_ns = 0, nap_ns = NAP_NS;
	struct stolen other;

	/* Nothing is on offer; but what is older may be kept, where more was than is counted. Not below others
	 * that were stolen: their joins would find it at the bottom. */
	if (!is_done(child))
		offer_all(activation, child->older);
	while (!is_done(child)) {
		bool helps = worker->joins < JOINS;

		if (helps && forks_steal(worker, activation->tree, &other)) {
			worker->joins++;
			fork_end(other.child, call_stolen(worker, other));
			worker->joins--;
			deadline_ns = 0;
			nap_ns = NAP_NS;
			continue;
		}
		for (int i = 0; i < 16 && !is_done(child); i++)
			port_pause();
		if (!deadline_ns)
			deadline_ns = assay_deadline_ns(worker->pool->join_spin_ns);
		if (assay_clock_ns() < deadline_ns)
			continue;
		sleep_until_done(child, helps ? assay_deadline_ns(nap_ns) : ASSAY_FOREVER);
		nap_ns = nap_ns < NAP_NS_LIMIT ? 2 * nap_ns : nap_ns;
	}
	worker->children.latest = child->older;
	more_is_enough(atomic_load_explicit(&worker->forks, memory_order_relaxed));
	return false;
}

/* The last child: whoever moves top has it. */
PORT_OUTLINE static bool take_last(struct forks *forks, int64_t bottom, int64_t top)
{
	bool mine = top == bottom &&
		    atomic_compare_exchange_strong_explicit(&forks->top, &top, top + 1,
							    memory_order_seq_cst, /* J3 */
							    memory_order_relaxed);

	atomic_store_explicit(&forks->bottom, bottom + 1, memory_order_release); /* J1 */
	return mine;
}

/* The latest, if nobody took it. Where all were taken bottom is below top for a moment: still nothing for a thief. */
static inline bool take_back(struct forks *forks)
{
	int64_t bottom = atomic_load_explicit(&forks->bottom, memory_order_relaxed) - 1, top;

	atomic_store_explicit(&forks->bottom, bottom, memory_order_release); /* J1 */
	atomic_thread_fence(memory_order_seq_cst);                           /* J2 */
	top = atomic_load_explicit(&forks->top, memory_order_relaxed);       /* J2 */
	return __builtin_expect(top < bottom, 1) || take_last(forks, bottom, top);
}

void forks_abandon(struct worker *worker, struct assay_fork *before)
{
	struct forks *forks = atomic_load_explicit(&worker->forks, memory_order_relaxed);
	struct assay_fork *child;

	/* Latest first, as joins would. */
	for (; (child = worker->children.latest) != before; worker->children.latest = child->older)
		if (!is_kept(child) && !take_back(forks))
			sleep_until_done(child, ASSAY_FOREVER);
	if (forks != forks_none)
		want(&worker->children);
}

/* The other children that are kept go to others, the oldest first. */
PORT_OUTLINE static bool join_kept(struct activation *activation, struct assay_fork *child)
{
	activation->worker->children.latest = child->older;
	offer(activation);
	return true;
}

static bool join_op(assay_call *call, struct assay_fork *child)
{
	struct activation *activation = (struct activation *)call;
	struct assay_children *children = call->children;
	struct forks *forks =
		atomic_load_explicit(&activation->worker->forks, memory_order_relaxed);

	if (is_kept(child))
		return join_kept(activation, child);
	if (__builtin_expect(!take_back(forks), 0))
		return join_stolen(activation, child);
	children->latest = child->older;
	less_is_enough(forks);
	if (on_offer(forks) < FEW)
		want(children);
	return true;
}

const struct assay_call_ops fork_call_ops = {
	.reserve = future_call_reserve,
	.message = future_call_message,
	.offer = offer_op,
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
	int64_t top = atomic_load_explicit(&forks->top, memory_order_acquire), bottom; /* J3 J2 */

	atomic_thread_fence(memory_order_seq_cst);                           /* J2 */
	bottom = atomic_load_explicit(&forks->bottom, memory_order_acquire); /* J1 */
	if (top >= bottom)
		return false;
	stolen->child =
		atomic_load_explicit(&forks->slots[top & (FORKS - 1)].child, memory_order_relaxed);
	stolen->tree =
		atomic_load_explicit(&forks->slots[top & (FORKS - 1)].tree, memory_order_relaxed);
	/* What was read is of the slot as long as top is still the same. */
	if ((tree != ANY_TREE && stolen->tree != tree) ||
	    !atomic_compare_exchange_strong_explicit(&forks->top, &top, top + 1,
						     memory_order_seq_cst, /* J3 J6 */
						     memory_order_relaxed))
		return false;
	if (bottom - top - 1 < FEW)
		want(forks->children);
	return true;
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

		/* Until there is nothing: a race lost is no answer. */
		while (&pool->workers[victim] != thief && is_worth_it(forks, tree))
			if (steal(forks, tree, stolen)) {
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
