/* SPDX-License-Identifier: MIT */
/* Ending a pool: by its client, by the end of the program, and in a forked child. The labels are
 * those of segment.h and pool.h. */
#include "pool.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Every pool there is, and those that may be used again. */
static pthread_mutex_t register_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t unpinned = PTHREAD_COND_INITIALIZER;
static struct pool *pools;
static struct pool *unused;
static struct pool *inherited; /* in a child: those of its parent */

static _Thread_local struct visit *visits; /* of this thread, innermost first */

void attach(struct pool *pool, struct visit *visit)
{
	*visit = (struct visit){pool, visits};
	visits = visit;
}

void arrive(struct pool *pool, struct visit *visit)
{
	attach(pool, visit);
	pool->guests++;
}

void depart(struct visit *visit)
{
	struct pool *pool = visit->pool;

	visits = visit->outer;
	if (settings_are_orphaned(&pool->settings))
		return; /* in a child that a callback forked */
	pthread_mutex_lock(&pool->mutex);
	pool->guests--;
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->mutex);
}

bool belongs(const struct pool *pool)
{
	for (const struct visit *visit = visits; visit; visit = visit->outer)
		if (visit->pool == pool)
			return true;
	return false;
}

void stop(struct pool *pool)
{
	struct control *control = pool->segment->control;

	pthread_mutex_lock(&pool->submit_mutex);
	atomic_store_explicit(&pool->stopping, true, memory_order_seq_cst); /* P3 */
	pthread_mutex_unlock(&pool->submit_mutex);
	atomic_fetch_or_explicit(&control->stopping, CONTROL_STOPPING,
				 memory_order_seq_cst); /* K1 S7 */
	rouse_to_leave(pool);
	atomic_fetch_add_explicit(&control->room, 1, memory_order_seq_cst); /* P3 */
	shared_wake(&control->room, INT_MAX);
}

/* Under the mutex: workers take nothing more, and are sent the signal. */
static void terminate(struct pool *pool, int signal)
{
	pool->terminating = true;
	if (!pool->zygote_alive)
		return;
	atomic_fetch_or_explicit(&pool->segment->control->stopping, CONTROL_TERMINATING,
				 memory_order_seq_cst); /* W5 */
	for (int i = 0; i < pool->segment->workers; i++) {
		_Atomic int32_t *mailbox = &pool->segment->lanes[i].signal;

		/* SIGKILL is not taken back. relaxed: under the mutex */
		if (signal == SIGKILL ||
		    atomic_load_explicit(mailbox, memory_order_relaxed) != SIGKILL)
			atomic_store_explicit(mailbox, signal, memory_order_release); /* W5 */
	}
	zygote_nudge(&pool->zygote);
}

/* Cancels what has not started, in the order of submission. Callbacks run here. */
static void drain(struct pool *pool)
{
	uint64_t at, tail;

	ring_rest(pool, &at, &tail);
	for (; at < tail && !settings_are_orphaned(&pool->settings); at++)
		ticket_cancel(pool, ring_entry(pool->segment, at));
}

/* Of a stopped pool: cancels what is pending, and before that sends the signal, if there is one. */
static void cut_short(struct pool *pool, int signal)
{
	struct visit visit;

	pthread_mutex_lock(&pool->mutex);
	if (pool->ended) {
		pthread_mutex_unlock(&pool->mutex);
		return;
	}
	arrive(pool,
	       &visit); /* before the workers die: what is pending is to be cancelled, not lost */
	if (signal)
		terminate(pool, signal);
	pthread_mutex_unlock(&pool->mutex);
	drain(pool);
	depart(&visit);
}

/* Until everything has ended and the threads are gone. */
static void join(struct pool *pool)
{
	int cancellable;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellable);
	pthread_mutex_lock(&pool->mutex);
	if (!pool->joining) { /* which ends when everything has */
		pool->joining = true;
		pthread_mutex_unlock(&pool->mutex);
		pthread_join(pool->guardian, NULL);
		pthread_mutex_lock(&pool->mutex);
		pool->joined = true;
		pthread_cond_broadcast(&pool->changed);
	}
	while (!pool->joined || pool->guests)
		pthread_cond_wait(&pool->changed, &pool->mutex);
	pthread_mutex_unlock(&pool->mutex);
	pthread_setcancelstate(cancellable, NULL);
}

int pool_shutdown(assay_executor *executor, unsigned flags)
{
	struct pool *pool = pool_of(executor);
	int signal = flags & ASSAY_SHUTDOWN_KILL        ? SIGKILL
		     : flags & ASSAY_SHUTDOWN_TERMINATE ? SIGTERM
							: 0;

	if (settings_are_orphaned(&pool->settings))
		return ASSAY_OK;
	stop(pool);
	if (signal || flags & ASSAY_SHUTDOWN_CANCEL_PENDING)
		cut_short(pool, signal);
	if (!(flags & ASSAY_SHUTDOWN_WAIT) || settings_are_orphaned(&pool->settings))
		return ASSAY_OK;
	if (belongs(pool))
		return ASSAY_EDEADLOCK;
	join(pool);
	return ASSAY_OK;
}

/*
 * The segment goes with the executor and the last who looks at it
 */

static void take_down(struct pool *pool)
{
	uint64_t closed = VISITORS_CLOSED;

	if (!atomic_compare_exchange_strong_explicit(&pool->visitors, &closed,
						     VISITORS_CLOSED | VISITORS_GONE,
						     memory_order_acq_rel, /* P1 */
						     memory_order_relaxed))
		return;
	munmap(pool->tickets, pool->segment->slot_count * sizeof *pool->tickets);
	segment_retire(pool->segment);
	segment_release(pool->segment);
	pool_unused(pool);
}

