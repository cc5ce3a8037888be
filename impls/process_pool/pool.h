/* SPDX-License-Identifier: MIT */
/*
 * The client's side of a pool: what its files share.
 *
 *	process_pool.c	create, statistics, the descriptor
 *	submit.c	handing over tasks
 *	slots.c		slots, the ring, and waking workers
 *	shutdown.c	shutdown, destroy, and programs that exit or fork
 *	ticket.c	the future of a task that is in a slot
 *	await.c		waiting for one
 *	guardian.c	the thread that minds the processes, and what a death means
 *	collector.c	the thread that ends tasks which somebody watches
 *
 * Ordering
 *   P1  close, take_down: acquire-release exchange of closing and the count in `visitors`
 *         against   visit: acquire-release add to it, then the look at the future
 *       a visitor whose future is not done is counted before the segment goes; the others look no
 *       further. What ends a future is itself an acquire-release operation on its word.
 *   P2  slots freed: release push on `returned`  ->  acquire exchange by the allocator
 *       the outcome has been read before the slot is another task's; and the task was started, or the
 *       head has passed it (SLOT_NEXT)
 *   P3  stopping, and before it broken: release stores under submit_mutex  ->  acquire loads
 *       who is refused learns why. stop: then a release add to room  ->  admit: acquire load, and
 *       then the look at stopping: who has read the new room does not sleep on it
 *   P5  finish: seq_cst store of final  ->  collector: acquire load
 *       the last tasks that were concluded: its last look finds them
 *   P6  fork: seq_cst add to forks, then the copy of the memory, a barrier to all threads
 *         against   who gives up the last reference to a result, then looks at forks
 *       what a child still has a reference to is not used again
 *   P7  wake_collector: release store of 2 to the nap's is_over  ->  collector_park: acquire load
 *       the waker's last use, before the nap goes; what was signalled is G1's
 * F2 is that of future.h, G1 and G2 are those of executor.h.
 *
 * Relaxed without a word: counts for statistics; broken where the guardian reads it, which alone
 * sets it; stopping where the guardian reads it: a hint, for what ends it is the end of the helper.
 */
#ifndef POOL_H
#define POOL_H

#include "../core/future.h"
#include "../core/settings.h"
#include "segment.h"
#include "zygote.h"

/* What the client keeps of a slot. */
struct ticket {
	/* relaxed: the slot's word publishes them; of which task they are is told by it, or by owed */
	_Atomic(struct future *) future; /* NULL: nobody asks */
	_Atomic size_t size;             /* of the argument */
	_Atomic size_t extent;           /* of a long one */
	_Atomic uint64_t owed;           /* owed_of() the task, until somebody collects it */
	uint32_t generation;             /* of the next task here; under submit_mutex */
	uint32_t next;                   /* in the list of free ones, by index + 1 */
	int retries;                     /* left */
};

/* Whose outcome is to be collected: 0 is nobody's. */
static inline uint64_t owed_of(uint32_t generation)
{
	return UINT64_C(1) << 32 | generation;
}

#define VISITORS_CLOSED (UINT64_C(1) << 62) /* the executor was destroyed */
#define VISITORS_GONE (UINT64_C(1) << 63)   /* the segment is not there any more */

