/* SPDX-License-Identifier: MIT */
/* The initializer of workers: when it runs, how often, and with what. */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

/* How often the initializer ran on this worker. */
static _Thread_local int initialized;

static assay_executor *initialized_executor(struct subject *s, int workers,
					    assay_initializer *initializer, const void *argument,
					    size_t size)
{
	struct assay_config config = assay_config_default();

	config.workers = workers;
	config.initializer = initializer;
	config.initializer_argument = argument;
	config.initializer_argument_size = size;
	return executor_with(s, &config);
}

/* Given a probe: counts itself there, and on its worker. */
static int count_self(const void *argument, size_t size)
{
	CHECK_EQ(size, sizeof(struct probe *));
	initialized++;
	probe_hit(*(struct probe *const *)argument);
	return 0;
}

static int return_initialized(assay_call *call)
{
	return assay_return(call, &initialized, sizeof initialized);
}

struct appointment {
	struct probe *meeting;
	uint32_t parties;
};

/* Meets the others, so that each is on a worker of its own. */
static int meet_initialized(assay_call *call)
{
	const struct appointment *appointment = call->argument;

	meet(appointment->meeting, appointment->parties);
	return return_initialized(call);
}

/* As many tasks as workers meet; each finds its worker initialized once. */
static void convene(struct subject *s, assay_executor *executor, int workers)
{
	struct appointment appointment = {probe_new(s), (uint32_t)workers};
	assay_future *futures[8];

	for (int i = 0; i < workers; i++)
		futures[i] =
			submit_task(executor, meet_initialized, &appointment, sizeof appointment);
	for (int i = 0; i < workers; i++) {
		CHECK_EQ(result_int(futures[i]), 1);
		assay_future_release(futures[i]);
	}
}

ASSAY_TEST(ini_1_runs_before_the_first_task, .clause = "INI-1", .needs = ASSAY_CAP_INITIALIZER)
{
	struct probe *ran = probe_new(s);
	assay_executor *executor = initialized_executor(s, 1, count_self, &ran, sizeof ran);
	assay_future *future = submit_task(executor, return_initialized, NULL, 0);

	CHECK_EQ(result_int(future), 1);
	CHECK(probe_count(ran) >= 1);
	assay_future_release(future);
	executor_end(executor);
}

ASSAY_TEST(ini_1_every_worker_is_initialized, .clause = "INI-1",
	   .needs = ASSAY_CAP_INITIALIZER | ASSAY_CAP_CONCURRENT)
{
	struct probe *ran = probe_new(s);
	assay_executor *executor = initialized_executor(s, 4, count_self, &ran, sizeof ran);

	convene(s, executor, 4);
	CHECK(probe_count(ran) >= 4);
	executor_end(executor);
}

ASSAY_TEST(ini_1_every_task_finds_it_done, .clause = "INI-1", .needs = ASSAY_CAP_INITIALIZER)
{
	struct probe *ran = probe_new(s);
	assay_executor *executor = initialized_executor(s, 3, count_self, &ran, sizeof ran);
	assay_future *futures[200];

	for (int i = 0; i < 200; i++)
		futures[i] = submit_task(executor, return_initialized, NULL, 0);
	for (int i = 0; i < 200; i++) {
		CHECK_EQ(result_int(futures[i]), 1);
		assay_future_release(futures[i]);
	}
	executor_end(executor);
}

struct slow_start {
	struct gate *gate;
	struct probe *entered;
	struct trace *trace;
};

static int start_slowly(const void *argument, size_t size)
{
	const struct slow_start *start = argument;

	CHECK_EQ(size, sizeof *start);
	probe_hit(start->entered);
	gate_wait(start->gate);
	trace_add(start->trace, 0);
	return 0;
}

ASSAY_TEST(ini_1_tasks_wait_until_it_has_returned, .clause = "INI-1",
	   .needs = ASSAY_CAP_INITIALIZER | ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_SUBMITTER_FIFO |
		    ASSAY_CAP_WORKER_REUSE)
{
	struct slow_start start = {gate_new(s), probe_new(s), trace_new(s, 4)};
	assay_executor *executor = initialized_executor(s, 1, start_slowly, &start, sizeof start);

	for (int i = 1; i <= 3; i++)
		assay_future_release(submit_trace(executor, start.trace, i));
	probe_await(start.entered, 1);
	CHECK_EQ(trace_length(start.trace), 0);
	gate_open(start.gate);
	executor_end(executor);
	CHECK_EQ(trace_length(start.trace), 4);
	for (uint32_t i = 0; i < 4; i++)
		CHECK_EQ(trace_at(start.trace, i), i);
}

ASSAY_TEST(ini_2_once_for_each_worker, .clause = "INI-2",
	   .needs = ASSAY_CAP_INITIALIZER | ASSAY_CAP_CONCURRENT | ASSAY_CAP_WORKER_REUSE)
{
	struct probe *ran = probe_new(s);
	assay_executor *executor = initialized_executor(s, 3, count_self, &ran, sizeof ran);

	for (int round = 0; round < 5; round++)
		convene(s, executor, 3);
	executor_end(executor);
	CHECK_EQ(probe_count(ran), 3);
}

