/* SPDX-License-Identifier: MIT */
/* What a task returns or fails with, as its client reads it. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A task can be kept from starting. */
#define QUEUES (ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)

enum { THREADS = 4 };

/* Waits for the outcome and checks that it is a failure with this code and message. */
static void check_failed(assay_future *future, int code, const char *message)
{
	struct assay_outcome outcome;
	char untouched = 'u';

	CHECK_OK(assay_future_outcome(future, ASSAY_FOREVER, &outcome));
	CHECK_ERROR(outcome.error, ASSAY_EFAILED);
	CHECK_EQ(outcome.code, code);
	CHECK_STR(outcome.message, message);
	CHECK(outcome.result == NULL);
	CHECK_EQ(outcome.result_size, 0);
	CHECK_EQ(assay_future_state(future), ASSAY_FINISHED);
	CHECK_ERROR(assay_future_result(future, ASSAY_FOREVER, NULL, 0), ASSAY_EFAILED);
	CHECK_ERROR(assay_future_result(future, 0, &untouched, 1), ASSAY_EFAILED);
	CHECK_EQ(untouched, 'u');
}

ASSAY_TEST(res_1_each_task_returns_its_own_value, .clause = "RES-1")
{
	assay_executor *executor = executor_new(s, s->workers);
	assay_future *futures[100];

	for (int i = 0; i < 100; i++)
		futures[i] = submit_int(executor, i * 1000003);
	for (int i = 99; i >= 0; i--) {
		CHECK_EQ(result_int(futures[i]), i * 1000003);
		assay_future_release(futures[i]);
	}
	executor_end(executor);
}

struct reader {
	struct actor actor;
	assay_future *future;
	struct probe *meeting;
	struct assay_outcome outcome;
};

static void read_often(void *argument)
{
	struct reader *reader = argument;

	meet(reader->meeting, THREADS);
	CHECK_OK(assay_future_outcome(reader->future, ASSAY_FOREVER, &reader->outcome));
	for (int i = 0; i < 100; i++) {
		struct assay_outcome again;

		CHECK_OK(assay_future_outcome(reader->future, 0, &again));
		CHECK_ERROR(again.error, reader->outcome.error);
		CHECK_EQ(again.code, reader->outcome.code);
		CHECK_STR(again.message, reader->outcome.message);
		CHECK_EQ(again.result_size, reader->outcome.result_size);
		if (again.result_size)
			CHECK(!memcmp(again.result, reader->outcome.result, again.result_size));
	}
}

/* Several threads read the future at once. Afterwards the first bytes each got are still good. */
static void read_by_threads(struct subject *s, assay_future *future, struct reader *readers)
{
	struct probe *meeting = probe_new(s);

	for (int i = 0; i < THREADS; i++) {
		readers[i].future = future;
		readers[i].meeting = meeting;
		actor_start(&readers[i].actor, read_often, &readers[i]);
	}
	for (int i = 0; i < THREADS; i++)
		actor_join(&readers[i].actor);
}

static int return_argument(assay_call *call)
{
	return assay_return(call, call->argument, call->argument_size);
}

static void check_read_again(struct subject *s, size_t size)
{
	assay_executor *executor = executor_new(s, 1);
	char *bytes = malloc(size);
	struct reader readers[THREADS];
	assay_future *future;

	if (!bytes)
		UNRESOLVED("no memory for %zu bytes", size);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)('a' + i % 26);
	future = submit_task(executor, return_argument, bytes, size);
	read_by_threads(s, future, readers);
	executor_end(executor);
	for (int i = 0; i < THREADS; i++) {
		CHECK_EQ(readers[i].outcome.result_size, size);
		CHECK(!memcmp(readers[i].outcome.result, bytes, size));
	}
	free(bytes);
	assay_future_release(future);
}

ASSAY_TEST(res_2_a_small_result_is_read_again_and_again, .clause = "RES-2")
{
	check_read_again(s, 4);
}

ASSAY_TEST(res_2_a_large_result_is_read_again_and_again, .clause = "RES-2")
{
	check_read_again(s, 10000);
}

