/* SPDX-License-Identifier: MIT */
#include "exercise.h"

#include <assay/load.h>

#include <inttypes.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	TASKS = 4096,
	TASKS_TOGETHER = 256, /* where each may be a thread that lives */
};

const char *const phase_names[PHASES] = {"outside", "submit", "run", "collect"};

struct run {
	struct board *board;
	assay_executor *executor;
	bool by_pointer;
	uint32_t stood; /* tasks that have come to the gate */
	assay_future *futures[TASKS];
	assay_future *at_gate[2];
};

/* Of this process and its forks. */
static struct board *shared;

struct board *board_create(void)
{
	void *memory = mmap(NULL, sizeof(struct board), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static int fail(struct board *board, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int fail(struct board *board, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	if (!board->message[0])
		vsnprintf(board->message, sizeof board->message, format, arguments);
	va_end(arguments);
	return -1;
}

static int double_task(assay_call *call)
{
	uint64_t value = 2 * *(const uint64_t *)call->argument;

	atomic_fetch_add_explicit(&shared->ran, 1, memory_order_relaxed); /* a count, no order */
	return assay_return(call, &value, sizeof value);
}

/* A count for others to wait for: on the board, since workers close the descriptors that they inherit. */
static void count_up(_Atomic uint32_t *count)
{
	atomic_fetch_add(count, 1);
	syscall(SYS_futex, count, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void await_count(_Atomic uint32_t *count, uint32_t least)
{
	uint32_t now;

	while ((now = atomic_load(count)) < least)
		syscall(SYS_futex, count, FUTEX_WAIT, now, NULL, NULL, 0);
}

/* The argument: which of those that come to the gate it is, from 1. */
static int gate_task(assay_call *call)
{
	count_up(&shared->at_gate);
	await_count(&shared->let_through, *(const uint32_t *)call->argument);
	return ASSAY_OK;
}

static const struct assay_named_function functions[] = {
	{"double", double_task}, {"gate", gate_task}, {NULL, NULL}};

static int submit(struct run *run, int which, const void *argument, size_t size,
		  assay_future **future)
{
	struct assay_task task = {.argument = argument, .argument_size = size};
	int error;

	if (run->by_pointer)
		task.function = functions[which].function;
	else
		task.name = functions[which].name;
	error = assay_submit(run->executor, &task, future);
	return error ? fail(run->board, "submit: %s", assay_error_text(error)) : 0;
}

static int stand_at_gate(struct run *run, int which)
{
	run->stood++;
	return submit(run, 1, &run->stood, sizeof run->stood, &run->at_gate[which]);
}

static int submit_all(struct run *run)
{
	for (uint64_t i = 0; i < run->board->tasks; i++)
		if (submit(run, 0, &i, sizeof i, &run->futures[i]))
			return -1;
	return 0;
}

static int collect_all(struct run *run)
{
	for (uint64_t i = 0; i < run->board->tasks; i++) {
		uint64_t value = 0;
		int error =
			assay_future_result(run->futures[i], ASSAY_FOREVER, &value, sizeof value);

		if (error)
			return fail(run->board, "task %llu: %s", (unsigned long long)i,
				    assay_error_text(error));
		if (value != 2 * i)
			return fail(run->board, "task %llu returned %llu", (unsigned long long)i,
				    (unsigned long long)value);
		assay_future_release(run->futures[i]);
	}
	return 0;
}

static void enter(struct run *run, enum phase phase, phase_listener *listener)
{
	if (!listener)
		return;
	listener(phase);
	atomic_store(&run->board->phase, phase);
}

static void leave(struct run *run, phase_listener *listener)
{
	atomic_store(&run->board->phase, PHASE_OUTSIDE);
	if (listener)
		listener(PHASE_OUTSIDE);
}

static int pass_gate(struct run *run, int which)
{
	if (assay_future_outcome(run->at_gate[which], ASSAY_FOREVER, NULL))
		return fail(run->board, "the gate does not end");
	assay_future_release(run->at_gate[which]);
	return 0;
}

/* The worker stands at a gate before the first task and behind the last. From there it goes to the first
 * gate of the next round, without a sleep in between: what a submit costs depends on whether the worker
 * slept lately, and whether it would have had the time is chance. */
static int round_in_turn(struct run *run, phase_listener *listener, bool is_last)
{
	int64_t before_bytes;

	await_count(&run->board->at_gate, run->stood);
	before_bytes = atomic_load(&run->board->live_bytes);
	enter(run, PHASE_SUBMIT, listener);
	if (submit_all(run))
		return -1;
	leave(run, listener);
	if (!listener)
		run->board->pending_bytes = atomic_load(&run->board->live_bytes) - before_bytes;
	if (stand_at_gate(run, 1))
		return -1;
	enter(run, PHASE_RUN, listener);
	count_up(&run->board->let_through);
	await_count(&run->board->at_gate, run->stood);
	leave(run, listener);
	enter(run, PHASE_COLLECT, listener);
	if (collect_all(run))
		return -1;
	leave(run, listener);
	if (pass_gate(run, 0) || (!is_last && stand_at_gate(run, 0)))
		return -1;
	count_up(&run->board->let_through);
	return pass_gate(run, 1);
}

static int rounds_in_turn(struct run *run, phase_listener *listener)
{
	return stand_at_gate(run, 0) || round_in_turn(run, NULL, false) ||
			       round_in_turn(run, listener, true)
		       ? -1
		       : 0;
}

static int round_together(struct run *run, phase_listener *listener)
{
	enter(run, PHASE_SUBMIT, listener);
	if (submit_all(run) || collect_all(run))
		return -1;
	leave(run, listener);
	return 0;
}

static int run_rounds(struct run *run, phase_listener *listener)
{
	int failed = run->board->together
			     ? round_together(run, NULL) || round_together(run, listener)
			     : rounds_in_turn(run, listener);
	uint64_t ran;

	if (failed)
		return -1;
	ran = atomic_load(&run->board->ran);
	if (ran != 2 * run->board->tasks)
		return fail(run->board, "%" PRIu64 " tasks ran, expected two rounds of %" PRIu64,
			    ran, run->board->tasks);
	return 0;
}

static int exercise_backend(struct run *run, const struct assay_backend *backend,
			    phase_listener *listener)
{
	struct assay_config config = assay_config_default();
	int error, failed;

	config.workers = 1;
	config.spin_ns = 0;
	if (backend->capabilities & ASSAY_CAP_NAMED_FUNCTIONS) {
		config.functions = functions;
		config.function_count = 2;
	}
	error = assay_executor_create(backend, &config, &run->executor);
	if (error)
		return fail(run->board, "cannot create an executor with 1 worker: %s",
			    assay_error_text(error));
	failed = run_rounds(run, listener);
	if (failed)
		return -1; /* tasks may stand at the gate: the process ends with them */
	error = assay_executor_destroy(run->executor);
	return error ? fail(run->board, "destroy: %s", assay_error_text(error)) : 0;
}

const struct assay_backend *exercise_open(const char *file, struct board *board)
{
	const uint64_t in_turn = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT;
	const struct assay_backend *backend;

	if (assay_backend_open(file, &backend, board->message, sizeof board->message))
		return NULL;
	snprintf(board->backend, sizeof board->backend, "%s", backend->name);
	board->apart = !(backend->capabilities & ASSAY_CAP_SHARED_MEMORY);
	board->together = (backend->capabilities & in_turn) != in_turn;
	board->racing = board->together && backend->capabilities & ASSAY_CAP_ASYNCHRONOUS;
	board->tasks = board->together ? TASKS_TOGETHER : TASKS;
	return backend;
}

int exercise(const char *file, struct board *board, phase_listener *listener)
{
	const struct assay_backend *backend;
	struct run *run;
	int failed;

	shared = board;
	backend = exercise_open(file, board);
	if (!backend)
		return -1;
	run = calloc(1, sizeof *run);
	if (!run)
		return fail(board, "no memory");
	run->board = board;
	run->by_pointer = backend->capabilities & ASSAY_CAP_FUNCTION_POINTERS;
	failed = exercise_backend(run, backend, listener);
	free(run);
	return failed;
}
