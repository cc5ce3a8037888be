/* SPDX-License-Identifier: MIT */
/*
 * How few wake-ups are enough: one at most for each submit, or for each batch of up to 256; none while
 * somebody searches, and none where everybody is busy. And that they are: who was woken for two tasks
 * sees to it that another takes the second. What the pool asks of the kernel is counted on its way
 * there. With either form of the fences.
 */
#include <assay/backend.h>

#include "../worker.h"
#include "validate.h"

#include <dlfcn.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>

#define WORKERS 3
#define MANY 100
#define MORE 1000
#define BATCHES(tasks) (((tasks) + 255) / 256) /* the pool accepts so many at a time */

static _Atomic uint64_t wakes; /* asked for, by all threads */
static _Thread_local uint64_t wakes_by_me;
static _Atomic uint64_t ran;
static sem_t inside, gate;
static _Atomic int filled;
static _Atomic int met;
static pid_t workers[WORKERS];

typedef long syscall_function(long number, ...);

/* The program's own definition stands before the C library's. */
long syscall(long number, ...)
{
	static _Atomic(syscall_function *) real;
	syscall_function *call = atomic_load(&real);
	va_list list;
	long argument[6];

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		argument[i] = va_arg(list, long);
	va_end(list);
	if (!call) {
		*(void **)&call = dlsym(RTLD_NEXT, "syscall");
		atomic_store(&real, call);
	}
	if (number == SYS_futex && (int)argument[1] == FUTEX_WAKE_PRIVATE) {
		atomic_fetch_add(&wakes, 1);
		wakes_by_me++;
	}
	return call(number, argument[0], argument[1], argument[2], argument[3], argument[4],
		    argument[5]);
}

static int count_task(assay_call *call)
{
	(void)call;
	atomic_fetch_add(&ran, 1);
	return ASSAY_OK;
}

static int pass_gate(assay_call *call)
{
	workers[atomic_fetch_add(&filled, 1)] = gettid();
	sem_post(&inside);
	while (sem_wait(&gate))
		;
	return count_task(call);
}

/* Nobody waits for the tasks: whoever did would be woken, too. Returns the wake-ups. */
static uint64_t submit(assay_executor *executor, assay_function *function)
{
	struct assay_task task = {.function = function};
	uint64_t before = wakes_by_me;

	MUST(assay_submit(executor, &task, NULL) == ASSAY_OK);
	return wakes_by_me - before;
}

static uint64_t submit_many(assay_executor *executor, assay_function *function, size_t many)
{
	struct assay_task tasks[MORE];
	uint64_t before = wakes_by_me;

	for (size_t i = 0; i < many; i++)
		tasks[i] = (struct assay_task){.function = function};
	MUST(assay_submit_many(executor, tasks, many, NULL, NULL) == ASSAY_OK);
	return wakes_by_me - before;
}

/* Of two tasks each waits until the other has begun. */
static int meet_partner(assay_call *call)
{
	unsigned step = 0;

	atomic_fetch_add(&met, 1);
	while (atomic_load(&met) < 2)
		port_backoff(&step);
	return count_task(call);
}

static int submit_inside(assay_call *call)
{
	for (int i = 0; i < MANY; i++)
		MUST(submit(call->executor, count_task) <= 1);
	MUST(submit_many(call->executor, count_task, MANY) <= 1);
	MUST(submit_many(call->executor, count_task, MORE) <= BATCHES(MORE));
	return count_task(call);
}

/* Everybody is asleep: who has announced that only may still find what comes. */
static void await_idle(struct pool *pool, uint64_t tasks)
{
	unsigned step = 0;

	while (atomic_load(&ran) != tasks ||
	       atomic_load(&pool->park.counts) != WORKERS * PARK_SLEEPER)
		port_backoff(&step);
	for (int i = 0; i < WORKERS; i++)
		validate_await_sleep(workers[i]);
}

/* One worker more for each task that needs one. Returns the tasks. */
static uint64_t fill(assay_executor *executor)
{
	struct assay_statistics statistics;

	for (uint64_t i = 1; i <= WORKERS; i++) {
		/* The first worker starts before the push, and may be asleep already. */
		MUST(submit(executor, pass_gate) <= (i == 1));
		while (sem_wait(&inside))
			;
		assay_executor_statistics(executor, &statistics);
		MUST(statistics.workers_alive == i);
	}
	for (int i = 0; i < MANY; i++) /* all are busy */
		MUST(submit(executor, count_task) == 0);
	MUST(submit_many(executor, count_task, MORE) == 0);
	for (int i = 0; i < WORKERS; i++)
		sem_post(&gate);
	return WORKERS + MANY + MORE;
}

/* The calling thread plays the searcher: nobody is woken before it gives up, and then one is. */
static void search(assay_executor *executor, uint64_t before)
{
	struct pool *pool = (struct pool *)executor;
	uint64_t mine;

	park_search(&pool->park);
	for (int i = 0; i < MANY; i++)
		MUST(submit(executor, count_task) == 0);
	MUST(submit_many(executor, count_task, MORE) == 0);
	MUST(atomic_load(&ran) == before);
	mine = wakes_by_me;
	MUST(park_found(&pool->park));
	rouse(pool);
	MUST(wakes_by_me - mine == 1);
}

static void measure(const char *options)
{
	struct assay_config config = assay_config_default();
	uint64_t rounds = (uint64_t)validate_rounds(5000), tasks, before, mine;
	assay_executor *executor;
	struct pool *pool;

	config.workers = WORKERS;
	config.options = options;
	MUST(assay_executor_create(&assay_backend, &config, &executor) == ASSAY_OK);
	pool = (struct pool *)executor;
	atomic_store(&wakes, 0);
	atomic_store(&ran, 0);
	atomic_store(&filled, 0);
	tasks = fill(executor);
	await_idle(pool, tasks);

	before = atomic_load(&wakes);
	for (uint64_t i = 0; i < rounds; i++) {
		MUST(submit(executor, count_task) == 1);
		await_idle(pool, ++tasks);
	}
	MUST(atomic_load(&wakes) - before == rounds); /* nobody woke anybody else */

	for (int i = 0; i < MANY; i++) {
		MUST(submit_many(executor, count_task, MANY) == 1);
		await_idle(pool, tasks += MANY);
		search(executor, tasks);
		await_idle(pool, tasks += MANY + MORE);
		MUST(submit(executor, submit_inside) == 1);
		await_idle(pool, tasks += 1 + 2 * MANY + MORE);
		mine = submit_many(executor, count_task, MORE);
		MUST(mine >= 1 && mine <= BATCHES(MORE));
		await_idle(pool, tasks += MORE);
		atomic_store(&met, 0);
		MUST(submit_many(executor, meet_partner, 2) == 1);
		await_idle(pool, tasks += 2);
		atomic_store(&met, 0);
		MUST(submit(executor, meet_partner) == 1);
		MUST(submit(executor, meet_partner) <= 1);
		await_idle(pool, tasks += 2);
	}
	printf("%s: %llu wake-ups for %llu tasks\n", options ? options : "default",
	       (unsigned long long)atomic_load(&wakes), (unsigned long long)tasks);
	MUST(assay_executor_destroy(executor) == ASSAY_OK);
}

int main(void)
{
	validate_expect_end(100);
	MUST(sem_init(&inside, 0, 0) == 0 && sem_init(&gate, 0, 0) == 0);
	measure(NULL);
	measure("fences=full");
	return 0;
}
