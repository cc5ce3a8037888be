/* SPDX-License-Identifier: MIT */
/* What the bytes and bits of a future's record mean: for those who make, run, end and await it. */
#ifndef RECORD_H
#define RECORD_H

#include "future.h"

#include <assert.h>
#include <string.h>

/*
 * The word: references in the upper half, the state in the lower, which is also the futex of those
 * who wait. Status moves PENDING -> RUNNING -> FINISHED or PENDING -> CANCELLED; a done word
 * never changes its status again. HEAP, FAILED and the size describe `bytes`:
 *   not done             the argument
 *   FINISHED             the result, or with FAILED a struct failure
 *   CANCELLED            nothing
 */
#define STATUS 3u
#define LOCKED 4u   /* somebody edits `observers`; never set on a done word */
#define OBSERVED 8u /* `observers` is not empty: settling must notify */
#define FAILED 16u
#define HEAP 32u /* bytes holds a struct block */
/* Started by who waits: the executor's reference is that of an entry in a queue, or, until the end, of the
 * starter that has taken it out. */
#define LEFT 64u
/* How many sleep on the word: settling must wake them. As many as it can count it says for good. */
#define SLEEPER 256u
#define SLEEPERS 0xffff00u
#define SIZE_SHIFT 24

#define REFERENCE (UINT64_C(1) << 32)

static inline uint32_t references_of(uint64_t word)
{
	return (uint32_t)(word >> 32);
}

struct block {
	void *data;
	size_t size;
};

struct failure {
	int error;
	int code;
	char *message; /* from malloc, or NULL */
};

static_assert(FUTURE_INLINE <= UINT32_MAX >> SIZE_SHIFT, "a size in line fits");
static_assert(sizeof(struct block) <= FUTURE_INLINE, "a block fits");
static_assert(sizeof(struct failure) <= FUTURE_INLINE, "a failure fits");

static inline bool is_done(uint64_t word)
{
	return (word & STATUS) >= ASSAY_CANCELLED;
}

static inline _Atomic uint32_t *futex_of(struct future *future)
{
	return (_Atomic uint32_t *)&future->word + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

static inline struct block block_of(const struct future *future)
{
	struct block block;

	memcpy(&block, future->bytes, sizeof block);
	return block;
}

static inline struct failure failure_of(const struct future *future)
{
	struct failure failure;

	memcpy(&failure, future->bytes, sizeof failure);
	return failure;
}

/* Two words, one after the other: a load of both at once would wait for the caches where they have
 * just been written one by one. */
static inline void copy_words(unsigned char *to, const unsigned char *from)
{
	uint64_t first, second;

	memcpy(&first, from, 8);
	memcpy(&second, from + 8, 8);
	__asm__("" : "+r"(first)); /* keeps the compiler from joining them */
	memcpy(to, &first, 8);
	memcpy(to + 8, &second, 8);
}

/* Of no common size. */
PORT_OUTLINE void copy_odd(unsigned char *to, const void *from, size_t size);

static inline bool is_common_size(size_t size)
{
	return size == 8 || size == 4 || size == 16 || size == 0;
}

/* False: it is of no common size. */
static inline bool copy_common(unsigned char *to, const void *from, size_t size)
{
	if (__builtin_expect(size == 8, 1))
		memcpy(to, from, 8);
	else if (size == 4)
		memcpy(to, from, 4);
	else if (size == 16)
		copy_words(to, from);
	else
		return !size;
	return true;
}

/* What fits into a record, without a call for the common sizes. */
static inline void copy_inline(unsigned char *to, const void *from, size_t size)
{
	if (!copy_common(to, from, size))
		copy_odd(to, from, size);
}

static inline void store_failure(struct future *future, struct failure failure)
{
	memcpy(future->bytes, &failure, sizeof failure);
}

/* A failure, or what does not lie in the record. */
PORT_RARE void wait_read_rare(const struct future *future, uint32_t state,
			      struct assay_outcome *outcome);

/* The outcome of a done future, whose state this was. */
static inline void wait_read(const struct future *future, uint32_t state,
			     struct assay_outcome *outcome)
{
	size_t size = state >> SIZE_SHIFT;

	outcome->error = outcome->code = 0;
	/* Not by a conditional move: who reads there is not to wait for the state. */
	if (__builtin_expect_with_probability(size != 0, 1, 1))
		outcome->result = future->bytes;
	else
		outcome->result = NULL;
	outcome->result_size = size;
	outcome->message = "";
	if (__builtin_expect((state & (STATUS | FAILED | HEAP)) != ASSAY_FINISHED, 0))
		wait_read_rare(future, state, outcome);
}

/* Of the calling thread, where it works for the future's executor; or NULL. */
static inline struct runner *wait_runner(const struct future *future)
{
	struct runner *runner = current_runner;

	return runner && runner->executor == future->home ? runner : NULL;
}

/* In a child that a task forked nobody will ever end what was pending. relaxed: as in
 * settings_are_orphaned() */
static inline bool wait_is_lost(const struct runner *runner)
{
	return runner->forks != atomic_load_explicit(&port_forks, memory_order_relaxed);
}

/* Until it is done, if it may take so long: helps, or waits. Returns what wait_outcome_op() does. */
PORT_OUTLINE int wait_late(struct future *future, int64_t timeout_ns,
			   struct assay_outcome *outcome);

/* Entries of future_ops that are in wait.c. A pool has another of the first, in worker.c. */
int wait_outcome_op(assay_future *base, int64_t timeout_ns, struct assay_outcome *outcome);
int wait_park_op(assay_future *base, struct assay_signal *signal, int64_t timeout_ns);
bool wait_helps_op(assay_future *base);

#endif
