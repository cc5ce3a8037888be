/* SPDX-License-Identifier: MIT */
/*
 * Which waits begin with a head start. The wait that is linked here has a pause of its own, which counts, and the first
 * time lets the task end: a wait that looks first sees the end after one pause, one that gives a head start after all
 * of that.
 */
#define wait_read_rare counted_read_rare
#define wait_late counted_late
#define wait_outcome_op counted_outcome_op
#define wait_helps_op counted_helps_op
#define wait_park_op counted_park_op
#define current_runner counted_runner
#include "client.h"

static void count_pause(void);

#define port_pause count_pause
#include "../wait.c"
#undef port_pause

#define TASKS 20

static unsigned pauses;
static struct future *awaited;
static _Atomic uint64_t gate; /* tasks below it may end */
static uint64_t submitted;

static void count_pause(void)
{
	if (pauses++)
		return;
	atomic_fetch_add(&gate, 1);
	while (!future_is_done(awaited))
		sched_yield();
}

static int end_in_turn(assay_call *call)
{
	uint64_t turn;

	memcpy(&turn, call->argument, sizeof turn);
	while (atomic_load(&gate) <= turn)
		sched_yield();
	return ASSAY_OK;
}

static assay_future *submit(assay_executor *executor)
{
	assay_future *future = client_submit(executor, end_in_turn, &submitted, sizeof submitted);

	submitted++;
	return future;
}

/* Pauses of a wait, from its beginning to its end. */
static unsigned wait_for(assay_future *future, int64_t timeout_ns)
{
	pauses = 0;
	awaited = future_of(future);
	MUST(counted_late(awaited, timeout_ns, NULL) == ASSAY_OK);
	client_finish(future);
	return pauses;
}

/* Of a batch: the first wait gives none, and the second one as many pauses as expected. */
static void expect(assay_executor *executor, unsigned expected, int64_t timeout_ns)
{
	assay_future *futures[TASKS];

	for (int i = 0; i < TASKS; i++)
		futures[i] = submit(executor);
	MUST(wait_for(futures[0], ASSAY_FOREVER) == 1);
	MUST(wait_for(futures[1], timeout_ns) == expected);
	atomic_store(&gate, submitted);
	for (int i = 2; i < TASKS; i++)
		client_finish(futures[i]);
}

int main(void)
{
	static struct runner of_another;
	assay_executor *executor;

	validate_expect_end(60);
	executor = client_create(1, NULL);
	for (int trip = 0; trip < 3; trip++)
		MUST(wait_for(submit(executor), ASSAY_FOREVER) == 1);
	expect(executor, HEAD_START_PAUSES, ASSAY_FOREVER);
	expect(executor, HEAD_START_PAUSES, WAIT_USUAL_NS + 1);
	expect(executor, 1, WAIT_USUAL_NS);

	/* What is known of the length of waits stays as it was, but for the first one's. */
	usual_wait_ns = 800;
	expect(executor, HEAD_START_PAUSES, ASSAY_FOREVER);
	MUST(usual_wait_ns == 700);

	/* A thread whose waits are long, one whose looks were in vain, and a worker of another pool. */
	usual_wait_ns = 100 * WAIT_USUAL_NS;
	unlooked = WAIT_PROBE_EVERY - 2; /* the second one looks */
	expect(executor, 1, ASSAY_FOREVER);
	usual_wait_ns = 0;
	unlooked = 0;
	misses = WAIT_MISSES;
	expect(executor, 1, ASSAY_FOREVER);
	misses = 0;
	current_runner = &of_another;
	expect(executor, 1, ASSAY_FOREVER);
	return assay_executor_destroy(executor);
}