ASSAY_TEST(res_3_failure_carries_code_and_message, .clause = "RES-3")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_failing(executor, 404, "no such page");

	check_failed(future, 404, "no such page");
	executor_end(executor);
	check_failed(future, 404, "no such page");
	assay_future_release(future);
}

ASSAY_TEST(res_3_failures_are_not_mixed_up, .clause = "RES-3")
{
	assay_executor *executor = executor_new(s, s->workers);
	assay_future *futures[50];
	char message[50][16];

	for (int i = 0; i < 50; i++) {
		snprintf(message[i], sizeof message[i], "failure %d", i);
		futures[i] = submit_failing(executor, i + 1, i % 2 ? message[i] : NULL);
	}
	executor_end(executor);
	for (int i = 0; i < 50; i++) {
		check_failed(futures[i], i + 1, i % 2 ? message[i] : "");
		assay_future_release(futures[i]);
	}
}

static int return_code(assay_call *call)
{
	int code;

	memcpy(&code, call->argument, sizeof code);
	return code;
}

ASSAY_TEST(res_3_codes_of_every_size, .clause = "RES-3")
{
	static const int codes[] = {1, 2, 127, 128, 255, 256, 65535, 65536, 1 << 30, INT_MAX};
	assay_executor *executor = executor_new(s, 1);

	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
		assay_future *bare = submit_task(executor, return_code, &codes[i], sizeof codes[i]);
		assay_future *worded = submit_failing(executor, codes[i], "with words");

		check_failed(bare, codes[i], "");
		check_failed(worded, codes[i], "with words");
		assay_future_release(bare);
		assay_future_release(worded);
	}
	executor_end(executor);
}

ASSAY_TEST(res_4_outcome_of_a_failure_is_no_error, .clause = "RES-4")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_failing(executor, 4, "four");
	struct assay_outcome outcome;

	CHECK_OK(assay_future_wait(future, ASSAY_FOREVER));
	CHECK_OK(assay_future_outcome(future, 0, &outcome));
	CHECK_ERROR(outcome.error, ASSAY_EFAILED);
	CHECK_EQ(outcome.code, 4);
	CHECK_STR(outcome.message, "four");
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(res_5_outcome_of_a_success_has_no_failure, .clause = "RES-5")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_int(executor, 5);
	struct assay_outcome outcome = {.error = 1, .code = 2, .message = NULL};
	int value;

	CHECK_OK(assay_future_outcome(future, ASSAY_FOREVER, &outcome));
	CHECK_OK(outcome.error);
	CHECK_EQ(outcome.code, 0);
	CHECK_STR(outcome.message, "");
	CHECK_EQ(outcome.result_size, sizeof value);
	memcpy(&value, outcome.result, sizeof value);
	CHECK_EQ(value, 5);
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(res_17_one_worker_survives_failures, .clause = "RES-17")
{
	assay_executor *executor = executor_new(s, 1);

	for (int i = 1; i <= 200; i++) {
		assay_future *failing = submit_failing(executor, i, "failed");
		assay_future *next = submit_int(executor, i);

		CHECK_EQ(result_int(next), i);
		check_failed(failing, i, "failed");
		assay_future_release(failing);
		assay_future_release(next);
	}
	executor_end(executor);
}

ASSAY_TEST(res_17_the_same_worker_goes_on, .clause = "RES-17",
	   .needs = ASSAY_CAP_WORKER_REUSE | ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *before = submit_task(executor, return_tid, NULL, 0);
	assay_future *failing = submit_failing(executor, 17, "seventeen");
	assay_future *after = submit_task(executor, return_tid, NULL, 0);

	check_failed(failing, 17, "seventeen");
	CHECK_EQ(result_int(after), result_int(before));
	executor_end(executor);
	assay_future_release(before);
	assay_future_release(failing);
	assay_future_release(after);
}

static int fail_with_zero(assay_call *call)
{
	return assay_fail(call, 0, "nothing");
}

