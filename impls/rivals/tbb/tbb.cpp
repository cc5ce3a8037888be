/* SPDX-License-Identifier: MIT */
/*
 * oneTBB: an arena for each executor. What comes from outside is enqueued; a task that submits spawns
 * into the queue of its own thread, from which others steal.
 */
#include "../adapter.h"
#include "../probe.h"

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include <new>
#include <stdexcept>

const bool rival_survives_fork = false;

/* Threads of all arenas together; TBB's own limit is the number of processors. */
static constexpr int most_threads = 1024;

struct rival {
	tbb::task_arena arena;
	tbb::task_group spawned;

	explicit rival(int workers) : arena(workers, 0)
	{
		arena.initialize();
	}
};

/* Whose task the calling thread is in. */
static thread_local struct rival *inside;

/* TBB makes its threads when they are needed, and could then only say that it cannot. */
int rival_create(int workers, struct rival **out)
{
	int error = workers > most_threads ? ASSAY_EUNSUPPORTED : probe_threads(workers);

	if (error)
		return error;
	try {
		/* For ever: of several limits the least holds, and it is one for all arenas. */
		static auto *limit = new tbb::global_control(
			tbb::global_control::max_allowed_parallelism, most_threads + 1);

		(void)limit;
		*out = new struct rival(workers);
		return ASSAY_OK;
	} catch (const std::bad_alloc &) {
		return ASSAY_ENOMEM;
	} catch (const std::exception &) {
		return ASSAY_ERESOURCE;
	}
}

int rival_post(struct rival *rival, struct task *task)
{
	auto run = [rival, task] {
		inside = rival;
		adapter_run(task);
		inside = nullptr;
	};

	try {
		if (inside == rival)
			rival->spawned.run(run);
		else
			rival->arena.enqueue(run);
	} catch (const std::bad_alloc &) {
		return ASSAY_ENOMEM;
	} catch (const std::exception &) {
		/* A thread was refused, and the task is in the queue for those there are. */
	}
	return ASSAY_OK;
}

void rival_close(struct rival *rival)
{
	(void)rival;
}

void rival_join(struct rival *rival)
{
	(void)rival; /* its threads serve other arenas, or sleep */
}

void rival_free(struct rival *rival)
{
	rival->spawned.wait();
	delete rival;
}

const struct assay_backend assay_backend = {
	ASSAY_ABI,
	0,
	ADAPTER_CAPABILITIES | ASSAY_CAP_CONCURRENT | ASSAY_CAP_WORKER_LIMIT |
		ASSAY_CAP_WORKER_REUSE,
	"tbb",
	"oneTBB: an arena, work stealing",
	ADAPTER_BYTES_LIMIT,
	ADAPTER_BYTES_LIMIT,
	adapter_create,
	assay_default_extension,
};
