/* SPDX-License-Identifier: MIT */
#include "worker.h"

#include <stdio.h>

_Thread_local struct worker *current_worker __attribute__((tls_model("initial-exec")));

static int start_worker(struct worker *worker);

/* For counters that one thread writes: a plain increment that others may read. */
static void count(_Atomic uint64_t *counter, memory_order order)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
			      order);
}

/* Tasks accepted that have not ended, or still keep a worker busy. */
static uint64_t unfinished(struct pool *pool)
{
	uint64_t ended = atomic_load_explicit(&pool->drained_cancelled, memory_order_relaxed) +
			 atomic_load_explicit(&pool->drained_broken, memory_order_relaxed);

	for (int i = 0; i < pool->settings.config.workers; i++) {
		struct worker *worker = &pool->workers[i];

		ended -= atomic_load_explicit(&worker->notifying, memory_order_acquire);
		ended += atomic_load_explicit(&worker->finished, memory_order_acquire) + /* P1 */
			 atomic_load_explicit(&worker->cancelled, memory_order_acquire) +
			 atomic_load_explicit(&worker->broken, memory_order_acquire);
	}
	/* Read last: a task is pushed before it ends. */
	return queue_pushed(pool->queue) - ended;
}

void make_room(struct pool *pool)
{
	if (!is_bounded(pool))
		return;
	atomic_fetch_sub_explicit(&pool->queued, 1, memory_order_seq_cst); /* P3 P4 */
	if (atomic_load_explicit(&pool->blocked, memory_order_seq_cst)) {  /* P4 */
		atomic_fetch_add_explicit(&pool->room, 1, memory_order_relaxed);
		port_wake(&pool->room, 1);
	}
}

struct future *take(struct pool *pool, int index)
{
	struct future *future = queue_pop(pool->queue, index);

	if (future)
		make_room(pool);
	return future;
}

/* Ends a task that nobody will run. */
static bool end_broken(struct future *future)
{
	bool ended = future_start(future);

	if (ended)
		future_settle_error(future, ASSAY_EBROKEN,
				    "a worker could not be initialized or started");
	future_release(future);
	return ended;
}

void stop(struct pool *pool)
{
	/* Closed first: a worker that sees `stopping` and then an empty queue may go. */
	queue_close(pool->queue);
	pthread_mutex_lock(&pool->mutex);
	atomic_store_explicit(&pool->stopping, true, memory_order_seq_cst); /* P2 K1 */
	pthread_mutex_unlock(&pool->mutex);
	atomic_fetch_add_explicit(&pool->room, 1, memory_order_relaxed);
	port_wake(&pool->room, INT_MAX);
	park_wake(&pool->park, UINT32_MAX);
}

static void break_pool(struct pool *pool)
{
	struct future *future;

	atomic_store_explicit(&pool->broken, true, memory_order_release); /* P2 */
	stop(pool);
	while ((future = take(pool, WORKER_NONE)))
		count_shared(end_broken(future) ? &pool->drained_broken : &pool->drained_cancelled);
}

/* Under the mutex: gives the waiting tasks one more worker, if there is one to be had. */
static int grow(struct pool *pool)
{
	int alive = atomic_load_explicit(&pool->alive, memory_order_relaxed);

	if (alive >= pool->settings.config.workers || unfinished(pool) <= (uint64_t)alive ||
	    atomic_load_explicit(&pool->broken, memory_order_relaxed))
		return ASSAY_OK;
	for (int i = 0;; i++)
		if (!pool->workers[i].alive)
			return start_worker(&pool->workers[i]);
}

/* MTC-7: there are tasks, no worker, and none can be started. */
static void give_up(struct pool *pool)
{
	settings_log(&pool->settings, ASSAY_LOG_ERROR, "no worker could be started");
	break_pool(pool);
}

/* The last act of a worker's thread. */
static void leave(struct worker *worker)
{
	struct pool *pool = worker->pool;
	pthread_t before;
	bool has_before;

	pthread_mutex_lock(&pool->mutex);
	before = worker->before;
	has_before = worker->has_before;
	worker->has_before = false;
	worker->alive = false;
	worker->to_join = true;
	atomic_fetch_sub_explicit(&pool->alive, 1, memory_order_seq_cst); /* P5 */
	if (grow(pool) && !atomic_load_explicit(&pool->alive, memory_order_relaxed)) {
		/* Still counted as alive, so that the pool stays while it is broken. */
		atomic_fetch_add_explicit(&pool->alive, 1, memory_order_relaxed);
		pthread_mutex_unlock(&pool->mutex);
		give_up(pool);
		pthread_mutex_lock(&pool->mutex);
		atomic_fetch_sub_explicit(&pool->alive, 1, memory_order_relaxed);
	}
	current_worker = NULL;
	if (has_before)
		pthread_join(before, NULL); /* it is past its last unlock */
	pthread_cond_broadcast(&pool->left);
	pthread_mutex_unlock(&pool->mutex); /* the pool may be gone now */
}

