/* SPDX-License-Identifier: MIT */
/*
 * mutex_queue with one thing wrong, chosen by $ASSAY_WRONG: the bench must notice each.
 */
#include <assay/backend.h>
#include <assay/load.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct assay_backend *right;
static const struct assay_executor_ops *right_ops;
static struct assay_executor_ops wrong_ops;
static unsigned submitted, created;
static bool stalled; /* once, at the first task */

static bool is_wrong(const char *how)
{
	const char *chosen = getenv("ASSAY_WRONG");

	return chosen && strcmp(chosen, how) == 0;
}

/* An argument behind the function that is meant; 16 bytes keep it aligned. */
struct wrapped {
	assay_function *function;
	size_t size;
};

/* The task itself is right; then one bit of what it returned is not, or it runs again. */
static int wrapped_task(assay_call *call)
{
	struct wrapped wrapped = *(const struct wrapped *)call->argument;
	int returned;

	call->argument = (const char *)call->argument + sizeof wrapped;
	call->argument_size -= sizeof wrapped;
	returned = wrapped.function(call);
	if (is_wrong("repeat"))
		return wrapped.function(call);
	if (call->result_size)
		*(unsigned char *)call->result ^= 1;
	return returned;
}

static int submit_wrapped(assay_executor *executor, const struct assay_task *task,
			  assay_future **future)
{
	struct wrapped wrapped = {task->function, task->argument_size};
	struct assay_task other = {.function = wrapped_task,
				   .argument_size = sizeof wrapped + task->argument_size};
	char *argument = malloc(other.argument_size);
	int error;

	if (!argument)
		return ASSAY_ENOMEM;
	memcpy(argument, &wrapped, sizeof wrapped);
	memcpy(argument + sizeof wrapped, task->argument, task->argument_size);
	other.argument = argument;
	error = right_ops->submit(executor, &other, future);
	free(argument);
	return error;
}

static int hang_task(assay_call *call)
{
	while (call)
		pause();
	return ASSAY_OK;
}

static int empty_task(assay_call *call)
{
	(void)call;
	return ASSAY_OK;
}

static int submit(assay_executor *executor, const struct assay_task *task, assay_future **future)
{
	struct assay_task other = *task;
	struct timespec stall = {.tv_nsec = 200000000};
	const char *after = getenv("ASSAY_WRONG_AFTER");
	unsigned long number;

	if (is_wrong("stall") && !__atomic_exchange_n(&stalled, true, __ATOMIC_RELAXED))
		nanosleep(&stall, NULL);
	/* Every other task, so that a look at the first alone does not do; or all after so many. */
	number = __atomic_fetch_add(&submitted, 1, __ATOMIC_RELAXED);
	if (after ? number < strtoul(after, NULL, 10) : number % 2 == 0)
		return right_ops->submit(executor, task, future);
	if (is_wrong("corrupt") || is_wrong("repeat"))
		return submit_wrapped(executor, task, future);
	if (is_wrong("crash"))
		abort();
	if (is_wrong("hang"))
		other.function = hang_task;
	if (is_wrong("lose"))
		other.function = empty_task;
	return right_ops->submit(executor, &other, future);
}

static int create(const struct assay_config *config, assay_executor **executor)
{
	struct assay_config other = *config;
	char message[256];
	int error = assay_backend_open("mutex_queue", &right, message, sizeof message);

	if (error)
		return error;
	if (is_wrong("sleepy") && config->spin_ns > 0)
		return ASSAY_ERESOURCE;
	other.workers += is_wrong("workers");
	/* Those of the workload alone, not that of the cell. */
	other.workers += created++ && is_wrong("workers later");
	other.workers += config->workers == 64 && is_wrong("workers of many");
	error = right->create(&other, executor);
	if (error)
		return error;
	right_ops = (*executor)->ops;
	wrong_ops = *right_ops;
	wrong_ops.submit = submit;
	wrong_ops.submit_many = assay_default_submit_many;
	if (!is_wrong("backend"))
		wrong_ops.backend = &assay_backend;
	(*executor)->ops = &wrong_ops;
	return ASSAY_OK;
}

const struct assay_backend assay_backend = {
	.abi = ASSAY_ABI,
	.capabilities = ASSAY_CAP_SHARED_MEMORY | ASSAY_CAP_SHARED_MAPPINGS |
			ASSAY_CAP_FUNCTION_POINTERS | ASSAY_CAP_ASYNCHRONOUS |
			ASSAY_CAP_CONCURRENT | ASSAY_CAP_WORKER_LIMIT | ASSAY_CAP_NESTED_SUBMIT |
			ASSAY_CAP_NESTED_WAIT,
	.name = "wrong",
	.summary = "mutex_queue with one thing wrong",
	.argument_limit = (size_t)1 << 29,
	.result_limit = (size_t)1 << 29,
	.create = create,
	.extension = assay_default_extension,
};
