/* SPDX-License-Identifier: MIT */
#ifndef BENCH_VERSIONS_H
#define BENCH_VERSIONS_H

#include <cjson/cJSON.h>

/* A new object: versions, by name, of the libraries that this program is linked with, and of nginx. */
cJSON *versions_describe(void);

#endif
