/* SPDX-License-Identifier: MIT */
/* Tasks of different length, gathered as they complete. In which order they do is the executor's
 * affair and the machine's: each future is recognized by its address, its length is noted, and the
 * output is sorted by length. */
#include "open_executor.h"

#define TASKS 4

static int work(assay_call *call)
{
	const int64_t *length_ms = call->argument;
	struct timespec pause = {.tv_nsec = *length_ms * 1000000};

	nanosleep(&pause, NULL);
	return assay_return(call, length_ms, sizeof *length_ms);
}

static int compare(const void *left, const void *right)
{
	int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

	return (a > b) - (a < b);
}

int main(int argc, char **argv)
{
	int64_t lengths_ms[TASKS] = {30, 10, 40, 20}, gathered_ms[TASKS];
	assay_future *futures[TASKS], *future;
	assay_as_completed *iteration;
	assay_executor *executor;
	size_t count = 0;
	int error;

	executor = open_executor(argc, argv, "different_lengths BACKEND", TASKS);
	for (int i = 0; i < TASKS; i++) {
		struct assay_task task = {.function = work,
					  .argument = &lengths_ms[i],
					  .argument_size = sizeof lengths_ms[i]};

		must(assay_submit(executor, &task, &futures[i]), "submit a task");
	}
	must(assay_as_completed_begin(futures, TASKS, ASSAY_FOREVER, &iteration), "iterate");
	while (!(error = assay_as_completed_next(iteration, &future))) {
		must(assay_future_result(future, ASSAY_FOREVER, &gathered_ms[count++],
					 sizeof *gathered_ms),
		     "work");
		assay_future_release(future);
	}
	if (error != ASSAY_EEND)
		must(error, "iterate");
	assay_as_completed_end(iteration);
	must(assay_executor_destroy(executor), "destroy the executor");
	qsort(gathered_ms, count, sizeof *gathered_ms, compare);
	for (size_t i = 0; i < count; i++)
		printf("The task of %lld ms is done.\n", (long long)gathered_ms[i]);
	return 0;
}
