/* SPDX-License-Identifier: MIT */
/*
 * The threads of a pool: how they start, look for work, sleep, and leave. pool.c and submit.c are the
 * front that clients see; they share the structures here.
 *
 * Ordering
 *   P1  run: release store of worker.finished, before the future is settled; release add to what was
 *       cancelled or broken
 *         ->  unfinished(): acquire loads, and then queue_pushed()
 *       a client that saw the result finds the worker free [CFG-8]; a task is not counted as ended
 *       and missing among the pushed: another would be taken for it. notifying, which unfinished()
 *       takes off again, is raised after finished and read before it: what is taken off was counted
 *   P2  stop: seq_cst store of stopping, after the queue was closed  ->  acquire loads
 *       who sees it and then finds nothing in the queue will never find anything; as part of K1 it
 *       keeps workers from sleeping over it. break_pool: before that, release store of broken ->
 *       acquire loads: who is refused learns why. stop: then a release add to room -> admit:
 *       acquire load, and then the look at stopping: who has read the new room does not sleep on it
 *   P3  make_room: release decrement of queued  ->  admit: acquire of the room it made
 *   P4  admit: seq_cst add to blocked, then the look at queued
 *         against   make_room: seq_cst decrement of queued, then the look at blocked
 *       one of the two sees the other
 *   P5  leave: decrement of alive, heavy fence, then unfinished() and helping()
 *         against   is_noticed: the push, light fence, then the load of alive; grow_if_short: the same
 *         with notifying or helping in place of the push
 *       as K1: one of the two starts a worker
 *   P6  find_task: taking set, then the pop; started: release clear of taking
 *         against   await_taken: a pop that found nothing, then acquire loads of taking
 *       what was in the queue has started, or is the canceller's, or lies where another pop finds
 *       it; the queue's own order makes the mark of an earlier pop visible. What run_awaited takes out
 *       has started before
 *   P7  has_others: acquire loads, one after the other, of what each worker has begun and whether it is
 *       still at it; twice
 *       the second look sees nothing older than the first did. Those who write it owe nothing to
 *       who looks: it is a hint
 *
 * Relaxed without a word: counters that only statistics() reads; alive, refused, stopping and
 * broken under the mutex, where alive and refused change. Under it broken, and without it all four,
 * are hints: who misses a change starts a worker that finds nothing to do, or comes by again.
 */
#ifndef WORKER_H
#define WORKER_H

#include "future.h"
#include "park.h"
#include "queue.h"
#include "settings.h"

struct forks;

/* A thread of a pool, until it is joined; kept for a later thread then, and its id is of no use. */
struct crew_thread {
	struct crew_thread *next;
	pthread_t id;
};

/* What keeps a worker from taking tasks though it runs none: a child of another worker's task; or it will leave,
 * and another can have its place then. */
enum { HELPING = 1, ASIDE };

struct worker {
	_Alignas(PORT_APART) struct runner runner; /* first: run gets its address */
	struct pool *pool;
	struct own *own;               /* in the pool's queue */
	_Atomic(struct forks *) forks; /* never NULL; made by the first offer, see fork.h */
	int index;
	/* Under pool->mutex. */
	bool alive;
	struct crew_thread *thread; /* if not alive: has left, or is leaving, and must be joined */
	struct crew_thread *before; /* had this slot before; this thread joins it when it leaves */
	/* The worker's own. */
	_Atomic bool initialized;
	bool searching; /* counted among the searchers */
	int tasks_left;
	struct activation *top; /* what is on its stack, innermost first */
	unsigned joins;         /* that run something else meanwhile, on its stack */
	unsigned depth;         /* tasks on its stack that it has popped */
	int64_t spin_ns;        /* how long it looks for work before it sleeps: adapts */
	unsigned unspun;        /* searches since looking for long was of no use */
	uint32_t random;
	/* Written by the worker only. */
	_Atomic uint64_t started;
	_Atomic uint64_t finished;
	_Atomic uint64_t failed;
	_Atomic uint64_t cancelled;
	_Atomic uint64_t steals;    /* of children; the queue counts those of tasks */
	_Atomic uint32_t helping;   /* HELPING, ASIDE, or 0 */
	_Atomic uint32_t notifying; /* tasks it has counted and calls the callbacks of */
	_Atomic uint32_t taking;    /* 1 from before a pop until the task is started or dropped */
	/* Of all tasks on its stack. Apart: written by each fork and join. */
	_Alignas(PORT_APART) struct assay_children children;
};

