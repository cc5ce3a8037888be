/* SPDX-License-Identifier: MIT */
/*
 * Workers die with the memory of a result in their hands, in an arena that has room for a few such
 * results only: one that was not given back is missed soon. Usage: reclaim BACKEND.so
 */
#include <assay/load.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define SPACE ((rlim_t)1 << 30)   /* of addresses; a quarter is the arena's */
#define RESULT ((size_t)16 << 20) /* bytes */
#define DEATHS 20

static void die(const char *what, int error)
{
	fprintf(stderr, "reclaim: %s: %s\n", what, assay_error_name(error));
	abort();
}

static int die_with_result(assay_call *call)
{
	void *result;

	if (assay_call_result(call, RESULT, &result))
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

static void quiet(void *user, enum assay_severity severity, const char *message)
{
	(void)user;
	(void)severity;
	(void)message;
}

int main(int argc, char **argv)
{
	struct assay_config config = assay_config_default();
	struct rlimit limit = {SPACE, SPACE};
	const struct assay_backend *backend;
	assay_executor *executor;
	char message[512];
	int error;

	if (argc != 2 || assay_backend_open(argv[1], &backend, message, sizeof message)) {
		fprintf(stderr, "%s\n", argc == 2 ? message : "usage: reclaim BACKEND.so");
		return 2;
	}
	alarm(120);
	if (setrlimit(RLIMIT_AS, &limit))
		die("setrlimit", ASSAY_ERESOURCE);
	config.workers = 1;
	config.on_worker_death = ASSAY_DEATH_FAILS_TASK;
	config.log = quiet;
	error = assay_executor_create(backend, &config, &executor);
	if (error)
		die("create", error);
	for (int i = 1; i <= DEATHS; i++)
		lose_one(executor, i);
	error = assay_executor_destroy(executor);
	if (error)
		die("destroy", error);
	printf("%s: %d results of %zu MiB were lost, their memory was not\n", backend->name, DEATHS,
	       RESULT >> 20);
	return 0;
}
