/* SPDX-License-Identifier: MIT */
/*
 * A raw driver: a rival used as its own manual would, without the contract, its futures and its
 * glue. It is the answer to "what does the adapter cost", and to "is the rival slowed by us".
 *
 * A driver is a shared object lib/assay-raw/NAME.so that exports one symbol, `raw_driver`. It is
 * loaded in the process of the sample, so the bench links no rival. The workload asks for what is
 * below, does everything around it (sizes, warm-up, producers, clocks, gaps, the comparison of each
 * result with the serial one), and both sides run the same functions of raw/work.h.
 *
 * Operations return 0 or an errno value. One that the rival has no means for is NULL, and the cell
 * is then not supported, with a reason. "Tasks" are units that the rival schedules one by one;
 * where it has futures, each task has one and is read through it.
 */
#ifndef BENCH_RAW_H
#define BENCH_RAW_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RAW_ABI 1u

/* An executor of the rival: the driver's own. */
struct raw_pool;

/* Why a workload of this name cannot be had from the rival. */
struct raw_refusal {
	const char *workload;
	const char *reason;
};

struct raw_driver {
	uint32_t abi;     /* RAW_ABI */
	const char *name; /* tbb_raw: of the file, and of the row */
	const char
		*summary; /* which of the rival's means are used; what differs from an executor */
	/* "oneTBB 2021.8": of what is loaded, not of the headers where these may differ. */
	const char *(*version)(void);
	const struct raw_refusal *refusals; /* ended by NULL; may be NULL */

	/* With so many threads that run tasks, beside one that submits; *effective is what the
	 * rival says it has. */
	int (*open)(int workers, struct raw_pool **pool, int *effective);
	void (*close)(struct raw_pool *pool);

	/*
	 * Calls body(user) where submit and round_trip may be called: inside a parallel region, or
	 * with an event loop of this thread. NULL: from any thread as it is.
	 */
	int (*enter)(struct raw_pool *pool, int (*body)(void *user), void *user);

	/*
	 * One task each for spread(first) .. spread(first + count - 1), all submitted before the
	 * first is read; the results to values. Several threads may be in it at once.
	 */
	int (*submit)(struct raw_pool *pool, uint64_t first, size_t count, uint64_t *values);
	/* The same in bulk, so many a call. */
	int (*submit_many)(struct raw_pool *pool, uint64_t first, size_t count, size_t batch,
			   uint64_t *values);
	/* One task for spread(argument), and its result. */
	int (*round_trip)(struct raw_pool *pool, uint64_t argument, uint64_t *value);

	/* From outside; a task for one of the two calls at each inner node, down to 0 and 1. */
	int (*fib)(struct raw_pool *pool, unsigned n, uint64_t *value);
	/* From outside; leaves is a power of ten; nine tasks and a call at each inner node. */
	int (*skynet)(struct raw_pool *pool, uint64_t leaves, uint64_t *sum);

	/* map_item() of each, in the chunks that the rival would make. */
	int (*map)(struct raw_pool *pool, const uint32_t *in, uint32_t *out, size_t count);
	/* One task each for work(items + i * size). */
	int (*for_each)(struct raw_pool *pool, void (*work)(void *item), void *items, size_t size,
			size_t count);

	/*
	 * Keeps every worker in a task of its own; mark(user); count tasks as of submit(), with their
	 * futures if there are any; mark(user); lets the workers go; reads them to values. Arrays
	 * of handles of at most 16 bytes a task are there before the first mark.
	 */
	int (*pend)(struct raw_pool *pool, size_t count, uint64_t *values, void (*mark)(void *user),
		    void *user);
};

extern __attribute__((visibility("default"))) const struct raw_driver raw_driver;

#ifdef __cplusplus
}
#endif

#endif
