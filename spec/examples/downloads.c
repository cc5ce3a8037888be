/* SPDX-License-Identifier: MIT */
/* Simulated downloads of equal latency: tasks that wait, not compute. The time it took goes to
 * standard error: with as many workers as files it is that of one, one after the other eight. */
#include "open_executor.h"

#define FILES 8
#define LATENCY_MS 20

struct file {
	int number;
	int size; /* bytes */
};

static int download(assay_call *call)
{
	const int *number = call->argument;
	struct timespec latency = {.tv_nsec = LATENCY_MS * 1000000L};
	struct file file = {*number, 1000 * (*number + 1)};

	nanosleep(&latency, NULL);
	return assay_return(call, &file, sizeof file);
}

int main(int argc, char **argv)
{
	assay_future *futures[FILES];
	assay_executor *executor;
	int64_t begin_ns;
	int total = 0;

	executor = open_executor(argc, argv, "downloads BACKEND", FILES);
	begin_ns = assay_clock_ns();
	for (int i = 0; i < FILES; i++) {
		struct assay_task task = {
			.function = download, .argument = &i, .argument_size = sizeof i};

		must(assay_submit(executor, &task, &futures[i]), "submit a task");
	}
	must(assay_wait(futures, FILES, ASSAY_ALL_COMPLETED, ASSAY_FOREVER, NULL), "wait");
	fprintf(stderr, "took %lld ms\n", (long long)((assay_clock_ns() - begin_ns) / 1000000));
	for (int i = 0; i < FILES; i++) {
		struct file file;

		must(assay_future_result(futures[i], 0, &file, sizeof file), "download");
		printf("file-%d: %d bytes\n", file.number, file.size);
		total += file.size;
		assay_future_release(futures[i]);
	}
	must(assay_executor_destroy(executor), "destroy the executor");
	printf("%d files, %d bytes\n", FILES, total);
	return 0;
}
