/* SPDX-License-Identifier: MIT */
/* Tests of spec/callback.md: what a callback may do with other futures. */
#include "sighting.h"
#include "waiter.h"

#include <sched.h>

struct cancel_link {
	assay_future *future;
	assay_future *next;
	struct probe *calls;
};

static void cancel_next(assay_future *future, void *user)
{
	struct cancel_link *link = user;

	CHECK(future == link->future);
	probe_hit(link->calls);
	if (link->next) {
		CHECK(assay_future_cancel(link->next));
		CHECK_EQ(assay_future_state(link->next), ASSAY_CANCELLED);
	}
}

ASSAY_TEST(cb_15_callbacks_cancel_a_chain_of_futures, .clause = "CB-15",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	struct probe *calls = probe_new(s), *ran = probe_new(s);
	struct cancel_link links[100];

	for (int i = 0; i < 100; i++)
		links[i] = (struct cancel_link){submit_hit(executor, ran), NULL, calls};
	for (int i = 0; i < 100; i++) {
		links[i].next = i < 99 ? links[i + 1].future : NULL;
		add(links[i].future, cancel_next, &links[i]);
	}
	CHECK(assay_future_cancel(links[0].future));
	CHECK_EQ(probe_count(calls), 100);
	release_workers(&workers);
	executor_end(executor);
	CHECK_EQ(probe_count(ran), 0);
	CHECK_EQ(probe_count(calls), 100);
	for (int i = 0; i < 100; i++)
		assay_future_release(links[i].future);
}

struct other {
	assay_future *future;
	struct probe *calls;
};

static void ask_running(assay_future *future, void *user)
{
	struct other *other = user;
	assay_future *both[2] = {future, other->future}, *sorted[2];
	struct assay_partition partition = {.futures = sorted};

	CHECK_EQ(assay_future_state(other->future), ASSAY_RUNNING);
	CHECK_ERROR(assay_future_wait(other->future, 0), ASSAY_ETIMEDOUT);
	CHECK(!assay_future_cancel(other->future));
	CHECK_OK(assay_wait(both, 2, ASSAY_ALL_COMPLETED, 0, &partition));
	CHECK_EQ(partition.done, 1);
	CHECK(sorted[0] == future && sorted[1] == other->future);
	probe_hit(other->calls);
}

ASSAY_TEST(cb_15_callback_asks_a_running_future, .clause = "CB-15",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	assay_executor *executor = executor_new(s, 2);
	struct gate *first_gate = gate_new(s), *gate = gate_new(s);
	struct probe *started = probe_new(s);
	assay_future *first = submit_gated(executor, first_gate, started, 1);
	struct other other = {submit_gated(executor, gate, started, 2), probe_new(s)};

	probe_await(started, 2);
	add(first, ask_running, &other);
	gate_open(first_gate);
	probe_await(other.calls, 1);
	gate_open(gate);
	executor_end(executor);
	CHECK_EQ(probe_count(other.calls), 1);
	assay_future_release(other.future);
	assay_future_release(first);
}

/* A callback that waits for another future, in one of the ways there are. */
struct watching {
	struct waiter waiter;
	struct gate *gate; /* opened when it begins to wait; NULL: it is open */
	struct gate *next; /* opened when it has waited; may be NULL */
	struct probe *calls;
};

static void wait_for_watched(assay_future *future, void *user)
{
	struct watching *watching = user;
	struct waiter *waiter = &watching->waiter;

	CHECK(assay_future_is_done(future));
	if (watching->gate)
		gate_open(watching->gate);
	if (waiter->call == WAIT_CALLS)
		while (assay_future_state(waiter->future) != ASSAY_FINISHED)
			sched_yield();
	waiter_run(waiter);
	CHECK_OK(waiter->error);
	CHECK_EQ(waiter->value, 2);
	if (watching->next)
		gate_open(watching->next);
	probe_hit(watching->calls);
}

static void wait_at_gate(assay_future *future, void *user)
{
	(void)future;
	gate_wait(user);
}

