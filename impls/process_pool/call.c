/* SPDX-License-Identifier: MIT */
/* One task in a worker process: what it calls, and what comes of it. The labels are those of segment.h. */
#include "worker.h"

#include <stdlib.h>
#include <string.h>

/*
 * What a task calls
 */

static void give_extent(struct worker *worker)
{
	if (worker->has_extent)
		arena_give(worker->segment, worker->extent, worker->extent_size);
	worker->has_extent = false;
}

static bool take_extent(struct worker *worker, size_t size)
{
	give_extent(worker);
	worker->has_extent = arena_take(worker->segment, size, owner_of_result(worker->slot_index),
					&worker->extent);
	worker->extent_size = size;
	return worker->has_extent;
}

static int reserve(assay_call *call, size_t size)
{
	struct worker *worker = (struct worker *)call;
	size_t before = worker->extent, before_size = worker->extent_size;
	bool had = worker->has_extent;

	if (size > assay_backend.result_limit)
		return ASSAY_ETOOBIG;
	worker->has_extent = false; /* the result made so far stays if there is no room */
	if (!take_extent(worker, size)) {
		worker->has_extent = had;
		worker->extent_size = before_size;
		return ASSAY_ENOMEM;
	}
	if (had)
		arena_give(worker->segment, before, before_size);
	call->result = worker->segment->arena + worker->extent;
	call->result_capacity = size;
	return ASSAY_OK;
}

static void keep_message(assay_call *call, const char *message)
{
	struct worker *worker = (struct worker *)call;

	free(worker->message);
	worker->message = strdup(message);
}

const struct assay_call_ops worker_call_ops = {
	.reserve = reserve,
	.message = keep_message,
};

/*
 * Running
 */

/* Then it must find its argument unharmed, until it is done. */
static bool may_run_again(const struct worker *worker)
{
	return worker->settings->config.on_worker_death == ASSAY_DEATH_RETRIES;
}

static size_t start_of_outcome(const struct worker *worker)
{
	if (!may_run_again(worker))
		return 0;
	return worker->argument_size > SLOT_BYTES ? 0 : (worker->argument_size + 15) / 16 * 16;
}

/* Puts bytes where the client finds them. */
static bool store_bytes(struct worker *worker, const void *bytes, size_t size)
{
	struct slot *slot = worker->slot;
	size_t start = start_of_outcome(worker);

	if (start + size <= SLOT_BYTES) {
		slot->offset = (uint32_t)start;
		if (size)
			memcpy(slot->bytes + start, bytes, size);
		STEP();
	} else {
		if (!take_extent(worker, size))
			return false;
		memcpy(worker->segment->arena + worker->extent, bytes, size);
		slot->offset = SLOT_EXTENT;
		slot->extent = worker->extent;
		STEP();
	}
	slot->size = size;
	return true;
}

static void store_failure(struct worker *worker, int returned)
{
	struct slot *slot = worker->slot;
	const char *message = worker->message ? worker->message : "";
	bool system = returned == ASSAY_ENOMEM || returned == ASSAY_ETOOBIG;

	give_extent(worker);
	slot->error = system ? returned : ASSAY_EFAILED;
	slot->code = system ? 0 : returned;
	if (!store_bytes(worker, message, strlen(message)))
		store_bytes(worker, "", 0);
}

/* A result shorter than the room that was made for it. */
static void trim_extent(struct worker *worker, size_t size)
{
	size_t used = (size + UNIT - 1) / UNIT * UNIT;

	if (used < worker->extent_size)
		arena_give(worker->segment, worker->extent + used, worker->extent_size - used);
}

static void store_result(struct worker *worker)
{
	struct slot *slot = worker->slot;
	size_t size = worker->call.result_size;

	slot->error = ASSAY_OK;
	slot->code = 0;
	if (worker->has_extent && size > SLOT_BYTES) {
		trim_extent(worker, size);
		slot->offset = SLOT_EXTENT;
		slot->extent = worker->extent;
		slot->size = size;
	} else {
		/* From the extent too, which then is in the way if the bytes need another. */
		bool had = worker->has_extent;
		size_t before = worker->extent, before_size = worker->extent_size;

		worker->has_extent = false;
		if (!store_bytes(worker, worker->call.result, size)) {
			slot->error = ASSAY_ENOMEM;
			slot->offset = 0;
			slot->size = 0;
		}
		if (had)
			arena_give(worker->segment, before, before_size);
	}
}

static void store_outcome(struct worker *worker, int returned)
{
	if (returned)
		store_failure(worker, returned);
	else
		store_result(worker);
	worker->has_extent = false;
	free(worker->message);
	worker->message = NULL;
}

/* For those who look after completions of others. */
static void tell(struct worker *worker)
{
	struct lane *lane = worker->lane;
	uint32_t tail = atomic_load_explicit(&lane->told_tail, memory_order_relaxed);

	/* S5 */
	if (tail - atomic_load_explicit(&lane->told_head, memory_order_acquire) == TOLD_RING) {
		atomic_store_explicit(&lane->overflown, 1, memory_order_seq_cst); /* K1 */
	} else {
		atomic_store_explicit(&lane->told[tail % TOLD_RING], worker->slot_index,
				      memory_order_relaxed);
		STEP();
		atomic_store_explicit(&lane->told_tail, tail + 1, memory_order_seq_cst); /* S3 K1 */
	}
	STEP();
	ring_bell(worker->segment->control);
}

void worker_finish(struct worker *worker)
{
	struct lane *lane = worker->lane;
	uint64_t word = worker->word, told = 0;

	if (worker->argument_size > SLOT_BYTES && may_run_again(worker))
		told = SLOT_TELL; /* the collector gives it back, even if nobody asks */
	else if (worker->argument_size > SLOT_BYTES)
		arena_give(worker->segment, worker->argument_extent, worker->argument_size);
	/* relaxed: published with the slot */
	atomic_store_explicit(&lane->finished,
			      atomic_load_explicit(&lane->claim, memory_order_relaxed),
			      memory_order_relaxed);
	STEP();
	while (!atomic_compare_exchange_weak_explicit(&worker->slot->word, &word,
						      (word + SLOT_DONE - SLOT_RUNNING) | told,
						      memory_order_acq_rel, /* S2 */
						      memory_order_relaxed))
		/* Declared dead, and its task ended: see lose_helper(). */
		if ((word ^ worker->word) & ~(SLOT_SLEEPERS | SLOT_TELL))
			_exit(1);
	STEP();
	if (word & SLOT_SLEEPERS)
		shared_wake(slot_futex(worker->slot), INT_MAX);
	STEP();
	if ((word | told) & SLOT_TELL)
		tell(worker);
	STEP();
}

void worker_call(struct worker *worker)
{
	struct slot *slot = worker->slot;
	int returned;

	worker->call.argument = slot->size > SLOT_BYTES ? worker->segment->arena + slot->extent
							: (char *)slot->bytes;
	worker->call.argument_size = slot->size;
	worker->call.executor = NULL;
	worker->call.outer = NULL;
	worker->call.result = worker->scratch;
	worker->call.result_size = 0;
	worker->call.result_capacity = SLOT_BYTES;
	worker->argument_size = slot->size;
	worker->argument_extent = slot->extent;
	STEP();
	returned = slot->function(&worker->call);
	STEP();
	store_outcome(worker, returned);
}
