/* SPDX-License-Identifier: MIT */
/* The floor every pool has to beat: a pool whose workers live for one task each. */
#include "../core/pool.h"

static int create(const struct assay_config *config, assay_executor **executor)
{
	struct assay_config one = *config;

	if (config->tasks_per_worker != INT_MAX)
		return ASSAY_EUNSUPPORTED;
	one.tasks_per_worker = 1;
	return pool_create(&one, executor);
}

const struct assay_backend assay_backend = {
	.abi = ASSAY_ABI,
	.capabilities =
		(POOL_CAPABILITIES | ASSAY_CAP_FIFO | ASSAY_CAP_SUBMITTER_FIFO) &
		~(ASSAY_CAP_WORKER_REUSE | ASSAY_CAP_IDLE_FIRST | ASSAY_CAP_TASKS_PER_WORKER),
	.name = "thread_per_task",
	.summary = "a new thread for each task, as many at once as workers",
	.argument_limit = POOL_BYTES_LIMIT,
	.result_limit = POOL_BYTES_LIMIT,
	.create = create,
	.extension = assay_default_extension,
};
