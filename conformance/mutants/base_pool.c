/* SPDX-License-Identifier: MIT */
/* What a client sees of the pool. */
#include "process_base.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Thread_local struct pool *visited; /* whose tasks this thread cancels or runs */

/* Every pool, to be finished before the program ends. */
static pthread_mutex_t pools_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct pool *pools;

static struct pool *pool_of(assay_executor *executor)
{
	return (struct pool *)executor;
}

static int refusal(const struct pool *pool)
{
	if (has_fault(FAULT_ACCEPTS_AFTER_SHUTDOWN))
		return ASSAY_OK;
	if (pool->stopping && (!pool->broken || has_fault(FAULT_SHUTDOWN_HIDES_BREAK)))
		return ASSAY_ESHUTDOWN;
	return pool->broken && !has_fault(FAULT_ACCEPTS_AFTER_BREAK) ? ASSAY_EBROKEN : ASSAY_OK;
}

/* Under the mutex: until there is room. ASSAY_EFULL: there is none. */
static int await_room(struct pool *pool)
{
	const struct assay_config *config = &pool->settings.config;
	size_t capacity = config->queue_capacity;

	if (has_fault(FAULT_CAPACITY_PLUS_ONE) && capacity != ASSAY_UNLIMITED)
		capacity++;
	while (!refusal(pool) && pool->queued >= capacity) {
		if (config->when_full != ASSAY_FULL_BLOCK || current_pool == pool)
			return ASSAY_EFULL;
		pthread_cond_wait(&pool->room, &pool->mutex);
	}
	return refusal(pool);
}

/* Under the mutex: somebody is or will be there to run what is queued. */
static int rouse(struct pool *pool)
{
	int error = ASSAY_OK, workers = pool->settings.config.workers;

	if (has_fault(FAULT_ONE_WORKER_LESS) && workers > 1)
		workers--;
	if (has_fault(FAULT_ONE_WORKER_MORE))
		workers++;
	if ((pool->queued >= (size_t)pool->idle || has_fault(FAULT_NEW_WORKER_EACH_TIME)) &&
	    pool->alive < workers)
		error = pool_start_worker(pool);
	return pool->alive || has_fault(FAULT_REFUSED_WORKER_IGNORED) ? ASSAY_OK : error;
}

static int queue_or_refuse(struct pool *pool, struct future *future)
{
	int error;

	if (has_fault(FAULT_COUNT_CHECKED_LATE) && pool->settings.config.workers > 4096)
		return ASSAY_ERESOURCE;
	pthread_mutex_lock(&pool->mutex);
	error = await_room(pool);
	if (!error)
		error = rouse(pool);
	if (!error) {
		pool_push(pool, future);
		if (!pool->starting || !has_fault(FAULT_STARTING_WORKER_HIDES_TASKS))
			pthread_cond_signal(&pool->work);
	}
	while (has_fault(FAULT_BLOCKS_WHEN_BUSY) && !error && pool->queued)
		pthread_cond_wait(&pool->room, &pool->mutex);
	pthread_mutex_unlock(&pool->mutex);
	return error;
}

/* The submitter is the worker. */
static int run_here(struct pool *pool, struct future *future, assay_future **out)
{
	struct pool *outer = visited;
	int error;

	pthread_mutex_lock(&pool->mutex);
	error = has_fault(FAULT_REFUSES_BUT_RUNS) ? ASSAY_OK : refusal(pool);
	pool->guests += !error;
	pool->counts.submitted += !error;
	pool->counts.started += !error;
	pthread_mutex_unlock(&pool->mutex);
	if (error)
		return error;
	if (out)
		*out = &future->base;
	visited = pool;
	future_start(future);
	future_call(future, &pool->base);
	pool_finish(pool, future);
	visited = outer;
	pthread_mutex_lock(&pool->mutex);
	pool->guests--;
	pthread_cond_broadcast(&pool->gone);
	pthread_mutex_unlock(&pool->mutex);
	return ASSAY_OK;
}

