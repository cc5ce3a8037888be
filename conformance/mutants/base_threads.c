/* SPDX-License-Identifier: MIT */
/* The base as a pool of threads. */
#include "base_pool.h"

const bool mutant_has_processes = false;

const struct assay_backend assay_backend = {
	.abi = ASSAY_ABI,
	.capabilities = ASSAY_CAP_SHARED_MEMORY | ASSAY_CAP_SHARED_MAPPINGS |
			ASSAY_CAP_FUNCTION_POINTERS | ASSAY_CAP_NAMED_FUNCTIONS |
			ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT | ASSAY_CAP_WORKER_LIMIT |
			ASSAY_CAP_EXACT_START | ASSAY_CAP_FIFO | ASSAY_CAP_SUBMITTER_FIFO |
			ASSAY_CAP_LAZY_WORKERS | ASSAY_CAP_WORKER_REUSE | ASSAY_CAP_IDLE_FIRST |
			ASSAY_CAP_NESTED_SUBMIT | ASSAY_CAP_NESTED_WAIT | ASSAY_CAP_BOUNDED_QUEUE |
			ASSAY_CAP_INITIALIZER | ASSAY_CAP_WORKER_NAMES | ASSAY_CAP_STACK_SIZE |
			ASSAY_CAP_TASKS_PER_WORKER | ASSAY_CAP_SURVIVES_THREAD_EXIT |
			ASSAY_CAP_DRAINS_AT_EXIT | ASSAY_CAP_OWNS_WORKERS,
	.name = "base",
	.summary = "the pool that mutants are made of",
	.argument_limit = (size_t)1 << 30,
	.result_limit = (size_t)1 << 30,
	.create = pool_create,
	.extension = assay_default_extension,
};
