/* SPDX-License-Identifier: MIT */
/* Tasks that submit to their own executor and wait there. */
#include "fixture.h"
#include "waiter.h"

#include <string.h>
#include <unistd.h>

#define ONE_WORKER (ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT | ASSAY_CAP_NESTED_SUBMIT)

struct bounded {
	enum wait_call call;
	int64_t timeout_ns;
	struct probe *child_ran;
};

static int hit_child(assay_call *call)
{
	probe_hit(*(struct probe *const *)call->argument);
	return ASSAY_OK;
}

/* Submits a child behind itself and waits for it, not for ever. Returns what the wait said. */
static int wait_bounded(assay_call *call)
{
	const struct bounded *bounded = call->argument;
	struct waiter waiter = {.call = bounded->call, .timeout_ns = bounded->timeout_ns};
	int error;

	waiter.future = submit_task(call->executor, hit_child, &bounded->child_ran,
				    sizeof bounded->child_ran);
	error = bounded->call == BY_RESULT
			? assay_future_result(waiter.future, bounded->timeout_ns, NULL, 0)
			: waiter_call(&waiter);
	assay_future_release(waiter.future);
	return assay_return(call, &error, sizeof error);
}

ASSAY_TEST(dlk_1_a_bounded_wait_for_ones_own_worker, .clause = "DLK-1", .needs = ONE_WORKER)
{
	assay_executor *executor = executor_new(s, 1);
	struct probe *ran = probe_new(s);

	for (int i = 0; i < WAIT_CALLS; i++) {
		struct bounded bounded = {(enum wait_call)i, short_time_ns() / 4, ran};
		assay_future *parent =
			submit_task(executor, wait_bounded, &bounded, sizeof bounded);
		assay_future *next = submit_int(executor, i);
		int error = result_int(parent);

		/* A worker that helps may have run the child in time. */
		if (error || !(s->backend->capabilities & ASSAY_CAP_NESTED_WAIT))
			CHECK_ERROR(error, ASSAY_ETIMEDOUT);
		/* It has recovered: the child ran, and so does what came later. */
		CHECK_EQ(result_int(next), i);
		assay_future_release(parent);
		assay_future_release(next);
	}
	executor_end(executor);
	CHECK_EQ(probe_count(ran), WAIT_CALLS);
}

/* What two tasks know of each other, in memory both see. */
struct pair {
	struct gate *gate; /* open when both futures are known */
	struct probe *meeting;
	assay_future *futures[2];
	int64_t timeout_ns;
};

struct half {
	struct pair *pair;
	int other;
};

static int wait_for_the_other(assay_call *call)
{
	const struct half *half = call->argument;
	int error;

	gate_wait(half->pair->gate);
	meet(half->pair->meeting, 2);
	error = assay_future_wait(half->pair->futures[half->other], half->pair->timeout_ns);
	/* Neither ends while the other still waits. */
	meet(half->pair->meeting, 4);
	return assay_return(call, &error, sizeof error);
}

ASSAY_TEST(dlk_2_two_tasks_that_wait_for_each_other, .clause = "DLK-2",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT | ASSAY_CAP_SHARED_MEMORY)
{
	assay_executor *executor = executor_new(s, 2);
	struct pair *pair = shared_new(s, sizeof *pair);
	assay_future *next;

	pair->gate = gate_new(s);
	pair->meeting = probe_new(s);
	pair->timeout_ns = short_time_ns();
	for (int i = 0; i < 2; i++) {
		struct half half = {pair, 1 - i};

		pair->futures[i] = submit_task(executor, wait_for_the_other, &half, sizeof half);
	}
	gate_open(pair->gate);
	for (int i = 0; i < 2; i++)
		CHECK_ERROR(result_int(pair->futures[i]), ASSAY_ETIMEDOUT);
	next = submit_int(executor, 3);
	CHECK_EQ(result_int(next), 3);
	executor_end(executor);
	assay_future_release(next);
	for (int i = 0; i < 2; i++)
		assay_future_release(pair->futures[i]);
}

/* Waits for a chain of this many tasks below; returns the depth. */
static int descend(assay_call *call)
{
	int depth = *(const int *)call->argument, below = depth - 1, sum = 1;

	if (depth > 1) {
		assay_future *child = submit_task(call->executor, descend, &below, sizeof below);

		sum += result_int(child);
		assay_future_release(child);
	}
	return assay_return(call, &sum, sizeof sum);
}

