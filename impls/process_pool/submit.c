/* SPDX-License-Identifier: MIT */
/* Handing tasks to a pool. The labels are those of segment.h and pool.h. */
#include "pool.h"

#include <string.h>

/* Tasks that submit_many hands over at once. */
#define BATCH 64

static int refusal(struct pool *pool)
{
	return atomic_load_explicit(&pool->broken, memory_order_acquire) ? ASSAY_EBROKEN /* P3 */
									 : ASSAY_ESHUTDOWN;
}

static int check_open(struct pool *pool)
{
	if (settings_are_orphaned(&pool->settings))
		return ASSAY_EUNREACHABLE;
	return atomic_load_explicit(&pool->stopping, memory_order_acquire) ? refusal(pool) /* P3 */
									   : ASSAY_OK;
}

static bool is_bounded(const struct pool *pool)
{
	return pool->settings.config.queue_capacity != ASSAY_UNLIMITED;
}

/* Tasks accepted and not started; under submit_mutex. */
static uint64_t queued(struct pool *pool)
{
	/* relaxed: what a break ends makes no room, everybody is refused by then */
	uint64_t gone = atomic_load_explicit(&pool->broken_count, memory_order_relaxed) +
			atomic_load_explicit(&pool->cancelled, memory_order_seq_cst); /* K2 */

	for (int i = 0; i < pool->segment->workers; i++)
		gone += atomic_load_explicit(&pool->segment->lanes[i].started,
					     memory_order_seq_cst); /* K2 */
	return pool->submitted > gone ? pool->submitted - gone : 0;
}

/* Under submit_mutex, which it lets go of while it waits. ASSAY_EFULL: the caller runs the task, or
 * gives up. */
static int admit(struct pool *pool)
{
	struct control *control = pool->segment->control;

	while (is_bounded(pool) && queued(pool) >= pool->settings.config.queue_capacity) {
		uint32_t room =
			atomic_load_explicit(&control->room, memory_order_seq_cst); /* P3 K2 */
		bool full;
		int error;

		if (pool->settings.config.when_full != ASSAY_FULL_BLOCK || belongs(pool))
			return ASSAY_EFULL;
		atomic_fetch_add_explicit(&control->blocked, 1, memory_order_seq_cst); /* K2 */
		full = queued(pool) >= pool->settings.config.queue_capacity;
		pthread_mutex_unlock(&pool->submit_mutex);
		if (full && !atomic_load_explicit(&pool->stopping, memory_order_seq_cst)) /* P3 */
			shared_sleep(&control->room, room, ASSAY_FOREVER);
		pthread_mutex_lock(&pool->submit_mutex);
		atomic_fetch_sub_explicit(&control->blocked, 1, memory_order_seq_cst); /* K2 */
		error = check_open(pool);
		if (error)
			return error;
	}
	return ASSAY_OK;
}

/* A task with everything that can be had before the lock is taken. */
struct parcel {
	const struct assay_task *task;
	assay_function *function;
	struct future *future; /* NULL: nobody asks */
	uint32_t index;
	size_t extent;
};

/* Under submit_mutex: a slot for the parcel, and its argument's memory. */
static int allocate(struct pool *pool, struct parcel *parcel)
{
	parcel->index = slot_take(pool);
	if (parcel->index == UINT32_MAX)
		return ASSAY_ENOMEM;
	if (ring_ready(pool) && (parcel->task->argument_size <= SLOT_BYTES ||
				 arena_take(pool->segment, parcel->task->argument_size,
					    owner_of_argument(parcel->index), &parcel->extent)))
		return ASSAY_OK;
	pool->tickets[parcel->index].next = pool->free_list;
	pool->free_list = parcel->index + 1;
	return ASSAY_ENOMEM;
}

/* Whether nothing in the ring is pending: the last hint is that of the same slot, so its task was started, or
 * passed when it was cancelled; and that comes after all before it. relaxed: under submit_mutex */
static bool is_next(const struct pool *pool, uint32_t index)
{
	return index == atomic_load_explicit(&pool->newest, memory_order_relaxed);
}

