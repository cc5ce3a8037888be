/* SPDX-License-Identifier: MIT */
/*
 * Arguments and results from nothing to 64 MiB: a task returns the bytes that it was given. Between
 * threads they are copied once or twice, or handed over; between processes they go through a pipe
 * or shared memory. Checked byte by byte, but for the empty ones, whose tasks are counted.
 *
 * payload_* keep every result, so that each lies in memory that was never touched before. stream_*
 * read a result, release it and go on, with two tasks under way: what is left is the copies. Of
 * stream_in_place_* the client looks at the result where the executor has it: one copy less. Each
 * carries its number in front, and the last is compared byte by byte.
 */
#include "../marks.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { UNDER_WAY = 2 };

struct payload {
	size_t size;
	char *bytes;
	char *back; /* what was read last, of a stream; NULL: it is read in place */
	assay_future **futures;
	assay_future *last; /* whose result was read in place last */
	size_t submitted;
};

/* How many tasks ran, where every worker sees it; NULL where one does not. */
static _Atomic uint64_t *ran;

static int echo_task(assay_call *call)
{
	/* Relaxed: who reads it has seen the futures done. */
	if (ran)
		atomic_fetch_add_explicit(ran, 1, memory_order_relaxed);
	return assay_return(call, call->argument, call->argument_size);
}

static const struct assay_named_function functions[] = {{"echo", echo_task}, {NULL, NULL}};

static int setup(struct cell *cell, size_t size)
{
	struct payload *payload;
	uint64_t random = cell->seed;

	if (cell->backend->argument_limit < size || cell->backend->result_limit < size)
		return cell_unsupported(
			cell, "%zu bytes are more than its limits: arguments %zu, results %zu",
			size, cell->backend->argument_limit, cell->backend->result_limit);
	payload = cell->state = calloc(1, sizeof *payload);
	if (payload)
		payload->bytes = malloc(size + sizeof random);
	if (!payload || !payload->bytes)
		return cell_fail(cell, "no memory for %zu bytes", size);
	payload->size = size;
	for (size_t i = 0; i < size; i += sizeof random) {
		uint64_t word = next_random(&random);

		memcpy(payload->bytes + i, &word, sizeof word);
	}
	ran = shared_memory(cell, sizeof *ran);
	return ran ? 0 : -1;
}

static void release(struct payload *payload)
{
	while (payload->submitted)
		assay_future_release(payload->futures[--payload->submitted]);
	free(payload->futures);
	payload->futures = NULL;
}

static void release_last(struct payload *payload)
{
	if (payload->last)
		assay_future_release(payload->last);
	payload->last = NULL;
}

static int prepare(struct cell *cell, uint64_t operations)
{
	struct payload *payload = cell->state;

	release(payload);
	payload->futures = calloc(operations, sizeof(assay_future *));
	/* Relaxed: no task is under way. */
	atomic_store_explicit(ran, 0, memory_order_relaxed);
	return payload->futures ? 0 : cell_fail(cell, "no memory for the futures");
}

static int run(struct cell *cell, uint64_t operations)
{
	struct payload *payload = cell->state;
	struct assay_task task = cell_task(cell, echo_task, payload->bytes, payload->size);

	for (; payload->submitted < operations; payload->submitted++) {
		int error =
			assay_submit(cell->executor, &task, &payload->futures[payload->submitted]);

		if (error)
			return cell_fail(cell, "submit: %s", assay_error_text(error));
	}
	for (size_t i = 0; i < operations; i++) {
		int error = assay_future_wait(payload->futures[i], ASSAY_FOREVER);

		if (error)
			return cell_fail(cell, "task %zu: %s", i, assay_error_text(error));
	}
	return 0;
}

static int check_one(struct cell *cell, size_t index)
{
	const struct payload *payload = cell->state;
	struct assay_outcome outcome;
	int error = assay_future_outcome(payload->futures[index], 0, &outcome);

	if (error || outcome.error)
		return cell_fail(cell, "task %zu: %s: %s", index,
				 assay_error_text(error ? error : outcome.error),
				 error ? "" : outcome.message);
	if (outcome.result_size != payload->size)
		return cell_fail(cell, "task %zu: a result of %zu bytes, expected %zu", index,
				 outcome.result_size, payload->size);
	if (payload->size && memcmp(outcome.result, payload->bytes, payload->size) != 0)
		return cell_fail(cell, "task %zu: the result is not the argument", index);
	return 0;
}

