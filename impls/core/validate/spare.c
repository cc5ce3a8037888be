/* SPDX-License-Identifier: MIT */
/*
 * A task that waits for the first of two, while the other two workers take nothing yet: they are in their
 * initializers, or about to leave. It leaves both tasks to them, since one of the two ends only when this wait
 * has seen the other end. But it does not wait for others where that is of no use, or for ever.
 */
#include "../worker.h"
#include "client.h"

#include <assay/compose.h>
#include <assay/fork_join.h>

#include <semaphore.h>
#include <sys/resource.h>

#define WORKERS 3

/* hold: the workers, until the wait is about to begin. gate: the task that is not to be the first. */
static sem_t hold, gate, held;
static pthread_key_t key;

static void pass(sem_t *semaphore)
{
	while (sem_wait(semaphore))
		;
}

static int pass_gate(assay_call *call)
{
	(void)call;
	pass(&gate);
	return ASSAY_OK;
}

static int do_nothing(assay_call *call)
{
	(void)call;
	return ASSAY_OK;
}

static int wait_for_either(assay_call *call)
{
	assay_future *set[2] = {client_submit(call->executor, pass_gate, NULL, 0),
				client_submit(call->executor, do_nothing, NULL, 0)};
	struct assay_partition seen = {.futures = NULL};

	for (int i = 1; i < WORKERS; i++)
		MUST(sem_post(&hold) == 0);
	MUST(assay_wait(set, 2, ASSAY_FIRST_COMPLETED, ASSAY_FOREVER, &seen) == ASSAY_OK);
	MUST(assay_future_is_done(set[1]) && !assay_future_is_done(set[0]));
	MUST(sem_post(&gate) == 0);
	for (int i = 0; i < 2; i++)
		client_finish(set[i]);
	return ASSAY_OK;
}

static int pass_hold(const void *argument, size_t size)
{
	(void)argument;
	(void)size;
	pass(&hold);
	return 0;
}

/* The first worker runs the task that waits. */
static void in_initializers(void)
{
	struct assay_config config = assay_config_default();
	assay_executor *pool;

	config.workers = WORKERS;
	config.initializer = pass_hold;
	MUST(assay_executor_create(&assay_backend, &config, &pool) == ASSAY_OK);
	MUST(sem_post(&hold) == 0);
	client_finish(client_submit(pool, wait_for_either, NULL, 0));
	MUST(assay_executor_destroy(pool) == ASSAY_OK);
}

/* At the end of the thread, when its place may be another's, who joins this thread before it leaves. */
static void be_held(void *unused)
{
	(void)unused;
	pass(&hold);
}

/* As many at a time as there are to be held: each has a thread of its own. */
static int become_held(assay_call *call)
{
	MUST(pthread_setspecific(key, call) == 0);
	MUST(sem_post(&held) == 0);
	pass(&gate);
	return ASSAY_OK;
}

static void about_to_leave(void)
{
	struct assay_config config = assay_config_default();
	assay_future *futures[WORKERS - 1];
	assay_executor *pool;

	config.workers = WORKERS;
	config.tasks_per_worker = 1;
	MUST(assay_executor_create(&assay_backend, &config, &pool) == ASSAY_OK);
	for (int i = 1; i < WORKERS; i++)
		futures[i - 1] = client_submit(pool, become_held, NULL, 0);
	for (int i = 1; i < WORKERS; i++)
		pass(&held);
	for (int i = 1; i < WORKERS; i++)
		MUST(sem_post(&gate) == 0);
	for (int i = 1; i < WORKERS; i++)
		client_finish(futures[i - 1]);
	/* In the places of those two, or in the third, where nobody was before. */
	for (int i = 1; i < WORKERS; i++)
		client_finish(client_submit(pool, do_nothing, NULL, 0));
	client_finish(client_submit(pool, wait_for_either, NULL, 0));
	MUST(assay_executor_destroy(pool) == ASSAY_OK);
}

/* How often the calling thread sleeps in a wait for one task. */
static long sleeps(assay_executor *executor, enum assay_wait_until until)
{
	assay_future *future = client_submit(executor, do_nothing, NULL, 0);
	struct rusage before, after;

	MUST(getrusage(RUSAGE_THREAD, &before) == 0);
	MUST(assay_wait(&future, 1, until, ASSAY_FOREVER, NULL) == ASSAY_OK);
	MUST(getrusage(RUSAGE_THREAD, &after) == 0);
	client_finish(future);
	return after.ru_nvcsw - before.ru_nvcsw;
}

static int be_busy(assay_call *call)
{
	MUST(sem_post(&held) == 0);
	return pass_gate(call);
}

