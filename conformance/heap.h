/* SPDX-License-Identifier: MIT */
/* A census of the heap of this process, for what must not grow with repetition. */
#ifndef HEAP_H
#define HEAP_H

#include <malloc.h>
#include <stddef.h>

/* Bytes handed out and not freed, in all threads; what a thread keeps for reuse counts as used.
 * The sanitizers' allocators say 0, but find leaks by themselves. */
static inline size_t heap_in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

#endif
