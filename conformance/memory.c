/* SPDX-License-Identifier: MIT */
/*
 * Tests of spec/memory.md. The data are plain variables, written and read without any
 * synchronization but the executor's: a wrong value fails the test, and ThreadSanitizer finds the
 * missing edge even where the value happens to be right.
 */
#include "fixture.h"

#include <sched.h>
#include <string.h>

#define LITMUS_ROUNDS 500

/* Two words far apart, so that no cache line and no single store carries both. */
struct plain {
	int64_t first;
	char apart[248];
	int64_t second;
};

static void plain_write(struct plain *plain, int64_t value)
{
	plain->first = value;
	plain->second = -value;
}

static void plain_check(const struct plain *plain, int64_t value)
{
	CHECK_EQ(plain->second, -value);
	CHECK_EQ(plain->first, value);
}

static struct plain *plains_new(struct subject *s, int count)
{
	return shared_new(s, (size_t)count * sizeof(struct plain));
}

struct order {
	struct plain *plain;
	int64_t value;
};

static int check_plain(assay_call *call)
{
	const struct order *order = call->argument;

	plain_check(order->plain, order->value);
	return ASSAY_OK;
}

static int write_plain(assay_call *call)
{
	const struct order *order = call->argument;

	plain_write(order->plain, order->value);
	return ASSAY_OK;
}

static int write_plain_and_fail(assay_call *call)
{
	const struct order *order = call->argument;

	plain_write(order->plain, order->value);
	return assay_fail(call, 3, NULL);
}

static assay_future *submit_order(assay_executor *executor, assay_function *function,
				  struct plain *plain, int64_t value)
{
	struct order order = {plain, value};

	return submit_task(executor, function, &order, sizeof order);
}

/*
 * From submit to the task
 */

ASSAY_TEST(mem_1_task_sees_writes_before_submit, .clause = "MEM-1",
	   .needs = ASSAY_CAP_SHARED_MEMORY, .rounds = LITMUS_ROUNDS)
{
	int rounds = scaled(LITMUS_ROUNDS);
	assay_executor *executor = executor_new(s, s->workers);
	struct plain *plains = plains_new(s, rounds);

	for (int i = 0; i < rounds; i++) {
		plain_write(&plains[i], i + 1);
		assay_future_release(submit_order(executor, check_plain, &plains[i], i + 1));
	}
	executor_end(executor);
}

ASSAY_TEST(mem_1_idle_worker_sees_writes_before_submit, .clause = "MEM-1",
	   .needs = ASSAY_CAP_SHARED_MEMORY, .rounds = LITMUS_ROUNDS)
{
	int rounds = scaled(LITMUS_ROUNDS);
	assay_executor *executor = executor_new(s, s->workers);
	struct plain plain;

	for (int i = 1; i <= rounds; i++) {
		assay_future *future;

		plain_write(&plain, i);
		future = submit_order(executor, check_plain, &plain, i);
		CHECK_OK(assay_future_result(future, ASSAY_FOREVER, NULL, 0));
		assay_future_release(future);
	}
	executor_end(executor);
}

ASSAY_TEST(mem_1_tasks_of_a_batch_see_writes_before_it, .clause = "MEM-1",
	   .needs = ASSAY_CAP_SHARED_MEMORY)
{
	assay_executor *executor = executor_new(s, s->workers);
	struct plain *plains = plains_new(s, 300);
	struct order orders[300];
	struct assay_task tasks[300];
	size_t accepted = 0;

	for (int i = 0; i < 300; i++) {
		plain_write(&plains[i], i + 1);
		orders[i] = (struct order){&plains[i], i + 1};
		tasks[i] = (struct assay_task){check_plain, NULL, &orders[i], sizeof orders[i]};
	}
	CHECK_OK(assay_submit_many(executor, tasks, 300, NULL, &accepted));
	CHECK_EQ(accepted, 300);
	executor_end(executor);
}

/* Writes, submits a task that checks, and returns that task's future. */
static int write_and_submit(assay_call *call)
{
	const struct order *order = call->argument;
	assay_future *inner;

	plain_write(order->plain, order->value);
	inner = submit_order(call->executor, check_plain, order->plain, order->value);
	return assay_return(call, &inner, sizeof inner);
}

ASSAY_TEST(mem_1_nested_task_sees_writes_of_its_submitter, .clause = "MEM-1",
	   .needs = ASSAY_CAP_SHARED_MEMORY | ASSAY_CAP_NESTED_SUBMIT, .rounds = LITMUS_ROUNDS)
{
	int rounds = scaled(LITMUS_ROUNDS);
	assay_executor *executor = executor_new(s, 2);
	struct plain *plains = plains_new(s, rounds);

	for (int i = 0; i < rounds; i++) {
		assay_future *outer = submit_order(executor, write_and_submit, &plains[i], i + 1),
			     *inner = NULL;

		CHECK_OK(assay_future_result(outer, ASSAY_FOREVER, &inner, sizeof inner));
		CHECK_OK(assay_future_result(inner, ASSAY_FOREVER, NULL, 0));
		assay_future_release(inner);
		assay_future_release(outer);
	}
	executor_end(executor);
}

