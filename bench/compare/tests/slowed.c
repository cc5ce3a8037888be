/* SPDX-License-Identifier: MIT */
/*
 * Another backend, each of whose tasks takes longer by a known share: to see whether the gate sees
 * it. Beside NAME.so the file NAME.slow says by how much and of which: "10 /path/of/mutex_queue.so"
 * (10 %, of CPU time), "wait:20 ..." (20 % of wall time alone), or "fail ..." for tasks whose result
 * is lost. It has the name of the other in every respect.
 */
#include <assay/backend.h>
#include <assay/load.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

extern __attribute__((visibility("default"))) struct assay_backend slowed __asm__("assay_backend");

static const struct assay_backend *other;
static const struct assay_executor_ops *other_ops;
static struct assay_executor_ops slowed_ops;
static double share;
static bool waits;
static bool loses;

/* An argument behind the function that is meant; 16 bytes keep it aligned. */
struct wrapped {
	assay_function *function;
	size_t size;
};

static int64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t cpu_ns(void)
{
	return now_ns(CLOCK_THREAD_CPUTIME_ID);
}

static void spin(int64_t took_ns)
{
	int64_t end_ns = cpu_ns() + (int64_t)(share * (double)took_ns);

	while (share > 0 && cpu_ns() < end_ns)
		;
}

/*
 * What takes wall time alone: the last of the tasks that are pending together sleeps for a share of
 * the time since the first of them was submitted. All of them are waited for, so they take that much
 * longer, whoever else is on the machine; with a sleep in each task the workers that share a processor
 * would fill each other's gaps, and the sleeps would take CPU time.
 */
static pthread_mutex_t burst_lock = PTHREAD_MUTEX_INITIALIZER;
static size_t pending;
static int64_t burst_ns; /* when it began */

static void burst_add(void)
{
	pthread_mutex_lock(&burst_lock);
	if (!pending++)
		burst_ns = now_ns(CLOCK_MONOTONIC);
	pthread_mutex_unlock(&burst_lock);
}

/* However short, a sleep ends some 20 us late: that is part of the share. */
static void sleep_share(int64_t took_ns)
{
	static int64_t least_late_ns = INT64_MAX;
	int64_t start_ns = now_ns(CLOCK_MONOTONIC), late_ns;
	int64_t length_ns = (int64_t)(share * (double)took_ns);
	struct timespec left = {0};

	if (least_late_ns < length_ns)
		length_ns -= least_late_ns;
	left.tv_sec = length_ns / 1000000000;
	left.tv_nsec = length_ns % 1000000000;
	prctl(PR_SET_TIMERSLACK, 1); /* or it is 50 us more */
	nanosleep(&left, NULL);
	late_ns = now_ns(CLOCK_MONOTONIC) - start_ns - length_ns;
	if (late_ns < least_late_ns)
		least_late_ns = late_ns;
}

static void burst_remove(void)
{
	pthread_mutex_lock(&burst_lock);
	if (!--pending)
		sleep_share(now_ns(CLOCK_MONOTONIC) - burst_ns);
	pthread_mutex_unlock(&burst_lock);
}

static int slowed_task(assay_call *call)
{
	struct wrapped wrapped = *(const struct wrapped *)call->argument;
	int64_t start_ns = cpu_ns();
	int returned;

	call->argument = (const char *)call->argument + sizeof wrapped;
	call->argument_size -= sizeof wrapped;
	if (loses)
		return ASSAY_OK;
	returned = wrapped.function(call);
	if (waits)
		burst_remove();
	else
		spin(cpu_ns() - start_ns);
	return returned;
}

static int submit(assay_executor *executor, const struct assay_task *task, assay_future **future)
{
	struct wrapped wrapped = {task->function, task->argument_size};
	struct assay_task longer = {.function = slowed_task,
				    .argument_size = sizeof wrapped + task->argument_size};
	char *argument = malloc(longer.argument_size);
	int error;

	if (!argument)
		return ASSAY_ENOMEM;
	memcpy(argument, &wrapped, sizeof wrapped);
	if (task->argument_size)
		memcpy(argument + sizeof wrapped, task->argument, task->argument_size);
	longer.argument = argument;
	if (waits)
		burst_add();
	error = other_ops->submit(executor, &longer, future);
	if (waits && error)
		burst_remove();
	free(argument);
	return error;
}

static int create(const struct assay_config *config, assay_executor **executor)
{
	int error = other->create(config, executor);

	if (error)
		return error;
	other_ops = (*executor)->ops;
	slowed_ops = *other_ops;
	slowed_ops.submit = submit;
	slowed_ops.submit_many = assay_default_submit_many;
	slowed_ops.backend = &slowed;
	(*executor)->ops = &slowed_ops;
	return ASSAY_OK;
}

struct assay_backend slowed = {
	.abi = ASSAY_ABI,
	.name = "slowed",
	.summary = "another backend, slowed",
	.argument_limit = (size_t)1 << 20,
	.result_limit = (size_t)1 << 20,
	.create = create,
	.extension = assay_default_extension,
};

__attribute__((constructor)) static void load_other(void)
{
	char path[PATH_MAX], line[PATH_MAX] = "", message[2 * PATH_MAX];
	FILE *file;
	Dl_info here;
	char *space;

	if (!dladdr((void *)&slowed, &here) || strlen(here.dli_fname) + 2 > sizeof path)
		return;
	/* "x.so" to "x.slow" */
	snprintf(path, sizeof path, "%.*s.slow", (int)strlen(here.dli_fname) - 3, here.dli_fname);
	file = fopen(path, "re");
	if (!file || !fgets(line, sizeof line, file) || !(space = strchr(line, ' '))) {
		fprintf(stderr, "cannot read '%s'\n", path);
		exit(2);
	}
	fclose(file);
	line[strcspn(line, "\n")] = '\0';
	waits = strncmp(line, "wait:", 5) == 0;
	share = strtod(waits ? line + 5 : line, NULL) / 100;
	loses = strncmp(line, "fail", 4) == 0;
	if (assay_backend_open(space + 1, &other, message, sizeof message)) {
		fprintf(stderr, "%s\n", message);
		exit(2);
	}
	slowed.name = other->name;
	/* By pointer: a name would have to be known to the other. */
	slowed.capabilities =
		other->capabilities &
		(ASSAY_CAP_SHARED_MEMORY | ASSAY_CAP_FUNCTION_POINTERS | ASSAY_CAP_ASYNCHRONOUS |
		 ASSAY_CAP_CONCURRENT | ASSAY_CAP_WORKER_LIMIT);
}
