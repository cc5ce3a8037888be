/* SPDX-License-Identifier: MIT */
/* Small numbers for threads: no two living threads have the same, and those of ended threads are
 * used again, the latest first. */
#ifndef THREAD_H
#define THREAD_H

#include "port.h"

#define THREAD_UNNUMBERED UINT32_MAX

extern _Thread_local uint32_t thread_own_number;

uint32_t thread_number_slow(void);

/* Of the calling thread. What an earlier thread of this number did happened before.
 * THREAD_UNNUMBERED without memory. */
static inline uint32_t thread_number(void)
{
	return thread_own_number != THREAD_UNNUMBERED ? thread_own_number : thread_number_slow();
}

#endif
