/* SPDX-License-Identifier: MIT */
/* Tasks that do not return: they end the thread under them. */
#include "waiter.h"

#include <pthread.h>
#include <string.h>

#define EXITS (ASSAY_CAP_SURVIVES_THREAD_EXIT | ASSAY_CAP_ASYNCHRONOUS)

/* A task can be kept from starting. */
#define QUEUES (ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)

static int end_thread(assay_call *call)
{
	(void)call;
	pthread_exit(NULL);
}

static assay_future *submit_exit(assay_executor *executor)
{
	return submit_task(executor, end_thread, NULL, 0);
}

static void check_died(assay_future *future)
{
	struct assay_outcome outcome;
	char untouched = 'u';

	CHECK_OK(assay_future_outcome(future, ASSAY_FOREVER, &outcome));
	CHECK_ERROR(outcome.error, ASSAY_EDIED);
	CHECK(outcome.message != NULL);
	CHECK(outcome.result == NULL);
	CHECK_EQ(outcome.result_size, 0);
	CHECK_EQ(assay_future_state(future), ASSAY_FINISHED);
	CHECK(!assay_future_cancel(future));
	CHECK_ERROR(assay_future_result(future, 0, &untouched, 1), ASSAY_EDIED);
	CHECK_EQ(untouched, 'u');
}

ASSAY_TEST(res_16_a_task_that_ends_its_thread_fails_alone, .clause = "RES-16", .needs = EXITS)
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *before = submit_int(executor, 1), *died = submit_exit(executor);
	assay_future *after = submit_int(executor, 2), *last;

	check_died(died);
	CHECK_EQ(result_int(before), 1);
	CHECK_EQ(result_int(after), 2);
	last = submit_int(executor, 3);
	CHECK_EQ(result_int(last), 3);
	executor_end(executor);
	assay_future_release(before);
	assay_future_release(died);
	assay_future_release(after);
	assay_future_release(last);
}

static void end_many_threads(struct subject *s, int workers)
{
	assay_executor *executor = executor_new(s, workers);
	int rounds = scaled(100);

	for (int round = 0; round < rounds; round++) {
		assay_future *died = submit_exit(executor), *value = submit_int(executor, round);

		if (round % 2)
			check_died(died);
		CHECK_EQ(result_int(value), round);
		check_died(died);
		assay_future_release(died);
		assay_future_release(value);
	}
	executor_end(executor);
}

ASSAY_TEST(res_16_one_worker_ended_many_times, .clause = "RES-16", .needs = EXITS, .rounds = 100)
{
	end_many_threads(s, 1);
}

ASSAY_TEST(res_16_workers_ended_many_times, .clause = "RES-16", .needs = EXITS, .rounds = 100)
{
	end_many_threads(s, 4);
}

ASSAY_TEST(res_16_a_queue_of_exits_drains, .clause = "RES-16", .needs = EXITS | QUEUES)
{
	assay_executor *executor = executor_new(s, 2);
	struct occupied workers = occupy_workers(s, executor, 2);
	struct probe *ran = probe_new(s);
	assay_future *died[40];

	for (int i = 0; i < 40; i++) {
		died[i] = submit_exit(executor);
		assay_future_release(submit_hit(executor, ran));
	}
	release_workers(&workers);
	executor_end(executor);
	CHECK_EQ(probe_count(ran), 40);
	for (int i = 0; i < 40; i++) {
		check_died(died[i]);
		assay_future_release(died[i]);
	}
}

/* Arrives, waits for the gate, and ends the thread. */
struct exit_together {
	struct probe *arrived;
	struct gate *gate;
};

static int end_thread_at_gate(assay_call *call)
{
	struct exit_together in;

	memcpy(&in, call->argument, sizeof in);
	probe_hit(in.arrived);
	gate_wait(in.gate);
	pthread_exit(NULL);
}

ASSAY_TEST(res_16_all_workers_end_at_once, .clause = "RES-16",
	   .needs = EXITS | ASSAY_CAP_CONCURRENT)
{
	assay_executor *executor = executor_new(s, 4);
	struct exit_together in = {probe_new(s), gate_new(s)};
	assay_future *died[4], *value;

	for (int i = 0; i < 4; i++)
		died[i] = submit_task(executor, end_thread_at_gate, &in, sizeof in);
	probe_await(in.arrived, 4);
	value = submit_int(executor, 16);
	gate_open(in.gate);
	CHECK_EQ(result_int(value), 16);
	executor_end(executor);
	for (int i = 0; i < 4; i++) {
		check_died(died[i]);
		assay_future_release(died[i]);
	}
	assay_future_release(value);
}

