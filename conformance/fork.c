/* SPDX-License-Identifier: MIT */
/* A program that forks while it has executors. */
#include "fixture.h"
#include "sanitizer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A process that ends well ends so; a check that fails in it fails the test by itself. */
#define ENDED_WELL 37

/* Where a child of a program with threads can allocate and start threads. */
static void need_life_after_fork(void)
{
	if (BUILT_WITH_TSAN)
		UNSUPPORTED("ThreadSanitizer starts no threads after a fork");
	if (BUILT_WITH_ASAN)
		UNSUPPORTED(
			"the allocator of AddressSanitizer may be locked for ever after a fork");
}

/* Where a child can start threads although its parent had some. */
static void need_threads_after_fork(void)
{
	need_life_after_fork();
	if (is_emulated())
		UNSUPPORTED("the emulator takes threads of the parent for threads of the child");
}

static void await_child(pid_t child)
{
	int status = 0;

	CHECK(child > 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), ENDED_WELL);
}

static void end_child(void)
{
	/* A sanitizer would take for lost the threads of the parent, and what only they refer to. */
	if (BUILT_WITH_ASAN || BUILT_WITH_TSAN)
		_exit(ENDED_WELL);
	exit(ENDED_WELL);
}

static void use_own_executor(struct subject *s)
{
	assay_executor *executor = executor_new(s, 2);

	for (int i = 0; i < 20; i++) {
		assay_future *future = submit_int(executor, i);

		CHECK_EQ(result_int(future), i);
		assay_future_release(future);
	}
	executor_end(executor);
}

struct submitter {
	struct actor actor;
	assay_executor *executor;
	uint32_t is_over;
	uint32_t submitted;
};

static void submit_all_the_time(void *argument)
{
	struct submitter *submitter = argument;

	while (!__atomic_load_n(&submitter->is_over, __ATOMIC_ACQUIRE)) {
		assay_future *future = submit_int(submitter->executor, 1);

		/* Not to run far ahead of the workers. */
		CHECK_EQ(result_int(future), 1);
		assay_future_release(future);
		__atomic_fetch_add(&submitter->submitted, 1, __ATOMIC_RELEASE);
	}
}

ASSAY_TEST(frk_2_forked_while_another_thread_submits, .clause = "FRK-2", .rounds = 30)
{
	struct submitter submitter = {.executor = executor_new(s, 2)};

	need_threads_after_fork();
	actor_start(&submitter.actor, submit_all_the_time, &submitter);
	while (!__atomic_load_n(&submitter.submitted, __ATOMIC_ACQUIRE))
		sched_yield();
	for (int round = 0; round < scaled(30); round++) {
		pid_t child = fork();

		if (child == 0) {
			use_own_executor(s);
			end_child();
		}
		await_child(child);
	}
	__atomic_store_n(&submitter.is_over, 1, __ATOMIC_RELEASE);
	actor_join(&submitter.actor);
	executor_end(submitter.executor);
}

struct creator {
	struct actor actor;
	struct subject *s;
	uint32_t is_over;
};

static void create_all_the_time(void *argument)
{
	struct creator *creator = argument;

	while (!__atomic_load_n(&creator->is_over, __ATOMIC_ACQUIRE))
		use_own_executor(creator->s);
}

ASSAY_TEST(frk_2_forked_while_another_thread_creates, .clause = "FRK-2", .rounds = 30)
{
	struct creator creator = {.s = s};

	need_threads_after_fork();
	actor_start(&creator.actor, create_all_the_time, &creator);
	for (int round = 0; round < scaled(30); round++) {
		pid_t child = fork();

		if (child == 0) {
			use_own_executor(s);
			end_child();
		}
		await_child(child);
	}
	__atomic_store_n(&creator.is_over, 1, __ATOMIC_RELEASE);
	actor_join(&creator.actor);
}

static int return_nothing(assay_call *call)
{
	return assay_return(call, NULL, 0);
}

/* The executor that is made while a fork is under way. */
static struct {
	struct subject *s; /* until it is made */
	assay_executor *executor;
} overlap;

static void make_executor(void *argument)
{
	assay_future *future;

	overlap.executor = executor_new(argument, 2);
	future = submit_int(overlap.executor, 1);
	CHECK_EQ(result_int(future), 1);
	assay_future_release(future);
}

/* First of the handlers of a fork, whose list is made already. */
static void overlap_fork(void)
{
	struct subject *s = overlap.s;
	struct actor actor;

	if (!s)
		return;
	overlap.s = NULL; /* before the executor itself may fork */
	actor_start(&actor, make_executor, s);
	actor_join(&actor);
}

ASSAY_TEST(frk_2_forked_before_the_first_executor_was_there, .clause = "FRK-2")
{
	struct assay_task task = {.function = return_nothing};
	pid_t child;

	need_threads_after_fork();
	overlap.s = s;
	CHECK_EQ(pthread_atfork(overlap_fork, NULL, NULL), 0);
	child = fork();
	if (child == 0) {
		if (s->backend->capabilities & ASSAY_CAP_ASYNCHRONOUS)
			CHECK_ERROR(assay_submit(overlap.executor, &task, NULL),
				    ASSAY_EUNREACHABLE);
		use_own_executor(s);
		end_child();
	}
	await_child(child);
	executor_end(overlap.executor);
}