/* Under submit_mutex. Nothing can fail any more; the ring is published by the caller. */
static void publish(struct pool *pool, const struct parcel *parcel)
{
	const struct assay_task *task = parcel->task;
	struct slot *slot = &pool->segment->slots[parcel->index];
	struct ticket *ticket = &pool->tickets[parcel->index];
	uint32_t generation = ticket->generation++;
	uint64_t hint = (uint64_t)generation << 32 | parcel->index;

	slot->function = parcel->function;
	slot->size = task->argument_size;
	slot->extent = parcel->extent;
	slot->place = (uint32_t)pool->ring_tail;
	if (task->argument_size <= SLOT_BYTES && task->argument_size)
		memcpy(slot->bytes, task->argument, task->argument_size);
	atomic_store_explicit(&ticket->future, parcel->future, memory_order_relaxed);
	atomic_store_explicit(&ticket->size, task->argument_size, memory_order_relaxed);
	atomic_store_explicit(&ticket->extent, parcel->extent, memory_order_relaxed);
	atomic_store_explicit(&ticket->owed, owed_of(generation), memory_order_relaxed);
	ticket->retries = pool->settings.config.retries;
	if (parcel->future)
		ticket_bind(parcel->future, hint, has_parked(pool));
	/* S1 would do for most: but not for a late worker, for one that looks here before it sees the hint,
	 * nor for a checker of this process, which does not see that the way to who collects leads
	 * through a worker. */
	atomic_store_explicit(&slot->word,
			      word_of_generation(generation) | SLOT_PENDING |
				      (is_next(pool, parcel->index) ? SLOT_NEXT : 0) |
				      (parcel->future ? 0 : SLOT_TELL),
			      memory_order_release); /* S2 */
	pool->submitted++;
	ring_put(pool, hint);
}

/* The copy of a long argument, which takes its time, is made without the lock. */
static int copy_long(struct pool *pool, struct parcel *parcel)
{
	int error;

	pthread_mutex_lock(&pool->submit_mutex);
	error = check_open(pool);
	if (!error)
		error = allocate(pool, parcel);
	pthread_mutex_unlock(&pool->submit_mutex);
	if (error)
		return error;
	memcpy(pool->segment->arena + parcel->extent, parcel->task->argument,
	       parcel->task->argument_size);
	arena_mark(pool->segment, parcel->extent, parcel->task->argument_size,
		   owner_of_argument(parcel->index)); /* again, for S4 */
	return ASSAY_OK;
}

static void undo_long(struct pool *pool, const struct parcel *parcel)
{
	arena_give(pool->segment, parcel->extent, parcel->task->argument_size);
	pool->tickets[parcel->index].next = pool->free_list;
	pool->free_list = parcel->index + 1;
}

static int prepare(struct pool *pool, const struct assay_task *task, bool has_client,
		   struct parcel *parcel)
{
	int error = settings_resolve(&pool->settings, task, &parcel->function);

	if (!error && task->function && !reach_check(pool, task->function))
		error = ASSAY_EUNSUPPORTED;
	if (error)
		return error;
	parcel->task = task;
	parcel->future = NULL;
	parcel->extent = 0;
	if (has_client) {
		parcel->future = future_create(&pool->base, NULL, NULL, 0, 2);
		if (!parcel->future)
			return ASSAY_ENOMEM;
		futures_created++;
	}
	if (task->argument_size > SLOT_BYTES)
		error = copy_long(pool, parcel);
	if (error && parcel->future)
		future_discard(parcel->future);
	return error;
}

/* Under submit_mutex. */
static int hand_over(struct pool *pool, struct parcel *parcel)
{
	bool is_long = parcel->task->argument_size > SLOT_BYTES;
	int error = check_open(pool);

	if (!error)
		error = admit(pool);
	if (!error && !is_long)
		error = allocate(pool, parcel);
	else if (!error && !ring_ready(pool))
		error = ASSAY_ENOMEM;
	if (!error)
		publish(pool, parcel);
	else if (is_long)
		undo_long(pool, parcel);
	if (error == ASSAY_ENOMEM)
		make_room(pool); /* the one that was woken for it leaves it to others */
	return error;
}

/* A task that its submitter runs, until it is settled. */
struct guest_task {
	struct visit visit;
	struct future *future;
	bool has_client;
	struct running running;
};

