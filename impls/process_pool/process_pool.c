/* SPDX-License-Identifier: MIT */
/* Creating a pool. The labels are those of segment.h and pool.h. */
#include "pool.h"

#include <assay/backend.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define BYTES_LIMIT ((size_t)1 << 30)

static void statistics(assay_executor *executor, struct assay_statistics *out, size_t size)
{
	struct pool *pool = pool_of(executor);
	struct assay_statistics now = {0};
	uint64_t here;

	if (settings_are_orphaned(&pool->settings)) {
		memset(out, 0xff, size);
		return;
	}
	/* relaxed throughout: each is exact when nothing moves, as documented */
	here = atomic_load_explicit(&pool->other_started, memory_order_relaxed);
	now.workers = (uint64_t)pool->settings.config.workers;
	pthread_mutex_lock(&pool->submit_mutex);
	now.submitted = pool->submitted + here;
	pthread_mutex_unlock(&pool->submit_mutex);
	now.started = here;
	now.finished = atomic_load_explicit(&pool->other_finished, memory_order_relaxed);
	now.failed = atomic_load_explicit(&pool->failed, memory_order_relaxed);
	now.cancelled = atomic_load_explicit(&pool->cancelled, memory_order_relaxed);
	now.broken = atomic_load_explicit(&pool->broken_count, memory_order_relaxed);
	now.wakes = atomic_load_explicit(&pool->wakes, memory_order_relaxed);
	for (int i = 0; i < pool->settings.config.workers; i++) {
		struct lane *lane = &pool->segment->lanes[i];

		now.workers_alive +=
			atomic_load_explicit(&lane->phase, memory_order_relaxed) == LANE_ALIVE;
		now.started += atomic_load_explicit(&lane->started, memory_order_relaxed);
		now.finished += atomic_load_explicit(&lane->finished, memory_order_relaxed);
		now.parks += atomic_load_explicit(&lane->parks, memory_order_relaxed);
	}
	memcpy(out, &now, size < sizeof now ? size : sizeof now);
}

static const struct assay_executor_ops ops = {
	.backend = &assay_backend,
	.submit = pool_submit,
	.submit_many = pool_submit_many,
	.shutdown = pool_shutdown,
	.destroy = pool_destroy,
	.statistics = statistics,
};

static int usable_cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set)
							   : (int)sysconf(_SC_NPROCESSORS_ONLN);
}

static void end_collector(struct pool *pool)
{
	atomic_store_explicit(&pool->final, 1, memory_order_seq_cst); /* P5 K1 */
	ring_bell(pool->segment->control);
	pthread_join(pool->collector, NULL);
}

static int start_threads(struct pool *pool)
{
	if (port_thread_start(&pool->collector, 0, collector_run, pool))
		return ASSAY_ERESOURCE;
	if (port_thread_start(&pool->guardian, 0, guardian_run, pool)) {
		end_collector(pool);
		return ASSAY_ERESOURCE;
	}
	return ASSAY_OK;
}

/* Forks with every signal blocked, so that no handler of the client runs in the helper. */
static int start_helper(struct pool *pool)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	fork_for_helper(true);
	error = zygote_start(&pool->zygote, pool->segment, &pool->settings, pools_unmap_others);
	fork_for_helper(false);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

/* The helper is forked before there are threads, and these are started when it is done: on the processor
 * where it was forked it would wait for them. */
static int start_family(struct pool *pool)
{
	int error = start_helper(pool);

	if (error)
		return error;
	error = zygote_await(&pool->zygote);
	pool->zygote_alive = !error;
	if (!error)
		error = start_threads(pool);
	if (error)
		zygote_end(&pool->zygote);
	else
		slots_warm(pool);
	return error;
}

static int start(struct pool *pool)
{
	size_t tickets;
	int error = segment_create(pool->settings.config.workers, &pool->segment);

	if (error)
		return error;
	tickets = pool->segment->slot_count * sizeof *pool->tickets;
	pool->tickets = mmap(NULL, tickets, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	error = pool->tickets == MAP_FAILED ? ASSAY_ENOMEM : start_family(pool);
	if (!error)
		return ASSAY_OK;
	if (pool->tickets != MAP_FAILED)
		munmap(pool->tickets, tickets);
	segment_release(pool->segment);
	return error;
}

static int create(const struct assay_config *config, assay_executor **executor)
{
	struct assay_config own = *config;
	struct pool *pool;
	int error;

	if ((config->options && *config->options) || /* there are none */
	    (config->workers > MOST_WORKERS && config->workers != ASSAY_WORKERS_AUTO))
		return ASSAY_EINVAL;
	if (config->stack_size)
		return ASSAY_EUNSUPPORTED;
	if (own.workers == ASSAY_WORKERS_AUTO)
		own.workers = usable_cpus();
	pool = pool_new();
	if (!pool)
		return ASSAY_ENOMEM;
	pool->base.ops = &ops;
	error = settings_copy(&pool->settings, &own);
	if (!error) {
		error = reach_capture(pool) ? start(pool) : ASSAY_ENOMEM;
		if (error) {
			reach_free(pool);
			settings_free(&pool->settings);
		}
	}
	if (error) {
		pool_unused(pool);
		return error;
	}
	pool_register(pool);
	*executor = &pool->base;
	return ASSAY_OK;
}

const struct assay_backend assay_backend = {
	.abi = ASSAY_ABI,
	.capabilities = ASSAY_CAP_SHARED_MAPPINGS | ASSAY_CAP_FUNCTION_POINTERS |
			ASSAY_CAP_NAMED_FUNCTIONS | ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT |
			ASSAY_CAP_WORKER_LIMIT | ASSAY_CAP_EXACT_START | ASSAY_CAP_FIFO |
			ASSAY_CAP_SUBMITTER_FIFO | ASSAY_CAP_WORKER_REUSE |
			ASSAY_CAP_BOUNDED_QUEUE | ASSAY_CAP_INITIALIZER | ASSAY_CAP_WORKER_NAMES |
			ASSAY_CAP_TASKS_PER_WORKER | ASSAY_CAP_SURVIVES_CRASH |
			ASSAY_CAP_SURVIVES_THREAD_EXIT | ASSAY_CAP_TERMINATE |
			ASSAY_CAP_DRAINS_AT_EXIT | ASSAY_CAP_OWNS_WORKERS,
	.name = "process_pool",
	.summary = "forked worker processes fed through shared memory",
	.argument_limit = BYTES_LIMIT,
	.result_limit = BYTES_LIMIT,
	.create = create,
	.extension = assay_default_extension,
};
