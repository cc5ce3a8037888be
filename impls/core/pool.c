/* SPDX-License-Identifier: MIT */
/* What clients see of a pool: submit, shut down, count. The labels are those of worker.h. */
#include "pool.h"

#include "exit.h"
#include "fork.h"
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
		room = atomic_load_explicit(&pool->room, memory_order_acquire);     /* P2 */
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
	if (future_end(task->future, outcome)) {
		future_notify(task->future);
		future_release(task->future);
	}
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
	arrive(pool, &task.visit, NULL);
	pthread_mutex_unlock(&pool->mutex);
	future_start(future);
	count_shared(&pool->caller_started);
	task.running.call.ops = &future_call_ops;
	pthread_cleanup_push(guest_ended, &task);
	if (!future_call(future, &pool->base, &task.running, &outcome))
		count_shared(&pool->caller_failed);
	pthread_cleanup_pop(0);
	if (out)
		*out = &future->base;
	conclude_here(&task, outcome);
	return ASSAY_OK;
}

/* What every submit looks at first. */
static inline int check_open(struct pool *pool)
{
	if (settings_are_orphaned(&pool->settings))
		return ASSAY_EUNREACHABLE;
	return atomic_load_explicit(&pool->stopping, memory_order_acquire) ? refusal(pool) /* P2 */
									   : ASSAY_OK;
}

/* A future for the task, or the error. */
static inline int prepare(struct pool *pool, const struct assay_task *task, uint32_t references,
			  struct future **future)
{
	assay_function *function;
	int error = settings_resolve(&pool->settings, task, &function);

	if (error)
		return error;
	*future = future_create(&pool->base, function, task->argument, task->argument_size,
				references);
	return *future ? ASSAY_OK : ASSAY_ENOMEM;
}

/* Hands tasks to the queue and finds them workers; on error they are still the caller's. */
static inline int enqueue(struct pool *pool, struct future *const *futures, size_t count)
{
	/* relaxed: a hint, looked at again under the mutex, and by rouse() after the push */
	int error = atomic_load_explicit(&pool->alive, memory_order_relaxed) ? ASSAY_OK
									     : ensure_worker(pool);

	if (!error)
		error = queue_push(pool->queue, worker_index(pool), futures, count);
	if (!error || error == ASSAY_ENOMEM) /* a push that failed may have moved others */
		rouse(pool);
	return error == ASSAY_ESHUTDOWN ? refusal(pool) : error;
}

/* First there must be room, or a caller that runs the task: before that nothing is copied. */
PORT_RARE static int submit_bounded(struct pool *pool, const struct assay_task *task,
				    assay_future **out)
{
	struct future *future;
	bool full;
	int error = admit(pool);

	full = error == ASSAY_EFULL && pool->settings.config.when_full == ASSAY_FULL_CALLER_RUNS;
	if (error && !full)
		return error;
	error = prepare(pool, task, out ? 2 : 1, &future);
	if (!error && full)
		return run_here(pool, future, out);
	if (!error) {
		error = enqueue(pool, &future, 1);
		if (error)
			future_discard(future);
	}
	if (error && !full)
		make_room(pool);
	if (!error && out)
		*out = &future->base;
	return error;
}

static int submit(assay_executor *executor, const struct assay_task *task, assay_future **out)
{
	struct pool *pool = pool_of(executor);
	struct future *future;
	int error = check_open(pool);

	if (error)
		return error;
	if (is_bounded(pool))
		return submit_bounded(pool, task, out);
	error = prepare(pool, task, out ? 2 : 1, &future);
	if (error)
		return error;
	error = enqueue(pool, &future, 1);
	if (error)
		future_discard(future);
	else if (out)
		*out = &future->base;
	return error;
}

/* Creates up to BATCH futures. Returns how many; *error says why no more. */
static size_t prepare_batch(struct pool *pool, const struct assay_task *tasks, size_t most,
			    uint32_t references, struct future **batch, int *error)
{
	size_t count;

	for (count = 0; count < BATCH && count < most; count++) {
		*error = prepare(pool, &tasks[count], references, &batch[count]);
		if (*error)
			break;
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

		int refused = size ? enqueue(pool, batch, size) : ASSAY_OK;

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

	pthread_mutex_lock(&pool->mutex);
	arrive(pool, &visit, cancel_awaited);
	pthread_mutex_unlock(&pool->mutex);
	await_taken(pool); /* workers have moved what they were moving: now all of it is found */
	while ((future = queue_pop(pool->queue, WORKER_NONE, NULL))) {
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

	/* Entries of futures that were run by who waited for them. */
	while ((left = queue_pop(pool->queue, WORKER_NONE, NULL)))
		future_release_entry(left);
	queue_destroy(pool->queue);
	park_free(&pool->park);
	for (int i = 0; i < pool->settings.config.workers; i++)
		free(atomic_load_explicit(&pool->workers[i].forks, memory_order_relaxed));
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
	.submit = submit,
	.submit_many = submit_many,
	.shutdown = shutdown,
	.destroy = destroy,
	.statistics = statistics,
};

/* "fences=full": without membarrier(2), for who does not trust it, and for tests. */
static int read_options(const char *options, bool *full_fences)
{
	*full_fences = options && strcmp(options, "fences=full") == 0;
	return !options || !*options || *full_fences ? ASSAY_OK : ASSAY_EINVAL;
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
			.spin_ns = pool->settings.config.spin_ns,
			.random = 2654435769u * (uint32_t)(i + 1),
		};
	return ASSAY_OK;
}

/* How many workers may spin: one for each other processor that a task may be on. */
static uint32_t spinners(int workers)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (processors > workers)
		processors = workers;
	return processors > 2 ? (uint32_t)processors / 2 : 1;
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
	bool full_fences;
	int error = read_options(config->options, &full_fences);

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
	if (pool->settings.config.spin_ns < 0)
		pool->settings.config.spin_ns = SPIN_NS;
	pool->spinners = spinners(pool->settings.config.workers);
	error = make_parts(pool, full_fences);
	if (error)
		goto free_settings;
	pthread_mutex_init(&pool->mutex, NULL);
	pthread_cond_init(&pool->left, NULL);
	exit_remember(pool);
	*executor = &pool->base;
	return ASSAY_OK;

free_settings:
	settings_free(&pool->settings);
free_pool:
	free(pool);
	return error;
}
