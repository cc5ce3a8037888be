/* SPDX-License-Identifier: MIT */
/*
 * No more than three threads can be had at a time, and destructors of those that leave take until one was
 * refused: what they hold is waited for before a pool is said to be broken. And where none can be had at all, nothing
 * is accepted. Usage: validate_scarce BACKEND.so
 */
#include <assay/load.h>

#include "limit.h"
#include "validate.h"

#include <dlfcn.h>
#include <errno.h>
#include <semaphore.h>

#define THREADS 3
#define TASKS 12

static sem_t gate; /* of destructors: open from the first refusal on */
static pthread_key_t key;
static _Atomic int living, refused;

typedef int create_function(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

/* The program's own definition stands before the C library's, also for the backend it loads. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
		   void *user)
{
	static create_function *create;

	if (atomic_load(&living) == THREADS) {
		if (atomic_fetch_add(&refused, 1) == 0)
			sem_post(&gate);
		return EAGAIN;
	}
	atomic_fetch_add(&living, 1);
	if (!create)
		*(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
	return create(thread, attributes, run, user);
}

/* Each lets the next one go. */
static void end_late(void *unused)
{
	(void)unused;
	while (sem_wait(&gate))
		;
	sem_post(&gate);
	atomic_fetch_sub(&living, 1);
}

static int run_task(assay_call *call)
{
	MUST(pthread_setspecific(key, call) == 0);
	return ASSAY_OK;
}

int main(int argc, char **argv)
{
	struct assay_task tasks[TASKS];
	struct assay_config config = assay_config_default();
	const struct assay_backend *backend;
	assay_executor *executor;
	assay_future *futures[TASKS];
	char message[512];

	if (argc != 2 || assay_backend_open(argv[1], &backend, message, sizeof message)) {
		fprintf(stderr, "usage: %s BACKEND.so\n", argv[0]);
		return 2;
	}
	limit_time(60);
	MUST(sem_init(&gate, 0, 0) == 0);
	MUST(pthread_key_create(&key, end_late) == 0);
	config.workers = 1;
	config.tasks_per_worker = 1;
	MUST(assay_executor_create(backend, &config, &executor) == ASSAY_OK);
	for (int i = 0; i < TASKS; i++)
		tasks[i] = (struct assay_task){.function = run_task};
	/* All at once: each of the three finds work when it leaves. */
	MUST(assay_submit_many(executor, tasks, TASKS, futures, NULL) == ASSAY_OK);
	for (int i = 0; i < TASKS; i++) {
		MUST(assay_future_result(futures[i], ASSAY_FOREVER, NULL, 0) == ASSAY_OK);
		assay_future_release(futures[i]);
	}
	MUST(assay_executor_destroy(executor) == ASSAY_OK);
	MUST(atomic_load(&refused) > 0 && atomic_load(&living) == 0);
	/* None at all: nobody would ever run it. Records are at hand, as they usually are. */
	atomic_store(&living, THREADS);
	MUST(assay_executor_create(backend, &config, &executor) == ASSAY_OK);
	MUST(assay_submit(executor, tasks, futures) == ASSAY_ERESOURCE);
	MUST(assay_executor_destroy(executor) == ASSAY_OK);
	return 0;
}
