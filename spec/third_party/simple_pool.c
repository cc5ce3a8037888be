/* SPDX-License-Identifier: MIT */
/* The smallest useful executor of a stranger: threads that take tasks from one list. */
#define _GNU_SOURCE /* sched_getaffinity */
#include <assay/simple_future.h>

#include <sched.h>
#include <unistd.h>

struct pool {
	assay_executor base; /* first: the table gets its address */
	pthread_mutex_t mutex;
	/* There is a task, or the pool stops, or nobody is busy any more. A signal for a task
	 * reaches a worker: nobody else waits before the pool stops, and then no task comes. */
	pthread_cond_t changed;
	/* Under mutex. */
	struct assay_simple_future *first, **end;
	bool stopping;
	int busy; /* workers that have not left, and shutdowns that are cancelling */
	/* Under joining: what a thread runs when it ends may need the other one. */
	pthread_mutex_t joining;
	int threads;   /* to be joined */
	int size;      /* workers, always; not under mutex, as it does not change */
	pid_t process; /* a forked child has the pool's memory, but not its threads */
	pthread_t workers[];
};

/* The pool that the calling thread is busy in: it cannot wait there until nobody is. */
static _Thread_local struct pool *own;

/* A task, or NULL if there is none: with `wait`, only once the pool stops. */
static struct assay_simple_future *take(struct pool *pool, bool wait)
{
	struct assay_simple_future *future;

	pthread_mutex_lock(&pool->mutex);
	while (wait && !pool->first && !pool->stopping)
		pthread_cond_wait(&pool->changed, &pool->mutex);
	future = pool->first;
	if (future) {
		pool->first = future->next;
		if (!pool->first)
			pool->end = &pool->first;
	}
	pthread_mutex_unlock(&pool->mutex);
	return future;
}

static void leave(struct pool *pool)
{
	pthread_mutex_lock(&pool->mutex);
	if (--pool->busy == 0)
		pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->mutex);
}

static void *work(void *user)
{
	struct pool *pool = user;
	struct assay_simple_future *future;

	own = pool;
	while ((future = take(pool, true)))
		assay_simple_run(future);
	leave(pool);
	return NULL;
}

static int submit(assay_executor *executor, const struct assay_task *task, assay_future **out)
{
	struct pool *pool = (struct pool *)executor;
	struct assay_simple_future *future;
	bool accepted;
	int error;

	if (getpid() != pool->process)
		return ASSAY_EUNREACHABLE;
	if (!task->function)
		return ASSAY_EUNKNOWN; /* no name can be registered: create refuses them */
	error = assay_simple_create(executor, task->function, task, out ? 2 : 1, &future);
	if (error)
		return error;
	pthread_mutex_lock(&pool->mutex);
	accepted = !pool->stopping;
	if (accepted) {
		*pool->end = future;
		pool->end = &future->next;
		if (out) /* before a worker may see it: afterwards it may be gone */
			*out = &future->base;
		pthread_cond_signal(&pool->changed);
	}
	pthread_mutex_unlock(&pool->mutex);
	if (!accepted)
		assay_simple_discard(future);
	return accepted ? ASSAY_OK : ASSAY_ESHUTDOWN;
}

/* A task that was taken here is not done yet: who waits for the pool waits for this, too. */
static void cancel_pending(struct pool *pool)
{
	struct pool *outer = own;
	struct assay_simple_future *future;

	pthread_mutex_lock(&pool->mutex);
	pool->busy++;
	pthread_mutex_unlock(&pool->mutex);
	own = pool;
	while ((future = take(pool, false)))
		assay_simple_cancel(future);
	own = outer;
	leave(pool);
}

