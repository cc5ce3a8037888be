/* SPDX-License-Identifier: MIT */
/*
 * libuv: uv_queue_work() from the thread of a loop, and its second callback on that loop. The
 * threads are one pool of the process; each thread that submits has a loop of its own. A request is
 * caller-owned, so that nothing is allocated for a task.
 */
#include "raw.h"

#include "work.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

struct request {
	uv_work_t work;
	uint64_t value; /* argument, then result */
};

struct call {
	uv_work_t work;
	void (*function)(void *item);
	void *item;
};

struct raw_pool {
	int workers;
};

static _Thread_local uv_loop_t *loop;

static const char *version(void)
{
	static char text[48];

	snprintf(text, sizeof text, "libuv %s", uv_version_string());
	return text;
}

/* The pool is started by the first request, with as many threads as the environment says. */
static int open_pool(int workers, struct raw_pool **pool, int *effective)
{
	char text[16];

	snprintf(text, sizeof text, "%d", workers);
	if (setenv("UV_THREADPOOL_SIZE", text, 1))
		return ENOMEM;
	*pool = calloc(1, sizeof **pool);
	if (!*pool)
		return ENOMEM;
	(*pool)->workers = *effective = workers;
	return 0;
}

static void close_pool(struct raw_pool *pool)
{
	free(pool);
}

static int enter(struct raw_pool *pool, int (*body)(void *user), void *user)
{
	uv_loop_t own;
	int error = -uv_loop_init(&own);

	(void)pool;
	if (error)
		return error;
	loop = &own;
	error = body(user);
	loop = NULL;
	uv_loop_close(&own);
	return error;
}

static void run_spread(uv_work_t *work)
{
	struct request *request = (struct request *)work;

	request->value = spread(request->value);
}

static void done(uv_work_t *work, int status)
{
	(void)work;
	(void)status;
}

/* Those that were queued are in the loop, and end before it does. */
static int queue(struct request *requests, uint64_t first, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int error;

		requests[i].value = first + i;
		error = -uv_queue_work(loop, &requests[i].work, run_spread, done);
		if (error)
			return error;
	}
	return 0;
}

static int submit(struct raw_pool *pool, uint64_t first, size_t count, uint64_t *values)
{
	struct request *requests = malloc(count * sizeof *requests);
	int error;

	(void)pool;
	if (!requests)
		return ENOMEM;
	error = queue(requests, first, count);
	uv_run(loop, UV_RUN_DEFAULT);
	for (size_t i = 0; i < count; i++)
		values[i] = requests[i].value;
	free(requests);
	return error;
}

static int round_trip(struct raw_pool *pool, uint64_t argument, uint64_t *value)
{
	struct request request;
	int error = queue(&request, argument, 1);

	(void)pool;
	uv_run(loop, UV_RUN_DEFAULT);
	*value = request.value;
	return error;
}

static void run_call(uv_work_t *work)
{
	struct call *call = (struct call *)work;

	call->function(call->item);
}

static int for_each(struct raw_pool *pool, void (*work)(void *item), void *items, size_t size,
		    size_t count)
{
	struct call *calls = malloc(count * sizeof *calls);
	int error = calls ? 0 : ENOMEM;

	(void)pool;
	for (size_t i = 0; i < count && !error; i++) {
		calls[i].function = work;
		calls[i].item = (char *)items + i * size;
		error = -uv_queue_work(loop, &calls[i].work, run_call, done);
	}
	uv_run(loop, UV_RUN_DEFAULT);
	free(calls);
	return error;
}

static void pass(void *item)
{
	uv_barrier_t *barriers = *(uv_barrier_t **)item;

	uv_barrier_wait(&barriers[0]); /* all are in */
	uv_barrier_wait(&barriers[1]); /* and may go */
}

struct held {
	struct raw_pool *pool;
	struct call *calls;
	uv_barrier_t barriers[2];
	uv_barrier_t *address;
};

static int hold(struct held *held)
{
	int workers = held->pool->workers, error = 0;

	held->address = held->barriers;
	held->calls = calloc((size_t)workers, sizeof *held->calls);
	if (!held->calls)
		return ENOMEM;
	for (int i = 0; i < 2 && !error; i++)
		error = -uv_barrier_init(&held->barriers[i], (unsigned)workers + 1);
	for (int i = 0; i < workers && !error; i++) {
		held->calls[i].function = pass;
		held->calls[i].item = &held->address;
		error = -uv_queue_work(loop, &held->calls[i].work, run_call, done);
	}
	if (!error)
		uv_barrier_wait(&held->barriers[0]);
	return error;
}

static void let_go(struct held *held)
{
	uv_barrier_wait(&held->barriers[1]);
	uv_run(loop, UV_RUN_DEFAULT);
	uv_barrier_destroy(&held->barriers[0]);
	uv_barrier_destroy(&held->barriers[1]);
	free(held->calls);
}

static int pend(struct raw_pool *pool, size_t count, uint64_t *values, void (*mark)(void *user),
		void *user)
{
	struct held held = {.pool = pool};
	struct request *requests;
	int error = hold(&held);

	if (error)
		return error;
	mark(user);
	requests = malloc(count * sizeof *requests);
	error = requests ? queue(requests, 0, count) : ENOMEM;
	mark(user);
	let_go(&held);
	for (size_t i = 0; i < count && !error; i++)
		values[i] = requests[i].value;
	free(requests);
	return error;
}

static const struct raw_refusal refusals[] = {
	{"fib_fork_join", "work is queued and completed by the thread of a loop, not by a task"},
	{"fib_futures", "work is queued and completed by the thread of a loop, not by a task"},
	{"fib_futures_25", "work is queued and completed by the thread of a loop, not by a task"},
	{"skynet", "work is queued and completed by the thread of a loop, not by a task"},
	{"oversubscribed_fib",
	 "work is queued and completed by the thread of a loop, not by a task"},
	{"submit_many", "uv_queue_work takes one task"},
	{"map_ints", "it has no parallel loop"},
	{NULL, NULL},
};

const struct raw_driver raw_driver = {
	.abi = RAW_ABI,
	.name = "uv_raw",
	.summary = "uv_queue_work; no futures: the loop's thread is told of each end",
	.version = version,
	.refusals = refusals,
	.open = open_pool,
	.close = close_pool,
	.enter = enter,
	.submit = submit,
	.round_trip = round_trip,
	.for_each = for_each,
	.pend = pend,
};
