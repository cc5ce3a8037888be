/* SPDX-License-Identifier: MIT */
/* Bytes on their way to the worker and back: sizes, failures, names. */
#include "fixture.h"
#include "heap.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static unsigned char pattern(size_t i)
{
	return (unsigned char)(i * 31 + (i >> 8) * 7 + (i >> 16));
}

static void fill(unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = pattern(i);
}

static bool is_filled(const unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i] != pattern(i))
			return false;
	return true;
}

/* Returns its argument, which must be the pattern. */
static int echo(assay_call *call)
{
	if (!is_filled(call->argument, call->argument_size))
		return assay_fail(call, 1, "the argument is damaged");
	return assay_return(call, call->argument, call->argument_size);
}

/* A message of this many bytes. */
static int fail_at_length(assay_call *call)
{
	size_t length = *(const size_t *)call->argument;
	char *message = malloc(length + 1);
	int code;

	CHECK(message != NULL);
	for (size_t i = 0; i < length; i++)
		message[i] = (char)('a' + i % 26);
	message[length] = '\0';
	code = assay_fail(call, (int)length + 1, message);
	free(message);
	return code;
}

ASSAY_TEST(ser_4_failures_arrive_as_they_were, .clause = "SER-4")
{
	static const size_t lengths[] = {0, 1, 7, 8, 31, 32, 255, 256, 4095, 4096, 65535, 65536};
	assay_executor *executor = executor_new(s, 2);

	for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
		assay_future *future =
			submit_task(executor, fail_at_length, &lengths[k], sizeof lengths[k]);
		struct assay_outcome outcome = {.error = 1};

		CHECK_OK(assay_future_outcome(future, ASSAY_FOREVER, &outcome));
		CHECK_ERROR(outcome.error, ASSAY_EFAILED);
		CHECK_EQ(outcome.code, lengths[k] + 1);
		CHECK_EQ(strlen(outcome.message), lengths[k]);
		for (size_t i = 0; i < lengths[k]; i++)
			if (outcome.message[i] != (char)('a' + i % 26))
				CHECK_EQ(outcome.message[i], 'a' + i % 26);
		assay_future_release(future);
	}
	executor_end(executor);
}

ASSAY_TEST(ser_8_large_arguments_arrive, .clause = "SER-8")
{
	static const size_t sizes[] = {1, 4095, 4096, 65535, 65536, 65537, 1 << 20, (1 << 24) + 1};
	assay_executor *executor = executor_new(s, 1);
	unsigned char *bytes = malloc(sizes[7]);

	CHECK(bytes != NULL);
	fill(bytes, sizes[7]);
	for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
		struct assay_outcome outcome = {.error = 1};
		assay_future *future;

		if (sizes[k] > s->backend->argument_limit || sizes[k] > s->backend->result_limit)
			continue;
		future = submit_task(executor, echo, bytes, sizes[k]);
		CHECK_OK(assay_future_outcome(future, ASSAY_FOREVER, &outcome));
		CHECK_OK(outcome.error);
		CHECK_EQ(outcome.result_size, sizes[k]);
		CHECK(is_filled(outcome.result, sizes[k]));
		assay_future_release(future);
	}
	executor_end(executor);
	free(bytes);
}

ASSAY_TEST(ser_9_many_large_results_at_once, .clause = "SER-9")
{
	enum { COUNT = 16, SIZE = 1 << 19 };

	assay_executor *executor = executor_new(s, s->workers);
	unsigned char *bytes = malloc(SIZE);
	assay_future *futures[COUNT];

	CHECK(bytes != NULL);
	fill(bytes, SIZE);
	/* Results pile up while there is still much to submit, and nobody takes them. */
	for (int i = 0; i < COUNT; i++)
		futures[i] = submit_task(executor, echo, bytes, SIZE);
	for (int i = COUNT - 1; i >= 0; i--) {
		struct assay_outcome outcome = {.error = 1};

		CHECK_OK(assay_future_outcome(futures[i], ASSAY_FOREVER, &outcome));
		CHECK_OK(outcome.error);
		CHECK_EQ(outcome.result_size, SIZE);
		CHECK(is_filled(outcome.result, SIZE));
		assay_future_release(futures[i]);
	}
	executor_end(executor);
	free(bytes);
}

ASSAY_TEST(ser_10_an_argument_beyond_the_limit, .clause = "SER-10")
{
	assay_executor *executor = executor_new(s, 1);
	size_t size = s->backend->argument_limit + 1;
	struct assay_task task = {.function = echo, .argument_size = size};
	assay_future *future = NULL;
	void *zeros;

	if (size == 0 || size > (size_t)1 << 40)
		UNSUPPORTED("the backend has no limit that an argument could exceed");
	zeros = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (zeros == MAP_FAILED)
		UNRESOLVED("no address space for %zu bytes", size);
	task.argument = zeros;
	CHECK_ERROR(assay_submit(executor, &task, &future), ASSAY_ETOOBIG);
	CHECK(!future);
	future = submit_int(executor, 6);
	CHECK_EQ(result_int(future), 6);
	assay_future_release(future);
	executor_end(executor);
	munmap(zeros, size);
}

/* Asks for a result of this many bytes. */
static int return_size(assay_call *call)
{
	void *bytes;

	return assay_call_result(call, *(const size_t *)call->argument, &bytes);
}

