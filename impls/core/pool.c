/* SPDX-License-Identifier: MIT */
/*
 * Ordering
 *   P1  run: release store of worker.finished, before the future is settled
 *         -> unfinished(): acquire load    a client that saw the result finds the worker free
 * [CFG-8] P2  shutdown, break: release store of stopping or broken  ->  acquire loads     hints:
 * what counts is the queue's close, and the mutex P3  take: release decrement of queued  ->  admit:
 * acquire of the room it made P5  leave: seq_cst decrement of alive, then queue_pushed() against
 * rouse: the push, then the seq_cst load of alive     as K1: one of the two grows P4  admit:
 * seq_cst add to blocked, then the look at queued against   take: seq_cst decrement of queued, then
 * the look at blocked     as K1 in park.h
 */
#include "pool.h"

#include "future.h"
#include "park.h"
#include "queue.h"
#include "settings.h"
#include "slab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How long an idle worker looks for work before it sleeps: about the price of one wake-up. */
#define SPIN_NS 10000
/* Tasks that submit_many hands to the queue at once. */
#define BATCH 256

struct worker {
	_Alignas(PORT_APART) struct pool *pool;
	int index;
	/* Under pool->mutex. */
	pthread_t thread;
	bool alive;
	bool to_join;     /* thread has left, or is leaving, and must be joined */
	pthread_t before; /* the thread that had this slot before; joined by this one when it leaves
			   */
	bool has_before;
	/* The worker's own. */
	bool initialized;
	struct future *running; /* started and not settled; for a task that ends its thread */
	int tasks_left;
	/* Written by the worker only. */
	_Atomic uint64_t started;
	_Atomic uint64_t finished;
	_Atomic uint64_t failed;
	_Atomic uint64_t cancelled;
	_Atomic uint64_t broken;
	_Atomic uint32_t notifying; /* 1 while it calls the callbacks of a task it has counted */
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
	_Atomic bool orphaned; /* in a forked child: there are no threads behind this pool */
	pthread_mutex_t
		mutex;       /* life and death of workers; taken before no other lock but queues' */
	pthread_cond_t left; /* alive went down */
	struct pool *next;   /* in `pools`, under pools_mutex */
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

/* The worker that the calling thread is, if any. */
static _Thread_local struct worker *current __attribute__((tls_model("initial-exec")));

/* Every pool there is, for exit and fork. */
static pthread_mutex_t pools_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct pool *pools;

static struct pool *pool_of(assay_executor *executor)
{
	return (struct pool *)executor;
}

static int own_index(struct pool *pool)
{
	return current && current->pool == pool ? current->index : WORKER_NONE;
}

/* For counters that one thread writes: a plain increment that others may read. */
static void count(_Atomic uint64_t *counter, memory_order order)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
			      order);
}

