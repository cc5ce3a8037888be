/* SPDX-License-Identifier: MIT */
/* What clients see of a pool: create, shut down, count. The labels are those of worker.h. */
#include "pool.h"

#include "exit.h"
#include "fork.h"

#include <stdlib.h>
#include <string.h>

/* How long an idle worker looks for work before it sleeps: about the price of one wake-up. */
#define SPIN_NS 10000
/* And a join, for what its task has forked: others are at work on that, and fork more. */
#define JOIN_SPIN_NS 50000

/*
 * Shutting down
 */

/* Under the mutex: a thread that has left and nobody has joined yet; the caller's from then on. */
static struct crew_thread *take_left(struct pool *pool)
{
	struct crew_thread *thread = pool->lingering;

	if (thread) {
		pool->lingering = thread->next;
		pool->lingering_count--;
	}
	for (int i = 0; !thread && i < pool->settings.config.workers; i++) {
		thread = pool->workers[i].thread;
		pool->workers[i].thread = NULL;
	}
	return thread;
}

/* Until every task has ended, and every worker and every guest has gone. */
static void join(struct pool *pool)
{
	struct crew_thread *left;
	int cancellable;

	runner_waits();
	/* A cancelled client would leave the mutex locked. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellable);
	pthread_mutex_lock(&pool->mutex);
	for (;;) {
		while (pool->guests || unfinished(pool) ||
		       atomic_load_explicit(&pool->alive, memory_order_relaxed))
			pthread_cond_wait(&pool->left, &pool->mutex);
		left = take_left(pool); /* no worker is alive */
		if (!left)
			break;
		/* As a guest without the mutex: the thread's own destructors may need it. */
		pool->guests++;
		pthread_mutex_unlock(&pool->mutex);
		pthread_join(left->id, NULL);
		free(left);
		pthread_mutex_lock(&pool->mutex);
		pool->guests--;
		pthread_cond_broadcast(&pool->left);
	}
	pthread_mutex_unlock(&pool->mutex);
	pthread_setcancelstate(cancellable, NULL);
}

static void cancel_awaited(struct runner *runner, struct future *future)
{
	(void)runner;
	assay_future_cancel(&future->base);
}

/* Cancels what has not started. Callbacks run here. */
static void drain(struct pool *pool)
{
	struct future *future;
	struct visit visit;

	runner_waits(); /* or may, in a callback */
	pthread_mutex_lock(&pool->mutex);
	arrive(pool, &visit, cancel_awaited);
	pthread_mutex_unlock(&pool->mutex);
	await_taken(pool); /* workers have moved what they were moving: now all of it is found */
	while ((future = queue_pop(pool->queue, NULL, NULL))) {
		assay_future_cancel(&future->base);
		drop(pool, future, &pool->drained_cancelled);
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
	struct future *left;
	struct crew_thread *spare;

	/* Entries of futures that were run by who waited for them. */
	while ((left = queue_pop(pool->queue, NULL, NULL)))
		future_release_entry(left);
	queue_destroy(pool->queue);
	park_free(&pool->park);
	for (int i = 0; i < pool->settings.config.workers; i++) /* relaxed: nobody else is there */
		forks_free(atomic_load_explicit(&pool->workers[i].forks, memory_order_relaxed));
	while ((spare = pool->spare)) {
		pool->spare = spare->next;
		free(spare);
	}
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
		.steals = queue_steals(pool->queue),
	};
	for (int i = 0; i < pool->settings.config.workers; i++) {
		struct worker *worker = &pool->workers[i];

		now.started += atomic_load_explicit(&worker->started, memory_order_relaxed);
		now.finished += atomic_load_explicit(&worker->finished, memory_order_relaxed);
		now.failed += atomic_load_explicit(&worker->failed, memory_order_relaxed);
		now.cancelled += atomic_load_explicit(&worker->cancelled, memory_order_relaxed);
		now.steals += atomic_load_explicit(&worker->steals, memory_order_relaxed);
	}
	memcpy(out, &now, size < sizeof now ? size : sizeof now);
}

