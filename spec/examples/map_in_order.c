/* SPDX-License-Identifier: MIT */
/* A function over an array: results in the order of the inputs, however long each takes, and a
 * failure in its place. */
#include "open_executor.h"

static int divide(assay_call *call)
{
	const int *divisor = call->argument;
	int quotient;

	if (*divisor == 0)
		return assay_fail(call, 1, "cannot divide by zero");
	quotient = 5040 / *divisor;
	return assay_return(call, &quotient, sizeof quotient);
}

int main(int argc, char **argv)
{
	const int divisors[] = {1, 2, 3, 4, 0, 5, 6, 7};
	const struct assay_map_input input = {divisors, sizeof *divisors,
					      sizeof divisors / sizeof *divisors};
	struct assay_map_request request = assay_map_request_default();
	assay_map_iteration *map;
	struct assay_outcome outcome;
	assay_executor *executor;
	int error;

	executor = open_executor(argc, argv, "map_in_order BACKEND", 4);
	request.function = divide;
	request.inputs = &input;
	request.input_count = 1;
	must(assay_map_begin(executor, &request, &map), "map");
	for (const int *divisor = divisors; !(error = assay_map_next(map, &outcome)); divisor++) {
		if (outcome.error == ASSAY_EFAILED)
			printf("5040 / %d: %s\n", *divisor, outcome.message);
		else
			must(outcome.error, "divide");
		if (outcome.result)
			printf("5040 / %d = %d\n", *divisor, *(const int *)outcome.result);
	}
	if (error != ASSAY_EEND)
		must(error, "map");
	assay_map_end(map);
	must(assay_executor_destroy(executor), "destroy the executor");
	return 0;
}
