/* SPDX-License-Identifier: MIT */
/*
 * What a backend asks of the system once, for the life of the process, may be refused when it first asks: keys of
 * thread-specific data, and to be called at exit. It says so, and asks again the next time: what a program
 * has given back by then is had. Usage: validate_again BACKEND.so
 */
#include "inject.h"
#include "validate.h"

static bool refuses_keys, refuses_exits; /* written while there is no other thread */
static _Atomic int refused_keys, refused_exits;

/* The program's own definitions stand before the C library's, also for the backend it loads. */
typedef int key_function(pthread_key_t *, void (*)(void *));
typedef int exit_function(void (*)(void *), void *, void *);
exit_function __cxa_atexit; /* what atexit() becomes in a library */

int pthread_key_create(pthread_key_t *key, void (*destroy)(void *))
{
	static key_function *create;

	if (refuses_keys) {
		atomic_fetch_add(&refused_keys, 1);
		return EAGAIN;
	}
	if (!create)
		*(void **)&create = dlsym(RTLD_NEXT, "pthread_key_create");
	return create(key, destroy);
}

int __cxa_atexit(void (*function)(void *), void *argument, void *library)
{
	static exit_function *add;

	if (refuses_exits) {
		atomic_fetch_add(&refused_exits, 1);
		return -1;
	}
	if (!add)
		*(void **)&add = dlsym(RTLD_NEXT, "__cxa_atexit");
	return add(function, argument, library);
}

static int run_nothing(assay_call *call)
{
	(void)call;
	return ASSAY_OK;
}

static const struct assay_task task = {.function = run_nothing};

static void run_one(assay_executor *executor)
{
	assay_future *future;

	MUST(assay_submit(executor, &task, &future) == ASSAY_OK);
	MUST(assay_future_result(future, ASSAY_FOREVER, NULL, 0) == ASSAY_OK);
	assay_future_release(future);
}

int main(int argc, char **argv)
{
	const struct assay_backend *backend = inject_open(argc, argv);
	struct assay_config config = assay_config_default();
	assay_executor *executor;
	assay_future *future;
	int error;

	alarm(60);
	config.workers = 2;

	refuses_exits = true;
	error = assay_executor_create(backend, &config, &executor);
	refuses_exits = false;
	/* Without it what was accepted would not run before exit. */
	MUST(error == (atomic_load(&refused_exits) ? ASSAY_ENOMEM : ASSAY_OK));
	if (!error)
		MUST(assay_executor_destroy(executor) == ASSAY_OK);

	refuses_keys = true;
	MUST(assay_executor_create(backend, &config, &executor) == ASSAY_OK);
	error = assay_submit(executor, &task, &future);
	if (!error) {
		MUST(assay_future_result(future, ASSAY_FOREVER, NULL, 0) == ASSAY_OK);
		assay_future_release(future);
	}
	MUST(error == ASSAY_OK || (error == ASSAY_ENOMEM && atomic_load(&refused_keys)));
	refuses_keys = false;
	run_one(executor);
	MUST(assay_executor_destroy(executor) == ASSAY_OK);
	printf("refused: %d keys, %d calls at exit\n", atomic_load(&refused_keys),
	       atomic_load(&refused_exits));
	return 0;
}
