/* SPDX-License-Identifier: MIT */
/* Tests of spec/callback.md: what a callback finds, and what it may do. */
#include "sighting.h"
#include "waiter.h"

static void ask_finished(assay_future *future, void *user)
{
	struct assay_outcome outcome;
	int value = 0;

	CHECK(assay_future_is_done(future));
	CHECK_EQ(assay_future_state(future), ASSAY_FINISHED);
	CHECK_OK(assay_future_wait(future, 0));
	CHECK_OK(assay_future_wait(future, ASSAY_FOREVER));
	CHECK_OK(assay_future_result(future, 0, &value, sizeof value));
	CHECK_EQ(value, 7);
	CHECK_OK(assay_future_outcome(future, 0, &outcome));
	CHECK_OK(outcome.error);
	CHECK(!assay_future_cancel(future));
	probe_hit(user);
}

ASSAY_TEST(cb_11_future_is_finished_inside, .clause = "CB-11", .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct probe *calls = probe_new(s);
	struct gate *gate = gate_new(s);
	assay_future *future = submit_gated(executor, gate, NULL, 7);

	add(future, ask_finished, calls);
	gate_open(gate);
	executor_end(executor);
	CHECK_EQ(probe_count(calls), 1);
	assay_future_release(future);
}

static void ask_cancelled(assay_future *future, void *user)
{
	CHECK(assay_future_is_done(future));
	CHECK_EQ(assay_future_state(future), ASSAY_CANCELLED);
	CHECK_OK(assay_future_wait(future, ASSAY_FOREVER));
	CHECK_ERROR(assay_future_result(future, 0, NULL, 0), ASSAY_ECANCELLED);
	CHECK(assay_future_cancel(future));
	probe_hit(user);
}

ASSAY_TEST(cb_11_future_is_cancelled_inside, .clause = "CB-11",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	struct probe *calls = probe_new(s);
	assay_future *future = submit_int(executor, 7);

	add(future, ask_cancelled, calls);
	CHECK(assay_future_cancel(future));
	CHECK_EQ(probe_count(calls), 1);
	release_workers(&workers);
	executor_end(executor);
	assay_future_release(future);
}

static void wait_inside(assay_future *future, void *user)
{
	assay_as_completed *iteration = NULL;
	assay_future *done = NULL;
	struct assay_partition partition = {.futures = &done};

	CHECK_OK(assay_wait(&future, 1, ASSAY_FIRST_COMPLETED, ASSAY_FOREVER, &partition));
	CHECK_EQ(partition.done, 1);
	CHECK(done == future);
	done = NULL;
	CHECK_OK(assay_as_completed_begin(&future, 1, ASSAY_FOREVER, &iteration));
	CHECK_OK(assay_as_completed_next(iteration, &done));
	CHECK(done == future);
	assay_as_completed_end(iteration);
	probe_hit(user);
}

ASSAY_TEST(cb_11_sets_with_the_future_are_done_inside, .clause = "CB-11",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct probe *calls = probe_new(s);
	struct gate *gate = gate_new(s);
	assay_future *future = submit_gated(executor, gate, NULL, 7);

	add(future, wait_inside, calls);
	gate_open(gate);
	executor_end(executor);
	CHECK_EQ(probe_count(calls), 1);
	assay_future_release(future);
}

struct nesting {
	struct numbered outer;
	struct numbered inner;
};

static void add_inside(assay_future *future, void *user)
{
	struct nesting *nesting = user;
	struct trace *trace = nesting->outer.trace;
	uint32_t before;

	record(future, &nesting->outer);
	before = trace_length(trace);
	add(future, record, &nesting->inner);
	CHECK_EQ(trace_length(trace), before + 1);
	CHECK_EQ(trace_at(trace, before), nesting->inner.number);
}

static void check_nesting(struct trace *trace)
{
	static const int64_t expected[] = {1, 2, 3};

	CHECK_EQ(trace_length(trace), 3);
	for (uint32_t i = 0; i < 3; i++)
		CHECK_EQ(trace_at(trace, i), expected[i]);
}

ASSAY_TEST(cb_12_nested_addition_is_called_at_once, .clause = "CB-12",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct trace *trace = trace_new(s, 10);
	struct nesting nesting = {{trace, 1}, {trace, 2}};
	struct numbered last = {trace, 3};
	struct gate *gate = gate_new(s);
	assay_future *future = submit_gated(executor, gate, NULL, 7);

	add(future, add_inside, &nesting);
	add(future, record, &last);
	gate_open(gate);
	executor_end(executor);
	check_nesting(trace);
	assay_future_release(future);
}

ASSAY_TEST(cb_12_nested_addition_on_cancel, .clause = "CB-12",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	struct trace *trace = trace_new(s, 10);
	struct nesting nesting = {{trace, 1}, {trace, 2}};
	struct numbered last = {trace, 3};
	assay_future *future = submit_int(executor, 7);

	add(future, add_inside, &nesting);
	add(future, record, &last);
	CHECK(assay_future_cancel(future));
	check_nesting(trace);
	release_workers(&workers);
	executor_end(executor);
	assay_future_release(future);
}

struct follow_up {
	assay_executor *executor;
	assay_future *future;
	struct probe *calls;
	int left;
};

