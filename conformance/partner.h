/* SPDX-License-Identifier: MIT */
/* A second executor, to mix futures of different origin: of another backend where one is installed
 * beside the program, else of the subject's own. */
#ifndef PARTNER_H
#define PARTNER_H

#include "fixture.h"

#include <assay/load.h>

#include <string.h>

/* Any backend that is no subject's copy would do; these run their tasks asynchronously. */
static inline assay_executor *partner_new(struct subject *s, int workers)
{
	static const char *const names[] = {"mutex_queue", "thread_per_task"};
	struct assay_config config = assay_config_default();
	const struct assay_backend *backend;
	assay_executor *executor;

	config.workers = workers;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(names[i], s->backend->name) == 0 ||
		    assay_backend_open(names[i], &backend, NULL, 0))
			continue;
		CHECK_OK(assay_executor_create(backend, &config, &executor));
		return executor;
	}
	NOTE("no other backend is installed: two executors of this one");
	return executor_new(s, workers);
}

#endif
