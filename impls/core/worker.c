/* SPDX-License-Identifier: MIT */
#include "worker.h"

#include <stdio.h>

_Thread_local struct worker *current_worker __attribute__((tls_model("initial-exec")));

/* The pool that the thread was started for. It is compared, never followed: thread-local destructors
 * run when the pool may be gone. */
static _Thread_local const struct pool *home __attribute__((tls_model("initial-exec")));
static _Thread_local struct visit *visits __attribute__((tls_model("initial-exec")));

static int start_worker(struct worker *worker);
static void grow_if_short(struct pool *pool);

/* For counters that one thread writes: a plain increment that others may read. */
static void count(_Atomic uint64_t *counter, memory_order order)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
			      order);
}

void arrive(struct pool *pool, struct visit *visit)
{
	*visit = (struct visit){.pool = pool, .outer = visits};
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &visit->cancellable);
	visits = visit;
	pool->guests++;
}

void depart(struct visit *visit)
{
	struct pool *pool = visit->pool;

	visits = visit->outer;
	/* In a child that a task or callback forked, nobody may ever unlock the mutex. */
	if (!settings_are_orphaned(&pool->settings)) {
		pthread_mutex_lock(&pool->mutex);
		pool->guests--;
		pthread_cond_broadcast(&pool->left);
		pthread_mutex_unlock(&pool->mutex);
	}
	pthread_setcancelstate(visit->cancellable, NULL);
}

/* What a task, callback or initializer forked must not go on as a worker: the parent's does. */
static void end_if_orphaned(const struct pool *pool)
{
	if (settings_are_orphaned(&pool->settings))
		_exit(0);
}

bool belongs(const struct pool *pool)
{
	if (home == pool)
		return true;
	for (struct visit *visit = visits; visit; visit = visit->outer)
		if (visit->pool == pool)
			return true;
	return false;
}

uint64_t unfinished(struct pool *pool)
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

/* The same for a worker, with the mark that it holds a task. */
static struct future *take_own(struct worker *worker)
{
	struct future *future;

	atomic_store_explicit(&worker->taking, 1, memory_order_relaxed); /* P6 */
	future = take(worker->pool, worker->index);
	if (!future)
		atomic_store_explicit(&worker->taking, 0, memory_order_release); /* P6 */
	return future;
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

/* Ends a task that nobody will run, and gives up its reference. False: it was cancelled. */
static bool end_broken(struct future *future)
{
	bool ended = future_start(future);

	if (ended) {
		struct future_outcome outcome;

		future_fail(future, ASSAY_EBROKEN, "a worker could not be initialized or started",
			    &outcome);
		if (future_settle(future, outcome))
			future_notify(future);
	}
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
	while ((future = take(pool, WORKER_NONE))) {
		count_shared(end_broken(future) ? &pool->drained_broken : &pool->drained_cancelled);
		if (settings_are_orphaned(&pool->settings))
			return; /* in a child that a callback forked */
	}
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

	end_if_orphaned(pool);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	pthread_mutex_lock(&pool->mutex);
	before = worker->before;
	has_before = worker->has_before;
	worker->has_before = false;
	if (has_before) {
		/* While this slot is still taken, so that leaving threads do not pile up; and not
		 * under the mutex, which the other's thread-local destructors may need. */
		pthread_mutex_unlock(&pool->mutex);
		pthread_join(before, NULL);
		pthread_mutex_lock(&pool->mutex);
	}
	worker->alive = false;
	worker->to_join = true;
	atomic_fetch_sub_explicit(&pool->alive, 1, memory_order_seq_cst); /* P5 */
	if (grow(pool) && !atomic_load_explicit(&pool->alive, memory_order_relaxed)) {
		struct visit visit;

		/* Nobody gets a worker any more, so nobody can take this slot meanwhile. */
		atomic_store_explicit(&pool->broken, true, memory_order_release); /* P2 */
		arrive(pool, &visit);
		pthread_mutex_unlock(&pool->mutex);
		give_up(pool);
		current_worker = NULL;
		depart(&visit);
	} else {
		current_worker = NULL;
		pthread_cond_broadcast(&pool->left);
		pthread_mutex_unlock(&pool->mutex);
	}
	/* The pool may be gone now. */
}

/* Makes the outcome of a started task visible, and tells who observes it. */
static void conclude(struct worker *worker, struct future *future, struct future_outcome outcome)
{
	count(&worker->finished, memory_order_release); /* P1 */
	if (future_settle(future, outcome)) {
		/* A callback may take long: until it returns this worker is as good as busy. */
		worker->notified = future;
		atomic_store_explicit(&worker->notifying, 1, memory_order_seq_cst);
		grow_if_short(worker->pool);
		future_notify(future);
		atomic_store_explicit(&worker->notifying, 0, memory_order_release);
		worker->notified = NULL;
	}
	future_release(future);
}

/* True: the function was called. */
static bool run(struct worker *worker, struct future *future)
{
	struct pool *pool = worker->pool;
	bool broken = atomic_load_explicit(&pool->broken, memory_order_acquire); /* P2 */
	bool starts = !broken && future_start(future);
	struct future_outcome outcome;

	atomic_store_explicit(&worker->taking, 0, memory_order_release); /* P6 */
	if (broken) {
		count(end_broken(future) ? &worker->broken : &worker->cancelled,
		      memory_order_release); /* P1 */
		return false;
	}
	if (!starts) {
		count(&worker->cancelled, memory_order_release); /* P1 */
		future_release(future);
		return false;
	}
	worker->started_task = future;
	count(&worker->started, memory_order_relaxed);
	if (!future_call(future, &pool->base, &worker->running, &outcome))
		count(&worker->failed, memory_order_relaxed);
	end_if_orphaned(pool);
	worker->started_task = NULL;
	conclude(worker, future, outcome);
	return true;
}

/* Looks for a task for a while; NULL: there was none, or there will be none. */
static struct future *spin(struct worker *worker)
{
	struct pool *pool = worker->pool;
	int64_t deadline_ns = assay_deadline_ns(pool->settings.config.spin_ns);
	struct future *future = NULL;

