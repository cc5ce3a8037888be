/* SPDX-License-Identifier: MIT */
/* Tests of spec/shutdown.md: shutdown from inside, in adversity, from anywhere, and what it leaves. */
#include "closing.h"

#include <sched.h>
#include <signal.h>

/*
 * From tasks and callbacks of the executor
 */

struct inside {
	struct gate *gate; /* may be NULL */
	unsigned flags;
};

/* Returns the error of the call, as an int. */
static int close_inside(assay_call *call)
{
	const struct inside *inside = call->argument;
	int error;

	if (inside->gate)
		gate_wait(inside->gate);
	error = inside->flags == BY_DESTROY
			? assay_executor_destroy(call->executor)
			: assay_executor_shutdown(call->executor, inside->flags);
	return assay_return(call, &error, sizeof error);
}

ASSAY_TEST(shd_18_wait_from_a_task_is_an_error, .clause = "SHD-18",
	   .needs = ASSAY_CAP_NESTED_SUBMIT)
{
	assay_executor *executor = executor_new(s, 1);
	struct inside inside = {NULL, ASSAY_SHUTDOWN_WAIT};
	assay_future *future = submit_task(executor, close_inside, &inside, sizeof inside);

	CHECK_ERROR(result_int(future), ASSAY_EDEADLOCK);
	/* It has begun, as if without WAIT. */
	CHECK_ERROR(error_of_submit(executor), ASSAY_ESHUTDOWN);
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(shd_18_pending_tasks_run_after_the_error, .clause = "SHD-18",
	   .needs = ASSAY_CAP_NESTED_SUBMIT | ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct inside inside = {gate_new(s), ASSAY_SHUTDOWN_WAIT};
	struct probe *ran = probe_new(s);
	assay_future *future = submit_task(executor, close_inside, &inside, sizeof inside);

	for (int i = 0; i < 20; i++)
		assay_future_release(submit_hit(executor, ran));
	gate_open(inside.gate);
	CHECK_ERROR(result_int(future), ASSAY_EDEADLOCK);
	executor_end(executor);
	CHECK_EQ(probe_count(ran), 20);
	assay_future_release(future);
}

ASSAY_TEST(shd_18_destroy_from_a_task_is_an_error, .clause = "SHD-18",
	   .needs = ASSAY_CAP_NESTED_SUBMIT)
{
	assay_executor *executor = executor_new(s, 2);
	struct inside inside = {NULL, BY_DESTROY};
	assay_future *future = submit_task(executor, close_inside, &inside, sizeof inside);

	CHECK_ERROR(result_int(future), ASSAY_EDEADLOCK);
	CHECK_ERROR(error_of_submit(executor), ASSAY_ESHUTDOWN);
	/* Not freed: it is still there to be ended. */
	executor_end(executor);
	assay_future_release(future);
}

/* Two tasks that would wait for each other. */
ASSAY_TEST(shd_18_two_tasks_at_once, .clause = "SHD-18",
	   .needs = ASSAY_CAP_NESTED_SUBMIT | ASSAY_CAP_CONCURRENT | ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 2);
	struct inside inside = {gate_new(s), ASSAY_SHUTDOWN_WAIT};
	assay_future *futures[2];

	for (int i = 0; i < 2; i++)
		futures[i] = submit_task(executor, close_inside, &inside, sizeof inside);
	gate_open(inside.gate);
	for (int i = 0; i < 2; i++)
		CHECK_ERROR(result_int(futures[i]), ASSAY_EDEADLOCK);
	executor_end(executor);
	release_all(futures, 2);
}

struct callback_closing {
	assay_executor *executor;
	unsigned flags;
	int error;
	int tid;
	struct probe *calls;
};

static void close_in_callback(assay_future *future, void *user)
{
	struct callback_closing *closing = user;

	CHECK(assay_future_is_done(future));
	closing->tid = gettid();
	closing->error = closing->flags == BY_DESTROY
				 ? assay_executor_destroy(closing->executor)
				 : assay_executor_shutdown(closing->executor, closing->flags);
	probe_hit(closing->calls);
}

static int tell_thread_behind_gate(assay_call *call)
{
	int tid = gettid();

	gate_wait(*(struct gate *const *)call->argument);
	return assay_return(call, &tid, sizeof tid);
}

