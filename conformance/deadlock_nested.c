/* SPDX-License-Identifier: MIT */
/* Tasks that wait for tasks of their own executor, without limit, whatever the number of workers. */
#include "mapping.h"
#include "waiter.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NESTED (ASSAY_CAP_NESTED_SUBMIT | ASSAY_CAP_NESTED_WAIT)

static int wait_for_a_child(assay_call *call)
{
	enum wait_call by = *(const enum wait_call *)call->argument;
	struct waiter waiter = {.call = by, .timeout_ns = ASSAY_FOREVER};

	waiter.future = submit_int(call->executor, 30 + (int)by);
	waiter_run(&waiter);
	CHECK_OK(waiter.error);
	assay_future_release(waiter.future);
	return assay_return(call, &waiter.value, sizeof waiter.value);
}

ASSAY_TEST(dlk_6_every_call_that_waits, .clause = "DLK-6", .needs = NESTED)
{
	for (int workers = 1; workers <= 2; workers++) {
		assay_executor *executor = executor_new(s, workers);

		for (int by = 0; by < WAIT_CALLS; by++) {
			enum wait_call call = (enum wait_call)by;
			assay_future *future =
				submit_task(executor, wait_for_a_child, &call, sizeof call);

			CHECK_EQ(result_int(future), 30 + by);
			assay_future_release(future);
		}
		executor_end(executor);
	}
}

static int fib(assay_call *call)
{
	int n = *(const int *)call->argument, arguments[2] = {n - 1, n - 2}, sum = n;
	assay_future *below[2];

	if (n >= 2) {
		for (int i = 0; i < 2; i++)
			below[i] = submit_task(call->executor, fib, &arguments[i], sizeof(int));
		sum = result_int(below[0]) + result_int(below[1]);
		for (int i = 0; i < 2; i++)
			assay_future_release(below[i]);
	}
	return assay_return(call, &sum, sizeof sum);
}

/* Every task accepted ended in one of the three ways. */
static void check_sums(assay_executor *executor, uint64_t submitted)
{
	struct assay_statistics now;

	assay_executor_statistics(executor, &now);
	if (now.submitted == UINT64_MAX)
		return;
	if (submitted)
		CHECK_EQ(now.submitted, submitted);
	CHECK_EQ(now.finished + now.cancelled + now.broken, now.submitted);
	if (now.started != UINT64_MAX)
		CHECK_EQ(now.started, now.finished);
}

ASSAY_TEST(dlk_6_recursion, .clause = "DLK-6", .needs = NESTED)
{
	bool is_slow = scaled(100) < 100;
	int n = is_slow ? 8 : 15;

	for (int workers = 1; workers <= 4; workers *= 2) {
		assay_executor *executor = executor_new(s, workers);
		assay_future *top = submit_task(executor, fib, &n, sizeof n);

		CHECK_EQ(result_int(top), is_slow ? 21 : 610);
		assay_future_release(top);
		executor_end(executor);
	}
}

enum { COUNT = 12 };

static int sum_of_a_set(assay_call *call)
{
	enum assay_wait_until until = *(const enum assay_wait_until *)call->argument;
	struct assay_partition seen = {.futures = NULL};
	assay_future *futures[COUNT];
	int sum = 0;

	for (int i = 0; i < COUNT; i++)
		futures[i] = submit_int(call->executor, i);
	CHECK_OK(assay_wait(futures, COUNT, until, ASSAY_FOREVER, &seen));
	CHECK(until == ASSAY_FIRST_COMPLETED ? seen.done >= 1 : seen.done == COUNT);
	for (int i = 0; i < COUNT; i++) {
		sum += result_int(futures[i]);
		assay_future_release(futures[i]);
	}
	return assay_return(call, &sum, sizeof sum);
}

