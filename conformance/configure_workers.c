/* SPDX-License-Identifier: MIT */
/* How many workers there are, when they start, how long they stay, and what they are called. */
#include "fixture.h"
#include "process.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PENDING_NEEDS (ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)

enum { MOST_WORKERS = 16 };

/* The CPUs that this process may use; only the first of them from here on if `one`. */
static int usable_cpus(bool one)
{
	cpu_set_t set;
	size_t first = 0;

	CHECK_EQ(sched_getaffinity(0, sizeof set, &set), 0);
	if (!one)
		return CPU_COUNT(&set);
	while (!CPU_ISSET(first, &set))
		first++;
	CPU_ZERO(&set);
	CPU_SET(first, &set);
	CHECK_EQ(sched_setaffinity(0, sizeof set, &set), 0);
	return 1;
}

static int default_workers(struct subject *s)
{
	assay_executor *executor = executor_new(s, ASSAY_WORKERS_AUTO);
	struct assay_statistics now;

	assay_executor_statistics(executor, &now);
	executor_end(executor);
	if (now.workers == UINT64_MAX)
		UNSUPPORTED("the backend does not say how many workers it has");
	return (int)now.workers;
}

static void need_shared_memory(struct subject *s, bool needed)
{
	if (!(s->backend->capabilities & ASSAY_CAP_SHARED_MEMORY) == needed)
		UNSUPPORTED(needed ? "workers share no memory with the client"
				   : "workers share the client's memory");
}

static int documented_default(int cpus)
{
	return cpus + 4 < 32 ? cpus + 4 : 32;
}

ASSAY_TEST(cfg_2_default_follows_the_usable_cpus, .clause = "CFG-2",
	   .needs = ASSAY_CAP_WORKER_LIMIT)
{
	need_shared_memory(s, true);
	CHECK_EQ(default_workers(s), documented_default(usable_cpus(false)));
}

ASSAY_TEST(cfg_2_default_with_one_usable_cpu, .clause = "CFG-2", .needs = ASSAY_CAP_WORKER_LIMIT)
{
	int expected;

	need_shared_memory(s, true);
	expected = documented_default(usable_cpus(true)); /* before the executor is made */
	CHECK_EQ(default_workers(s), expected);
}

ASSAY_TEST(cfg_3_default_is_the_usable_cpus, .clause = "CFG-3", .needs = ASSAY_CAP_WORKER_LIMIT)
{
	need_shared_memory(s, false);
	CHECK_EQ(default_workers(s), usable_cpus(false));
}

ASSAY_TEST(cfg_3_default_with_one_usable_cpu, .clause = "CFG-3", .needs = ASSAY_CAP_WORKER_LIMIT)
{
	int expected;

	need_shared_memory(s, false);
	expected = usable_cpus(true); /* before the executor is made */
	CHECK_EQ(default_workers(s), expected);
}

/* What a task does among its like. */
struct visit {
	struct probe *inside;
	struct gate *gate; /* NULL: leaves at once */
};

static int visit(assay_call *call)
{
	const struct visit *visit = call->argument;

	probe_enter(visit->inside);
	if (visit->gate)
		gate_wait(visit->gate);
	probe_leave(visit->inside);
	return ASSAY_OK;
}

ASSAY_TEST(cfg_2_default_workers_all_run_tasks, .clause = "CFG-2",
	   .needs = PENDING_NEEDS | ASSAY_CAP_CONCURRENT)
{
	struct visit way = {probe_new(s), gate_new(s)};
	assay_executor *executor = executor_new(s, ASSAY_WORKERS_AUTO);
	struct assay_statistics now;
	uint32_t workers;

	assay_executor_statistics(executor, &now);
	workers = now.workers == UINT64_MAX ? 1 : (uint32_t)now.workers;
	CHECK(workers >= 1);
	for (uint32_t i = 0; i < workers + 40; i++)
		assay_future_release(submit_task(executor, visit, &way, sizeof way));
	probe_await(way.inside, workers);
	await_standstill();
	gate_open(way.gate);
	executor_end(executor);
	CHECK_EQ(probe_count(way.inside), workers + 40);
	if (now.workers != UINT64_MAX)
		CHECK_EQ(way.inside->most, workers);
}

