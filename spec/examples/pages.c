/* SPDX-License-Identifier: MIT */
/* Pages fetched with latencies drawn from a seed, consumed as completed; some do not exist. The
 * output is sorted by page, so that it depends on the seed alone. */
#include "open_executor.h"

#define PAGES 12

struct request {
	int page;
	unsigned latency_ms;
};

static int fetch(assay_call *call)
{
	const struct request *request = call->argument;
	struct timespec latency = {.tv_nsec = request->latency_ms * 1000000L};
	char text[64];

	nanosleep(&latency, NULL);
	if (request->page % 5 == 4)
		return assay_fail(call, 404, "no such page");
	return assay_return(call, text,
			    (size_t)snprintf(text, sizeof text, "page %d, after %u ms",
					     request->page, request->latency_ms));
}

int main(int argc, char **argv)
{
	unsigned seed = (unsigned)number_argument(argc, argv, 1);
	char lines[PAGES][80];
	assay_future *futures[PAGES], *future;
	assay_as_completed *iteration;
	assay_executor *executor;
	struct assay_outcome outcome;
	int error, page;

	executor = open_executor(argc, argv, "pages BACKEND [SEED]", 4);
	for (page = 0; page < PAGES; page++) {
		struct request request = {page, (seed = seed * 1103515245 + 12345) / 65536 % 20};
		struct assay_task task = {
			.function = fetch, .argument = &request, .argument_size = sizeof request};

		must(assay_submit(executor, &task, &futures[page]), "submit a task");
	}
	must(assay_as_completed_begin(futures, PAGES, ASSAY_FOREVER, &iteration), "iterate");
	while (!(error = assay_as_completed_next(iteration, &future))) {
		for (page = 0; futures[page] != future; page++)
			;
		must(assay_future_outcome(future, 0, &outcome), "fetch a page");
		if (outcome.error == ASSAY_EFAILED)
			snprintf(lines[page], sizeof *lines, "page %d: error %d, %s", page,
				 outcome.code, outcome.message);
		else
			must(outcome.error, "fetch a page");
		if (!outcome.error)
			snprintf(lines[page], sizeof *lines, "%.*s", (int)outcome.result_size,
				 (const char *)outcome.result);
	}
	if (error != ASSAY_EEND)
		must(error, "iterate");
	assay_as_completed_end(iteration);
	for (page = 0; page < PAGES; page++) {
		puts(lines[page]);
		assay_future_release(futures[page]);
	}
	must(assay_executor_destroy(executor), "destroy the executor");
	return 0;
}
