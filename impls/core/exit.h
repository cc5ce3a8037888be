/* SPDX-License-Identifier: MIT */
/* The end of a program whose pools were not destroyed, and its forked children. */
#ifndef EXIT_H
#define EXIT_H

#include <stdbool.h>

struct pool;

/* From here on exit waits for the pool's tasks [SHD-14], and a forked child does not [FRK-3]. False
 * without memory. */
bool exit_remember(struct pool *pool);

/* Before the pool is freed; waits while exit is using it. */
void exit_forget(struct pool *pool);

#endif
