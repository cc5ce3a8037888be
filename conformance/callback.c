/* SPDX-License-Identifier: MIT */
/* Tests of spec/callback.md: each callback is called once, in order, at the right time. */
#include "sighting.h"

/*
 * Called once, whatever the end
 */

ASSAY_TEST(cb_1_running_task_calls_once_on_success, .clause = "CB-1",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct sighting *seen = sighting_new(s);
	struct gate *gate = gate_new(s);
	struct probe *started = probe_new(s);
	assay_future *future = submit_gated(executor, gate, started, 7);

	probe_await(started, 1);
	add(future, look, seen);
	CHECK_EQ(probe_count(seen->calls), 0);
	gate_open(gate);
	CHECK_EQ(result_int(future), 7);
	executor_end(executor);
	check_sighting(seen, future, ASSAY_FINISHED, ASSAY_OK);
	assay_future_release(future);
}

ASSAY_TEST(cb_1_pending_task_calls_once_on_success, .clause = "CB-1",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	assay_executor *executor = executor_new(s, 1);
	struct sighting *seen = sighting_new(s);
	struct occupied workers = occupy_workers(s, executor, 1);
	assay_future *future = submit_int(executor, 7);

	add(future, look, seen);
	CHECK_EQ(probe_count(seen->calls), 0);
	release_workers(&workers);
	CHECK_EQ(result_int(future), 7);
	executor_end(executor);
	check_sighting(seen, future, ASSAY_FINISHED, ASSAY_OK);
	assay_future_release(future);
}

ASSAY_TEST(cb_1_called_once_for_each_of_many_futures, .clause = "CB-1")
{
	assay_executor *executor = executor_new(s, s->workers);
	struct sighting *seen[100];
	assay_future *futures[100];

	for (int i = 0; i < 100; i++) {
		seen[i] = sighting_new(s);
		futures[i] = submit_int(executor, i);
		add(futures[i], look, seen[i]);
	}
	executor_end(executor);
	for (int i = 0; i < 100; i++) {
		check_sighting(seen[i], futures[i], ASSAY_FINISHED, ASSAY_OK);
		assay_future_release(futures[i]);
	}
}

ASSAY_TEST(cb_1_called_when_only_the_executor_holds_the_future, .clause = "CB-1",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct sighting *seen = sighting_new(s);
	struct gate *gate = gate_new(s);
	assay_future *future = submit_gated(executor, gate, NULL, 7);

	add(future, look, seen);
	assay_future_release(future);
	gate_open(gate);
	executor_end(executor);
	CHECK_EQ(probe_count(seen->calls), 1);
	CHECK_EQ(seen->state, ASSAY_FINISHED);
}

ASSAY_TEST(cb_1_null_callback_is_refused, .clause = "CB-1")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_int(executor, 7);

	CHECK_ERROR(assay_future_add_done_callback(future, NULL, NULL), ASSAY_EINVAL);
	CHECK_EQ(result_int(future), 7);
	executor_end(executor);
	assay_future_release(future);
}

struct gated_failure {
	struct gate *gate;
	int code;
};

static int fail_behind_gate(assay_call *call)
{
	const struct gated_failure *failure = call->argument;

	gate_wait(failure->gate);
	return assay_fail(call, failure->code, "as told");
}

ASSAY_TEST(cb_2_running_task_calls_once_on_failure, .clause = "CB-2",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct sighting *seen = sighting_new(s);
	struct gated_failure failure = {gate_new(s), 42};
	assay_future *future = submit_task(executor, fail_behind_gate, &failure, sizeof failure);

	add(future, look, seen);
	gate_open(failure.gate);
	executor_end(executor);
	check_sighting(seen, future, ASSAY_FINISHED, ASSAY_EFAILED);
	CHECK_EQ(seen->code, 42);
	assay_future_release(future);
}

ASSAY_TEST(cb_2_failure_calls_once_whenever_added, .clause = "CB-2")
{
	assay_executor *executor = executor_new(s, s->workers);
	struct sighting *seen = sighting_new(s);
	assay_future *future = submit_failing(executor, 42, "as told");

	add(future, look, seen);
	executor_end(executor);
	check_sighting(seen, future, ASSAY_FINISHED, ASSAY_EFAILED);
	CHECK_EQ(seen->code, 42);
	assay_future_release(future);
}

static int end_thread_behind_gate(assay_call *call)
{
	gate_wait(*(struct gate *const *)call->argument);
	pthread_exit(NULL);
}

ASSAY_TEST(cb_2_called_when_the_task_ends_its_thread, .clause = "CB-2",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_SURVIVES_THREAD_EXIT)
{
	assay_executor *executor = executor_new(s, 1);
	struct sighting *seen = sighting_new(s);
	struct gate *gate = gate_new(s);
	assay_future *future = submit_task(executor, end_thread_behind_gate, &gate, sizeof gate);

	add(future, look, seen);
	gate_open(gate);
	CHECK_OK(assay_future_wait(future, ASSAY_FOREVER));
	executor_end(executor);
	check_sighting(seen, future, ASSAY_FINISHED, ASSAY_EDIED);
	assay_future_release(future);
}

