/* SPDX-License-Identifier: MIT */
#include "batch.h"

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
	.fork = assay_default_fork,
	.join = assay_default_join,
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

int batch_run(struct cell *cell, const struct batch *batch)
{
	size_t submitted = 0;
	int failed = 0;

	for (size_t i = 0; !cell->executor && i < batch->count; i++)
		if (batch_call(cell, batch->function, batch_argument(batch, i),
			       batch->argument_size, batch->results + i * batch->result_size,
			       batch->result_size))
			return -1;
	for (; cell->executor && submitted < batch->count && !failed; submitted += !failed) {
		struct assay_task task =
			cell_task(cell, batch->function, batch_argument(batch, submitted),
				  batch->argument_size);
		int error = assay_submit(cell->executor, &task, &batch->futures[submitted]);

		if (error)
			failed = cell_fail(cell, "submit: %s", assay_error_text(error));
	}
	for (size_t i = 0; i < submitted; i++) {
		failed |= take(cell, batch, i);
		assay_future_release(batch->futures[i]);
	}
	return failed;
}
