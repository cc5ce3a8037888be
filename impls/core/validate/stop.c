/* SPDX-License-Identifier: MIT */
/*
 * A wake-up that reaches a worker which is not counted yet leaves the counted one asleep, and its
 * count comes late: after a stop has woken everybody who was counted. Whoever goes then must wake it.
 * The moment between the two is a few instructions long; here it is made by hand.
 */
#include <assay/backend.h>

#include "../worker.h"
#include "validate.h"

#include <semaphore.h>

static sem_t inside, gate;

static int pass_gate(assay_call *call)
{
	(void)call;
	sem_post(&inside);
	while (sem_wait(&gate))
		;
	return ASSAY_OK;
}

static assay_future *submit(assay_executor *executor)
{
	struct assay_task task = {.function = pass_gate};
	assay_future *future;

	MUST(assay_submit(executor, &task, &future) == ASSAY_OK);
	return future;
}

int main(void)
{
	struct assay_config config = assay_config_default();
	assay_future *first, *second;
	assay_executor *executor;
	struct pool *pool;
	unsigned step = 0;

	validate_expect_end(20);
	sem_init(&inside, 0, 0);
	sem_init(&gate, 0, 0);
	config.workers = 2;
	MUST(assay_executor_create(&assay_backend, &config, &executor) == ASSAY_OK);
	pool = (struct pool *)executor;
	first = submit(executor);
	second = submit(executor);
	for (int i = 0; i < 2; i++)
		while (sem_wait(&inside))
			;
	/* One of them goes to sleep; the other stays in its task. */
	sem_post(&gate);
	while (park_sleepers(atomic_load(&pool->park.counts)) == 0)
		port_backoff(&step);
	atomic_fetch_sub(&pool->park.counts, PARK_SLEEPER);
	MUST(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT) == ASSAY_OK);
	atomic_fetch_add(&pool->park.counts, PARK_SLEEPER);
	sem_post(&gate);
	/* Without another shutdown, which would wake it again. */
	while (atomic_load(&pool->alive))
		port_backoff(&step);
	MUST(atomic_load(&pool->park.counts) == 0);
	assay_future_release(first);
	assay_future_release(second);
	MUST(assay_executor_destroy(executor) == ASSAY_OK);
	return 0;
}