ASSAY_TEST(cfg_5_never_more_at_once_than_workers, .clause = "CFG-5",
	   .needs = PENDING_NEEDS | ASSAY_CAP_CONCURRENT)
{
	for (int workers = 1; workers <= 4; workers++) {
		struct visit way = {probe_new(s), gate_new(s)};
		assay_executor *executor = executor_new(s, workers);

		for (int i = 0; i < 5 * workers; i++)
			assay_future_release(submit_task(executor, visit, &way, sizeof way));
		probe_await(way.inside, (uint32_t)workers);
		await_standstill(); /* one too many would be inside by now */
		gate_open(way.gate);
		executor_end(executor);
		CHECK_EQ(probe_count(way.inside), 5 * workers);
		CHECK_EQ(way.inside->most, workers);
	}
}

ASSAY_TEST(cfg_5_short_tasks_keep_to_the_limit, .clause = "CFG-5", .needs = ASSAY_CAP_WORKER_LIMIT,
	   .rounds = 2000)
{
	struct visit way = {probe_new(s), NULL};
	assay_executor *executor = executor_new(s, 2);
	uint32_t tasks = (uint32_t)scaled(2000);

	for (uint32_t i = 0; i < tasks; i++)
		assay_future_release(submit_task(executor, visit, &way, sizeof way));
	executor_end(executor);
	CHECK_EQ(probe_count(way.inside), tasks);
	CHECK(way.inside->most <= 2);
}

struct appointment {
	struct probe *meeting;
	uint32_t parties;
};

/* Meets the others, so that each is on a worker of its own; returns which. */
static int meet_others(assay_call *call)
{
	const struct appointment *appointment = call->argument;
	int tid = (int)gettid();

	meet(appointment->meeting, appointment->parties);
	return assay_return(call, &tid, sizeof tid);
}

/* As many tasks as workers meet. Their workers, if asked for. */
static void convene(struct subject *s, assay_executor *executor, int workers, int *tids)
{
	struct appointment appointment = {probe_new(s), (uint32_t)workers};
	assay_future *futures[MOST_WORKERS];

	for (int i = 0; i < workers; i++)
		futures[i] = submit_task(executor, meet_others, &appointment, sizeof appointment);
	for (int i = 0; i < workers; i++) {
		int tid = result_int(futures[i]);

		if (tids)
			tids[i] = tid;
		assay_future_release(futures[i]);
	}
}

ASSAY_TEST(cfg_6_as_many_tasks_as_workers_meet, .clause = "CFG-6", .needs = ASSAY_CAP_CONCURRENT)
{
	for (int workers = 1; workers <= MOST_WORKERS; workers *= 2) {
		assay_executor *executor = executor_new(s, workers);

		convene(s, executor, workers, NULL);
		executor_end(executor);
	}
}

ASSAY_TEST(cfg_6_they_meet_again_and_again, .clause = "CFG-6", .needs = ASSAY_CAP_CONCURRENT,
	   .rounds = 200)
{
	assay_executor *executor = executor_new(s, 3);

	for (int round = 0; round < scaled(200); round++)
		convene(s, executor, 3, NULL);
	executor_end(executor);
}

ASSAY_TEST(cfg_6_tasks_of_one_batch_meet, .clause = "CFG-6", .needs = ASSAY_CAP_CONCURRENT,
	   .rounds = 50)
{
	assay_executor *executor = executor_new(s, 4);

	for (int round = 0; round < scaled(50); round++) {
		struct appointment appointment = {probe_new(s), 4};
		struct assay_task task = {meet_others, NULL, &appointment, sizeof appointment};
		const struct assay_task tasks[] = {task, task, task, task};
		assay_future *futures[4];

		CHECK_OK(assay_submit_many(executor, tasks, 4, futures, NULL));
		for (int i = 0; i < 4; i++) {
			CHECK_OK(assay_future_wait(futures[i], ASSAY_FOREVER));
			assay_future_release(futures[i]);
		}
	}
	executor_end(executor);
}

