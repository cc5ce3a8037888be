/* SPDX-License-Identifier: MIT */
/* Tasks that do to their worker process what a process can do to itself. */
#include "death.h"
#include "family.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

static int block_signals(assay_call *call)
{
	sigset_t all;
	int pid = getpid();

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	for (int number = 1; number < 32; number++)
		signal(number, SIG_IGN);
	return assay_return(call, &pid, sizeof pid);
}

/* The executor goes on with every task, and ends. */
static void check_goes_on(assay_executor *executor)
{
	assay_future *futures[6];

	for (int i = 0; i < 6; i++)
		futures[i] = submit_int(executor, i);
	for (int i = 0; i < 6; i++) {
		CHECK_EQ(result_int(futures[i]), i);
		assay_future_release(futures[i]);
	}
	executor_end(executor);
}

ASSAY_TEST(ser_15_a_task_that_blocks_every_signal, .clause = "SER-15", .needs = MORTAL)
{
	for (int workers = 1; workers <= 2; workers++) {
		assay_executor *executor = executor_new(s, workers);

		adopt_orphans();
		for (int i = 0; i < 4; i++) {
			assay_future *future = submit_task(executor, block_signals, NULL, 0);

			CHECK(result_int(future) != getpid());
			assay_future_release(future);
		}
		check_goes_on(executor);
		check_childless();
	}
}

static int close_descriptors(assay_call *call)
{
	int answer = 3;

	for (int fd = 0; fd < 4096; fd++)
		close(fd);
	return assay_return(call, &answer, sizeof answer);
}

ASSAY_TEST(ser_16_a_task_that_closes_every_descriptor, .clause = "SER-16", .needs = MORTAL)
{
	adopt_orphans();
	for (int workers = 1; workers <= 2; workers++) {
		assay_executor *executor =
			executor_surviving(s, workers, ASSAY_DEATH_FAILS_TASK, 0);

		for (int i = 0; i < 4; i++) {
			assay_future *future = submit_task(executor, close_descriptors, NULL, 0);
			int answer = 0;
			int error =
				assay_future_result(future, ASSAY_FOREVER, &answer, sizeof answer);

			if (error)
				CHECK_ERROR(error, ASSAY_EDIED);
			else
				CHECK_EQ(answer, 3);
			assay_future_release(future);
		}
		/* Its worker may only now be found out. */
		for (int tries = 0;; tries++) {
			assay_future *future = submit_int(executor, 1);
			int error = assay_future_result(future, ASSAY_FOREVER, NULL, 0);

			assay_future_release(future);
			if (!error)
				break;
			CHECK_ERROR(error, ASSAY_EDIED);
			CHECK(tries < workers);
		}
		check_goes_on(executor);
		check_childless();
	}
}

/* The other way to be asked by a task that has no descriptors. */
ASSAY_TEST(ser_16_and_breaks_nothing_but_the_executor, .clause = "SER-16", .needs = MORTAL)
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_task(executor, close_descriptors, NULL, 0);
	int error = assay_future_result(future, ASSAY_FOREVER, NULL, 0);

	CHECK(error == ASSAY_OK || error == ASSAY_EBROKEN);
	assay_future_release(future);
	executor_end(executor);
}

struct brood {
	int child;
	struct gate *gate; /* may be NULL: the parent returns */
};

/* Leaves a process behind that has all of the worker's descriptors. */
static int leave_a_child(assay_call *call)
{
	struct brood *brood = *(struct brood *const *)call->argument;
	pid_t child = fork();
	int answer = 4;

	if (child == 0) {
		for (;;)
			pause();
	}
	__atomic_store_n(&brood->child, child, __ATOMIC_RELEASE);
	if (brood->gate) {
		gate_wait(brood->gate);
		_exit(7);
	}
	return assay_return(call, &answer, sizeof answer);
}

static void end_brood(const struct brood *brood)
{
	CHECK(brood->child > 0);
	kill(brood->child, SIGKILL);
}

ASSAY_TEST(ser_17_a_child_of_a_task_holds_nothing_up, .clause = "SER-17", .needs = MORTAL)
{
	assay_executor *executor = executor_new(s, 1);
	struct brood *brood = shared_new(s, sizeof *brood);
	assay_future *future;

	adopt_orphans();
	future = submit_task(executor, leave_a_child, &brood, sizeof brood);
	CHECK_EQ(result_int(future), 4);
	assay_future_release(future);
	check_goes_on(executor); /* and shuts down, though the child lives */
	CHECK_EQ(kill(brood->child, 0), 0);
	end_brood(brood);
	await_childless();
}