static int shutdown(assay_executor *executor, unsigned flags)
{
	struct pool *pool = (struct pool *)executor;

	if (flags & (ASSAY_SHUTDOWN_TERMINATE | ASSAY_SHUTDOWN_KILL))
		return ASSAY_EUNSUPPORTED;
	if (getpid() != pool->process)
		return ASSAY_OK;
	pthread_mutex_lock(&pool->mutex);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->mutex);
	if (flags & ASSAY_SHUTDOWN_CANCEL_PENDING)
		cancel_pending(pool);
	if (!(flags & ASSAY_SHUTDOWN_WAIT))
		return ASSAY_OK;
	if (own == pool)
		return ASSAY_EDEADLOCK;
	pthread_mutex_lock(&pool->mutex);
	while (pool->busy)
		pthread_cond_wait(&pool->changed, &pool->mutex);
	pthread_mutex_unlock(&pool->mutex);
	pthread_mutex_lock(&pool->joining);
	while (pool->threads)
		pthread_join(pool->workers[--pool->threads], NULL);
	pthread_mutex_unlock(&pool->joining);
	return ASSAY_OK;
}

static int destroy(assay_executor *executor)
{
	struct pool *pool = (struct pool *)executor;
	int error = shutdown(executor, ASSAY_SHUTDOWN_WAIT);

	if (error || getpid() != pool->process)
		return error;
	pthread_mutex_destroy(&pool->joining);
	pthread_cond_destroy(&pool->changed);
	pthread_mutex_destroy(&pool->mutex);
	free(pool);
	return ASSAY_OK;
}

static void statistics(assay_executor *executor, struct assay_statistics *out, size_t size)
{
	struct assay_statistics now;

	memset(&now, 0xff, sizeof now); /* UINT64_MAX: it does not count */
	now.workers = (uint64_t)((struct pool *)executor)->size;
	memcpy(out, &now, size < sizeof now ? size : sizeof now);
}

static const struct assay_executor_ops ops = {
	.backend = &assay_backend,
	.submit = submit,
	.submit_many = assay_default_submit_many,
	.shutdown = shutdown,
	.destroy = destroy,
	.statistics = statistics,
};

/* As many as the processors that it may use and four more, since tasks wait, too; at most 32. */
static int default_workers(void)
{
	cpu_set_t usable;
	int processors = sched_getaffinity(0, sizeof usable, &usable) ? 1 : CPU_COUNT(&usable);

	return processors < 28 ? processors + 4 : 32;
}

static int create(const struct assay_config *config, assay_executor **out)
{
	int workers = config->workers;
	int error = assay_simple_check_config(config, assay_backend.capabilities);
	struct pool *pool;

	if (error)
		return error;
	if (workers == ASSAY_WORKERS_AUTO)
		workers = default_workers();
	pool = calloc(1, sizeof *pool + (size_t)workers * sizeof *pool->workers);
	if (!pool)
		return ASSAY_ENOMEM;
	pool->base.ops = &ops;
	pool->end = &pool->first;
	pool->size = workers;
	pool->process = getpid();
	pthread_mutex_init(&pool->mutex, NULL);
	pthread_cond_init(&pool->changed, NULL);
	pthread_mutex_init(&pool->joining, NULL);
	pthread_mutex_lock(&pool->mutex); /* no worker leaves before `busy` is right */
	while (pool->threads < workers &&
	       !pthread_create(&pool->workers[pool->threads], NULL, work, pool))
		pool->busy = ++pool->threads;
	pthread_mutex_unlock(&pool->mutex);
	if (pool->threads < workers) {
		destroy(&pool->base);
		return ASSAY_ERESOURCE;
	}
	*out = &pool->base;
	return ASSAY_OK;
}

const struct assay_backend assay_backend = {
	.abi = ASSAY_ABI,
	.capabilities = ASSAY_CAP_SHARED_MEMORY | ASSAY_CAP_SHARED_MAPPINGS |
			ASSAY_CAP_FUNCTION_POINTERS | ASSAY_CAP_ASYNCHRONOUS |
			ASSAY_CAP_CONCURRENT | ASSAY_CAP_WORKER_LIMIT | ASSAY_CAP_EXACT_START |
			ASSAY_CAP_FIFO | ASSAY_CAP_SUBMITTER_FIFO | ASSAY_CAP_WORKER_REUSE |
			ASSAY_CAP_NESTED_SUBMIT | ASSAY_CAP_OWNS_WORKERS,
	.name = "simple_pool",
	.summary = "threads fed from one list, the smallest that is useful",
	.argument_limit = (size_t)1 << 30,
	.result_limit = (size_t)1 << 30,
	.create = create,
	.extension = assay_default_extension,
};
