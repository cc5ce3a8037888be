/* SPDX-License-Identifier: MIT */
/* The argument a task is given: its bytes, whose they are, and how they lie. */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#define PENDING_NEEDS (ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)

/* What a task found as its argument. */
struct seen {
	size_t size;
	size_t past_alignment; /* address modulo the alignment of any type */
	uint64_t digest;
};

static uint64_t digest(const unsigned char *bytes, size_t size)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	return hash;
}

static int look_at_argument(assay_call *call)
{
	struct seen seen = {call->argument_size, (uintptr_t)call->argument % _Alignof(max_align_t),
			    digest(call->argument, call->argument_size)};

	return assay_return(call, &seen, sizeof seen);
}

static struct seen result_seen(assay_future *future)
{
	struct seen seen;

	CHECK_OK(assay_future_result(future, ASSAY_FOREVER, &seen, sizeof seen));
	assay_future_release(future);
	return seen;
}

/* Bytes that differ from size to size and from place to place; to be freed. */
static unsigned char *pattern(size_t size)
{
	unsigned char *bytes = malloc(size + 1);

	CHECK(bytes != NULL);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)(i * 31 + (i >> 8) + size);
	return bytes;
}

static void check_seen(struct seen seen, size_t size)
{
	unsigned char *bytes = pattern(size);

	CHECK_EQ(seen.size, size);
	CHECK_EQ(seen.digest, digest(bytes, size));
	if (size)
		CHECK_EQ(seen.past_alignment, 0);
	free(bytes);
}

/* A task with a patterned argument of this size goes through the executor. */
static void check_size(assay_executor *executor, size_t size)
{
	unsigned char *bytes = pattern(size);
	assay_future *future = submit_task(executor, look_at_argument, bytes, size);

	free(bytes);
	check_seen(result_seen(future), size);
}

ASSAY_TEST(sub_3_arguments_reach_their_own_task, .clause = "SUB-3")
{
	assay_executor *executor = executor_new(s, s->workers);
	assay_future *futures[200];

	for (int i = 0; i < 200; i++)
		futures[i] = submit_int(executor, i * 1000003);
	for (int i = 0; i < 200; i++) {
		CHECK_EQ(result_int(futures[i]), i * 1000003);
		assay_future_release(futures[i]);
	}
	executor_end(executor);
}

ASSAY_TEST(sub_3_no_argument_at_all, .clause = "SUB-3")
{
	assay_executor *executor = executor_new(s, 1);

	for (int i = 0; i < 3; i++) {
		assay_future *future = submit_task(executor, look_at_argument, NULL, 0);

		CHECK_EQ(result_seen(future).size, 0);
		check_size(executor, 40); /* what one task leaves is not seen by the next */
	}
	executor_end(executor);
}

ASSAY_TEST(sub_4_no_value_is_reserved, .clause = "SUB-4")
{
	assay_executor *executor = executor_new(s, 1);
	const uint64_t values[] = {0, UINT64_MAX, UINT64_C(1) << 63, UINT64_C(1) << 31,
				   (uint64_t)(uintptr_t)executor};

	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		struct seen seen = result_seen(
			submit_task(executor, look_at_argument, &values[i], sizeof values[i]));

		CHECK_EQ(seen.size, sizeof values[i]);
		CHECK_EQ(seen.digest, digest((const unsigned char *)&values[i], sizeof values[i]));
	}
	executor_end(executor);
}

static int add_to_pointee(assay_call *call)
{
	int *value = *(int *const *)call->argument;

	*value += 5;
	return assay_return(call, &value, sizeof value);
}

ASSAY_TEST(sub_5_pointers_mean_the_same_object, .clause = "SUB-5", .needs = ASSAY_CAP_SHARED_MEMORY)
{
	assay_executor *executor = executor_new(s, s->workers);
	int *value = malloc(sizeof *value), *seen = NULL;
	assay_future *future;

	CHECK(value != NULL);
	*value = 37;
	future = submit_task(executor, add_to_pointee, &value, sizeof value);
	CHECK_OK(assay_future_result(future, ASSAY_FOREVER, &seen, sizeof seen));
	CHECK(seen == value);
	CHECK_EQ(*value, 42);
	assay_future_release(future);
	executor_end(executor);
	free(value);
}

static int address_of_argument(assay_call *call)
{
	return assay_return(call, &call->argument, sizeof call->argument);
}

