/* SPDX-License-Identifier: MIT */
/* Tests of spec/lifetime.md: arguments and results. */
#include "lifetime.h"

#include <string.h>

/* Submits a task with an argument of this many bytes. */
static assay_future *submit_bytes(assay_executor *executor, assay_function *function, size_t size)
{
	char *bytes = malloc(size);
	assay_future *future;

	if (!bytes)
		UNRESOLVED("out of memory");
	memset(bytes, 'a', size);
	future = submit_task(executor, function, bytes, size);
	free(bytes);
	return future;
}

static void release_all(assay_future *const *futures, int count)
{
	for (int i = 0; i < count; i++)
		assay_future_release(futures[i]);
}

static int measure(assay_call *call)
{
	int size = (int)call->argument_size;

	return assay_return(call, &size, sizeof size);
}

static int fail_with_argument(assay_call *call)
{
	return assay_fail(call, 3, call->argument_size == BLOCK ? "as told" : "too short");
}

static int return_block(assay_call *call)
{
	void *bytes;
	int error = assay_call_result(call, BLOCK, &bytes);

	if (!error)
		memset(bytes, 'r', BLOCK);
	return error;
}

/* As large a result as the argument, and of the same bytes. */
static int echo(assay_call *call)
{
	return assay_return(call, call->argument, call->argument_size);
}

/*
 * Arguments
 */

ASSAY_TEST(lif_1_arguments_are_freed_while_futures_are_kept, .clause = "LIF-1")
{
	size_t before = heap_before(s);
	assay_executor *executor = executor_new(s, s->workers);
	assay_future *futures[BLOCKS];

	for (int i = 0; i < BLOCKS; i++)
		futures[i] = submit_bytes(executor, measure, BLOCK);
	executor_end(executor);
	check_freed(before);
	for (int i = 0; i < BLOCKS; i++)
		CHECK_EQ(result_int(futures[i]), BLOCK);
	release_all(futures, BLOCKS);
}

ASSAY_TEST(lif_1_arguments_of_failed_tasks_are_freed, .clause = "LIF-1")
{
	size_t before = heap_before(s);
	assay_executor *executor = executor_new(s, s->workers);
	assay_future *futures[BLOCKS];
	struct assay_outcome outcome;

	for (int i = 0; i < BLOCKS; i++)
		futures[i] = submit_bytes(executor, fail_with_argument, BLOCK);
	executor_end(executor);
	check_freed(before);
	for (int i = 0; i < BLOCKS; i++) {
		CHECK_OK(assay_future_outcome(futures[i], 0, &outcome));
		CHECK_STR(outcome.message, "as told");
	}
	release_all(futures, BLOCKS);
}

ASSAY_TEST(lif_1_arguments_of_cancelled_tasks_are_freed, .clause = "LIF-1",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	size_t before = heap_before(s);
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	assay_future *futures[BLOCKS];

	for (int i = 0; i < BLOCKS; i++)
		futures[i] = submit_bytes(executor, measure, BLOCK);
	for (int i = 0; i < BLOCKS; i += 2)
		CHECK(assay_future_cancel(futures[i]));
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_CANCEL_PENDING));
	release_workers(&workers);
	executor_end(executor);
	check_freed(before);
	for (int i = 0; i < BLOCKS; i++)
		CHECK_EQ(assay_future_state(futures[i]), ASSAY_CANCELLED);
	release_all(futures, BLOCKS);
}

static int end_thread(assay_call *call)
{
	CHECK_EQ(call->argument_size, BLOCK);
	pthread_exit(NULL);
}

static int end_thread_with_result(assay_call *call)
{
	void *bytes = NULL;

	CHECK_OK(assay_call_result(call, BLOCK, &bytes));
	memset(bytes, 'r', BLOCK);
	pthread_exit(NULL);
}

static void check_freed_after_threads_end(struct subject *s, assay_function *function, size_t size)
{
	size_t before = heap_before(s);
	assay_executor *executor = executor_new(s, s->workers);
	assay_future *futures[BLOCKS];

	for (int i = 0; i < BLOCKS; i++)
		futures[i] = submit_bytes(executor, function, size);
	executor_end(executor);
	check_freed(before);
	for (int i = 0; i < BLOCKS; i++)
		CHECK_ERROR(assay_future_result(futures[i], 0, NULL, 0), ASSAY_EDIED);
	release_all(futures, BLOCKS);
}

ASSAY_TEST(lif_1_arguments_of_tasks_that_ended_their_thread_are_freed, .clause = "LIF-1",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_SURVIVES_THREAD_EXIT)
{
	check_freed_after_threads_end(s, end_thread, BLOCK);
}

/*
 * Results
 */