ASSAY_TEST(cb_3_cancel_calls_once, .clause = "CB-3",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	struct sighting *seen = sighting_new(s);
	assay_future *future = submit_int(executor, 7);

	add(future, look, seen);
	CHECK(assay_future_cancel(future));
	check_sighting(seen, future, ASSAY_CANCELLED, ASSAY_ECANCELLED);
	release_workers(&workers);
	executor_end(executor);
	CHECK_EQ(probe_count(seen->calls), 1);
	assay_future_release(future);
}

ASSAY_TEST(cb_3_second_cancel_calls_nothing, .clause = "CB-3",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	struct probe *calls = probe_new(s);
	assay_future *future = submit_int(executor, 7);

	add(future, hit, calls);
	CHECK(assay_future_cancel(future));
	CHECK(assay_future_cancel(future));
	CHECK(assay_future_cancel(future));
	release_workers(&workers);
	executor_end(executor);
	CHECK_EQ(probe_count(calls), 1);
	assay_future_release(future);
}

ASSAY_TEST(cb_3_refused_cancel_calls_nothing, .clause = "CB-3", .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct gate *gate = gate_new(s);
	struct probe *started = probe_new(s);
	struct sighting *seen = sighting_new(s);
	assay_future *future = submit_gated(executor, gate, started, 7);

	probe_await(started, 1);
	add(future, look, seen);
	CHECK(!assay_future_cancel(future));
	CHECK_EQ(probe_count(seen->calls), 0);
	gate_open(gate);
	executor_end(executor);
	check_sighting(seen, future, ASSAY_FINISHED, ASSAY_OK);
	assay_future_release(future);
}

/*
 * Order
 */

static void add_numbered(assay_future *future, struct numbered *entries, int count,
			 struct trace *trace)
{
	for (int i = 0; i < count; i++) {
		entries[i] = (struct numbered){trace, i};
		add(future, record, &entries[i]);
	}
}

static void check_ascending(struct trace *trace, uint32_t count)
{
	CHECK_EQ(trace_length(trace), count);
	for (uint32_t i = 0; i < count; i++)
		CHECK_EQ(trace_at(trace, i), i);
}

ASSAY_TEST(cb_4_order_of_addition_on_a_running_task, .clause = "CB-4",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct trace *trace = trace_new(s, 200);
	struct numbered entries[100];
	struct gate *gate = gate_new(s);
	assay_future *future = submit_gated(executor, gate, NULL, 7);

	add_numbered(future, entries, 100, trace);
	gate_open(gate);
	executor_end(executor);
	check_ascending(trace, 100);
	assay_future_release(future);
}

ASSAY_TEST(cb_4_order_of_addition_on_cancel, .clause = "CB-4",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	struct trace *trace = trace_new(s, 200);
	struct numbered entries[100];
	assay_future *future = submit_int(executor, 7);

	add_numbered(future, entries, 100, trace);
	CHECK(assay_future_cancel(future));
	check_ascending(trace, 100);
	release_workers(&workers);
	executor_end(executor);
	assay_future_release(future);
}

/* Waiters that come and go between the callbacks leave their order alone. */
ASSAY_TEST(cb_4_order_survives_waiters_in_between, .clause = "CB-4",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct trace *trace = trace_new(s, 200);
	struct numbered entries[30];
	assay_as_completed *waiters[30];
	struct gate *gate = gate_new(s);
	assay_future *future = submit_gated(executor, gate, NULL, 7);

	for (int i = 0; i < 30; i++) {
		CHECK_OK(assay_as_completed_begin(&future, 1, ASSAY_FOREVER, &waiters[i]));
		entries[i] = (struct numbered){trace, i};
		add(future, record, &entries[i]);
	}
	for (int i = 0; i < 30; i += 2)
		assay_as_completed_end(waiters[i]);
	gate_open(gate);
	executor_end(executor);
	check_ascending(trace, 30);
	for (int i = 1; i < 30; i += 2) {
		assay_future *done = NULL;

		CHECK_OK(assay_as_completed_next(waiters[i], &done));
		CHECK(done == future);
		assay_as_completed_end(waiters[i]);
	}
	assay_future_release(future);
}

ASSAY_TEST(cb_4_pending_and_running_additions_keep_one_order, .clause = "CB-4",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	struct trace *trace = trace_new(s, 40);
	struct numbered entries[20];
	struct gate *gate = gate_new(s);
	struct probe *started = probe_new(s);
	assay_future *future = submit_gated(executor, gate, started, 7);

	add_numbered(future, entries, 10, trace);
	release_workers(&workers);
	probe_await(started, 1);
	for (int i = 10; i < 20; i++) {
		entries[i] = (struct numbered){trace, i};
		add(future, record, &entries[i]);
	}
	gate_open(gate);
	executor_end(executor);
	check_ascending(trace, 20);
	assay_future_release(future);
}

/*
 * Added to a done future
 */

