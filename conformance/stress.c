/* SPDX-License-Identifier: MIT */
/* Much of everything: what once hung or lost something in known executors. */
#include "fixture.h"
#include "sanitizer.h"

#include <stdlib.h>

ASSAY_TEST(str_1_many_tasks_before_any_completes, .clause = "STR-1",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	int count = scaled(10000);
	assay_executor *executor = executor_new(s, 2);
	struct occupied workers = occupy_workers(s, executor, 2);
	struct probe *ran = probe_new(s);

	for (int i = 0; i < count; i++)
		assay_future_release(submit_hit(executor, ran));
	CHECK_EQ(probe_count(ran), 0);
	release_workers(&workers);
	executor_end(executor);
	CHECK_EQ(probe_count(ran), count);
}

ASSAY_TEST(str_2_hundreds_released_at_once, .clause = "STR-2",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT, .rounds = 5)
{
	enum { MOST = 200 };

	int count = scaled(MOST);

	for (int round = 0; round < scaled(5); round++) {
		assay_executor *executor = executor_new(s, count);
		struct gate *gate = gate_new(s);
		struct probe *started = probe_new(s);
		struct assay_partition seen = {.futures = NULL};
		assay_future *futures[MOST];

		for (int i = 0; i < count; i++)
			futures[i] = submit_gated(executor, gate, started, i);
		probe_await(started, (uint32_t)count);
		gate_open(gate);
		CHECK_OK(assay_wait(futures, (size_t)count, ASSAY_ALL_COMPLETED, ASSAY_FOREVER,
				    &seen));
		CHECK_EQ(seen.done, count);
		executor_end(executor);
		for (int i = 0; i < count; i++) {
			CHECK_EQ(result_int(futures[i]), i);
			assay_future_release(futures[i]);
		}
	}
}

static void cycle(struct subject *s, int64_t spin_ns, int tasks, unsigned flags)
{
	struct assay_config config = assay_config_default();
	struct probe *ran = probe_new(s);
	assay_executor *executor;

	config.workers = 2;
	config.spin_ns = spin_ns;
	executor = executor_with(s, &config);
	for (int i = 0; i < tasks; i++)
		assay_future_release(submit_hit(executor, ran));
	CHECK_OK(assay_executor_shutdown(executor, flags));
	CHECK_OK(assay_executor_destroy(executor));
	CHECK_EQ(probe_count(ran), tasks);
}

ASSAY_TEST(str_3_create_submit_shutdown_cycles, .clause = "STR-3", .rounds = 400)
{
	for (int round = 0; round < scaled(400); round++)
		cycle(s, -1, 3,
		      round % 2 ? (unsigned)ASSAY_SHUTDOWN_WAIT : (unsigned)ASSAY_SHUTDOWN_NOWAIT);
}

struct cycler {
	struct actor actor;
	struct subject *s;
};

static void run_cycles(void *argument)
{
	struct cycler *cycler = argument;

	for (int round = 0; round < scaled(100); round++)
		cycle(cycler->s, -1, 2, ASSAY_SHUTDOWN_NOWAIT);
}

ASSAY_TEST(str_3_cycles_in_several_threads, .clause = "STR-3", .rounds = 400)
{
	struct cycler cyclers[4];

	/* A worker process of a pool would meet locks that another thread held when it was forked. */
	if (BUILT_WITH_TSAN && !(s->backend->capabilities & ASSAY_CAP_SHARED_MEMORY))
		UNSUPPORTED("ThreadSanitizer's allocator may be locked for ever after a fork");
	for (int i = 0; i < 4; i++) {
		cyclers[i].s = s;
		actor_start(&cyclers[i].actor, run_cycles, &cyclers[i]);
	}
	for (int i = 0; i < 4; i++)
		actor_join(&cyclers[i].actor);
}

ASSAY_TEST(str_4_ended_as_workers_go_to_sleep, .clause = "STR-4", .rounds = 600)
{
	/* Nothing to do at all, or just enough for the workers to be on their way to sleep. */
	for (int round = 0; round < scaled(600); round++)
		cycle(s, round % 4 < 2 ? 0 : -1, round % 2, ASSAY_SHUTDOWN_WAIT);
}

ASSAY_TEST(str_5_waiting_counts_what_is_queued, .clause = "STR-5", .rounds = 200)
{
	for (int round = 0; round < scaled(200); round++) {
		assay_executor *executor = executor_new(s, 2);
		struct assay_statistics statistics;
		struct probe *ran = probe_new(s);

		for (int i = 0; i < 10; i++)
			assay_future_release(submit_hit(executor, ran));
		CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
		CHECK_EQ(probe_count(ran), 10);
		assay_executor_statistics(executor, &statistics);
		CHECK(statistics.finished == 10 || statistics.finished == UINT64_MAX);
		executor_end(executor);
	}
}

struct splitter {
	struct probe *ran;
	struct probe *accepted;
	int depth;
};

/* Submits two like itself, as long as that is allowed. */
static int split(assay_call *call)
{
	const struct splitter *splitter = call->argument;
	struct splitter below = {splitter->ran, splitter->accepted, splitter->depth - 1};
	struct assay_task task = {
		.function = split, .argument = &below, .argument_size = sizeof below};

	probe_hit(splitter->ran);
	for (int i = 0; i < 2 && splitter->depth > 0; i++) {
		int error = assay_submit(call->executor, &task, NULL);

		if (!error)
			probe_hit(splitter->accepted);
		else
			CHECK_ERROR(error, ASSAY_ESHUTDOWN);
	}
	return ASSAY_OK;
}

ASSAY_TEST(str_6_ended_while_tasks_submit, .clause = "STR-6", .needs = ASSAY_CAP_NESTED_SUBMIT,
	   .rounds = 30)
{
	for (int round = 0; round < scaled(30); round++) {
		assay_executor *executor = executor_new(s, 2);
		struct splitter splitter = {probe_new(s), probe_new(s), 8};
		uint32_t wanted = (uint32_t)(round * 4);

		assay_future_release(submit_task(executor, split, &splitter, sizeof splitter));
		probe_await(splitter.ran, wanted); /* the end comes earlier and later */
		CHECK_OK(assay_executor_destroy(executor));
		CHECK_EQ(probe_count(splitter.ran), probe_count(splitter.accepted) + 1);
	}
}
