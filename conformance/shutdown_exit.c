/* SPDX-License-Identifier: MIT */
/*
 * Tests of spec/shutdown.md: the end of a program. A child process is the program; what its tasks
 * did is read from the mapping that it shares with the test.
 */
#include "closing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_NEEDS (ASSAY_CAP_DRAINS_AT_EXIT | ASSAY_CAP_ASYNCHRONOUS)

struct program {
	struct subject *subject;
	struct gate *gate;
	struct probe *started;
	struct probe *leaving; /* hit right before exit() */
	struct trace *trace;
	unsigned flags;
	bool shuts_down;
};

/* What the program forgets to destroy, where a leak checker finds it. */
static assay_executor *forgotten;

static struct program program_new(struct subject *s)
{
	return (struct program){.subject = s,
				.gate = gate_new(s),
				.started = probe_new(s),
				.leaving = probe_new(s),
				.trace = trace_new(s, 64)};
}

/* A child that runs body and then exits with status 3, as if it returned that from main. */
static pid_t program_start(struct program *program, void (*body)(struct program *))
{
	pid_t child = fork();

	if (child < 0)
		UNRESOLVED("cannot start a child process: %s", strerror(errno));
	if (child == 0) {
		body(program);
		probe_hit(program->leaving);
		exit(3);
	}
	return child;
}

/* Until exit() waits for the tasks behind the gate, or has wrongly ended the program. */
static void program_await_exit(struct program *program, pid_t child)
{
	probe_await(program->leaving, 1);
	await_sleep(child);
}

static void program_end(pid_t child)
{
	int status;

	while (waitpid(child, &status, 0) < 0)
		CHECK_EQ(errno, EINTR);
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 3);
}

/* One task that runs up to the gate, and twenty behind it; each says that it started. */
static void accept_and_leave(struct program *program)
{
	forgotten = executor_new(program->subject, 1);
	for (int i = 0; i <= 20; i++) {
		struct gated_entry argument = {program->gate, program->started, program->trace, i};

		assay_future_release(
			submit_task(forgotten, add_entry_behind_gate, &argument, sizeof argument));
	}
	if (program->shuts_down)
		CHECK_OK(assay_executor_shutdown(forgotten, program->flags));
}

static void check_program_drains(struct program *program)
{
	pid_t child = program_start(program, accept_and_leave);

	program_await_exit(program, child);
	CHECK_EQ(trace_length(program->trace), 0);
	gate_open(program->gate);
	program_end(child);
	CHECK_EQ(trace_length(program->trace), 21);
}

ASSAY_TEST(shd_14_exit_runs_what_was_accepted, .clause = "SHD-14", .needs = EXIT_NEEDS)
{
	struct program program = program_new(s);

	check_program_drains(&program);
}

ASSAY_TEST(shd_14_exit_after_nowait_runs_what_was_accepted, .clause = "SHD-14", .needs = EXIT_NEEDS)
{
	struct program program = program_new(s);

	program.shuts_down = true;
	program.flags = ASSAY_SHUTDOWN_NOWAIT;
	check_program_drains(&program);
}

/* The request to cancel holds at exit too: the running task is waited for, the others never run. */
ASSAY_TEST(shd_14_exit_after_cancel_runs_what_had_started, .clause = "SHD-14",
	   .needs = EXIT_NEEDS | ASSAY_CAP_WORKER_LIMIT)
{
	struct program program = program_new(s);
	pid_t child;

	program.shuts_down = true;
	program.flags = ASSAY_SHUTDOWN_CANCEL_PENDING;
	child = program_start(&program, accept_and_leave);
	program_await_exit(&program, child);
	gate_open(program.gate);
	program_end(child);
	CHECK(trace_length(program.trace) <= 1 + s->backend->lookahead);
	CHECK_EQ(trace_length(program.trace), probe_count(program.started));
}

static void use_two_and_leave(struct program *program)
{
	static assay_executor *second;
	struct gated_entry argument = {program->gate, program->started, program->trace, 0};

	forgotten = executor_new(program->subject, 1);
	second = executor_new(program->subject, 2);
	assay_future_release(
		submit_task(forgotten, add_entry_behind_gate, &argument, sizeof argument));
	assay_future_release(
		submit_task(second, add_entry_behind_gate, &argument, sizeof argument));
	for (int i = 1; i <= 10; i++) {
		assay_future_release(submit_trace(forgotten, program->trace, i));
		assay_future_release(submit_trace(second, program->trace, i));
	}
}

ASSAY_TEST(shd_14_exit_runs_what_several_executors_accepted, .clause = "SHD-14",
	   .needs = EXIT_NEEDS)
{
	struct program program = program_new(s);
	pid_t child = program_start(&program, use_two_and_leave);

	program_await_exit(&program, child);
	gate_open(program.gate);
	program_end(child);
	CHECK_EQ(trace_length(program.trace), 22);
}

/* Exit handlers get no argument. */
static struct trace *handler_trace;

static void handle_exit(void)
{
	trace_add(handler_trace, HAS_RETURNED);
}

static void register_accept_and_leave(struct program *program)
{
	handler_trace = program->trace;
	CHECK_EQ(atexit(handle_exit), 0);
	accept_and_leave(program);
}

ASSAY_TEST(shd_15_earlier_exit_handlers_run_after_the_tasks, .clause = "SHD-15",
	   .needs = EXIT_NEEDS)
{
	struct program program = program_new(s);
	pid_t child = program_start(&program, register_accept_and_leave);

	program_await_exit(&program, child);
	gate_open(program.gate);
	program_end(child);
	check_returned_last(program.trace, 21, 1);
}
