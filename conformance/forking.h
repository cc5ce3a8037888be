/* SPDX-License-Identifier: MIT */
/* Tasks that fork children, and workers that may take them. */
#ifndef FORKING_H
#define FORKING_H

#include "fixture.h"

#include <sched.h>

/* All workers of an executor exist and look for work: one of them may take a child. */
static inline assay_executor *executor_with_idle(struct subject *s, int workers)
{
	assay_executor *executor = executor_new(s, workers);

	if (s->backend->capabilities & ASSAY_CAP_CONCURRENT) {
		struct occupied occupied = occupy_workers(s, executor, workers);

		release_workers(&occupied);
	}
	return executor;
}

/* A chance for another worker, if there is one; whether it takes the child is its own affair. Where
 * none ever does, chances become short. */
static inline void offer(struct probe *started)
{
	static int64_t left_ns = -1;
	int64_t start_ns = assay_clock_ns(), end_ns;

	if (left_ns < 0)
		left_ns = 10 * short_time_ns();
	end_ns = start_ns + (left_ns < short_time_ns() ? left_ns : short_time_ns());
	while (!probe_count(started) && assay_remaining_ns(end_ns) > 0)
		sched_yield();
	if (!probe_count(started)) {
		left_ns -= assay_clock_ns() - start_ns;
		left_ns = left_ns > 0 ? left_ns : 0;
	}
}

#endif
