/* SPDX-License-Identifier: MIT */
/* The part of the fixture that uses executors. */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct assay_backend *plain_backend;
static const char *common_options;

static int create_with_options(const struct assay_config *config, assay_executor **executor)
{
	struct assay_config changed = *config;

	if (!changed.options)
		changed.options = common_options;
	return plain_backend->create(&changed, executor);
}

const struct assay_backend *backend_with_options(const struct assay_backend *backend,
						 const char *options)
{
	static struct assay_backend changed;

	if (!options)
		return backend;
	plain_backend = backend;
	common_options = options;
	changed = *backend;
	changed.create = create_with_options;
	return &changed;
}

assay_executor *executor_with(struct subject *s, const struct assay_config *config)
{
	assay_executor *executor = NULL;
	int error = assay_executor_create(s->backend, config, &executor);

	if (error == ASSAY_EUNSUPPORTED)
		UNSUPPORTED("the backend does not offer this configuration");
	if (error)
		test_fail(__FILE__, __LINE__, "expected an executor, saw %s",
			  assay_error_name(error));
	return executor;
}

assay_executor *executor_new(struct subject *s, int workers)
{
	struct assay_config config = assay_config_default();

	config.workers = workers;
	return executor_with(s, &config);
}

static int fail_at_gate(const void *argument, size_t size)
{
	CHECK_EQ(size, sizeof(struct gate *));
	gate_wait(*(struct gate *const *)argument);
	return 1;
}

void ignore_log(void *user, enum assay_severity severity, const char *message)
{
	(void)user;
	(void)severity;
	(void)message;
}

assay_executor *executor_doomed(struct subject *s, int workers, struct gate *gate)
{
	struct assay_config config = assay_config_default();

	config.workers = workers;
	config.initializer = fail_at_gate;
	config.initializer_argument = &gate;
	config.initializer_argument_size = sizeof gate;
	config.log = ignore_log;
	return executor_with(s, &config);
}

void executor_end(assay_executor *executor)
{
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	CHECK_OK(assay_executor_destroy(executor));
}

assay_future *submit_task(assay_executor *executor, assay_function *function, const void *argument,
			  size_t size)
{
	struct assay_task task = {
		.function = function, .argument = argument, .argument_size = size};
	assay_future *future = NULL;

	CHECK_OK(assay_submit(executor, &task, &future));
	CHECK(future != NULL);
	return future;
}

static int return_int(assay_call *call)
{
	return assay_return(call, call->argument, sizeof(int));
}

assay_future *submit_int(assay_executor *executor, int value)
{
	return submit_task(executor, return_int, &value, sizeof value);
}

int return_tid(assay_call *call)
{
	int tid = (int)gettid();

	return assay_return(call, &tid, sizeof tid);
}

int return_pid(assay_call *call)
{
	int pid = (int)getpid();

	return assay_return(call, &pid, sizeof pid);
}

static int hit(assay_call *call)
{
	probe_hit(*(struct probe *const *)call->argument);
	return ASSAY_OK;
}

assay_future *submit_hit(assay_executor *executor, struct probe *probe)
{
	return submit_task(executor, hit, &probe, sizeof probe);
}

struct trace_argument {
	struct trace *trace;
	int64_t entry;
};

static int add_to_trace(assay_call *call)
{
	const struct trace_argument *argument = call->argument;

	trace_add(argument->trace, argument->entry);
	return ASSAY_OK;
}

assay_future *submit_trace(assay_executor *executor, struct trace *trace, int64_t entry)
{
	struct trace_argument argument = {trace, entry};

	return submit_task(executor, add_to_trace, &argument, sizeof argument);
}

struct gated_argument {
	struct gate *gate;
	struct probe *started;
	int value;
};

static int wait_for_gate(assay_call *call)
{
	const struct gated_argument *argument = call->argument;

	if (argument->started)
		probe_hit(argument->started);
	gate_wait(argument->gate);
	return assay_return(call, &argument->value, sizeof argument->value);
}

assay_future *submit_gated(assay_executor *executor, struct gate *gate, struct probe *started,
			   int value)
{
	struct gated_argument argument = {gate, started, value};

	return submit_task(executor, wait_for_gate, &argument, sizeof argument);
}

struct failing_argument {
	int code;
	char message[]; /* terminated; absent if there is none */
};

static int fail(assay_call *call)
{
	const struct failing_argument *argument = call->argument;

	return assay_fail(call, argument->code,
			  call->argument_size > sizeof *argument ? argument->message : NULL);
}

assay_future *submit_failing(assay_executor *executor, int code, const char *message)
{
	size_t size = sizeof(struct failing_argument) + (message ? strlen(message) + 1 : 0);
	struct failing_argument *argument = malloc(size);
	assay_future *future;

	if (!argument)
		UNRESOLVED("out of memory");
	argument->code = code;
	if (message)
		memcpy(argument->message, message, strlen(message) + 1);
	future = submit_task(executor, fail, argument, size);
	free(argument);
	return future;
}

int result_int(assay_future *future)
{
	int value = 0;

	CHECK_OK(assay_future_result(future, ASSAY_FOREVER, &value, sizeof value));
	return value;
}

struct occupied occupy_workers(struct subject *s, assay_executor *executor, int workers)
{
	struct occupied occupied = {
		.gate = gate_new(s),
		.count = workers * (1 + (int)s->backend->lookahead),
	};
	struct probe *started = probe_new(s);

	occupied.futures = calloc((size_t)occupied.count, sizeof(assay_future *));
	if (!occupied.futures)
		UNRESOLVED("out of memory");
	for (int i = 0; i < occupied.count; i++)
		occupied.futures[i] = submit_gated(executor, occupied.gate, started, i);
	probe_await(started, (uint32_t)workers);
	return occupied;
}

void release_workers(struct occupied *occupied)
{
	gate_open(occupied->gate);
	for (int i = 0; i < occupied->count; i++) {
		CHECK_EQ(result_int(occupied->futures[i]), i);
		assay_future_release(occupied->futures[i]);
	}
	free(occupied->futures);
	occupied->futures = NULL;
	occupied->count = 0;
}
