/* SPDX-License-Identifier: MIT */
/*
 * What a client does and what a worker does meanwhile, from the end of a task until it sleeps or leaves, in every
 * order in which they change places no more than three times: one stops before any of its atomic accesses, the
 * other then acts until it stops before any of its own, the first ends, the other ends. Who needs a lock of
 * who has stopped comes so far. Nobody may sleep for ever, every task runs once or was cancelled,
 * and every callback is called once.
 */
#include "../worker.h"
#include "client.h"
#include "stepper.h"

#include <semaphore.h>
#include <stdio.h>

#define ENDLESS 1000000 /* orders: it would have ended long before */
#define LEAST 2000      /* orders of all: with fewer nobody was stopped, whatever compiled this */

struct scenario {
	const char *what; /* the client does */
	void (*act)(void);
	void (*prepare)(void); /* while the worker is held; or NULL */
	void (*check)(void);   /* when both have acted */
	size_t capacity;
	int tasks_per_worker;
};

static const struct scenario *scenario;
static assay_executor *executor;
static assay_future *held;  /* what the worker is held in */
static assay_future *other; /* another task's */
static bool was_cancelled;
static _Atomic int touched, called;
static int touches, calls; /* how often it is to be */

static struct actor client, worker;
static sem_t inside; /* the worker is at its gate */
static _Atomic pid_t toucher;

static void pass(sem_t *semaphore)
{
	while (sem_wait(semaphore))
		;
}

static int hold(assay_call *call)
{
	(void)call;
	sem_post(&inside);
	actor_begin(&worker);
	return ASSAY_OK;
}

static int touch(assay_call *call)
{
	(void)call;
	atomic_store(&toucher, gettid());
	atomic_fetch_add(&touched, 1);
	return ASSAY_OK;
}

static void act_submit(void)
{
	other = client_submit(executor, touch, NULL, 0);
}

/* Of a size that takes a call. */
static void act_submit_odd(void)
{
	other = client_submit(executor, touch, "odd", 3);
}

static void check_submit(void)
{
	client_finish(other);
	MUST(atomic_load(&touched) == ++touches);
}

static void act_result(void)
{
	MUST(assay_future_result(held, ASSAY_FOREVER, NULL, 0) == ASSAY_OK);
}

static void act_wait(void)
{
	struct assay_partition partition = {NULL, 0, 0};

	MUST(assay_wait(&held, 1, ASSAY_ALL_COMPLETED, ASSAY_FOREVER, &partition) == ASSAY_OK);
}

/* Comes, and goes. */
static void act_wait_briefly(void)
{
	struct assay_partition partition = {NULL, 0, 0};
	int error = assay_wait(&held, 1, ASSAY_ALL_COMPLETED, 0, &partition);

	MUST(error == ASSAY_OK || error == ASSAY_ETIMEDOUT);
}

static void count_call(assay_future *future, void *user)
{
	MUST(future == held && user == &called);
	MUST(assay_future_state(future) == ASSAY_FINISHED);
	atomic_fetch_add(&called, 1);
}

static void act_add_callback(void)
{
	MUST(assay_future_add_done_callback(held, count_call, &called) == ASSAY_OK);
}

static void check_callback(void)
{
	calls++;
	while (atomic_load(&called) < calls)
		sched_yield();
	MUST(atomic_load(&called) == calls);
}

static void prepare_pending(void)
{
	other = client_submit(executor, touch, NULL, 0);
}

static void act_cancel(void)
{
	was_cancelled = assay_future_cancel(other);
}

static void check_cancelled(void)
{
	if (!was_cancelled) {
		check_submit();
		return;
	}
	MUST(assay_future_result(other, ASSAY_FOREVER, NULL, 0) == ASSAY_ECANCELLED);
	assay_future_release(other);
}

/* Of the room for one it takes what there is. */
static void prepare_full(void)
{
	assay_future_release(client_submit(executor, touch, NULL, 0));
	touches++;
}

static void act_shut_down(void)
{
	MUST(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT) == ASSAY_OK);
}

