/* SPDX-License-Identifier: MIT */
/*
 * oneTBB: task_group in a task_arena, parallel_for, and enqueue for a task that others are to run.
 * There are no futures: a result is left in a place of its own, and the group is waited for. A
 * thread that waits runs tasks.
 */
#include "raw.h"

#include "gate.hh"
#include "work.h"

#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>
#include <tbb/version.h>

#include <cstdio>
#include <future>
#include <memory>

/* The most threads that submit at once. */
enum { PRODUCERS = 4 };

struct raw_pool {
	explicit raw_pool(int threads)
	    : workers(threads), limit(tbb::global_control::max_allowed_parallelism,
				      static_cast<std::size_t>(threads) + 1),
	      outside(threads + PRODUCERS, PRODUCERS), inside(threads, 1)
	{
		outside.initialize();
		inside.initialize();
	}

	int workers;
	tbb::global_control limit; /* the workers, and the caller */
	tbb::task_arena outside;   /* for submitters beside the workers */
	tbb::task_arena inside;    /* for a caller that is one of them */
};

namespace
{

const char *version()
{
	static char text[48];

	std::snprintf(text, sizeof text, "oneTBB %s", TBB_runtime_version());
	return text;
}

int open_pool(int workers, struct raw_pool **pool, int *effective)
{
	return guarded([=] {
		*pool = new raw_pool(workers);
		*effective = (*pool)->inside.max_concurrency();
	});
}

void close_pool(struct raw_pool *pool)
{
	delete pool;
}

int submit(struct raw_pool *pool, uint64_t first, std::size_t count, uint64_t *values)
{
	return guarded([=] {
		pool->outside.execute([=] {
			tbb::task_group group;

			for (std::size_t i = 0; i < count; i++)
				group.run([=] { values[i] = spread(first + i); });
			group.wait();
		});
	});
}

/* A group would be run by who waits for it: enqueue hands over to a worker, a promise comes back. */
int round_trip(struct raw_pool *pool, uint64_t argument, uint64_t *value)
{
	return guarded([=] {
		/* The worker may be in it still when the result is here. */
		auto promise = std::make_shared<std::promise<uint64_t>>();
		std::future<uint64_t> future = promise->get_future();

		pool->outside.enqueue(
			[promise, argument] { promise->set_value(spread(argument)); });
		*value = future.get();
	});
}

uint64_t fib_task(unsigned n)
{
	uint64_t left, right;

	if (n < 2)
		return n;
	tbb::task_group group;
	group.run([&left, n] { left = fib_task(n - 1); });
	right = fib_task(n - 2);
	group.wait();
	return left + right;
}

int fib(struct raw_pool *pool, unsigned n, uint64_t *value)
{
	return guarded([=] { *value = pool->inside.execute([n] { return fib_task(n); }); });
}

uint64_t skynet_task(uint64_t first, uint64_t leaves)
{
	uint64_t sums[SKYNET_CHILDREN], each = leaves / SKYNET_CHILDREN, sum = 0;

	if (leaves == 1)
		return first;
	tbb::task_group group;
	for (uint64_t i = 0; i + 1 < SKYNET_CHILDREN; i++)
		group.run(
			[&sums, i, first, each] { sums[i] = skynet_task(first + i * each, each); });
	sums[SKYNET_CHILDREN - 1] = skynet_task(first + (SKYNET_CHILDREN - 1) * each, each);
	group.wait();
	for (uint64_t part : sums)
		sum += part;
	return sum;
}

int skynet(struct raw_pool *pool, uint64_t leaves, uint64_t *sum)
{
	return guarded(
		[=] { *sum = pool->inside.execute([leaves] { return skynet_task(0, leaves); }); });
}

int map(struct raw_pool *pool, const uint32_t *in, uint32_t *out, std::size_t count)
{
	return guarded([=] {
		pool->inside.execute([=] {
			tbb::parallel_for(tbb::blocked_range<std::size_t>(0, count),
					  [=](const tbb::blocked_range<std::size_t> &range) {
						  for (std::size_t i = range.begin();
						       i < range.end(); i++)
							  out[i] = map_item(in[i]);
					  });
		});
	});
}

int for_each(struct raw_pool *pool, void (*work)(void *item), void *items, std::size_t size,
	     std::size_t count)
{
	char *base = static_cast<char *>(items);

	return guarded([=] {
		pool->outside.execute([=] {
			tbb::task_group group;

			for (std::size_t i = 0; i < count; i++)
				group.run([=] { work(base + i * size); });
			group.wait();
		});
	});
}

int pend(struct raw_pool *pool, std::size_t count, uint64_t *values, void (*mark)(void *user),
	 void *user)
{
	Gate gate;

	return guarded([=, &gate] {
		pool->outside.execute([=, &gate] {
			tbb::task_group group;

			for (int i = 0; i < pool->workers; i++)
				pool->outside.enqueue(group.defer([&gate] { gate.pass(); }));
			gate.await(pool->workers);
			mark(user);
			for (std::size_t i = 0; i < count; i++)
				group.run([=] { values[i] = spread(i); });
			mark(user);
			gate.open();
			group.wait();
		});
	});
}

const struct raw_refusal refusals[] = {
	{"submit_many", "task_group::run takes one task"},
	{nullptr, nullptr},
};

} // namespace

const struct raw_driver raw_driver = {
	RAW_ABI,    "tbb_raw",  "task_group in a task_arena; no futures; who waits runs tasks",
	version,    refusals,   open_pool,
	close_pool, nullptr,    submit,
	nullptr,    round_trip, fib,
	skynet,     map,        for_each,
	pend,
};