static int sum_as_completed(assay_call *call)
{
	assay_future *futures[COUNT], *future = NULL;
	assay_as_completed *iteration = NULL;
	int sum = 0;

	for (int i = 0; i < COUNT; i++)
		futures[i] = submit_int(call->executor, i);
	CHECK_OK(assay_as_completed_begin(futures, COUNT, ASSAY_FOREVER, &iteration));
	for (int i = 0; i < COUNT; i++) {
		CHECK_OK(assay_as_completed_next(iteration, &future));
		sum += result_int(future);
	}
	assay_as_completed_end(iteration);
	for (int i = 0; i < COUNT; i++)
		assay_future_release(futures[i]);
	return assay_return(call, &sum, sizeof sum);
}

static int sum_of_a_map(assay_call *call)
{
	struct assay_map_request request;
	struct assay_map_input input;
	assay_map_iteration *map;
	int items[COUNT], sum = 0;

	for (int i = 0; i < COUNT; i++)
		items[i] = i;
	request = map_ints(map_square, &input, items, COUNT);
	request.chunk_size = 2;
	request.window = 3;
	map = map_begin(call->executor, &request);
	for (int i = 0; i < COUNT; i++)
		sum += map_next_int(map);
	assay_map_end(map);
	return assay_return(call, &sum, sizeof sum);
}

ASSAY_TEST(dlk_6_sets_and_maps, .clause = "DLK-6", .needs = NESTED)
{
	for (int workers = 1; workers <= 2; workers++) {
		assay_executor *executor = executor_new(s, workers);
		assay_future *future;

		for (int until = ASSAY_ALL_COMPLETED; until <= ASSAY_FIRST_FAILURE; until++) {
			enum assay_wait_until argument = (enum assay_wait_until)until;

			future = submit_task(executor, sum_of_a_set, &argument, sizeof argument);
			CHECK_EQ(result_int(future), COUNT * (COUNT - 1) / 2);
			assay_future_release(future);
		}
		future = submit_task(executor, sum_as_completed, NULL, 0);
		CHECK_EQ(result_int(future), COUNT * (COUNT - 1) / 2);
		assay_future_release(future);
		future = submit_task(executor, sum_of_a_map, NULL, 0);
		CHECK_EQ(result_int(future), 506);
		assay_future_release(future);
		executor_end(executor);
	}
}

/* A future of the client, for tasks that see its memory. */
struct passed_on {
	struct gate *known; /* open when the future is there */
	struct probe *started;
	assay_future *future;
	enum wait_call call;
	int tid;
};

static int wait_for_the_passed(assay_call *call)
{
	struct passed_on *passed = *(struct passed_on *const *)call->argument;
	struct waiter waiter = {.call = passed->call, .timeout_ns = ASSAY_FOREVER};

	__atomic_store_n(&passed->tid, gettid(), __ATOMIC_RELAXED); /* by any of several */
	probe_hit(passed->started);
	gate_wait(passed->known);
	waiter.future = passed->future;
	waiter_run(&waiter);
	return waiter.error == ASSAY_ECANCELLED || waiter.error == ASSAY_OK
		       ? assay_return(call, &waiter.error, sizeof waiter.error)
		       : assay_fail(call, 1, assay_error_name(waiter.error));
}

static struct passed_on *passed_on_new(struct subject *s, enum wait_call call)
{
	struct passed_on *passed = shared_new(s, sizeof *passed);

	passed->known = gate_new(s);
	passed->started = probe_new(s);
	passed->call = call;
	return passed;
}

