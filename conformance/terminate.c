/* SPDX-License-Identifier: MIT */
/* Stopping running tasks: refused by backends that cannot, and what it does on those that can. */
#include "fixture.h"

#include <signal.h>
#include <stdlib.h>

#define CAN_STOP (ASSAY_CAP_TERMINATE | ASSAY_CAP_ASYNCHRONOUS)

/* One worker that runs a gated task nobody will let through, and two tasks behind it. */
struct stopped {
	assay_executor *executor;
	struct probe *ran;
	struct occupied workers;
	assay_future *pending[2];
};

static struct stopped stopped_new(struct subject *s)
{
	struct stopped stopped = {.executor = executor_new(s, 1), .ran = probe_new(s)};

	stopped.workers = occupy_workers(s, stopped.executor, 1);
	for (int i = 0; i < 2; i++)
		stopped.pending[i] = submit_hit(stopped.executor, stopped.ran);
	return stopped;
}

static void stopped_end(struct stopped *stopped)
{
	executor_end(stopped->executor);
	for (int i = 0; i < 2; i++)
		assay_future_release(stopped->pending[i]);
	for (int i = 0; i < stopped->workers.count; i++)
		assay_future_release(stopped->workers.futures[i]);
	free(stopped->workers.futures);
}

static void check_stopped_by(struct subject *s, enum assay_shutdown how, int signal)
{
	struct stopped stopped = stopped_new(s);
	struct assay_outcome outcome = {.error = 1};

	CHECK_OK(assay_executor_shutdown(stopped.executor, (unsigned)how | ASSAY_SHUTDOWN_WAIT));
	CHECK_OK(assay_future_outcome(stopped.workers.futures[0], 0, &outcome));
	CHECK_ERROR(outcome.error, ASSAY_EDIED);
	CHECK(outcome.code == signal || outcome.code == 0);
	stopped_end(&stopped);
}

ASSAY_TEST(trm_1_terminate_stops_what_runs, .clause = "TRM-1", .needs = CAN_STOP)
{
	check_stopped_by(s, ASSAY_SHUTDOWN_TERMINATE, SIGTERM);
}

ASSAY_TEST(trm_2_kill_stops_what_runs, .clause = "TRM-2", .needs = CAN_STOP)
{
	check_stopped_by(s, ASSAY_SHUTDOWN_KILL, SIGKILL);
}

/* Hits the probe when it gets past the gate. */
struct passage {
	struct gate *gate;
	struct probe *started;
	struct probe *passed;
};

static int pass(assay_call *call)
{
	const struct passage *passage = call->argument;

	probe_hit(passage->started);
	gate_wait(passage->gate);
	probe_hit(passage->passed);
	return ASSAY_OK;
}

ASSAY_TEST(trm_3_what_was_stopped_does_not_go_on, .clause = "TRM-3", .needs = CAN_STOP)
{
	assay_executor *executor = executor_new(s, 1);
	struct passage passage = {gate_new(s), probe_new(s), probe_new(s)};
	assay_future *future = submit_task(executor, pass, &passage, sizeof passage);

	probe_await(passage.started, 1);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_KILL | ASSAY_SHUTDOWN_WAIT));
	gate_open(passage.gate);
	executor_end(executor);
	CHECK_EQ(probe_count(passage.passed), 0);
	assay_future_release(future);
}

ASSAY_TEST(trm_4_it_is_a_shutdown, .clause = "TRM-4", .needs = CAN_STOP)
{
	for (unsigned flag = ASSAY_SHUTDOWN_TERMINATE; flag <= ASSAY_SHUTDOWN_KILL; flag *= 2) {
		struct stopped stopped = stopped_new(s);
		const struct assay_task task = {.function = pass};

		CHECK_OK(assay_executor_shutdown(stopped.executor, flag));
		CHECK_ERROR(assay_submit(stopped.executor, &task, NULL), ASSAY_ESHUTDOWN);
		stopped_end(&stopped);
	}
}

ASSAY_TEST(trm_5_again_is_harmless, .clause = "TRM-5", .needs = CAN_STOP)
{
	struct stopped stopped = stopped_new(s);

	for (int i = 0; i < 3; i++)
		for (unsigned flag = ASSAY_SHUTDOWN_TERMINATE; flag <= 15; flag++)
			CHECK_OK(assay_executor_shutdown(stopped.executor, flag));
	stopped_end(&stopped);
}

ASSAY_TEST(trm_6_without_workers_there_is_nothing_to_stop, .clause = "TRM-6",
	   .needs = ASSAY_CAP_TERMINATE)
{
	for (unsigned flag = ASSAY_SHUTDOWN_TERMINATE; flag <= ASSAY_SHUTDOWN_KILL; flag *= 2) {
		assay_executor *executor = executor_new(s, 2);

		CHECK_OK(assay_executor_shutdown(executor, flag | ASSAY_SHUTDOWN_WAIT));
		executor_end(executor);
	}
}

