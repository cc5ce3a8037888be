/* SPDX-License-Identifier: MIT */
/* A thread that ends an executor, and a trace that tells what came first: its return or the tasks. */
#ifndef CLOSING_H
#define CLOSING_H

#include "fixture.h"

/* What the trace says when the call has returned; tasks and callbacks add smaller numbers. */
#define HAS_RETURNED 1000000

/* Instead of the flags of shutdown. */
#define BY_DESTROY 0x80000000u

struct closing {
	struct actor actor;
	assay_executor *executor;
	unsigned flags;
	struct trace *trace;
	int error;
};

static inline void closing_run(void *argument)
{
	struct closing *closing = argument;

	closing->error = closing->flags == BY_DESTROY
				 ? assay_executor_destroy(closing->executor)
				 : assay_executor_shutdown(closing->executor, closing->flags);
	trace_add(closing->trace, HAS_RETURNED);
}

static inline void closing_start(struct closing *closing, assay_executor *executor, unsigned flags,
				 struct trace *trace)
{
	closing->executor = executor;
	closing->flags = flags;
	closing->trace = trace;
	actor_start(&closing->actor, closing_run, closing);
}

/* Until the call sleeps, and not one entry is in the trace. */
static inline void closing_await_sleep(struct closing *closing)
{
	actor_await_sleep(&closing->actor);
	CHECK_EQ(trace_length(closing->trace), 0);
}

static inline void closing_join(struct closing *closing)
{
	actor_join(&closing->actor);
	CHECK_OK(closing->error);
}

/* The trace holds this many entries of tasks, and then, as often as asked, the return. */
static inline void check_returned_last(struct trace *trace, uint32_t tasks, uint32_t returns)
{
	CHECK_EQ(trace_length(trace), tasks + returns);
	for (uint32_t i = 0; i < tasks; i++)
		CHECK(trace_at(trace, i) < HAS_RETURNED);
	for (uint32_t i = tasks; i < tasks + returns; i++)
		CHECK_EQ(trace_at(trace, i), HAS_RETURNED);
}

struct gated_entry {
	struct gate *gate;
	struct probe *started;
	struct trace *trace;
	int64_t entry;
};

static inline int add_entry_behind_gate(assay_call *call)
{
	const struct gated_entry *argument = call->argument;

	probe_hit(argument->started);
	gate_wait(argument->gate);
	trace_add(argument->trace, argument->entry);
	return assay_return(call, &(int){(int)argument->entry}, sizeof(int));
}

/* A task that runs up to the gate, and then adds entry 1 and returns it. Waits for its start. */
static inline assay_future *submit_entry_behind_gate(struct subject *s, assay_executor *executor,
						     struct gate *gate, struct trace *trace)
{
	struct gated_entry argument = {gate, probe_new(s), trace, 1};
	assay_future *future =
		submit_task(executor, add_entry_behind_gate, &argument, sizeof argument);

	probe_await(argument.started, 1);
	return future;
}

/* How many of the futures are in this state. */
static inline int count_in_state(assay_future *const *futures, int count, enum assay_state state)
{
	int found = 0;

	for (int i = 0; i < count; i++)
		found += assay_future_state(futures[i]) == state;
	return found;
}

static inline void release_all(assay_future *const *futures, int count)
{
	for (int i = 0; i < count; i++)
		assay_future_release(futures[i]);
}

/* What a submit says now; the task must not run. */
static inline int closing_run_nothing(assay_call *call)
{
	(void)call;
	return ASSAY_OK;
}

static inline int error_of_submit(assay_executor *executor)
{
	struct assay_task task = {.function = closing_run_nothing};
	assay_future *untouched = (assay_future *)&task, *future = untouched;
	int error = assay_submit(executor, &task, &future);

	if (error)
		CHECK(future == untouched);
	else
		assay_future_release(future);
	return error;
}

#endif