static void check_ended(void)
{
	MUST(assay_executor_destroy(executor) == ASSAY_OK);
	executor = NULL;
}

static const struct scenario scenarios[] = {
	{"submits", act_submit, NULL, check_submit, ASSAY_UNLIMITED, 0},
	{"submits what is rare", act_submit_odd, NULL, check_submit, ASSAY_UNLIMITED, 0},
	{"waits for a result", act_result, NULL, NULL, ASSAY_UNLIMITED, 0},
	{"waits for a set", act_wait, NULL, NULL, ASSAY_UNLIMITED, 0},
	{"waits for a set, and gives up", act_wait_briefly, NULL, NULL, ASSAY_UNLIMITED, 0},
	{"adds a callback", act_add_callback, NULL, check_callback, ASSAY_UNLIMITED, 0},
	{"cancels", act_cancel, prepare_pending, check_cancelled, ASSAY_UNLIMITED, 0},
	{"submits where it is full", act_submit, prepare_full, check_submit, 1, 0},
	{"submits to one that leaves", act_submit, NULL, check_submit, ASSAY_UNLIMITED, 1},
	{"shuts down", act_shut_down, NULL, check_ended, ASSAY_UNLIMITED, 0},
};

static void create(void)
{
	struct assay_config config = assay_config_default();

	config.workers = 1;
	config.spin_ns = 0;
	config.queue_capacity = scenario->capacity;
	if (scenario->tasks_per_worker)
		config.tasks_per_worker = scenario->tasks_per_worker;
	MUST(assay_executor_create(&assay_backend, &config, &executor) == ASSAY_OK);
}

static void await_end(pid_t thread)
{
	while (thread && validate_thread(thread).state)
		stepper_doze();
}

static void *be_client(void *unused)
{
	(void)unused;
	for (;;) {
		/* A record is at hand, as it usually is. */
		future_discard(future_create(NULL, touch, NULL, 0, 1));
		actor_begin(&client);
		if (!scenario)
			return NULL;
		scenario->act();
		actor_end(&client);
	}
}

/* What stopped where. */
struct stops {
	bool first, second;
};

static struct stops try(struct actor *first, struct actor *second)
{
	struct stops stops;

	actor_reset(first);
	actor_reset(second);
	if (scenario->tasks_per_worker) { /* the next one joins it, and is not to wait */
		await_end(atomic_load(&worker.thread));
		await_end(atomic_load(&toucher));
	}
	if (!executor)
		create();
	held = client_submit(executor, hold, NULL, 0);
	pass(&inside);
	if (scenario->prepare)
		scenario->prepare();
	actor_start(first);
	stops.first = actor_await(first);
	actor_start(second);
	stops.second = actor_await(second);
	actor_go_on(first);
	actor_await(first);
	actor_go_on(second);
	actor_await_end(&client);
	if (scenario->check)
		scenario->check();
	client_finish(held);
	return stops;
}

/* Each stops everywhere. Returns how many orders there are. */
static unsigned long try_all(struct actor *first, struct actor *second)
{
	unsigned long count = 0;
	struct stops stops;

	for (first->stop_at = 1, stops.first = true; stops.first; first->stop_at++)
		for (second->stop_at = 1, stops.second = true; stops.second; second->stop_at++) {
			MUST(++count < ENDLESS);
			stops = try(first, second);
		}
	return count;
}

int main(void)
{
	unsigned long orders = 0;
	pthread_t thread;

	MUST(sem_init(&inside, 0, 0) == 0);
	actor_init(&client);
	actor_init(&worker);
	validate_start(&thread, be_client, NULL);
	for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
		unsigned long clients, workers;

		scenario = &scenarios[i];
		validate_expect_end(100);
		clients = try_all(&client, &worker);
		workers = try_all(&worker, &client);
		if (executor)
			check_ended();
		orders += clients + workers;
		printf("a client %s: in %lu orders where it begins, and %lu where the worker "
		       "does\n",
		       scenario->what, clients, workers);
	}
	MUST(orders >= LEAST);
	scenario = NULL;
	actor_start(&client);
	validate_join(thread);
	return 0;
}