/* Of an activation. */
enum {
	OWNED = 1,     /* the queue's reference to the task is the activation's to give up */
	NOTIFYING = 2, /* the callbacks of the task are being called */
	CHILD = 4,     /* it is no task */
};

/* A task on the stack of a worker, or a child of another worker's task. */
struct activation {
	struct running running; /* first: its call is what the task gets */
	struct worker *worker;
	uintptr_t tree; /* tells the children of this task, and theirs, from others */
	struct activation *outer;
	struct assay_fork *unjoined; /* the worker's latest when it began: what was forked before */
	union {
		struct future *future; /* the task */
		struct assay_fork *child;
	};
	unsigned flags;
};

/* Brackets what an activation does. */
static inline void activation_enter(struct activation *activation, struct worker *worker)
{
	activation->worker = worker;
	activation->outer = worker->top;
	activation->unjoined = worker->children.latest;
	worker->top = activation;
}

static inline void activation_leave(struct activation *activation, struct worker *worker)
{
	worker->top = activation->outer;
}

/* For pthread_cleanup_push() inside: something ends the thread. All that is on its stack ends with
 * it, innermost first, while its frames are still there. user is the worker. */
PORT_CLEANUP void stack_ended(void *user);

struct pool {
	assay_executor base;
	struct queue *queue;
	struct settings settings;
	struct worker *workers;
	bool helps; /* workers run other tasks where they wait: those that the queue knows */
	/* Written when the pool grows or ends. */
	_Atomic int alive;     /* workers with a thread; changes under mutex */
	_Atomic bool stopping; /* no more is accepted */
	_Atomic bool broken;   /* and nothing more is run */
	_Atomic bool refused;  /* the last thread could not be started: children do not ask again */
	pthread_mutex_t mutex; /* life and death of workers; only a queue's lock is taken inside */
	pthread_cond_t left;   /* alive or guests went down */
	int guests;            /* clients that run or cancel tasks here; under mutex */
	struct crew_thread *lingering; /* have left, and not ended; with their number under mutex */
	int lingering_count;
	struct crew_thread *spare; /* for threads to come; under mutex */
	struct pool *next;         /* in `pools`; this and pins under pools_mutex */
	int pins;                  /* exit is using it */
	bool at_exit;              /* exit has dealt with it */
	int others;                /* workers that can run beside one */
	uint32_t spinners;    /* how many workers may look for work at once instead of sleeping */
	int64_t join_spin_ns; /* how long a join looks for other work before it sleeps */
	struct park park;
	/* Bounded queues only. */
	_Alignas(PORT_APART) _Atomic size_t queued; /* accepted and not taken */
	_Atomic uint32_t blocked;                   /* submitters waiting for room */
	_Atomic uint32_t room;                      /* their futex: changes when room was made */
	/* Tasks that no worker counts: drained by shutdown or break, or run by their submitter. */
	_Atomic uint64_t drained_cancelled;
	_Atomic uint64_t drained_broken;
	_Atomic uint64_t caller_started;
	_Atomic uint64_t caller_finished;
	_Atomic uint64_t caller_failed;
};

static inline struct pool *pool_of(assay_executor *executor)
{
	return (struct pool *)executor;
}

/* The worker that the calling thread is; NULL when it is none, or has left its slot. */
extern _Thread_local struct worker *current_worker;

/* What the calling thread has of its own in this pool's queue, or NULL. */
static inline struct own *worker_own(const struct pool *pool)
{
	const struct worker *worker = current_worker;

	return worker && worker->pool == pool ? worker->own : NULL;
}

/* The pool that the thread was started for. It is compared, never followed: thread-local destructors
 * run when the pool may be gone. */
extern _Thread_local const struct pool *home;

/* A stay of a thread that is no worker, or acts as none, while it runs, cancels or breaks tasks.
 * shutdown(WAIT) waits for it to end. */
struct visit {
	/* Where the visitor ends the tasks of the queue: what a callback waits for meanwhile is
	 * ended out of turn, since nobody else will. */
	struct runner runner; /* first: run gets its address */
	struct runner *before;
	struct pool *pool;
	struct visit *outer; /* the thread's visits, innermost first */
	int cancellable; /* the thread's cancel state before: a cancelled guest would never depart */
};

