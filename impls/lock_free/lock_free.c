/* SPDX-License-Identifier: MIT */
#include "../core/pool.h"

const struct assay_backend assay_backend = {
	.abi = ASSAY_ABI,
	.capabilities = POOL_CAPABILITIES | ASSAY_CAP_SUBMITTER_FIFO,
	.name = "lock_free",
	.summary = "threads fed from a queue of its own for each submitter, without a lock",
	.argument_limit = POOL_BYTES_LIMIT,
	.result_limit = POOL_BYTES_LIMIT,
	.create = pool_create,
	.extension = assay_default_extension,
};
