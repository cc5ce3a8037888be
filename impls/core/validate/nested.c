/* SPDX-License-Identifier: MIT */
/*
 * A worker that waits inside a task runs what it waits for, or, with work_stealing, what that has
 * submitted where it runs elsewhere (help.c), and nothing else: however much unrelated work is
 * pending, it never lies on the stack of a task that waits, at any depth and in every way of waiting.
 * That it is not run is seen when the worker sleeps. With either form of the fences.
 */
#include <assay/fork_join.h>

#include "client.h"

#include <semaphore.h>
#include <stdio.h>

#define DEPTH 200
#define UNRELATED 20 /* tasks, submitted before each wait, and at every second once more */

enum way { RESULT, WAIT, AS_COMPLETED, LIMITED, WAYS };

struct link {
	int level;
	enum way way;
	int unrelated;
};

static const char *options;
static _Thread_local bool waiting; /* a task on this thread's stack does */
static _Atomic int ran;            /* of what is unrelated */
static _Atomic int submitted;
static _Atomic pid_t waiter;   /* the thread that is to fall asleep */
static _Atomic bool elsewhere; /* what it waits for has begun on another */
static assay_future *far;      /* what the innermost waits for: of another executor */
static sem_t gate;
static const char *first_frame, *last_frame;

static void pass_gate(void)
{
	while (sem_wait(&gate))
		;
}

static int wait_for_gate(assay_call *call)
{
	(void)call;
	pass_gate();
	return ASSAY_OK;
}

static int run_unrelated(assay_call *call)
{
	(void)call;
	MUST(!waiting);
	atomic_fetch_add(&ran, 1);
	return ASSAY_OK;
}

static int run_unrelated_child(assay_call *call, void *frame)
{
	(void)call;
	(void)frame;
	MUST(!waiting);
	atomic_fetch_add(&ran, 1);
	return ASSAY_OK;
}

static void submit_unrelated(assay_executor *executor, int count)
{
	struct assay_task task = {.function = run_unrelated};

	atomic_fetch_add(&submitted, count);
	while (count--)
		MUST(assay_submit(executor, &task, NULL) == ASSAY_OK);
}

/* announces: it is to be seen asleep, where only the end of what it waits for wakes it. */
static void wait_for(assay_future *future, enum way way, bool announces)
{
	struct assay_partition partition = {NULL, 0, 0};
	assay_as_completed *iteration;
	assay_future *done;

	waiting = true;
	if (way == LIMITED) { /* the limit is a promise: not even the future itself is run */
		MUST(assay_future_wait(future, 1000) == ASSAY_ETIMEDOUT);
		MUST(assay_future_state(future) != ASSAY_FINISHED);
	}
	if (announces)
		atomic_store(&waiter, gettid());
	if (way == WAIT)
		MUST(assay_wait(&future, 1, ASSAY_ALL_COMPLETED, ASSAY_FOREVER, &partition) ==
		     ASSAY_OK);
	if (way == AS_COMPLETED) {
		MUST(assay_as_completed_begin(&future, 1, ASSAY_FOREVER, &iteration) == ASSAY_OK);
		MUST(assay_as_completed_next(iteration, &done) == ASSAY_OK && done == future);
		assay_as_completed_end(iteration);
	}
	MUST(assay_future_result(future, ASSAY_FOREVER, NULL, 0) == ASSAY_OK);
	waiting = false;
}

/* Submits what is unrelated, and the next link, and waits for that; the last one for something that
 * this worker cannot run. */
static int wait_for_next(assay_call *call)
{
	struct link link = *(const struct link *)call->argument;
	bool outer = waiting;
	assay_future *next = far;
	const char here = 0;

	if (!outer)
		first_frame = &here;
	submit_unrelated(call->executor, link.unrelated);
	if (link.level > 0) {
		link.level--;
		next = client_submit(call->executor, wait_for_next, &link, sizeof link);
	} else {
		last_frame = &here;
	}
	if (link.level % 2) /* so that it is not the latest */
		submit_unrelated(call->executor, link.unrelated);
	wait_for(next, link.way, next == far);
	waiting = outer;
	if (next != far)
		assay_future_release(next);
	return ASSAY_OK;
}

static pid_t await_waiter(void)
{
	unsigned step = 0;

	while (!atomic_load(&waiter))
		port_backoff(&step);
	return atomic_load(&waiter);
}

static void reset(void)
{
	atomic_store(&ran, 0);
	atomic_store(&submitted, 0);
	atomic_store(&waiter, 0);
	atomic_store(&elsewhere, false);
}

/* A chain of waits on one worker. Returns how much of the stack it used. */
static ptrdiff_t wait_deep(enum way way, int unrelated)
{
	struct link link = {DEPTH, way, unrelated};
	assay_executor *executor = client_create(1, options), *other = client_create(1, options);
	assay_future *first;

	reset();
	far = client_submit(other, wait_for_gate, NULL, 0);
	first = client_submit(executor, wait_for_next, &link, sizeof link);
	validate_await_sleep(await_waiter());
	submit_unrelated(executor, unrelated);
	MUST(atomic_load(&ran) == 0);
	sem_post(&gate);
	MUST(assay_future_result(first, ASSAY_FOREVER, NULL, 0) == ASSAY_OK);
	MUST(assay_executor_destroy(executor) == ASSAY_OK);
	MUST(assay_executor_destroy(other) == ASSAY_OK);
	MUST(atomic_load(&ran) == atomic_load(&submitted));
	assay_future_release(first);
	assay_future_release(far);
	return first_frame - last_frame;
}

