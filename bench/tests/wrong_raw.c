/* SPDX-License-Identifier: MIT */
/*
 * A raw driver that does everything in the caller, with one thing wrong, chosen by $ASSAY_WRONG:
 * the bench must notice each. It has no submit_many, and refuses oversubscribed_fib.
 */
#include "../raw/raw.h"

#include "../raw/work.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static bool is_wrong(const char *how)
{
	const char *chosen = getenv("ASSAY_WRONG");

	return chosen && strcmp(chosen, how) == 0;
}

/* 1: what is done comes out wrong. */
static unsigned corruption(void)
{
	return is_wrong("corrupt");
}

static const char *version(void)
{
	return "Serial 1.0";
}

static void *tick(void *user)
{
	const struct timespec gap = {.tv_nsec = 1000000};

	while (!user)
		nanosleep(&gap, NULL);
	return NULL;
}

static unsigned opened;

static int open_pool(int workers, struct raw_pool **pool, int *effective)
{
	pthread_t ticker;

	*pool = NULL;
	if (is_wrong("tick") && pthread_create(&ticker, NULL, tick, NULL))
		return EAGAIN;
	if (is_wrong("open"))
		return EAGAIN;
	*effective = workers + is_wrong("workers") + (opened++ && is_wrong("workers later"));
	return 0;
}

static void close_pool(struct raw_pool *pool)
{
	(void)pool;
}

static int submit(struct raw_pool *pool, uint64_t first, size_t count, uint64_t *values)
{
	(void)pool;
	if (is_wrong("crash"))
		abort();
	while (is_wrong("hang"))
		pause();
	if (is_wrong("refuse"))
		return ENOMEM;
	for (size_t i = 0; i < count; i++)
		values[i] = spread(first + i);
	values[count - 1] ^= corruption();
	return 0;
}

static int round_trip(struct raw_pool *pool, uint64_t argument, uint64_t *value)
{
	(void)pool;
	*value = spread(argument) ^ corruption();
	return 0;
}

static int fib(struct raw_pool *pool, unsigned n, uint64_t *value)
{
	(void)pool;
	*value = fib_serial(n) ^ corruption();
	return 0;
}

static int skynet(struct raw_pool *pool, uint64_t leaves, uint64_t *sum)
{
	(void)pool;
	*sum = skynet_serial(0, leaves) ^ corruption();
	return 0;
}

static int map(struct raw_pool *pool, const uint32_t *in, uint32_t *out, size_t count)
{
	(void)pool;
	for (size_t i = 0; i < count; i++)
		out[i] = map_item(in[i]);
	out[count - 1] ^= corruption();
	return 0;
}

static int for_each(struct raw_pool *pool, void (*work)(void *item), void *items, size_t size,
		    size_t count)
{
	(void)pool;
	for (size_t i = 0; i + corruption() < count; i++)
		work((char *)items + i * size);
	return 0;
}

static int pend(struct raw_pool *pool, size_t count, uint64_t *values, void (*mark)(void *user),
		void *user)
{
	mark(user);
	if (!is_wrong("marks"))
		mark(user);
	return submit(pool, 0, count, values);
}

static const struct raw_refusal refusals[] = {
	{"oversubscribed_fib", "it would rather not"},
	{NULL, NULL},
};

const struct raw_driver raw_driver = {
	.abi = RAW_ABI,
	.name = "wrong_raw",
	.summary = "everything in the caller",
	.version = version,
	.refusals = refusals,
	.open = open_pool,
	.close = close_pool,
	.submit = submit,
	.round_trip = round_trip,
	.fib = fib,
	.skynet = skynet,
	.map = map,
	.for_each = for_each,
	.pend = pend,
};
