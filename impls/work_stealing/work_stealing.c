/* SPDX-License-Identifier: MIT */
#include "../core/pool.h"

const struct assay_backend assay_backend = {
	.abi = ASSAY_ABI,
	.capabilities = POOL_CAPABILITIES,
	.name = "work_stealing",
	.summary = "a deque for each worker, from which idle workers steal",
	.argument_limit = POOL_BYTES_LIMIT,
	.result_limit = POOL_BYTES_LIMIT,
	.create = pool_create,
	.extension = assay_default_extension,
};
