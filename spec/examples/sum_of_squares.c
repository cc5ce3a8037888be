/* SPDX-License-Identifier: MIT */
/* The sum of the squares of 0 ... n by a map over generated numbers, a thousand to a task, checked
 * against n (n + 1) (2n + 1) / 6. */
#include "open_executor.h"

static int square(assay_call *call)
{
	const uint64_t *number = call->argument;
	uint64_t result = *number * *number;

	return assay_return(call, &result, sizeof result);
}

struct range {
	uint64_t next, last;
};

/* Writes the next number of the range. */
static int count_up(void *source, void *item)
{
	struct range *range = source;

	if (range->next > range->last)
		return ASSAY_EEND;
	memcpy(item, &range->next, sizeof range->next);
	range->next++;
	return ASSAY_OK;
}

int main(int argc, char **argv)
{
	uint64_t n = number_argument(argc, argv, 100000), half = n * (n + 1) / 2, sum = 0, expected;
	struct assay_map_request request = assay_map_request_default();
	struct range range = {0, n};
	struct assay_outcome outcome;
	assay_map_iteration *map;
	assay_executor *executor;
	int error;

	executor = open_executor(argc, argv, "sum_of_squares BACKEND [N]", 2);
	request.function = square;
	request.generator = count_up;
	request.source = &range;
	request.item_size = sizeof n;
	request.chunk_size = 1000;
	request.window = 16000; /* no more numbers than that are under way */
	must(assay_map_begin(executor, &request, &map), "map");
	while (!(error = assay_map_next(map, &outcome))) {
		must(outcome.error, "get a square");
		if (outcome.result)
			sum += *(const uint64_t *)outcome.result;
	}
	if (error != ASSAY_EEND)
		must(error, "map");
	assay_map_end(map);
	must(assay_executor_destroy(executor), "destroy the executor");
	/* One of the two factors is a multiple of 3: divided first, nothing overflows early. */
	expected = half % 3 ? half * ((2 * n + 1) / 3) : half / 3 * (2 * n + 1);
	printf("The sum of the squares of 0 ... %llu is %llu%s.\n", (unsigned long long)n,
	       (unsigned long long)sum, sum == expected ? "" : ", which is wrong");
	return sum != expected;
}