/* Under the mutex. `run` is for what the thread waits for meanwhile; NULL: it only waits. */
void arrive(struct pool *pool, struct visit *visit,
	    void (*run)(struct runner *runner, struct future *future));
/* Without it; the pool may be gone afterwards. */
void depart(struct visit *visit);

/* Waiting for the pool would be waiting for the calling thread: it is or was a worker, or a guest. */
bool belongs(const struct pool *pool);

/* For counters that one thread writes: a plain increment that others may read. */
static inline void count(_Atomic uint64_t *counter, memory_order order)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
			      order);
}

/* For counters that are rare. */
static inline void count_shared(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static inline bool is_bounded(const struct pool *pool)
{
	return pool->settings.config.queue_capacity != ASSAY_UNLIMITED;
}

PORT_RARE void let_in(struct pool *pool);

/* A task of a bounded queue has started, or was met cancelled: lets a blocked submitter in. */
static inline void make_room(struct pool *pool)
{
	if (is_bounded(pool))
		let_in(pool);
}

/* Gives up a task out of the queue that the caller does not start: it was cancelled, and is counted
 * there, or it was started, or ended as broken, where it lay. */
void drop(struct pool *pool, struct future *future, _Atomic uint64_t *cancelled);

/* Until no worker holds a task that it took and has not started. The queue is closed and empty. */
void await_taken(struct pool *pool);

/* Tasks accepted that have not ended, or still keep a worker busy. */
uint64_t unfinished(struct pool *pool);

/* From here on nothing is accepted. What is in the queue stays there. */
void stop(struct pool *pool);

/* A pool without any worker must get one before it accepts a task. ASSAY_ERESOURCE if it cannot, or
 * the refusal of a stopped pool. */
PORT_RARE int ensure_worker(struct pool *pool);

/* Entries of the executor's table that are in submit.c. */
int pool_submit(assay_executor *executor, const struct assay_task *task, assay_future **out);
int pool_submit_many(assay_executor *executor, const struct assay_task *tasks, size_t count,
		     assay_future **futures, size_t *accepted);

/* Why a stopped pool refuses a task. */
PORT_RARE int refusal(struct pool *pool);

/* It has fewer workers than it may have. */
static inline bool is_growing(const struct pool *pool)
{
	return atomic_load_explicit(&pool->alive, memory_order_relaxed) <
	       pool->settings.config.workers;
}

/* Sees to it that pushed tasks find workers: where nobody searches, one is woken or started, and
 * that one sees to the next. */
PORT_RARE void wake_or_grow(struct pool *pool);

/* Nobody is to be woken for what was pushed before these counts were seen, or started. */
static inline bool is_noticed(const struct pool *pool, uint64_t counts)
{
	return park_searchers(counts) || (!park_sleepers(counts) && !is_growing(pool));
}

static inline void rouse(struct pool *pool)
{
	uint64_t counts = park_look(&pool->park); /* P5 has the same fence */

	if (!is_noticed(pool, counts))
		wake_or_grow(pool);
}

/* The same for children that are on offer, after a look at the counts. */
PORT_RARE void wake_or_grow_for_children(struct pool *pool);

static inline void rouse_for_children(struct pool *pool, uint64_t counts)
{
	if (!is_noticed(pool, counts))
		wake_or_grow_for_children(pool);
}

/* For a worker that will be busy for an unknown time: another may be needed. */
void grow_if_short(struct pool *pool);

/* Nothing more is run: what is in the queue ends with ASSAY_EBROKEN. */
void break_pool(struct pool *pool);

/* Ends a task that nobody will run, wherever it is. False: it was cancelled, or has started. */
PORT_RARE bool fail_broken(struct pool *pool, struct future *future);

/* The same to a task out of the queue, and gives up its reference. */
PORT_RARE void end_broken(struct pool *pool, struct future *future);

/* What a started thread does. */
void *worker_main(void *user);

/* For a worker that will take nothing any more, though it may be long until it leaves: what waits gets another
 * one. */
void stand_aside(struct worker *worker);

/* The last act of a worker's thread. */
void leave(struct worker *worker);

/* What a task, callback or initializer forked must not go on as a worker: the parent's does. */
static inline void end_if_orphaned(const struct pool *pool)
{
	if (__builtin_expect(settings_are_orphaned(&pool->settings), 0))
		_exit(0);
}

#endif
