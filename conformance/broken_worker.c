/* SPDX-License-Identifier: MIT */
/* The death of a worker: of its thread, or of its process where the backend survives that. */
#include "refusal.h"
#include "waiter.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define MORTAL (ASSAY_CAP_SURVIVES_CRASH | ASSAY_CAP_ASYNCHRONOUS)

struct death {
	struct gate *gate; /* may be NULL */
	int signal;        /* 0: exits instead */
	int status;
	struct probe *started; /* may be NULL */
};

static int die(assay_call *call)
{
	const struct death *death = call->argument;

	if (death->started)
		probe_hit(death->started);
	if (death->gate)
		gate_wait(death->gate);
	if (death->signal)
		kill(getpid(), death->signal);
	_exit(death->status);
}

static assay_future *submit_death(assay_executor *executor, struct gate *gate, int signal,
				  int status)
{
	struct death death = {.gate = gate, .signal = signal, .status = status};

	return submit_task(executor, die, &death, sizeof death);
}

ASSAY_TEST(brk_1_a_dead_worker_breaks_the_executor, .clause = "BRK-1", .needs = MORTAL)
{
	assay_executor *executor = executor_new(s, 1);
	struct gate *gate = gate_new(s);
	assay_future *futures[4] = {submit_death(executor, gate, SIGKILL, 0)};

	for (int i = 1; i < 4; i++)
		futures[i] = submit_int(executor, i);
	gate_open(gate);
	for (int i = 0; i < 4; i++) {
		CHECK_ERROR(assay_future_result(futures[i], ASSAY_FOREVER, NULL, 0), ASSAY_EBROKEN);
		assay_future_release(futures[i]);
	}
	CHECK_ERROR(assay_submit(executor, &(struct assay_task){.function = return_pid}, NULL),
		    ASSAY_EBROKEN);
	executor_end(executor);
}

ASSAY_TEST(brk_2_nobody_is_left_waiting, .clause = "BRK-2", .needs = MORTAL)
{
	assay_executor *executor = executor_new(s, 1);
	struct gate *gate = gate_new(s);
	assay_future *dying = submit_death(executor, gate, SIGKILL, 0);
	assay_future *pending = submit_int(executor, 1);
	struct waiter waiters[2 * WAIT_CALLS];

	waiters_park(waiters, WAIT_CALLS, dying);
	waiters_park(waiters + WAIT_CALLS, WAIT_CALLS, pending);
	gate_open(gate);
	waiters_join(waiters, 2 * WAIT_CALLS);
	for (int i = 0; i < 2 * WAIT_CALLS; i++)
		CHECK_ERROR(waiters[i].error, ASSAY_EBROKEN);
	executor_end(executor);
	assay_future_release(dying);
	assay_future_release(pending);
}

ASSAY_TEST(brk_8_the_outcome_says_what_killed_it, .clause = "BRK-8", .needs = MORTAL)
{
	static const struct {
		int signal, status, code;
	} deaths[] = {{SIGKILL, 0, SIGKILL}, {SIGTERM, 0, SIGTERM}, {0, 99, 256 + 99}};
	struct assay_config config = assay_config_default();
	assay_executor *executor;

	config.workers = 1;
	config.on_worker_death = ASSAY_DEATH_FAILS_TASK;
	executor = executor_with(s, &config);
	for (size_t i = 0; i < sizeof deaths / sizeof *deaths; i++) {
		assay_future *future =
			submit_death(executor, NULL, deaths[i].signal, deaths[i].status);
		struct assay_outcome outcome = {.error = 1};

		CHECK_OK(assay_future_outcome(future, ASSAY_FOREVER, &outcome));
		CHECK_ERROR(outcome.error, ASSAY_EDIED);
		CHECK(outcome.code == deaths[i].code || outcome.code == 0);
		assay_future_release(future);
	}
	executor_end(executor);
}

/* The process of the only worker, known from a task. */
static int pid_of_worker(assay_executor *executor)
{
	assay_future *future = submit_task(executor, return_pid, NULL, 0);
	int pid = result_int(future);

	assay_future_release(future);
	CHECK(pid != getpid());
	return pid;
}

ASSAY_TEST(brk_9_the_death_of_an_idle_worker, .clause = "BRK-9",
	   .needs = MORTAL | ASSAY_CAP_WORKER_REUSE)
{
	assay_executor *executor = executor_new(s, 1);
	struct assay_task task = {.function = return_pid};
	int error = ASSAY_OK, pid = pid_of_worker(executor);

	CHECK_EQ(kill(pid, SIGKILL), 0);
	while (kill(pid, 0) == 0 && count_zombies() == 0) /* not while it takes a task */
		sched_yield();
	while (!error) { /* until it is noticed */
		assay_future *future = NULL;

		error = assay_submit(executor, &task, &future);
		if (future)
			(void)!assay_future_wait(future, ASSAY_FOREVER);
		assay_future_release(future);
	}
	CHECK_ERROR(error, ASSAY_EBROKEN);
	executor_end(executor);
}

static int end_thread(assay_call *call)
{
	(void)call;
	pthread_exit(NULL);
}