struct pool {
	assay_executor base;
	/* Pools are reused, never freed: a future may look at its executor's at any time. */
	_Atomic uint64_t visitors;
	_Atomic unsigned forks; /* port_forks at create, as in the settings */
	struct pool *next; /* in the list of pools or of unused ones; under the register's mutex */
	int pins;
	bool at_exit;
	struct segment *segment;
	struct settings settings;
	struct reach *reach;
	struct zygote zygote;
	pthread_t guardian;
	pthread_t collector;
	_Atomic bool stopping; /* nothing more is accepted */
	_Atomic bool broken;
	bool terminating; /* under the mutex, as all that follows */
	bool zygote_alive;
	bool ended;   /* all tasks are done, all processes and the collector gone */
	bool joining; /* somebody joins the guardian */
	bool joined;
	int guests;       /* clients that run callbacks or tasks here */
	char reason[160]; /* why it broke */
	int reason_code;
	pthread_mutex_t mutex;
	pthread_cond_t changed; /* ended, joined or guests */
	/* Submitting; under submit_mutex. */
	_Alignas(PORT_APART) pthread_mutex_t submit_mutex;
	struct ticket *tickets;
	uint32_t free_list;
	uint32_t fresh;     /* slots from here on were never used */
	uint32_t fresh_end; /* have memory up to here */
	uint64_t ring_tail; /* published or not */
	/* The slot whose hint was put there last, or, as nothing is before it, the first; UINT32_MAX: of
	 * a task that may run by an older hint, before others. relaxed: under the mutex, or a hint */
	_Atomic uint32_t newest;
	uint64_t ring_end; /* entries of the ring that have memory */
	uint64_t reaped;   /* entries before are done with */
	uint64_t submitted;
	_Atomic(assay_function *) reachable;            /* the last one found so */
	_Alignas(PORT_APART) _Atomic uint32_t returned; /* slots freed by others */
	_Atomic uint64_t cancelled;
	_Atomic uint64_t broken_count;
	_Atomic uint64_t failed;
	_Atomic uint64_t wakes;
	_Atomic bool has_waited; /* somebody, since the ring was last published */
	/* Of tasks that no worker counts. */
	_Atomic uint64_t other_started;
	_Atomic uint64_t other_finished;
	_Atomic uint32_t scan;  /* the collector looks at every slot */
	_Atomic uint32_t final; /* and then leaves */
	/* The collector's own: slots of futures that are done, and have callbacks. As in the free list. */
	uint32_t uncalled;
	uint32_t last_uncalled;
};

static inline struct pool *pool_of(const assay_executor *executor)
{
	return (struct pool *)(uintptr_t)executor;
}

/* A thread that runs callbacks or a task for the pool. shutdown(WAIT) waits for it. */
struct visit {
	struct pool *pool;
	struct visit *outer;
};
void arrive(struct pool *pool, struct visit *visit);
void depart(struct visit *visit);
/* The thread runs callbacks for as long as it lives, but is not waited for. */
void attach(struct pool *pool, struct visit *visit);
/* The calling thread cannot wait for the pool. */
bool belongs(const struct pool *pool);

static inline void count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* submit.c */

int pool_submit(assay_executor *executor, const struct assay_task *task, assay_future **future);
int pool_submit_many(assay_executor *executor, const struct assay_task *tasks, size_t count,
		     assay_future **futures, size_t *accepted);

/* ticket.c */

/* The table of futures that are bound to a slot, until they are done. */
extern const struct assay_future_ops ticket_ops;

/* has_roused: a worker that sleeps is to be woken for it. */
void ticket_bind(struct future *future, uint64_t hint, bool has_roused);

/* Ends the task of a slot that is done: false if somebody else does, or did. Callbacks are left. */
bool ticket_collect(struct pool *pool, uint32_t index, uint64_t word);
/* Calls them, in the collector's loop: no other callback waits there, and no sweep is half done. */
void ticket_call_back(struct pool *pool);

/* In place of its worker, which died: gives back what is left of the argument. */
void ticket_reclaim(struct pool *pool, uint32_t index);

/* Keeps the segment of the pool for the future's sake. False: the future is done. */
bool visit_begin(struct pool *pool, struct future *future);
void visit_end(struct pool *pool);

/* Cancels a slot that is pending by this hint. Callbacks run here. */
bool ticket_cancel(struct pool *pool, uint64_t hint);

/* Whether the task of that generation is the caller's to end: nobody else's any more. relaxed: what the winner
 * reads is behind S2 */
static inline bool ticket_settle(struct pool *pool, uint32_t index, uint32_t generation)
{
	uint64_t owed = owed_of(generation);

	return atomic_compare_exchange_strong_explicit(&pool->tickets[index].owed, &owed, 0,
						       memory_order_relaxed, memory_order_relaxed);
}

