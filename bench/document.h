/* SPDX-License-Identifier: MIT */
/* The file of results, before there are any. */
#ifndef BENCH_DOCUMENT_H
#define BENCH_DOCUMENT_H

#include "plan.h"

#include <cjson/cJSON.h>

/* Of a run with these options on this machine, with this program. NULL after a message: no memory. */
cJSON *document_make(const struct options *options);

#endif
