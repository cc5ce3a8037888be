/* SPDX-License-Identifier: MIT */
/* Children and the workers that run them: which others are there, and threads that end. */
#include "forking.h"

#include <pthread.h>
#include <unistd.h>

/* A parent and a child that both wait for what a third task does. */
struct beside {
	struct gate *go; /* the parent may fork */
	struct gate *open;
	struct probe *started; /* the child */
	struct probe *forked;  /* the parent has given others the chance to take it */
};

static int wait_for_opening(assay_call *call, void *frame)
{
	const struct beside *beside = frame;

	(void)call;
	probe_hit(beside->started);
	gate_wait(beside->open);
	return 4;
}

static int fork_and_wait(assay_call *call)
{
	struct beside beside = *(const struct beside *)call->argument;
	struct assay_fork child;
	int returned;

	gate_wait(beside.go);
	assay_fork(call, &child, wait_for_opening, &beside);
	offer(beside.started);
	probe_hit(beside.forked);
	gate_wait(beside.open);
	returned = assay_join(call, &child);
	return assay_return(call, &returned, sizeof returned);
}

static int open_gate(assay_call *call)
{
	gate_open(*(struct gate *const *)call->argument);
	return ASSAY_OK;
}

ASSAY_TEST(fj_13_a_task_starts_beside_a_child, .clause = "FJ-13",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	assay_executor *executor = executor_new(s, 3);
	struct beside beside = {gate_new(s), gate_new(s), probe_new(s), probe_new(s)};
	assay_future *parent = submit_task(executor, fork_and_wait, &beside, sizeof beside);
	assay_future *second = submit_int(executor, 2), *third;

	/* A worker has nothing to do now, and may take the child. */
	CHECK_EQ(result_int(second), 2);
	gate_open(beside.go);
	probe_await(beside.forked, 1);
	third = submit_task(executor, open_gate, &beside.open, sizeof beside.open);
	CHECK_OK(assay_future_result(third, ASSAY_FOREVER, NULL, 0));
	CHECK_EQ(result_int(parent), 4);
	executor_end(executor);
	assay_future_release(parent);
	assay_future_release(second);
	assay_future_release(third);
}

#define ENDINGS                                                                             \
	(ASSAY_CAP_SURVIVES_THREAD_EXIT | ASSAY_CAP_NESTED_SUBMIT | ASSAY_CAP_NESTED_WAIT | \
	 ASSAY_CAP_SHARED_MEMORY | ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT |          \
	 ASSAY_CAP_WORKER_LIMIT)

static int end_thread(assay_call *call)
{
	(void)call;
	pthread_exit(NULL);
}

/* Waits for a task that ends its thread, and so perhaps this one: somebody else releases it. */
static void wait_for_the_end(assay_executor *executor, assay_future **future)
{
	*future = submit_task(executor, end_thread, NULL, 0);
	CHECK_OK(assay_future_wait(*future, ASSAY_FOREVER));
	CHECK_ERROR(assay_future_result(*future, 0, NULL, 0), ASSAY_EDIED);
}

static int error_of(assay_future *future)
{
	struct assay_outcome outcome;

	CHECK_OK(assay_future_outcome(future, ASSAY_FOREVER, &outcome));
	return outcome.error;
}

/* Where a parent and its child ran, as long as the stack of the child is there. */
struct ending {
	struct probe *started;
	int parent;
	int child;
	int returned; /* by the join */
	assay_future *last;
};

static int end_with_thread(assay_call *call, void *frame)
{
	struct ending *ending = frame;

	ending->child = gettid();
	probe_hit(ending->started);
	wait_for_the_end(call->executor, &ending->last);
	return 4;
}

static int join_ended(assay_call *call)
{
	struct ending *ending = *(struct ending *const *)call->argument;
	struct assay_fork child;

	ending->parent = gettid();
	assay_fork(call, &child, end_with_thread, ending);
	offer(ending->started);
	ending->returned = assay_join(call, &child);
	return ASSAY_OK;
}

