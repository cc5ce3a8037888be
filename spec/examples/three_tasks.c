/* SPDX-License-Identifier: MIT */
/* Three named tasks, each of which reports when it starts and when it finishes. They may overlap;
 * the reports are printed in the order of submission, so that the output is always the same. */
#include "open_executor.h"

static int work(assay_call *call)
{
	const char *name = call->argument; /* with its terminator */
	struct timespec pause = {.tv_nsec = 10000000};
	char report[100];
	int length;

	length = snprintf(report, sizeof report, "Task %s starts.\n", name);
	nanosleep(&pause, NULL);
	length += snprintf(report + length, sizeof report - (size_t)length, "Task %s finishes.\n",
			   name);
	return assay_return(call, report, (size_t)length);
}

int main(int argc, char **argv)
{
	const char *names[3] = {"A", "B", "C"};
	assay_future *futures[3];
	assay_executor *executor;

	executor = open_executor(argc, argv, "three_tasks BACKEND", 3);
	for (int i = 0; i < 3; i++) {
		struct assay_task task = {
			.function = work,
			.argument = names[i],
			.argument_size = strlen(names[i]) + 1,
		};

		must(assay_submit(executor, &task, &futures[i]), "submit a task");
	}
	for (int i = 0; i < 3; i++) {
		struct assay_outcome outcome;

		must(assay_future_outcome(futures[i], ASSAY_FOREVER, &outcome), "wait");
		must(outcome.error, "run a task");
		printf("%.*s", (int)outcome.result_size, (const char *)outcome.result);
		assay_future_release(futures[i]); /* the outcome was borrowed from it */
	}
	must(assay_executor_destroy(executor), "destroy the executor");
	printf("All tasks are done.\n");
	return 0;
}