ASSAY_TEST(sub_6_task_has_its_own_copy, .clause = "SUB-6", .needs = ASSAY_CAP_SHARED_MEMORY)
{
	static char bytes[5000];
	const size_t sizes[] = {1, 16, 100, sizeof bytes};
	assay_executor *executor = executor_new(s, 1);

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		assay_future *future = submit_task(executor, address_of_argument, bytes, sizes[i]);
		const char *seen = NULL;

		CHECK_OK(assay_future_result(future, ASSAY_FOREVER, &seen, sizeof seen));
		CHECK(seen < bytes || seen >= bytes + sizeof bytes);
		assay_future_release(future);
	}
	executor_end(executor);
}

static int of_the_client = 1;

static int change_client_memory(assay_call *call)
{
	int before = of_the_client;

	of_the_client = 2;
	return assay_return(call, &before, sizeof before);
}

ASSAY_TEST(sub_6_task_cannot_change_client_memory, .clause = "SUB-6")
{
	assay_executor *executor;
	assay_future *future;

	if (s->backend->capabilities & ASSAY_CAP_SHARED_MEMORY)
		UNSUPPORTED("tasks share the client's memory");
	executor = executor_new(s, 1);
	future = submit_task(executor, change_client_memory, NULL, 0);
	(void)result_int(future);
	CHECK_EQ(of_the_client, 1);
	assay_future_release(future);
	executor_end(executor);
}

ASSAY_TEST(sub_30_arguments_of_every_small_size, .clause = "SUB-30")
{
	assay_executor *executor = executor_new(s, s->workers);

	for (size_t size = 0; size <= 100; size++)
		check_size(executor, size);
	executor_end(executor);
}

ASSAY_TEST(sub_30_large_arguments, .clause = "SUB-30")
{
	const size_t sizes[] = {127, 128, 129, 255, 256, 4095, 4096, 4097, 65536, (1u << 20) + 1};
	assay_executor *executor = executor_new(s, s->workers);

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		if (sizes[i] <= s->backend->argument_limit)
			check_size(executor, sizes[i]);
	executor_end(executor);
}

ASSAY_TEST(sub_30_mixed_sizes_in_one_batch, .clause = "SUB-30")
{
	enum { COUNT = 101 };
	struct assay_task tasks[COUNT];
	unsigned char *arguments[COUNT];
	assay_future *futures[COUNT];
	assay_executor *executor = executor_new(s, s->workers);

	for (size_t size = 0; size < COUNT; size++) {
		arguments[size] = pattern(size);
		tasks[size] = (struct assay_task){look_at_argument, NULL, arguments[size], size};
	}
	CHECK_OK(assay_submit_many(executor, tasks, COUNT, futures, NULL));
	for (size_t size = 0; size < COUNT; size++)
		free(arguments[size]);
	for (size_t size = 0; size < COUNT; size++)
		check_seen(result_seen(futures[size]), size);
	executor_end(executor);
}

ASSAY_TEST(sub_31_bytes_are_copied_at_submit, .clause = "SUB-31", .needs = PENDING_NEEDS)
{
	const size_t sizes[] = {1, 8, 24, 64, 100, 5000, 100000};
	enum { COUNT = sizeof sizes / sizeof *sizes };
	assay_executor *executor = executor_new(s, 1);
	struct occupied busy = occupy_workers(s, executor, 1);
	assay_future *futures[COUNT];

	for (size_t i = 0; i < COUNT; i++) {
		unsigned char *bytes = pattern(sizes[i]);

		futures[i] = submit_task(executor, look_at_argument, bytes, sizes[i]);
		memset(bytes, 0xee, sizes[i]);
		free(bytes);
	}
	release_workers(&busy);
	for (size_t i = 0; i < COUNT; i++)
		check_seen(result_seen(futures[i]), sizes[i]);
	executor_end(executor);
}

ASSAY_TEST(sub_31_batch_is_copied_at_submit, .clause = "SUB-31", .needs = PENDING_NEEDS)
{
	unsigned char *small = pattern(16), *large = pattern(3000);
	struct assay_task tasks[] = {{look_at_argument, NULL, small, 16},
				     {look_at_argument, NULL, large, 3000}};
	assay_executor *executor = executor_new(s, 1);
	struct occupied busy = occupy_workers(s, executor, 1);
	assay_future *futures[2];

	CHECK_OK(assay_submit_many(executor, tasks, 2, futures, NULL));
	memset(tasks, 0, sizeof tasks);
	memset(small, 0xee, 16);
	memset(large, 0xee, 3000);
	release_workers(&busy);
	check_seen(result_seen(futures[0]), 16);
	check_seen(result_seen(futures[1]), 3000);
	executor_end(executor);
	free(small);
	free(large);
}
