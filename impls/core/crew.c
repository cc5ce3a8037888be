/* SPDX-License-Identifier: MIT */
/* How many workers a pool has: they are started when tasks lack them, and leave, or the pool
 * breaks. The labels are those of worker.h, K1 and K3 are those of park.h. */
#include "worker.h"

#include <stdlib.h>

/* How long a leaving thread waits, in its place, for the end of the one before it; and how many may not have
 * ended before it waits as long as that takes: threads are not to pile up. */
#define PATIENCE_NS 10000000
#define LINGERING_LIMIT 16
/* How long others' ends are waited for where no thread can be started, before the pool breaks. */
#define LAST_PATIENCE_NS INT64_C(1000000000)

void let_in(struct pool *pool)
{
	atomic_fetch_sub_explicit(&pool->queued, 1, memory_order_seq_cst); /* P3 P4 */
	if (atomic_load_explicit(&pool->blocked, memory_order_seq_cst)) {  /* P4 */
		/* relaxed: by P4 who is counted as blocked has read the older value */
		atomic_fetch_add_explicit(&pool->room, 1, memory_order_relaxed);
		port_wake(&pool->room, 1);
	}
}

void drop(struct pool *pool, struct future *future, _Atomic uint64_t *cancelled)
{
	if (future_was_cancelled(future)) {
		make_room(pool);
		atomic_fetch_add_explicit(cancelled, 1, memory_order_release); /* P1 */
	}
	future_release_entry(future);
}

uint64_t unfinished(struct pool *pool)
{
	uint64_t ended =
		atomic_load_explicit(&pool->drained_cancelled, memory_order_acquire) + /* P1 */
		atomic_load_explicit(&pool->drained_broken, memory_order_acquire);     /* P1 */

	for (int i = 0; i < pool->settings.config.workers; i++) {
		struct worker *worker = &pool->workers[i];

		ended -= atomic_load_explicit(&worker->notifying, memory_order_acquire); /* P1 */
		ended += atomic_load_explicit(&worker->finished, memory_order_acquire) + /* P1 */
			 atomic_load_explicit(&worker->cancelled, memory_order_acquire); /* P1 */
	}
	/* Read last: a task is pushed before it ends. */
	return queue_pushed(pool->queue) - ended;
}

void await_taken(struct pool *pool)
{
	for (int i = 0; i < pool->settings.config.workers; i++) {
		unsigned step = 0;

		while (atomic_load_explicit(&pool->workers[i].taking,
					    memory_order_acquire)) /* P6 */
			port_backoff(&step);
	}
}

bool fail_broken(struct pool *pool, struct future *future)
{
	struct future_outcome outcome;

	if (!future_start(future))
		return false;
	make_room(pool);
	atomic_fetch_add_explicit(&pool->drained_broken, 1, memory_order_release); /* P1 */
	future_fail(future, ASSAY_EBROKEN, "a worker could not be initialized or started",
		    &outcome);
	if (future_settle(future, outcome))
		future_notify(future);
	return true;
}

void end_broken(struct pool *pool, struct future *future)
{
	if (fail_broken(pool, future))
		future_release(future);
	else
		drop(pool, future, &pool->drained_cancelled);
}

static void break_awaited(struct runner *runner, struct future *future)
{
	struct visit *visit = (struct visit *)runner;

	fail_broken(visit->pool, future);
}

void stop(struct pool *pool)
{
	/* Closed first: a worker that sees `stopping` and then an empty queue may go. */
	queue_close(pool->queue);
	pthread_mutex_lock(&pool->mutex);
	atomic_store_explicit(&pool->stopping, true, memory_order_seq_cst); /* P2 K1 */
	pthread_mutex_unlock(&pool->mutex);
	atomic_thread_fence(memory_order_seq_cst); /* K1, before the look at the sleepers */
	atomic_fetch_add_explicit(&pool->room, 1, memory_order_release); /* P2 */
	port_wake(&pool->room, INT_MAX);
	park_wake_all(&pool->park);
}

void break_pool(struct pool *pool)
{
	struct visit visit;
	struct future *future;

	atomic_store_explicit(&pool->broken, true, memory_order_release); /* P2 */
	stop(pool);
	pthread_mutex_lock(&pool->mutex);
	arrive(pool, &visit, break_awaited);
	pthread_mutex_unlock(&pool->mutex);
	await_taken(pool); /* workers have moved what they were moving: now all of it is found */
	while ((future = queue_pop(pool->queue, NULL, NULL))) {
		end_broken(pool, future);
		if (settings_are_orphaned(&pool->settings))
			break; /* in a child that a callback forked */
	}
	depart(&visit);
}

