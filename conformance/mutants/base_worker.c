/* SPDX-License-Identifier: MIT */
#include "base_pool.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

_Thread_local struct pool *current_pool;
_Thread_local struct worker *current_worker;

/*
 * The queue, under mutex
 */

void pool_push(struct pool *pool, struct future *future)
{
	if (has_fault(FAULT_LAST_IN_FIRST_OUT) && pool->first) {
		future->next = pool->first;
		pool->first = future;
	} else {
		future->next = NULL;
		*pool->last = future;
		pool->last = &future->next;
	}
	future->executor = &pool->base;
	pool->queued++;
	pool->counts.submitted++;
}

static void take_out(struct pool *pool, struct future **link)
{
	struct future *future = *link;

	*link = future->next;
	if (pool->last == &future->next)
		pool->last = link;
	pool->queued--;
	if (!has_fault(FAULT_ROOM_NOT_SIGNALLED))
		pthread_cond_signal(&pool->room);
}

struct future *pool_pop(struct pool *pool)
{
	struct future *future = pool->first;

	if (future)
		take_out(pool, &pool->first);
	return future;
}

bool pool_remove(struct pool *pool, struct future *future)
{
	struct future **link = &pool->first;

	while (*link && *link != future)
		link = &(*link)->next;
	if (!*link)
		return false;
	take_out(pool, link);
	return true;
}

/*
 * Workers
 */

/* Ends everything that has not started. Takes and gives back the mutex for each. */
static void break_pool(struct pool *pool)
{
	struct future *future;

	pthread_mutex_lock(&pool->mutex);
	pool->broken = true;
	pthread_cond_broadcast(&pool->room);
	pthread_cond_broadcast(&pool->work);
	while ((future = pool_pop(pool))) {
		bool is_cancelled;

		pthread_mutex_unlock(&pool->mutex);
		is_cancelled = !future_start(future);
		if (!is_cancelled)
			future_settle_error(future, ASSAY_EBROKEN,
					    "a worker could not be initialized or started");
		future_release(future);
		pthread_mutex_lock(&pool->mutex);
		if (is_cancelled)
			pool->counts.cancelled++;
		else
			pool->counts.broken++;
		if (is_cancelled && has_fault(FAULT_BREAK_STOPS_AT_CANCELLED))
			break;
	}
	pthread_mutex_unlock(&pool->mutex);
}

void pool_finish(struct pool *pool, struct future *future)
{
	pthread_mutex_lock(&pool->mutex);
	pool->counts.finished++;
	pool->counts.failed += future->outcome.error != ASSAY_OK;
	pthread_mutex_unlock(&pool->mutex);
	if (has_fault(FAULT_FAILURE_BREAKS_POOL) && future->outcome.error)
		break_pool(pool);
	future_settle(future);
	future_release(future);
}

/* The worker's last act. A task or callback that ended its thread comes here too. */
static void leave(void *user)
{
	struct worker *worker = user;
	struct pool *pool = worker->pool;

	while (worker->running && !has_fault(FAULT_THREAD_EXIT_LOSES_TASK)) {
		struct future *running = worker->running;

		worker->running = running->outer;
		free(running->result); /* what it had made so far */
		running->result = NULL;
		running->outcome = (struct assay_outcome){.error = ASSAY_EDIED,
							  .message = "the task ended its thread"};
		pool_finish(pool, running);
	}
	pthread_mutex_lock(&pool->mutex);
	if (pool->queued && !pool->broken && pool_start_worker(pool) && pool->alive == 1) {
		pthread_mutex_unlock(&pool->mutex);
		break_pool(pool); /* nobody is left to run what is queued */
		pthread_mutex_lock(&pool->mutex);
	}
	pool->alive--;
	pool->indices &= ~(1ul << worker->index % 64);
	worker->next = pool->ended;
	pool->ended = worker;
	pthread_cond_broadcast(&pool->gone);
	pthread_mutex_unlock(&pool->mutex);
}

/* The next task to run, already running; NULL: there will be none. */
static struct future *take(struct pool *pool)
{
	struct future *future;

