/* SPDX-License-Identifier: MIT */
/* A pool of threads over whatever queue it is linked with (queue.h). A backend is a descriptor
 * whose create is one of these functions. */
#ifndef POOL_H
#define POOL_H

#include <assay/backend.h>

/* What every pool can do, whatever its queue. */
#define POOL_CAPABILITIES                                                                    \
	(ASSAY_CAP_SHARED_MEMORY | ASSAY_CAP_SHARED_MAPPINGS | ASSAY_CAP_FUNCTION_POINTERS | \
	 ASSAY_CAP_NAMED_FUNCTIONS | ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT |         \
	 ASSAY_CAP_WORKER_LIMIT | ASSAY_CAP_EXACT_START | ASSAY_CAP_LAZY_WORKERS |           \
	 ASSAY_CAP_WORKER_REUSE | ASSAY_CAP_IDLE_FIRST | ASSAY_CAP_NESTED_SUBMIT |           \
	 ASSAY_CAP_NESTED_WAIT | ASSAY_CAP_BOUNDED_QUEUE | ASSAY_CAP_INITIALIZER |           \
	 ASSAY_CAP_WORKER_NAMES | ASSAY_CAP_STACK_SIZE | ASSAY_CAP_TASKS_PER_WORKER |        \
	 ASSAY_CAP_SURVIVES_THREAD_EXIT | ASSAY_CAP_DRAINS_AT_EXIT | ASSAY_CAP_OWNS_WORKERS)

/* Longest argument and longest result, in bytes. */
#define POOL_BYTES_LIMIT ((size_t)1 << 30)

/* Most workers: as many threads as one process can have on a common system. [CFG-4] */
#define POOL_WORKERS_LIMIT 32768

/* assay_backend.create. Options: "fences=full", see port.h; "help=off", see queue_help(); or both,
 * with a comma. */
int pool_create(const struct assay_config *config, assay_executor **executor);

#endif
