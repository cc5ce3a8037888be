/* SPDX-License-Identifier: MIT */
/* Results as they complete. With --live each is printed when it comes, in an order that changes
 * from run to run; without, only what does not depend on the order. */
#include "open_executor.h"

#define TASKS 20

/* The number of steps from n to 1: halve what is even, else triple it and add one. */
static int count_steps(assay_call *call)
{
	uint64_t n = *(const uint64_t *)call->argument, result[2] = {n, 0};

	for (; n > 1; result[1]++)
		n = n % 2 ? 3 * n + 1 : n / 2;
	return assay_return(call, result, sizeof result);
}

int main(int argc, char **argv)
{
	bool live = argc == 3 && !strcmp(argv[2], "--live");
	assay_future *futures[TASKS], *future;
	uint64_t result[2], total = 0, longest[2] = {0, 0};
	assay_as_completed *iteration;
	assay_executor *executor;
	int error, count = 0;

	executor = open_executor(argc, argv, "as_completed BACKEND [--live]", 4);
	for (uint64_t n = 1; n <= TASKS; n++) {
		struct assay_task task = {
			.function = count_steps, .argument = &n, .argument_size = sizeof n};

		must(assay_submit(executor, &task, &futures[n - 1]), "submit a task");
	}
	must(assay_as_completed_begin(futures, TASKS, ASSAY_FOREVER, &iteration), "iterate");
	for (; !(error = assay_as_completed_next(iteration, &future)); count++) {
		must(assay_future_result(future, 0, result, sizeof result), "get a result");
		assay_future_release(future);
		if (live)
			printf("%llu takes %llu steps\n", (unsigned long long)result[0],
			       (unsigned long long)result[1]);
		total += result[1];
		if (result[1] > longest[1] || (result[1] == longest[1] && result[0] < longest[0]))
			memcpy(longest, result, sizeof longest);
	}
	if (error != ASSAY_EEND)
		must(error, "iterate");
	assay_as_completed_end(iteration);
	must(assay_executor_destroy(executor), "destroy the executor");
	printf("%d results, %llu steps; the longest way is that of %llu: %llu steps.\n", count,
	       (unsigned long long)total, (unsigned long long)longest[0],
	       (unsigned long long)longest[1]);
	return 0;
}