ASSAY_TEST(dlk_6_for_a_task_that_runs_elsewhere, .clause = "DLK-6",
	   .needs = NESTED | ASSAY_CAP_CONCURRENT | ASSAY_CAP_SHARED_MEMORY)
{
	for (int by = 0; by < WAIT_CALLS; by++) {
		assay_executor *executor = executor_new(s, 2);
		struct passed_on *passed = passed_on_new(s, (enum wait_call)by);
		struct gate *gate = gate_new(s);
		struct probe *runs = probe_new(s);
		assay_future *waits;

		passed->future = submit_gated(executor, gate, runs, 4);
		probe_await(runs, 1);
		waits = submit_task(executor, wait_for_the_passed, &passed, sizeof passed);
		gate_open(passed->known);
		probe_await(passed->started, 1);
		await_sleep(passed->tid);
		gate_open(gate);
		CHECK_OK(result_int(waits));
		executor_end(executor);
		CHECK_EQ(probe_count(runs), 1);
		assay_future_release(waits);
		assay_future_release(passed->future);
	}
}

/* Waits for the first of one that runs elsewhere and one that nobody else is there to run. */
static int wait_for_either(assay_call *call)
{
	struct passed_on *passed = *(struct passed_on *const *)call->argument;
	struct assay_partition seen = {.futures = NULL};
	assay_future *set[2] = {passed->future, submit_int(call->executor, 6)};
	assay_as_completed *iteration = NULL;
	assay_future *first = NULL;

	if (passed->call == BY_WAIT_FIRST) {
		CHECK_OK(assay_wait(set, 2, ASSAY_FIRST_COMPLETED, ASSAY_FOREVER, &seen));
		CHECK_EQ(seen.done, 1);
	} else {
		CHECK_OK(assay_as_completed_begin(set, 2, ASSAY_FOREVER, &iteration));
		CHECK_OK(assay_as_completed_next(iteration, &first));
		CHECK(first == set[1]);
		assay_as_completed_end(iteration);
	}
	CHECK_EQ(result_int(set[1]), 6);
	assay_future_release(set[1]);
	return ASSAY_OK;
}

ASSAY_TEST(dlk_6_a_set_with_one_that_runs_elsewhere, .clause = "DLK-6",
	   .needs = NESTED | ASSAY_CAP_CONCURRENT | ASSAY_CAP_SHARED_MEMORY)
{
	static const enum wait_call calls[] = {BY_WAIT_FIRST, BY_AS_COMPLETED};
	assay_executor *executor = executor_new(s, 2);

	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		struct passed_on *passed = passed_on_new(s, calls[i]);
		struct gate *gate = gate_new(s);
		struct probe *runs = probe_new(s);
		assay_future *waits;

		passed->future = submit_gated(executor, gate, runs, 4);
		probe_await(runs, 1);
		waits = submit_task(executor, wait_for_either, &passed, sizeof passed);
		CHECK_OK(assay_future_result(waits, ASSAY_FOREVER, NULL, 0));
		gate_open(gate);
		CHECK_EQ(result_int(passed->future), 4);
		assay_future_release(waits);
		assay_future_release(passed->future);
	}
	executor_end(executor);
}

struct held {
	struct gate *gate;
	struct probe *ran;
};

static int run_held(assay_call *call)
{
	const struct held *held = call->argument;
	int error = 1;

	probe_hit(held->ran);
	gate_wait(held->gate);
	return assay_return(call, &error, sizeof error);
}

/* Submits a child that cannot end before this returns, and waits as long as it may. */
static int wait_with_a_limit(assay_call *call)
{
	const struct bounded_wait {
		struct held held;
		enum wait_call by;
		int64_t timeout_ns;
	} *bounded = call->argument;
	struct waiter waiter = {.call = bounded->by, .timeout_ns = bounded->timeout_ns};

	waiter.future = submit_task(call->executor, run_held, &bounded->held, sizeof bounded->held);
	waiter_run(&waiter);
	gate_open(bounded->held.gate);
	assay_future_release(waiter.future);
	return assay_return(call, &waiter.error, sizeof waiter.error);
}

