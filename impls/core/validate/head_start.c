/* SPDX-License-Identifier: MIT */
/* How much of a head start a thread that waits for one result after the other gives: where it has submitted many,
 * and then only. */
#include "../head_start.h"

#include "../future.h"
#include "client.h"

#include <assert.h>

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
	{"two", {{2, 0}, {0, 1}, {0, 0}, {0, 0}}, 4},
	{"few", {{17, 0}, {0, 16}, {0, 0}, {0, 0}}, 4},
	{"more", {{50, 0}, {0, 16}, {0, 32}, {0, 1}, {0, 0}}, 5},
	{"ever longer, up to a limit",
	 {{400, 0}, {0, 16}, {0, 32}, {0, 64}, {0, 128}, {0, 128}, {0, 31}, {0, 0}},
	 8},
	{"again from the start", {{99, 0}, {0, 16}, {0, 32}, {99, 0}, {0, 16}, {0, 32}}, 6},
	{"and no more than are new", {{99, 0}, {0, 16}, {0, 32}, {9, 0}, {0, 8}, {0, 0}}, 6},
	{"one more is submitted for each that is read",
	 {{99, 0}, {1, 0}, {1, 0}, {1, 0}, {0, 0}},
	 5},
	{"very many", {{1U << 31, 0}, {0, 16}, {1U << 31, 0}, {1U << 31, 0}, {0, 16}}, 5},
};

static_assert(HEAD_START_PAUSES == 16 && HEAD_START_PAUSES << HEAD_START_DOUBLINGS == 128,
	      "as in the scripts");

static void run(const struct script *script)
{
	struct head_start start = {0};
	uint64_t created = 0;

	for (unsigned i = 0; i < script->count; i++) {
		unsigned pauses;

		created += script->waits[i].created;
		pauses = head_start_give(&start, created);
		if (pauses == script->waits[i].pauses)
			continue;
		fprintf(stderr, "%s: wait %u came after %u pauses, expected %u\n", script->name, i,
			pauses, script->waits[i].pauses);
		exit(1);
	}
}

static int do_nothing(assay_call *call)
{
	(void)call;
	return ASSAY_OK;
}

/* What a task submits to its own executor nobody counts: it does not only wait for that. */
static int submit_another(assay_call *call)
{
	uint64_t before = futures_created;
	struct assay_task task = {.function = do_nothing};
	assay_future *future;
	size_t accepted;

	client_finish(client_submit(call->executor, do_nothing, NULL, 0));
	MUST(!assay_submit_many(call->executor, &task, 1, &future, &accepted));
	client_finish(future);
	MUST(futures_created == before);
	return ASSAY_OK;
}

static void check_count(void)
{
	struct assay_task task = {.function = submit_another}, tasks[] = {task, task, task};
	assay_executor *executor = client_create(1, NULL);
	assay_future *futures[3];
	uint64_t before = futures_created;
	size_t accepted;

	client_finish(client_submit(executor, submit_another, "odd", 3));
	future_discard(future_create(NULL, do_nothing, NULL, 0, 1)); /* a record at hand */
	client_finish(client_submit(executor, submit_another, NULL, 0));
	MUST(futures_created == before + 2);
	MUST(!assay_submit_many(executor, tasks, 3, futures, &accepted));
	MUST(futures_created == before + 5);
	for (int i = 0; i < 3; i++)
		client_finish(futures[i]);
	task.function = do_nothing;
	MUST(!assay_submit(executor, &task, NULL));
	MUST(futures_created == before + 5); /* nobody can wait for that one */
	MUST(!assay_executor_destroy(executor));
}

int main(void)
{
	for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
		run(&scripts[i]);
	check_count();
	return 0;
}