static int check(struct cell *cell, uint64_t operations)
{
	uint64_t times;

	for (size_t i = 0; i < operations; i++)
		if (check_one(cell, i))
			return -1;
	/* Relaxed: all futures are done. */
	times = atomic_load_explicit(ran, memory_order_relaxed);
	if (cell->backend->capabilities & ASSAY_CAP_SHARED_MAPPINGS && times != operations)
		return cell_fail(cell, "%llu of %llu tasks ran", (unsigned long long)times,
				 (unsigned long long)operations);
	return 0;
}

static int setup_stream_in_place(struct cell *cell, size_t size)
{
	struct payload *payload;

	if (setup(cell, size))
		return -1;
	payload = cell->state;
	payload->futures = calloc(UNDER_WAY, sizeof(assay_future *));
	return payload->futures ? 0 : cell_fail(cell, "no memory for the futures");
}

static int setup_stream(struct cell *cell, size_t size)
{
	struct payload *payload;

	if (setup_stream_in_place(cell, size))
		return -1;
	payload = cell->state;
	payload->back = calloc(1, size);
	if (!payload->back)
		return cell_fail(cell, "no memory for %zu bytes", size);
	memset(payload->back, 1, size);
	return 0;
}

static int prepare_stream(struct cell *cell, uint64_t operations)
{
	(void)cell;
	(void)operations;
	/* Relaxed: no task is under way. */
	atomic_store_explicit(ran, 0, memory_order_relaxed);
	return 0;
}

/* Where the result of this future is; NULL after cell_fail(). */
static const char *read_bytes(struct cell *cell, uint64_t index, assay_future *future)
{
	struct payload *payload = cell->state;
	struct assay_outcome outcome = {0};
	int error;

	if (payload->back)
		error = assay_future_result(future, ASSAY_FOREVER, payload->back, payload->size);
	else
		error = assay_future_outcome(future, ASSAY_FOREVER, &outcome);
	if (!error)
		error = outcome.error;
	if (!error && !payload->back && outcome.result_size != payload->size)
		error = ASSAY_ETOOBIG;
	if (error) {
		cell_fail(cell, "task %llu: %s", (unsigned long long)index,
			  assay_error_text(error));
		return NULL;
	}
	return payload->back ? payload->back : outcome.result;
}

static int read_one(struct cell *cell, uint64_t index, bool is_last)
{
	struct payload *payload = cell->state;
	assay_future **future = &payload->futures[index % UNDER_WAY];
	const char *bytes = read_bytes(cell, index, *future);
	uint64_t number = ~index;

	if (bytes)
		memcpy(&number, bytes, sizeof number);
	if (is_last && bytes && !payload->back)
		payload->last = *future; /* it has the only copy */
	else
		assay_future_release(*future);
	*future = NULL;
	if (bytes && number != index)
		return cell_fail(cell, "task %llu returned the bytes of task %llu",
				 (unsigned long long)index, (unsigned long long)number);
	return bytes ? 0 : -1;
}

static int run_stream(struct cell *cell, uint64_t operations)
{
	struct payload *payload = cell->state;
	struct assay_task task = cell_task(cell, echo_task, payload->bytes, payload->size);
	uint64_t submitted = 0, done = 0;
	int failed = 0;

	release_last(payload);
	while (done < submitted || (!failed && submitted < operations)) {
		if (!failed && submitted < operations && submitted - done < UNDER_WAY) {
			int error;

			memcpy(payload->bytes, &submitted, sizeof submitted);
			error = assay_submit(cell->executor, &task,
					     &payload->futures[submitted % UNDER_WAY]);
			if (error)
				failed = cell_fail(cell, "submit: %s", assay_error_text(error));
			submitted += !error;
			continue;
		}
		failed |= read_one(cell, done, done + 1 == operations);
		done++;
	}
	return failed;
}

