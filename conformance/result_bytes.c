/* SPDX-License-Identifier: MIT */
/* The bytes of results and the text of failures: every size, built in place or copied. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A result to be made: size bytes of a pattern that differs from size to size. */
struct shape {
	size_t size;
	bool in_place;
};

static unsigned char pattern(size_t size, size_t at)
{
	return (unsigned char)(size * 7 + at * 31 + at / 251);
}

static void fill(unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = pattern(size, i);
}

static void check_pattern(const void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		CHECK_EQ(((const unsigned char *)bytes)[i], pattern(size, i));
}

static bool is_aligned(const void *bytes)
{
	return (uintptr_t)bytes % _Alignof(max_align_t) == 0;
}

static int make_in_place(assay_call *call, size_t size)
{
	void *bytes;
	int error = assay_call_result(call, size, &bytes);

	if (!error && size) {
		CHECK(is_aligned(bytes));
		fill(bytes, size);
	}
	return error;
}

static int make_copied(assay_call *call, size_t size)
{
	unsigned char *bytes = malloc(size + 1);
	int error;

	if (!bytes)
		return ASSAY_ENOMEM;
	fill(bytes, size);
	error = assay_return(call, bytes, size);
	memset(bytes, 0, size);
	free(bytes);
	return error;
}

static int make_shape(assay_call *call)
{
	struct shape shape;

	memcpy(&shape, call->argument, sizeof shape);
	return shape.in_place ? make_in_place(call, shape.size) : make_copied(call, shape.size);
}

static void check_bytes(assay_future *future, size_t size)
{
	unsigned char *copy = malloc(size + 1);
	struct assay_outcome outcome;

	if (!copy)
		UNRESOLVED("no memory for %zu bytes", size);
	CHECK_OK(assay_future_outcome(future, ASSAY_FOREVER, &outcome));
	CHECK_OK(outcome.error);
	CHECK_EQ(outcome.result_size, size);
	CHECK_EQ(outcome.result == NULL, size == 0);
	CHECK(is_aligned(outcome.result));
	check_pattern(outcome.result, size);
	copy[size] = 'e';
	CHECK_OK(assay_future_result(future, 0, copy, size));
	check_pattern(copy, size);
	CHECK_EQ(copy[size], 'e');
	free(copy);
}

static void check_shape(assay_executor *executor, size_t size, bool in_place)
{
	struct shape shape;
	assay_future *future;

	if (size > assay_executor_backend(executor)->result_limit)
		UNSUPPORTED("results of %zu bytes are over the limit", size);
	memset(&shape, 0, sizeof shape);
	shape.size = size;
	shape.in_place = in_place;
	future = submit_task(executor, make_shape, &shape, sizeof shape);
	check_bytes(future, size);
	assay_future_release(future);
}

ASSAY_TEST(res_26_small_results_in_place, .clause = "RES-26")
{
	assay_executor *executor = executor_new(s, 1);

	for (size_t size = 0; size <= 100; size++)
		check_shape(executor, size, true);
	executor_end(executor);
}

ASSAY_TEST(res_26_small_results_copied, .clause = "RES-26")
{
	assay_executor *executor = executor_new(s, 1);

	for (size_t size = 0; size <= 100; size++)
		check_shape(executor, size, false);
	executor_end(executor);
}

ASSAY_TEST(res_26_a_page_of_result, .clause = "RES-26")
{
	assay_executor *executor = executor_new(s, 1);

	for (size_t size = 4095; size <= 4097; size++) {
		check_shape(executor, size, true);
		check_shape(executor, size, false);
	}
	executor_end(executor);
}

ASSAY_TEST(res_26_a_mebibyte_of_result, .clause = "RES-26")
{
	assay_executor *executor = executor_new(s, 1);

	check_shape(executor, (size_t)1 << 20, true);
	check_shape(executor, (size_t)1 << 20, false);
	executor_end(executor);
}

/* Makes a result of each size, one after the other. */
static int make_in_turn(assay_call *call)
{
	const size_t *sizes = call->argument;
	int error = ASSAY_OK;

	for (size_t i = 0; !error && i < call->argument_size / sizeof *sizes; i++)
		error = make_in_place(call, sizes[i]);
	return error;
}

static void check_last(struct subject *s, const size_t *sizes, size_t count)
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_task(executor, make_in_turn, sizes, count * sizeof *sizes);

	check_bytes(future, sizes[count - 1]);
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(res_27_a_second_result_replaces_the_first, .clause = "RES-27")
{
	check_last(s, (const size_t[]){8, 8}, 2);
	check_last(s, (const size_t[]){5000, 5000}, 2);
}

ASSAY_TEST(res_27_a_growing_result, .clause = "RES-27")
{
	check_last(s, (const size_t[]){1, 24, 25, 32, 100, 5000, 200000}, 7);
}