ASSAY_TEST(dlk_8_a_time_limit_holds, .clause = "DLK-8", .needs = NESTED | ASSAY_CAP_ASYNCHRONOUS)
{
	struct {
		struct held held;
		enum wait_call by;
		int64_t timeout_ns;
	} bounded = {.timeout_ns = short_time_ns() / 4};

	for (int workers = 1; workers <= 2; workers++)
		for (int by = 0; by < WAIT_CALLS; by++) {
			assay_executor *executor = executor_new(s, workers);
			assay_future *parent;

			bounded.held = (struct held){gate_new(s), probe_new(s)};
			bounded.by = (enum wait_call)by;
			parent = submit_task(executor, wait_with_a_limit, &bounded, sizeof bounded);
			CHECK_ERROR(result_int(parent), ASSAY_ETIMEDOUT);
			executor_end(executor);
			CHECK_EQ(probe_count(bounded.held.ran), 1);
			assay_future_release(parent);
		}
}

ASSAY_TEST(dlk_9_several_wait_for_the_same, .clause = "DLK-9",
	   .needs = NESTED | ASSAY_CAP_CONCURRENT | ASSAY_CAP_SHARED_MEMORY, .rounds = 60)
{
	assay_executor *executor = executor_new(s, 2);

	for (int round = 0; round < scaled(60); round++) {
		struct passed_on *passed = passed_on_new(s, (enum wait_call)(round % WAIT_CALLS));
		struct gate *open = gate_new(s);
		struct probe *ran = probe_new(s);
		assay_future *waits[2];

		for (int i = 0; i < 2; i++)
			waits[i] =
				submit_task(executor, wait_for_the_passed, &passed, sizeof passed);
		probe_await(passed->started, 2);
		gate_open(open);
		/* Nobody is left to run it but those that wait for it. */
		passed->future = submit_gated(executor, open, ran, round);
		gate_open(passed->known);
		for (int i = 0; i < 2; i++) {
			CHECK_OK(result_int(waits[i]));
			assay_future_release(waits[i]);
		}
		CHECK_EQ(result_int(passed->future), round);
		CHECK_EQ(probe_count(ran), 1);
		assay_future_release(passed->future);
	}
	executor_end(executor);
}

ASSAY_TEST(dlk_9_cancelled_or_run, .clause = "DLK-9",
	   .needs = NESTED | ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT |
		    ASSAY_CAP_SHARED_MEMORY,
	   .rounds = 300)
{
	assay_executor *executor = executor_new(s, 1);

	for (int round = 0; round < scaled(300); round++) {
		struct passed_on *passed = passed_on_new(s, (enum wait_call)(round % WAIT_CALLS));
		struct probe *ran = probe_new(s);
		struct gate *open = gate_new(s);
		assay_future *waits =
			submit_task(executor, wait_for_the_passed, &passed, sizeof passed);
		bool is_cancelled;

		gate_open(open);
		passed->future = submit_gated(executor, open, ran, 0);
		probe_await(passed->started, 1);
		gate_open(passed->known);
		for (int i = 0; i < round % 50; i++) /* at ever other moments of the wait */
			(void)!assay_future_state(waits);
		is_cancelled = assay_future_cancel(passed->future);
		CHECK_ERROR(result_int(waits), is_cancelled ? ASSAY_ECANCELLED : ASSAY_OK);
		CHECK_EQ(probe_count(ran), !is_cancelled);
		assay_future_release(waits);
		assay_future_release(passed->future);
	}
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	check_sums(executor, 2 * (uint64_t)scaled(300));
	executor_end(executor);
}

static int hit_child(assay_call *call)
{
	probe_hit(*(struct probe *const *)call->argument);
	return ASSAY_OK;
}

/* Returns how many strangers, queued before the child that it waits for, ran meanwhile. */
static int wait_behind_strangers(assay_call *call)
{
	struct probe *ran = *(struct probe *const *)call->argument;
	assay_future *child;
	int strangers;

	for (int i = 0; i < 10; i++)
		assay_future_release(submit_task(call->executor, hit_child, &ran, sizeof ran));
	child = submit_int(call->executor, 0);
	strangers = result_int(child);
	strangers += (int)probe_count(ran);
	assay_future_release(child);
	return assay_return(call, &strangers, sizeof strangers);
}

