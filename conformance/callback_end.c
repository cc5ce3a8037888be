/* SPDX-License-Identifier: MIT */
/* Tests of spec/callback.md: slow callbacks, races, and ends that the executor brings about. */
#include "sanitizer.h"
#include "sighting.h"

#include <signal.h>

struct slow {
	struct probe *entered;
	struct gate *gate;
	struct trace *trace; /* may be NULL */
};

static void dawdle(assay_future *future, void *user)
{
	struct slow *slow = user;

	(void)future;
	probe_hit(slow->entered);
	gate_wait(slow->gate);
	if (slow->trace)
		trace_add(slow->trace, 1);
}

static struct slow slow_new(struct subject *s, struct trace *trace)
{
	return (struct slow){probe_new(s), gate_new(s), trace};
}

ASSAY_TEST(cb_16_result_does_not_wait_for_callbacks, .clause = "CB-16",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct slow slow = slow_new(s, NULL);
	struct gate *gate = gate_new(s);
	assay_future *future = submit_gated(executor, gate, NULL, 7);

	add(future, dawdle, &slow);
	gate_open(gate);
	CHECK_EQ(result_int(future), 7);
	probe_await(slow.entered, 1);
	CHECK_EQ(result_int(future), 7);
	CHECK_OK(assay_future_wait(future, 0));
	gate_open(slow.gate);
	executor_end(executor);
	assay_future_release(future);
}

struct waiter {
	assay_future *future;
	enum assay_wait_until until;
	struct actor actor;
};

static void wait_on_set(void *argument)
{
	struct waiter *waiter = argument;
	struct assay_partition partition = {.futures = NULL};

	CHECK_OK(assay_wait(&waiter->future, 1, waiter->until, ASSAY_FOREVER, &partition));
	CHECK_EQ(partition.done, 1);
}

ASSAY_TEST(cb_16_sleeping_waiters_do_not_wait_for_callbacks, .clause = "CB-16",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct slow slow = slow_new(s, NULL);
	struct gate *gate = gate_new(s);
	assay_future *future = submit_gated(executor, gate, NULL, 7);
	struct waiter waiters[3];

	add(future, dawdle, &slow);
	for (int i = 0; i < 3; i++) {
		waiters[i] = (struct waiter){.future = future, .until = (enum assay_wait_until)i};
		actor_start(&waiters[i].actor, wait_on_set, &waiters[i]);
	}
	for (int i = 0; i < 3; i++)
		actor_await_sleep(&waiters[i].actor);
	gate_open(gate);
	for (int i = 0; i < 3; i++)
		actor_join(&waiters[i].actor);
	probe_await(slow.entered, 1);
	gate_open(slow.gate);
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(cb_17_same_callback_added_often_is_called_as_often, .clause = "CB-17",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct probe *calls = probe_new(s);
	struct gate *gate = gate_new(s);
	assay_future *future = submit_gated(executor, gate, NULL, 7);

	for (int i = 0; i < 25; i++)
		add(future, hit, calls);
	gate_open(gate);
	executor_end(executor);
	CHECK_EQ(probe_count(calls), 25);
	for (int i = 0; i < 5; i++)
		add(future, hit, calls);
	CHECK_EQ(probe_count(calls), 30);
	assay_future_release(future);
}

/* Cheaper than a probe, for nobody waits for it: the shorter, the more likely the race. */
static void count_call(assay_future *future, void *user)
{
	(void)future;
	__atomic_fetch_add((uint32_t *)user, 1, __ATOMIC_RELAXED);
}

/* Enough to be at it when the future ends; returns how many it added. */
static uint32_t add_until_done(assay_future *future, uint32_t *calls)
{
	uint32_t added = 0;

	do {
		add(future, count_call, calls);
		added++;
	} while (!assay_future_is_done(future) && added < 1000);
	return added;
}

/* Two parties: the task that is about to end, and the thread that adds. */
static int end_at_meeting(assay_call *call)
{
	meet(*(struct probe *const *)call->argument, 2);
	return ASSAY_OK;
}

ASSAY_TEST(cb_19_addition_racing_with_the_end_calls_once, .clause = "CB-19",
	   .needs = ASSAY_CAP_ASYNCHRONOUS, .rounds = 1000)
{
	assay_executor *executor = executor_new(s, s->workers);
	int rounds = scaled(1000);
	struct probe *meetings = shared_new(s, (size_t)rounds * sizeof *meetings);
	uint32_t *calls = shared_new(s, (size_t)rounds * sizeof *calls);
	uint32_t *added = shared_new(s, (size_t)rounds * sizeof *added);

	for (int i = 0; i < rounds; i++) {
		struct probe *meeting = &meetings[i];
		assay_future *future =
			submit_task(executor, end_at_meeting, &meeting, sizeof meeting);

		meet(meeting, 2);
		added[i] = add_until_done(future, &calls[i]);
		assay_future_release(future);
	}
	executor_end(executor);
	for (int i = 0; i < rounds; i++)
		CHECK_EQ(calls[i], added[i]);
}

struct racing_adder {
	struct actor actor;
	assay_future **futures;
	struct probe *meetings;
	uint32_t *calls;
	int rounds;
	uint32_t added;
};

static void add_in_rounds(void *argument)
{
	struct racing_adder *adder = argument;

	for (int i = 0; i < adder->rounds; i++) {
		meet(&adder->meetings[i], 3);
		adder->added += add_until_done(adder->futures[i], adder->calls);
	}
}

/* Two threads add while a third cancels. */
ASSAY_TEST(cb_19_addition_racing_with_cancel_calls_once, .clause = "CB-19",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT, .rounds = 1000)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	int rounds = scaled(1000);
	assay_future **futures = shared_new(s, (size_t)rounds * sizeof(assay_future *));
	struct probe *meetings = shared_new(s, (size_t)rounds * sizeof *meetings);
	uint32_t *calls = shared_new(s, sizeof *calls);
	struct racing_adder adders[2];

	for (int i = 0; i < rounds; i++)
		futures[i] = submit_int(executor, i);
	for (int i = 0; i < 2; i++) {
		adders[i] = (struct racing_adder){
			.futures = futures, .meetings = meetings, .calls = calls, .rounds = rounds};
		actor_start(&adders[i].actor, add_in_rounds, &adders[i]);
	}
	for (int i = 0; i < rounds; i++) {
		meet(&meetings[i], 3);
		CHECK(assay_future_cancel(futures[i]));
	}
	for (int i = 0; i < 2; i++)
		actor_join(&adders[i].actor);
	CHECK_EQ(*calls, adders[0].added + adders[1].added);
	release_workers(&workers);
	executor_end(executor);
	CHECK_EQ(*calls, adders[0].added + adders[1].added);
	for (int i = 0; i < rounds; i++)
		assay_future_release(futures[i]);
}