/* Workers that take no tasks though they run none. relaxed: P5 has the fences, or a hint. */
static uint64_t helping(const struct pool *pool)
{
	uint64_t count = 0;

	for (int i = 0; i < pool->settings.config.workers; i++)
		count += atomic_load_explicit(&pool->workers[i].helping, memory_order_relaxed) != 0;
	return count;
}

/* Under the mutex. Not freed: for that a leaving thread that has allocated nothing would first set up the
 * allocator, which shows in the cost of its life (thread_per_task/README.md). */
static void keep_spare(struct pool *pool, struct crew_thread *thread)
{
	thread->next = pool->spare;
	pool->spare = thread;
}

/* Under the mutex; NULL without memory. */
static struct crew_thread *take_spare(struct pool *pool)
{
	struct crew_thread *thread = pool->spare;

	if (!thread)
		return malloc(sizeof *thread);
	pool->spare = thread->next;
	return thread;
}

/* Under the mutex: joins those of the lingering threads that have ended. */
static void collect(struct pool *pool)
{
	struct crew_thread **link = &pool->lingering, *ended;

	while (*link) {
		ended = *link;
		if (pthread_tryjoin_np(ended->id, NULL)) {
			link = &ended->next;
			continue;
		}
		*link = ended->next;
		pool->lingering_count--;
		keep_spare(pool, ended);
	}
}

/* Under the mutex. ASSAY_ERESOURCE: nothing has changed. */
static int start_worker(struct worker *worker)
{
	struct pool *pool = worker->pool;
	struct crew_thread *thread;

	collect(pool);
	thread = take_spare(pool);
	worker->tasks_left = pool->settings.config.tasks_per_worker;
	/* relaxed: the thread is started after it */
	atomic_store_explicit(&worker->initialized, false, memory_order_relaxed);
	worker->searching = false; /* before it is initialized nobody may rely on it */
	if (!thread ||
	    port_thread_start(&thread->id, pool->settings.config.stack_size, worker_main, worker)) {
		if (thread)
			keep_spare(pool, thread);
		atomic_store_explicit(&pool->refused, true, memory_order_relaxed); /* a hint */
		return ASSAY_ERESOURCE;
	}
	atomic_store_explicit(&pool->refused, false, memory_order_relaxed);
	worker->before = worker->thread;
	worker->thread = thread;
	worker->alive = true;
	atomic_fetch_add_explicit(&pool->alive, 1, memory_order_relaxed); /* under the mutex */
	atomic_fetch_add_explicit(&pool->park.wakes, 1, memory_order_relaxed);
	return ASSAY_OK;
}

/* Under the mutex: gives what waits, tasks or `children`, one more worker, if there is one to be
 * had. After a stop only to what is in the queue: a task that runs needs nobody. */
static int grow(struct pool *pool, uint64_t children)
{
	int alive = atomic_load_explicit(&pool->alive, memory_order_relaxed);

	if (alive >= pool->settings.config.workers ||
	    unfinished(pool) + helping(pool) + children <= (uint64_t)alive ||
	    atomic_load_explicit(&pool->broken, memory_order_relaxed) ||
	    (atomic_load_explicit(&pool->stopping, memory_order_relaxed) && !children &&
	     queue_looks_empty(pool->queue)))
		return ASSAY_OK;
	for (int i = 0;; i++)
		if (!pool->workers[i].alive)
			return start_worker(&pool->workers[i]);
}

/* Under the mutex: starts a worker if tasks lack one; true if there is none and none can be had. */
static bool grow_or_fail(struct pool *pool)
{
	/* With a worker alive, one that cannot be started is no loss: the tasks still run. */
	return grow(pool, 0) && !atomic_load_explicit(&pool->alive, memory_order_relaxed);
}

/* MTC-7: there are tasks, no worker, and none can be started. Under the mutex, which it gives up; the pool may be
 * gone afterwards. */
static void give_up(struct pool *pool)
{
	struct visit visit;

	/* Nobody gets a worker any more, so nobody can take a slot meanwhile. */
	atomic_store_explicit(&pool->broken, true, memory_order_release); /* P2 */
	arrive(pool, &visit, NULL);
	pthread_mutex_unlock(&pool->mutex);
	settings_log(&pool->settings, ASSAY_LOG_ERROR, "no worker could be started");
	break_pool(pool);
	depart(&visit);
}

/* Under the mutex, which it gives up; the pool may be gone afterwards. Threads that linger may hold what one
 * more needs. */