ASSAY_TEST(lif_2_idle_worker_keeps_neither_task_nor_result, .clause = "LIF-2")
{
	size_t before = heap_before(s);
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_bytes(executor, echo, TOTAL);
	struct assay_outcome outcome;

	CHECK_OK(assay_future_outcome(future, ASSAY_FOREVER, &outcome));
	CHECK_EQ(outcome.result_size, TOTAL);
	CHECK_EQ(((const char *)outcome.result)[TOTAL - 1], 'a');
	assay_future_release(future);
	await_freed(before);
	executor_end(executor);
}

ASSAY_TEST(lif_2_idle_worker_keeps_no_failure, .clause = "LIF-2")
{
	size_t before = heap_before(s);
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_bytes(executor, fail_with_argument, TOTAL);

	CHECK_ERROR(assay_future_result(future, ASSAY_FOREVER, NULL, 0), ASSAY_EFAILED);
	assay_future_release(future);
	await_freed(before);
	executor_end(executor);
}

ASSAY_TEST(lif_2_results_of_tasks_that_ended_their_thread_are_not_kept, .clause = "LIF-2",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_SURVIVES_THREAD_EXIT)
{
	check_freed_after_threads_end(s, end_thread_with_result, 1);
}

ASSAY_TEST(lif_3_released_futures_are_not_kept, .clause = "LIF-3")
{
	size_t before = heap_before(s);
	assay_executor *executor = executor_new(s, s->workers);
	assay_future *futures[BLOCKS];

	for (int i = 0; i < BLOCKS; i++)
		futures[i] = submit_task(executor, return_block, NULL, 0);
	for (int i = 0; i < BLOCKS; i++)
		CHECK_OK(assay_future_wait(futures[i], ASSAY_FOREVER));
	release_all(futures, BLOCKS);
	await_freed(before);
	executor_end(executor);
	check_freed(before);
}

ASSAY_TEST(lif_3_futures_released_before_the_end_are_not_kept, .clause = "LIF-3")
{
	size_t before = heap_before(s);
	assay_executor *executor = executor_new(s, s->workers);

	for (int i = 0; i < BLOCKS; i++)
		assay_future_release(submit_bytes(executor, echo, BLOCK));
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	check_freed(before);
	executor_end(executor);
}

ASSAY_TEST(lif_3_results_that_nobody_asked_for_are_not_kept, .clause = "LIF-3")
{
	size_t before = heap_before(s);
	assay_executor *executor = executor_new(s, s->workers);
	struct assay_task task = {.function = return_block};

	for (int i = 0; i < BLOCKS; i++)
		CHECK_OK(assay_submit(executor, &task, NULL));
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	check_freed(before);
	executor_end(executor);
}

/* Each time for two tasks, and for the one first that a last-in-first-out queue has beneath. */
static int wait_for_blocks(assay_call *call)
{
	size_t before = heap_now();

	for (int i = 0; i < 2 * BLOCKS; i++) {
		assay_future *futures[2];

		for (int k = 0; k < 2; k++)
			futures[k] = submit_task(call->executor, return_block, NULL, 0);
		for (int k = 0; k < 2; k++)
			CHECK_OK(assay_future_wait(futures[k], ASSAY_FOREVER));
		release_all(futures, 2);
		check_freed(before);
	}
	return ASSAY_OK;
}

ASSAY_TEST(lif_3_results_of_tasks_run_in_place_are_not_kept, .clause = "LIF-3",
	   .needs = ASSAY_CAP_SHARED_MEMORY | ASSAY_CAP_NESTED_SUBMIT | ASSAY_CAP_NESTED_WAIT)
{
	size_t before = heap_before(s);
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_task(executor, wait_for_blocks, NULL, 0);

	CHECK_OK(assay_future_result(future, ASSAY_FOREVER, NULL, 0));
	assay_future_release(future);
	executor_end(executor);
	check_freed(before);
}

ASSAY_TEST(lif_3_results_stay_until_the_last_reference, .clause = "LIF-3")
{
	size_t before = heap_before(s);
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_bytes(executor, echo, TOTAL);
	struct assay_outcome outcome;

	assay_future_retain(future);
	executor_end(executor);
	assay_future_release(future);
	CHECK_OK(assay_future_outcome(future, 0, &outcome));
	CHECK_EQ(outcome.result_size, TOTAL);
	for (size_t i = 0; i < TOTAL; i += 4096)
		CHECK_EQ(((const char *)outcome.result)[i], 'a');
	assay_future_release(future);
	check_freed(before);
}