static void count_call(assay_future *future, void *user)
{
	check_died(future);
	probe_hit(user);
}

ASSAY_TEST(res_16_everyone_waiting_is_told, .clause = "RES-16", .needs = EXITS)
{
	assay_executor *executor = executor_new(s, 1);
	struct exit_together in = {probe_new(s), gate_new(s)};
	assay_future *future = submit_task(executor, end_thread_at_gate, &in, sizeof in);
	struct probe *called = probe_new(s);
	struct waiter waiters[WAIT_CALLS];

	CHECK_OK(assay_future_add_done_callback(future, count_call, called));
	waiters_park(waiters, WAIT_CALLS, future);
	gate_open(in.gate);
	waiters_join(waiters, WAIT_CALLS);
	for (int i = 0; i < WAIT_CALLS; i++)
		CHECK_ERROR(waiters[i].error, ASSAY_EDIED);
	executor_end(executor);
	CHECK_EQ(probe_count(called), 1);
	assay_future_release(future);
}

/* With everything in hand that a task can have. */
static int end_thread_late(assay_call *call)
{
	void *bytes;

	if (assay_call_result(call, 100000, &bytes))
		return ASSAY_ENOMEM;
	memset(bytes, 'x', 100000);
	if (assay_fail(call, 16, "a message that nobody will read") == 16)
		pthread_exit(NULL);
	return ASSAY_OK;
}

ASSAY_TEST(res_16_result_and_message_made_before_are_dropped, .clause = "RES-16", .needs = EXITS)
{
	assay_executor *executor = executor_new(s, 1);
	char argument[1000] = "";
	assay_future *died = submit_task(executor, end_thread_late, argument, sizeof argument);
	assay_future *value = submit_int(executor, 16);

	check_died(died);
	CHECK_EQ(result_int(value), 16);
	executor_end(executor);
	assay_future_release(died);
	assay_future_release(value);
}

ASSAY_TEST(res_16_the_handle_may_be_gone, .clause = "RES-16", .needs = EXITS)
{
	assay_executor *executor = executor_new(s, 1);
	struct probe *ran = probe_new(s);

	for (int i = 0; i < 20; i++) {
		assay_future_release(submit_exit(executor));
		assay_future_release(submit_hit(executor, ran));
	}
	executor_end(executor);
	CHECK_EQ(probe_count(ran), 20);
}

/* Leaves the future to the test: this task may not come back from the wait. */
static int wait_for_exit(assay_call *call)
{
	assay_future **future = *(assay_future * *const *)call->argument;
	int error;

	*future = submit_exit(call->executor);
	CHECK_OK(assay_future_wait(*future, ASSAY_FOREVER));
	error = assay_future_result(*future, 0, NULL, 0);
	return assay_return(call, &error, sizeof error);
}

ASSAY_TEST(res_16_who_waits_for_it_ends_with_it_or_is_told, .clause = "RES-16",
	   .needs = EXITS | ASSAY_CAP_NESTED_SUBMIT | ASSAY_CAP_NESTED_WAIT |
		    ASSAY_CAP_SHARED_MEMORY)
{
	for (int workers = 1; workers <= 2; workers++) {
		assay_executor *executor = executor_new(s, workers);
		assay_future *died = NULL, **address = &died, *others[4];
		assay_future *waits =
			submit_task(executor, wait_for_exit, &address, sizeof address);
		struct assay_outcome outcome;

		for (int i = 0; i < 4; i++)
			others[i] = submit_int(executor, i);
		CHECK_OK(assay_future_outcome(waits, ASSAY_FOREVER, &outcome));
		if (outcome.error)
			check_died(waits);
		else
			CHECK_ERROR(result_int(waits), ASSAY_EDIED);
		for (int i = 0; i < 4; i++) {
			CHECK_EQ(result_int(others[i]), i);
			assay_future_release(others[i]);
		}
		executor_end(executor);
		check_died(died);
		assay_future_release(died);
		assay_future_release(waits);
	}
}