ASSAY_TEST(ser_10_a_result_beyond_the_limit, .clause = "SER-10")
{
	assay_executor *executor = executor_new(s, 1);
	const size_t sizes[] = {s->backend->result_limit + 1, SIZE_MAX};

	if (s->backend->result_limit >= SIZE_MAX - 1)
		UNSUPPORTED("the backend has no limit that a result could exceed");
	for (int i = 0; i < 2; i++) {
		assay_future *future =
			submit_task(executor, return_size, &sizes[i], sizeof(size_t));
		assay_future *next = submit_int(executor, i);

		CHECK_ERROR(assay_future_result(future, ASSAY_FOREVER, NULL, 0), ASSAY_ETOOBIG);
		CHECK_EQ(result_int(next), i);
		assay_future_release(future);
		assay_future_release(next);
	}
	executor_end(executor);
}

static int count_bytes(assay_call *call)
{
	int count = (int)call->argument_size;

	return assay_return(call, &count, sizeof count);
}

ASSAY_TEST(ser_12_the_argument_is_given_up_with_the_task, .clause = "SER-12",
	   .needs = ASSAY_CAP_SHARED_MEMORY)
{
	enum { SIZE = 1 << 24 };

	assay_executor *executor = executor_new(s, 1);
	void *zeros = calloc(1, SIZE);
	size_t before = heap_in_use();
	assay_future *large = submit_task(executor, count_bytes, zeros, SIZE), *next;

	CHECK_EQ(result_int(large), SIZE);
	next = submit_int(executor, 1); /* the worker has come round */
	CHECK_EQ(result_int(next), 1);
	CHECK(heap_in_use() < before + SIZE / 2);
	free(zeros);
	executor_end(executor);
	assay_future_release(large);
	assay_future_release(next);
}

static int hit_with_bytes(assay_call *call)
{
	probe_hit(*(struct probe *const *)call->argument);
	return ASSAY_OK;
}

/* Many, since an executor may keep some memory for the next one. */
ASSAY_TEST(ser_12_also_if_nobody_asks, .clause = "SER-12",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT, .deadline_ms = 30000)
{
	enum { COUNT = 7, SIZE = 1 << 26 };

	assay_executor *executor = executor_new(s, 1);
	struct gate *gate = gate_new(s);
	struct probe *ran = probe_new(s);
	assay_future *first = submit_gated(executor, gate, NULL, 1), *futures[COUNT];
	struct probe **bytes = calloc(1, SIZE);
	size_t before;

	if (!bytes)
		UNRESOLVED("out of memory");
	if (is_emulated() && !(s->backend->capabilities & ASSAY_CAP_SHARED_MEMORY))
		UNSUPPORTED("emulated, files are too short to share so much memory");
	if (s->backend->argument_limit < SIZE)
		UNSUPPORTED("arguments of %d bytes exceed the limit", SIZE);
	*bytes = ran;
	before = heap_in_use() + shared_in_use();
	for (int i = 0; i < COUNT; i++)
		futures[i] = submit_task(executor, hit_with_bytes, bytes, SIZE);
	gate_open(gate);
	probe_await(ran, COUNT);
	NOTE("waiting for the memory of the arguments");
	while (heap_in_use() + shared_in_use() > before + (size_t)COUNT * SIZE / 2)
		sched_yield(); /* the last may not be done yet */
	NOTE("%s", "");
	executor_end(executor);
	free(bytes);
	for (int i = 0; i < COUNT; i++)
		assay_future_release(futures[i]);
	assay_future_release(first);
}

static int of_this_process;

static int count_in_process(assay_call *call)
{
	of_this_process++;
	return assay_return(call, &of_this_process, sizeof of_this_process);
}

ASSAY_TEST(ser_13_worker_memory_is_the_workers, .clause = "SER-13", .needs = ASSAY_CAP_WORKER_REUSE)
{
	assay_executor *executor = executor_new(s, 1);

	if (s->backend->capabilities & ASSAY_CAP_SHARED_MEMORY)
		UNSUPPORTED("tasks share the memory of the client");
	for (int i = 1; i <= 5; i++) {
		assay_future *future = submit_task(executor, count_in_process, NULL, 0);

		CHECK_EQ(result_int(future), i);
		assay_future_release(future);
	}
	CHECK_EQ(of_this_process, 0);
	executor_end(executor);
}

ASSAY_TEST(ser_14_a_name_is_found_where_the_task_runs, .clause = "SER-14",
	   .needs = ASSAY_CAP_NAMED_FUNCTIONS)
{
	static const struct assay_named_function functions[] = {{"count", count_bytes},
								{"echo", echo}};
	struct assay_config config = assay_config_default();
	struct assay_task known = {.name = "count", .argument = "12345", .argument_size = 5};
	struct assay_task unknown = {.name = "coun"};
	assay_future *future = NULL;
	assay_executor *executor;
	int error;

	config.workers = 1;
	config.functions = functions;
	config.function_count = 2;
	executor = executor_with(s, &config);
	CHECK_OK(assay_submit(executor, &known, &future));
	CHECK_EQ(result_int(future), 5);
	assay_future_release(future);
	future = NULL;
	error = assay_submit(executor, &unknown, &future);
	if (!error) /* resolved elsewhere */
		error = assay_future_result(future, ASSAY_FOREVER, NULL, 0);
	CHECK_ERROR(error, ASSAY_EUNKNOWN);
	assay_future_release(future);
	executor_end(executor);
}