/* A callback that a worker calls; where another thread calls it, waiting is possible. */
ASSAY_TEST(shd_19_wait_from_a_callback_does_not_hang, .clause = "SHD-19",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct gate *gate = gate_new(s);
	struct probe *ran = probe_new(s);
	struct callback_closing closing = {executor, ASSAY_SHUTDOWN_WAIT, 1, 0, probe_new(s)};
	assay_future *future = submit_task(executor, tell_thread_behind_gate, &gate, sizeof gate);

	CHECK_OK(assay_future_add_done_callback(future, close_in_callback, &closing));
	for (int i = 0; i < 20; i++)
		assay_future_release(submit_hit(executor, ran));
	gate_open(gate);
	probe_await(closing.calls, 1);
	if (closing.tid == result_int(future))
		CHECK_ERROR(closing.error, ASSAY_EDEADLOCK);
	else
		CHECK(closing.error == ASSAY_EDEADLOCK || closing.error == ASSAY_OK);
	CHECK_ERROR(error_of_submit(executor), ASSAY_ESHUTDOWN);
	executor_end(executor);
	CHECK_EQ(probe_count(ran), 20);
	assay_future_release(future);
}

ASSAY_TEST(shd_19_callback_of_the_client_may_wait, .clause = "SHD-19")
{
	assay_executor *executor = executor_new(s, 1);
	struct callback_closing closing = {executor, ASSAY_SHUTDOWN_WAIT, 1, 0, probe_new(s)};
	assay_future *future = submit_int(executor, 7);

	CHECK_EQ(result_int(future), 7);
	CHECK_OK(assay_future_add_done_callback(future, close_in_callback, &closing));
	CHECK_EQ(probe_count(closing.calls), 1);
	CHECK_OK(closing.error);
	CHECK_ERROR(error_of_submit(executor), ASSAY_ESHUTDOWN);
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(shd_20_nowait_from_a_task_lets_the_rest_run, .clause = "SHD-20",
	   .needs = ASSAY_CAP_NESTED_SUBMIT | ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct inside inside = {gate_new(s), ASSAY_SHUTDOWN_NOWAIT};
	struct probe *ran = probe_new(s);
	assay_future *future = submit_task(executor, close_inside, &inside, sizeof inside);

	for (int i = 0; i < 20; i++)
		assay_future_release(submit_hit(executor, ran));
	gate_open(inside.gate);
	CHECK_OK(result_int(future));
	CHECK_ERROR(error_of_submit(executor), ASSAY_ESHUTDOWN);
	executor_end(executor);
	CHECK_EQ(probe_count(ran), 20);
	assay_future_release(future);
}

ASSAY_TEST(shd_20_cancel_from_a_task_cancels_the_rest, .clause = "SHD-20",
	   .needs = ASSAY_CAP_NESTED_SUBMIT | ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT |
		    ASSAY_CAP_SUBMITTER_FIFO)
{
	assay_executor *executor = executor_new(s, 1);
	struct inside inside = {gate_new(s), ASSAY_SHUTDOWN_CANCEL_PENDING};
	struct probe *ran = probe_new(s);
	int lookahead = (int)s->backend->lookahead;
	assay_future *future = submit_task(executor, close_inside, &inside, sizeof inside);
	assay_future *futures[20];

	for (int i = 0; i < lookahead; i++)
		assay_future_release(submit_int(executor, i));
	for (int i = 0; i < 20; i++)
		futures[i] = submit_hit(executor, ran);
	gate_open(inside.gate);
	CHECK_OK(result_int(future));
	CHECK_EQ(count_in_state(futures, 20, ASSAY_CANCELLED), 20);
	executor_end(executor);
	CHECK_EQ(probe_count(ran), 0);
	release_all(futures, 20);
	assay_future_release(future);
}

/* Returns the error of a submit to its own executor. */
static int submit_inside(assay_call *call)
{
	struct assay_task task = {.function = closing_run_nothing};
	int error;

	gate_wait(*(struct gate *const *)call->argument);
	error = assay_submit(call->executor, &task, NULL);
	return assay_return(call, &error, sizeof error);
}

ASSAY_TEST(shd_25_submit_from_a_task_is_refused, .clause = "SHD-25",
	   .needs = ASSAY_CAP_NESTED_SUBMIT | ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct gate *gate = gate_new(s);
	assay_future *running = submit_task(executor, submit_inside, &gate, sizeof gate);
	assay_future *pending = submit_task(executor, submit_inside, &gate, sizeof gate);

	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT));
	gate_open(gate);
	CHECK_ERROR(result_int(running), ASSAY_ESHUTDOWN);
	CHECK_ERROR(result_int(pending), ASSAY_ESHUTDOWN);
	executor_end(executor);
	assay_future_release(running);
	assay_future_release(pending);
}