static void await_elsewhere(void)
{
	unsigned step = 0;

	while (!atomic_load(&elsewhere))
		port_backoff(&step);
}

/* Forks what others may steal, and does not come to join it before the gate is open. */
static int hold_children(assay_call *call)
{
	struct assay_fork children[2];

	for (int i = 0; i < 2; i++)
		assay_fork(call, &children[i], run_unrelated_child, NULL);
	atomic_fetch_add(&submitted, 2);
	atomic_store(&elsewhere, true);
	pass_gate();
	for (int i = 2; i-- > 0;)
		MUST(assay_join(call, &children[i]) == ASSAY_OK);
	return ASSAY_OK;
}

/* What another worker runs is waited for: neither what is pending is run, nor what that forked. */
static int wait_for_running(assay_call *call)
{
	assay_future *held = client_submit(call->executor, hold_children, NULL, 0);

	await_elsewhere();
	submit_unrelated(call->executor, UNRELATED);
	wait_for(held, *(const enum way *)call->argument, true);
	assay_future_release(held);
	return ASSAY_OK;
}

static int run_elsewhere(assay_call *call, void *frame)
{
	(void)call;
	(void)frame;
	atomic_store(&elsewhere, true);
	pass_gate();
	return ASSAY_OK;
}

/* A join whose child was stolen runs children of its own task, and none of another's. */
static int wait_for_child(assay_call *call)
{
	struct assay_fork child;
	assay_future *held;

	assay_fork(call, &child, run_elsewhere, NULL);
	await_elsewhere();
	atomic_store(&elsewhere, false);
	held = client_submit(call->executor, hold_children, NULL, 0);
	await_elsewhere();
	submit_unrelated(call->executor, UNRELATED);
	atomic_store(&waiter, gettid());
	waiting = true;
	MUST(assay_join(call, &child) == ASSAY_OK);
	waiting = false;
	assay_future_release(held);
	return ASSAY_OK;
}

/* `gates`: workers that are held up while another one waits. All are needed for that. */
static void wait_beside(assay_function *function, enum way way, int gates)
{
	assay_executor *executor = client_create(1 + gates, options);
	assay_future *first;

	reset();
	first = client_submit(executor, function, &way, sizeof way);
	validate_await_sleep(await_waiter());
	MUST(atomic_load(&ran) == 0);
	for (int i = 0; i < gates; i++)
		sem_post(&gate);
	MUST(assay_future_result(first, ASSAY_FOREVER, NULL, 0) == ASSAY_OK);
	MUST(assay_executor_destroy(executor) == ASSAY_OK);
	MUST(atomic_load(&ran) == atomic_load(&submitted));
	assay_future_release(first);
}

static int announce_and_wait(assay_call *call)
{
	atomic_store(&elsewhere, true);
	return wait_for_gate(call);
}

/* It helps while it is pending, and is taken by another worker just before the park by it: that ends early, since
 * something else of the set may need help then. */
static int park_late(assay_call *call)
{
	struct assay_signal signal = {.state = ASSAY_SIGNAL_CLEAR};
	assay_future *held = client_submit(call->executor, announce_and_wait, NULL, 0), *taken;

	await_elsewhere();
	atomic_store(&elsewhere, false);
	taken = client_submit(call->executor, announce_and_wait, NULL, 0);
	MUST(taken->ops->helps(taken));
	sem_post(&gate);
	await_elsewhere();
	MUST(taken->ops->park(taken, &signal, ASSAY_FOREVER) == ASSAY_OK);
	MUST(assay_future_state(taken) == ASSAY_RUNNING && !taken->ops->helps(taken));
	sem_post(&gate);
	client_finish(held);
	client_finish(taken);
	return ASSAY_OK;
}

static void park_beside(void)
{
	assay_executor *executor = client_create(2, options);

	reset();
	client_finish(client_submit(executor, park_late, NULL, 0));
	MUST(assay_executor_destroy(executor) == ASSAY_OK);
}

int main(void)
{
	static const char *const forms[] = {NULL, "fences=full"};

	validate_expect_end(60);
	MUST(sem_init(&gate, 0, 0) == 0);
	for (int form = 0; form < 2; form++) {
		options = forms[form];
		for (enum way way = 0; way < WAYS; way++) {
			ptrdiff_t alone = wait_deep(way, 0);

			MUST(wait_deep(way, UNRELATED) == alone);
			printf("%d waits beside %d tasks: %td bytes of stack for each\n", DEPTH,
			       atomic_load(&submitted), alone / DEPTH);
			wait_beside(wait_for_running, way, 1);
		}
		wait_beside(wait_for_child, RESULT, 2);
		park_beside();
	}
	return 0;
}
