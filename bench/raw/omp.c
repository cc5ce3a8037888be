/* SPDX-License-Identifier: MIT */
/*
 * OpenMP tasks, as libgomp (or what the compiler links) runs them. Tasks are made by a thread of
 * the team: the submitter is one of workers + 1 threads, and runs tasks when the runtime throttles
 * it and while it waits. There are no futures, only the wait for all children.
 */
#include "raw.h"

#include "work.h"

#include <errno.h>
#include <omp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

struct raw_pool {
	int workers;
};

static const char *version(void)
{
	static char text[64];

#ifdef __clang__
	snprintf(text, sizeof text, "libomp of clang %d.%d", __clang_major__, __clang_minor__);
#else
	snprintf(text, sizeof text, "libgomp of gcc %d.%d.%d", __GNUC__, __GNUC_MINOR__,
		 __GNUC_PATCHLEVEL__);
#endif
	return text;
}

static int open_pool(int workers, struct raw_pool **pool, int *effective)
{
	int threads = 0;

	*pool = calloc(1, sizeof **pool);
	if (!*pool)
		return ENOMEM;
	(*pool)->workers = workers;
	omp_set_dynamic(0);
#pragma omp parallel num_threads(workers + 1)
#pragma omp single
	threads = omp_get_num_threads();
	*effective = threads - 1;
	return 0;
}

static void close_pool(struct raw_pool *pool)
{
	free(pool);
}

static int enter(struct raw_pool *pool, int (*body)(void *user), void *user)
{
	int error = 0;

#pragma omp parallel num_threads(pool->workers + 1)
#pragma omp single
	error = body(user);
	return error;
}

static int submit(struct raw_pool *pool, uint64_t first, size_t count, uint64_t *values)
{
	(void)pool;
	for (size_t i = 0; i < count; i++) {
#pragma omp task firstprivate(i) shared(values, first)
		values[i] = spread(first + i);
	}
#pragma omp taskwait
	return 0;
}

static int round_trip(struct raw_pool *pool, uint64_t argument, uint64_t *value)
{
	uint64_t result;

	(void)pool;
#pragma omp task shared(result, argument)
	result = spread(argument);
#pragma omp taskwait
	*value = result;
	return 0;
}

static uint64_t fib_task(unsigned n)
{
	uint64_t left, right;

	if (n < 2)
		return n;
#pragma omp task shared(left) firstprivate(n)
	left = fib_task(n - 1);
	right = fib_task(n - 2);
#pragma omp taskwait
	return left + right;
}

/* The caller is one of the team: as many threads run tasks as there are workers. */
static int fib(struct raw_pool *pool, unsigned n, uint64_t *value)
{
#pragma omp parallel num_threads(pool->workers)
#pragma omp single
	*value = fib_task(n);
	return 0;
}

static uint64_t skynet_task(uint64_t first, uint64_t leaves)
{
	uint64_t sums[SKYNET_CHILDREN], each = leaves / SKYNET_CHILDREN, sum = 0;

	if (leaves == 1)
		return first;
	for (uint64_t i = 0; i + 1 < SKYNET_CHILDREN; i++) {
#pragma omp task shared(sums) firstprivate(i, first, each)
		sums[i] = skynet_task(first + i * each, each);
	}
	sums[SKYNET_CHILDREN - 1] = skynet_task(first + (SKYNET_CHILDREN - 1) * each, each);
#pragma omp taskwait
	for (size_t i = 0; i < SKYNET_CHILDREN; i++)
		sum += sums[i];
	return sum;
}

static int skynet(struct raw_pool *pool, uint64_t leaves, uint64_t *sum)
{
#pragma omp parallel num_threads(pool->workers)
#pragma omp single
	*sum = skynet_task(0, leaves);
	return 0;
}

static int map(struct raw_pool *pool, const uint32_t *in, uint32_t *out, size_t count)
{
#pragma omp parallel for schedule(static) num_threads(pool->workers)
	for (size_t i = 0; i < count; i++)
		out[i] = map_item(in[i]);
	return 0;
}

static int for_each(struct raw_pool *pool, void (*work)(void *item), void *items, size_t size,
		    size_t count)
{
	(void)pool;
	for (size_t i = 0; i < count; i++) {
#pragma omp task firstprivate(i) shared(work, items, size)
		work((char *)items + i * size);
	}
#pragma omp taskwait
	return 0;
}

static const struct raw_refusal refusals[] = {
	{"submit_4_producers", "tasks come from the threads of one team, not from outside"},
	{"memory_per_pending_task", "the submitter runs tasks itself when 64 a thread are pending"},
	{"submit_many", "a taskloop has chunks, not tasks of which each has a result"},
	{NULL, NULL},
};

const struct raw_driver raw_driver = {
	.abi = RAW_ABI,
	.name = "omp_raw",
	.summary =
		"OpenMP tasks and loops; no futures; the submitter is one more thread of the team",
	.version = version,
	.refusals = refusals,
	.open = open_pool,
	.close = close_pool,
	.enter = enter,
	.submit = submit,
	.round_trip = round_trip,
	.fib = fib,
	.skynet = skynet,
	.map = map,
	.for_each = for_each,
};