/*
 * From the task to whoever learns that it is done
 */

/* Learns by whatever means that the future is done. */
typedef void learner(assay_future *future);

static void check_visible_after(struct subject *s, assay_function *function, learner *learn)
{
	int rounds = scaled(LITMUS_ROUNDS);
	assay_executor *executor = executor_new(s, s->workers);
	struct plain *plains = plains_new(s, rounds);

	for (int i = 0; i < rounds; i++) {
		assay_future *future = submit_order(executor, function, &plains[i], i + 1);

		learn(future);
		plain_check(&plains[i], i + 1);
		assay_future_release(future);
	}
	executor_end(executor);
}

static void learn_by_result(assay_future *future)
{
	CHECK_OK(assay_future_result(future, ASSAY_FOREVER, NULL, 0));
}

ASSAY_TEST(mem_2_visible_after_result, .clause = "MEM-2", .needs = ASSAY_CAP_SHARED_MEMORY,
	   .rounds = LITMUS_ROUNDS)
{
	check_visible_after(s, write_plain, learn_by_result);
}

static void learn_by_asking_for_the_result(assay_future *future)
{
	while (assay_future_result(future, 0, NULL, 0) == ASSAY_ETIMEDOUT)
		sched_yield();
}

ASSAY_TEST(mem_2_visible_after_result_without_waiting, .clause = "MEM-2",
	   .needs = ASSAY_CAP_SHARED_MEMORY, .rounds = LITMUS_ROUNDS)
{
	check_visible_after(s, write_plain, learn_by_asking_for_the_result);
}

static void learn_by_failure(assay_future *future)
{
	struct assay_outcome outcome;

	CHECK_OK(assay_future_outcome(future, ASSAY_FOREVER, &outcome));
	CHECK_ERROR(outcome.error, ASSAY_EFAILED);
}

ASSAY_TEST(mem_2_visible_after_a_failure, .clause = "MEM-2", .needs = ASSAY_CAP_SHARED_MEMORY,
	   .rounds = LITMUS_ROUNDS)
{
	check_visible_after(s, write_plain_and_fail, learn_by_failure);
}

static int write_plain_and_end_thread(assay_call *call)
{
	const struct order *order = call->argument;

	plain_write(order->plain, order->value);
	pthread_exit(NULL);
}

static void learn_by_death(assay_future *future)
{
	CHECK_ERROR(assay_future_result(future, ASSAY_FOREVER, NULL, 0), ASSAY_EDIED);
}

ASSAY_TEST(mem_2_visible_after_the_task_ended_its_thread, .clause = "MEM-2",
	   .needs = ASSAY_CAP_SHARED_MEMORY | ASSAY_CAP_SURVIVES_THREAD_EXIT |
		    ASSAY_CAP_ASYNCHRONOUS,
	   .rounds = LITMUS_ROUNDS)
{
	check_visible_after(s, write_plain_and_end_thread, learn_by_death);
}

struct reader {
	struct actor actor;
	assay_future *future;
	const struct plain *plain;
};

static void read_after_result(void *argument)
{
	struct reader *reader = argument;

	CHECK_OK(assay_future_result(reader->future, ASSAY_FOREVER, NULL, 0));
	plain_check(reader->plain, 7);
}

ASSAY_TEST(mem_2_visible_to_every_waiting_thread, .clause = "MEM-2",
	   .needs = ASSAY_CAP_SHARED_MEMORY, .rounds = 50)
{
	int rounds = scaled(50);
	assay_executor *executor = executor_new(s, s->workers);

	for (int round = 0; round < rounds; round++) {
		struct plain plain = {0};
		assay_future *future = submit_order(executor, write_plain, &plain, 7);
		struct reader readers[3];

		for (int i = 0; i < 3; i++) {
			readers[i] = (struct reader){.future = future, .plain = &plain};
			actor_start(&readers[i].actor, read_after_result, &readers[i]);
		}
		for (int i = 0; i < 3; i++)
			actor_join(&readers[i].actor);
		assay_future_release(future);
	}
	executor_end(executor);
}

static void learn_by_future_wait(assay_future *future)
{
	CHECK_OK(assay_future_wait(future, ASSAY_FOREVER));
}

ASSAY_TEST(mem_3_visible_after_future_wait, .clause = "MEM-3", .needs = ASSAY_CAP_SHARED_MEMORY,
	   .rounds = LITMUS_ROUNDS)
{
	check_visible_after(s, write_plain, learn_by_future_wait);
}

