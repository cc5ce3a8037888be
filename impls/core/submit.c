/* SPDX-License-Identifier: MIT */
/* How a task gets into a pool. The labels are those of worker.h. */
#include "worker.h"

/* Tasks that submit_many hands to the queue at once. */
#define BATCH 256

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

int pool_submit(assay_executor *executor, const struct assay_task *task, assay_future **out)
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

int pool_submit_many(assay_executor *executor, const struct assay_task *tasks, size_t count,
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
