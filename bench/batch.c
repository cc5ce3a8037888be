/* SPDX-License-Identifier: MIT */
#include "batch.h"

#include "marks.h"

#include <assay/backend.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A task that is called: its result goes where the caller wants it. */
struct direct {
	assay_call call;
	char message[160];
};

static int refuse(assay_call *call, size_t size)
{
	(void)call;
	(void)size;
	return ASSAY_ETOOBIG;
}

static void keep_message(assay_call *call, const char *message)
{
	struct direct *direct = (struct direct *)call;

	snprintf(direct->message, sizeof direct->message, "%s", message);
}

static const struct assay_call_ops direct_ops = {
	.reserve = refuse,
	.message = keep_message,
};

int batch_call(struct cell *cell, assay_function *function, const void *argument,
	       size_t argument_size, void *result, size_t result_size)
{
	struct direct direct = {.call = {.ops = &direct_ops,
					 .argument = argument,
					 .argument_size = argument_size,
					 .result = result,
					 .result_capacity = result_size}};
	int returned = function(&direct.call);

	if (returned)
		return cell_fail(cell, "a task returned %d: %s", returned, direct.message);
	if (direct.call.result_size != result_size)
		return cell_fail(cell, "a result of %zu bytes, expected %zu",
				 direct.call.result_size, result_size);
	return 0;
}

void batch_free(struct batch *batch)
{
	free(batch->arguments);
	free(batch->results);
	free(batch->futures);
	batch->arguments = batch->results = NULL;
	batch->futures = NULL;
}

int batch_begin(struct cell *cell, assay_function *function, size_t argument_size,
		size_t result_size, size_t most)
{
	struct batch *batch = calloc(1, sizeof *batch);

	if (!batch)
		return cell_fail(cell, "out of memory");
	*batch = (struct batch){
		.function = function, .argument_size = argument_size, .result_size = result_size};
	cell->state = batch;
	return marks_begin(cell, most);
}

void batch_end(struct cell *cell)
{
	if (cell->state)
		batch_free(cell->state);
	free(cell->state);
	marks_end();
}

int batch_make(struct cell *cell, struct batch *batch, size_t count)
{
	batch_free(batch);
	batch->count = count;
	batch->arguments = calloc(count, batch->argument_size);
	batch->results = calloc(count, batch->result_size);
	batch->futures = calloc(count, sizeof(assay_future *));
	if (!batch->arguments || !batch->results || !batch->futures)
		return cell_fail(cell, "no memory for %zu tasks", count);
	return 0;
}

static int take(struct cell *cell, const struct batch *batch, size_t index)
{
	struct assay_outcome outcome;
	int error = assay_future_outcome(batch->futures[index], ASSAY_FOREVER, &outcome);

	if (error || outcome.error)
		return cell_fail(cell, "task %zu: %s: %s", index,
				 assay_error_text(error ? error : outcome.error),
				 error ? "" : outcome.message);
	if (outcome.result_size != batch->result_size)
		return cell_fail(cell, "task %zu: a result of %zu bytes, expected %zu", index,
				 outcome.result_size, batch->result_size);
	memcpy(batch->results + index * batch->result_size, outcome.result, batch->result_size);
	return 0;
}

size_t submit_each(struct cell *cell, assay_function *function, const void *arguments,
		   size_t stride, size_t argument_size, size_t count, assay_future **futures)
{
	for (size_t i = 0; i < count; i++) {
		struct assay_task task = cell_task(
			cell, function, (const char *)arguments + i * stride, argument_size);
		int error = assay_submit(cell->executor, &task, &futures[i]);

		if (error) {
			cell_fail(cell, "submit: %s", assay_error_text(error));
			return i;
		}
	}
	return count;
}

void collect_each(struct cell *cell, assay_future **futures, size_t count, uint64_t *first,
		  size_t stride)
{
	int error = assay_wait(futures, count, ASSAY_ALL_COMPLETED, ASSAY_FOREVER, NULL);

	if (error)
		cell_fail(cell, "wait: %s", assay_error_text(error));
	for (size_t i = 0; i < count; i++) {
		error = assay_future_result(futures[i], ASSAY_FOREVER, (char *)first + i * stride,
					    sizeof *first);

		assay_future_release(futures[i]);
		if (error)
			cell_fail(cell, "task %zu: %s", i, assay_error_text(error));
	}
}

int batch_run(struct cell *cell, const struct batch *batch)
{
	size_t submitted;
	int failed = 0;

	for (size_t i = 0; !cell->executor && i < batch->count; i++)
		if (batch_call(cell, batch->function, batch_argument(batch, i),
			       batch->argument_size, batch->results + i * batch->result_size,
			       batch->result_size))
			return -1;
	if (!cell->executor)
		return 0;
	submitted = submit_each(cell, batch->function, batch->arguments, batch->argument_size,
				batch->argument_size, batch->count, batch->futures);
	failed = submitted < batch->count ? -1 : 0;
	for (size_t i = 0; i < submitted; i++) {
		failed |= take(cell, batch, i);
		assay_future_release(batch->futures[i]);
	}
	return failed;
}
