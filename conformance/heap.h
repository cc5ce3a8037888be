/* SPDX-License-Identifier: MIT */
/* A census of the memory of this process, for what must not grow with repetition. */
#ifndef HEAP_H
#define HEAP_H

#include <malloc.h>
#include <stddef.h>
#include <stdio.h>

/* Bytes handed out and not freed, in all threads; what a thread keeps for reuse counts as used.
 * The sanitizers' allocators say 0, but find leaks by themselves. */
static inline size_t heap_in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

/* Bytes of shared mappings that this process has touched, and that have memory. */
static inline size_t shared_in_use(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[128];
	size_t kib = 0;

	while (file && fgets(line, sizeof line, file) && sscanf(line, "RssShmem: %zu", &kib) != 1)
		;
	if (file)
		fclose(file);
	return kib * 1024;
}

#endif