ASSAY_TEST(lif_4_as_completed_keeps_no_delivered_result, .clause = "LIF-4")
{
	size_t before = heap_before(s);
	assay_executor *executor = executor_new(s, s->workers);
	assay_future *futures[BLOCKS], *future = NULL;
	assay_as_completed *iteration = NULL;

	for (int i = 0; i < BLOCKS; i++)
		futures[i] = submit_task(executor, return_block, NULL, 0);
	CHECK_OK(assay_as_completed_begin(futures, BLOCKS, ASSAY_FOREVER, &iteration));
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	for (size_t left = BLOCKS; left-- > 0;) {
		CHECK_OK(assay_as_completed_next(iteration, &future));
		assay_future_release(future);
		check_freed(before + left * BLOCK);
	}
	assay_as_completed_end(iteration);
	executor_end(executor);
}

static assay_map_iteration *map_blocks(assay_executor *executor, size_t window)
{
	static const char items[BLOCKS];
	struct assay_map_input input = {items, 1, BLOCKS};
	struct assay_map_request request = assay_map_request_default();
	assay_map_iteration *map = NULL;

	request.function = return_block;
	request.inputs = &input;
	request.input_count = 1;
	request.window = window;
	CHECK_OK(assay_map_begin(executor, &request, &map));
	return map;
}

/* All results are there; with each step one less may be. The last one delivered still is. */
ASSAY_TEST(lif_4_map_keeps_no_delivered_result, .clause = "LIF-4")
{
	size_t before = heap_before(s);
	assay_executor *executor = executor_new(s, s->workers);
	assay_map_iteration *map = map_blocks(executor, ASSAY_UNLIMITED);
	struct assay_outcome outcome;

	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	for (size_t left = BLOCKS; left-- > 0;) {
		CHECK_OK(assay_map_next(map, &outcome));
		CHECK_EQ(outcome.result_size, BLOCK);
		check_freed(before + (left + 1) * BLOCK);
	}
	CHECK_ERROR(assay_map_next(map, &outcome), ASSAY_EEND);
	check_freed(before);
	assay_map_end(map);
	executor_end(executor);
}

/* At any time: what the window holds, the item at hand, and what two workers just finished. */
ASSAY_TEST(lif_4_map_with_a_window_holds_a_windowful, .clause = "LIF-4")
{
	size_t before = heap_before(s);
	assay_executor *executor = executor_new(s, 2);
	assay_map_iteration *map = map_blocks(executor, 2);
	struct assay_outcome outcome;

	for (int i = 0; i < BLOCKS; i++) {
		CHECK_OK(assay_map_next(map, &outcome));
		CHECK_EQ(outcome.result_size, BLOCK);
		check_freed(before + (2 + 1 + 2) * BLOCK);
	}
	assay_map_end(map);
	executor_end(executor);
	check_freed(before);
}

/* Fails with its argument, a string, as the message. */
static int fail_with_message(assay_call *call)
{
	char *message = malloc(call->argument_size + 1);
	int code;

	if (!message)
		return ASSAY_ENOMEM;
	memcpy(message, call->argument, call->argument_size);
	message[call->argument_size] = '\0';
	code = assay_fail(call, 3, message);
	free(message);
	return code;
}

ASSAY_TEST(lif_5_failures_that_were_read_are_freed, .clause = "LIF-5")
{
	size_t before = heap_before(s);
	assay_executor *executor = executor_new(s, s->workers);
	assay_future *futures[BLOCKS];
	struct assay_outcome outcome;

	for (int i = 0; i < BLOCKS; i++)
		futures[i] = submit_bytes(executor, fail_with_message, BLOCK);
	executor_end(executor);
	for (int i = 0; i < BLOCKS; i++) {
		for (int again = 0; again < 3; again++) {
			CHECK_OK(assay_future_outcome(futures[i], 0, &outcome));
			CHECK_ERROR(outcome.error, ASSAY_EFAILED);
			CHECK_EQ(strlen(outcome.message), BLOCK);
		}
		assay_future_release(futures[i]);
	}
	check_freed(before);
}

ASSAY_TEST(lif_6_arguments_are_freed_when_the_executor_breaks, .clause = "LIF-6",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_INITIALIZER)
{
	size_t before = heap_before(s);
	struct gate *gate = gate_new(s);
	assay_executor *executor = executor_doomed(s, 1, gate);
	assay_future *futures[BLOCKS];

	for (int i = 0; i < BLOCKS; i++)
		futures[i] = submit_bytes(executor, measure, BLOCK);
	gate_open(gate);
	executor_end(executor);
	check_freed(before);
	for (int i = 0; i < BLOCKS; i++)
		CHECK_ERROR(assay_future_result(futures[i], 0, NULL, 0), ASSAY_EBROKEN);
	release_all(futures, BLOCKS);
}
