/* SPDX-License-Identifier: MIT */
/*
 * usage: refusal_test BACKEND - a rival in a process that is refused threads: create or submit says
 * so, what was accepted runs and nothing else, and with more room the next executor works.
 */
#include <assay/load.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define WORKERS 256
#define TASKS 400
#define ROOM ((rlim_t)400 << 20) /* stacks of some threads */

static uint32_t ran;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* held until all is submitted */

static int wait_for_gate(assay_call *call)
{
	(void)call;
	pthread_mutex_lock(&gate);
	ran++;
	pthread_mutex_unlock(&gate);
	return ASSAY_OK;
}

static void check(bool holds, const char *what)
{
	if (!holds) {
		fprintf(stderr, "expected %s\n", what);
		exit(1);
	}
}

static rlim_t mapped_bytes(void)
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	check(file && fscanf(file, "%lu", &pages) == 1, "to read /proc/self/statm");
	fclose(file);
	return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

/* Tasks that all need a worker of their own. Returns how many were accepted. */
static uint32_t submit_all(assay_executor *executor)
{
	struct assay_task task = {.function = wait_for_gate};
	uint32_t accepted = 0;

	for (int i = 0; i < TASKS; i++) {
		int error = assay_submit(executor, &task, NULL);

		check(!error || error == ASSAY_ERESOURCE || error == ASSAY_ENOMEM,
		      "a refused task to be told ASSAY_ERESOURCE or ASSAY_ENOMEM");
		accepted += !error;
	}
	return accepted;
}

static void use(const struct assay_backend *backend, int workers, bool may_fail)
{
	struct assay_config config = assay_config_default();
	assay_executor *executor;
	uint32_t accepted;
	int error;

	config.workers = workers;
	ran = 0;
	error = assay_executor_create(backend, &config, &executor);
	check(!error || (may_fail && (error == ASSAY_ERESOURCE || error == ASSAY_ENOMEM)),
	      may_fail ? "ASSAY_ERESOURCE or an executor" : "an executor");
	printf("%s: create with %d workers says %s\n", backend->name, workers,
	       assay_error_name(error));
	if (error)
		return;
	pthread_mutex_lock(&gate);
	accepted = submit_all(executor);
	pthread_mutex_unlock(&gate);
	printf("%s: %u of %d tasks accepted\n", backend->name, accepted, TASKS);
	check(may_fail || accepted == TASKS, "every task to be accepted");
	check(!assay_executor_destroy(executor), "the executor to end");
	check(ran == accepted, "what was accepted to run, and nothing else");
}

int main(int count, char **arguments)
{
	const struct assay_backend *backend;
	struct rlimit before, tight;
	char message[512];

	if (count != 2 || assay_backend_open(arguments[1], &backend, message, sizeof message)) {
		fprintf(stderr, "%s\n", count == 2 ? message : "usage: refusal_test BACKEND");
		return 2;
	}
	check(!getrlimit(RLIMIT_AS, &before), "to read the limit");
	tight = before;
	tight.rlim_cur = mapped_bytes() + ROOM;
	check(!setrlimit(RLIMIT_AS, &tight), "to set the limit");
	use(backend, WORKERS, true);
	check(!setrlimit(RLIMIT_AS, &before), "to lift the limit");
	use(backend, 2, false);
	return 0;
}