/* The future that is waited for has a callback, too; it may be blocked. */
static void check_watched(struct subject *s, bool is_blocked)
{
	for (int call = 0; call <= WAIT_CALLS; call++) {
		assay_executor *executor = executor_new(s, 2);
		struct gate *first_gate = gate_new(s);
		struct probe *started = probe_new(s);
		struct watching watching = {.gate = gate_new(s), .calls = probe_new(s)};
		struct waiter *waiter = &watching.waiter;
		assay_future *first = submit_gated(executor, first_gate, started, 1);

		waiter->call = (enum wait_call)call;
		waiter->timeout_ns = ASSAY_FOREVER;
		waiter->future = submit_gated(executor, watching.gate, started, 2);
		probe_await(started, 2); /* or who waits for it may run it */
		if (is_blocked) {
			watching.next = gate_new(s);
			add(waiter->future, wait_at_gate, watching.next);
		}
		add(waiter->future, hit, watching.calls);
		add(first, wait_for_watched, &watching);
		gate_open(first_gate);
		probe_await(watching.calls, 2);
		executor_end(executor);
		CHECK_EQ(probe_count(watching.calls), 2);
		assay_future_release(waiter->future);
		assay_future_release(first);
	}
}

ASSAY_TEST(cb_15_callback_waits_for_a_future_with_callbacks, .clause = "CB-15",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	check_watched(s, false);
}

ASSAY_TEST(cb_16_nor_does_a_callback_that_waits, .clause = "CB-16",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	check_watched(s, true);
}

/* Two futures of two executors, in either order; one of them ends. */
struct mixed {
	assay_future *futures[2];
	struct gate *gate;
	int first; /* to be done */
	struct probe *calls;
};

static void wait_for_first(assay_future *future, void *user)
{
	struct mixed *mixed = user;
	assay_future *sorted[2];
	struct assay_partition partition = {.futures = sorted};

	(void)future;
	CHECK_OK(assay_wait(mixed->futures, 2, ASSAY_FIRST_COMPLETED, short_time_ns(), &partition));
	CHECK_EQ(partition.done, 0);
	gate_open(mixed->gate);
	CHECK_OK(assay_wait(mixed->futures, 2, ASSAY_FIRST_COMPLETED, ASSAY_FOREVER, &partition));
	CHECK_EQ(partition.done, 1);
	CHECK(sorted[0] == mixed->futures[mixed->first]);
	probe_hit(mixed->calls);
}

ASSAY_TEST(cb_15_callback_waits_for_futures_of_two_executors, .clause = "CB-15",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	for (int i = 0; i < 4; i++) {
		assay_executor *executors[2] = {executor_new(s, 2), executor_new(s, 2)};
		struct gate *gate = gate_new(s), *never = gate_new(s);
		struct mixed mixed = {.gate = gate_new(s), .first = i % 2, .calls = probe_new(s)};
		assay_future *future = submit_gated(executors[i / 2], gate, NULL, 1);

		for (int k = 0; k < 2; k++)
			mixed.futures[k] = submit_gated(
				executors[k], k == mixed.first ? mixed.gate : never, NULL, 2);
		add(future, wait_for_first, &mixed);
		gate_open(gate);
		probe_await(mixed.calls, 1);
		gate_open(never);
		for (int k = 0; k < 2; k++) {
			executor_end(executors[k]);
			assay_future_release(mixed.futures[k]);
		}
		assay_future_release(future);
	}
}

static void wait_for_other(assay_future *future, void *user)
{
	struct other *other = user;

	CHECK(assay_future_is_done(future));
	CHECK_EQ(result_int(other->future), 2);
	probe_hit(other->calls);
}

ASSAY_TEST(cb_15_callback_waits_on_another_executor, .clause = "CB-15",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	assay_executor *executor = executor_new(s, 1), *second = executor_new(s, 1);
	struct gate *gate = gate_new(s);
	struct other other = {submit_gated(second, gate, NULL, 2), probe_new(s)};
	assay_future *future = submit_gated(executor, gate, NULL, 1);

	add(future, wait_for_other, &other);
	gate_open(gate);
	executor_end(executor);
	CHECK_EQ(probe_count(other.calls), 1);
	executor_end(second);
	assay_future_release(other.future);
	assay_future_release(future);
}
