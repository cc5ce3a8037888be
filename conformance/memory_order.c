/* SPDX-License-Identifier: MIT */
/*
 * Tests of spec/memory.md: what callbacks, initializers, shutdown, cancel and the next task see.
 * Plain variables as in memory.c.
 */
#include "fixture.h"

#include <sched.h>

struct order {
	int64_t *plain;
	int64_t value;
};

static int write_plain(assay_call *call)
{
	const struct order *order = call->argument;

	*order->plain = order->value;
	return ASSAY_OK;
}

static assay_future *submit_write(assay_executor *executor, int64_t *plain, int64_t value)
{
	struct order order = {plain, value};

	return submit_task(executor, write_plain, &order, sizeof order);
}

/* One of these a cache line. */
struct slot {
	int64_t plain;
	int64_t expected;
	int64_t added; /* by the adding thread, before it added */
	char apart[40];
};

static void check_slot(assay_future *future, void *user)
{
	struct slot *slot = user;

	CHECK(assay_future_is_done(future));
	CHECK_EQ(slot->plain, slot->expected);
	CHECK_EQ(slot->added, slot->expected);
	slot->plain = -slot->expected;
}

/* Added before, while and after the task runs, as it happens. */
ASSAY_TEST(mem_5_callback_sees_the_task_and_the_adder, .clause = "MEM-5",
	   .needs = ASSAY_CAP_SHARED_MEMORY, .rounds = 500)
{
	int rounds = scaled(500);
	assay_executor *executor = executor_new(s, s->workers);
	struct slot *slots = shared_new(s, (size_t)rounds * sizeof *slots);

	for (int i = 0; i < rounds; i++) {
		assay_future *future;

		slots[i].expected = i + 1;
		future = submit_write(executor, &slots[i].plain, i + 1);
		slots[i].added = i + 1;
		CHECK_OK(assay_future_add_done_callback(future, check_slot, &slots[i]));
		assay_future_release(future);
	}
	executor_end(executor);
	/* And shutdown shows what the callbacks wrote. */
	for (int i = 0; i < rounds; i++)
		CHECK_EQ(slots[i].plain, -(i + 1));
}

ASSAY_TEST(mem_5_cancel_callback_sees_the_adder, .clause = "MEM-5",
	   .needs = ASSAY_CAP_SHARED_MEMORY | ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	struct slot *slots = shared_new(s, 50 * sizeof *slots);
	assay_future *futures[50];

	for (int i = 0; i < 50; i++) {
		futures[i] = submit_int(executor, i);
		slots[i] = (struct slot){.plain = i, .expected = i, .added = i};
		CHECK_OK(assay_future_add_done_callback(futures[i], check_slot, &slots[i]));
	}
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_CANCEL_PENDING));
	for (int i = 0; i < 50; i++) {
		CHECK_OK(assay_future_wait(futures[i], ASSAY_FOREVER));
		CHECK_EQ(assay_future_state(futures[i]), ASSAY_CANCELLED);
	}
	release_workers(&workers);
	executor_end(executor);
	for (int i = 0; i < 50; i++) {
		CHECK_EQ(slots[i].plain, -i);
		assay_future_release(futures[i]);
	}
}

/* Of the process or the thread in which the tasks run, not of the client. */
static int64_t initialized;
static _Thread_local int64_t initialized_here;

static int initialize(const void *argument, size_t size)
{
	CHECK_EQ(size, sizeof(int64_t));
	initialized = *(const int64_t *)argument;
	initialized_here = initialized + 1;
	return 0;
}

static int return_initialized(assay_call *call)
{
	int sum = (int)(initialized * 100 + initialized_here);

	return assay_return(call, &sum, sizeof sum);
}

ASSAY_TEST(mem_6_tasks_see_what_the_initializer_wrote, .clause = "MEM-6",
	   .needs = ASSAY_CAP_INITIALIZER)
{
	struct assay_config config = assay_config_default();
	int64_t value = 7;
	assay_executor *executor;

	config.workers = 1;
	config.initializer = initialize;
	config.initializer_argument = &value;
	config.initializer_argument_size = sizeof value;
	executor = executor_with(s, &config);
	for (int i = 0; i < 20; i++) {
		assay_future *future = submit_task(executor, return_initialized, NULL, 0);

		CHECK_EQ(result_int(future), 708);
		assay_future_release(future);
	}
	executor_end(executor);
}