static int warm_up_stream(struct cell *cell, uint64_t *operations)
{
	(void)operations;
	return run_stream(cell, 4 * UNDER_WAY); /* each worker has touched most of the memory */
}

static int check_stream(struct cell *cell, uint64_t operations)
{
	const struct payload *payload = cell->state;
	/* Relaxed: all futures are done. */
	uint64_t times = atomic_load_explicit(ran, memory_order_relaxed);
	struct assay_outcome outcome = {.result = payload->back};

	if (payload->last && assay_future_outcome(payload->last, 0, &outcome))
		return cell_fail(cell, "the last result is gone");
	if (memcmp(outcome.result, payload->bytes, payload->size) != 0)
		return cell_fail(cell, "the last result is not the argument");
	if (cell->backend->capabilities & ASSAY_CAP_SHARED_MAPPINGS && times != operations)
		return cell_fail(cell, "%llu of %llu tasks ran", (unsigned long long)times,
				 (unsigned long long)operations);
	return 0;
}

static void teardown(struct cell *cell)
{
	struct payload *payload = cell->state;

	if (payload) {
		release(payload);
		release_last(payload);
		free(payload->bytes);
		free(payload->back);
	}
	free(payload);
	shared_memory_free((void *)ran, sizeof *ran);
	ran = NULL;
}

#define WORKLOAD(symbol, set_up, bytes, tiny, quick, full, sentence, ...)                      \
	static int setup_##symbol(struct cell *cell)                                           \
	{                                                                                      \
		return set_up(cell, bytes);                                                    \
	}                                                                                      \
	const struct workload symbol = {                                                       \
		.name = #symbol,                                                               \
		.class_name = "trouble",                                                       \
		.operation = "task",                                                           \
		.separates = sentence,                                                         \
		.metric = "wall_per_op",                                                       \
		.unit = "ns",                                                                  \
		.full_only = true,                                                             \
		.on_executors = true,                                                          \
		.sample = {{.operations = tiny}, {.operations = quick}, {.operations = full}}, \
		.functions = functions,                                                        \
		.setup = setup_##symbol,                                                       \
		.teardown = teardown,                                                          \
		__VA_ARGS__,                                                                   \
	}

#define ONE_BY_ONE .prepare = prepare, .run = run, .check = check
#define STREAMED                                                                 \
	.warm_up = warm_up_stream, .prepare = prepare_stream, .run = run_stream, \
	.check = check_stream

WORKLOAD(stream_1_mib, setup_stream, (size_t)1 << 20, 4, 500, 2000,
	 "Arguments and results of 1 MiB, read and released: the copies alone.", STREAMED);
WORKLOAD(stream_64_mib, setup_stream, (size_t)64 << 20, 2, 6, 20, "The same with 64 MiB.",
	 STREAMED);
WORKLOAD(stream_in_place_1_mib, setup_stream_in_place, (size_t)1 << 20, 4, 500, 2000,
	 "1 MiB with the result looked at where it lies: one copy in, one by the task.", STREAMED);
WORKLOAD(stream_in_place_8_mib, setup_stream_in_place, (size_t)8 << 20, 4, 60, 250,
	 "The same with 8 MiB.", STREAMED);
WORKLOAD(stream_in_place_64_mib, setup_stream_in_place, (size_t)64 << 20, 2, 6, 20,
	 "The same with 64 MiB.", STREAMED);
WORKLOAD(payload_empty, setup, 0, 100, 20000, 80000,
	 "What a task costs that carries nothing either way.", ONE_BY_ONE);
WORKLOAD(payload_4_kib, setup, (size_t)4 << 10, 100, 8000, 32000,
	 "What 4 KiB there and back add: allocation and copies.", ONE_BY_ONE);
WORKLOAD(payload_1_mib, setup, (size_t)1 << 20, 4, 64, 256,
	 "The same with 1 MiB: the memory's speed.", ONE_BY_ONE);
WORKLOAD(payload_64_mib, setup, (size_t)64 << 20, 1, 2, 6,
	 "The same with 64 MiB: page faults, and what is too large for a pipe.", ONE_BY_ONE);
