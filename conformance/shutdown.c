/* SPDX-License-Identifier: MIT */
/* Tests of spec/shutdown.md: nothing more is accepted, nothing accepted is lost, waiting waits. */
#include "closing.h"

/*
 * Nothing more is accepted
 */

ASSAY_TEST(shd_1_submit_is_refused, .clause = "SHD-1")
{
	for (unsigned flags = 0; flags < 4; flags++) {
		assay_executor *executor = executor_new(s, s->workers);

		CHECK_OK(assay_executor_shutdown(executor, flags));
		CHECK_ERROR(error_of_submit(executor), ASSAY_ESHUTDOWN);
		CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
		CHECK_ERROR(error_of_submit(executor), ASSAY_ESHUTDOWN);
		executor_end(executor);
	}
}

ASSAY_TEST(shd_1_submit_is_refused_after_work, .clause = "SHD-1")
{
	assay_executor *executor = executor_new(s, s->workers);
	assay_future *future = submit_int(executor, 7);

	CHECK_EQ(result_int(future), 7);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT));
	CHECK_ERROR(error_of_submit(executor), ASSAY_ESHUTDOWN);
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(shd_1_submit_is_refused_while_tasks_remain, .clause = "SHD-1",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct gate *gate = gate_new(s);
	assay_future *futures[2] = {submit_gated(executor, gate, NULL, 1), submit_int(executor, 2)};

	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT));
	CHECK_ERROR(error_of_submit(executor), ASSAY_ESHUTDOWN);
	gate_open(gate);
	CHECK_EQ(result_int(futures[0]), 1);
	CHECK_EQ(result_int(futures[1]), 2);
	CHECK_ERROR(error_of_submit(executor), ASSAY_ESHUTDOWN);
	executor_end(executor);
	release_all(futures, 2);
}

ASSAY_TEST(shd_1_submit_many_is_refused, .clause = "SHD-1")
{
	assay_executor *executor = executor_new(s, 1);
	struct assay_task tasks[3] = {{.function = closing_run_nothing},
				      {.function = closing_run_nothing},
				      {.function = closing_run_nothing}};
	assay_future *futures[3] = {NULL, NULL, NULL};
	size_t accepted = 77;

	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT));
	CHECK_ERROR(assay_submit_many(executor, tasks, 3, futures, &accepted), ASSAY_ESHUTDOWN);
	CHECK_EQ(accepted, 0);
	for (int i = 0; i < 3; i++)
		CHECK(futures[i] == NULL);
	executor_end(executor);
}

ASSAY_TEST(shd_1_map_is_refused, .clause = "SHD-1")
{
	assay_executor *executor = executor_new(s, 1);
	struct assay_map_request request = assay_map_request_default();
	struct assay_map_input input = {(int[]){1, 2, 3}, sizeof(int), 3};
	assay_map_iteration *map = NULL;

	request.function = closing_run_nothing;
	request.inputs = &input;
	request.input_count = 1;
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT));
	CHECK_ERROR(assay_map_begin(executor, &request, &map), ASSAY_ESHUTDOWN);
	CHECK(map == NULL);
	executor_end(executor);
}

/*
 * Waiting
 */

ASSAY_TEST(shd_2_wait_returns_after_a_running_task, .clause = "SHD-2",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct trace *trace = trace_new(s, 8);
	struct gate *gate = gate_new(s);
	assay_future *future = submit_entry_behind_gate(s, executor, gate, trace);
	struct closing closing;

	closing_start(&closing, executor, ASSAY_SHUTDOWN_WAIT, trace);
	closing_await_sleep(&closing);
	gate_open(gate);
	closing_join(&closing);
	check_returned_last(trace, 1, 1);
	CHECK_EQ(assay_future_state(future), ASSAY_FINISHED);
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(shd_2_wait_returns_after_pending_tasks, .clause = "SHD-2",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 2);
	struct trace *trace = trace_new(s, 200);
	struct gate *gate = gate_new(s);
	assay_future *first = submit_entry_behind_gate(s, executor, gate, trace);
	assay_future *second = submit_entry_behind_gate(s, executor, gate, trace);
	struct closing closing;

	for (int i = 0; i < 100; i++)
		assay_future_release(submit_trace(executor, trace, i));
	closing_start(&closing, executor, ASSAY_SHUTDOWN_WAIT, trace);
	closing_await_sleep(&closing);
	gate_open(gate);
	closing_join(&closing);
	check_returned_last(trace, 102, 1);
	executor_end(executor);
	assay_future_release(first);
	assay_future_release(second);
}

