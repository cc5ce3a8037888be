/* SPDX-License-Identifier: MIT */
#ifndef BENCH_VERSIONS_H
#define BENCH_VERSIONS_H

#include <cjson/cJSON.h>

/* A new object: the versions of the libraries that this program is linked with, by name. */
cJSON *versions_describe(void);

#endif
