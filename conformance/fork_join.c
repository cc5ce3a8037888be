/* SPDX-License-Identifier: MIT */
/* Children that a task forks and joins: each runs once, and what joins it knows all about it. */
#include "forking.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

struct counted {
	struct probe *ran;
	uint32_t times;
};

static int count_run(assay_call *call, void *frame)
{
	struct counted *counted = frame;

	(void)call;
	__atomic_fetch_add(&counted->times, 1, __ATOMIC_RELAXED);
	probe_hit(counted->ran);
	return ASSAY_OK;
}

enum { SIBLINGS = 64 };

/* Returns how many children ran any other number of times than once. */
static int fork_siblings(assay_call *call)
{
	struct probe *ran = *(struct probe *const *)call->argument;
	struct assay_fork children[SIBLINGS];
	struct counted counted[SIBLINGS];
	int wrong = 0;

	for (int i = 0; i < SIBLINGS; i++) {
		counted[i] = (struct counted){ran, 0};
		assay_fork(call, &children[i], count_run, &counted[i]);
	}
	offer(ran);
	for (int i = SIBLINGS - 1; i >= 0; i--)
		wrong += assay_join(call, &children[i]) != ASSAY_OK;
	for (int i = 0; i < SIBLINGS; i++)
		wrong += __atomic_load_n(&counted[i].times, __ATOMIC_RELAXED) != 1;
	return assay_return(call, &wrong, sizeof wrong);
}

ASSAY_TEST(fj_1_every_child_runs_once, .clause = "FJ-1", .rounds = 100)
{
	/* Where nobody else is, and where somebody may be. */
	for (int workers = 1; workers <= 2; workers++) {
		assay_executor *executor = executor_with_idle(s, workers);

		for (int round = 0; round < scaled(100); round++) {
			struct probe *ran = probe_new(s);
			assay_future *future =
				submit_task(executor, fork_siblings, &ran, sizeof ran);

			CHECK_EQ(result_int(future), 0);
			CHECK_EQ(probe_count(ran), SIBLINGS);
			assay_future_release(future);
		}
		executor_end(executor);
	}
}

/* What a child that waits needs, and what it leaves. */
struct gated_frame {
	struct gate *gate;
	struct probe *started;
	int values[256];
};

static int wait_and_write(assay_call *call, void *frame)
{
	struct gated_frame *gated = frame;

	(void)call;
	probe_hit(gated->started);
	gate_wait(gated->gate);
	for (int i = 0; i < 256; i++)
		gated->values[i] = i + 1;
	return 5;
}

struct gated_fork {
	struct gate *gate;
	struct probe *started;
};

/* The children wait for what their parent does after it forked them. */
static int fork_then_open(assay_call *call)
{
	const struct gated_fork *argument = call->argument;
	struct gated_frame frames[3] = {{.gate = argument->gate, .started = argument->started},
					{.gate = argument->gate, .started = argument->started},
					{.gate = argument->gate, .started = argument->started}};
	struct assay_fork children[3];
	int sum = 0;

	for (int i = 0; i < 3; i++)
		assay_fork(call, &children[i], wait_and_write, &frames[i]);
	gate_open(argument->gate);
	for (int i = 2; i >= 0; i--)
		sum += assay_join(call, &children[i]);
	return assay_return(call, &sum, sizeof sum);
}

ASSAY_TEST(fj_2_a_fork_does_not_wait, .clause = "FJ-2", .rounds = 20)
{
	for (int workers = 1; workers <= 2; workers++) {
		assay_executor *executor = executor_with_idle(s, workers);

		for (int round = 0; round < scaled(20); round++) {
			struct gated_fork argument = {gate_new(s), probe_new(s)};
			assay_future *future =
				submit_task(executor, fork_then_open, &argument, sizeof argument);

			CHECK_EQ(result_int(future), 15);
			CHECK_EQ(probe_count(argument.started), 3);
			assay_future_release(future);
		}
		executor_end(executor);
	}
}

