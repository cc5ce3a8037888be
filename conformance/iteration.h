/* SPDX-License-Identifier: MIT */
/* Steps of an iteration in completion order, checked. */
#ifndef ITERATION_H
#define ITERATION_H

#include "fixture.h"

static inline assay_as_completed *iteration_begin(assay_future *const *futures, size_t count,
						  int64_t timeout_ns)
{
	assay_as_completed *iteration = NULL;

	CHECK_OK(assay_as_completed_begin(futures, count, timeout_ns, &iteration));
	CHECK(iteration != NULL);
	return iteration;
}

static inline assay_future *iteration_next(assay_as_completed *iteration)
{
	assay_future *future = NULL;

	CHECK_OK(assay_as_completed_next(iteration, &future));
	CHECK(future != NULL);
	CHECK(assay_future_is_done(future));
	return future;
}

/* What next says when it yields nothing. */
static inline int iteration_error(assay_as_completed *iteration)
{
	assay_future *const untouched = (assay_future *)iteration;
	assay_future *future = untouched;
	int error = assay_as_completed_next(iteration, &future);

	CHECK(error != ASSAY_OK);
	CHECK(future == untouched);
	return error;
}

#endif