ASSAY_TEST(frk_3_an_inherited_executor_is_out_of_reach, .clause = "FRK-3",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	struct assay_task tasks[2] = {{.function = return_nothing}, {.function = return_nothing}};

	/* Used, idle, and without any worker yet. */
	for (int used = 0; used < 2; used++) {
		assay_executor *executor = executor_new(s, 2);
		assay_future *before = used ? submit_int(executor, 9) : NULL;
		pid_t child;

		if (used)
			CHECK_EQ(result_int(before), 9);
		child = fork();
		if (child == 0) {
			assay_future *future = NULL;
			size_t accepted = 7;

			CHECK_ERROR(assay_submit(executor, &tasks[0], &future), ASSAY_EUNREACHABLE);
			CHECK(!future);
			CHECK_ERROR(assay_submit_many(executor, tasks, 2, NULL, &accepted),
				    ASSAY_EUNREACHABLE);
			CHECK_EQ(accepted, 0);
			if (used) /* what is done can be read */
				CHECK_EQ(result_int(before), 9);
			end_child();
		}
		await_child(child);
		assay_future_release(before);
		executor_end(executor);
	}
}

enum { LONG_BYTES = 100000 };

/* Every byte is that of the argument. */
static int fill(assay_call *call)
{
	void *room;
	int error = assay_call_result(call, LONG_BYTES, &room);

	if (!error)
		memset(room, *(const unsigned char *)call->argument, LONG_BYTES);
	return error;
}

static void check_filled(assay_future *future, unsigned char byte)
{
	struct assay_outcome outcome = {.error = 1};

	CHECK_OK(assay_future_outcome(future, ASSAY_FOREVER, &outcome));
	CHECK_OK(outcome.error);
	CHECK_EQ(outcome.result_size, LONG_BYTES);
	for (size_t i = 0; i < LONG_BYTES; i++)
		CHECK_EQ(((const unsigned char *)outcome.result)[i], byte);
}

ASSAY_TEST(frk_3_a_child_reads_what_its_parent_released, .clause = "FRK-3",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_task(executor, fill, "a", 1);
	struct gate *released = gate_new(s);
	pid_t child;

	check_filled(future, 'a');
	child = fork();
	if (child == 0) {
		gate_wait(released);
		check_filled(future, 'a');
		end_child();
	}
	assay_future_release(future);
	/* Others have the memory that it gave back. */
	for (int i = 0; i < 4; i++) {
		future = submit_task(executor, fill, "b", 1);
		check_filled(future, 'b');
		assay_future_release(future);
	}
	gate_open(released);
	await_child(child);
	executor_end(executor);
}

ASSAY_TEST(frk_3_an_inherited_executor_can_be_ended, .clause = "FRK-3",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	assay_future *pending = submit_int(executor, 4);
	pid_t child = fork();

	if (child == 0) {
		CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
		CHECK_OK(assay_executor_destroy(executor));
		end_child();
	}
	/* While the task still runs here. */
	await_child(child);
	CHECK(!assay_future_is_done(pending));
	release_workers(&workers);
	CHECK_EQ(result_int(pending), 4);
	executor_end(executor);
	assay_future_release(pending);
}

ASSAY_TEST(frk_3_a_child_exits_whatever_its_parent_runs, .clause = "FRK-3",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	assay_future *pending = submit_int(executor, 4);

	for (int i = 0; i < 5; i++) {
		pid_t child = fork();

		if (child == 0)
			end_child(); /* nothing is waited for on the way out */
		await_child(child);
	}
	release_workers(&workers);
	CHECK_EQ(result_int(pending), 4);
	executor_end(executor);
	assay_future_release(pending);
}

/* Forks a child that waits for a task which has not started; returns the child's exit status. */
static int fork_inside(assay_call *call)
{
	assay_future *future = submit_int(call->executor, 5);
	pid_t child = fork();
	int status = 0;

	if (child == 0) {
		CHECK_ERROR(assay_future_wait(future, ASSAY_FOREVER), ASSAY_EUNREACHABLE);
		CHECK_ERROR(assay_wait(&future, 1, ASSAY_FIRST_COMPLETED, ASSAY_FOREVER, NULL),
			    ASSAY_EUNREACHABLE);
		CHECK_EQ(assay_future_state(future), ASSAY_PENDING);
		_exit(ENDED_WELL);
	}
	CHECK(child > 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status));
	CHECK_EQ(result_int(future), 5);
	assay_future_release(future);
	status = WEXITSTATUS(status);
	return assay_return(call, &status, sizeof status);
}

ASSAY_TEST(frk_3_a_child_of_a_task_runs_nothing_of_its_parent, .clause = "FRK-3",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT | ASSAY_CAP_NESTED_SUBMIT |
		    ASSAY_CAP_NESTED_WAIT)
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future;

	need_life_after_fork();
	future = submit_task(executor, fork_inside, NULL, 0);
	CHECK_EQ(result_int(future), ENDED_WELL);
	executor_end(executor);
	assay_future_release(future);
}
