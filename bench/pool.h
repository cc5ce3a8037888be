/* SPDX-License-Identifier: MIT */
/* Percentiles over all repetitions of a cell, where those of one repetition are too few. */
#ifndef BENCH_POOL_H
#define BENCH_POOL_H

#include "plan.h"

#include <cjson/cJSON.h>

/* Keeps the latencies in what a child answered, if there are any. 0, or -1 without memory. */
int pool_take(struct plan_cell *cell, const cJSON *answer);

/*
 * A new array of the percentiles that no repetition alone could give and all together can, each
 * with metric, unit, value and message, as a child would have answered. Empty without any.
 */
cJSON *pool_percentiles(struct plan_cell *cell);

#endif
