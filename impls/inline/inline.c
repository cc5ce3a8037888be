/* SPDX-License-Identifier: MIT */
/*
 * The other floor: submit runs the task. No thread, no queue; what remains is the future.
 *
 * Ordering
 *   N1  submit: seq_cst add to running, then the look at stopping
 *         against   shutdown: seq_cst store of stopping, then the look at running
 *       A submit that shutdown does not wait for sees that it is too late. Likewise leave, with the
 *       decrement of running: one that shutdown still saw running wakes it.
 *   N2  submit: release decrement of running  ->  shutdown: acquire load     what the tasks wrote
 *
 * Relaxed without a word: submitted, finished and failed, which are statistics.
 */
#include <assay/backend.h>

#include "../core/future.h"
#include "../core/settings.h"

#include <stdlib.h>
#include <string.h>

#define BYTES_LIMIT ((size_t)1 << 30)

struct inline_executor {
	assay_executor base;
	struct settings settings;
	_Atomic bool stopping;
	_Atomic uint32_t running; /* submits under way; futex of shutdown */
	_Atomic uint64_t submitted;
	_Atomic uint64_t finished;
	_Atomic uint64_t failed;
};

/* The submits that the calling thread is inside of, innermost first. */
struct frame {
	struct inline_executor *executor;
	struct frame *outer;
	struct future *future;
	bool has_client; /* of two references, one is the client's */
	struct running running;
};

static _Thread_local struct frame *frames;

static struct inline_executor *inline_of(assay_executor *executor)
{
	return (struct inline_executor *)executor;
}

static void leave(struct inline_executor *executor)
{
	if (atomic_fetch_sub_explicit(&executor->running, 1, memory_order_seq_cst) == 1 && /* N2 */
	    atomic_load_explicit(&executor->stopping, memory_order_seq_cst))               /* N1 */
		port_wake(&executor->running, INT_MAX);
}

/* Also when the task ends its thread: shutdown must not wait for it. */
static void thread_ended(void *user)
{
	struct frame *frame = user;
	struct future_outcome outcome;

	frames = frame->outer;
	atomic_fetch_add_explicit(&frame->executor->failed, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&frame->executor->finished, 1, memory_order_relaxed);
	future_call_ended(frame->future, &frame->running, &outcome);
	future_settle(frame->future, outcome);
	future_release(frame->future); /* the executor's; nobody will get the client's */
	if (frame->has_client)
		future_release(frame->future);
	leave(frame->executor);
}

static void run(struct inline_executor *executor, struct future *future, bool has_client)
{
	struct future_outcome outcome;
	struct frame frame; /* `running` is future_call()'s to fill */

	frame.executor = executor;
	frame.outer = frames;
	frame.future = future;
	frame.has_client = has_client;
	frames = &frame;
	running_init(&frame.running, &future_call_ops, NULL);
	pthread_cleanup_push(thread_ended, &frame);
	future_start(future);
	if (!future_call(future, &executor->base, &frame.running, &outcome))
		atomic_fetch_add_explicit(&executor->failed, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&executor->finished, 1, memory_order_relaxed);
	future_end(future, outcome); /* nobody can observe it yet */
	pthread_cleanup_pop(0);
	frames = frame.outer;
}

static int submit(assay_executor *base, const struct assay_task *task, assay_future **out)
{
	struct inline_executor *executor = inline_of(base);
	assay_function *function;
	struct future *future;
	int error;

	if (settings_are_orphaned(&executor->settings))
		return ASSAY_EUNREACHABLE;
	atomic_fetch_add_explicit(&executor->running, 1, memory_order_seq_cst); /* N1 */
	error = atomic_load_explicit(&executor->stopping, memory_order_seq_cst) /* N1 */
			? ASSAY_ESHUTDOWN
			: settings_resolve(&executor->settings, task, &function);
	if (!error) {
		future = future_create(base, function, task->argument, task->argument_size,
				       out ? 2 : 1);
		if (future) {
			atomic_fetch_add_explicit(&executor->submitted, 1, memory_order_relaxed);
			run(executor, future, out != NULL);
			if (out)
				*out = &future->base;
		} else {
			error = ASSAY_ENOMEM;
		}
	}
	leave(executor);
	return error;
}