/*
 * Creating
 */

static const struct assay_executor_ops ops = {
	.backend = &assay_backend,
	.submit = pool_submit,
	.submit_many = pool_submit_many,
	.shutdown = shutdown,
	.destroy = destroy,
	.statistics = statistics,
};

struct pool_options {
	bool full_fences; /* without membarrier(2), for who does not trust it, and for tests */
	bool helps_not;   /* a worker that waits for what another runs does nothing else */
};

static bool is_option(const char *text, size_t length, const char *option)
{
	return length == strlen(option) && memcmp(text, option, length) == 0;
}

static int read_options(const char *text, struct pool_options *options)
{
	*options = (struct pool_options){0};
	while (text && *text) {
		size_t length = strcspn(text, ",");

		if (is_option(text, length, "fences=full"))
			options->full_fences = true;
		else if (is_option(text, length, "help=off"))
			options->helps_not = true;
		else
			return ASSAY_EINVAL;
		text += length;
		if (*text == ',' && !*++text) /* something was to follow */
			return ASSAY_EINVAL;
	}
	return ASSAY_OK;
}

static int make_workers(struct pool *pool)
{
	int workers = pool->settings.config.workers;

	pool->workers = aligned_alloc(PORT_APART, (size_t)workers * sizeof *pool->workers);
	if (!pool->workers)
		return ASSAY_ENOMEM;
	for (int i = 0; i < workers; i++)
		pool->workers[i] = (struct worker){
			.pool = pool,
			.index = i,
			.forks = forks_none,
			.spin_ns = pool->settings.config.spin_ns,
			.random = 2654435769u * (uint32_t)(i + 1),
			.children.wanted = workers > 1,
		};
	return ASSAY_OK;
}

/* How many workers can run at once; one at least. */
static int processors(int workers)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	return online < 1 ? 1 : online < workers ? (int)online : workers;
}

static int make_parts(struct pool *pool, bool full_fences)
{
	int workers = pool->settings.config.workers;
	/* Where workers come and go for each few tasks, a heavy fence at each end is not rare. */
	bool lopsided = !full_fences && pool->settings.config.tasks_per_worker == INT_MAX &&
			port_can_be_lopsided();
	int error = make_workers(pool);

	if (error)
		return error;
	if (!park_init(&pool->park, (uint32_t)workers, lopsided))
		goto free_workers;
	pool->queue = queue_create(workers, lopsided);
	if (!pool->queue)
		goto free_park;
	for (int i = 0; i < workers; i++)
		pool->workers[i].own = queue_own(pool->queue, i);
	return ASSAY_OK;

free_park:
	park_free(&pool->park);
free_workers:
	free(pool->workers);
	return ASSAY_ENOMEM;
}

int pool_create(const struct assay_config *config, assay_executor **executor)
{
	struct pool *pool;
	struct pool_options options;
	int error = read_options(config->options, &options);

	if (error ||
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
	pool->join_spin_ns = config->spin_ns < 0 ? JOIN_SPIN_NS : config->spin_ns;
	if (config->spin_ns < 0)
		pool->settings.config.spin_ns = SPIN_NS;
	pool->others = processors(pool->settings.config.workers) - 1;
	/* One for each other processor that a task may be on. */
	pool->spinners = pool->others > 1 ? (uint32_t)(pool->others + 1) / 2 : 1;
	pool->helps = !options.helps_not && queue_knows_parents();
	error = make_parts(pool, options.full_fences);
	if (error)
		goto free_settings;
	pthread_mutex_init(&pool->mutex, NULL);
	pthread_cond_init(&pool->left, NULL);
	if (!exit_remember(pool)) {
		free_pool(pool);
		return ASSAY_ENOMEM;
	}
	*executor = &pool->base;
	return ASSAY_OK;

free_settings:
	settings_free(&pool->settings);
free_pool:
	free(pool);
	return error;
}