/* Its parent writes, too, in the meantime; then reads what the child wrote. */
static int read_after_join(assay_call *call)
{
	const struct gated_fork *argument = call->argument;
	struct gated_frame frame = {.gate = argument->gate, .started = argument->started};
	struct assay_fork child;
	int sum = 0;

	assay_fork(call, &child, wait_and_write, &frame);
	offer(frame.started);
	gate_open(frame.gate);
	if (assay_join(call, &child) != 5)
		return assay_fail(call, 1, "the join did not pass on what the child returned");
	for (int i = 0; i < 256; i++)
		sum += frame.values[i];
	return assay_return(call, &sum, sizeof sum);
}

ASSAY_TEST(fj_4_what_a_child_wrote_is_there, .clause = "FJ-4", .rounds = 200)
{
	assay_executor *executor = executor_with_idle(s, 2);

	for (int round = 0; round < scaled(200); round++) {
		struct gated_fork argument = {gate_new(s), probe_new(s)};
		assay_future *future =
			submit_task(executor, read_after_join, &argument, sizeof argument);

		CHECK_EQ(result_int(future), 256 * 257 / 2);
		assay_future_release(future);
	}
	executor_end(executor);
}

static const int returns[] = {0, 1, -1, 7, ASSAY_EFAILED, ASSAY_ENOMEM, INT_MAX, INT_MIN};

struct returning {
	struct probe *started;
	int value;
};

static int return_value(assay_call *call, void *frame)
{
	struct returning *returning = frame;

	(void)call;
	probe_hit(returning->started);
	return returning->value;
}

/* With and without a chance for another worker. Returns how many joins were wrong. */
static int join_returns(assay_call *call)
{
	struct probe *const *started = call->argument;
	int wrong = 0;

	for (size_t i = 0; i < sizeof returns / sizeof *returns; i++)
		for (int k = 0; k < 2; k++) {
			struct returning returning = {started[k * 8 + (int)i], returns[i]};
			struct assay_fork child;

			assay_fork(call, &child, return_value, &returning);
			if (k)
				offer(returning.started);
			wrong += assay_join(call, &child) != returns[i];
		}
	return assay_return(call, &wrong, sizeof wrong);
}

ASSAY_TEST(fj_5_what_the_child_returned_arrives, .clause = "FJ-5", .rounds = 50)
{
	assay_executor *executor = executor_with_idle(s, 2);

	for (int round = 0; round < scaled(50); round++) {
		struct probe *started[16];
		assay_future *future;

		for (int i = 0; i < 16; i++)
			started[i] = probe_new(s);
		future = submit_task(executor, join_returns, started, sizeof started);
		CHECK_EQ(result_int(future), 0);
		for (int i = 0; i < 16; i++)
			CHECK_EQ(probe_count(started[i]), 1);
		assay_future_release(future);
	}
	executor_end(executor);
}

/* A join, and tasks that look whether they interrupt it. */
struct joining {
	struct gate *gate;
	struct probe *started; /* the child */
	struct probe *joins;   /* the parent is about to */
	int tid;               /* of the parent while it joins, or 0 */
	uint32_t intruders;    /* tasks that ran on its stack */
};

static int wait_at_gate(assay_call *call, void *frame)
{
	struct joining *joining = frame;

	(void)call;
	probe_hit(joining->started);
	gate_wait(joining->gate);
	return 3;
}

static int join_gated(assay_call *call)
{
	struct joining *joining = *(struct joining *const *)call->argument;
	struct assay_fork child;
	int returned;

	assay_fork(call, &child, wait_at_gate, joining);
	offer(joining->started);
	__atomic_store_n(&joining->tid, gettid(), __ATOMIC_RELEASE);
	probe_hit(joining->joins);
	returned = assay_join(call, &child);
	__atomic_store_n(&joining->tid, 0, __ATOMIC_RELEASE);
	return assay_return(call, &returned, sizeof returned);
}

