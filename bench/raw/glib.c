/* SPDX-License-Identifier: MIT */
/*
 * GLib: an exclusive GThreadPool and g_thread_pool_push(). It has no futures: a task leaves its
 * result in its own item, and the last of a batch signals a condition.
 */
#include "raw.h"

#include "work.h"

#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>

/* Of one thread that submits. */
struct batch {
	GMutex lock;
	GCond done;
	gboolean is_done;
	gint left;
};

struct item {
	struct batch *batch;
	void (*work)(void *object); /* NULL: spread */
	union {
		uint64_t value; /* the argument, then the result */
		void *object;
	};
};

struct raw_pool {
	GThreadPool *threads;
};

/* For pend(): workers that stay until they are let go. */
struct gate {
	GMutex lock;
	GCond moved;
	int inside;
	gboolean open;
};

static void pass(void *object)
{
	struct gate *gate = object;

	g_mutex_lock(&gate->lock);
	gate->inside++;
	g_cond_broadcast(&gate->moved);
	while (!gate->open)
		g_cond_wait(&gate->moved, &gate->lock);
	g_mutex_unlock(&gate->lock);
}

static void run(gpointer data, gpointer user)
{
	struct item *item = data;
	struct batch *batch = item->batch;

	(void)user;
	if (item->work)
		item->work(item->object);
	else
		item->value = spread(item->value);
	if (g_atomic_int_dec_and_test(&batch->left)) {
		g_mutex_lock(&batch->lock);
		batch->is_done = TRUE;
		g_cond_signal(&batch->done);
		g_mutex_unlock(&batch->lock);
	}
}

static const char *version(void)
{
	static char text[48];

	snprintf(text, sizeof text, "GLib %u.%u.%u", glib_major_version, glib_minor_version,
		 glib_micro_version);
	return text;
}

static int open_pool(int workers, struct raw_pool **pool, int *effective)
{
	GError *error = NULL;

	*pool = calloc(1, sizeof **pool);
	if (!*pool)
		return ENOMEM;
	(*pool)->threads = g_thread_pool_new(run, NULL, workers, TRUE, &error);
	if (error) {
		g_error_free(error);
		free(*pool);
		*pool = NULL;
		return EAGAIN;
	}
	*effective = g_thread_pool_get_max_threads((*pool)->threads);
	return 0;
}

static void close_pool(struct raw_pool *pool)
{
	g_thread_pool_free(pool->threads, FALSE, TRUE);
	free(pool);
}

static void begin(struct batch *batch, size_t count)
{
	g_mutex_init(&batch->lock);
	g_cond_init(&batch->done);
	batch->is_done = count == 0;
	g_atomic_int_set(&batch->left, (gint)count);
}

static void wait_for(struct batch *batch)
{
	g_mutex_lock(&batch->lock);
	while (!batch->is_done)
		g_cond_wait(&batch->done, &batch->lock);
	g_mutex_unlock(&batch->lock);
	g_mutex_clear(&batch->lock);
	g_cond_clear(&batch->done);
}

static void push(struct raw_pool *pool, struct item *items, size_t count)
{
	/* An exclusive pool has its threads: push cannot fail. */
	for (size_t i = 0; i < count; i++)
		g_thread_pool_push(pool->threads, &items[i], NULL);
}

static void prepare(struct item *items, struct batch *batch, uint64_t first, size_t count)
{
	for (size_t i = 0; i < count; i++)
		items[i] = (struct item){.batch = batch, .value = first + i};
}

static void take(const struct item *items, size_t count, uint64_t *values)
{
	for (size_t i = 0; i < count; i++)
		values[i] = items[i].value;
}