/*
 * In adversity
 */

ASSAY_TEST(shd_21_submit_cancel_and_wait_in_a_loop, .clause = "SHD-21", .rounds = 300)
{
	int rounds = scaled(300);

	for (int round = 0; round < rounds; round++) {
		assay_executor *executor = executor_new(s, s->workers);
		struct probe *ran = probe_new(s);
		assay_future *future = submit_hit(executor, ran);
		bool cancelled = assay_future_cancel(future);

		CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
		CHECK_EQ(assay_future_state(future), cancelled ? ASSAY_CANCELLED : ASSAY_FINISHED);
		CHECK_EQ(probe_count(ran), !cancelled);
		executor_end(executor);
		assay_future_release(future);
	}
}

struct blocked_submit {
	struct actor actor;
	assay_executor *executor;
	int error;
};

static void submit_blocking(void *argument)
{
	struct blocked_submit *submit = argument;

	submit->error = error_of_submit(submit->executor);
}

ASSAY_TEST(shd_22_blocked_submitters_are_refused, .clause = "SHD-22",
	   .needs = ASSAY_CAP_BOUNDED_QUEUE | ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	struct assay_config config = assay_config_default();
	assay_executor *executor;
	struct occupied workers;
	struct probe *ran = probe_new(s);
	struct blocked_submit submits[3];

	config.workers = 1;
	config.queue_capacity = 2;
	executor = executor_with(s, &config);
	workers = occupy_workers(s, executor, 1);
	for (int i = 0; i < 2; i++)
		assay_future_release(submit_hit(executor, ran));
	for (int i = 0; i < 3; i++) {
		submits[i].executor = executor;
		actor_start(&submits[i].actor, submit_blocking, &submits[i]);
	}
	for (int i = 0; i < 3; i++)
		actor_await_sleep(&submits[i].actor);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT));
	for (int i = 0; i < 3; i++) {
		actor_join(&submits[i].actor);
		CHECK_ERROR(submits[i].error, ASSAY_ESHUTDOWN);
	}
	release_workers(&workers);
	executor_end(executor);
	CHECK_EQ(probe_count(ran), 2);
}

/* One task more than workers, then shutdown: over and over, with the tightest queue there is. */
ASSAY_TEST(shd_22_full_queue_in_a_loop, .clause = "SHD-22", .needs = ASSAY_CAP_BOUNDED_QUEUE,
	   .rounds = 200)
{
	struct assay_config config = assay_config_default();
	int rounds = scaled(200);

	config.workers = 2;
	config.queue_capacity = 1;
	for (int round = 0; round < rounds; round++) {
		assay_executor *executor = executor_with(s, &config);
		struct probe *ran = probe_new(s);

		for (int i = 0; i < 3; i++)
			assay_future_release(submit_hit(executor, ran));
		CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
		CHECK_EQ(probe_count(ran), 3);
		executor_end(executor);
	}
}

static int end_thread_behind_gate(assay_call *call)
{
	gate_wait(*(struct gate *const *)call->argument);
	pthread_exit(NULL);
}

ASSAY_TEST(shd_23_thread_that_ends_after_shutdown_began, .clause = "SHD-23",
	   .needs = ASSAY_CAP_SURVIVES_THREAD_EXIT | ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct gate *gate = gate_new(s);
	struct trace *trace = trace_new(s, 8);
	assay_future *lost = submit_task(executor, end_thread_behind_gate, &gate, sizeof gate),
		     *next;
	struct closing closing;

	gate_await(gate, 1);
	next = submit_trace(executor, trace, 1);
	closing_start(&closing, executor, ASSAY_SHUTDOWN_WAIT, trace);
	closing_await_sleep(&closing);
	gate_open(gate);
	closing_join(&closing);
	check_returned_last(trace, 1, 1);
	CHECK_ERROR(assay_future_result(lost, 0, NULL, 0), ASSAY_EDIED);
	CHECK_OK(assay_future_result(next, 0, NULL, 0));
	executor_end(executor);
	assay_future_release(lost);
	assay_future_release(next);
}