/* Adds, and expects to have been called when add returns, in this thread. */
static void check_called_at_once(struct subject *s, assay_future *future, enum assay_state state,
				 int error)
{
	struct sighting *seen = sighting_new(s);

	add(future, look, seen);
	check_sighting(seen, future, state, error);
	CHECK_EQ(seen->tid, gettid());
}

ASSAY_TEST(cb_5_called_at_once_when_finished, .clause = "CB-5")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_int(executor, 7);

	CHECK_EQ(result_int(future), 7);
	check_called_at_once(s, future, ASSAY_FINISHED, ASSAY_OK);
	check_called_at_once(s, future, ASSAY_FINISHED, ASSAY_OK);
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(cb_5_called_at_once_when_failed, .clause = "CB-5")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_failing(executor, 3, NULL);

	CHECK_OK(assay_future_wait(future, ASSAY_FOREVER));
	check_called_at_once(s, future, ASSAY_FINISHED, ASSAY_EFAILED);
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(cb_5_called_at_once_when_cancelled, .clause = "CB-5",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	assay_future *future = submit_int(executor, 7);

	CHECK(assay_future_cancel(future));
	check_called_at_once(s, future, ASSAY_CANCELLED, ASSAY_ECANCELLED);
	release_workers(&workers);
	/* The executor has met the cancelled task by now. */
	executor_end(executor);
	check_called_at_once(s, future, ASSAY_CANCELLED, ASSAY_ECANCELLED);
	assay_future_release(future);
}

ASSAY_TEST(cb_5_called_at_once_after_destroy, .clause = "CB-5")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_int(executor, 7);

	executor_end(executor);
	check_called_at_once(s, future, ASSAY_FINISHED, ASSAY_OK);
	assay_future_release(future);
}

struct late_adder {
	struct subject *subject;
	assay_future *future;
	struct actor actor;
};

static void add_late(void *argument)
{
	struct late_adder *adder = argument;

	for (int i = 0; i < 10; i++)
		check_called_at_once(adder->subject, adder->future, ASSAY_FINISHED, ASSAY_OK);
}

ASSAY_TEST(cb_5_each_adding_thread_calls_its_own, .clause = "CB-5")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_int(executor, 7);
	struct late_adder adders[4];

	CHECK_EQ(result_int(future), 7);
	for (int i = 0; i < 4; i++) {
		adders[i] = (struct late_adder){.subject = s, .future = future};
		actor_start(&adders[i].actor, add_late, &adders[i]);
	}
	for (int i = 0; i < 4; i++)
		actor_join(&adders[i].actor);
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(cb_8_cancel_of_a_finished_future_calls_nothing, .clause = "CB-8")
{
	assay_executor *executor = executor_new(s, 1);
	struct probe *calls = probe_new(s);
	assay_future *future = submit_int(executor, 7);

	add(future, hit, calls);
	CHECK_EQ(result_int(future), 7);
	CHECK(!assay_future_cancel(future));
	CHECK_OK(assay_executor_shutdown(executor,
					 ASSAY_SHUTDOWN_WAIT | ASSAY_SHUTDOWN_CANCEL_PENDING));
	CHECK(!assay_future_cancel(future));
	CHECK_EQ(probe_count(calls), 1);
	executor_end(executor);
	assay_future_release(future);
}

/*
 * Where callbacks run
 */

ASSAY_TEST(cb_9_called_in_the_process_that_added_it, .clause = "CB-9",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct sighting *seen = sighting_new(s);
	struct gate *gate = gate_new(s);
	assay_future *future = submit_gated(executor, gate, NULL, 7);

	add(future, look, seen);
	gate_open(gate);
	executor_end(executor);
	CHECK_EQ(probe_count(seen->calls), 1);
	CHECK_EQ(seen->pid, getpid());
	assay_future_release(future);
}

static int tell_thread_behind_gate(assay_call *call)
{
	int tid = gettid();

	gate_wait(*(struct gate *const *)call->argument);
	return assay_return(call, &tid, sizeof tid);
}

ASSAY_TEST(cb_10_which_thread_calls, .clause = "CB-10", .needs = ASSAY_CAP_ASYNCHRONOUS,
	   .alone = true)
{
	assay_executor *executor = executor_new(s, 1);
	struct sighting *seen = sighting_new(s);
	struct gate *gate = gate_new(s);
	assay_future *future = submit_task(executor, tell_thread_behind_gate, &gate, sizeof gate);
	int worker;

	add(future, look, seen);
	gate_open(gate);
	worker = result_int(future);
	executor_end(executor);
	NOTE("the callback ran in %s", seen->tid == worker     ? "the worker of the task"
				       : seen->tid == gettid() ? "the thread that waited"
							       : "a thread of the executor");
	assay_future_release(future);
}

ASSAY_TEST(cb_10_cancel_calls_in_the_cancelling_thread, .clause = "CB-10",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	struct sighting *seen = sighting_new(s);
	assay_future *future = submit_int(executor, 7);

	add(future, look, seen);
	CHECK(assay_future_cancel(future));
	CHECK_EQ(probe_count(seen->calls), 1);
	CHECK_EQ(seen->tid, gettid());
	release_workers(&workers);
	executor_end(executor);
	assay_future_release(future);
}
