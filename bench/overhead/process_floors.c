/* SPDX-License-Identifier: MIT */
/*
 * What the machine charges for the steps that no pool of processes can avoid: two processes that hand
 * a turn over and back by a cache line, by a futex in shared memory, or by a byte through a pipe,
 * one trip after the other or after as long a rest as round_trip_parked makes; and processes that are
 * forked and waited for.
 */
#include "rest.h"

#include "../marks.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Processes that are there at once: two, or those of a pool that has two workers and a helper. */
enum { COUPLE = 2, FAMILY = 3 };

/* Odd values are the partner's turn, even ones ours. */
struct turns {
	alignas(64) _Atomic uint32_t turn;
};

struct partner {
	struct turns *shared;
	int there[2], back[2]; /* the pipes; -1: closed */
	pid_t process;         /* 0: none */
	uint64_t *latencies_ns;
	uint64_t *gaps_ns; /* before each */
};

static void close_end(int *end)
{
	if (*end >= 0)
		close(*end);
	*end = -1;
}

static void close_pipes(struct partner *partner)
{
	for (int i = 0; i < 2; i++) {
		close_end(&partner->there[i]);
		close_end(&partner->back[i]);
	}
}

static int setup(struct cell *cell)
{
	struct partner *partner = calloc(1, sizeof *partner);

	if (!partner)
		return cell_fail(cell, "out of memory");
	for (int i = 0; i < 2; i++)
		partner->there[i] = partner->back[i] = -1;
	cell->state = partner;
	partner->shared = shared_memory(cell, sizeof *partner->shared);
	return partner->shared ? 0 : -1;
}

/*
 * The ways to hand a turn over, the same on both sides
 */

static void await_line(struct partner *partner, uint32_t turn)
{
	/* With one processor the other side runs only when this one yields. */
	for (unsigned looks = 1;
	     atomic_load_explicit(&partner->shared->turn, memory_order_acquire) != turn; looks++)
		if (looks % 4096 == 0)
			sched_yield();
}

static void hand_over_line(struct partner *partner, uint32_t turn)
{
	atomic_store_explicit(&partner->shared->turn, turn, memory_order_release);
}

static void await_futex(struct partner *partner, uint32_t turn)
{
	_Atomic uint32_t *word = &partner->shared->turn;
	uint32_t now;

	while ((now = atomic_load_explicit(word, memory_order_acquire)) != turn)
		syscall(SYS_futex, word, FUTEX_WAIT, now, NULL, NULL, 0);
}