static int kill_worker_behind_gate(assay_call *call)
{
	gate_wait(*(struct gate *const *)call->argument);
	return raise(SIGKILL);
}

ASSAY_TEST(shd_23_worker_killed_after_shutdown_began, .clause = "SHD-23",
	   .needs = ASSAY_CAP_SURVIVES_CRASH | ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct gate *gate = gate_new(s);
	assay_future *lost = submit_task(executor, kill_worker_behind_gate, &gate, sizeof gate);
	assay_future *next = submit_int(executor, 7);

	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT));
	gate_open(gate);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	CHECK_ERROR(assay_future_result(lost, 0, NULL, 0), ASSAY_EBROKEN);
	CHECK_ERROR(assay_future_result(next, 0, NULL, 0), ASSAY_EBROKEN);
	executor_end(executor);
	assay_future_release(lost);
	assay_future_release(next);
}

struct too_big {
	struct gate *gate;
	size_t size;
};

static int return_too_much(assay_call *call)
{
	const struct too_big *argument = call->argument;
	void *bytes;

	gate_wait(argument->gate);
	return assay_call_result(call, argument->size, &bytes);
}

/* What cannot cross: the nearest thing this contract has to an error of serialisation. */
ASSAY_TEST(shd_24_result_too_big_after_shutdown, .clause = "SHD-24",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct too_big argument = {gate_new(s), s->backend->result_limit + 1};
	assay_future *future, *next;

	if (s->backend->result_limit == ASSAY_UNLIMITED) {
		executor_end(executor);
		UNSUPPORTED("there is no limit to a result");
	}
	future = submit_task(executor, return_too_much, &argument, sizeof argument);
	next = submit_int(executor, 7);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT));
	gate_open(argument.gate);
	CHECK_ERROR(assay_future_result(future, ASSAY_FOREVER, NULL, 0), ASSAY_ETOOBIG);
	CHECK_EQ(result_int(next), 7);
	executor_end(executor);
	assay_future_release(future);
	assay_future_release(next);
}

struct destructor {
	pthread_key_t key;
	assay_executor *executor;
	struct probe *entered;
	struct gate *gate;
};

/* Runs when a worker's thread ends, after everything the executor does in it. */
static void use_executor(void *user)
{
	const struct destructor *destructor = user;
	struct assay_task task = {.function = end_thread_behind_gate};
	assay_executor *executor = destructor->executor;
	assay_future *future;

	probe_hit(destructor->entered);
	gate_wait(destructor->gate);
	CHECK_ERROR(assay_submit(executor, &task, &future), ASSAY_ESHUTDOWN);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT));
	CHECK_ERROR(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT), ASSAY_EDEADLOCK);
}

static int leave_destructor(assay_call *call)
{
	const struct destructor *const *destructor = call->argument;

	CHECK_EQ(pthread_setspecific((*destructor)->key, *destructor), 0);
	return ASSAY_OK;
}

/* While somebody waits for the end of these threads, and may hold what they need for it. */
ASSAY_TEST(shd_18_destructors_of_worker_threads_use_the_executor, .clause = "SHD-18",
	   .needs = ASSAY_CAP_SHARED_MEMORY | ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_REUSE |
		    ASSAY_CAP_OWNS_WORKERS)
{
	struct destructor destructor = {
		.executor = executor_new(s, 2), .entered = probe_new(s), .gate = gate_new(s)};
	const struct destructor *argument = &destructor;
	struct closing closing;
	assay_future *future;

	CHECK_EQ(pthread_key_create(&destructor.key, use_executor), 0);
	future = submit_task(destructor.executor, leave_destructor, &argument, sizeof argument);
	CHECK_OK(assay_future_result(future, ASSAY_FOREVER, NULL, 0));
	closing_start(&closing, destructor.executor, ASSAY_SHUTDOWN_WAIT, trace_new(s, 1));
	probe_await(destructor.entered, 1);
	closing_await_sleep(&closing);
	gate_open(destructor.gate);
	closing_join(&closing);
	executor_end(destructor.executor);
	assay_future_release(future);
	pthread_key_delete(destructor.key);
}