	pthread_mutex_lock(&pool->mutex);
	for (;;) {
		future = pool_pop(pool);
		if (!future) {
			if (pool_run_child(pool))
				continue;
			if (pool->stopping || pool->broken)
				break;
			pool->idle++;
			pool->counts.parks++;
			pthread_cond_wait(&pool->work, &pool->mutex);
			pool->idle--;
			continue;
		}
		if (future_start(future) &&
		    !(has_fault(FAULT_DROPS_ABANDONED) &&
		      __atomic_load_n(&future->references, __ATOMIC_RELAXED) == 1))
			break;
		if (has_fault(FAULT_COUNTS_CANCELLED_AS_FINISHED))
			pool->counts.finished++;
		else
			pool->counts.cancelled++;
		pthread_mutex_unlock(&pool->mutex);
		future_release(future); /* may free client bytes: not under the mutex */
		pthread_mutex_lock(&pool->mutex);
	}
	pool->counts.started += future != NULL;
	pthread_mutex_unlock(&pool->mutex);
	return future;
}

void worker_run(struct worker *worker, struct future *future)
{
	const struct assay_config *config = &worker->pool->settings.config;

	future->outer = worker->running;
	worker->running = future;
	worker->tasks++;
	if (has_fault(FAULT_INITIALIZER_EACH_TASK) && config->initializer)
		config->initializer(config->initializer_argument,
				    config->initializer_argument_size);
	future_call(future, &worker->pool->base);
	worker->running = future->outer;
	pool_finish(worker->pool, future);
}

static void work(struct worker *worker)
{
	struct pool *pool = worker->pool;
	const struct assay_config *config = &pool->settings.config;
	int tasks = has_fault(FAULT_LIMIT_OF_TASKS_IGNORED) ? INT_MAX : config->tasks_per_worker;

	while (tasks == INT_MAX || worker->tasks < tasks) {
		struct future *future = take(pool);

		if (!future)
			return;
		worker_run(worker, future);
	}
}

static int initialize(const struct assay_config *config)
{
	int error;

	if (!config->initializer || has_fault(FAULT_INITIALIZER_NEVER_RUN))
		return 0;
	if (has_fault(FAULT_INITIALIZER_ARGUMENT_LOST))
		error = config->initializer(NULL, 0);
	else
		error = config->initializer(config->initializer_argument,
					    config->initializer_argument_size);
	return has_fault(FAULT_INITIALIZER_FAILURE_IGNORED) ? 0 : error;
}

static void *be_worker(void *user)
{
	struct worker *worker = user;
	const struct assay_config *config = &worker->pool->settings.config;
	char name[32];

	current_pool = worker->pool;
	current_worker = worker;
	snprintf(name, sizeof name, "%s_%d", config->name, worker->index);
	name[15] = '\0'; /* as long as the kernel allows */
	if (!has_fault(FAULT_NAMES_IGNORED))
		pthread_setname_np(pthread_self(), name);
	pthread_cleanup_push(leave, worker);
	if (initialize(config)) {
		settings_complain(&worker->pool->settings,
				  "the initializer of a worker failed: the executor is broken");
		break_pool(worker->pool);
	} else {
		work(worker);
	}
	pthread_cleanup_pop(1);
	return NULL;
}

void pool_join_ended(struct pool *pool)
{
	while (pool->ended) {
		struct worker *worker = pool->ended;

		pool->ended = worker->next;
		pthread_join(worker->thread, NULL);
		free(worker);
	}
}

/* Under the mutex. */
int pool_start_worker(struct pool *pool)
{
	struct worker *worker = calloc(1, sizeof *worker);
	pthread_attr_t attributes;
	sigset_t all, before;
	int error;

	if (!worker)
		return ASSAY_ENOMEM;
	worker->pool = pool;
	while (worker->index < 63 && pool->indices & 1ul << worker->index)
		worker->index++;
	pthread_attr_init(&attributes);
	if (pool->settings.config.stack_size && !has_fault(FAULT_STACK_SIZE_IGNORED))
		pthread_attr_setstacksize(&attributes, pool->settings.config.stack_size);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&worker->thread, &attributes, be_worker, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (error) {
		free(worker);
		return ASSAY_ERESOURCE;
	}
	pool->indices |= 1ul << worker->index;
	pool->alive++;
	pool->counts.wakes++;
	return ASSAY_OK;
}
