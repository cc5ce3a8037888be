/* SPDX-License-Identifier: MIT */
#include "exit.h"

#include "worker.h"

/* Every pool there is. */
static pthread_mutex_t pools_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t unpinned = PTHREAD_COND_INITIALIZER;
static struct pool *pools;

/* SHD-14: what was accepted runs before the program is gone. Other threads may go on using, making
 * and destroying pools meanwhile. */
static void at_exit(void)
{
	struct pool *pool;

	pthread_mutex_lock(&pools_mutex);
	for (pool = pools; pool; pool = pools) {
		while (pool && pool->at_exit)
			pool = pool->next;
		if (!pool)
			break;
		pool->at_exit = true;
		pool->pins++;
		pthread_mutex_unlock(&pools_mutex);
		pool->base.ops->shutdown(&pool->base,
					 ASSAY_SHUTDOWN_WAIT); /* from a task: not waited for */
		pthread_mutex_lock(&pools_mutex);
		pool->pins--;
		pthread_cond_broadcast(&unpinned);
	}
	pthread_mutex_unlock(&pools_mutex);
}

static void lock_pools(void)
{
	pthread_mutex_lock(&pools_mutex);
}

static void unlock_pools(void)
{
	pthread_mutex_unlock(&pools_mutex);
}

/* The parent's pools are not the child's to finish. */
static void lose_pools(void)
{
	pools = NULL;
	unpinned = (pthread_cond_t)PTHREAD_COND_INITIALIZER; /* its waiters are not here */
	unlock_pools();
}

PORT_AT_LOAD static void watch_forks(void)
{
	pthread_atfork(lock_pools, unlock_pools, lose_pools);
}

bool exit_remember(struct pool *pool)
{
	static _Atomic bool is_watched;

	/* Not under the mutex, which fork takes: it allocates. */
	if (!port_watch_exit(&is_watched, at_exit))
		return false;
	pthread_mutex_lock(&pools_mutex);
	pool->next = pools;
	pools = pool;
	pthread_mutex_unlock(&pools_mutex);
	return true;
}

void exit_forget(struct pool *pool)
{
	struct pool **link = &pools;
	int cancellable;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellable);
	pthread_mutex_lock(&pools_mutex);
	while (pool->pins)
		pthread_cond_wait(&unpinned, &pools_mutex);
	while (*link != pool)
		link = &(*link)->next;
	*link = pool->next;
	pthread_mutex_unlock(&pools_mutex);
	pthread_setcancelstate(cancellable, NULL);
}
