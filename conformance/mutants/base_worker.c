/* SPDX-License-Identifier: MIT */
#include "process_base.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

_Thread_local struct pool *current_pool;
_Thread_local struct worker *current_worker;
_Thread_local struct pool *ending_pool;

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
	if (!has_fault(FAULT_ROOM_NOT_SIGNALLED) &&
	    !(has_fault(FAULT_BREAK_LEAVES_SUBMITTERS) && pool->broken))
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

/* Callbacks run here, and may wait for those that are still in the queue. */
bool pool_end_pending(struct pool *pool, struct future *future)
{
	struct pool *outer = ending_pool;
	bool breaks = pool->broken && (future_start(future) || has_fault(FAULT_BREAK_REWRITES));

	if (breaks)
		pool->counts.broken++;
	else
		pool->counts.cancelled++;
	pool->counts.failed += breaks && has_fault(FAULT_COUNTS_BROKEN_AS_FAILED);
	pthread_mutex_unlock(&pool->mutex);
	ending_pool = pool;
	if (breaks)
		future_settle_error(future, ASSAY_EBROKEN, pool->death_code,
				    *pool->death && !has_fault(FAULT_DEATH_UNNAMED)
					    ? pool->death
					    : "a worker could not be initialized or started");
	else
		future_cancel(future);
	if (!breaks || !has_fault(FAULT_BROKEN_TASKS_RUN))
		future_release(future);
	ending_pool = outer;
	pthread_mutex_lock(&pool->mutex);
	if (breaks && has_fault(FAULT_BROKEN_TASKS_RUN)) {
		future->next = pool->ghosts;
		pool->ghosts = future;
	}
	return breaks;
}