static void run(struct worker *worker, struct future *future)
{
	struct future_outcome outcome;
	bool success;

	if (atomic_load_explicit(&worker->pool->broken, memory_order_acquire)) { /* P2 */
		count(end_broken(future) ? &worker->broken : &worker->cancelled,
		      memory_order_release);
		return;
	}
	if (!future_start(future)) {
		count(&worker->cancelled, memory_order_release); /* P1 */
		future_release(future);
		return;
	}
	worker->started_task = future;
	count(&worker->started, memory_order_relaxed);
	success = future_call(future, &worker->pool->base, &worker->running, &outcome);
	if (!success)
		count(&worker->failed, memory_order_relaxed);
	worker->started_task = NULL;
	count(&worker->finished, memory_order_release); /* P1 */
	if (future_settle(future, outcome)) {
		/* A callback may take long: until it returns this worker is as good as busy. */
		worker->notified = future;
		atomic_store_explicit(&worker->notifying, 1, memory_order_seq_cst);
		rouse(worker->pool, 0);
		future_notify(future);
		atomic_store_explicit(&worker->notifying, 0, memory_order_release);
		worker->notified = NULL;
	}
	future_release(future);
}

/* The next task; NULL when the worker has nothing more to do in its life. */
static struct future *next_task(struct worker *worker)
{
	struct pool *pool = worker->pool;
	int64_t spin_ns = pool->settings.config.spin_ns;
	struct future *future;

	for (;;) {
		/* In this order: after a stop, an empty queue stays empty. */
		bool stopping =
			atomic_load_explicit(&pool->stopping, memory_order_acquire); /* P2 */
		int64_t deadline_ns;

		future = take(pool, worker->index);
		if (future || stopping)
			return future;
		deadline_ns = assay_clock_ns() + spin_ns;
		while (!future && assay_clock_ns() < deadline_ns) {
			for (int i = 0; i < 16; i++)
				port_pause();
			future = take(pool, worker->index);
		}
		if (future)
			return future;
		park_announce(&pool->park);
		future = take(pool, worker->index); /* K1 */
		if (future ||
		    atomic_load_explicit(&pool->stopping, memory_order_seq_cst)) { /* K1 */
			park_withdraw(&pool->park);
			if (future)
				return future;
		} else {
			park_sleep(&pool->park);
		}
	}
}

/* The task that was running ended the thread under it. */
static void thread_ended(void *user)
{
	struct worker *worker = user;
	struct future *future = worker->started_task;

	if (future) {
		worker->started_task = NULL;
		count(&worker->failed, memory_order_relaxed);
		count(&worker->finished, memory_order_release); /* P1 */
		future_settle_ended(future, &worker->running);
		future_release(future);
	}
	if (worker->notified) { /* its remaining callbacks are lost */
		atomic_store_explicit(&worker->notifying, 0, memory_order_release);
		future_release(worker->notified);
		worker->notified = NULL;
	}
	if (!worker->initialized)
		break_pool(worker->pool);
	leave(worker);
}

static void *worker_main(void *user)
{
	struct worker *worker = user;
	struct pool *pool = worker->pool;
	const struct assay_config *config = &pool->settings.config;
	struct future *future;
	char name[16];

	current_worker = worker;
	snprintf(name, sizeof name, "%.11s_%u", config->name, (unsigned)worker->index % 1000);
	pthread_setname_np(pthread_self(), name);
	pthread_cleanup_push(thread_ended, worker);
	if (config->initializer && config->initializer(config->initializer_argument,
						       config->initializer_argument_size) != 0) {
		settings_log(&pool->settings, ASSAY_LOG_ERROR,
			     "the initializer of worker %d failed", worker->index);
		break_pool(pool);
	} else {
		worker->initialized = true;
		for (; worker->tasks_left > 0 && (future = next_task(worker)); worker->tasks_left--)
			run(worker, future);
	}
	pthread_cleanup_pop(0);
	leave(worker);
	return NULL;
}

/* Under the mutex. */
static int start_worker(struct worker *worker)
{
	struct pool *pool = worker->pool;
	pthread_t before = worker->thread;

	worker->tasks_left = pool->settings.config.tasks_per_worker;
	worker->initialized = false;
	if (port_thread_start(&worker->thread, pool->settings.config.stack_size, worker_main,
			      worker)) {
		worker->thread = before;
		return ASSAY_ERESOURCE;
	}
	worker->before = before;
	worker->has_before = worker->to_join;
	worker->to_join = false;
	worker->alive = true;
	atomic_fetch_add_explicit(&pool->alive, 1, memory_order_relaxed); /* under the mutex */
	atomic_fetch_add_explicit(&pool->park.wakes, 1, memory_order_relaxed);
	return ASSAY_OK;
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
	if (atomic_load_explicit(&pool->stopping, memory_order_relaxed))
		error = refusal(pool);
	else if (!atomic_load_explicit(&pool->alive, memory_order_relaxed))
		error = start_worker(&pool->workers[0]);
	pthread_mutex_unlock(&pool->mutex);
	return error;
}

void rouse(struct pool *pool, uint32_t count)
{
	int workers = pool->settings.config.workers;
	int alive = atomic_load_explicit(&pool->alive, memory_order_seq_cst); /* P5 */
	bool lost = false;

	park_wake(&pool->park, count);
	if (alive >= workers)
		return;
	pthread_mutex_lock(&pool->mutex);
	do { /* with a worker alive, one that cannot be started is no loss: the tasks still run */
		lost = grow(pool) && !atomic_load_explicit(&pool->alive, memory_order_relaxed);
	} while (++alive < workers && count-- > 1 && !lost);
	pthread_mutex_unlock(&pool->mutex);
	if (lost)
		give_up(pool);
}
