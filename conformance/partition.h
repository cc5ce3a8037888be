/* SPDX-License-Identifier: MIT */
/* assay_wait() with every promise about its two sets checked. */
#ifndef PARTITION_H
#define PARTITION_H

#include "fixture.h"

static inline bool holds_future(assay_future *const *futures, size_t count,
				const assay_future *future)
{
	for (size_t i = 0; i < count; i++)
		if (futures[i] == future)
			return true;
	return false;
}

/* The two sets: disjoint, together every future once, each in the order given, done means done. */
static inline void check_partition(assay_future *const *futures, size_t count,
				   const struct assay_partition *seen)
{
	size_t done = 0, pending = 0;

	CHECK(seen->done + seen->pending <= count);
	for (size_t i = 0; i < count; i++) {
		if (holds_future(futures, i, futures[i]))
			continue;
		if (done < seen->done && seen->futures[done] == futures[i])
			done++;
		else if (pending < seen->pending &&
			 seen->futures[seen->done + pending] == futures[i])
			pending++;
		else
			test_fail(__FILE__, __LINE__,
				  "future %zu is in neither set, or out of order", i);
	}
	CHECK_EQ(seen->done, done);
	CHECK_EQ(seen->pending, pending);
	for (size_t i = 0; i < seen->done; i++)
		CHECK(assay_future_is_done(seen->futures[i]));
}

/* Waits and checks; room is for count futures. */
static inline struct assay_partition partition_of(assay_future *const *futures, size_t count,
						  enum assay_wait_until until, int64_t timeout_ns,
						  assay_future **room)
{
	struct assay_partition seen = {.futures = room};

	CHECK_OK(assay_wait(futures, count, until, timeout_ns, &seen));
	check_partition(futures, count, &seen);
	return seen;
}

static inline void release_all(assay_future *const *futures, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assay_future_release(futures[i]);
}

#endif