ASSAY_TEST(shd_2_wait_leaves_no_worker, .clause = "SHD-2", .needs = ASSAY_CAP_OWNS_WORKERS)
{
	int threads = count_threads(), children = count_children();
	assay_executor *executor = executor_new(s, 4);
	assay_future *futures[20];

	for (int i = 0; i < 20; i++)
		futures[i] = submit_int(executor, i);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	CHECK_EQ(count_in_state(futures, 20, ASSAY_FINISHED), 20);
	CHECK_EQ(count_threads(), threads);
	CHECK_EQ(count_children(), children);
	executor_end(executor);
	release_all(futures, 20);
}

ASSAY_TEST(shd_2_statistics_are_exact_after_wait, .clause = "SHD-2")
{
	assay_executor *executor = executor_new(s, s->workers);
	struct assay_statistics statistics;

	for (int i = 0; i < 30; i++)
		assay_future_release(i % 3 ? submit_int(executor, i)
					   : submit_failing(executor, 3, NULL));
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	assay_executor_statistics(executor, &statistics);
	if (statistics.submitted == UINT64_MAX || statistics.finished == UINT64_MAX ||
	    statistics.failed == UINT64_MAX)
		UNSUPPORTED("the backend does not count its tasks");
	CHECK_EQ(statistics.submitted, 30);
	CHECK_EQ(statistics.finished, 30);
	CHECK_EQ(statistics.failed, 10);
	executor_end(executor);
}

ASSAY_TEST(shd_3_nowait_returns_while_a_task_runs, .clause = "SHD-3",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct gate *gate = gate_new(s);
	struct probe *started = probe_new(s);
	assay_future *running = submit_gated(executor, gate, started, 1);
	assay_future *waiting;

	probe_await(started, 1); /* who keeps no order might start the other first */
	waiting = submit_int(executor, 2);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT));
	CHECK_EQ(assay_future_state(running), ASSAY_RUNNING);
	CHECK(!assay_future_is_done(waiting));
	gate_open(gate);
	CHECK_EQ(result_int(running), 1);
	CHECK_EQ(result_int(waiting), 2);
	executor_end(executor);
	assay_future_release(running);
	assay_future_release(waiting);
}

ASSAY_TEST(shd_4_nothing_accepted_is_lost, .clause = "SHD-4",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	assay_executor *executor = executor_new(s, 2);
	struct occupied workers = occupy_workers(s, executor, 2);
	struct probe *ran = probe_new(s);

	for (int i = 0; i < 1000; i++)
		assay_future_release(submit_hit(executor, ran));
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT));
	CHECK_EQ(probe_count(ran), 0);
	release_workers(&workers);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	CHECK_EQ(probe_count(ran), 1000);
	executor_end(executor);
}

ASSAY_TEST(shd_4_nothing_is_lost_right_after_submit, .clause = "SHD-4", .rounds = 100)
{
	int rounds = scaled(100);

	for (int round = 0; round < rounds; round++) {
		assay_executor *executor = executor_new(s, s->workers);
		struct probe *ran = probe_new(s);

		for (int i = 0; i < 50; i++)
			assay_future_release(submit_hit(executor, ran));
		CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
		CHECK_EQ(probe_count(ran), 50);
		executor_end(executor);
	}
}

struct producer {
	struct actor actor;
	assay_executor *executor;
	struct probe *ran;
	struct probe *meeting;
	uint32_t parties;
	uint32_t accepted;
};

static int hit_probe(assay_call *call)
{
	probe_hit(*(struct probe *const *)call->argument);
	return ASSAY_OK;
}

/* Bounded, for the sake of backends that submit faster than they run. */
static void produce_until_refused(void *argument)
{
	struct producer *producer = argument;
	struct assay_task task = {hit_probe, NULL, &producer->ran, sizeof producer->ran};
	int error = ASSAY_OK;

	meet(producer->meeting, producer->parties);
	while (producer->accepted < 300 && !(error = assay_submit(producer->executor, &task, NULL)))
		producer->accepted++;
	CHECK(error == ASSAY_OK || error == ASSAY_ESHUTDOWN);
}