static int wait_alone(assay_call *call)
{
	assay_future *busy;
	long first;

	MUST(sleeps(call->executor, ASSAY_ALL_COMPLETED) < 10);
	first = sleeps(call->executor, ASSAY_FIRST_FAILURE);
	MUST(first > 100 && sleeps(call->executor, ASSAY_FIRST_FAILURE) < first / 4);
	/* One has come: what was in vain before need not be now. */
	MUST(sem_post(&hold) == 0);
	busy = client_submit(call->executor, be_busy, NULL, 0);
	pass(&held);
	MUST(sleeps(call->executor, ASSAY_FIRST_FAILURE) > first / 2);
	MUST(sleeps(call->executor, ASSAY_FIRST_FAILURE) < first / 4);
	MUST(sem_post(&gate) == 0);
	client_finish(busy);
	return ASSAY_OK;
}

/* The others do not leave their initializers in time. */
static void nobody_comes(void)
{
	struct assay_config config = assay_config_default();
	assay_executor *pool;

	config.workers = WORKERS;
	config.initializer = pass_hold;
	MUST(assay_executor_create(&assay_backend, &config, &pool) == ASSAY_OK);
	MUST(sem_post(&hold) == 0);
	client_finish(client_submit(pool, wait_alone, NULL, 0));
	MUST(sem_post(&hold) == 0);
	MUST(assay_executor_destroy(pool) == ASSAY_OK);
}

static void wait_unwinding(void *executor)
{
	MUST(sleeps(executor, ASSAY_FIRST_FAILURE) < 10);
	MUST(sem_post(&held) == 0);
}

static int end_thread(assay_call *call)
{
	(void)call;
	pthread_exit(NULL);
}

static assay_future *ends;

static int nest_end(assay_call *call)
{
	ends = client_submit(call->executor, end_thread, NULL, 0);
	pthread_cleanup_push(wait_unwinding, call->executor);
	MUST(!assay_future_result(ends, ASSAY_FOREVER, NULL, 0)); /* does not return */
	pthread_cleanup_pop(0);
	return ASSAY_OK;
}

/* Its thread runs nothing any more, and still it is not one that others can wait for. */
static void the_only_one(void)
{
	assay_executor *pool = client_create(1, NULL);
	assay_future *ended = client_submit(pool, nest_end, NULL, 0);

	MUST(assay_future_result(ended, ASSAY_FOREVER, NULL, 0) == ASSAY_EDIED);
	pass(&held);
	assay_future_release(ended);
	assay_future_release(ends); /* whose client was the thread */
	MUST(assay_executor_destroy(pool) == ASSAY_OK);
}

struct family {
	struct assay_fork child;
	struct pool *pool;
	uint32_t forked; /* the child's state until somebody sleeps in its join */
	bool dies;
};

static int pass_gate_forked(assay_call *call, void *frame)
{
	const struct family *family = frame;

	(void)call;
	MUST(sem_post(&held) == 0);
	pass(&gate);
	if (family->dies)
		pthread_exit(NULL);
	return ASSAY_OK;
}

/* Looks on until the parent sleeps in the join, lets the child end, and sees at once what its worker is. */
static void *look_on(void *user)
{
	struct family *family = user;
	uint32_t state;

	while ((state = __atomic_load_n(&family->child.state, __ATOMIC_ACQUIRE)) == family->forked)
		port_pause();
	MUST(sem_post(&gate) == 0);
	while (__atomic_load_n(&family->child.state, __ATOMIC_ACQUIRE) == state) /* J4 */
		port_pause();
	for (int i = 0; i < 2; i++)
		MUST(atomic_load(&family->pool->workers[i].helping) != HELPING);
	return NULL;
}

static int fork_one(assay_call *call)
{
	struct family family = {.pool = (struct pool *)call->executor,
				.dies = *(const bool *)call->argument};
	pthread_t onlooker;

	assay_fork(call, &family.child, pass_gate_forked, &family);
	pass(&held);
	family.forked = __atomic_load_n(&family.child.state, __ATOMIC_RELAXED);
	validate_start(&onlooker, look_on, &family);
	MUST(assay_join(call, &family.child) == (family.dies ? ASSAY_EDIED : ASSAY_OK));
	validate_join(onlooker);
	return ASSAY_OK;
}

/* Who has seen a child of another's task end finds that worker free. */
static void a_thief(bool dies)
{
	assay_executor *pool = client_create(2, NULL);

	client_finish(client_submit(pool, fork_one, &dies, sizeof dies));
	MUST(assay_executor_destroy(pool) == ASSAY_OK);
}

int main(void)
{
	validate_expect_end(60);
	MUST(sem_init(&hold, 0, 0) == 0 && sem_init(&gate, 0, 0) == 0 &&
	     sem_init(&held, 0, 0) == 0);
	MUST(pthread_key_create(&key, be_held) == 0);
	for (int round = validate_rounds(20); round > 0; round--) {
		in_initializers();
		about_to_leave();
		the_only_one();
		a_thief(false);
		a_thief(true);
	}
	nobody_comes();
	return 0;
}