/* For counters that are rare. */
static void count_shared(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
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

static bool is_bounded(const struct pool *pool)
{
	return pool->settings.config.queue_capacity != ASSAY_UNLIMITED;
}

/* A task has left the queue: lets a blocked submitter in. */
static void make_room(struct pool *pool)
{
	if (!is_bounded(pool))
		return;
	atomic_fetch_sub_explicit(&pool->queued, 1, memory_order_seq_cst); /* P3 P4 */
	if (atomic_load_explicit(&pool->blocked, memory_order_seq_cst)) {  /* P4 */
		atomic_fetch_add_explicit(&pool->room, 1, memory_order_relaxed);
		port_wake(&pool->room, 1);
	}
}

static struct future *take(struct pool *pool, int index)
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

/* From here on nothing is accepted. What is in the queue stays there. */
static void stop(struct pool *pool)
{
	pthread_mutex_lock(&pool->mutex);
	atomic_store_explicit(&pool->stopping, true, memory_order_release); /* P2 */
	pthread_mutex_unlock(&pool->mutex);
	queue_close(pool->queue);
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

static int start_worker(struct worker *worker);
static void rouse(struct pool *pool, uint32_t count);

/*
 * Workers
 */

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
	current = NULL;
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
	worker->running = future;
	count(&worker->started, memory_order_relaxed);
	success = future_call(future, &worker->pool->base, &outcome);
	if (!success)
		count(&worker->failed, memory_order_relaxed);
	worker->running = NULL;
	count(&worker->finished, memory_order_release); /* P1 */
	if (future_settle(future, outcome)) {
		/* A callback may take long: until it returns this worker is as good as busy. */
		atomic_store_explicit(&worker->notifying, 1, memory_order_seq_cst);
		rouse(worker->pool, 0);
		future_notify(future);
		atomic_store_explicit(&worker->notifying, 0, memory_order_release);
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
	struct future *future = worker->running;

	if (future) {
		worker->running = NULL;
		count(&worker->failed, memory_order_relaxed);
		count(&worker->finished, memory_order_release); /* P1 */
		future_settle_error(future, ASSAY_EDIED, "the task ended its thread");
		future_release(future);
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

	current = worker;
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

/*
 * Submitting
 */

static int refusal(struct pool *pool)
{
	return atomic_load_explicit(&pool->broken, memory_order_acquire) ? ASSAY_EBROKEN : /* P2 */
		       ASSAY_ESHUTDOWN;
}

/* A pool without any worker must get one before it accepts a task. */
static int ensure_worker(struct pool *pool)
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

/* Room for one task in a bounded queue. ASSAY_EFULL: the caller runs it, or gives up. */
static int admit(struct pool *pool)
{
	size_t capacity = pool->settings.config.queue_capacity;
	size_t queued = atomic_load_explicit(&pool->queued, memory_order_relaxed);

	for (;;) {
		uint32_t room;

		while (queued < capacity)
			if (atomic_compare_exchange_weak_explicit(&pool->queued, &queued,
								  queued + 1,
								  memory_order_acquire, /* P3 */
								  memory_order_relaxed))
				return ASSAY_OK;
		if (pool->settings.config.when_full != ASSAY_FULL_BLOCK ||
		    own_index(pool) != WORKER_NONE)
			return ASSAY_EFULL;
		room = atomic_load_explicit(&pool->room, memory_order_relaxed);
		atomic_fetch_add_explicit(&pool->blocked, 1, memory_order_seq_cst); /* P4 */
		queued = atomic_load_explicit(&pool->queued, memory_order_seq_cst); /* P4 */
		if (queued >= capacity &&
		    !atomic_load_explicit(&pool->stopping, memory_order_seq_cst))
			port_sleep(&pool->room, room, ASSAY_FOREVER);
		atomic_fetch_sub_explicit(&pool->blocked, 1, memory_order_relaxed);
		if (atomic_load_explicit(&pool->stopping, memory_order_acquire)) /* P2 */
			return refusal(pool);
		queued = atomic_load_explicit(&pool->queued, memory_order_relaxed);
	}
}

/* ASSAY_FULL_CALLER_RUNS: the submitter is the worker. */
static int run_here(struct pool *pool, struct future *future, assay_future **out)
{
	struct future_outcome outcome;

	if (out)
		*out = &future->base;
	future_start(future);
	count_shared(&pool->caller_started);
	if (!future_call(future, &pool->base, &outcome))
		count_shared(&pool->caller_failed);
	count_shared(&pool->caller_finished);
	if (future_settle(future, outcome))
		future_notify(future);
	future_release(future);
	return ASSAY_OK;
}

/* A future for the task, admitted; or the error. *full: there was no room, the caller runs it. */
static int prepare(struct pool *pool, const struct assay_task *task, uint32_t references,
		   struct future **future, bool *full)
{
	assay_function *function;
	int error;

	*full = false;
	error = settings_resolve(&pool->settings, task, &function);
	if (error)
		return error;
	if (is_bounded(pool)) {
		error = admit(pool);
		*full = error == ASSAY_EFULL &&
			pool->settings.config.when_full == ASSAY_FULL_CALLER_RUNS;
		if (error && !*full)
			return error;
	}
	*future = future_create(function, task->argument, task->argument_size, references);
	if (*future)
		return ASSAY_OK;
	if (is_bounded(pool) && !*full)
		make_room(pool);
	return ASSAY_ENOMEM;
}

/* What every submit looks at first. */
static int check_open(struct pool *pool)
{
	if (atomic_load_explicit(&pool->orphaned, memory_order_relaxed))
		return ASSAY_EUNREACHABLE;
	if (atomic_load_explicit(&pool->stopping, memory_order_acquire)) /* P2 */
		return refusal(pool);
	/* relaxed: a hint, looked at again under the mutex */
	return atomic_load_explicit(&pool->alive, memory_order_relaxed) ? ASSAY_OK
									: ensure_worker(pool);
}

/* Sees to it that `count` pushed tasks find workers. */
static void rouse(struct pool *pool, uint32_t count)
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

static int submit(assay_executor *executor, const struct assay_task *task, assay_future **out)
{
	struct pool *pool = pool_of(executor);
	struct future *future;
	bool full;
	int error = check_open(pool);

	if (!error)
		error = prepare(pool, task, out ? 2 : 1, &future, &full);
	if (error)
		return error;
	if (full)
		return run_here(pool, future, out);
	if (!queue_push(pool->queue, own_index(pool), future, future, 1)) {
		future_discard(future);
		make_room(pool);
		return refusal(pool);
	}
	if (out)
		*out = &future->base;
	rouse(pool, 1);
	return ASSAY_OK;
}

/* Creates up to BATCH futures, chained in order. Returns how many; *error says why no more. */
static size_t prepare_batch(struct pool *pool, const struct assay_task *tasks, size_t most,
			    uint32_t references, struct future **batch, int *error)
{
	size_t count;
	bool full;

	for (count = 0; count < BATCH && count < most; count++) {
		*error = prepare(pool, &tasks[count], references, &batch[count], &full);
		if (*error)
			break;
		if (count)
			batch[count - 1]->next = batch[count];
	}
	return count;
}

static int submit_many(assay_executor *executor, const struct assay_task *tasks, size_t count,
		       assay_future **futures, size_t *accepted)
{
	struct pool *pool = pool_of(executor);
	struct future *batch[BATCH];
	int error = check_open(pool);

	if (is_bounded(pool))
		return assay_default_submit_many(executor, tasks, count, futures, accepted);
	while (!error && *accepted < count) {
		size_t size = prepare_batch(pool, tasks + *accepted, count - *accepted,
					    futures ? 2 : 1, batch, &error);

		if (!size)
			break;
		if (!queue_push(pool->queue, own_index(pool), batch[0], batch[size - 1], size)) {
			while (size)
				future_discard(batch[--size]);
			return refusal(pool);
		}
		for (size_t i = 0; futures && i < size; i++)
			futures[*accepted + i] = &batch[i]->base;
		*accepted += size;
		rouse(pool, (uint32_t)size);
	}
	return error;
}

/*
 * Shutting down
 */

/* Until every worker has gone. */
static void join(struct pool *pool)
{
	pthread_mutex_lock(&pool->mutex);
	while (atomic_load_explicit(&pool->alive, memory_order_relaxed))
		pthread_cond_wait(&pool->left, &pool->mutex);
	for (int i = 0; i < pool->settings.config.workers; i++) {
		if (pool->workers[i].to_join)
			pthread_join(pool->workers[i].thread, NULL);
		pool->workers[i].to_join = false;
	}
	pthread_mutex_unlock(&pool->mutex);
}

static int shutdown(assay_executor *executor, unsigned flags)
{
	struct pool *pool = pool_of(executor);
	struct future *future;

	if (flags & (ASSAY_SHUTDOWN_TERMINATE | ASSAY_SHUTDOWN_KILL))
		return ASSAY_EUNSUPPORTED;
	if (atomic_load_explicit(&pool->orphaned, memory_order_relaxed))
		return ASSAY_OK;
	stop(pool);
	while ((flags & ASSAY_SHUTDOWN_CANCEL_PENDING) && (future = take(pool, own_index(pool)))) {
		assay_future_cancel(&future->base);
		count_shared(&pool->drained_cancelled);
		future_release(future);
	}
	if (!(flags & ASSAY_SHUTDOWN_WAIT))
		return ASSAY_OK;
	if (own_index(pool) != WORKER_NONE)
		return ASSAY_EDEADLOCK;
	join(pool);
	return ASSAY_OK;
}

static void forget(struct pool *pool)
{
	pthread_mutex_lock(&pools_mutex);
	for (struct pool **link = &pools; *link; link = &(*link)->next)
		if (*link == pool) {
			*link = pool->next;
			break;
		}
	pthread_mutex_unlock(&pools_mutex);
}

static void free_pool(struct pool *pool)
{
	queue_destroy(pool->queue);
	pthread_cond_destroy(&pool->left);
	pthread_mutex_destroy(&pool->mutex);
	settings_free(&pool->settings);
	free(pool->workers);
	free(pool);
}

static int destroy(assay_executor *executor)
{
	struct pool *pool = pool_of(executor);
	int error = shutdown(executor, ASSAY_SHUTDOWN_WAIT);

	if (error)
		return error;
	forget(pool);
	/* In a forked child locks may be held by threads that do not exist: leave them alone. */
	if (!atomic_load_explicit(&pool->orphaned, memory_order_relaxed))
		free_pool(pool);
	return ASSAY_OK;
}

static void statistics(assay_executor *executor, struct assay_statistics *out, size_t size)
{
	struct pool *pool = pool_of(executor);
	/* relaxed throughout: each is exact when nothing moves, as documented */
	uint64_t here = atomic_load_explicit(&pool->caller_started, memory_order_relaxed);

	struct assay_statistics now = {
		.workers = (uint64_t)pool->settings.config.workers,
		.workers_alive = (uint64_t)atomic_load_explicit(&pool->alive, memory_order_relaxed),
		.submitted = queue_pushed(pool->queue) + here,
		.started = here,
		.finished = atomic_load_explicit(&pool->caller_finished, memory_order_relaxed),
		.failed = atomic_load_explicit(&pool->caller_failed, memory_order_relaxed),
		.cancelled = atomic_load_explicit(&pool->drained_cancelled, memory_order_relaxed),
		.broken = atomic_load_explicit(&pool->drained_broken, memory_order_relaxed),
		.parks = atomic_load_explicit(&pool->park.parks, memory_order_relaxed),
		.wakes = atomic_load_explicit(&pool->park.wakes, memory_order_relaxed),
	};
	for (int i = 0; i < pool->settings.config.workers; i++) {
		struct worker *worker = &pool->workers[i];

		now.started += atomic_load_explicit(&worker->started, memory_order_relaxed);
		now.finished += atomic_load_explicit(&worker->finished, memory_order_relaxed);
		now.failed += atomic_load_explicit(&worker->failed, memory_order_relaxed);
		now.cancelled += atomic_load_explicit(&worker->cancelled, memory_order_relaxed);
		now.broken += atomic_load_explicit(&worker->broken, memory_order_relaxed);
	}
	memcpy(out, &now, size < sizeof now ? size : sizeof now);
}

/*
 * Creating, exit and fork
 */

/* SHD-14: what was accepted runs before the program is gone. */
static void at_exit(void)
{
	struct pool *pool;

	for (;;) {
		pthread_mutex_lock(&pools_mutex);
		pool = pools;
		if (pool)
			pools = pool->next;
		pthread_mutex_unlock(&pools_mutex);
		if (!pool)
			return;
		shutdown(&pool->base, ASSAY_SHUTDOWN_WAIT); /* from a task: not waited for */
	}
}

static void fork_prepare(void)
{
	pthread_mutex_lock(&pools_mutex);
	slab_fork_prepare();
}

static void fork_parent(void)
{
	slab_fork_done();
	pthread_mutex_unlock(&pools_mutex);
}

static void fork_child(void)
{
	for (struct pool *pool = pools; pool; pool = pool->next)
		atomic_store_explicit(&pool->orphaned, true, memory_order_relaxed);
	pools = NULL;
	current = NULL;
	fork_parent();
}

static void watch_process(void)
{
	atexit(at_exit);
	pthread_atfork(fork_prepare, fork_parent, fork_child);
}

static const struct assay_executor_ops ops = {
	.backend = &assay_backend,
	.submit = submit,
	.submit_many = submit_many,
	.shutdown = shutdown,
	.destroy = destroy,
	.statistics = statistics,
};

int pool_create(const struct assay_config *config, assay_executor **executor)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct pool *pool;
	int error;

	if ((config->options && *config->options) || /* there are none */
	    (config->stack_size && config->stack_size < (size_t)sysconf(_SC_THREAD_STACK_MIN)))
		return ASSAY_EINVAL;
	if (config->on_worker_death != ASSAY_DEATH_BREAKS)
		return ASSAY_EUNSUPPORTED; /* the death of a thread is that of the process */
	pool = aligned_alloc(PORT_APART, sizeof *pool);
	if (!pool)
		return ASSAY_ENOMEM;
	*pool = (struct pool){.base.ops = &ops};
	error = settings_copy(&pool->settings, config);
	if (error)
		goto free_pool;
	if (pool->settings.config.spin_ns < 0)
		pool->settings.config.spin_ns = SPIN_NS;
	error = ASSAY_ENOMEM;
	pool->workers = aligned_alloc(PORT_APART, (size_t)pool->settings.config.workers *
							  sizeof *pool->workers);
	if (!pool->workers)
		goto free_settings;
	for (int i = 0; i < pool->settings.config.workers; i++)
		pool->workers[i] = (struct worker){.pool = pool, .index = i};
	pool->queue = queue_create(pool->settings.config.workers);
	if (!pool->queue)
		goto free_workers;
	pthread_mutex_init(&pool->mutex, NULL);
	pthread_cond_init(&pool->left, NULL);
	pthread_once(&once, watch_process);
	pthread_mutex_lock(&pools_mutex);
	pool->next = pools;
	pools = pool;
	pthread_mutex_unlock(&pools_mutex);
	*executor = &pool->base;
	return ASSAY_OK;

free_workers:
	free(pool->workers);
free_settings:
	settings_free(&pool->settings);
free_pool:
	free(pool);
	return error;
}
