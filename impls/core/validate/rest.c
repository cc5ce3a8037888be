/* SPDX-License-Identifier: MIT */
/* How long a thread that waits for one result after the other rests before it looks: where it has submitted many,
 * and then only. */
#include "../rest.h"

#include "../future.h"
#include "client.h"

#include <assert.h>

#define SHORT REST_PAUSES
#define LONG (REST_PAUSES << REST_DOUBLINGS)

/* Waits in a row, each after as many futures were created. */
struct wait {
	unsigned created;
	unsigned pauses;
};

struct script {
	const char *name;
	struct wait waits[8];
	unsigned count;
};

static const struct script scripts[] = {
	{"one by one", {{1, 0}, {1, 0}, {1, 0}, {1, 0}}, 4},
	{"those of others", {{0, 0}, {0, 0}, {0, 0}}, 3},
	{"one, and those of others", {{1, 0}, {0, 0}, {0, 0}}, 3},
	{"two", {{2, 0}, {0, SHORT}, {0, 0}, {0, 0}}, 4},
	{"several, ever longer, up to a limit",
	 {{7, 0},
	  {0, SHORT},
	  {0, 2 * SHORT},
	  {0, 4 * SHORT},
	  {0, LONG},
	  {0, LONG},
	  {0, LONG},
	  {0, 0}},
	 8},
	{"again from the start",
	 {{9, 0}, {0, SHORT}, {0, 2 * SHORT}, {9, 0}, {0, SHORT}, {0, 2 * SHORT}},
	 6},
	{"one more is submitted for each that is read",
	 {{9, 0}, {1, 0}, {1, 0}, {1, 0}, {0, 0}},
	 5},
	{"three for three",
	 {{3, 0}, {0, SHORT}, {0, 2 * SHORT}, {3, 0}, {0, SHORT}, {0, 2 * SHORT}, {0, 0}},
	 7},
};

static_assert(LONG == 8 * SHORT, "the limit is the fourth");

static int do_nothing(assay_call *call)
{
	(void)call;
	return ASSAY_OK;
}

/* One by one and together. */
static void check_count(void)
{
	struct assay_task task = {.function = do_nothing}, tasks[] = {task, task, task};
	assay_executor *executor = client_create(1, NULL);
	assay_future *futures[3];
	uint64_t before = futures_created;
	size_t accepted;

	client_finish(client_submit(executor, do_nothing, NULL, 0));
	MUST(futures_created == before + 1);
	MUST(!assay_submit_many(executor, tasks, 3, futures, &accepted));
	MUST(futures_created == before + 4);
	for (int i = 0; i < 3; i++)
		client_finish(futures[i]);
	MUST(!assay_executor_destroy(executor));
}

int main(void)
{
	for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
		struct rest rest = {0};
		uint64_t created = 0;

		for (unsigned k = 0; k < scripts[i].count; k++) {
			unsigned pauses;

			created += scripts[i].waits[k].created;
			pauses = rest_pauses(&rest, created);
			if (pauses == scripts[i].waits[k].pauses)
				continue;
			fprintf(stderr, "%s: wait %u rests %u pauses, expected %u\n",
				scripts[i].name, k, pauses, scripts[i].waits[k].pauses);
			return 1;
		}
	}
	check_count();
	return 0;
}