static int shutdown(assay_executor *base, unsigned flags)
{
	struct inline_executor *executor = inline_of(base);
	uint32_t running;

	if (flags & (ASSAY_SHUTDOWN_TERMINATE | ASSAY_SHUTDOWN_KILL))
		return ASSAY_EUNSUPPORTED;
	if (settings_are_orphaned(&executor->settings))
		return ASSAY_OK; /* submits may have been under way in threads that are not here */
	atomic_store_explicit(&executor->stopping, true, memory_order_seq_cst); /* N1 */
	if (!(flags & ASSAY_SHUTDOWN_WAIT))
		return ASSAY_OK;
	for (struct frame *frame = frames; frame; frame = frame->outer)
		if (frame->executor == executor)
			return ASSAY_EDEADLOCK;
	while ((running =
			atomic_load_explicit(&executor->running, memory_order_seq_cst))) /* N1 N2 */
		port_sleep(&executor->running, running, ASSAY_FOREVER);
	return ASSAY_OK;
}

static int destroy(assay_executor *base)
{
	int error = shutdown(base, ASSAY_SHUTDOWN_WAIT);

	/* In a child that a task forked, the task is still inside: what the parent made stays. */
	if (!error && !settings_are_orphaned(&inline_of(base)->settings)) {
		settings_free(&inline_of(base)->settings);
		free(base);
	}
	return error;
}

static void statistics(assay_executor *base, struct assay_statistics *out, size_t size)
{
	struct inline_executor *executor = inline_of(base);
	uint64_t submitted = atomic_load_explicit(&executor->submitted, memory_order_relaxed);

	struct assay_statistics now = {
		.submitted = submitted,
		.started = submitted,
		.finished = atomic_load_explicit(&executor->finished, memory_order_relaxed),
		.failed = atomic_load_explicit(&executor->failed, memory_order_relaxed),
	};

	memcpy(out, &now, size < sizeof now ? size : sizeof now);
}

static const struct assay_executor_ops ops = {
	.backend = &assay_backend,
	.submit = submit,
	.submit_many = assay_default_submit_many,
	.shutdown = shutdown,
	.destroy = destroy,
	.statistics = statistics,
};

static int create(const struct assay_config *config, assay_executor **out)
{
	struct inline_executor *executor;
	int error;

	if (config->name || config->initializer || config->queue_capacity != ASSAY_UNLIMITED ||
	    config->when_full != ASSAY_FULL_BLOCK || config->tasks_per_worker != INT_MAX ||
	    config->stack_size || config->retries || config->on_worker_death != ASSAY_DEATH_BREAKS)
		return ASSAY_EUNSUPPORTED;
	if (config->options && *config->options)
		return ASSAY_EINVAL; /* there are none */
	executor = calloc(1, sizeof *executor);
	if (!executor)
		return ASSAY_ENOMEM;
	error = settings_copy(&executor->settings, config);
	if (error) {
		free(executor);
		return error;
	}
	executor->base.ops = &ops;
	*out = &executor->base;
	return ASSAY_OK;
}

const struct assay_backend assay_backend = {
	.abi = ASSAY_ABI,
	.capabilities = ASSAY_CAP_SHARED_MEMORY | ASSAY_CAP_SHARED_MAPPINGS |
			ASSAY_CAP_FUNCTION_POINTERS | ASSAY_CAP_NAMED_FUNCTIONS |
			ASSAY_CAP_EXACT_START | ASSAY_CAP_FIFO | ASSAY_CAP_SUBMITTER_FIFO |
			ASSAY_CAP_NESTED_SUBMIT | ASSAY_CAP_NESTED_WAIT | ASSAY_CAP_DRAINS_AT_EXIT |
			ASSAY_CAP_OWNS_WORKERS,
	.name = "inline",
	.summary = "submit runs the task itself",
	.argument_limit = BYTES_LIMIT,
	.result_limit = BYTES_LIMIT,
	.create = create,
	.extension = assay_default_extension,
};
