/* SPDX-License-Identifier: MIT */
/* The square and the cube of a number, each by a task of its own. */
#include "open_executor.h"

static int square(assay_call *call)
{
	const int64_t *number = call->argument;
	int64_t result = *number * *number;

	return assay_return(call, &result, sizeof result);
}

static int cube(assay_call *call)
{
	const int64_t *number = call->argument;
	int64_t result = *number * *number * *number;

	return assay_return(call, &result, sizeof result);
}

int main(int argc, char **argv)
{
	int64_t number = 7, squared, cubed;
	struct assay_task square_it = {
		.function = square, .argument = &number, .argument_size = sizeof number};
	struct assay_task cube_it = {
		.function = cube, .argument = &number, .argument_size = sizeof number};
	assay_future *first, *second;
	assay_executor *executor;

	executor = open_executor(argc, argv, "square_and_cube BACKEND", 2);
	must(assay_submit(executor, &square_it, &first), "submit a task");
	must(assay_submit(executor, &cube_it, &second), "submit a task");
	must(assay_future_result(first, ASSAY_FOREVER, &squared, sizeof squared), "get a square");
	must(assay_future_result(second, ASSAY_FOREVER, &cubed, sizeof cubed), "get a cube");
	printf("The square of %lld is %lld.\n", (long long)number, (long long)squared);
	printf("The cube of %lld is %lld.\n", (long long)number, (long long)cubed);
	assay_future_release(first);
	assay_future_release(second);
	must(assay_executor_destroy(executor), "destroy the executor");
	return 0;
}
