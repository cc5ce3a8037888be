/* SPDX-License-Identifier: MIT */
/*
 * The contract copies bytes and calls no destructors, so what is kept shows in the heap of the
 * client: a test moves TOTAL bytes, and by its end all but SLACK must have been given back.
 */
#ifndef LIFETIME_H
#define LIFETIME_H

#include "fixture.h"
#include "heap.h"
#include "sanitizer.h"

#include <sched.h>
#include <stdlib.h>

#if BUILT_WITH_ASAN || BUILT_WITH_TSAN
/* Of <sanitizer/allocator_interface.h>, which GCC does not install. */
size_t __sanitizer_get_current_allocated_bytes(void); /* NOLINT(bugprone-reserved-identifier) */
#endif

#define TOTAL ((size_t)8 << 20)
#define SLACK ((size_t)1 << 20)
#define BLOCKS 32
#define BLOCK (TOTAL / BLOCKS)

static inline size_t heap_now(void)
{
#if BUILT_WITH_ASAN || BUILT_WITH_TSAN
	return __sanitizer_get_current_allocated_bytes();
#else
	return heap_in_use();
#endif
}

/* The heap before the test, once it is known that the census works in this process. */
static inline size_t heap_before(struct subject *s)
{
	size_t before = heap_now();
	char *volatile probe = malloc(TOTAL);

	if (!probe)
		UNRESOLVED("out of memory");
	if (heap_now() < before + TOTAL - SLACK) /* what other threads free meanwhile is less */
		UNRESOLVED("the allocator of this process does not tell how much is in use");
	free(probe);
	if (s->backend->argument_limit < TOTAL || s->backend->result_limit < TOTAL)
		UNSUPPORTED("arguments and results of %zu bytes exceed the limit", TOTAL);
	return heap_now();
}

static inline void check_freed(size_t before)
{
	size_t now = heap_now();

	if (now > before + SLACK)
		test_fail(__FILE__, __LINE__, "expected at most %zu bytes kept, saw %zu", SLACK,
			  now - before);
}

/* For what another thread gives back after it said that it is done; the deadline is the limit. */
static inline void await_freed(size_t before)
{
	NOTE("waiting for the heap to shrink to what it was before");
	while (heap_now() > before + SLACK)
		sched_yield();
	NOTE("%s", "");
}

#endif