static int look_where_it_runs(assay_call *call)
{
	struct joining *joining = *(struct joining *const *)call->argument;

	if (__atomic_load_n(&joining->tid, __ATOMIC_ACQUIRE) == gettid())
		__atomic_fetch_add(&joining->intruders, 1, __ATOMIC_RELAXED);
	return ASSAY_OK;
}

ASSAY_TEST(fj_4_a_join_does_not_return_before, .clause = "FJ-4",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT, .rounds = 10)
{
	assay_executor *executor = executor_with_idle(s, 2);

	for (int round = 0; round < scaled(10); round++) {
		struct joining *joining = shared_new(s, sizeof *joining);
		assay_future *parent;

		joining->gate = gate_new(s);
		joining->started = probe_new(s);
		joining->joins = probe_new(s);
		parent = submit_task(executor, join_gated, &joining, sizeof joining);
		probe_await(joining->joins, 1);
		probe_await(joining->started, 1);
		/* Whoever runs the child, it is still at the gate. */
		CHECK_ERROR(assay_future_wait(parent, short_time_ns() / 4), ASSAY_ETIMEDOUT);
		gate_open(joining->gate);
		CHECK_EQ(result_int(parent), 3);
		assay_future_release(parent);
	}
	executor_end(executor);
}

ASSAY_TEST(fj_6_a_join_runs_nothing_of_other_tasks, .clause = "FJ-6",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT, .rounds = 10)
{
	for (int round = 0; round < scaled(10); round++) {
		assay_executor *executor = executor_with_idle(s, 2);
		struct joining *joining = shared_new(s, sizeof *joining);
		assay_future *others[8], *parent;

		joining->gate = gate_new(s);
		joining->started = probe_new(s);
		joining->joins = probe_new(s);
		parent = submit_task(executor, join_gated, &joining, sizeof joining);
		probe_await(joining->joins, 1);
		for (int i = 0; i < 8; i++)
			others[i] =
				submit_task(executor, look_where_it_runs, &joining, sizeof joining);
		/* In time for a join that does what it must not. */
		(void)!assay_future_wait(others[7], short_time_ns());
		gate_open(joining->gate);
		CHECK_EQ(result_int(parent), 3);
		for (int i = 0; i < 8; i++) {
			CHECK_OK(assay_future_result(others[i], ASSAY_FOREVER, NULL, 0));
			assay_future_release(others[i]);
		}
		CHECK_EQ(joining->intruders, 0);
		executor_end(executor);
		assay_future_release(parent);
	}
}

static int tell_thread(assay_call *call, void *frame)
{
	(void)call;
	*(int *)frame = gettid();
	return ASSAY_OK;
}

/* Returns how many of the children ran on another thread than this one. */
static int count_taken(assay_call *call)
{
	int64_t end_ns = assay_deadline_ns(short_time_ns() / 10);
	int tids[SIBLINGS], taken = 0;
	struct assay_fork children[SIBLINGS];

	for (int i = 0; i < SIBLINGS; i++)
		assay_fork(call, &children[i], tell_thread, &tids[i]);
	while (assay_remaining_ns(end_ns) > 0)
		sched_yield();
	for (int i = SIBLINGS - 1; i >= 0; i--)
		if (assay_join(call, &children[i]))
			return assay_fail(call, 1, "a child returned what it did not");
	for (int i = 0; i < SIBLINGS; i++)
		taken += tids[i] != gettid();
	return assay_return(call, &taken, sizeof taken);
}

ASSAY_TEST(fj_12_other_workers_may_take_children, .clause = "FJ-12", .alone = true)
{
	assay_executor *executor = executor_with_idle(s, 2);
	assay_future *future = submit_task(executor, count_taken, NULL, 0);

	NOTE("%d of %d children ran on another worker", result_int(future), SIBLINGS);
	assay_future_release(future);
	executor_end(executor);
}