ASSAY_TEST(cfg_7_create_starts_no_worker, .clause = "CFG-7", .needs = ASSAY_CAP_LAZY_WORKERS)
{
	int before = count_threads() + count_children();
	assay_executor *executor = executor_new(s, 8);
	struct assay_statistics now;

	CHECK_EQ(count_threads() + count_children(), before);
	assay_executor_statistics(executor, &now);
	if (now.workers_alive != UINT64_MAX)
		CHECK_EQ(now.workers_alive, 0);
	executor_end(executor);
	CHECK_EQ(count_threads() + count_children(), before);
}

/* The worker of one task, idle again. */
static int run_and_settle(assay_executor *executor)
{
	assay_future *future = submit_task(executor, return_tid, NULL, 0);
	int tid = result_int(future);

	assay_future_release(future);
	await_sleep(tid);
	return tid;
}

ASSAY_TEST(cfg_8_one_task_at_a_time_needs_one_worker, .clause = "CFG-8",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_IDLE_FIRST | ASSAY_CAP_WORKER_REUSE)
{
	assay_executor *executor = executor_new(s, 4);
	int first = run_and_settle(executor);

	for (int i = 0; i < 10; i++)
		CHECK_EQ(run_and_settle(executor), first);
	executor_end(executor);
}

ASSAY_TEST(cfg_8_two_idle_workers_are_enough_for_two_tasks, .clause = "CFG-8",
	   .needs = ASSAY_CAP_CONCURRENT | ASSAY_CAP_IDLE_FIRST | ASSAY_CAP_WORKER_REUSE)
{
	assay_executor *executor = executor_new(s, 8);
	int first[2], again[2];

	convene(s, executor, 2, first);
	for (int round = 0; round < 5; round++) {
		await_standstill();
		convene(s, executor, 2, again);
		CHECK(again[0] != again[1]);
		for (int i = 0; i < 2; i++)
			CHECK(again[i] == first[0] || again[i] == first[1]);
	}
	executor_end(executor);
}

struct roll_call {
	struct gate *gate;
	struct probe *started;
	struct trace *tids;
};

static int answer(assay_call *call)
{
	const struct roll_call *roll = call->argument;

	trace_add(roll->tids, gettid());
	probe_hit(roll->started);
	gate_wait(roll->gate);
	return ASSAY_OK;
}

static int count_distinct(struct trace *trace)
{
	uint32_t length = trace_length(trace);
	int distinct = 0;

	for (uint32_t i = 0; i < length; i++) {
		uint32_t earlier = 0;

		while (earlier < i && trace_at(trace, earlier) != trace_at(trace, i))
			earlier++;
		distinct += earlier == i;
	}
	return distinct;
}

ASSAY_TEST(cfg_11_a_backlog_grows_the_pool_to_its_size, .clause = "CFG-11",
	   .needs = PENDING_NEEDS | ASSAY_CAP_CONCURRENT | ASSAY_CAP_WORKER_REUSE)
{
	struct roll_call roll = {gate_new(s), probe_new(s), trace_new(s, 15)};
	int before = count_threads() + count_children();
	assay_executor *executor = executor_new(s, 3);
	struct assay_statistics now;

	for (int i = 0; i < 15; i++)
		assay_future_release(submit_task(executor, answer, &roll, sizeof roll));
	probe_await(roll.started, 3);
	CHECK_EQ(count_distinct(roll.tids), 3);
	CHECK(count_threads() + count_children() - before >= 3);
	do /* it may lag behind: the deadline is the limit */
		assay_executor_statistics(executor, &now);
	while (now.workers_alive != UINT64_MAX && now.workers_alive != 3);
	gate_open(roll.gate);
	executor_end(executor);
	CHECK_EQ(trace_length(roll.tids), 15);
	CHECK_EQ(count_distinct(roll.tids), 3);
}

/* The thread does not run once while this one is busy for a short time. */
static bool stays_asleep(int tid)
{
	uint64_t sleeps = process_sleeps(tid);
	int64_t until_ns = assay_clock_ns() + short_time_ns();

	while (assay_clock_ns() < until_ns)
		sched_yield();
	return process_sleeps(tid) == sleeps;
}