ASSAY_TEST(res_27_a_shrinking_result, .clause = "RES-27")
{
	check_last(s, (const size_t[]){200000, 5000, 100, 25}, 4);
	check_last(s, (const size_t[]){200000, 24}, 2);
	check_last(s, (const size_t[]){5000, 1}, 2);
	check_last(s, (const size_t[]){5000, 0}, 2);
	check_last(s, (const size_t[]){8, 0}, 2);
}

ASSAY_TEST(res_27_a_result_that_grows_and_shrinks, .clause = "RES-27")
{
	check_last(s, (const size_t[]){10, 1000, 10, 2000, 30}, 5);
	check_last(s, (const size_t[]){0, 300, 0, 16}, 4);
}

/* Makes a good result, then asks for one more byte than the limit. */
static int ask_too_much(assay_call *call)
{
	struct shape shape;
	void *bytes = &shape;
	int error;

	memcpy(&shape, call->argument, sizeof shape);
	error = make_in_place(call, 64);
	if (error)
		return error;
	error = assay_call_result(call, shape.size, &bytes);
	CHECK_ERROR(error, ASSAY_ETOOBIG);
	CHECK(bytes == &shape);
	return shape.in_place ? error : ASSAY_OK;
}

/* passed_on: the task returns the error that it got. */
static assay_future *submit_too_much(assay_executor *executor, bool passed_on)
{
	size_t limit = assay_executor_backend(executor)->result_limit;
	struct shape shape;

	if (limit == SIZE_MAX)
		UNSUPPORTED("the backend has no limit on results");
	memset(&shape, 0, sizeof shape);
	shape.size = limit + 1;
	shape.in_place = passed_on;
	return submit_task(executor, ask_too_much, &shape, sizeof shape);
}

ASSAY_TEST(res_28_a_result_over_the_limit_ends_the_future_so, .clause = "RES-28")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_too_much(executor, true);
	struct assay_outcome outcome;
	char byte = 'u';

	CHECK_ERROR(assay_future_result(future, ASSAY_FOREVER, &byte, 1), ASSAY_ETOOBIG);
	CHECK_EQ(byte, 'u');
	CHECK_OK(assay_future_outcome(future, 0, &outcome));
	CHECK_ERROR(outcome.error, ASSAY_ETOOBIG);
	CHECK(outcome.result == NULL);
	CHECK_EQ(outcome.result_size, 0);
	CHECK(outcome.message != NULL);
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(res_28_a_refused_result_leaves_the_one_before, .clause = "RES-28")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_too_much(executor, false);

	check_bytes(future, 64);
	executor_end(executor);
	assay_future_release(future);
}

static int return_code(assay_call *call)
{
	int code;

	memcpy(&code, call->argument, sizeof code);
	return code;
}

ASSAY_TEST(res_28_storage_errors_are_passed_on, .clause = "RES-28")
{
	static const int errors[] = {ASSAY_ENOMEM, ASSAY_ETOOBIG};
	assay_executor *executor = executor_new(s, 1);

	for (int i = 0; i < 2; i++) {
		assay_future *future = submit_task(executor, return_code, &errors[i], sizeof(int));
		struct assay_outcome outcome;

		CHECK_OK(assay_future_outcome(future, ASSAY_FOREVER, &outcome));
		CHECK_ERROR(outcome.error, errors[i]);
		CHECK_ERROR(assay_future_result(future, 0, NULL, 0), errors[i]);
		CHECK_EQ(assay_future_state(future), ASSAY_FINISHED);
		assay_future_release(future);
	}
	executor_end(executor);
}

