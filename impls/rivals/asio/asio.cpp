/* SPDX-License-Identifier: MIT */
/* asio::thread_pool: threads fed from one queue under one mutex. */
#include "../adapter.h"

#include <asio/post.hpp>
#include <asio/thread_pool.hpp>

#include <new>
#include <system_error>
#include <thread>
#include <vector>

/* The pool is made without threads, and ours are attached to it: a pool that is refused a thread
 * while it is made waits for ever for those it has. */
struct rival {
	asio::thread_pool pool{0};
	std::vector<std::thread> threads;

	explicit rival(int workers)
	{
		try {
			while (workers--)
				threads.emplace_back([this] { pool.attach(); });
		} catch (...) {
			pool.stop();
			join();
			throw;
		}
	}

	void join()
	{
		for (std::thread &thread : threads)
			thread.join();
	}
};

const bool rival_survives_fork = true;

/* No exception may cross the seam. */
template <class Call>
static int guarded(Call call)
{
	try {
		call();
		return ASSAY_OK;
	} catch (const std::bad_alloc &) {
		return ASSAY_ENOMEM;
	} catch (const std::exception &) {
		return ASSAY_ERESOURCE;
	}
}

int rival_create(int workers, struct rival **out)
{
	return guarded([=] { *out = new struct rival(workers); });
}

int rival_post(struct rival *rival, struct task *task)
{
	return guarded([=] { asio::post(rival->pool, [task] { adapter_run(task); }); });
}

void rival_close(struct rival *rival)
{
	rival->pool.stop();
}

void rival_join(struct rival *rival)
{
	rival->join();
}

void rival_free(struct rival *rival)
{
	delete rival;
}

const struct assay_backend assay_backend = {
	ASSAY_ABI,
	0,
	ADAPTER_CAPABILITIES | ASSAY_CAP_CONCURRENT | ASSAY_CAP_WORKER_LIMIT | ASSAY_CAP_FIFO |
		ASSAY_CAP_SUBMITTER_FIFO | ASSAY_CAP_WORKER_REUSE | ASSAY_CAP_OWNS_WORKERS,
	"asio",
	"Asio's thread_pool",
	ADAPTER_BYTES_LIMIT,
	ADAPTER_BYTES_LIMIT,
	adapter_create,
	assay_default_extension,
};
