/* SPDX-License-Identifier: MIT */
/*
 * Asio: thread_pool, post() and a std::future for each task.
 */
#include "raw.h"

#include "gate.hh"
#include "work.h"

#include <asio/post.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_future.hpp>
#include <asio/version.hpp>

#include <cstdio>
#include <future>
#include <vector>

struct raw_pool {
	explicit raw_pool(int workers) : count(workers), threads(static_cast<std::size_t>(workers))
	{
	}

	int count;
	asio::thread_pool threads;
};

namespace
{

const char *version()
{
	static char text[48];

	std::snprintf(text, sizeof text, "Asio %d.%d.%d", ASIO_VERSION / 100000,
		      ASIO_VERSION / 100 % 1000, ASIO_VERSION % 100);
	return text;
}

int open_pool(int workers, struct raw_pool **pool, int *effective)
{
	try {
		*pool = new raw_pool(workers);
	} catch (const std::exception &) {
		return EAGAIN;
	}
	*effective = workers;
	return 0;
}

void close_pool(struct raw_pool *pool)
{
	pool->threads.join();
	delete pool;
}

std::future<uint64_t> post_spread(struct raw_pool *pool, uint64_t argument)
{
	return asio::post(pool->threads, asio::use_future([argument] { return spread(argument); }));
}

int submit(struct raw_pool *pool, uint64_t first, std::size_t count, uint64_t *values)
{
	return guarded([=] {
		std::vector<std::future<uint64_t>> futures;

		futures.reserve(count);
		for (std::size_t i = 0; i < count; i++)
			futures.push_back(post_spread(pool, first + i));
		for (std::size_t i = 0; i < count; i++)
			values[i] = futures[i].get();
	});
}

int round_trip(struct raw_pool *pool, uint64_t argument, uint64_t *value)
{
	return guarded([=] { *value = post_spread(pool, argument).get(); });
}

int for_each(struct raw_pool *pool, void (*work)(void *item), void *items, std::size_t size,
	     std::size_t count)
{
	return guarded([=] {
		std::vector<std::future<void>> futures;

		futures.reserve(count);
		for (std::size_t i = 0; i < count; i++) {
			void *item = static_cast<char *>(items) + i * size;

			futures.push_back(
				asio::post(pool->threads, asio::use_future([=] { work(item); })));
		}
		for (std::future<void> &future : futures)
			future.get();
	});
}

int pend(struct raw_pool *pool, std::size_t count, uint64_t *values, void (*mark)(void *user),
	 void *user)
{
	return guarded([=] {
		std::vector<std::future<uint64_t>> futures(count);
		Gate gate;

		for (int i = 0; i < pool->count; i++)
			asio::post(pool->threads, [&gate] { gate.pass(); });
		gate.await(pool->count);
		mark(user);
		for (std::size_t i = 0; i < count; i++)
			futures[i] = post_spread(pool, i);
		mark(user);
		gate.open();
		for (std::size_t i = 0; i < count; i++)
			values[i] = futures[i].get();
		gate.await(0);
	});
}

const char cannot_wait[] =
	"a thread that waits for a std::future runs nothing: the pool would stand still";

const struct raw_refusal refusals[] = {
	{"fib_fork_join", cannot_wait},          {"fib_futures", cannot_wait},
	{"fib_futures_25", cannot_wait},         {"skynet", cannot_wait},
	{"oversubscribed_fib", cannot_wait},     {"submit_many", "post takes one function"},
	{"map_ints", "it has no parallel loop"}, {nullptr, nullptr},
};

} // namespace

const struct raw_driver raw_driver = {
	RAW_ABI,    "asio_raw", "thread_pool, post and a std::future for each task",
	version,    refusals,   open_pool,
	close_pool, nullptr,    submit,
	nullptr,    round_trip, nullptr,
	nullptr,    nullptr,    for_each,
	pend,
};
