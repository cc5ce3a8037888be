/* SPDX-License-Identifier: MIT */
/*
 * A worker that will take nothing any more but is not gone yet is none: what waits gets another one. Its
 * thread ends inside a task, and a cleanup handler of an outer frame takes long; or it joins the thread
 * that had its place before, whose destructors wait for tasks. And what ends a thread that is ending leaves
 * nothing open.
 */
#include "../worker.h"
#include "client.h"

#include <semaphore.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 3

static sem_t gates[2], begun;
static pthread_key_t key;
static assay_executor *pool;
static assay_future *innermost;

/* In place of the C library's: the time of day has been set back by an hour, the kernel's, after somebody has
 * looked. Who waits until such a time waits for an hour. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
	int error = (int)syscall(SYS_clock_gettime, clock, now);

	if (!error && clock == CLOCK_REALTIME)
		now->tv_sec += 3600;
	return error;
}

static void pass(sem_t *semaphore)
{
	while (sem_wait(semaphore))
		;
}

static void pass_first(void *unused)
{
	(void)unused;
	pass(&gates[0]);
}

/* On the thread that waits for it; any other worker may have been quicker. */
static int end_waiter(assay_call *call)
{
	if (pthread_equal(*(const pthread_t *)call->argument, pthread_self()))
		pthread_exit(NULL);
	return ASSAY_OK;
}

static int nest_end(assay_call *call)
{
	pthread_t self = pthread_self();

	pthread_cleanup_push(pass_first, NULL);
	for (;;) {
		innermost = client_submit(call->executor, end_waiter, &self, sizeof self);
		client_finish(innermost);
	}
	pthread_cleanup_pop(0);
	return ASSAY_OK;
}

static int pass_second(assay_call *call)
{
	(void)call;
	sem_post(&begun);
	pass(&gates[1]);
	return ASSAY_OK;
}

static int open_gates(assay_call *call)
{
	(void)call;
	sem_post(&gates[0]);
	sem_post(&gates[1]);
	return ASSAY_OK;
}

/* Of three workers one unwinds and one is held: the third runs what lets them go on. */
static void unwind(void)
{
	assay_future *ended, *held;

	pool = client_create(WORKERS, NULL);
	ended = client_submit(pool, nest_end, NULL, 0);
	MUST(assay_future_result(ended, ASSAY_FOREVER, NULL, 0) == ASSAY_EDIED);
	held = client_submit(pool, pass_second, NULL, 0);
	pass(&begun);
	client_finish(client_submit(pool, open_gates, NULL, 0));
	client_finish(held);
	assay_future_release(ended);
	assay_future_release(innermost); /* whose client was the thread */
	MUST(assay_executor_destroy(pool) == ASSAY_OK);
}

static int do_nothing(assay_call *call)
{
	(void)call;
	return ASSAY_OK;
}

/* By then its place is another's, who joins this thread after one task. */
static void submit_late(void *unused)
{
	(void)unused;
	for (int i = 0; i < 2; i++)
		client_finish(client_submit(pool, do_nothing, NULL, 0));
	sem_post(&begun);
}

static int set_key(assay_call *call)
{
	MUST(pthread_setspecific(key, call) == 0);
	return ASSAY_OK;
}

static bool is_anybody_lingering(void)
{
	struct pool *inside = (struct pool *)pool;
	bool is;

	pthread_mutex_lock(&inside->mutex);
	is = inside->lingering != NULL;
	pthread_mutex_unlock(&inside->mutex);
	return is;
}

/* Where there is one place, its next owner gives it up before the thread has ended; who comes later joins it, or
 * the shutdown does. */
static void be_joined(int workers, int threads)
{
	struct assay_config config = assay_config_default();

	config.workers = workers;
	config.tasks_per_worker = 1;
	MUST(assay_executor_create(&assay_backend, &config, &pool) == ASSAY_OK);
	for (int i = 0; i < threads; i++)
		client_finish(client_submit(pool, set_key, NULL, 0));
	for (int i = 0; i < threads; i++)
		pass(&begun);
	while (threads > 1 && is_anybody_lingering())
		client_finish(client_submit(pool, do_nothing, NULL, 0));
	MUST(assay_executor_destroy(pool) == ASSAY_OK);
}

static pthread_key_t slow_key;

static void pass_late(void *unused)
{
	(void)unused;
	pass(&gates[0]);
}

static int set_slow_key(assay_call *call)
{
	MUST(pthread_setspecific(slow_key, call) == 0);
	return ASSAY_OK;
}

/* Threads that take long to end do not pile up: with 16 of them the next one's successor waits. */
static void pile_up(void)
{
	enum { LIMIT = 16, THREADS = LIMIT + 4 };
	struct assay_config config = assay_config_default();
	assay_future *futures[THREADS];

	MUST(pthread_key_create(&slow_key, pass_late) == 0);
	config.workers = 1;
	config.tasks_per_worker = 1;
	MUST(assay_executor_create(&assay_backend, &config, &pool) == ASSAY_OK);
	for (int i = 0; i < THREADS; i++)
		futures[i] = client_submit(pool, set_slow_key, NULL, 0);
	/* Those that have not ended, and one that has the place and joins its predecessor. */
	for (int i = 0; i < LIMIT + 2; i++)
		MUST(assay_future_wait(futures[i], ASSAY_FOREVER) == ASSAY_OK);
	MUST(assay_future_wait(futures[LIMIT + 2], 100000000) == ASSAY_ETIMEDOUT);
	for (int i = 0; i < THREADS; i++)
		sem_post(&gates[0]);
	for (int i = 0; i < THREADS; i++)
		client_finish(futures[i]);
	MUST(assay_executor_destroy(pool) == ASSAY_OK);
}

static int end_at_gate(assay_call *call)
{
	pass_first(call);
	pthread_exit(NULL);
}

static int end_thread(assay_call *call)
{
	(void)call;
	pthread_exit(NULL);
}

static void wait_for_innermost(assay_future *ended, void *unused)
{
	(void)ended;
	(void)unused;
	MUST(!assay_future_wait(innermost, ASSAY_FOREVER)); /* does not return */
}

/* While a callback of a task that ended the thread runs a task that ends it again: both are over. */
static void end_twice(void)
{
	assay_future *first;

	pool = client_create(1, NULL);
	first = client_submit(pool, end_at_gate, NULL, 0);
	innermost = client_submit(pool, end_thread, NULL, 0);
	MUST(assay_future_add_done_callback(first, wait_for_innermost, NULL) == ASSAY_OK);
	sem_post(&gates[0]);
	MUST(assay_future_result(first, ASSAY_FOREVER, NULL, 0) == ASSAY_EDIED);
	MUST(assay_future_result(innermost, ASSAY_FOREVER, NULL, 0) == ASSAY_EDIED);
	assay_future_release(first);
	assay_future_release(innermost);
	client_finish(client_submit(pool, do_nothing, NULL, 0));
	MUST(assay_executor_destroy(pool) == ASSAY_OK);
}

int main(void)
{
	validate_expect_end(60);
	MUST(sem_init(&gates[0], 0, 0) == 0 && sem_init(&gates[1], 0, 0) == 0);
	MUST(sem_init(&begun, 0, 0) == 0);
	for (int round = validate_rounds(20); round > 0; round--) {
		unwind();
		end_twice();
	}
	MUST(pthread_key_create(&key, submit_late) == 0);
	be_joined(WORKERS, 1);
	be_joined(1, 1);
	be_joined(1, 5);
	pile_up();
	return 0;
}
