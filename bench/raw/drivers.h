/* SPDX-License-Identifier: MIT */
/* Which raw drivers there could be, and where they are. See raw.h. */
#ifndef BENCH_RAW_DRIVERS_H
#define BENCH_RAW_DRIVERS_H

#include "raw.h"

#include <stdbool.h>

/* By its name alone: it ends in _raw, or as a path in _raw.so. */
bool raw_is_driver(const char *name);

/* The names of all that can be built, ended by NULL, and how many they are. */
const char *const *raw_names(void);
size_t raw_count(void);

bool raw_is_built(const char *name);

/* Says which package a driver was not built for want of, or which drivers there are. */
void raw_complain(const char *name);

/* The file of a driver given by name or path, to be freed; NULL after a message. */
char *raw_resolve(const char *name);

/* NULL, and why in message. The module stays loaded. */
const struct raw_driver *raw_open(const char *file, char *message, size_t size);

#endif
