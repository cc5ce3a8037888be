/* SPDX-License-Identifier: MIT */
/* Running a task: what its function is given, and how what it made gets into the record. The
 * labels are those of future.h. */
#include "record.h"

#include <assay/backend.h>

#include <stdlib.h>

/* The result has outgrown `scratch`. */
static inline bool has_grown(const struct running *running)
{
	return running->call.result != running->scratch;
}

/* Its room then; or NULL. */
static inline void *heap_of(const struct running *running)
{
	return has_grown(running) ? running->call.result : NULL;
}

int future_call_reserve(assay_call *call, size_t size)
{
	struct running *running = (struct running *)call;
	void *heap;

	if (size > assay_backend.result_limit || !call->result) /* a child of a task has none */
		return ASSAY_ETOOBIG;
	heap = malloc(size);
	if (!heap)
		return ASSAY_ENOMEM;
	free(heap_of(running));
	call->result = heap;
	call->result_capacity = size;
	return ASSAY_OK;
}

void future_call_message(assay_call *call, const char *message)
{
	struct running *running = (struct running *)call;

	free(running->message);
	running->message = strdup(message);
}

const struct assay_call_ops future_call_ops = {
	.reserve = future_call_reserve,
	.message = future_call_message,
};

/* Puts what the function made into the record; takes over or frees running's memory. */
PORT_RARE static uint32_t store_outcome(struct future *future, struct running *running,
					int returned)
{
	size_t size = running->call.result_size;

	if (returned) {
		struct failure failure = {ASSAY_EFAILED, returned, running->message};

		if (returned == ASSAY_ENOMEM || returned == ASSAY_ETOOBIG) {
			failure.error = returned;
			failure.code = 0;
		}
		store_failure(future, failure);
		free(heap_of(running));
		return FAILED;
	}
	free(running->message);
	if (!has_grown(running)) {
		copy_inline(future->bytes, running->scratch, size);
	} else if (size > FUTURE_INLINE) {
		struct block block = {heap_of(running), size};

		memcpy(future->bytes, &block, sizeof block);
		return HEAP;
	} else {
		memcpy(future->bytes, running->call.result, size);
		free(heap_of(running));
	}
	return (uint32_t)size << SIZE_SHIFT;
}

bool future_call(struct future *future, assay_executor *executor, struct running *running,
		 struct future_outcome *outcome)
{
	/* relaxed: the starter is this thread; the flags of the argument do not change */
	uint32_t state = (uint32_t)atomic_load_explicit(&future->word, memory_order_relaxed);
	int returned;

	running->call.executor = executor;
	running->call.outer = NULL;
	running->call.argument = future->bytes;
	running->call.argument_size = state >> SIZE_SHIFT;
	running->call.result = running->scratch;
	running->call.result_size = 0;
	running->call.result_capacity = sizeof running->scratch;
	running->message = NULL;
	if (__builtin_expect(state & HEAP, 0)) {
		running->call.argument = block_of(future).data;
		running->call.argument_size = block_of(future).size;
	}
	returned = future->function(&running->call);
	if (__builtin_expect(state & HEAP, 0))
		free(block_of(future).data);
	if (__builtin_expect(returned || has_grown(running) || running->message, 0)) {
		outcome->flags = store_outcome(future, running, returned);
	} else {
		copy_inline(future->bytes, running->scratch, running->call.result_size);
		outcome->flags = (uint32_t)running->call.result_size << SIZE_SHIFT;
	}
	return !returned;
}

void future_call_ended(struct future *future, struct running *running,
		       struct future_outcome *outcome)
{
	free(heap_of(running));
	free(running->message);
	future_fail(future, ASSAY_EDIED, "the task ended its thread", outcome);
}