static int submit(assay_executor *executor, const struct assay_task *task, assay_future **out)
{
	struct pool *pool = pool_of(executor);
	assay_function *function = settings_resolve(&pool->settings, task);
	struct future *future;
	int error;

	if (pool->process != getpid() && !has_fault(FAULT_SUBMITS_IN_WORKER))
		return ASSAY_EUNREACHABLE;
	pthread_mutex_lock(&pool->mutex);
	error = has_fault(FAULT_ROOM_BEFORE_NAME) ? await_room(pool) : refusal(pool);
	if (has_fault(FAULT_BREAK_STARTS_WORKERS) && pool->broken)
		(void)pool_start_worker(pool);
	pthread_mutex_unlock(&pool->mutex);
	if (error && has_fault(FAULT_REFUSES_BUT_RUNS) && function) {
		future = future_create(function, task, 1);
		if (future)
			(void)run_here(pool, future, NULL);
	}
	if (error)
		return error;
	if (task->argument_size > assay_backend.argument_limit)
		return ASSAY_ETOOBIG;
	if (!function)
		return ASSAY_EUNKNOWN;
	if (mutant_has_processes && !process_knows(pool, function))
		return ASSAY_EUNSUPPORTED;
	future = future_create(function, task, out ? 2 : 1);
	if (!future)
		return ASSAY_ENOMEM;
	error = has_fault(FAULT_RUNS_IN_SUBMIT) ? ASSAY_EFULL : queue_or_refuse(pool, future);
	if (error == ASSAY_EFULL && (pool->settings.config.when_full == ASSAY_FULL_CALLER_RUNS ||
				     has_fault(FAULT_RUNS_IN_SUBMIT))) {
		error = run_here(pool, future, out);
		if (!error)
			return ASSAY_OK;
	}
	if (error) {
		future->references = 1;
		future_release(future);
	} else if (out) {
		*out = &future->base;
	}
	return error;
}

/* Cancels what has not started. Callbacks run here, without the mutex. */
static void drain(struct pool *pool)
{
	struct pool *outer = visited;
	struct future *future;

	visited = pool;
	pthread_mutex_lock(&pool->mutex);
	pool->guests++;
	while ((future = pool_pop(pool)))
		pool_end_pending(pool, future);
	pool->guests--;
	pthread_cond_broadcast(&pool->gone);
	pthread_mutex_unlock(&pool->mutex);
	visited = outer;
}

/* For the fault that runs what a break has ended. */
static void run_ghosts(struct pool *pool)
{
	struct future *next;

	for (struct future *future = pool->ghosts; future; future = next) {
		assay_call call = {.argument = future->argument,
				   .argument_size = future->argument_size};

		next = future->next;
		(void)future->function(&call);
		future_release(future);
	}
	pool->ghosts = NULL;
}

static int shutdown(assay_executor *executor, unsigned flags)
{
	struct pool *pool = pool_of(executor);

	unsigned stop = flags & (ASSAY_SHUTDOWN_TERMINATE | ASSAY_SHUTDOWN_KILL);

	if (stop && !mutant_has_processes && !has_fault(FAULT_REFUSED_STOP_STOPS))
		return ASSAY_EUNSUPPORTED;
	if (pool->process != getpid() && !has_fault(FAULT_CHILD_AWAITS_PARENT))
		return ASSAY_OK;
	if (stop && !has_fault(FAULT_TERMINATE_RUNS_PENDING))
		flags |= ASSAY_SHUTDOWN_CANCEL_PENDING;
	pthread_mutex_lock(&pool->mutex);
	if (stop && !pool->alive && has_fault(FAULT_STOP_NEEDS_WORKERS)) {
		pthread_mutex_unlock(&pool->mutex);
		return ASSAY_EUNSUPPORTED;
	}
	if (stop && !has_fault(FAULT_TERMINATE_DOES_NOTHING))
		process_kill_all(pool,
				 stop & ASSAY_SHUTDOWN_KILL && !has_fault(FAULT_KILL_IS_TERMINATE)
					 ? SIGKILL
					 : SIGTERM);
	if ((has_fault(FAULT_SECOND_SHUTDOWN_DOES_NOT_WAIT) && pool->stopping) ||
	    has_fault(FAULT_SHUTDOWN_DOES_NOT_WAIT))
		flags &= ~(unsigned)ASSAY_SHUTDOWN_WAIT;
	if (has_fault(FAULT_SHUTDOWN_LOSES_QUEUE)) {
		pool->first = NULL;
		pool->last = &pool->first;
	}
	pool->stopping |= !stop || !has_fault(FAULT_STOP_IS_NO_SHUTDOWN);
	pthread_cond_broadcast(&pool->work);
	pthread_cond_broadcast(&pool->room);
	pthread_mutex_unlock(&pool->mutex);
	if ((flags & ASSAY_SHUTDOWN_CANCEL_PENDING) && !has_fault(FAULT_SHUTDOWN_IGNORES_CANCEL))
		drain(pool);
	if (stop && !mutant_has_processes)
		return ASSAY_EUNSUPPORTED;
	if (!(flags & ASSAY_SHUTDOWN_WAIT)) {
		pthread_mutex_lock(&pool->mutex);
		pool_close_nursery(pool);
		pthread_mutex_unlock(&pool->mutex);
		return ASSAY_OK;
	}
	if ((current_pool == pool || visited == pool) && !has_fault(FAULT_SHUTDOWN_JOINS_ITSELF))
		return ASSAY_EDEADLOCK;
	pthread_mutex_lock(&pool->mutex);
	while (pool->alive || pool->guests)
		pthread_cond_wait(&pool->gone, &pool->mutex);
	pool_join_ended(pool);
	pool_close_nursery(pool);
	pthread_mutex_unlock(&pool->mutex);
	run_ghosts(pool);
	return ASSAY_OK;
}