static void submit_inside(assay_future *future, void *user)
{
	struct follow_up *next = user;

	(void)future;
	next->future = submit_int(next->executor, 8);
	probe_hit(next->calls);
}

ASSAY_TEST(cb_13_callback_submits_to_the_same_executor, .clause = "CB-13",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct follow_up next = {.executor = executor, .calls = probe_new(s)};
	struct gate *gate = gate_new(s);
	assay_future *future = submit_gated(executor, gate, NULL, 7);

	add(future, submit_inside, &next);
	gate_open(gate);
	probe_await(next.calls, 1);
	CHECK_EQ(result_int(next.future), 8);
	executor_end(executor);
	assay_future_release(next.future);
	assay_future_release(future);
}

static void submit_next(assay_future *future, void *user)
{
	struct follow_up *chain = user;
	assay_future *next;

	CHECK(assay_future_is_done(future));
	probe_hit(chain->calls);
	if (--chain->left == 0)
		return;
	next = submit_int(chain->executor, chain->left);
	add(next, submit_next, chain);
	assay_future_release(next);
}

ASSAY_TEST(cb_13_callbacks_chain_tasks, .clause = "CB-13")
{
	assay_executor *executor = executor_new(s, 1);
	struct follow_up chain = {.executor = executor, .calls = probe_new(s), .left = 200};
	assay_future *first = submit_int(executor, 0);

	add(first, submit_next, &chain);
	assay_future_release(first);
	probe_await(chain.calls, 200);
	executor_end(executor);
	CHECK_EQ(probe_count(chain.calls), 200);
}

static int end_thread(assay_call *call)
{
	gate_wait(*(struct gate *const *)call->argument);
	pthread_exit(NULL);
}

/* Submits and waits: another worker has to run it. */
static void wait_for_next(assay_future *future, void *user)
{
	struct follow_up *next = user;

	(void)future;
	next->future = submit_int(next->executor, 8);
	CHECK_EQ(result_int(next->future), 8);
	probe_hit(next->calls);
}

static void check_waiting_callback(struct subject *s, assay_function *function)
{
	assay_executor *executor = executor_new(s, 2);
	struct follow_up next = {.executor = executor, .calls = probe_new(s)};
	struct gate *gate = gate_new(s);
	assay_future *future = submit_task(executor, function, &gate, sizeof gate);

	add(future, wait_for_next, &next);
	gate_open(gate);
	probe_await(next.calls, 1);
	executor_end(executor);
	assay_future_release(next.future);
	assay_future_release(future);
}

static int pass_gate(assay_call *call)
{
	gate_wait(*(struct gate *const *)call->argument);
	return ASSAY_OK;
}

ASSAY_TEST(cb_13_callback_waits_for_what_it_submits, .clause = "CB-13",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	check_waiting_callback(s, pass_gate);
}

ASSAY_TEST(cb_13_also_when_the_task_ended_its_thread, .clause = "CB-13",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT | ASSAY_CAP_SURVIVES_THREAD_EXIT)
{
	check_waiting_callback(s, end_thread);
}

struct follow_up_by {
	assay_executor *executor;
	struct waiter waiter;
	struct probe *calls;
};

static void wait_for_next_by(assay_future *future, void *user)
{
	struct follow_up_by *next = user;

	(void)future;
	next->waiter.future = submit_int(next->executor, 8);
	waiter_run(&next->waiter);
	CHECK_OK(next->waiter.error);
	CHECK_EQ(next->waiter.value, 8);
	assay_future_release(next->waiter.future);
	probe_hit(next->calls);
}

ASSAY_TEST(cb_13_by_every_call_that_waits, .clause = "CB-13",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	assay_executor *executor = executor_new(s, 2);

	for (int call = 0; call < WAIT_CALLS; call++) {
		struct follow_up_by next = {
			executor,
			{.call = (enum wait_call)call, .timeout_ns = ASSAY_FOREVER},
			probe_new(s)};
		struct gate *gate = gate_new(s);
		assay_future *future = submit_gated(executor, gate, NULL, 7);

		add(future, wait_for_next_by, &next);
		gate_open(gate);
		probe_await(next.calls, 1);
		assay_future_release(future);
	}
	executor_end(executor);
}

struct refusal {
	assay_executor *executor;
	int error;
	struct probe *calls;
};

static int nothing(assay_call *call)
{
	(void)call;
	return ASSAY_OK;
}

static void submit_refused(assay_future *future, void *user)
{
	struct refusal *refusal = user;
	struct assay_task task = {.function = nothing};

	refusal->error = assay_submit(refusal->executor, &task, NULL);
	CHECK(assay_future_is_done(future));
	probe_hit(refusal->calls);
}

ASSAY_TEST(cb_14_submit_from_callback_after_shutdown_is_refused, .clause = "CB-14",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct refusal refusal = {executor, ASSAY_OK, probe_new(s)};
	struct probe *later = probe_new(s);
	struct gate *gate = gate_new(s);
	assay_future *future = submit_gated(executor, gate, NULL, 7);

	add(future, submit_refused, &refusal);
	add(future, hit, later);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT));
	gate_open(gate);
	executor_end(executor);
	CHECK_EQ(probe_count(refusal.calls), 1);
	CHECK_ERROR(refusal.error, ASSAY_ESHUTDOWN);
	CHECK_EQ(probe_count(later), 1);
	assay_future_release(future);
}