ASSAY_TEST(brk_11_a_task_that_ends_its_thread_fails_alone, .clause = "BRK-11",
	   .needs = ASSAY_CAP_SURVIVES_THREAD_EXIT | ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 2);
	assay_future *futures[20];

	for (int i = 0; i < 20; i++)
		futures[i] = i % 2 ? submit_int(executor, i)
				   : submit_task(executor, end_thread, NULL, 0);
	for (int i = 0; i < 20; i++) {
		if (i % 2)
			CHECK_EQ(result_int(futures[i]), i);
		else
			CHECK_ERROR(assay_future_result(futures[i], ASSAY_FOREVER, NULL, 0),
				    ASSAY_EDIED);
		assay_future_release(futures[i]);
	}
	executor_end(executor);
}

static int exit_quietly(assay_call *call)
{
	exit(*(const int *)call->argument);
}

ASSAY_TEST(brk_11_a_task_that_exits_fails_alone, .clause = "BRK-11", .needs = MORTAL)
{
	assay_executor *executor = executor_new(s, 1);

	for (int status = 0; status < 3; status++) {
		assay_future *future = submit_task(executor, exit_quietly, &status, sizeof status);
		assay_future *next = submit_int(executor, status);

		CHECK_ERROR(assay_future_result(future, ASSAY_FOREVER, NULL, 0), ASSAY_EDIED);
		CHECK_EQ(result_int(next), status);
		assay_future_release(future);
		assay_future_release(next);
	}
	executor_end(executor);
}

ASSAY_TEST(brk_12_death_with_large_bytes_under_way, .clause = "BRK-12", .needs = MORTAL)
{
	enum { SIZE = 1 << 20, COUNT = 8 };

	assay_executor *executor = executor_new(s, 1);
	char *bytes = calloc(1, SIZE);
	struct death death = {.signal = SIGKILL};
	assay_future *futures[COUNT] = {NULL};
	int accepted = 0;

	CHECK(bytes != NULL);
	__builtin_memcpy(bytes, &death, sizeof death);
	for (; accepted < COUNT; accepted++) {
		struct assay_task task = {
			.function = die, .argument = bytes, .argument_size = SIZE};

		if (assay_submit(executor, &task, &futures[accepted]))
			break;
	}
	CHECK(accepted >= 1);
	for (int i = 0; i < accepted; i++) {
		CHECK_ERROR(assay_future_result(futures[i], ASSAY_FOREVER, NULL, 0), ASSAY_EBROKEN);
		assay_future_release(futures[i]);
	}
	executor_end(executor);
	free(bytes);
}

static void hit_probe(assay_future *future, void *user)
{
	(void)future;
	probe_hit(user);
}

/* Whatever is started when there is something to do; and whoever calls callbacks. */
ASSAY_TEST(brk_17_no_thread_for_a_task, .clause = "BRK-17",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_OWNS_WORKERS)
{
	struct probe *told = probe_new(s);
	assay_future *future = NULL;
	assay_executor *executor;
	int error;

	give_up_rights(s);
	executor = executor_new(s, 2);
	refuse_threads();
	error = assay_submit(executor, &(struct assay_task){.function = return_pid}, &future);
	if (error) {
		CHECK(error == ASSAY_ERESOURCE || error == ASSAY_ENOMEM || error == ASSAY_EBROKEN);
	} else {
		CHECK_OK(assay_future_add_done_callback(future, hit_probe, told));
		error = assay_future_result(future, ASSAY_FOREVER, NULL, 0);
		CHECK(error == ASSAY_OK || error == ASSAY_EBROKEN);
		probe_await(told, 1);
	}
	allow_threads();
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(brk_17_no_process_for_one_that_died, .clause = "BRK-17",
	   .needs = MORTAL | ASSAY_CAP_WORKER_LIMIT)
{
	struct assay_task task = {.function = return_pid};
	struct assay_config config = assay_config_default();
	struct death death = {.gate = gate_new(s), .signal = SIGKILL};
	assay_executor *executor;
	assay_future *futures[4];

	give_up_rights(s);
	config.workers = 1;
	config.on_worker_death = ASSAY_DEATH_FAILS_TASK;
	config.log = ignore_log;
	executor = executor_with(s, &config);
	death.started = probe_new(s);
	futures[0] = submit_task(executor, die, &death, sizeof death);
	for (int i = 1; i < 4; i++)
		futures[i] = submit_int(executor, i);
	probe_await(death.started, 1);
	refuse_threads();
	gate_open(death.gate);
	for (int i = 0; i < 4; i++) {
		CHECK_ERROR(assay_future_result(futures[i], ASSAY_FOREVER, NULL, 0),
			    i ? ASSAY_EBROKEN : ASSAY_EDIED);
		assay_future_release(futures[i]);
	}
	allow_threads();
	CHECK_ERROR(assay_submit(executor, &task, NULL), ASSAY_EBROKEN);
	executor_end(executor);
}

ASSAY_TEST(brk_18_a_stopped_worker_is_not_dead, .clause = "BRK-18",
	   .needs = MORTAL | ASSAY_CAP_WORKER_REUSE)
{
	assay_executor *executor = executor_new(s, 1);
	int pid = pid_of_worker(executor);
	assay_future *future;

	CHECK_EQ(kill(pid, SIGSTOP), 0);
	future = submit_int(executor, 5);
	CHECK_ERROR(assay_future_wait(future, short_time_ns()), ASSAY_ETIMEDOUT);
	CHECK_EQ(kill(pid, SIGCONT), 0);
	CHECK_EQ(result_int(future), 5);
	executor_end(executor);
	assay_future_release(future);
}