/* What was accepted while the executor closed runs; what was refused does not. */
ASSAY_TEST(shd_4_acceptance_racing_with_shutdown_is_kept, .clause = "SHD-4", .rounds = 50)
{
	int rounds = scaled(50);

	for (int round = 0; round < rounds; round++) {
		assay_executor *executor = executor_new(s, s->workers);
		struct probe *ran = probe_new(s), *meeting = probe_new(s);
		struct producer producers[2];

		for (int i = 0; i < 2; i++) {
			producers[i] = (struct producer){
				.executor = executor, .ran = ran, .meeting = meeting, .parties = 3};
			actor_start(&producers[i].actor, produce_until_refused, &producers[i]);
		}
		meet(meeting, 3);
		if (round % 2)
			probe_await(ran, 1);
		CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
		for (int i = 0; i < 2; i++)
			actor_join(&producers[i].actor);
		CHECK_EQ(probe_count(ran), producers[0].accepted + producers[1].accepted);
		executor_end(executor);
	}
}

/*
 * Again, and by several
 */

ASSAY_TEST(shd_5_all_combinations_can_be_repeated, .clause = "SHD-5")
{
	for (unsigned combination = 0; combination < 64; combination++) {
		assay_executor *executor = executor_new(s, 2);
		struct probe *ran = probe_new(s);
		assay_future *futures[4];

		for (int i = 0; i < 4; i++)
			futures[i] = submit_hit(executor, ran);
		for (unsigned flags = combination, i = 0; i < 3; i++, flags >>= 2) {
			CHECK_OK(assay_executor_shutdown(executor, flags & 3));
			CHECK_ERROR(error_of_submit(executor), ASSAY_ESHUTDOWN);
		}
		executor_end(executor);
		CHECK_EQ(count_in_state(futures, 4, ASSAY_FINISHED), probe_count(ran));
		CHECK_EQ(count_in_state(futures, 4, ASSAY_CANCELLED), 4 - probe_count(ran));
		release_all(futures, 4);
	}
}

ASSAY_TEST(shd_6_wait_after_nowait_waits, .clause = "SHD-6", .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1);
	struct trace *trace = trace_new(s, 8);
	struct gate *gate = gate_new(s);
	assay_future *future = submit_entry_behind_gate(s, executor, gate, trace);
	struct closing closing;

	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT));
	closing_start(&closing, executor, ASSAY_SHUTDOWN_WAIT, trace);
	closing_await_sleep(&closing);
	gate_open(gate);
	closing_join(&closing);
	check_returned_last(trace, 1, 1);
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(shd_6_wait_after_nowait_leaves_no_worker, .clause = "SHD-6",
	   .needs = ASSAY_CAP_OWNS_WORKERS)
{
	int threads = count_threads(), children = count_children();
	assay_executor *executor = executor_new(s, 2);

	for (int i = 0; i < 20; i++)
		assay_future_release(submit_int(executor, i));
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT));
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	CHECK_EQ(count_threads(), threads);
	CHECK_EQ(count_children(), children);
	executor_end(executor);
}

ASSAY_TEST(shd_7_concurrent_waits_all_wait_and_return, .clause = "SHD-7",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 2);
	struct trace *trace = trace_new(s, 8);
	struct gate *gate = gate_new(s);
	assay_future *future = submit_entry_behind_gate(s, executor, gate, trace);
	struct closing closings[3];

	for (int i = 0; i < 3; i++)
		closing_start(&closings[i], executor, ASSAY_SHUTDOWN_WAIT, trace);
	for (int i = 0; i < 3; i++)
		closing_await_sleep(&closings[i]);
	gate_open(gate);
	for (int i = 0; i < 3; i++)
		closing_join(&closings[i]);
	check_returned_last(trace, 1, 3);
	executor_end(executor);
	assay_future_release(future);
}

ASSAY_TEST(shd_7_concurrent_waits_in_a_loop, .clause = "SHD-7", .rounds = 100)
{
	int rounds = scaled(100);

	for (int round = 0; round < rounds; round++) {
		assay_executor *executor = executor_new(s, 2);
		struct trace *trace = trace_new(s, 16);
		struct closing closings[3];

		for (int i = 0; i < 4; i++)
			assay_future_release(submit_trace(executor, trace, i));
		for (int i = 0; i < 3; i++)
			closing_start(&closings[i], executor, ASSAY_SHUTDOWN_WAIT, trace);
		for (int i = 0; i < 3; i++)
			closing_join(&closings[i]);
		check_returned_last(trace, 4, 3);
		executor_end(executor);
	}
}
