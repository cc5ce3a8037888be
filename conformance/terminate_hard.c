/* SPDX-License-Identifier: MIT */
/* Stopping tasks that do not want to stop, that would be retried, and workers that are dead. */
#include "death.h"
#include "family.h"

#include <stdlib.h>

#define CAN_STOP (ASSAY_CAP_TERMINATE | ASSAY_CAP_ASYNCHRONOUS)

struct deaf {
	struct gate *gate;
	struct probe *started;
	struct probe *passed;
};

static int listen_to_nothing(assay_call *call)
{
	const struct deaf *deaf = call->argument;
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	probe_hit(deaf->started);
	gate_wait(deaf->gate);
	probe_hit(deaf->passed);
	return ASSAY_OK;
}

ASSAY_TEST(trm_2_kill_stops_what_does_not_listen, .clause = "TRM-2", .needs = CAN_STOP)
{
	for (int asked_before = 0; asked_before < 2; asked_before++) {
		assay_executor *executor = executor_new(s, 1);
		struct deaf deaf = {gate_new(s), probe_new(s), probe_new(s)};
		assay_future *future = submit_task(executor, listen_to_nothing, &deaf, sizeof deaf);
		struct assay_outcome outcome = {.error = 1};

		adopt_orphans();
		probe_await(deaf.started, 1);
		if (asked_before)
			CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_TERMINATE));
		CHECK_OK(assay_executor_shutdown(executor,
						 ASSAY_SHUTDOWN_KILL | ASSAY_SHUTDOWN_WAIT));
		CHECK_OK(assay_future_outcome(future, 0, &outcome));
		CHECK_ERROR(outcome.error, ASSAY_EDIED);
		CHECK_EQ(outcome.code, SIGKILL);
		gate_open(deaf.gate);
		executor_end(executor);
		CHECK_EQ(probe_count(deaf.passed), 0);
		check_childless();
		assay_future_release(future);
	}
}

struct still {
	uint32_t *pid;
	struct probe *passed;
};

static int stand_still(assay_call *call)
{
	const struct still *still = call->argument;

	__atomic_store_n(still->pid, (uint32_t)getpid(), __ATOMIC_RELEASE);
	raise(SIGSTOP);
	probe_hit(still->passed);
	return ASSAY_OK;
}

static void await_still(const struct still *still)
{
	struct process_status status = {.state = 'R'};
	uint32_t pid;

	while (!(pid = __atomic_load_n(still->pid, __ATOMIC_ACQUIRE)) ||
	       (process_status((pid_t)pid, &status) && status.state != 'T'))
		sched_yield();
}

ASSAY_TEST(trm_10_terminate_stops_what_stands_still, .clause = "TRM-10", .needs = CAN_STOP)
{
	assay_executor *executor = executor_new(s, 1);
	struct still still = {shared_new(s, sizeof *still.pid), probe_new(s)};
	assay_future *future = submit_task(executor, stand_still, &still, sizeof still);
	struct assay_outcome outcome = {.error = 1};

	adopt_orphans();
	await_still(&still);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_TERMINATE | ASSAY_SHUTDOWN_WAIT));
	CHECK_OK(assay_future_outcome(future, 0, &outcome));
	CHECK_ERROR(outcome.error, ASSAY_EDIED);
	CHECK_EQ(outcome.code, SIGTERM);
	executor_end(executor);
	CHECK_EQ(probe_count(still.passed), 0);
	check_childless();
	assay_future_release(future);
}

ASSAY_TEST(trm_3_what_was_stopped_is_not_retried, .clause = "TRM-3",
	   .needs = CAN_STOP | ASSAY_CAP_SURVIVES_CRASH)
{
	for (unsigned flag = ASSAY_SHUTDOWN_TERMINATE; flag <= ASSAY_SHUTDOWN_KILL; flag *= 2) {
		assay_executor *executor = executor_surviving(s, 2, ASSAY_DEATH_RETRIES, 5);
		struct gate *never = gate_new(s);
		struct probe *started = probe_new(s);
		assay_future *futures[6];

		for (int i = 0; i < 6; i++)
			futures[i] = submit_gated(executor, never, started, i);
		probe_await(started, 1);
		CHECK_OK(assay_executor_shutdown(executor, flag | ASSAY_SHUTDOWN_WAIT));
		CHECK(probe_count(started) <= 2);
		for (int i = 0; i < 6; i++) {
			int error = assay_future_result(futures[i], 0, NULL, 0);

			if (error != ASSAY_EDIED)
				CHECK_ERROR(error, ASSAY_ECANCELLED);
			assay_future_release(futures[i]);
		}
		executor_end(executor);
	}
}

ASSAY_TEST(trm_5_when_workers_are_dead, .clause = "TRM-5",
	   .needs = CAN_STOP | ASSAY_CAP_SURVIVES_CRASH)
{
	for (unsigned flag = ASSAY_SHUTDOWN_TERMINATE; flag <= ASSAY_SHUTDOWN_KILL; flag *= 2)
		for (int policy = ASSAY_DEATH_BREAKS; policy <= ASSAY_DEATH_FAILS_TASK; policy++) {
			assay_executor *executor =
				executor_surviving(s, 1, (enum assay_on_worker_death)policy, 0);
			struct end end = {.words = shared_new(s, sizeof *end.words),
					  .times = 1,
					  .signal = SIGKILL};
			assay_future *future = submit_end(executor, &end);

			adopt_orphans();
			CHECK_ERROR(assay_future_result(future, ASSAY_FOREVER, NULL, 0),
				    policy == ASSAY_DEATH_BREAKS ? ASSAY_EBROKEN : ASSAY_EDIED);
			CHECK_OK(assay_executor_shutdown(executor, flag));
			CHECK_OK(assay_executor_shutdown(executor, flag | ASSAY_SHUTDOWN_WAIT));
			executor_end(executor);
			check_childless();
			assay_future_release(future);
		}
}

ASSAY_TEST(trm_7_stopped_at_any_moment, .clause = "TRM-7", .needs = CAN_STOP, .rounds = 40)
{
	enum { COUNT = 30 };

	adopt_orphans();
	for (int round = 0; round < scaled(40); round++) {
		assay_executor *executor = executor_new(s, 2);
		struct probe *ran = probe_new(s);
		assay_future *futures[COUNT];
		struct assay_statistics now;
		uint32_t done = 0;

		for (int i = 0; i < COUNT; i++)
			futures[i] = submit_hit(executor, ran);
		probe_await(ran, (uint32_t)round % COUNT);
		CHECK_OK(assay_executor_shutdown(
			executor, (round % 2 ? ASSAY_SHUTDOWN_TERMINATE : ASSAY_SHUTDOWN_KILL) |
					  ASSAY_SHUTDOWN_WAIT));
		for (int i = 0; i < COUNT; i++) {
			int error = assay_future_result(futures[i], 0, NULL, 0);

			if (error != ASSAY_OK && error != ASSAY_EDIED)
				CHECK_ERROR(error, ASSAY_ECANCELLED);
			done += error == ASSAY_OK;
			assay_future_release(futures[i]);
		}
		CHECK(done <= probe_count(ran));
		assay_executor_statistics(executor, &now);
		if (now.submitted != UINT64_MAX)
			CHECK_EQ(now.finished + now.cancelled + now.broken, now.submitted);
		executor_end(executor);
		check_childless();
	}
}