static void conclude_here(struct guest_task *task, struct future_outcome outcome)
{
	count(&task->visit.pool->other_finished);
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
	count(&task->visit.pool->failed);
	if (task->has_client)
		future_release(task->future);
	conclude_here(task, outcome);
}

/* ASSAY_FULL_CALLER_RUNS: the submitter is the worker, in the client's process. */
static int run_here(struct pool *pool, const struct parcel *parcel, assay_future **out)
{
	const struct assay_task *task = parcel->task;
	struct guest_task guest = {.has_client = out != NULL};
	struct future_outcome outcome;

	guest.future = future_create(&pool->base, parcel->function, task->argument,
				     task->argument_size, out ? 2 : 1);
	if (!guest.future)
		return ASSAY_ENOMEM;
	pthread_mutex_lock(&pool->mutex);
	if (atomic_load_explicit(&pool->stopping, memory_order_relaxed)) { /* under the mutex */
		pthread_mutex_unlock(&pool->mutex);
		future_discard(guest.future);
		return refusal(pool);
	}
	arrive(pool, &guest.visit);
	pthread_mutex_unlock(&pool->mutex);
	count(&pool->other_started);
	running_init(&guest.running, &future_call_ops, NULL);
	future_start(guest.future);
	pthread_cleanup_push(guest_ended, &guest);
	if (!future_call(guest.future, &pool->base, &guest.running, &outcome))
		count(&pool->failed);
	pthread_cleanup_pop(0);
	if (out)
		*out = &guest.future->base;
	conclude_here(&guest, outcome);
	return ASSAY_OK;
}

int pool_submit(assay_executor *executor, const struct assay_task *task, assay_future **out)
{
	struct pool *pool = pool_of(executor);
	struct parcel parcel;
	int error = check_open(pool);

	if (!error)
		error = prepare(pool, task, out != NULL, &parcel);
	if (error)
		return error;
	pthread_mutex_lock(&pool->submit_mutex);
	error = hand_over(pool, &parcel);
	ring_publish(pool);
	pthread_mutex_unlock(&pool->submit_mutex);
	if (error) {
		if (parcel.future)
			future_discard(parcel.future);
		if (error == ASSAY_EFULL &&
		    pool->settings.config.when_full == ASSAY_FULL_CALLER_RUNS)
			return run_here(pool, &parcel, out);
		return error;
	}
	if (out)
		*out = &parcel.future->base;
	rouse(pool, 1);
	return ASSAY_OK;
}

/* Hands over what was prepared, under one lock; how many were. *error says why no more. */
static size_t hand_over_all(struct pool *pool, struct parcel *parcels, size_t count, int *error)
{
	size_t done;

	pthread_mutex_lock(&pool->submit_mutex);
	for (done = 0; done < count; done++) {
		int refused = hand_over(pool, &parcels[done]);

		if (refused) {
			*error = refused;
			break;
		}
	}
	ring_publish(pool);
	for (size_t i = done + 1; i < count; i++)
		if (parcels[i].task->argument_size > SLOT_BYTES)
			undo_long(pool, &parcels[i]);
	pthread_mutex_unlock(&pool->submit_mutex);
	return done;
}

int pool_submit_many(assay_executor *executor, const struct assay_task *tasks, size_t count,
		     assay_future **futures, size_t *accepted)
{
	struct pool *pool = pool_of(executor);
	struct parcel parcels[BATCH];
	int error = check_open(pool);

	if (is_bounded(pool)) /* each may have to wait */
		return assay_default_submit_many(executor, tasks, count, futures, accepted);
	while (!error && *accepted < count) {
		size_t ready = 0, done;

		while (ready < BATCH && *accepted + ready < count && !error) {
			error = prepare(pool, &tasks[*accepted + ready], futures != NULL,
					&parcels[ready]);
			ready += !error;
		}
		done = hand_over_all(pool, parcels, ready, &error);
		for (size_t i = 0; futures && i < ready; i++)
			if (i < done)
				futures[*accepted + i] = &parcels[i].future->base;
			else
				future_discard(parcels[i].future);
		*accepted += done;
		rouse(pool, done);
	}
	return error;
}
