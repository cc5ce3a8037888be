/* SPDX-License-Identifier: MIT */
/* Small numbers for threads: no two living threads have the same, and those of ended threads are
 * used again, the latest first. A thread keeps its number until its destructors of thread-specific data
 * run; what submits then, does it under borrowed ones. */
#ifndef THREAD_H
#define THREAD_H

#include "port.h"

#define THREAD_UNNUMBERED UINT32_MAX

extern _Thread_local uint32_t thread_own_number;

uint32_t thread_number_slow(void);

/* Of the calling thread. What an earlier thread of this number did happened before.
 * THREAD_UNNUMBERED without memory, and for a thread that is over. */
static inline uint32_t thread_number(void)
{
	return thread_own_number != THREAD_UNNUMBERED ? thread_own_number : thread_number_slow();
}

/* It has given its number back, and can keep none any more. */
bool thread_is_over(void);

/* A number that somebody has, or had. */
struct thread_number {
	struct thread_number *next_free;
	uint32_t value;
};

/* A number for a moment. NULL without memory. */
struct thread_number *thread_borrow(void);
void thread_give_back(struct thread_number *number);

#endif