/* A wait with a limit: a backend that delivers through one thread would never end it. */
ASSAY_TEST(cb_20_what_a_slow_callback_delays, .clause = "CB-20",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT, .alone = true)
{
	assay_executor *executor = executor_new(s, 2);
	struct slow slow = slow_new(s, NULL);
	struct gate *gate = gate_new(s);
	assay_future *first = submit_gated(executor, gate, NULL, 1), *second;
	int error;

	add(first, dawdle, &slow);
	gate_open(gate);
	probe_await(slow.entered, 1);
	second = submit_int(executor, 2);
	error = assay_future_wait(second, 20 * short_time_ns());
	NOTE("while a callback blocks, the next task is %s", error ? "not delivered" : "delivered");
	gate_open(slow.gate);
	CHECK_EQ(result_int(second), 2);
	executor_end(executor);
	assay_future_release(first);
	assay_future_release(second);
}

struct closing {
	assay_executor *executor;
	struct trace *trace;
	bool destroys;
	struct actor actor;
};

static void end_executor(void *argument)
{
	struct closing *closing = argument;

	if (closing->destroys)
		CHECK_OK(assay_executor_destroy(closing->executor));
	else
		CHECK_OK(assay_executor_shutdown(closing->executor, ASSAY_SHUTDOWN_WAIT));
	trace_add(closing->trace, 2);
}

/* The callback is blocked when the executor is told to end; which of the two ends first? */
static void check_ends_after_callback(struct subject *s, assay_executor *executor, bool destroys)
{
	struct trace *trace = trace_new(s, 4);
	struct slow slow = slow_new(s, trace);
	struct closing closing = {.executor = executor, .trace = trace, .destroys = destroys};
	struct gate *gate = gate_new(s);
	assay_future *future = submit_gated(executor, gate, NULL, 7);

	add(future, dawdle, &slow);
	gate_open(gate);
	probe_await(slow.entered, 1);
	actor_start(&closing.actor, end_executor, &closing);
	actor_await_sleep(&closing.actor);
	CHECK_EQ(trace_length(trace), 0);
	gate_open(slow.gate);
	actor_join(&closing.actor);
	CHECK_EQ(trace_length(trace), 2);
	CHECK_EQ(trace_at(trace, 0), 1);
	CHECK_EQ(trace_at(trace, 1), 2);
	assay_future_release(future);
}

ASSAY_TEST(cb_21_shutdown_waits_for_callbacks, .clause = "CB-21", .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);

	check_ends_after_callback(s, executor, false);
	executor_end(executor);
}

ASSAY_TEST(cb_21_destroy_waits_for_callbacks, .clause = "CB-21", .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	check_ends_after_callback(s, executor_new(s, 2), true);
}