static int destroy(assay_executor *executor)
{
	struct pool *pool = pool_of(executor), **link = &pools;
	int error = shutdown(executor, ASSAY_SHUTDOWN_WAIT);

	if (error || pool->process != getpid())
		return error;
	pthread_mutex_lock(&pools_mutex);
	while (*link && *link != pool)
		link = &(*link)->next;
	if (*link)
		*link = pool->next;
	pthread_mutex_unlock(&pools_mutex);
	pthread_cond_destroy(&pool->joined);
	pthread_cond_destroy(&pool->gone);
	pthread_cond_destroy(&pool->room);
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->mutex);
	settings_free(&pool->settings);
	free(pool->known);
	free(pool);
	return ASSAY_OK;
}

static void statistics(assay_executor *executor, struct assay_statistics *out, size_t size)
{
	struct pool *pool = pool_of(executor);
	struct assay_statistics now;

	pthread_mutex_lock(&pool->mutex);
	now = pool->counts;
	now.workers = (uint64_t)pool->settings.config.workers;
	now.workers_alive = (uint64_t)pool->alive;
	pthread_mutex_unlock(&pool->mutex);
	memcpy(out, &now, size < sizeof now ? size : sizeof now);
}

static const struct assay_executor_ops executor_ops = {
	.backend = &assay_backend,
	.submit = submit,
	.submit_many = assay_default_submit_many,
	.shutdown = shutdown,
	.destroy = destroy,
	.statistics = statistics,
};

static void finish_all(void)
{
	for (;;) {
		struct pool *pool;

		pthread_mutex_lock(&pools_mutex);
		pool = pools;
		pools = pool ? pool->next : NULL;
		pthread_mutex_unlock(&pools_mutex);
		if (!pool)
			return;
		shutdown(&pool->base, ASSAY_SHUTDOWN_WAIT);
	}
}

static void watch_exit(void)
{
	if (!has_fault(FAULT_EXIT_LOSES_TASKS))
		atexit(finish_all);
}

static int start_eagerly(struct pool *pool)
{
	int error;

	pthread_mutex_lock(&pool->mutex);
	error = pool_start_worker(pool);
	pthread_mutex_unlock(&pool->mutex);
	return error;
}

static int open_nursery(struct pool *pool)
{
	if (!process_learn(pool))
		return ASSAY_ENOMEM;
	if (has_fault(FAULT_NURSERY_OPENED_LATE))
		return ASSAY_OK;
	pool->nursery = nursery_open(pool);
	return pool->nursery ? ASSAY_OK : errno == ENOMEM ? ASSAY_ENOMEM : ASSAY_ERESOURCE;
}

int pool_create(const struct assay_config *config, assay_executor **out)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct pool *pool;
	int error;

	if ((config->options && *config->options) ||
	    (config->stack_size && config->stack_size < (size_t)sysconf(_SC_THREAD_STACK_MIN)))
		return ASSAY_EINVAL;
	if (!mutant_has_processes && config->on_worker_death != ASSAY_DEATH_BREAKS)
		return ASSAY_EUNSUPPORTED;
	if (mutant_has_processes && (config->stack_size || config->name))
		return ASSAY_EUNSUPPORTED;
	pool = calloc(1, sizeof *pool);
	if (!pool)
		return ASSAY_ENOMEM;
	if (settings_copy(&pool->settings, config)) {
		free(pool);
		return ASSAY_ENOMEM;
	}
	pool->base.ops = &executor_ops;
	pool->process = getpid();
	error = mutant_has_processes ? open_nursery(pool) : ASSAY_OK;
	if (error) {
		settings_free(&pool->settings);
		free(pool->known);
		free(pool);
		return error;
	}
	pool->last = &pool->first;
	pthread_mutex_init(&pool->mutex, NULL);
	pthread_cond_init(&pool->work, NULL);
	pthread_cond_init(&pool->room, NULL);
	pthread_cond_init(&pool->gone, NULL);
	pthread_cond_init(&pool->joined, NULL);
	pthread_once(&once, watch_exit);
	pthread_mutex_lock(&pools_mutex);
	pool->next = pools;
	pools = pool;
	pthread_mutex_unlock(&pools_mutex);
	while (has_fault(FAULT_EAGER_WORKERS) && pool->alive < pool->settings.config.workers)
		if (start_eagerly(pool))
			break;
	*out = &pool->base;
	return ASSAY_OK;
}
