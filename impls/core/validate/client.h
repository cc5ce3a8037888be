/* SPDX-License-Identifier: MIT */
/* What the programs do as clients of the backend that they are linked with; all of it must succeed. */
#ifndef CLIENT_H
#define CLIENT_H

#include <assay/backend.h>

#include "validate.h"

/* options: of the backend's own, or NULL */
static inline assay_executor *client_create(int workers, const char *options)
{
	struct assay_config config = assay_config_default();
	assay_executor *executor;

	config.workers = workers;
	config.options = options;
	MUST(assay_executor_create(&assay_backend, &config, &executor) == ASSAY_OK);
	return executor;
}

static inline assay_future *client_submit(assay_executor *executor, assay_function *function,
					  const void *argument, size_t size)
{
	struct assay_task task = {
		.function = function, .argument = argument, .argument_size = size};
	assay_future *future;

	MUST(assay_submit(executor, &task, &future) == ASSAY_OK);
	return future;
}

/* Waits for its success, and gives up the handle. */
static inline void client_finish(assay_future *future)
{
	MUST(assay_future_result(future, ASSAY_FOREVER, NULL, 0) == ASSAY_OK);
	assay_future_release(future);
}

#endif
