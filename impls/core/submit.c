/* SPDX-License-Identifier: MIT */
/* How a task gets into a pool. The labels are those of worker.h. */
#include "slab.h"
#include "worker.h"

/* Tasks that submit_many hands to the queue at once. */
#define BATCH 256

/* Takes the room that there is in a bounded queue, for up to so many tasks. */
static size_t take_room(struct pool *pool, size_t most)
{
	size_t capacity = pool->settings.config.queue_capacity;
	size_t queued = atomic_load_explicit(&pool->queued, memory_order_relaxed); /* see P4 */

	while (queued < capacity) {
		size_t room = most < capacity - queued ? most : capacity - queued;

		if (atomic_compare_exchange_weak_explicit(&pool->queued, &queued, queued + room,
							  memory_order_acquire, /* P3 */
							  memory_order_relaxed))
			return room;
	}
	return 0;
}

/* Room for one task in a bounded queue. ASSAY_EFULL: the caller runs it, or gives up. */
static int admit(struct pool *pool)
{
	size_t capacity = pool->settings.config.queue_capacity;

	for (;;) {
		uint32_t room;
		size_t queued;

		if (take_room(pool, 1))
			return ASSAY_OK;
		if (pool->settings.config.when_full != ASSAY_FULL_BLOCK || belongs(pool))
			return ASSAY_EFULL;
		runner_waits();
		room = atomic_load_explicit(&pool->room, memory_order_acquire);     /* P2 */
		atomic_fetch_add_explicit(&pool->blocked, 1, memory_order_seq_cst); /* P4 */
		queued = atomic_load_explicit(&pool->queued, memory_order_seq_cst); /* P4 */
		if (queued >= capacity &&
		    !atomic_load_explicit(&pool->stopping, memory_order_seq_cst)) /* P2 */
			port_sleep(&pool->room, room, ASSAY_FOREVER);
		/* relaxed: one too many is woken for nothing */
		atomic_fetch_sub_explicit(&pool->blocked, 1, memory_order_relaxed);
		if (atomic_load_explicit(&pool->stopping, memory_order_acquire)) /* P2 */
			return refusal(pool);
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
	future_end(task->future, outcome); /* nobody observes what its client has not got yet */
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

	runner_waits(); /* on a worker's stack the task below does */
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
	running_init(&task.running, &future_call_ops, NULL);
	pthread_cleanup_push(guest_ended, &task);
	if (!future_call(future, &pool->base, &task.running, &outcome))
		count_shared(&pool->caller_failed);
	pthread_cleanup_pop(0);
	if (out)
		*out = &future->base;
	conclude_here(&task, outcome);
	return ASSAY_OK;
}

/* What a submit looks at first. */
static inline int check_open(struct pool *pool)
{
	if (settings_are_orphaned(&pool->settings))
		return ASSAY_EUNREACHABLE;
	return atomic_load_explicit(&pool->stopping, memory_order_acquire) ? refusal(pool) /* P2 */
									   : ASSAY_OK;
}

static inline int create(struct pool *pool, const struct assay_task *task, assay_function *function,
			 uint32_t references, struct future **future)
{
	*future = future_create(&pool->base, function, task->argument, task->argument_size,
				references);
	return *future ? ASSAY_OK : ASSAY_ENOMEM;
}

/* A future for the task, or the error. */
static inline int prepare(struct pool *pool, const struct assay_task *task, uint32_t references,
			  struct future **future)
{
	assay_function *function;
	int error = settings_resolve(&pool->settings, task, &function);

	return error ? error : create(pool, task, function, references, future);
}

/* Before tasks are handed to the queue. relaxed: a hint, looked at again under the mutex, and by is_noticed()
 * after the push */
static inline int ensure_crew(struct pool *pool)
{
	return atomic_load_explicit(&pool->alive, memory_order_relaxed) ? ASSAY_OK
									: ensure_worker(pool);
}

/* After that, which said `error`: finds them workers. */
static inline int follow_up(struct pool *pool, int error)
{
	if (!error || error == ASSAY_ENOMEM) /* a push that failed may have moved others */
		rouse(pool);
	return error == ASSAY_ESHUTDOWN ? refusal(pool) : error;
}

/* Hands tasks to the queue and finds them workers; on error they are still the caller's. */
static int enqueue(struct pool *pool, struct future *const *futures, size_t count, bool have_client)
{
	struct own *own = worker_own(pool);
	int error = ensure_crew(pool);

	if (!own && have_client)
		futures_created += count;
	return error ? error : follow_up(pool, queue_push_many(pool->queue, own, futures, count));
}

/* A task that is wrong takes no room: another's would be refused meanwhile. Then there must be room, or
 * a caller that runs the task: before that nothing is copied. */
PORT_RARE static int submit_bounded(struct pool *pool, const struct assay_task *task,
				    assay_future **out)
{
	assay_function *function;
	struct future *future;
	bool full;
	int error = settings_resolve(&pool->settings, task, &function);

	if (error)
		return error;
	error = admit(pool);
	full = error == ASSAY_EFULL && pool->settings.config.when_full == ASSAY_FULL_CALLER_RUNS;
	if (error && !full)
		return error;
	error = create(pool, task, function, out ? 2 : 1, &future);
	if (!error && full)
		return run_here(pool, future, out);
	if (!error) {
		error = enqueue(pool, &future, 1, out != NULL);
		if (error)
			future_discard(future);
	}
	if (error && !full)
		make_room(pool);
	if (!error && out)
		*out = &future->base;
	return error;
}

/* A task that has its future. */
PORT_OUTLINE static int push_with_care(struct pool *pool, struct future *future, assay_future **out)
{
	int error = enqueue(pool, &future, 1, out != NULL);

	if (error)
		future_discard(future);
	else if (out)
		*out = &future->base;
	return error;
}

/* Nothing is to be looked up or waited for, and nobody started. A queue that is closed refuses it all the same. */
static inline bool is_usual(const struct pool *pool, const struct assay_task *task)
{
	/* relaxed: as in ensure_crew() */
	return task->function && task->argument_size <= assay_backend.argument_limit &&
	       !is_bounded(pool) && !settings_are_orphaned(&pool->settings) &&
	       atomic_load_explicit(&pool->alive, memory_order_relaxed);
}

/* Whatever there is about a pool or a task. */
PORT_OUTLINE static int submit_with_care(struct pool *pool, const struct assay_task *task,
					 assay_future **out)
{
	struct future *future;
	int error = check_open(pool);

	if (error)
		return error;
	if (is_bounded(pool))
		return submit_bounded(pool, task, out);
	error = prepare(pool, task, out ? 2 : 1, &future);
	return error ? error : push_with_care(pool, future, out);
}

PORT_OUTLINE static int rouse_with_care(struct pool *pool)
{
	rouse(pool);
	return ASSAY_OK;
}

/* What is usual is done in place, and a call is the last thing that is done: where the queue makes none it needs
 * no frame, which would be written and read for each task. */
int pool_submit(assay_executor *executor, const struct assay_task *task, assay_future **out)
{
	struct pool *pool = pool_of(executor);
	struct own *own = worker_own(pool);
	struct future *future;
	uint64_t counts;

	if (!is_usual(pool, task))
		return submit_with_care(pool, task, out);
	future = future_try_create(executor, task->function, task->argument, task->argument_size,
				   out ? 2 : 1);
	if (!future)
		return submit_with_care(pool, task, out);
	if (!queue_try_push(pool->queue, own, future))
		return push_with_care(pool, future, out);
	if (out)
		*out = &future->base;
	if (out && !own)
		futures_created++;
	/* P5 has the same fence */
	return park_try_look(&pool->park, &counts) && is_noticed(pool, counts)
		       ? ASSAY_OK
		       : rouse_with_care(pool);
}

/* Creates futures for all, or until *error. Returns how many. */
static size_t prepare_batch(struct pool *pool, const struct assay_task *tasks, size_t count,
			    uint32_t references, struct future **batch, int *error)
{
	size_t prepared;

	for (prepared = 0; prepared < count; prepared++) {
		slab_fetch_ahead();
		*error = prepare(pool, &tasks[prepared], references, &batch[prepared]);
		if (*error)
			break;
	}
	return prepared;
}

/* Up to BATCH tasks, for which there is room. Returns how many were accepted; *error says why no
 * more. */
static size_t submit_batch(struct pool *pool, const struct assay_task *tasks, size_t count,
			   assay_future **futures, int *error)
{
	struct future *batch[BATCH];
	size_t prepared = prepare_batch(pool, tasks, count, futures ? 2 : 1, batch, error);
	int refused = prepared ? enqueue(pool, batch, prepared, futures != NULL) : ASSAY_OK;
	size_t accepted = refused ? 0 : prepared;

	if (refused)
		*error = refused;
	while (prepared > accepted)
		future_discard(batch[--prepared]);
	for (size_t i = 0; futures && i < accepted; i++)
		futures[i] = &batch[i]->base;
	return accepted;
}

/* How many of the first tasks are not wrong. */
static size_t count_good(struct pool *pool, const struct assay_task *tasks, size_t count)
{
	assay_function *function;
	size_t good = 0;

	while (good < count && !settings_resolve(&pool->settings, &tasks[good], &function))
		good++;
	return good;
}

/* Room is taken for as many as there is, but not for a task that is wrong. */
static int submit_many_bounded(struct pool *pool, const struct assay_task *tasks, size_t count,
			       assay_future **futures, size_t *accepted)
{
	size_t good = 0; /* that come next, as far as was looked */
	int error = ASSAY_OK;

	while (!error && *accepted < count) {
		const struct assay_task *next = tasks + *accepted;
		assay_future **out = futures ? futures + *accepted : NULL;
		size_t ahead = count - *accepted < BATCH ? count - *accepted : BATCH;
		size_t room, submitted;

		if (!good)
			good = count_good(pool, next, ahead);
		room = take_room(pool, good);
		if (room) {
			submitted = submit_batch(pool, next, room, out, &error);
			for (size_t i = submitted; i < room; i++)
				make_room(pool);
		} else { /* one waits for room, is run here, or is refused */
			error = submit_bounded(pool, next, out);
			submitted = error ? 0 : 1;
		}
		*accepted += submitted;
		good -= submitted; /* without any that is good there was none */
	}
	return error;
}

int pool_submit_many(assay_executor *executor, const struct assay_task *tasks, size_t count,
		     assay_future **futures, size_t *accepted)
{
	struct pool *pool = pool_of(executor);
	int error = check_open(pool);

	if (!error && is_bounded(pool))
		return submit_many_bounded(pool, tasks, count, futures, accepted);
	while (!error && *accepted < count) {
		size_t size = count - *accepted < BATCH ? count - *accepted : BATCH;

		*accepted += submit_batch(pool, tasks + *accepted, size,
					  futures ? futures + *accepted : NULL, &error);
	}
	return error;
}