ASSAY_TEST(fj_14_a_stolen_child_ends_with_its_thread, .clause = "FJ-14", .needs = ENDINGS,
	   .rounds = 10)
{
	assay_executor *executor = executor_with_idle(s, 2);

	for (int round = 0; round < scaled(10); round++) {
		struct ending *ending = shared_new(s, sizeof *ending);
		assay_future *parent, *next[2];
		int error;

		ending->started = probe_new(s);
		parent = submit_task(executor, join_ended, &ending, sizeof ending);
		error = error_of(parent);
		if (ending->child != ending->parent) {
			CHECK_OK(error);
			/* Who does not run what it waits for is told, and returns. */
			if (ending->returned != 4)
				CHECK_ERROR(ending->returned, ASSAY_EDIED);
		} else if (error) {
			CHECK_ERROR(error, ASSAY_EDIED);
		}
		for (int i = 0; i < 2; i++)
			next[i] = submit_int(executor, i);
		for (int i = 0; i < 2; i++) {
			CHECK_EQ(result_int(next[i]), i);
			assay_future_release(next[i]);
		}
		assay_future_release(parent);
		assay_future_release(ending->last);
	}
	executor_end(executor);
}

static int hit_probe(assay_call *call, void *frame)
{
	(void)call;
	probe_hit(frame);
	return ASSAY_OK;
}

struct left_behind {
	struct probe *ran;
	assay_future *last;
};

/* The children are left behind, if the thread ends. */
static int fork_and_end(assay_call *call)
{
	struct left_behind *left = *(struct left_behind *const *)call->argument;
	struct assay_fork children[3];

	for (int i = 0; i < 3; i++)
		assay_fork(call, &children[i], hit_probe, left->ran);
	wait_for_the_end(call->executor, &left->last);
	for (int i = 2; i >= 0; i--)
		CHECK_OK(assay_join(call, &children[i]));
	return ASSAY_OK;
}

ASSAY_TEST(fj_14_children_of_a_thread_that_ended, .clause = "FJ-14", .needs = ENDINGS)
{
	assay_executor *executor = executor_new(s, 2);
	struct gate *gate = gate_new(s);
	struct left_behind *left = shared_new(s, sizeof *left);
	struct probe *busy = probe_new(s);
	assay_future *other = submit_gated(executor, gate, busy, 1), *parent;
	struct occupied workers;
	int error;

	left->ran = probe_new(s);
	/* Nobody is there to take a child before the thread has ended. */
	probe_await(busy, 1);
	parent = submit_task(executor, fork_and_end, &left, sizeof left);
	error = error_of(parent);
	if (error)
		CHECK_ERROR(error, ASSAY_EDIED);
	gate_open(gate);
	CHECK_EQ(result_int(other), 1);
	for (int round = 0; round < 20; round++) {
		workers = occupy_workers(s, executor, 2);
		release_workers(&workers);
	}
	executor_end(executor);
	CHECK_EQ(probe_count(left->ran), error ? 0 : 3);
	assay_future_release(left->last);
	assay_future_release(other);
	assay_future_release(parent);
}

enum { CHILDREN = 16 };

static int tell_thread(assay_call *call, void *frame)
{
	(void)call;
	*(int *)frame = gettid();
	return 5;
}

/* Returns how many of its children ran elsewhere. */
static int fork_at_once(assay_call *call)
{
	struct assay_fork children[CHILDREN];
	int tids[CHILDREN], elsewhere = 0;

	for (int i = 0; i < CHILDREN; i++)
		assay_fork(call, &children[i], tell_thread, &tids[i]);
	for (int i = CHILDREN - 1; i >= 0; i--)
		CHECK_EQ(assay_join(call, &children[i]), 5);
	for (int i = 0; i < CHILDREN; i++)
		elsewhere += tids[i] != gettid();
	return assay_return(call, &elsewhere, sizeof elsewhere);
}

ASSAY_TEST(fj_15_children_in_a_fresh_executor, .clause = "FJ-15", .rounds = 50)
{
	int elsewhere = 0;

	for (int round = 0; round < scaled(50); round++) {
		assay_executor *executor = executor_new(s, 1 + round % 4);
		assay_future *future = submit_task(executor, fork_at_once, NULL, 0);

		elsewhere += result_int(future);
		assay_future_release(future);
		executor_end(executor);
	}
	NOTE("%d children ran on workers that were not there before", elsewhere);
}