ASSAY_TEST(trm_7_every_future_ends, .clause = "TRM-7", .needs = CAN_STOP)
{
	for (unsigned flag = ASSAY_SHUTDOWN_TERMINATE; flag <= ASSAY_SHUTDOWN_KILL; flag *= 2) {
		struct stopped stopped = stopped_new(s);

		CHECK_OK(assay_executor_shutdown(stopped.executor, flag));
		for (int i = 0; i < 2; i++)
			CHECK_ERROR(assay_future_result(stopped.pending[i], ASSAY_FOREVER, NULL, 0),
				    ASSAY_ECANCELLED);
		for (int i = 0; i < stopped.workers.count; i++)
			CHECK_OK(assay_future_wait(stopped.workers.futures[i], ASSAY_FOREVER));
		stopped_end(&stopped);
		CHECK_EQ(probe_count(stopped.ran), 0);
	}
}

ASSAY_TEST(trm_8_no_new_worker_appears, .clause = "TRM-8", .needs = CAN_STOP)
{
	int children = count_children();
	struct stopped stopped = stopped_new(s);

	CHECK_OK(assay_executor_shutdown(stopped.executor,
					 ASSAY_SHUTDOWN_KILL | ASSAY_SHUTDOWN_WAIT));
	CHECK_EQ(count_children(), children);
	stopped_end(&stopped);
	CHECK_EQ(count_children(), children);
}

static int count_initialization(const void *argument, size_t size)
{
	(void)size;
	probe_hit(*(struct probe *const *)argument);
	return 0;
}

ASSAY_TEST(trm_8_no_worker_is_initialized, .clause = "TRM-8",
	   .needs = CAN_STOP | ASSAY_CAP_INITIALIZER)
{
	for (unsigned flag = ASSAY_SHUTDOWN_TERMINATE; flag <= ASSAY_SHUTDOWN_KILL; flag *= 2) {
		struct assay_config config = assay_config_default();
		struct probe *initialized = probe_new(s), *started = probe_new(s);
		assay_executor *executor;
		assay_future *future;

		config.workers = 1;
		config.initializer = count_initialization;
		config.initializer_argument = &initialized;
		config.initializer_argument_size = sizeof initialized;
		executor = executor_with(s, &config);
		future = submit_gated(executor, gate_new(s), started, 0);
		probe_await(started, 1);
		CHECK_OK(assay_executor_shutdown(executor, flag | ASSAY_SHUTDOWN_WAIT));
		executor_end(executor);
		CHECK_EQ(probe_count(initialized), 1);
		assay_future_release(future);
	}
}

/* Backends that cannot. */
static void need_refusal(struct subject *s)
{
	if (s->backend->capabilities & ASSAY_CAP_TERMINATE)
		UNSUPPORTED("the backend can stop running tasks");
}

ASSAY_TEST(trm_9_refused_where_it_cannot_be_done, .clause = "TRM-9")
{
	assay_executor *executor = executor_new(s, 1);

	need_refusal(s);
	for (unsigned flags = ASSAY_SHUTDOWN_TERMINATE; flags <= 15; flags++) {
		assay_future *future;

		CHECK_ERROR(assay_executor_shutdown(executor, flags), ASSAY_EUNSUPPORTED);
		/* Nothing was changed: it is no shutdown either. */
		future = submit_int(executor, (int)flags);
		CHECK_EQ(result_int(future), flags);
		assay_future_release(future);
	}
	executor_end(executor);
}

ASSAY_TEST(trm_9_a_refusal_cancels_nothing, .clause = "TRM-9",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers;
	assay_future *pending;

	need_refusal(s);
	workers = occupy_workers(s, executor, 1);
	pending = submit_int(executor, 3);
	CHECK_ERROR(assay_executor_shutdown(executor,
					    ASSAY_SHUTDOWN_KILL | ASSAY_SHUTDOWN_CANCEL_PENDING),
		    ASSAY_EUNSUPPORTED);
	CHECK(!assay_future_is_done(pending));
	release_workers(&workers);
	CHECK_EQ(result_int(pending), 3);
	executor_end(executor);
	assay_future_release(pending);
}

ASSAY_TEST(trm_9_refused_after_shutdown_too, .clause = "TRM-9")
{
	assay_executor *executor = executor_new(s, 1);

	need_refusal(s);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	CHECK_ERROR(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_TERMINATE),
		    ASSAY_EUNSUPPORTED);
	executor_end(executor);
}