void visit_end(struct pool *pool)
{
	if (atomic_fetch_sub_explicit(&pool->visitors, 1, memory_order_acq_rel) ==
	    VISITORS_CLOSED + 1) /* P1 */
		take_down(pool);
}

static void forget(struct pool *pool)
{
	struct pool **link = &pools;

	pthread_mutex_lock(&register_mutex);
	while (pool->pins)
		pthread_cond_wait(&unpinned, &register_mutex);
	while (*link != pool)
		link = &(*link)->next;
	*link = pool->next;
	pthread_mutex_unlock(&register_mutex);
}

int pool_destroy(assay_executor *executor)
{
	struct pool *pool = pool_of(executor);
	int error = pool_shutdown(executor, ASSAY_SHUTDOWN_WAIT);
	int cancellable;

	if (error || settings_are_orphaned(&pool->settings))
		return error; /* what a fork left behind stays as it is */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellable);
	forget(pool);
	settings_free(&pool->settings);
	reach_free(pool);
	if (atomic_fetch_or_explicit(&pool->visitors, VISITORS_CLOSED, memory_order_acq_rel) ==
	    0) /* P1 */
		take_down(pool);
	pthread_setcancelstate(cancellable, NULL);
	return ASSAY_OK;
}

/*
 * The register
 */

/* SHD-14: what was accepted runs before the program is gone. */
static void at_exit(void)
{
	struct pool *pool;

	pthread_mutex_lock(&register_mutex);
	for (pool = pools; pool; pool = pools) {
		while (pool && pool->at_exit)
			pool = pool->next;
		if (!pool)
			break;
		pool->at_exit = true;
		pool->pins++;
		pthread_mutex_unlock(&register_mutex);
		pool_shutdown(&pool->base, ASSAY_SHUTDOWN_WAIT);
		pthread_mutex_lock(&register_mutex);
		pool->pins--;
		pthread_cond_broadcast(&unpinned);
	}
	pthread_mutex_unlock(&register_mutex);
}

static _Thread_local bool is_helpers; /* the fork that this thread makes */
static _Atomic uint32_t forks;
static _Atomic uint32_t helpers;

uint32_t client_forks(void)
{
	return atomic_load_explicit(&forks, memory_order_seq_cst); /* P6 */
}

uint32_t helper_forks(void)
{
	/* relaxed: one forked between this look and the unmapping has the memory anyhow */
	return atomic_load_explicit(&helpers, memory_order_relaxed);
}

void fork_for_helper(bool begin)
{
	if (begin) /* relaxed: see helper_forks() */
		atomic_fetch_add_explicit(&helpers, 1, memory_order_relaxed);
	is_helpers = begin;
}

static void lock_register(void)
{
	pthread_mutex_lock(&register_mutex);
	if (!is_helpers)
		atomic_fetch_add_explicit(&forks, 1, memory_order_seq_cst); /* P6 */
}

static void unlock_register(void)
{
	if (!is_helpers)
		atomic_fetch_add_explicit(&forks, 1, memory_order_seq_cst); /* P6 */
	pthread_mutex_unlock(&register_mutex);
}

/* The parent's pools are not the child's to finish. */
static void lose_pools(void)
{
	if (pools)
		inherited = pools;
	pools = NULL;
	unpinned = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
	unlock_register();
}

void pools_unmap_others(void)
{
	for (struct pool *pool = inherited; pool; pool = pool->next)
		segment_unmap(pool->segment);
	inherited = NULL;
}

PORT_AT_LOAD static void watch_forks(void)
{
	pthread_atfork(lock_register, unlock_register, lose_pools);
}

struct pool *pool_new(void)
{
	static _Atomic bool is_watched;
	struct pool *pool;

	/* Not under the mutex, which fork takes: it allocates. */
	if (!port_watch_exit(&is_watched, at_exit))
		return NULL;
	pthread_mutex_lock(&register_mutex);
	pool = unused;
	if (pool)
		unused = pool->next;
	pthread_mutex_unlock(&register_mutex);
	if (pool) {
		/* A late visitor may still count itself in and out. */
		memset((char *)pool + offsetof(struct pool, next), 0,
		       sizeof *pool - offsetof(struct pool, next));
		atomic_fetch_and_explicit(&pool->visitors, ~(VISITORS_CLOSED | VISITORS_GONE),
					  memory_order_acq_rel); /* P1 */
	} else {
		pool = aligned_alloc(PORT_APART, sizeof *pool);
		if (!pool)
			return NULL;
		memset(pool, 0, sizeof *pool);
	}
	/* relaxed: in one process every pool has the same */
	atomic_store_explicit(&pool->forks, atomic_load_explicit(&port_forks, memory_order_relaxed),
			      memory_order_relaxed);
	pthread_mutex_init(&pool->mutex, NULL);
	pthread_mutex_init(&pool->submit_mutex, NULL);
	pthread_cond_init(&pool->changed, NULL);
	return pool;
}

void pool_register(struct pool *pool)
{
	pthread_mutex_lock(&register_mutex);
	pool->next = pools;
	pools = pool;
	pthread_mutex_unlock(&register_mutex);
}

void pool_unused(struct pool *pool)
{
	pthread_mutex_lock(&register_mutex);
	pool->next = unused;
	unused = pool;
	pthread_mutex_unlock(&register_mutex);
}