static void hand_over_futex(struct partner *partner, uint32_t turn)
{
	hand_over_line(partner, turn);
	syscall(SYS_futex, &partner->shared->turn, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static _Noreturn void return_lines(struct partner *partner, uint64_t returns)
{
	for (uint32_t i = 0; i < returns; i++) {
		await_line(partner, 2 * i + 1);
		hand_over_line(partner, 2 * i + 2);
	}
	_exit(0);
}

static _Noreturn void return_futexes(struct partner *partner, uint64_t returns)
{
	for (uint32_t i = 0; i < returns; i++) {
		await_futex(partner, 2 * i + 1);
		hand_over_futex(partner, 2 * i + 2);
	}
	_exit(0);
}

static _Noreturn void return_bytes(struct partner *partner, uint64_t returns)
{
	char byte;

	close_end(&partner->there[1]);
	close_end(&partner->back[0]);
	for (uint64_t i = 0; i < returns; i++)
		if (read(partner->there[0], &byte, 1) != 1 ||
		    write(partner->back[1], &byte, 1) != 1)
			_exit(1);
	_exit(0);
}

/* Forks the other side. */
static int prepare(struct cell *cell, uint64_t operations,
		   void (*play)(struct partner *partner, uint64_t returns))
{
	struct partner *partner = cell->state;
	pid_t parent = getpid();

	if (operations > UINT32_MAX / 4)
		return cell_fail(cell, "too many round trips for one sample");
	/* Relaxed: the fork publishes it. */
	atomic_store_explicit(&partner->shared->turn, 0, memory_order_relaxed);
	partner->process = fork();
	if (partner->process < 0) {
		partner->process = 0;
		return cell_fail(cell, "cannot fork: %s", strerror(errno));
	}
	if (partner->process > 0)
		return 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	play(partner, operations);
	return 0;
}

static int prepare_line(struct cell *cell, uint64_t operations)
{
	return prepare(cell, operations, return_lines);
}

static int prepare_futex(struct cell *cell, uint64_t operations)
{
	return prepare(cell, operations, return_futexes);
}

static int prepare_pipe(struct cell *cell, uint64_t operations)
{
	struct partner *partner = cell->state;

	if (pipe(partner->there) || pipe(partner->back))
		return cell_fail(cell, "cannot make a pipe: %s", strerror(errno));
	if (prepare(cell, operations, return_bytes))
		return -1;
	close_end(&partner->there[0]);
	close_end(&partner->back[1]);
	return 0;
}

static int make_latencies(struct cell *cell, uint64_t operations)
{
	struct partner *partner = cell->state;

	free(partner->latencies_ns);
	free(partner->gaps_ns);
	partner->latencies_ns = calloc(operations, sizeof *partner->latencies_ns);
	partner->gaps_ns = calloc(operations, sizeof *partner->gaps_ns);
	return partner->latencies_ns && partner->gaps_ns
		       ? 0
		       : cell_fail(cell, "no memory for the latencies");
}

static int prepare_parked_futex(struct cell *cell, uint64_t operations)
{
	return make_latencies(cell, operations) || prepare_futex(cell, operations) ? -1 : 0;
}

static int prepare_parked_pipe(struct cell *cell, uint64_t operations)
{
	return make_latencies(cell, operations) || prepare_pipe(cell, operations) ? -1 : 0;
}

static int run_line(struct cell *cell, uint64_t operations)
{
	for (uint32_t i = 0; i < operations; i++) {
		hand_over_line(cell->state, 2 * i + 1);
		await_line(cell->state, 2 * i + 2);
	}
	return 0;
}

static int trip_futex(struct cell *cell, uint32_t i)
{
	hand_over_futex(cell->state, 2 * i + 1);
	await_futex(cell->state, 2 * i + 2);
	return 0;
}

static int trip_pipe(struct cell *cell, uint32_t i)
{
	struct partner *partner = cell->state;
	char sent = (char)i, got = (char)~sent;

	if (write(partner->there[1], &sent, 1) != 1 || read(partner->back[0], &got, 1) != 1)
		return cell_fail(cell, "the pipe: %s", strerror(errno));
	if (got != sent)
		return cell_fail(cell, "round trip %u came back as another", i);
	return 0;
}

static int run_futex(struct cell *cell, uint64_t operations)
{
	for (uint32_t i = 0; i < operations; i++)
		trip_futex(cell, i);
	return 0;
}

static int run_pipe(struct cell *cell, uint64_t operations)
{
	for (uint32_t i = 0; i < operations; i++)
		if (trip_pipe(cell, i))
			return -1;
	return 0;
}

static int run_parked(struct cell *cell, uint64_t operations,
		      int (*trip)(struct cell *cell, uint32_t i))
{
	struct partner *partner = cell->state;
	int64_t end_ns = assay_clock_ns();

	for (uint32_t i = 0; i < operations; i++) {
		int64_t start_ns;

		rest(PARKED_GAP_NS);
		start_ns = assay_clock_ns();
		partner->gaps_ns[i] = (uint64_t)(start_ns - end_ns);
		if (trip(cell, i))
			return -1;
		end_ns = assay_clock_ns();
		partner->latencies_ns[i] = (uint64_t)(end_ns - start_ns);
	}
	return 0;
}

static int run_parked_futex(struct cell *cell, uint64_t operations)
{
	return run_parked(cell, operations, trip_futex);
}

static int run_parked_pipe(struct cell *cell, uint64_t operations)
{
	return run_parked(cell, operations, trip_pipe);
}

static int check(struct cell *cell, uint64_t operations)
{
	struct partner *partner = cell->state;
	int status = -1;

	(void)operations;
	close_pipes(partner);
	while (waitpid(partner->process, &status, 0) < 0 && errno == EINTR)
		;
	partner->process = 0;
	return status ? cell_fail(cell, "the other process did not see all turns") : 0;
}

static int check_parked(struct cell *cell, uint64_t operations)
{
	struct partner *partner = cell->state;

	if (check(cell, operations))
		return -1;
	cell_percentiles(cell, partner->latencies_ns, operations);
	rest_report(cell, partner->gaps_ns, operations);
	return 0;
}

static void teardown(struct cell *cell)
{
	struct partner *partner = cell->state;

	if (!partner)
		return;
	if (partner->process) {
		kill(partner->process, SIGKILL);
		waitpid(partner->process, NULL, 0);
	}
	close_pipes(partner);
	free(partner->latencies_ns);
	free(partner->gaps_ns);
	shared_memory_free(partner->shared, sizeof *partner->shared);
	free(partner);
}

/* All are there before the first is waited for. */
static int raise_family(struct cell *cell, uint64_t size)
{
	uint64_t born = 0;

	for (; born < size; born++) {
		pid_t child = fork();

		if (child == 0)
			_exit(0);
		if (child < 0)
			cell_fail(cell, "cannot fork: %s", strerror(errno));
		if (child < 0)
			break;
	}
	for (uint64_t i = 0; i < born; i++)
		while (wait(NULL) < 0 && errno == EINTR)
			;
	return born < size ? -1 : 0;
}

static int run_processes(struct cell *cell, uint64_t operations)
{
	for (uint64_t done = 0; done < operations; done += COUPLE) {
		uint64_t left = operations - done;

		if (raise_family(cell, left < COUPLE ? left : COUPLE))
			return -1;
	}
	return 0;
}

static int run_families(struct cell *cell, uint64_t operations)
{
	for (uint64_t i = 0; i < operations; i++)
		if (raise_family(cell, FAMILY))
			return -1;
	return 0;
}

#define ANY_FLOOR .class_name = "floor", .unit = "ns", .without = "floor"
#define FLOOR .metric = "wall_per_op", ANY_FLOOR
#define TURNS .operation = "round trip", .setup = setup, .check = check, .teardown = teardown, FLOOR
#define PARKED_TURNS                                                               \
	.operation = "round trip", .metric = "p50", .paced = true, .setup = setup, \
	.check = check_parked, .teardown = teardown,                               \
	.sample = {{.operations = 10}, {.operations = 200}, {.operations = 1500}}, ANY_FLOOR
const struct workload floor_process_line = {
	.name = "floor_process_line",
	.separates = "The machine: one cache line goes to another process that looks, and back.",
	.sample = {{.operations = 1000}, {.min_time_s = 0.05}, {.min_time_s = 0.1}},
	.prepare = prepare_line,
	.run = run_line,
	TURNS,
};

const struct workload floor_process_futex = {
	.name = "floor_process_futex",
	.separates = "The machine: a sleeping process is woken and wakes its waker.",
	.sample = {{.operations = 100}, {.min_time_s = 0.05}, {.min_time_s = 0.1}},
	.prepare = prepare_futex,
	.run = run_futex,
	TURNS,
};

const struct workload floor_process_pipe = {
	.name = "floor_process_pipe",
	.separates = "The machine: a byte goes to another process through a pipe, and one back.",
	.sample = {{.operations = 100}, {.min_time_s = 0.05}, {.min_time_s = 0.1}},
	.prepare = prepare_pipe,
	.run = run_pipe,
	TURNS,
};

const struct workload floor_process_futex_parked = {
	.name = "floor_process_futex_parked",
	.separates = "The machine: the same, when both have rested as in round_trip_parked.",
	.prepare = prepare_parked_futex,
	.run = run_parked_futex,
	PARKED_TURNS,
};

const struct workload floor_process_pipe_parked = {
	.name = "floor_process_pipe_parked",
	.separates = "The machine: the same with a byte through a pipe.",
	.prepare = prepare_parked_pipe,
	.run = run_parked_pipe,
	PARKED_TURNS,
};

const struct workload floor_process_start = {
	.name = "floor_process_start",
	.operation = "process",
	.separates = "The machine: processes forked two at a time and waited for.",
	.sample = {{.operations = 20}, {.min_time_s = 0.05}, {.min_time_s = 0.1}},
	.run = run_processes,
	FLOOR,
};

const struct workload floor_process_start_3 = {
	.name = "floor_process_start_3",
	.operation = "family",
	.separates = "The machine: three processes forked, then waited for: all of that.",
	.sample = {{.operations = 10}, {.min_time_s = 0.05}, {.min_time_s = 0.1}},
	.run = run_families,
	FLOOR,
};