ASSAY_TEST(dlk_4_a_chain_with_a_worker_for_each_link, .clause = "DLK-4",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT | ASSAY_CAP_NESTED_SUBMIT)
{
	for (int depth = 1; depth <= 6; depth++) {
		assay_executor *executor = executor_new(s, depth);

		for (int round = 0; round < 10; round++) {
			assay_future *top = submit_task(executor, descend, &depth, sizeof depth);

			CHECK_EQ(result_int(top), depth);
			assay_future_release(top);
		}
		executor_end(executor);
	}
}

struct branch {
	struct probe *leaves;
	int depth;
};

/* Two tasks below, nobody waits. */
static int fan_out(assay_call *call)
{
	const struct branch *branch = call->argument;
	struct branch below = {branch->leaves, branch->depth - 1};

	if (branch->depth == 0)
		probe_hit(branch->leaves);
	else
		for (int i = 0; i < 2; i++)
			assay_future_release(
				submit_task(call->executor, fan_out, &below, sizeof below));
	return ASSAY_OK;
}

ASSAY_TEST(dlk_5_submitting_without_waiting_is_safe, .clause = "DLK-5",
	   .needs = ASSAY_CAP_NESTED_SUBMIT)
{
	for (int workers = 1; workers <= 2; workers++) {
		assay_executor *executor = executor_new(s, workers);
		struct branch root = {probe_new(s), 10};

		assay_future_release(submit_task(executor, fan_out, &root, sizeof root));
		probe_await(root.leaves, 1 << 10);
		executor_end(executor);
		CHECK_EQ(probe_count(root.leaves), 1 << 10);
	}
}

ASSAY_TEST(dlk_6_a_chain_on_one_worker, .clause = "DLK-6",
	   .needs = ASSAY_CAP_NESTED_SUBMIT | ASSAY_CAP_NESTED_WAIT)
{
	static const int depths[] = {1, 2, 3, 7, 20, 100, 1000};
	assay_executor *executor = executor_new(s, 1);

	for (size_t i = 0; i < sizeof depths / sizeof *depths; i++) {
		int depth = scaled(depths[i]);
		assay_future *top = submit_task(executor, descend, &depth, sizeof depth);

		CHECK_EQ(result_int(top), depth);
		assay_future_release(top);
	}
	executor_end(executor);
}

/* A future that passes everything on to another, and helps whoever parks by it. */
struct helping {
	assay_future base;
	assay_future *inner;
	struct gate *gate; /* its help: lets a task go on */
	int parked;
};

static struct assay_future_ops helping_ops;

static assay_future *inner_of(assay_future *future)
{
	return ((struct helping *)future)->inner;
}

static void keep_reference(assay_future *future)
{
	(void)future;
}

static enum assay_state helping_state(assay_future *future)
{
	return assay_future_state(inner_of(future));
}

static bool helping_cancel(assay_future *future)
{
	return assay_future_cancel(inner_of(future));
}

static int helping_outcome(assay_future *future, int64_t timeout_ns, struct assay_outcome *outcome)
{
	return inner_of(future)->ops->outcome(inner_of(future), timeout_ns, outcome);
}

static int helping_watch(assay_future *future, struct assay_watcher *watcher)
{
	return inner_of(future)->ops->watch(inner_of(future), watcher);
}

static void helping_unwatch(assay_future *future, struct assay_watcher *watcher)
{
	inner_of(future)->ops->unwatch(inner_of(future), watcher);
}

static int helping_park(assay_future *future, struct assay_signal *signal, int64_t timeout_ns)
{
	struct helping *helping = (struct helping *)future;

	helping->parked++;
	gate_open(helping->gate);
	return helping->inner->ops->park(helping->inner, signal, timeout_ns);
}

static bool helping_helps(assay_future *future)
{
	(void)future;
	return true;
}

static int helping_add_done_callback(assay_future *future, assay_callback *callback, void *user)
{
	return assay_future_add_done_callback(inner_of(future), callback, user);
}

