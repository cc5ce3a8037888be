/* SPDX-License-Identifier: MIT */
#ifndef BENCH_TABLE_H
#define BENCH_TABLE_H

#include "plan.h"

#include <cjson/cJSON.h>

/*
 * The results as text: for each cell the median of the workload's metric, its spread, the ratio to
 * the best of the same workload and workers, and the CPU time of an operation.
 * 0, or -1 after a message.
 */
int table_write(const cJSON *document, const struct plan *plan, const char *output);

#endif