ASSAY_TEST(res_29_another_size_is_an_error, .clause = "RES-29")
{
	static const size_t asked[] = {1, 3, 5, 8, 24, 1000};
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_int(executor, 29);

	for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
		char bytes[1000];

		memset(bytes, 'u', sizeof bytes);
		CHECK_ERROR(assay_future_result(future, ASSAY_FOREVER, bytes, asked[i]),
			    ASSAY_ESIZE);
		for (size_t at = 0; at < sizeof bytes; at++)
			CHECK_EQ(bytes[at], 'u');
	}
	CHECK_EQ(result_int(future), 29);
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(res_29_bytes_of_an_empty_result_are_an_error, .clause = "RES-29")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_hit(executor, probe_new(s));
	char byte = 'u';

	CHECK_ERROR(assay_future_result(future, ASSAY_FOREVER, &byte, 1), ASSAY_ESIZE);
	CHECK_EQ(byte, 'u');
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(res_29_a_failure_goes_before_the_size, .clause = "RES-29")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_failing(executor, 29, NULL);
	char bytes[100];

	CHECK_ERROR(assay_future_result(future, ASSAY_FOREVER, bytes, sizeof bytes), ASSAY_EFAILED);
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(res_29_size_zero_asks_for_success_alone, .clause = "RES-29")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_int(executor, 29);
	char byte = 'u';

	CHECK_OK(assay_future_result(future, ASSAY_FOREVER, NULL, 0));
	CHECK_OK(assay_future_result(future, ASSAY_FOREVER, &byte, 0));
	CHECK_EQ(byte, 'u');
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(res_30_bytes_without_address_are_refused_at_once, .clause = "RES-30",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct gate *gate = gate_new(s);
	assay_future *future = submit_gated(executor, gate, NULL, 30);

	CHECK_ERROR(assay_future_result(future, ASSAY_FOREVER, NULL, sizeof(int)), ASSAY_EINVAL);
	gate_open(gate);
	CHECK_EQ(result_int(future), 30);
	CHECK_ERROR(assay_future_result(future, 0, NULL, sizeof(int)), ASSAY_EINVAL);
	executor_end(executor);
	assay_future_release(future);
}

/* Fails with a message of the size in the argument. */
static int fail_at_length(assay_call *call)
{
	size_t length;
	char *message;
	int code;

	memcpy(&length, call->argument, sizeof length);
	message = malloc(length + 1);
	if (!message)
		return ASSAY_ENOMEM;
	for (size_t i = 0; i < length; i++)
		message[i] = (char)('a' + i % 26);
	message[length] = '\0';
	code = assay_fail(call, 31, message);
	memset(message, 'x', length);
	free(message);
	return code;
}

static void check_message_length(assay_executor *executor, size_t length)
{
	assay_future *future = submit_task(executor, fail_at_length, &length, sizeof length);
	struct assay_outcome outcome;

	CHECK_OK(assay_future_outcome(future, ASSAY_FOREVER, &outcome));
	CHECK_ERROR(outcome.error, ASSAY_EFAILED);
	CHECK_EQ(outcome.code, 31);
	CHECK_EQ(strlen(outcome.message), length);
	for (size_t i = 0; i < length; i++)
		CHECK_EQ(outcome.message[i], 'a' + (int)(i % 26));
	assay_future_release(future);
}

ASSAY_TEST(res_31_messages_of_any_length, .clause = "RES-31")
{
	static const size_t lengths[] = {0,   1,   7,   15,  23,   24,   31,    32,   63,
					 127, 128, 255, 256, 4095, 4096, 65535, 65536};
	assay_executor *executor = executor_new(s, 1);

	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
		check_message_length(executor, lengths[i]);
	executor_end(executor);
}

ASSAY_TEST(res_31_a_message_is_text_not_a_format, .clause = "RES-31")
{
	static const char *const messages[] = {"100% of %s %d %n", "two\nlines\tand a tab",
					       "Stra\303\237e", "\x01\x7f\xff"};
	assay_executor *executor = executor_new(s, 1);

	for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
		assay_future *future = submit_failing(executor, 31, messages[i]);
		struct assay_outcome outcome;

		CHECK_OK(assay_future_outcome(future, ASSAY_FOREVER, &outcome));
		CHECK_STR(outcome.message, messages[i]);
		assay_future_release(future);
	}
	executor_end(executor);
}

static int fail_twice(assay_call *call)
{
	int error = make_in_place(call, 5000);

	if (error)
		return error;
	if (assay_fail(call, 1, "the first reason") != 1)
		return ASSAY_OK;
	return assay_fail(call, 2, "the second");
}

ASSAY_TEST(res_32_the_last_failure_counts, .clause = "RES-32")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_task(executor, fail_twice, NULL, 0);
	struct assay_outcome outcome;

	CHECK_OK(assay_future_outcome(future, ASSAY_FOREVER, &outcome));
	CHECK_ERROR(outcome.error, ASSAY_EFAILED);
	CHECK_EQ(outcome.code, 2);
	CHECK_STR(outcome.message, "the second");
	CHECK(outcome.result == NULL);
	CHECK_EQ(outcome.result_size, 0);
	executor_end(executor);
	assay_future_release(future);
}

static int recover(assay_call *call)
{
	return assay_fail(call, 1, "never mind") == 1 ? make_in_place(call, 40) : ASSAY_EINVAL;
}

ASSAY_TEST(res_32_a_task_may_succeed_after_all, .clause = "RES-32")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_task(executor, recover, NULL, 0);
	struct assay_outcome outcome;

	check_bytes(future, 40);
	CHECK_OK(assay_future_outcome(future, 0, &outcome));
	CHECK_EQ(outcome.code, 0);
	CHECK_STR(outcome.message, "");
	executor_end(executor);
	assay_future_release(future);
}