ASSAY_TEST(cfg_12_idle_worker_sleeps, .clause = "CFG-12",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_REUSE)
{
	assay_executor *executor = executor_new(s, 1);
	int tid = run_and_settle(executor);
	bool has_slept = false;

	/* A first look may fall into the worker's last steps. One that polls never stays asleep. */
	for (int attempt = 0; attempt < 10 && !has_slept; attempt++)
		has_slept = stays_asleep(tid);
	CHECK(has_slept);
	executor_end(executor);
}

/* Meets the others and returns the name of its thread. */
static int return_name(assay_call *call)
{
	const struct appointment *appointment = call->argument;
	char name[16] = "";

	meet(appointment->meeting, appointment->parties);
	CHECK_EQ(pthread_getname_np(pthread_self(), name, sizeof name), 0);
	return assay_return(call, name, sizeof name);
}

/* The names of all workers. */
static void collect_names(struct subject *s, assay_executor *executor, int workers,
			  char names[][16])
{
	struct appointment appointment = {probe_new(s), (uint32_t)workers};
	assay_future *futures[MOST_WORKERS];

	for (int i = 0; i < workers; i++)
		futures[i] = submit_task(executor, return_name, &appointment, sizeof appointment);
	for (int i = 0; i < workers; i++) {
		CHECK_OK(assay_future_result(futures[i], ASSAY_FOREVER, names[i], 16));
		assay_future_release(futures[i]);
	}
}

/* The index at the end of a worker's name; its prefix goes to `prefix`. */
static int split_name(const char *name, char prefix[16])
{
	const char *underscore = strrchr(name, '_');
	char *end;
	long index;

	CHECK(underscore != NULL);
	index = strtol(underscore + 1, &end, 10);
	CHECK(end > underscore + 1 && *end == '\0');
	snprintf(prefix, 16, "%.*s", (int)(underscore - name), name);
	return (int)index;
}

static void check_names(char names[][16], int workers, const char *prefix)
{
	bool seen[MOST_WORKERS] = {false};

	for (int i = 0; i < workers; i++) {
		char own[16];
		int index = split_name(names[i], own);

		CHECK_STR(own, prefix);
		CHECK(index >= 0 && index < workers);
		CHECK(!seen[index]);
		seen[index] = true;
	}
}

ASSAY_TEST(cfg_13_workers_are_called_after_the_prefix, .clause = "CFG-13",
	   .needs = ASSAY_CAP_WORKER_NAMES | ASSAY_CAP_CONCURRENT)
{
	struct assay_config config = assay_config_default();
	char prefix[] = "assayer", names[4][16];
	assay_executor *executor;

	config.workers = 4;
	config.name = prefix;
	executor = executor_with(s, &config);
	memset(prefix, 'x', sizeof prefix - 1); /* copied at create */
	collect_names(s, executor, 4, names);
	check_names(names, 4, "assayer");
	executor_end(executor);
}

ASSAY_TEST(cfg_13_default_prefix_differs_from_pool_to_pool, .clause = "CFG-13",
	   .needs = ASSAY_CAP_WORKER_NAMES | ASSAY_CAP_CONCURRENT)
{
	char names[2][2][16], prefix[2][16];

	for (int i = 0; i < 2; i++) {
		assay_executor *executor = executor_new(s, 2);

		collect_names(s, executor, 2, names[i]);
		executor_end(executor);
		split_name(names[i][0], prefix[i]);
		CHECK(prefix[i][0] != '\0');
		check_names(names[i], 2, prefix[i]);
	}
	CHECK(strcmp(prefix[0], prefix[1]) != 0);
}

static int compare_ints(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

ASSAY_TEST(cfg_20_idle_workers_stay, .clause = "CFG-20",
	   .needs = ASSAY_CAP_CONCURRENT | ASSAY_CAP_WORKER_REUSE | ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 4);
	int first[4], again[4];

	convene(s, executor, 4, first);
	qsort(first, 4, sizeof *first, compare_ints);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 4; i++)
			await_sleep(first[i]);
		convene(s, executor, 4, again);
		qsort(again, 4, sizeof *again, compare_ints);
		for (int i = 0; i < 4; i++)
			CHECK_EQ(again[i], first[i]);
	}
	executor_end(executor);
}