ASSAY_TEST(ser_17_nor_hides_the_death_of_its_parent, .clause = "SER-17", .needs = MORTAL)
{
	assay_executor *executor = executor_surviving(s, 1, ASSAY_DEATH_FAILS_TASK, 0);
	struct brood *brood = shared_new(s, sizeof *brood);
	struct assay_outcome outcome = {.error = 1};
	assay_future *future;

	adopt_orphans();
	brood->gate = gate_new(s);
	future = submit_task(executor, leave_a_child, &brood, sizeof brood);
	gate_open(brood->gate);
	CHECK_OK(assay_future_outcome(future, ASSAY_FOREVER, &outcome));
	CHECK_ERROR(outcome.error, ASSAY_EDIED);
	CHECK_EQ(outcome.code, 256 + 7);
	assay_future_release(future);
	check_goes_on(executor);
	end_brood(brood);
	await_childless();
}

/* A child that ends as processes do, with everything its parent registered for that. */
static int fork_and_exit(assay_call *call)
{
	pid_t child = fork();
	int status = -1;

	if (child == 0)
		exit(5);
	if (waitpid(child, &status, 0) != child)
		return assay_fail(call, 1, "a task cannot wait for its own child");
	return assay_return(call, &status, sizeof status);
}

ASSAY_TEST(ser_17_the_exit_of_a_child_is_its_own, .clause = "SER-17", .needs = MORTAL)
{
	assay_executor *executor = executor_new(s, 1);

	for (int i = 0; i < 5; i++) {
		assay_future *future = submit_task(executor, fork_and_exit, NULL, 0);
		int status = result_int(future);

		CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 5);
		assay_future_release(future);
	}
	check_goes_on(executor);
}

static int change_directory(assay_call *call)
{
	if (chdir("/proc/self") || setenv("ASSAY_OF_A_TASK", "1", 1))
		return assay_fail(call, 1, "cannot change to /proc/self");
	umask(0777);
	return ASSAY_OK;
}

ASSAY_TEST(ser_18_a_task_that_changes_directory, .clause = "SER-18", .needs = MORTAL)
{
	assay_executor *executor = executor_new(s, 1);
	char before[PATH_MAX], after[PATH_MAX];
	mode_t mask = umask(022);
	assay_future *future;

	CHECK(getcwd(before, sizeof before) != NULL);
	future = submit_task(executor, change_directory, NULL, 0);
	CHECK_OK(assay_future_result(future, ASSAY_FOREVER, NULL, 0));
	CHECK(getcwd(after, sizeof after) != NULL);
	CHECK_STR(after, before);
	CHECK(getenv("ASSAY_OF_A_TASK") == NULL);
	CHECK_EQ(umask(mask), 022);
	assay_future_release(future);
	check_goes_on(executor);
}

static int echo_bytes(assay_call *call)
{
	return assay_return(call, call->argument, call->argument_size);
}

ASSAY_TEST(ser_8_a_quarter_of_a_gigabyte, .clause = "SER-8", .needs = MORTAL, .deadline_ms = 30000)
{
	static const size_t size = (size_t)256 << 20;
	assay_executor *executor = executor_new(s, 1);
	unsigned char *bytes;
	struct assay_outcome outcome = {.error = 1};
	assay_future *future;

	if (size > s->backend->argument_limit || size > s->backend->result_limit ||
	    scaled(100) < 100)
		UNSUPPORTED("beyond the limit of the backend, or of a sanitizer's patience");
	bytes = malloc(size);
	if (!bytes)
		UNRESOLVED("no memory for %zu bytes", size);
	for (size_t i = 0; i < size; i += 64)
		memcpy(bytes + i, &i, sizeof i);
	future = submit_task(executor, echo_bytes, bytes, size);
	CHECK_OK(assay_future_outcome(future, ASSAY_FOREVER, &outcome));
	CHECK_OK(outcome.error);
	CHECK_EQ(outcome.result_size, size);
	for (size_t i = 0, seen; i < size; i += 64) {
		memcpy(&seen, (const char *)outcome.result + i, sizeof seen);
		if (seen != i)
			CHECK_EQ(seen, i);
	}
	assay_future_release(future);
	executor_end(executor);
	free(bytes);
}