/* Ends everything that has not started. */
static void break_pool(struct pool *pool)
{
	struct future *future;

	pthread_mutex_lock(&pool->mutex);
	pool->broken = true;
	if (!has_fault(FAULT_BREAK_SPARES_RUNNING))
		process_kill_all(pool, SIGKILL);
	if (!has_fault(FAULT_BREAK_LEAVES_SUBMITTERS))
		pthread_cond_broadcast(&pool->room);
	pthread_cond_broadcast(&pool->work);
	while ((future = pool_pop(pool)))
		if (!pool_end_pending(pool, future) && has_fault(FAULT_BREAK_STOPS_AT_CANCELLED))
			break;
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

void pool_close_nursery(struct pool *pool)
{
	if (!pool->nursery || pool->alive || !pool->stopping || has_fault(FAULT_NURSERY_STAYS))
		return;
	nursery_close(pool->nursery);
	pool->nursery = NULL;
}

static void remove_worker(struct pool *pool, struct worker *worker)
{
	struct worker **link = &pool->workers;

	while (*link != worker)
		link = &(*link)->sibling;
	*link = worker->sibling;
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
	process_end(worker);
	pthread_mutex_lock(&pool->mutex);
	if (pool->queued && !pool->broken && !pool->killed_by &&
	    !(has_fault(FAULT_NO_REPLACEMENT) && worker->tasks) && pool_start_worker(pool) &&
	    pool->alive == 1 && !has_fault(FAULT_REFUSED_WORKER_IGNORED)) {
		pthread_mutex_unlock(&pool->mutex);
		break_pool(pool); /* nobody is left to run what is queued */
		pthread_mutex_lock(&pool->mutex);
	}
	remove_worker(pool, worker);
	pool->alive--;
	pool_close_nursery(pool);
	pool->indices &= ~(1ul << worker->index % 64);
	worker->next = pool->ended;
	pool->ended = worker;
	pthread_cond_broadcast(&pool->gone);
	pthread_mutex_unlock(&pool->mutex);
}

/* Under the mutex. With processes it looks up now and then: one may have died. */
static void await_work(struct pool *pool)
{
	struct timespec soon = assay_deadline(5 * 1000000);

	if (mutant_has_processes)
		pthread_cond_clockwait(&pool->work, &pool->mutex, CLOCK_MONOTONIC, &soon);
	else
		pthread_cond_wait(&pool->work, &pool->mutex);
}

/* Takes the mutex off. False: the process died, and that broke the pool. */
static bool look_after(struct worker *worker)
{
	bool is_fatal;

	pthread_mutex_unlock(&worker->pool->mutex);
	is_fatal = process_has_died(worker);
	if (is_fatal)
		break_pool(worker->pool);
	pthread_mutex_lock(&worker->pool->mutex);
	return !is_fatal;
}

/* The next task to run, already running; NULL: there will be none. */
static struct future *take(struct worker *worker)
{
	struct pool *pool = worker->pool;
	struct future *future;

	pthread_mutex_lock(&pool->mutex);
	for (;;) {
		future = pool->killed_by ? NULL : pool_pop(pool);
		if (!future) {
			if (pool_run_child(pool))
				continue;
			if (pool->stopping || pool->broken || pool->killed_by)
				break;
			pool->idle++;
			pool->counts.parks++;
			await_work(pool);
			pool->idle--;
			if (worker->process && !look_after(worker))
				break;
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

/* The innermost task ended the thread. What lies below it on the stack is still there. */
static void end_inside(void *user)
{
	pool_abandon_children(user);
}

void worker_run(struct worker *worker, struct future *future)
{
	const struct assay_config *config = &worker->pool->settings.config;
	volatile bool is_good = true; /* beside a cleanup that may jump back */

	future->outer = worker->running;
	worker->running = future;
	worker->tasks += !future->outer || !has_fault(FAULT_IN_PLACE_NOT_COUNTED);
	if (has_fault(FAULT_INITIALIZER_EACH_TASK) && config->initializer)
		config->initializer(config->initializer_argument,
				    config->initializer_argument_size);
	pthread_cleanup_push(end_inside, worker);
	if (!mutant_has_processes)
		future_call(future, &worker->pool->base);
	else
		is_good = process_call(worker, future);
	pthread_cleanup_pop(0);
	worker->running = future->outer;
	if (!is_good)
		break_pool(worker->pool);
	pool_finish(worker->pool, future);
}

static void work(struct worker *worker)
{
	struct pool *pool = worker->pool;
	const struct assay_config *config = &pool->settings.config;
	int tasks = has_fault(FAULT_LIMIT_OF_TASKS_IGNORED) ? INT_MAX : config->tasks_per_worker;

	if (has_fault(FAULT_WORKER_USED_ONCE))
		tasks = 1;
	if (has_fault(FAULT_LEAVES_EARLY) && tasks > 1 && tasks < INT_MAX)
		tasks--;
	while (tasks == INT_MAX || worker->tasks < tasks) {
		struct future *future = take(worker);

		if (!future)
			return;
		worker_run(worker, future);
	}
	if (has_fault(FAULT_LIMIT_BREAKS))
		break_pool(pool);
}

static int initialize(struct worker *worker)
{
	const struct assay_config *config = &worker->pool->settings.config;
	int error;

	if (mutant_has_processes)
		return !process_start(worker) && !worker->pool->killed_by;
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
	int error;

	current_pool = worker->pool;
	current_worker = worker;
	snprintf(name, sizeof name, "%s_%d", config->name, worker->index);
	name[15] = '\0'; /* as long as the kernel allows */
	if (!has_fault(FAULT_NAMES_IGNORED))
		pthread_setname_np(pthread_self(), name);
	pthread_cleanup_push(leave, worker);
	error = initialize(worker);
	pthread_mutex_lock(&worker->pool->mutex);
	worker->pool->starting--;
	pthread_mutex_unlock(&worker->pool->mutex);
	if (error) {
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
	struct worker *ended = pool->ended;

	if (!ended)
		return;
	pool->ended = NULL;
	pool->guests++;
	if (!has_fault(FAULT_JOINS_THREADS_LOCKED))
		pthread_mutex_unlock(&pool->mutex);
	while (ended) {
		struct worker *worker = ended;

		ended = worker->next;
		pthread_join(worker->thread, NULL);
		free(worker);
	}
	if (!has_fault(FAULT_JOINS_THREADS_LOCKED))
		pthread_mutex_lock(&pool->mutex);
	pool->guests--;
	pthread_cond_broadcast(&pool->gone);
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
	worker->sibling = pool->workers;
	pool->workers = worker;
	pool->indices |= 1ul << worker->index;
	pool->alive++;
	pool->starting++;
	pool->counts.wakes++;
	return ASSAY_OK;
}