static int initialize_here(const void *argument, size_t size)
{
	CHECK_EQ(size, sizeof(int64_t));
	initialized_here = *(const int64_t *)argument;
	return 0;
}

static int return_initialized_here(assay_call *call)
{
	int value = (int)initialized_here;

	return assay_return(call, &value, sizeof value);
}

ASSAY_TEST(mem_6_every_worker_has_what_its_initializer_wrote, .clause = "MEM-6",
	   .needs = ASSAY_CAP_INITIALIZER)
{
	struct assay_config config = assay_config_default();
	int64_t value = 9;
	assay_executor *executor;
	assay_future *futures[100];

	config.workers = 4;
	config.initializer = initialize_here;
	config.initializer_argument = &value;
	config.initializer_argument_size = sizeof value;
	executor = executor_with(s, &config);
	for (int i = 0; i < 100; i++)
		futures[i] = submit_task(executor, return_initialized_here, NULL, 0);
	for (int i = 0; i < 100; i++) {
		CHECK_EQ(result_int(futures[i]), 9);
		assay_future_release(futures[i]);
	}
	executor_end(executor);
}

enum ending { BY_WAIT, BY_WAIT_AFTER_NOWAIT, BY_DESTROY };

/* Nobody asks any future: the end of the executor is all that orders the sum after the writes. */
static void check_visible_after_end(struct subject *s, enum ending ending)
{
	enum { COUNT = 500 };
	assay_executor *executor = executor_new(s, s->workers);
	int64_t *plain = shared_new(s, COUNT * sizeof *plain), sum = 0;

	for (int i = 0; i < COUNT; i++) {
		struct order order = {&plain[i], i + 1};
		struct assay_task task = {write_plain, NULL, &order, sizeof order};

		CHECK_OK(assay_submit(executor, &task, NULL));
	}
	if (ending == BY_WAIT_AFTER_NOWAIT)
		CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT));
	if (ending == BY_DESTROY)
		CHECK_OK(assay_executor_destroy(executor));
	else
		CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	for (int i = 0; i < COUNT; i++)
		sum += plain[i];
	CHECK_EQ(sum, COUNT * (COUNT + 1) / 2);
	if (ending != BY_DESTROY)
		executor_end(executor);
}

ASSAY_TEST(mem_7_visible_after_shutdown, .clause = "MEM-7", .needs = ASSAY_CAP_SHARED_MEMORY)
{
	check_visible_after_end(s, BY_WAIT);
}

ASSAY_TEST(mem_7_visible_after_a_later_shutdown, .clause = "MEM-7",
	   .needs = ASSAY_CAP_SHARED_MEMORY)
{
	check_visible_after_end(s, BY_WAIT_AFTER_NOWAIT);
}

ASSAY_TEST(mem_7_visible_after_destroy, .clause = "MEM-7", .needs = ASSAY_CAP_SHARED_MEMORY)
{
	check_visible_after_end(s, BY_DESTROY);
}

struct ender {
	struct actor actor;
	assay_executor *executor;
	int64_t *plain;
	int count;
};

static void wait_and_check(void *argument)
{
	struct ender *ender = argument;

	CHECK_OK(assay_executor_shutdown(ender->executor, ASSAY_SHUTDOWN_WAIT));
	for (int i = 0; i < ender->count; i++)
		CHECK_EQ(ender->plain[i], i + 1);
}

ASSAY_TEST(mem_7_visible_to_every_thread_that_waited, .clause = "MEM-7",
	   .needs = ASSAY_CAP_SHARED_MEMORY)
{
	assay_executor *executor = executor_new(s, s->workers);
	int64_t *plain = shared_new(s, 200 * sizeof *plain);
	struct ender enders[3];

	for (int i = 0; i < 200; i++)
		assay_future_release(submit_write(executor, &plain[i], i + 1));
	for (int i = 0; i < 3; i++) {
		enders[i] = (struct ender){.executor = executor, .plain = plain, .count = 200};
		actor_start(&enders[i].actor, wait_and_check, &enders[i]);
	}
	for (int i = 0; i < 3; i++)
		actor_join(&enders[i].actor);
	executor_end(executor);
}

struct canceller {
	struct actor actor;
	assay_future **futures;
	int64_t *plain;
	int count;
};

static void write_and_cancel(void *argument)
{
	struct canceller *canceller = argument;

	for (int i = 0; i < canceller->count; i++) {
		canceller->plain[i] = i + 1;
		CHECK(assay_future_cancel(canceller->futures[i]));
	}
}

