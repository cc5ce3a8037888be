/* SPDX-License-Identifier: MIT */
/*
 * Workers die with the memory of a result in their hands, in an arena that has room for a few such
 * results only: one that was not given back is missed soon. So it is with arguments of tasks that are
 * done, and that nobody asks about. Usage: reclaim BACKEND.so
 */
#include "../../core/validate/limit.h"

#include <assay/load.h>

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* Addresses; a quarter of them is the pool's, or less where files must be short. */
#define SPACE ((rlim_t)1 << 30)
#define DEATHS 20
#define ARGUMENTS 6 /* as long as results; there is no room for one more */

static size_t result_size; /* bytes: a sixteenth of what is the pool's */

static void die(const char *what, int error)
{
	fprintf(stderr, "reclaim: %s: %s\n", what, assay_error_name(error));
	abort();
}

static int die_with_result(assay_call *call)
{
	void *result;

	if (assay_call_result(call, result_size, &result))
		return assay_fail(call, 1, "there is no memory");
	raise(SIGKILL);
	return ASSAY_OK;
}

static void lose_one(assay_executor *executor, int count)
{
	struct assay_task task = {die_with_result, NULL, NULL, 0};
	struct assay_outcome outcome;
	assay_future *future;
	int error = assay_submit(executor, &task, &future);

	if (!error)
		error = assay_future_outcome(future, ASSAY_FOREVER, &outcome);
	if (error)
		die("submit", error);
	if (outcome.error != ASSAY_EDIED || outcome.code != SIGKILL) {
		fprintf(stderr, "reclaim: death %d: %s\n", count, outcome.message);
		die("not as told", outcome.error);
	}
	assay_future_release(future);
}

static atomic_bool *is_open; /* shared: tasks may end */

static int hold(assay_call *call)
{
	(void)call;
	while (!*is_open)
		sched_yield();
	return ASSAY_OK;
}

static int take_argument(assay_call *call)
{
	if (*(const char *)call->argument)
		raise(SIGKILL);
	return ASSAY_OK;
}

/* Until the memory of the others' arguments is there. */
static int make_room(assay_call *call)
{
	void *result;

	while (assay_call_result(call, ARGUMENTS * result_size, &result))
		sched_yield();
	return ASSAY_OK;
}

static assay_future *submit(assay_executor *executor, assay_function *function,
			    const void *argument, size_t size)
{
	struct assay_task task = {function, NULL, argument, size};
	assay_future *future;
	int error = assay_submit(executor, &task, &future);

	if (error)
		die("submit", error);
	return future;
}

/* The tasks of one worker, in order: the last is the only one that is asked about, and it says no more
 * than that it has got what the others have given back. Every other one may die. */
static void forget_arguments(assay_executor *executor, bool may_die)
{
	char *bytes = calloc(1, result_size);
	assay_future *futures[ARGUMENTS + 2];
	int error;

	if (!bytes)
		die("calloc", ASSAY_ENOMEM);
	*is_open = false;
	futures[0] = submit(executor, hold, NULL, 0);
	for (int i = 1; i <= ARGUMENTS; i++) {
		*bytes = may_die && i % 2;
		futures[i] = submit(executor, take_argument, bytes, result_size);
	}
	futures[ARGUMENTS + 1] = submit(executor, make_room, NULL, 0);
	*is_open = true;
	error = assay_future_result(futures[ARGUMENTS + 1], ASSAY_FOREVER, NULL, 0);
	if (error && error != ASSAY_ESIZE)
		die("a result in place of arguments", error);
	for (int i = 0; i < ARGUMENTS + 2; i++)
		assay_future_release(futures[i]);
	free(bytes);
}

static void quiet(void *user, enum assay_severity severity, const char *message)
{
	(void)user;
	(void)severity;
	(void)message;
}

static assay_executor *create(const struct assay_backend *backend,
			      enum assay_on_worker_death policy)
{
	struct assay_config config = assay_config_default();
	assay_executor *executor;
	int error;

	config.workers = 1;
	config.on_worker_death = policy;
	config.retries = policy == ASSAY_DEATH_RETRIES;
	config.log = quiet;
	error = assay_executor_create(backend, &config, &executor);
	if (error)
		die("create", error);
	return executor;
}

int main(int argc, char **argv)
{
	struct rlimit limit = {SPACE, SPACE}, file;
	const struct assay_backend *backend;
	assay_executor *executor;
	char message[512];

	if (argc != 2 || assay_backend_open(argv[1], &backend, message, sizeof message)) {
		fprintf(stderr, "%s\n", argc == 2 ? message : "usage: reclaim BACKEND.so");
		return 2;
	}
	limit_time(120);
	is_open = mmap(NULL, sizeof *is_open, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (is_open == MAP_FAILED || setrlimit(RLIMIT_AS, &limit) || getrlimit(RLIMIT_FSIZE, &file))
		die("setrlimit", ASSAY_ERESOURCE);
	result_size = (file.rlim_cur < SPACE / 4 ? file.rlim_cur : SPACE / 4) / 16;
	executor = create(backend, ASSAY_DEATH_FAILS_TASK);
	for (int i = 1; i <= DEATHS; i++)
		lose_one(executor, i);
	forget_arguments(executor, true);
	assay_executor_destroy(executor);
	executor = create(backend, ASSAY_DEATH_RETRIES);
	forget_arguments(executor, false); /* one that died would run behind the last */
	assay_executor_destroy(executor);
	printf("%s: %d results of %zu MiB were lost, their memory was not\n", backend->name, DEATHS,
	       result_size >> 20);
	return 0;
}