static int submit(struct raw_pool *pool, uint64_t first, size_t count, uint64_t *values)
{
	struct item *items = malloc(count * sizeof *items);
	struct batch batch;

	if (!items)
		return ENOMEM;
	begin(&batch, count);
	for (size_t i = 0; i < count; i++) {
		items[i] = (struct item){.batch = &batch, .value = first + i};
		g_thread_pool_push(pool->threads, &items[i], NULL);
	}
	wait_for(&batch);
	take(items, count, values);
	free(items);
	return 0;
}

static int round_trip(struct raw_pool *pool, uint64_t argument, uint64_t *value)
{
	struct batch batch;
	struct item item;

	begin(&batch, 1);
	prepare(&item, &batch, argument, 1);
	push(pool, &item, 1);
	wait_for(&batch);
	*value = item.value;
	return 0;
}

static int for_each(struct raw_pool *pool, void (*work)(void *item), void *objects, size_t size,
		    size_t count)
{
	struct item *items = malloc(count * sizeof *items);
	struct batch batch;

	if (!items)
		return ENOMEM;
	begin(&batch, count);
	for (size_t i = 0; i < count; i++)
		items[i] = (struct item){
			.batch = &batch, .work = work, .object = (char *)objects + i * size};
	push(pool, items, count);
	wait_for(&batch);
	free(items);
	return 0;
}

static void hold_workers(struct raw_pool *pool, struct gate *gate, struct item *items, int workers)
{
	push(pool, items, (size_t)workers);
	g_mutex_lock(&gate->lock);
	while (gate->inside < workers)
		g_cond_wait(&gate->moved, &gate->lock);
	g_mutex_unlock(&gate->lock);
}

static void let_go(struct gate *gate)
{
	g_mutex_lock(&gate->lock);
	gate->open = TRUE;
	g_cond_broadcast(&gate->moved);
	g_mutex_unlock(&gate->lock);
}

static int pend(struct raw_pool *pool, size_t count, uint64_t *values, void (*mark)(void *user),
		void *user)
{
	int workers = g_thread_pool_get_max_threads(pool->threads);
	struct item *holders = calloc((size_t)workers, sizeof *holders), *items;
	struct gate gate = {.inside = 0};
	struct batch held, batch;

	if (!holders)
		return ENOMEM;
	g_mutex_init(&gate.lock);
	g_cond_init(&gate.moved);
	begin(&held, (size_t)workers);
	for (int i = 0; i < workers; i++)
		holders[i] = (struct item){.batch = &held, .work = pass, .object = &gate};
	hold_workers(pool, &gate, holders, workers);
	mark(user);
	items = malloc(count * sizeof *items);
	begin(&batch, items ? count : 0);
	if (items) {
		prepare(items, &batch, 0, count);
		push(pool, items, count);
		mark(user);
	}
	let_go(&gate);
	wait_for(&held);
	wait_for(&batch);
	if (items)
		take(items, count, values);
	free(items);
	free(holders);
	g_mutex_clear(&gate.lock);
	g_cond_clear(&gate.moved);
	return items ? 0 : ENOMEM;
}

static const struct raw_refusal refusals[] = {
	{"fib_fork_join", "a GThreadPool has no way to wait for a task inside a task"},
	{"fib_futures", "a GThreadPool has no way to wait for a task inside a task"},
	{"fib_futures_25", "a GThreadPool has no way to wait for a task inside a task"},
	{"skynet", "a GThreadPool has no way to wait for a task inside a task"},
	{"oversubscribed_fib", "a GThreadPool has no way to wait for a task inside a task"},
	{"submit_many", "g_thread_pool_push takes one task"},
	{"map_ints", "it has no parallel loop"},
	{NULL, NULL},
};

const struct raw_driver raw_driver = {
	.abi = RAW_ABI,
	.name = "glib_raw",
	.summary = "GThreadPool, exclusive; no futures: one condition for a batch",
	.version = version,
	.refusals = refusals,
	.open = open_pool,
	.close = close_pool,
	.submit = submit,
	.round_trip = round_trip,
	.for_each = for_each,
	.pend = pend,
};