static void end_thread(assay_future *future, void *user)
{
	(void)future;
	probe_hit(user);
	pthread_exit(NULL);
}

/* The contract leaves the worker's fate open; a pool had better not be lost with it. */
ASSAY_TEST(cb_18_callback_that_ends_the_worker_thread, .clause = "CB-18",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_SURVIVES_THREAD_EXIT, .alone = true)
{
	assay_executor *executor = executor_new(s, 1);
	struct probe *calls = probe_new(s);
	struct gate *gate = gate_new(s);
	assay_future *future = submit_gated(executor, gate, NULL, 7), *next;

	if (BUILT_WITH_ASAN)
		UNSUPPORTED("what the thread held may leak, and this build would report it");
	add(future, end_thread, calls);
	gate_open(gate);
	probe_await(calls, 1);
	next = submit_int(executor, 8);
	if (assay_future_wait(next, 50 * short_time_ns()))
		UNSUPPORTED("the worker is lost with the thread that its callback ended");
	NOTE("after a callback ended its thread, the next task is run");
	executor_end(executor);
	assay_future_release(next);
	assay_future_release(future);
}

/*
 * Ends that the executor brings about
 */

ASSAY_TEST(cb_23_called_when_shutdown_cancels, .clause = "CB-23",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	struct sighting *seen[20];
	assay_future *futures[20];

	for (int i = 0; i < 20; i++) {
		seen[i] = sighting_new(s);
		futures[i] = submit_int(executor, i);
		add(futures[i], look, seen[i]);
	}
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_CANCEL_PENDING));
	/* In this call, says the contract; so they have been called, and by this thread. */
	for (int i = 0; i < 20; i++) {
		check_sighting(seen[i], futures[i], ASSAY_CANCELLED, ASSAY_ECANCELLED);
		CHECK_EQ(seen[i]->tid, gettid());
	}
	release_workers(&workers);
	executor_end(executor);
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(probe_count(seen[i]->calls), 1);
		assay_future_release(futures[i]);
	}
}

ASSAY_TEST(cb_23_called_once_each_when_shutdown_races_with_work, .clause = "CB-23",
	   .needs = ASSAY_CAP_ASYNCHRONOUS, .rounds = 40)
{
	int rounds = scaled(40);

	for (int round = 0; round < rounds; round++) {
		assay_executor *executor = executor_new(s, s->workers);
		struct probe *calls = shared_new(s, 50 * sizeof *calls);

		for (int i = 0; i < 50; i++) {
			assay_future *future = submit_int(executor, i);

			add(future, hit, &calls[i]);
			assay_future_release(future);
		}
		CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT |
								   ASSAY_SHUTDOWN_CANCEL_PENDING));
		for (int i = 0; i < 50; i++)
			CHECK_EQ(probe_count(&calls[i]), 1);
		executor_end(executor);
	}
}

ASSAY_TEST(cb_24_called_when_the_initializer_fails, .clause = "CB-24",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_INITIALIZER)
{
	struct gate *gate = gate_new(s);
	struct sighting *seen[10];
	assay_future *futures[10];
	assay_executor *executor = executor_doomed(s, 1, gate);

	for (int i = 0; i < 10; i++) {
		seen[i] = sighting_new(s);
		futures[i] = submit_int(executor, i);
		add(futures[i], look, seen[i]);
	}
	gate_open(gate);
	for (int i = 0; i < 10; i++)
		CHECK_OK(assay_future_wait(futures[i], ASSAY_FOREVER));
	executor_end(executor);
	for (int i = 0; i < 10; i++) {
		check_sighting(seen[i], futures[i], ASSAY_FINISHED, ASSAY_EBROKEN);
		assay_future_release(futures[i]);
	}
}

static int kill_worker_behind_gate(assay_call *call)
{
	gate_wait(*(struct gate *const *)call->argument);
	return raise(SIGKILL);
}

ASSAY_TEST(cb_24_called_when_a_worker_is_killed, .clause = "CB-24",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_SURVIVES_CRASH)
{
	assay_executor *executor = executor_new(s, 1);
	struct gate *gate = gate_new(s);
	struct sighting *running = sighting_new(s), *pending = sighting_new(s);
	assay_future *first = submit_task(executor, kill_worker_behind_gate, &gate, sizeof gate);
	assay_future *second = submit_int(executor, 7);

	add(first, look, running);
	add(second, look, pending);
	gate_open(gate);
	CHECK_OK(assay_future_wait(second, ASSAY_FOREVER));
	executor_end(executor);
	check_sighting(running, first, ASSAY_FINISHED, ASSAY_EBROKEN);
	check_sighting(pending, second, ASSAY_FINISHED, ASSAY_EBROKEN);
	assay_future_release(first);
	assay_future_release(second);
}