ASSAY_TEST(res_18_a_failure_with_code_zero_is_a_failure, .clause = "RES-18")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_task(executor, fail_with_zero, NULL, 0);

	check_failed(future, ASSAY_EINVAL, "");
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(res_18_a_failure_with_an_empty_message_is_a_failure, .clause = "RES-18")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_failing(executor, 18, "");

	check_failed(future, 18, "");
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(res_19_no_result_is_a_result, .clause = "RES-19")
{
	assay_executor *executor = executor_new(s, 1);
	struct probe *ran = probe_new(s);
	assay_future *future = submit_hit(executor, ran);
	struct assay_outcome outcome = {.result = ran, .result_size = 1};

	CHECK_OK(assay_future_result(future, ASSAY_FOREVER, NULL, 0));
	CHECK_OK(assay_future_outcome(future, 0, &outcome));
	CHECK_OK(outcome.error);
	CHECK(outcome.result == NULL);
	CHECK_EQ(outcome.result_size, 0);
	CHECK_STR(outcome.message, "");
	CHECK_EQ(assay_future_state(future), ASSAY_FINISHED);
	CHECK_EQ(probe_count(ran), 1);
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(res_19_no_result_is_not_unfinished, .clause = "RES-19", .needs = QUEUES)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	assay_future *future = submit_hit(executor, probe_new(s));

	CHECK_ERROR(assay_future_result(future, 0, NULL, 0), ASSAY_ETIMEDOUT);
	release_workers(&workers);
	CHECK_OK(assay_future_result(future, ASSAY_FOREVER, NULL, 0));
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(res_20_a_future_as_result_is_not_waited_for, .clause = "RES-20",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_SHARED_MEMORY)
{
	assay_executor *executor = executor_new(s, 1), *other = executor_new(s, 1);
	struct gate *gate = gate_new(s);
	assay_future *inner = submit_gated(other, gate, NULL, 20), *seen = NULL;
	assay_future *outer = submit_task(executor, return_argument, &inner, sizeof inner);

	CHECK_OK(assay_future_result(outer, ASSAY_FOREVER, &seen, sizeof seen));
	CHECK(seen == inner);
	CHECK(!assay_future_is_done(inner));
	gate_open(gate);
	CHECK_EQ(result_int(seen), 20);
	executor_end(executor);
	executor_end(other);
	assay_future_release(inner);
	assay_future_release(outer);
}

ASSAY_TEST(res_21_a_task_that_fails_with_the_timeout_code_is_done, .clause = "RES-21")
{
	assay_executor *executor = executor_new(s, 1);
	int code = ASSAY_ETIMEDOUT;
	assay_future *future = submit_task(executor, return_code, &code, sizeof code);

	check_failed(future, ASSAY_ETIMEDOUT, "");
	CHECK(assay_future_is_done(future));
	CHECK_OK(assay_future_wait(future, 0));
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(res_21_negative_codes_are_ordinary_failures, .clause = "RES-21")
{
	assay_executor *executor = executor_new(s, 1);

	for (int code = -1; code >= -20; code--) {
		assay_future *future;

		if (code == ASSAY_ENOMEM || code == ASSAY_ETOOBIG)
			continue;
		future = submit_task(executor, return_code, &code, sizeof code);
		check_failed(future, code, "");
		CHECK(!assay_future_cancel(future));
		assay_future_release(future);
	}
	executor_end(executor);
}

ASSAY_TEST(res_21_the_lowest_code_is_an_ordinary_failure, .clause = "RES-21")
{
	assay_executor *executor = executor_new(s, 1);
	int code = INT_MIN;
	assay_future *future = submit_task(executor, return_code, &code, sizeof code);

	check_failed(future, INT_MIN, "");
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(res_22_a_failure_is_read_again_and_again, .clause = "RES-22")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_failing(executor, 22, "twenty-two");
	struct reader readers[THREADS];

	read_by_threads(s, future, readers);
	executor_end(executor);
	for (int i = 0; i < THREADS; i++) {
		CHECK_ERROR(readers[i].outcome.error, ASSAY_EFAILED);
		CHECK_EQ(readers[i].outcome.code, 22);
		CHECK_STR(readers[i].outcome.message, "twenty-two");
	}
	assay_future_release(future);
}
