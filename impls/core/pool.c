/* SPDX-License-Identifier: MIT */
/* What clients see of a pool: submit, shut down, count. The labels are those of worker.h. */
#include "pool.h"

#include "exit.h"
#include "worker.h"

#include <stdlib.h>
#include <string.h>

/* How long an idle worker looks for work before it sleeps: about the price of one wake-up. */
#define SPIN_NS 10000
/* Tasks that submit_many hands to the queue at once. */
#define BATCH 256

static struct pool *pool_of(assay_executor *executor)
{
	return (struct pool *)executor;
}

/*
 * Submitting
 */

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
		if (pool->settings.config.when_full != ASSAY_FULL_BLOCK || belongs(pool))
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

/* A task that its submitter runs, until it is settled. */
struct guest_task {
	struct visit visit;
	struct future *future;
	bool has_client; /* of two references, one is the client's */
	struct running running;
};

static void conclude_here(struct guest_task *task, struct future_outcome outcome)
{
	count_shared(&task->visit.pool->caller_finished);
	if (future_settle(task->future, outcome))
		future_notify(task->future);
	future_release(task->future);
	depart(&task->visit);
}

/* The task ended the submitter's thread: nobody will get the future. */
static void guest_ended(void *user)
{
	struct guest_task *task = user;
	struct future_outcome outcome;

	future_call_ended(task->future, &task->running, &outcome);
	count_shared(&task->visit.pool->caller_failed);
	if (task->has_client)
		future_release(task->future);
	conclude_here(task, outcome);
}

/* ASSAY_FULL_CALLER_RUNS: the submitter is the worker. */
static int run_here(struct pool *pool, struct future *future, assay_future **out)
{
	struct guest_task task = {.future = future, .has_client = out != NULL};
	struct future_outcome outcome;

	pthread_mutex_lock(&pool->mutex);
	if (atomic_load_explicit(&pool->stopping, memory_order_relaxed)) { /* under the mutex */
		pthread_mutex_unlock(&pool->mutex);
		future_discard(future);
		return refusal(pool);
	}
	arrive(pool, &task.visit);
	pthread_mutex_unlock(&pool->mutex);
	future_start(future);
	count_shared(&pool->caller_started);
	pthread_cleanup_push(guest_ended, &task);
	if (!future_call(future, &pool->base, &task.running, &outcome))
		count_shared(&pool->caller_failed);
	pthread_cleanup_pop(0);
	if (out)
		*out = &future->base;
	conclude_here(&task, outcome);
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
	if (settings_are_orphaned(&pool->settings))
		return ASSAY_EUNREACHABLE;
	return atomic_load_explicit(&pool->stopping, memory_order_acquire) ? refusal(pool) /* P2 */
									   : ASSAY_OK;
}

/* Hands a chain of tasks to the queue and finds them workers; the chain is the queue's afterwards, or
 * on error still the caller's. */
static int enqueue(struct pool *pool, struct future *first, struct future *last, size_t count)
{
	/* relaxed: a hint, looked at again under the mutex, and by rouse() after the push */
	int error = atomic_load_explicit(&pool->alive, memory_order_relaxed) ? ASSAY_OK
									     : ensure_worker(pool);

	if (error)
		return error;
	if (!queue_push(pool->queue, worker_index(pool), first, last, count))
		return refusal(pool);
	rouse(pool, (uint32_t)count);
	return ASSAY_OK;
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
	error = enqueue(pool, future, future, 1);
	if (error) {
		future_discard(future);
		make_room(pool);
	} else if (out) {
		*out = &future->base;
	}
	return error;
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

		int refused = size ? enqueue(pool, batch[0], batch[size - 1], size) : ASSAY_OK;

		if (refused) {
			while (size)
				future_discard(batch[--size]);
			return refused;
		}
		for (size_t i = 0; futures && i < size; i++)
			futures[*accepted + i] = &batch[i]->base;
		*accepted += size;
	}
	return error;
}

/*
 * Shutting down
 */