ASSAY_TEST(dlk_6_a_set_is_parked_by_the_future_that_helps, .clause = "DLK-6",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	enum { COUNT = 40 };

	helping_ops = (struct assay_future_ops){keep_reference,  keep_reference,
						helping_state,   helping_cancel,
						helping_outcome, helping_add_done_callback,
						helping_watch,   helping_unwatch,
						helping_park,    helping_helps};
	for (int until = ASSAY_ALL_COMPLETED; until <= ASSAY_FIRST_FAILURE; until++) {
		assay_executor *executor = executor_new(s, 1);
		struct helping helping = {.base.ops = &helping_ops, .gate = gate_new(s)};
		assay_future *set[COUNT];
		struct assay_partition seen = {.futures = NULL};

		/* Nothing goes on unless the waiter helps, and the one that helps is the last. */
		for (int i = 0; i < COUNT; i++)
			set[i] = submit_gated(executor, helping.gate, NULL, i);
		helping.inner = set[COUNT - 1];
		set[COUNT - 1] = &helping.base;
		CHECK_OK(
			assay_wait(set, COUNT, (enum assay_wait_until)until, ASSAY_FOREVER, &seen));
		CHECK(seen.done >= 1);
		CHECK(helping.parked >= 1);
		executor_end(executor);
		for (int i = 0; i < COUNT - 1; i++)
			assay_future_release(set[i]);
		assay_future_release(helping.inner);
	}
}

struct needs_a_child {
	struct gate *gate;
};

static int open_gate(assay_call *call)
{
	gate_open(*(struct gate *const *)call->argument);
	return ASSAY_OK;
}

/* Goes on when the child has run, which it does not wait for by the executor. */
static int needs_the_other_worker(assay_call *call)
{
	struct gate *gate = ((const struct needs_a_child *)call->argument)->gate;

	assay_future_release(submit_task(call->executor, open_gate, &gate, sizeof gate));
	gate_wait(gate);
	return ASSAY_OK;
}

ASSAY_TEST(dlk_7_an_idle_worker_takes_what_is_there, .clause = "DLK-7",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT | ASSAY_CAP_NESTED_SUBMIT,
	   .rounds = 200)
{
	assay_executor *executor = executor_new(s, 2);

	for (int round = 0; round < scaled(200); round++) {
		struct needs_a_child needs = {gate_new(s)};
		assay_future *parent =
			submit_task(executor, needs_the_other_worker, &needs, sizeof needs);

		CHECK_OK(assay_future_result(parent, ASSAY_FOREVER, NULL, 0));
		assay_future_release(parent);
	}
	executor_end(executor);
}

/* The second call, and each later one, waits for the gate. */
struct slow_second {
	struct gate *gate;
	struct probe *entered;
};

static int start_second_slowly(const void *argument, size_t size)
{
	const struct slow_second *slow = argument;

	CHECK_EQ(size, sizeof *slow);
	if (__atomic_fetch_add(&slow->entered->inside, 1, __ATOMIC_ACQ_REL) > 0) {
		probe_hit(slow->entered);
		gate_wait(slow->gate);
	}
	return 0;
}

struct gated_tid {
	struct gate *gate;
	struct probe *started;
};

static int return_tid_behind_gate(assay_call *call)
{
	const struct gated_tid *gated = call->argument;
	int tid = gettid();

	probe_hit(gated->started);
	gate_wait(gated->gate);
	return assay_return(call, &tid, sizeof tid);
}

ASSAY_TEST(dlk_7_an_idle_worker_beside_an_initializer, .clause = "DLK-7",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT | ASSAY_CAP_INITIALIZER |
		    ASSAY_CAP_WORKER_REUSE)
{
	struct assay_config config = assay_config_default();
	struct slow_second slow = {gate_new(s), probe_new(s)};
	struct gated_tid gated = {gate_new(s), probe_new(s)};
	assay_future *futures[2], *last;
	assay_executor *executor;

	config.workers = 2;
	config.initializer = start_second_slowly;
	config.initializer_argument = &slow;
	config.initializer_argument_size = sizeof slow;
	executor = executor_with(s, &config);
	futures[0] = submit_task(executor, return_tid_behind_gate, &gated, sizeof gated);
	probe_await(gated.started, 1);
	futures[1] = submit_int(executor, 1);
	probe_await(slow.entered, 1);
	gate_open(gated.gate);
	CHECK_EQ(result_int(futures[1]), 1); /* by the first worker */
	await_sleep(result_int(futures[0]));
	last = submit_int(executor, 2);
	CHECK_EQ(result_int(last), 2);
	gate_open(slow.gate);
	executor_end(executor);
	assay_future_release(futures[0]);
	assay_future_release(futures[1]);
	assay_future_release(last);
}
