/* SPDX-License-Identifier: MIT */
/* A thread that waits for one future, by any of the calls that can. */
#ifndef WAITER_H
#define WAITER_H

#include "fixture.h"

enum wait_call {
	BY_RESULT,
	BY_OUTCOME,
	BY_WAIT,
	BY_WAIT_ALL,
	BY_WAIT_FIRST,
	BY_AS_COMPLETED,
	WAIT_CALLS, /* how many there are */
};

struct waiter {
	struct actor actor;
	assay_future *future; /* borrowed; its result, if any, is an int */
	enum wait_call call;
	int64_t timeout_ns;
	int error; /* ASSAY_ETIMEDOUT, or how the future ended */
	int value; /* the result; untouched after an error */
	int64_t elapsed_ns;
	uint32_t is_over; /* atomic: the call has returned */
};

/* What the call by which the waiter waits says: ASSAY_OK for a future that is done. */
static inline int waiter_call(struct waiter *waiter)
{
	struct assay_outcome outcome;
	struct assay_partition partition = {.futures = NULL};
	assay_as_completed *iteration = NULL;
	assay_future *future;
	int error;

	switch (waiter->call) {
	case BY_OUTCOME:
		return assay_future_outcome(waiter->future, waiter->timeout_ns, &outcome);
	case BY_WAIT_ALL:
	case BY_WAIT_FIRST:
		error = assay_wait(&waiter->future, 1,
				   waiter->call == BY_WAIT_ALL ? ASSAY_ALL_COMPLETED
							       : ASSAY_FIRST_COMPLETED,
				   waiter->timeout_ns, &partition);
		return error ? error : partition.done ? ASSAY_OK : ASSAY_ETIMEDOUT;
	case BY_AS_COMPLETED:
		CHECK_OK(assay_as_completed_begin(&waiter->future, 1, waiter->timeout_ns,
						  &iteration));
		error = assay_as_completed_next(iteration, &future);
		assay_as_completed_end(iteration);
		return error;
	default:
		return assay_future_wait(waiter->future, waiter->timeout_ns);
	}
}

/* Whoever is told that the future is done can have the result without waiting. */
static inline void waiter_run(void *argument)
{
	struct waiter *waiter = argument;
	int64_t before_ns = assay_clock_ns();
	int64_t timeout_ns = waiter->timeout_ns;

	waiter->error = ASSAY_OK;
	if (waiter->call != BY_RESULT) {
		waiter->error = waiter_call(waiter);
		timeout_ns = 0;
	}
	if (!waiter->error) {
		waiter->error = assay_future_result(waiter->future, timeout_ns, &waiter->value,
						    sizeof waiter->value);
		if (timeout_ns == 0 && waiter->call != BY_RESULT)
			CHECK(waiter->error != ASSAY_ETIMEDOUT);
	}
	waiter->elapsed_ns = assay_clock_ns() - before_ns;
	__atomic_store_n(&waiter->is_over, 1, __ATOMIC_RELEASE);
}

static inline void waiter_start(struct waiter *waiter, assay_future *future, enum wait_call call,
				int64_t timeout_ns)
{
	waiter->future = future;
	waiter->call = call;
	waiter->timeout_ns = timeout_ns;
	waiter->value = 0;
	waiter->is_over = 0;
	actor_start(&waiter->actor, waiter_run, waiter);
}

/* Starts count waiters, by each of the calls in turn, and returns when all sleep. */
static inline void waiters_park(struct waiter *waiters, int count, assay_future *future)
{
	for (int i = 0; i < count; i++)
		waiter_start(&waiters[i], future, (enum wait_call)(i % WAIT_CALLS), ASSAY_FOREVER);
	for (int i = 0; i < count; i++)
		actor_await_sleep(&waiters[i].actor);
}

static inline void waiters_join(struct waiter *waiters, int count)
{
	for (int i = 0; i < count; i++)
		actor_join(&waiters[i].actor);
}

#endif