/* How the other thread learns of it changes from future to future. */
static void learn_of_cancellation(assay_future *future, int how)
{
	struct assay_partition partition = {.futures = NULL};

	if (how == 0)
		CHECK_ERROR(assay_future_result(future, ASSAY_FOREVER, NULL, 0), ASSAY_ECANCELLED);
	else if (how == 1)
		CHECK_OK(assay_wait(&future, 1, ASSAY_FIRST_COMPLETED, ASSAY_FOREVER, &partition));
	else
		while (assay_future_state(future) != ASSAY_CANCELLED)
			sched_yield();
}

ASSAY_TEST(mem_8_observer_of_a_cancellation_sees_what_was_written_before, .clause = "MEM-8",
	   .needs = ASSAY_CAP_SHARED_MEMORY | ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT,
	   .rounds = 600)
{
	int rounds = scaled(600);
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	assay_future **futures = shared_new(s, (size_t)rounds * sizeof *futures);
	int64_t *plain = shared_new(s, (size_t)rounds * sizeof *plain);
	struct canceller canceller = {.futures = futures, .plain = plain, .count = rounds};

	for (int i = 0; i < rounds; i++)
		futures[i] = submit_int(executor, i);
	actor_start(&canceller.actor, write_and_cancel, &canceller);
	for (int i = 0; i < rounds; i++) {
		learn_of_cancellation(futures[i], i % 3);
		CHECK_EQ(plain[i], i + 1);
	}
	actor_join(&canceller.actor);
	release_workers(&workers);
	executor_end(executor);
	for (int i = 0; i < rounds; i++)
		assay_future_release(futures[i]);
}

static int increment(assay_call *call)
{
	int64_t *plain = *(int64_t *const *)call->argument;

	++*plain;
	return ASSAY_OK;
}

ASSAY_TEST(mem_9_one_worker_orders_its_tasks, .clause = "MEM-9",
	   .needs = ASSAY_CAP_SHARED_MEMORY | ASSAY_CAP_WORKER_LIMIT)
{
	assay_executor *executor = executor_new(s, 1);
	int64_t *plain = shared_new(s, sizeof *plain);
	struct assay_task task = {increment, NULL, &plain, sizeof plain};

	for (int i = 0; i < 1000; i++)
		CHECK_OK(assay_submit(executor, &task, NULL));
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	CHECK_EQ(*plain, 1000);
	executor_end(executor);
}

struct submitter {
	struct actor actor;
	assay_executor *executor;
	int64_t *plain;
};

static void submit_increments(void *argument)
{
	struct submitter *submitter = argument;
	struct assay_task task = {increment, NULL, &submitter->plain, sizeof submitter->plain};

	for (int i = 0; i < 200; i++)
		CHECK_OK(assay_submit(submitter->executor, &task, NULL));
}

ASSAY_TEST(mem_9_one_worker_orders_tasks_of_several_submitters, .clause = "MEM-9",
	   .needs = ASSAY_CAP_SHARED_MEMORY | ASSAY_CAP_WORKER_LIMIT)
{
	assay_executor *executor = executor_new(s, 1);
	int64_t *plain = shared_new(s, sizeof *plain);
	struct submitter submitters[3];

	for (int i = 0; i < 3; i++) {
		submitters[i] = (struct submitter){.executor = executor, .plain = plain};
		actor_start(&submitters[i].actor, submit_increments, &submitters[i]);
	}
	for (int i = 0; i < 3; i++)
		actor_join(&submitters[i].actor);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	CHECK_EQ(*plain, 600);
	executor_end(executor);
}

static int client_variable;

static int write_client_variable(assay_call *call)
{
	int before = client_variable;

	client_variable = 99;
	return assay_return(call, &before, sizeof before);
}

ASSAY_TEST(mem_10_tasks_of_other_processes_leave_the_client_alone, .clause = "MEM-10")
{
	assay_executor *executor;
	assay_future *future;

	if (s->backend->capabilities & ASSAY_CAP_SHARED_MEMORY)
		UNSUPPORTED("tasks share the memory of the client");
	executor = executor_new(s, 1);
	future = submit_task(executor, write_client_variable, NULL, 0);
	CHECK_EQ(result_int(future), 0);
	CHECK_EQ(client_variable, 0);
	executor_end(executor);
	assay_future_release(future);
}
