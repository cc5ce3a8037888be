/* SPDX-License-Identifier: MIT */
#include "worker.h"

_Thread_local const struct pool *home;
static _Thread_local struct visit *visits;

void arrive(struct pool *pool, struct visit *visit,
	    void (*run)(struct runner *runner, struct future *future))
{
	*visit = (struct visit){.pool = pool, .outer = visits, .before = current_runner};
	if (run) {
		visit->runner = (struct runner){
			.executor = &pool->base, .forks = pool->settings.forks, .run = run};
		current_runner = &visit->runner;
	}
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &visit->cancellable);
	visits = visit;
	pool->guests++;
}

void depart(struct visit *visit)
{
	struct pool *pool = visit->pool;

	visits = visit->outer;
	current_runner = visit->before;
	/* In a child that a task or callback forked, nobody may ever unlock the mutex. */
	if (!settings_are_orphaned(&pool->settings)) {
		pthread_mutex_lock(&pool->mutex);
		pool->guests--;
		pthread_cond_broadcast(&pool->left);
		pthread_mutex_unlock(&pool->mutex);
	}
	pthread_setcancelstate(visit->cancellable, NULL);
}

bool belongs(const struct pool *pool)
{
	if (home == pool)
		return true;
	for (struct visit *visit = visits; visit; visit = visit->outer)
		if (visit->pool == pool)
			return true;
	return false;
}