ASSAY_TEST(dlk_10_other_tasks_meanwhile, .clause = "DLK-10", .needs = NESTED, .alone = true)
{
	assay_executor *executor = executor_new(s, 1);
	struct probe *ran = probe_new(s);
	assay_future *future = submit_task(executor, wait_behind_strangers, &ran, sizeof ran);

	NOTE("%d of 10 tasks that nobody waited for ran inside one that waited",
	     result_int(future));
	executor_end(executor);
	CHECK_EQ(probe_count(ran), 10);
	assay_future_release(future);
}

/* An iteration that one thread goes on with after another. */
struct handed_on {
	assay_as_completed *iteration;
	assay_future *first;
};

static int end_at_gate(assay_call *call)
{
	gate_wait(*(struct gate *const *)call->argument);
	pthread_exit(NULL);
}

static int open_for_the_first(assay_call *call)
{
	gate_open(*(struct gate *const *)call->argument);
	return ASSAY_OK;
}

static void take_one(void *user)
{
	struct handed_on *handed_on = user;

	CHECK_OK(assay_as_completed_next(handed_on->iteration, &handed_on->first));
}

static int take_the_others(assay_call *call)
{
	struct handed_on *handed_on = *(struct handed_on *const *)call->argument;
	assay_future *future;

	for (int i = 0; i < 2; i++)
		CHECK_OK(assay_as_completed_next(handed_on->iteration, &future));
	CHECK_EQ(assay_as_completed_next(handed_on->iteration, &future), ASSAY_EEND);
	return ASSAY_OK;
}

/*
 * The thread that began can run none of the set, the one that goes on is there to run one for the other. It may
 * have got the memory of the first for its stack, and with it all addresses that tell threads apart.
 */
ASSAY_TEST(dlk_6_an_iteration_that_a_client_began, .clause = "DLK-6",
	   .needs = NESTED | ASSAY_CAP_CONCURRENT | ASSAY_CAP_SHARED_MEMORY |
		    ASSAY_CAP_SURVIVES_THREAD_EXIT)
{
	assay_executor *executor = executor_new(s, 2), *other = executor_new(s, 1);
	struct gate *elsewhere = gate_new(s), *ends = gate_new(s), *first = gate_new(s);
	struct handed_on *handed_on = shared_new(s, sizeof *handed_on);
	struct probe *runs = probe_new(s);
	assay_future *set[3], *ended, *goes_on;
	struct actor actor;

	set[0] = submit_gated(executor, first, runs, 1);
	ended = submit_task(executor, end_at_gate, &ends, sizeof ends);
	set[2] = submit_gated(other, elsewhere, runs, 3);
	probe_await(runs, 2);
	gate_await(ends, 1);
	goes_on = submit_task(executor, take_the_others, &handed_on, sizeof handed_on);
	set[1] = submit_task(executor, open_for_the_first, &first, sizeof first);
	CHECK_OK(assay_as_completed_begin(set, 3, ASSAY_FOREVER, &handed_on->iteration));
	actor_start(&actor, take_one, handed_on);
	actor_await_sleep(&actor);
	gate_open(elsewhere);
	actor_join(&actor);
	CHECK(handed_on->first == set[2]);
	gate_open(ends);
	CHECK_EQ(assay_future_result(ended, ASSAY_FOREVER, NULL, 0), ASSAY_EDIED);
	CHECK_OK(assay_future_wait(goes_on, ASSAY_FOREVER));
	assay_as_completed_end(handed_on->iteration);
	for (int i = 0; i < 3; i++)
		assay_future_release(set[i]);
	assay_future_release(ended);
	assay_future_release(goes_on);
	executor_end(executor);
	executor_end(other);
}
