/* SPDX-License-Identifier: MIT */
/*
 * The work of the tasks, the same for our backends, for the raw rivals and for the serial loop.
 */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A task that does next to nothing, and whose result shows that it was run (SplitMix64). */
static inline uint64_t spread(uint64_t value)
{
	uint64_t z = value + 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* Never inlined: a fork point is a call, in the serial row too. */
static __attribute__((noinline, unused)) uint64_t fib_serial(unsigned n)
{
	return n < 2 ? n : fib_serial(n - 1) + fib_serial(n - 2);
}

/* By addition, to compare with. */
static inline uint64_t fib_number(unsigned n)
{
	uint64_t now = 0, next = 1;

	while (n--) {
		uint64_t sum = now + next;

		now = next;
		next = sum;
	}
	return now;
}

/* Inner nodes of the tree of calls: as many forks. */
static inline uint64_t fib_forks(unsigned n)
{
	return fib_number(n + 1) - 1;
}

enum { SKYNET_CHILDREN = 10 };

static inline uint64_t skynet_nodes(uint64_t leaves)
{
	return (leaves * SKYNET_CHILDREN - 1) / (SKYNET_CHILDREN - 1);
}

/* The sum of the numbers of all leaves, counted from first. */
static __attribute__((noinline, unused)) uint64_t skynet_serial(uint64_t first, uint64_t leaves)
{
	uint64_t sum = 0;

	if (leaves == 1)
		return first;
	for (uint64_t i = 0; i < SKYNET_CHILDREN; i++)
		sum += skynet_serial(first + i * (leaves / SKYNET_CHILDREN),
				     leaves / SKYNET_CHILDREN);
	return sum;
}

/* About 2 ns: nothing that a vector unit would do eight at a time. */
static inline uint32_t map_item(uint32_t item)
{
	uint64_t x = item | 1;

	for (int i = 0; i < 4; i++)
		x = (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9u;
	return (uint32_t)(x >> 32);
}

/* A chain of multiplications, each waiting for the one before: time in proportion to length. */
static inline uint64_t burn(uint64_t seed, uint64_t length)
{
	for (uint64_t i = 0; i < length; i++)
		seed = seed * 6364136223846793005u + 1442695040888963407u;
	return seed;
}

#ifdef __cplusplus
}
#endif

#endif