static void grow_or_give_up(struct pool *pool)
{
	int64_t deadline_ns = ASSAY_FOREVER;

	while (grow_or_fail(pool)) {
		if (deadline_ns == ASSAY_FOREVER)
			deadline_ns = assay_deadline_ns(LAST_PATIENCE_NS);
		if (!pool->lingering || assay_remaining_ns(deadline_ns) <= 0) {
			give_up(pool);
			return;
		}
		pthread_mutex_unlock(&pool->mutex);
		port_nap_until(assay_deadline_ns(500000)); /* lets the others do something */
		pthread_mutex_lock(&pool->mutex);
	}
	pthread_cond_broadcast(&pool->left);
	pthread_mutex_unlock(&pool->mutex);
}

void stand_aside(struct worker *worker)
{
	/* relaxed: P5 has the fence */
	atomic_store_explicit(&worker->helping, ASIDE, memory_order_relaxed);
	grow_if_short(worker->pool);
}

/*
 * While the leaving thread still has its place, so that leaving threads do not pile up; and not under
 * the mutex, which the other's destructors of thread-local data may need. They may even wait for a task
 * that needs this place: then somebody else joins it later. Returns under the mutex.
 */
static void join_before(struct pool *pool, struct crew_thread *before)
{
	bool has_ended = port_join_until(before->id, assay_deadline_ns(PATIENCE_NS));

	pthread_mutex_lock(&pool->mutex);
	collect(pool);
	if (!has_ended && pool->lingering_count < LINGERING_LIMIT) {
		before->next = pool->lingering;
		pool->lingering = before;
		pool->lingering_count++;
		return;
	}
	if (!has_ended) {
		pthread_mutex_unlock(&pool->mutex);
		pthread_join(before->id, NULL);
		pthread_mutex_lock(&pool->mutex);
	}
	keep_spare(pool, before);
}

void leave(struct worker *worker)
{
	struct pool *pool = worker->pool;
	struct crew_thread *before;

	end_if_orphaned(pool);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	current_runner = NULL;
	if (worker->searching)
		park_found(&pool->park); /* K3: the look comes below, behind another fence */
	if (atomic_load_explicit(&pool->stopping, memory_order_acquire)) /* P2 */
		park_wake_all(&pool->park);
	pthread_mutex_lock(&pool->mutex);
	before = worker->before;
	worker->before = NULL;
	if (before) {
		pthread_mutex_unlock(&pool->mutex);
		stand_aside(worker);
		join_before(pool, before);
	}
	/* relaxed: under the mutex, with alive */
	atomic_store_explicit(&worker->helping, 0, memory_order_relaxed);
	worker->alive = false;
	atomic_fetch_sub_explicit(&pool->alive, 1, memory_order_relaxed); /* P5 */
	port_fence_heavy(pool->park.lopsided);                            /* P5 */
	if (!queue_looks_empty(pool->queue))
		park_wake(&pool->park); /* for what this worker leaves behind */
	current_worker = NULL;
	grow_or_give_up(pool);
	/* The pool may be gone now. */
}

int refusal(struct pool *pool)
{
	return atomic_load_explicit(&pool->broken, memory_order_acquire) ? ASSAY_EBROKEN : /* P2 */
		       ASSAY_ESHUTDOWN;
}

int ensure_worker(struct pool *pool)
{
	int error = ASSAY_OK;

	pthread_mutex_lock(&pool->mutex);
	if (atomic_load_explicit(&pool->stopping, memory_order_relaxed) ||
	    atomic_load_explicit(&pool->broken, memory_order_relaxed)) /* under the mutex */
		error = refusal(pool);
	else if (!atomic_load_explicit(&pool->alive, memory_order_relaxed))
		error = start_worker(&pool->workers[0]);
	pthread_mutex_unlock(&pool->mutex);
	return error;
}

void grow_if_short(struct pool *pool)
{
	port_fence_light(pool->park.lopsided); /* P5 */
	if (is_growing(pool)) {
		pthread_mutex_lock(&pool->mutex);
		grow_or_fail(pool); /* the caller is a worker and alive */
		pthread_mutex_unlock(&pool->mutex);
	}
}

static void grow_for_push(struct pool *pool)
{
	pthread_mutex_lock(&pool->mutex);
	grow_or_give_up(pool);
}

void wake_or_grow(struct pool *pool)
{
	if (!park_wake(&pool->park) && is_growing(pool))
		grow_for_push(pool);
}

void wake_or_grow_for_children(struct pool *pool)
{
	/* In a child that a task forked there is nobody to be woken or started. relaxed: hints */
	if (settings_are_orphaned(&pool->settings) || park_wake(&pool->park) ||
	    atomic_load_explicit(&pool->refused, memory_order_relaxed) ||
	    atomic_load_explicit(&pool->stopping, memory_order_relaxed))
		return;
	pthread_mutex_lock(&pool->mutex);
	(void)grow(pool, 1); /* the caller is a worker: none to be had is no loss */
	pthread_mutex_unlock(&pool->mutex);
}