/* Under the mutex: a thread that has left and nobody has joined yet. */
static struct worker *find_left(struct pool *pool)
{
	for (int i = 0; i < pool->settings.config.workers; i++)
		if (pool->workers[i].to_join)
			return &pool->workers[i];
	return NULL;
}

/* Until every task has ended, and every worker and every guest has gone. */
static void join(struct pool *pool)
{
	struct worker *left;
	int cancellable;

	/* A cancelled client would leave the mutex locked. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellable);
	pthread_mutex_lock(&pool->mutex);
	for (;;) {
		while (pool->guests || unfinished(pool) ||
		       atomic_load_explicit(&pool->alive, memory_order_relaxed))
			pthread_cond_wait(&pool->left, &pool->mutex);
		left = find_left(pool);
		if (!left)
			break;
		/* Claimed, and joined as a guest without the mutex: the thread's own destructors may
		 * need it. */
		left->to_join = false;
		pool->guests++;
		pthread_mutex_unlock(&pool->mutex);
		pthread_join(left->thread, NULL);
		pthread_mutex_lock(&pool->mutex);
		pool->guests--;
		pthread_cond_broadcast(&pool->left);
	}
	pthread_mutex_unlock(&pool->mutex);
	pthread_setcancelstate(cancellable, NULL);
}

/* Cancels what has not started. Callbacks run here. */
static void drain(struct pool *pool)
{
	struct future *future;
	struct visit visit;

	pthread_mutex_lock(&pool->mutex);
	arrive(pool, &visit);
	pthread_mutex_unlock(&pool->mutex);
	while ((future = take(pool, worker_index(pool)))) {
		assay_future_cancel(&future->base);
		count_shared(&pool->drained_cancelled);
		future_release(future);
		if (settings_are_orphaned(&pool->settings))
			break; /* in a child that a callback forked */
	}
	if (!settings_are_orphaned(&pool->settings))
		await_taken(pool);
	depart(&visit);
}

static int shutdown(assay_executor *executor, unsigned flags)
{
	struct pool *pool = pool_of(executor);

	if (flags & (ASSAY_SHUTDOWN_TERMINATE | ASSAY_SHUTDOWN_KILL))
		return ASSAY_EUNSUPPORTED;
	if (settings_are_orphaned(&pool->settings))
		return ASSAY_OK;
	stop(pool);
	if (flags & ASSAY_SHUTDOWN_CANCEL_PENDING)
		drain(pool);
	if (!(flags & ASSAY_SHUTDOWN_WAIT) || settings_are_orphaned(&pool->settings))
		return ASSAY_OK;
	if (belongs(pool))
		return ASSAY_EDEADLOCK;
	join(pool);
	return ASSAY_OK;
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
	/* What a fork left behind belongs to threads that are not here: it stays as it is. */
	if (!settings_are_orphaned(&pool->settings)) {
		exit_forget(pool);
		free_pool(pool);
	}
	return ASSAY_OK;
}

static void statistics(assay_executor *executor, struct assay_statistics *out, size_t size)
{
	struct pool *pool = pool_of(executor);
	/* relaxed throughout: each is exact when nothing moves, as documented */
	uint64_t here = atomic_load_explicit(&pool->caller_started, memory_order_relaxed);

	struct assay_statistics now;

	if (settings_are_orphaned(&pool->settings)) {
		memset(out, 0xff,
		       size); /* not known: a thread that is not here may hold the locks */
		return;
	}
	now = (struct assay_statistics){
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
 * Creating
 */

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
	struct pool *pool;
	int error;

	if ((config->options && *config->options) || /* there are none */
	    (config->workers > POOL_WORKERS_LIMIT && config->workers != ASSAY_WORKERS_AUTO) ||
	    (config->stack_size && config->stack_size < (size_t)sysconf(_SC_THREAD_STACK_MIN)))
		return ASSAY_EINVAL;
	if (config->on_worker_death != ASSAY_DEATH_BREAKS || config->retries)
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
	exit_remember(pool);
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