	while (!future && assay_clock_ns() < deadline_ns &&
	       !atomic_load_explicit(&pool->stopping, memory_order_relaxed)) { /* a hint */
		for (int i = 0; i < 16; i++)
			port_pause();
		future = take_own(worker);
	}
	return future;
}

/* The next task; NULL when the worker has nothing more to do in its life. */
static struct future *next_task(struct worker *worker)
{
	struct pool *pool = worker->pool;

	for (;;) {
		/* In this order: after a stop, an empty queue stays empty. */
		bool stopping =
			atomic_load_explicit(&pool->stopping, memory_order_acquire); /* P2 */
		struct future *future = take_own(worker);

		if (!future && !stopping)
			future = spin(worker);
		if (future || stopping)
			return future;
		park_announce(&pool->park);
		future = take_own(worker); /* K1 */
		if (future && park_withdraw(&pool->park))
			rouse(pool, 1); /* the task that the wake was for has lost its worker */
		else if (future)
			return future;
		else if (atomic_load_explicit(&pool->stopping, memory_order_seq_cst)) /* K1 */
			park_withdraw(&pool->park);
		else
			park_sleep(&pool->park);
		if (future)
			return future;
	}
}

/* The task that was running, or a callback, ended the thread under it. */
static void thread_ended(void *user)
{
	struct worker *worker = user;
	struct future *future = worker->started_task;
	struct future_outcome outcome;

	end_if_orphaned(worker->pool);
	if (worker->notified) { /* its remaining callbacks are lost */
		atomic_store_explicit(&worker->notifying, 0, memory_order_release);
		future_release(worker->notified);
		worker->notified = NULL;
	}
	if (future) {
		worker->started_task = NULL;
		future_call_ended(future, &worker->running, &outcome);
		count(&worker->failed, memory_order_relaxed);
		conclude(worker, future, outcome);
	}
	if (!worker->initialized)
		break_pool(worker->pool);
	leave(worker);
}

/* Tasks that a worker may run are counted down, but for those without a limit. */
static void work(struct worker *worker)
{
	struct future *future;

	while (worker->tasks_left > 0 && (future = next_task(worker))) {
		if (run(worker, future) && worker->tasks_left != INT_MAX)
			worker->tasks_left--;
		end_if_orphaned(worker->pool); /* a callback may have forked, too */
	}
}

static void *worker_main(void *user)
{
	struct worker *worker = user;
	struct pool *pool = worker->pool;
	const struct assay_config *config = &pool->settings.config;
	char name[16];

	home = pool;
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
		work(worker);
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
	if (atomic_load_explicit(&pool->stopping, memory_order_relaxed) ||
	    atomic_load_explicit(&pool->broken, memory_order_relaxed)) /* under the mutex */
		error = refusal(pool);
	else if (!atomic_load_explicit(&pool->alive, memory_order_relaxed))
		error = start_worker(&pool->workers[0]);
	pthread_mutex_unlock(&pool->mutex);
	return error;
}

/* Starts up to `count` workers while tasks lack them; true if there is none and none can be had. */
static bool grow_by(struct pool *pool, uint32_t count)
{
	int error = ASSAY_OK;

	/* With a worker alive, one that cannot be started is no loss: the tasks still run. */
	for (int alive = 0; !error && count > 0; count--) {
		int before = alive;

		error = grow(pool);
		alive = atomic_load_explicit(&pool->alive, memory_order_relaxed);
		if (alive == before)
			break;
	}
	return error && !atomic_load_explicit(&pool->alive, memory_order_relaxed);
}

static void grow_if_short(struct pool *pool)
{
	if (atomic_load_explicit(&pool->alive, memory_order_seq_cst) < /* P5 */
	    pool->settings.config.workers) {
		pthread_mutex_lock(&pool->mutex);
		grow_by(pool, 1); /* the caller is a worker and alive */
		pthread_mutex_unlock(&pool->mutex);
	}
}

void rouse(struct pool *pool, uint32_t count)
{
	int alive = atomic_load_explicit(&pool->alive, memory_order_seq_cst); /* P5 */
	struct visit visit;
	bool lost;

	if (park_wake(&pool->park, count) >= count || alive >= pool->settings.config.workers)
		return; /* as many sleepers as tasks were woken, or there cannot be more workers */
	pthread_mutex_lock(&pool->mutex);
	lost = grow_by(pool, count);
	if (lost) {
		atomic_store_explicit(&pool->broken, true, memory_order_release); /* P2 */
		arrive(pool, &visit);
	}
	pthread_mutex_unlock(&pool->mutex);
	if (lost) {
		give_up(pool);
		depart(&visit);
	}
}
