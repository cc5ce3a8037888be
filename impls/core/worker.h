/* SPDX-License-Identifier: MIT */
/*
 * The threads of a pool: how they start, look for work, sleep, and leave. pool.c is the front that
 * clients see; both share the structures here.
 *
 * Ordering
 *   P1  run: release store of worker.finished, before the future is settled
 *         -> unfinished(): acquire load
 *       a client that saw the result finds the worker free [CFG-8]
 *   P2  stop: seq_cst store of stopping, after the queue was closed  ->  acquire loads
 *       who sees it and then finds nothing in the queue will never find anything; as part of K1 it
 *       keeps workers from sleeping over it. break_pool: release store of broken -> acquire loads
 *   P3  make_room: release decrement of queued  ->  admit: acquire of the room it made
 *   P4  admit: seq_cst add to blocked, then the look at queued
 *         against   make_room: seq_cst decrement of queued, then the look at blocked
 *       as K1 in park.h: one of the two sees the other
 *   P5  leave: seq_cst decrement of alive, then queue_pushed()
 *         against   rouse: the push, then the seq_cst load of alive
 *       as K1: one of the two starts a worker
 *   P6  take_own: taking set, then the pop; started: release clear of taking
 *         against   await_taken: a pop that found nothing, then acquire loads of taking
 *       what was in the queue has started, or is the canceller's; the queue's own order (K1) makes
 *       the mark of an earlier pop visible
 */
#ifndef WORKER_H
#define WORKER_H

#include "future.h"
#include "park.h"
#include "queue.h"
#include "settings.h"

struct worker {
	_Alignas(PORT_APART) struct pool *pool;
	int index;
	/* Under pool->mutex. */
	pthread_t thread;
	pthread_t before; /* had this slot before; this thread joins it when it leaves */
	bool alive;
	bool to_join; /* thread has left, or is leaving, and must be joined */
	bool has_before;
	/* The worker's own. */
	bool initialized;
	int tasks_left;
	struct future *started_task; /* not settled: for a task that ends its thread */
	struct running running;      /* what it works with */
	struct future *notified;     /* settled, in its callbacks: for a callback that does */
	/* Written by the worker only. */
	_Atomic uint64_t started;
	_Atomic uint64_t finished;
	_Atomic uint64_t failed;
	_Atomic uint64_t cancelled;
	_Atomic uint64_t broken;
	_Atomic uint32_t notifying; /* 1 while it calls the callbacks of a task it has counted */
	_Atomic uint32_t taking;    /* 1 from before a pop until the task is started or dropped */
};

struct pool {
	assay_executor base;
	struct queue *queue;
	struct settings settings;
	struct worker *workers;
	/* Written when the pool grows or ends. */
	_Atomic int alive;     /* workers with a thread; changes under mutex */
	_Atomic bool stopping; /* no more is accepted */
	_Atomic bool broken;   /* and nothing more is run */
	pthread_mutex_t mutex; /* life and death of workers; only a queue's lock is taken inside */
	pthread_cond_t left;   /* alive or guests went down */
	int guests;            /* clients that run or cancel tasks here; under mutex */
	struct pool *next;     /* in `pools`; this and pins under pools_mutex */
	int pins;              /* exit is using it */
	bool at_exit;          /* exit has dealt with it */
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

/* The worker that the calling thread is; NULL when it is none, or has left its slot. */
extern _Thread_local struct worker *current_worker __attribute__((tls_model("initial-exec")));

/* The calling thread's index in this pool, or WORKER_NONE. */
static inline int worker_index(const struct pool *pool)
{
	return current_worker && current_worker->pool == pool ? current_worker->index : WORKER_NONE;
}

/* A stay of a thread that is no worker, or acts as none, while it runs, cancels or breaks tasks.
 * shutdown(WAIT) waits for it to end. */
struct visit {
	struct pool *pool;
	struct visit *outer; /* the thread's visits, innermost first */
	int cancellable; /* the thread's cancel state before: a cancelled guest would never depart */
};

/* Under the mutex. */
void arrive(struct pool *pool, struct visit *visit);
/* Without it; the pool may be gone afterwards. */
void depart(struct visit *visit);

/* Waiting for the pool would be waiting for the calling thread: it is or was a worker, or a guest. */
bool belongs(const struct pool *pool);

/* For counters that are rare. */
static inline void count_shared(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static inline bool is_bounded(const struct pool *pool)
{
	return pool->settings.config.queue_capacity != ASSAY_UNLIMITED;
}

/* A task has left a bounded queue: lets a blocked submitter in. */
void make_room(struct pool *pool);

/* The next task of the queue, for worker `index` or WORKER_NONE; NULL if there is none. */
struct future *take(struct pool *pool, int index);

/* Until no worker holds a task that it took and has not started. The queue is closed and empty. */
void await_taken(struct pool *pool);

/* Tasks accepted that have not ended, or still keep a worker busy. */
uint64_t unfinished(struct pool *pool);

/* From here on nothing is accepted. What is in the queue stays there. */
void stop(struct pool *pool);

/* A pool without any worker must get one before it accepts a task. ASSAY_ERESOURCE if it cannot, or
 * the refusal of a stopped pool. */
int ensure_worker(struct pool *pool);

/* Why a stopped pool refuses a task. */
int refusal(struct pool *pool);

/* Sees to it that `count` pushed tasks find workers. */
void rouse(struct pool *pool, uint32_t count);

#endif