static void learn_by_wait_all(assay_future *future)
{
	struct assay_partition partition = {.futures = NULL};

	CHECK_OK(assay_wait(&future, 1, ASSAY_ALL_COMPLETED, ASSAY_FOREVER, &partition));
	CHECK_EQ(partition.done, 1);
}

ASSAY_TEST(mem_3_visible_after_wait_for_all, .clause = "MEM-3", .needs = ASSAY_CAP_SHARED_MEMORY,
	   .rounds = LITMUS_ROUNDS)
{
	check_visible_after(s, write_plain, learn_by_wait_all);
}

static void learn_by_wait_first(assay_future *future)
{
	struct assay_partition partition = {.futures = NULL};

	CHECK_OK(assay_wait(&future, 1, ASSAY_FIRST_COMPLETED, ASSAY_FOREVER, &partition));
	CHECK_EQ(partition.done, 1);
}

ASSAY_TEST(mem_3_visible_after_wait_for_the_first, .clause = "MEM-3",
	   .needs = ASSAY_CAP_SHARED_MEMORY, .rounds = LITMUS_ROUNDS)
{
	check_visible_after(s, write_plain, learn_by_wait_first);
}

static void learn_by_partition(assay_future *future)
{
	struct assay_partition partition = {.futures = NULL};

	do {
		CHECK_OK(assay_wait(&future, 1, ASSAY_ALL_COMPLETED, 0, &partition));
		sched_yield();
	} while (partition.pending);
}

ASSAY_TEST(mem_3_visible_after_a_partition_says_done, .clause = "MEM-3",
	   .needs = ASSAY_CAP_SHARED_MEMORY, .rounds = LITMUS_ROUNDS)
{
	check_visible_after(s, write_plain, learn_by_partition);
}

ASSAY_TEST(mem_3_visible_after_as_completed, .clause = "MEM-3", .needs = ASSAY_CAP_SHARED_MEMORY)
{
	enum { COUNT = 200 };
	assay_executor *executor = executor_new(s, s->workers);
	struct plain *plains = plains_new(s, COUNT);
	assay_future *futures[COUNT], *future = NULL;
	assay_as_completed *iteration = NULL;

	for (int i = 0; i < COUNT; i++)
		futures[i] = submit_order(executor, write_plain, &plains[i], i + 1);
	CHECK_OK(assay_as_completed_begin(futures, COUNT, ASSAY_FOREVER, &iteration));
	for (int yielded = 0; yielded < COUNT; yielded++) {
		int i = 0;

		CHECK_OK(assay_as_completed_next(iteration, &future));
		while (futures[i] != future)
			i++;
		plain_check(&plains[i], i + 1);
	}
	assay_as_completed_end(iteration);
	executor_end(executor);
	for (int i = 0; i < COUNT; i++)
		assay_future_release(futures[i]);
}

ASSAY_TEST(mem_3_visible_after_map_delivers, .clause = "MEM-3", .needs = ASSAY_CAP_SHARED_MEMORY)
{
	enum { COUNT = 200 };
	assay_executor *executor = executor_new(s, s->workers);
	struct plain *plains = plains_new(s, COUNT);
	struct order orders[COUNT];
	struct assay_map_input input = {orders, sizeof orders[0], COUNT};
	struct assay_map_request request = assay_map_request_default();
	assay_map_iteration *map = NULL;
	struct assay_outcome outcome = {0};

	for (int i = 0; i < COUNT; i++)
		orders[i] = (struct order){&plains[i], i + 1};
	request.function = write_plain;
	request.inputs = &input;
	request.input_count = 1;
	request.chunk_size = 3;
	CHECK_OK(assay_map_begin(executor, &request, &map));
	for (int i = 0; i < COUNT; i++) {
		CHECK_OK(assay_map_next(map, &outcome));
		CHECK_OK(outcome.error);
		plain_check(&plains[i], i + 1);
	}
	assay_map_end(map);
	executor_end(executor);
}

static void learn_by_is_done(assay_future *future)
{
	while (!assay_future_is_done(future))
		sched_yield();
}

ASSAY_TEST(mem_4_visible_after_is_done, .clause = "MEM-4", .needs = ASSAY_CAP_SHARED_MEMORY,
	   .rounds = LITMUS_ROUNDS)
{
	check_visible_after(s, write_plain, learn_by_is_done);
}

static void learn_by_state(assay_future *future)
{
	while (assay_future_state(future) != ASSAY_FINISHED)
		sched_yield();
}

ASSAY_TEST(mem_4_visible_after_the_state_is_finished, .clause = "MEM-4",
	   .needs = ASSAY_CAP_SHARED_MEMORY, .rounds = LITMUS_ROUNDS)
{
	check_visible_after(s, write_plain, learn_by_state);
}