#define HINT_HAS_ROUSED (UINT64_C(1) << 31) /* in a future's hint: no index is that high */

static inline uint64_t hint_of(const struct future *future)
{
	return (uint64_t)(uintptr_t)future->function & ~HINT_HAS_ROUSED;
}

static inline struct slot *slot_of(const struct pool *pool, uint64_t hint)
{
	return &pool->segment->slots[WORD_INDEX(hint)];
}

/* The word of the future's slot. False: it is another's by now. */
static inline bool read_word(const struct pool *pool, uint64_t hint, uint64_t *word)
{
	*word = atomic_load_explicit(&slot_of(pool, hint)->word, memory_order_acquire); /* S2 */
	return GENERATION(*word) == GENERATION(hint);
}

/* Whether the calling thread is: then it is in a callback. */
bool is_collector(const struct pool *pool);

/* A done slot that nobody watches is collected by whoever looks. One that is watched would wait for the
 * collector, who is the one that waits if it looks. */
static inline bool is_ripe(const struct pool *pool, uint64_t word)
{
	return status_of(word) == SLOT_DONE && (!(word & SLOT_TELL) || is_collector(pool));
}

/* await.c */

/* Until the slot of the future has an answer: true; false: the deadline passed. */
bool slot_await(struct pool *pool, const struct future *future, int64_t deadline_ns);

/* slots.c; under submit_mutex but for slot_free() */

/* Memory for the first tasks, if it can be had. */
void slots_warm(struct pool *pool);
/* A free slot; UINT32_MAX without memory. */
uint32_t slot_take(struct pool *pool);
void slot_free(struct pool *pool, uint32_t index);
/* Room for one more hint. False without memory. */
bool ring_ready(struct pool *pool);
/* Puts a hint into the ring, where there is room. */
void ring_put(struct pool *pool, uint64_t hint);
/* What of the ring is not done with: as the client knows, where a task may have written. Takes
 * submit_mutex. */
void ring_rest(struct pool *pool, uint64_t *head, uint64_t *tail);
/* Lets the workers see what was put there. */
void ring_publish(struct pool *pool);

/* Whether a worker sleeps that rouse() would wake: as good as known. */
bool has_parked(const struct pool *pool);
/* Wakes up to so many parked workers. */
void rouse(struct pool *pool, size_t wanted);
/* The pool is stopping: wakes a parked worker. Each that leaves wakes the next. */
void rouse_to_leave(struct pool *pool);
/* In place of one that died before it did so. */
void rouse_again(struct pool *pool);
/* A task was cancelled or started: there may be room. */
void make_room(struct pool *pool);

/* guardian.c, collector.c */

void *guardian_run(void *pool);
void *collector_run(void *pool);
/* As of a future's table, in a callback of the collector: it ends meanwhile what is told of. */
int collector_park(struct pool *pool, struct assay_signal *signal, int64_t timeout_ns);
void collector_scan(struct pool *pool);

/* shutdown.c */

int pool_shutdown(assay_executor *executor, unsigned flags);
int pool_destroy(assay_executor *executor);
/* Nothing more is accepted, workers leave when the ring is empty. */
void stop(struct pool *pool);
/* A pool to use; NULL without memory. Given up by pool_register() or pool_unused(). */
struct pool *pool_new(void);
void pool_register(struct pool *pool);
void pool_unused(struct pool *pool);
/* The calling thread's fork that follows is for a helper, which reads no future; or no more. */
void fork_for_helper(bool begin);
/* In a helper: lets go of the memory of every pool but this. */
void pools_unmap_others(void);

/* reach.c */

/* The function was there when the workers were forked. */
bool reach_check(struct pool *pool, assay_function *function);
/* Before the fork. False without memory. */
bool reach_capture(struct pool *pool);
void reach_free(struct pool *pool);

#endif