ASSAY_TEST(ini_2_not_for_each_task, .clause = "INI-2",
	   .needs = ASSAY_CAP_INITIALIZER | ASSAY_CAP_WORKER_REUSE)
{
	struct probe *ran = probe_new(s);
	assay_executor *executor = initialized_executor(s, 1, count_self, &ran, sizeof ran);

	for (int i = 0; i < 20; i++) {
		assay_future *future = submit_task(executor, return_initialized, NULL, 0);

		CHECK_EQ(result_int(future), 1);
		assay_future_release(future);
	}
	executor_end(executor);
	CHECK_EQ(probe_count(ran), 1);
}

ASSAY_TEST(ini_2_not_in_the_client, .clause = "INI-2",
	   .needs = ASSAY_CAP_INITIALIZER | ASSAY_CAP_ASYNCHRONOUS)
{
	struct probe *ran = probe_new(s);
	assay_executor *executor = initialized_executor(s, 2, count_self, &ran, sizeof ran);
	assay_future *future = submit_task(executor, return_initialized, NULL, 0);

	CHECK_EQ(result_int(future), 1);
	CHECK_EQ(initialized, 0);
	assay_future_release(future);
	executor_end(executor);
}

/* Where the initializer puts what it was given; set before create, seen by every worker. */
static struct received {
	uint64_t size;
	unsigned char bytes[5000];
} * received;

static int receive(const void *argument, size_t size)
{
	received->size = size;
	if (size)
		memcpy(received->bytes, argument,
		       size < sizeof received->bytes ? size : sizeof received->bytes);
	return 0;
}

static void check_received(struct subject *s, size_t size)
{
	unsigned char *bytes = malloc(size + 1);
	assay_executor *executor;

	CHECK(bytes != NULL);
	received = shared_new(s, sizeof *received);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)(i * 7 + 1);
	executor = initialized_executor(s, 1, receive, bytes, size);
	memset(bytes, 0xee, size); /* copied at create */
	free(bytes);
	assay_future_release(submit_int(executor, 1));
	executor_end(executor);
	CHECK_EQ(received->size, size);
	for (size_t i = 0; i < size; i++)
		CHECK_EQ(received->bytes[i], (unsigned char)(i * 7 + 1));
}

ASSAY_TEST(ini_3_receives_the_configured_bytes, .clause = "INI-3", .needs = ASSAY_CAP_INITIALIZER)
{
	const size_t sizes[] = {1, 8, 63, 64, 65, 5000};

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		check_received(s, sizes[i]);
}

ASSAY_TEST(ini_3_may_have_no_argument, .clause = "INI-3", .needs = ASSAY_CAP_INITIALIZER)
{
	assay_executor *executor;

	received = shared_new(s, sizeof *received);
	received->size = 77;
	executor = initialized_executor(s, 1, receive, NULL, 0);
	assay_future_release(submit_int(executor, 1));
	executor_end(executor);
	CHECK_EQ(received->size, 0);
}

ASSAY_TEST(ini_10_replacement_worker_is_initialized, .clause = "INI-10",
	   .needs = ASSAY_CAP_INITIALIZER | ASSAY_CAP_TASKS_PER_WORKER)
{
	struct assay_config config = assay_config_default();
	struct probe *ran = probe_new(s);
	assay_executor *executor;

	config.workers = 1;
	config.tasks_per_worker = 2;
	config.initializer = count_self;
	config.initializer_argument = &ran;
	config.initializer_argument_size = sizeof ran;
	executor = executor_with(s, &config);
	for (int i = 0; i < 10; i++) {
		assay_future *future = submit_task(executor, return_initialized, NULL, 0);

		CHECK_EQ(result_int(future), 1);
		assay_future_release(future);
	}
	executor_end(executor);
	CHECK(probe_count(ran) >= 5);
}

ASSAY_TEST(ini_11_tasks_stay_pending_meanwhile, .clause = "INI-11",
	   .needs = ASSAY_CAP_INITIALIZER | ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_EXACT_START)
{
	struct slow_start start = {gate_new(s), probe_new(s), trace_new(s, 4)};
	struct probe *ran = probe_new(s);
	assay_executor *executor = initialized_executor(s, 1, start_slowly, &start, sizeof start);
	assay_future *cancelled = submit_hit(executor, ran), *kept = submit_hit(executor, ran);

	probe_await(start.entered, 1);
	CHECK_EQ(assay_future_state(cancelled), ASSAY_PENDING);
	CHECK_EQ(assay_future_state(kept), ASSAY_PENDING);
	CHECK_ERROR(assay_future_wait(kept, 0), ASSAY_ETIMEDOUT);
	CHECK(assay_future_cancel(cancelled));
	CHECK_EQ(assay_future_state(cancelled), ASSAY_CANCELLED);
	gate_open(start.gate);
	CHECK_OK(assay_future_result(kept, ASSAY_FOREVER, NULL, 0));
	executor_end(executor);
	CHECK_EQ(probe_count(ran), 1);
	assay_future_release(cancelled);
	assay_future_release(kept);
}
