/* SPDX-License-Identifier: MIT */
/* Waiting on sets: what is reported, and when. See wait_many.c for many futures and waiters. */
#include "fixture.h"
#include "partition.h"

#define MODES 3

/* A task that passes a gate and then fails. */
struct gated_failure {
	struct gate *gate;
	int code;
};

static int pass_gate_and_fail(assay_call *call)
{
	const struct gated_failure *argument = call->argument;

	gate_wait(argument->gate);
	return assay_fail(call, argument->code, "after the gate");
}

static assay_future *submit_gated_failure(assay_executor *executor, struct gate *gate, int code)
{
	struct gated_failure argument = {gate, code};

	return submit_task(executor, pass_gate_and_fail, &argument, sizeof argument);
}

/* A thread that waits on a set without time limit, and what it was told. */
struct set_waiter {
	struct actor actor;
	assay_future *const *futures;
	size_t count;
	enum assay_wait_until until;
	assay_future *room[16];
	struct assay_partition partition;
};

static void set_waiter_run(void *argument)
{
	struct set_waiter *waiter = argument;

	waiter->partition = partition_of(waiter->futures, waiter->count, waiter->until,
					 ASSAY_FOREVER, waiter->room);
}

static void set_waiter_start(struct set_waiter *waiter, assay_future *const *futures, size_t count,
			     enum assay_wait_until until)
{
	waiter->futures = futures;
	waiter->count = count;
	waiter->until = until;
	actor_start(&waiter->actor, set_waiter_run, waiter);
}

ASSAY_TEST(wait_1_the_two_sets_make_up_the_whole, .clause = "WAIT-1",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT | ASSAY_CAP_SUBMITTER_FIFO)
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *set[5], *room[5];
	struct occupied workers;

	set[1] = submit_int(executor, 1);
	set[3] = submit_failing(executor, 3, NULL);
	CHECK_OK(assay_wait(&set[3], 1, ASSAY_ALL_COMPLETED, ASSAY_FOREVER, NULL));
	workers = occupy_workers(s, executor, 1);
	set[0] = submit_int(executor, 0);
	set[2] = submit_int(executor, 2);
	set[4] = submit_int(executor, 4);
	CHECK(assay_future_cancel(set[4]));
	for (int until = 0; until < MODES; until++) {
		struct assay_partition seen =
			partition_of(set, 5, (enum assay_wait_until)until, 0, room);

		CHECK_EQ(seen.done, 3);
		CHECK_EQ(seen.pending, 2);
		/* In the order given. */
		CHECK(room[0] == set[1] && room[1] == set[3] && room[2] == set[4]);
		CHECK(room[3] == set[0] && room[4] == set[2]);
	}
	release_workers(&workers);
	executor_end(executor);
	release_all(set, 5);
}

ASSAY_TEST(wait_1_counts_need_no_room, .clause = "WAIT-1",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	assay_executor *executor = executor_new(s, 2);
	struct gate *gate = gate_new(s);
	assay_future *set[2] = {submit_gated(executor, gate, NULL, 0), submit_int(executor, 1)};
	struct assay_partition counts = {NULL, 77, 77};

	CHECK_OK(assay_wait(set, 2, ASSAY_FIRST_COMPLETED, ASSAY_FOREVER, NULL));
	CHECK_EQ(result_int(set[1]), 1);
	CHECK_OK(assay_wait(set, 2, ASSAY_ALL_COMPLETED, 0, &counts));
	CHECK_EQ(counts.done, 1);
	CHECK_EQ(counts.pending, 1);
	gate_open(gate);
	executor_end(executor);
	release_all(set, 2);
}

ASSAY_TEST(wait_1_the_room_may_be_the_array_itself, .clause = "WAIT-1",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	assay_executor *executor = executor_new(s, 2);
	struct gate *gate = gate_new(s);
	assay_future *pending = submit_gated(executor, gate, NULL, 0);
	assay_future *done = submit_int(executor, 1);
	assay_future *set[3] = {pending, done, pending};
	struct assay_partition partition = {.futures = set};

	CHECK_EQ(result_int(done), 1);
	CHECK_OK(assay_wait(set, 3, ASSAY_FIRST_COMPLETED, ASSAY_FOREVER, &partition));
	CHECK_EQ(partition.done, 1);
	CHECK_EQ(partition.pending, 1);
	CHECK(set[0] == done && set[1] == pending);
	gate_open(gate);
	executor_end(executor);
	assay_future_release(pending);
	assay_future_release(done);
}

ASSAY_TEST(wait_2_all_completed_waits_for_the_last, .clause = "WAIT-2",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	enum { COUNT = 4 };

	assay_executor *executor = executor_new(s, COUNT);
	struct gate *gates[COUNT];
	assay_future *set[COUNT];
	struct set_waiter waiter;

	for (int i = 0; i < COUNT; i++) {
		gates[i] = gate_new(s);
		set[i] = submit_gated(executor, gates[i], NULL, i);
	}
	set_waiter_start(&waiter, set, COUNT, ASSAY_ALL_COMPLETED);
	/* The one it looks at first goes last but one, so that it cannot be asked in order. */
	for (int i = 0; i < COUNT; i++) {
		int next = (i + 2) % COUNT;

		actor_await_sleep(&waiter.actor);
		gate_open(gates[next]);
		CHECK_EQ(result_int(set[next]), next);
	}
	actor_join(&waiter.actor);
	CHECK_EQ(waiter.partition.done, COUNT);
	executor_end(executor);
	release_all(set, COUNT);
}

ASSAY_TEST(wait_2_all_done_before_returns_at_once, .clause = "WAIT-2")
{
	assay_executor *executor = executor_new(s, 2);
	assay_future *set[8], *room[8];

	for (int i = 0; i < 8; i++)
		set[i] = i % 2 ? submit_int(executor, i) : submit_failing(executor, 1 + i, "no");
	for (int i = 0; i < 8; i++)
		CHECK_OK(assay_future_wait(set[i], ASSAY_FOREVER));
	for (int until = 0; until < MODES; until++)
		CHECK_EQ(partition_of(set, 8, (enum assay_wait_until)until, 0, room).done, 8);
	executor_end(executor);
	release_all(set, 8);
}

ASSAY_TEST(wait_3_first_completed_is_enough, .clause = "WAIT-3",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	enum { COUNT = 3 };

	for (int first = 0; first < COUNT; first++) {
		assay_executor *executor = executor_new(s, COUNT);
		struct gate *gates[COUNT];
		assay_future *set[COUNT];
		struct set_waiter waiter;

		for (int i = 0; i < COUNT; i++) {
			gates[i] = gate_new(s);
			set[i] = submit_gated(executor, gates[i], NULL, i);
		}
		set_waiter_start(&waiter, set, COUNT, ASSAY_FIRST_COMPLETED);
		actor_await_sleep(&waiter.actor);
		gate_open(gates[first]);
		actor_join(&waiter.actor);
		CHECK_EQ(waiter.partition.done, 1);
		CHECK(waiter.room[0] == set[first]);
		for (int i = 0; i < COUNT; i++)
			gate_open(gates[i]);
		executor_end(executor);
		release_all(set, COUNT);
	}
}

ASSAY_TEST(wait_3_a_failure_completes_too, .clause = "WAIT-3",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	assay_executor *executor = executor_new(s, 2);
	struct gate *failing = gate_new(s), *other = gate_new(s);
	assay_future *set[2] = {submit_gated(executor, other, NULL, 0),
				submit_gated_failure(executor, failing, 9)};
	struct set_waiter waiter;

	set_waiter_start(&waiter, set, 2, ASSAY_FIRST_COMPLETED);
	actor_await_sleep(&waiter.actor);
	gate_open(failing);
	actor_join(&waiter.actor);
	CHECK_EQ(waiter.partition.done, 1);
	CHECK(waiter.room[0] == set[1]);
	gate_open(other);
	executor_end(executor);
	release_all(set, 2);
}

ASSAY_TEST(wait_4_first_completed_reports_all_that_are_done, .clause = "WAIT-4",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	assay_executor *executor = executor_new(s, 2);
	struct gate *gate = gate_new(s);
	assay_future *set[3] = {submit_int(executor, 0), submit_gated(executor, gate, NULL, 1),
				submit_int(executor, 2)};
	assay_future *room[3];
	struct assay_partition seen;

	CHECK_EQ(result_int(set[0]), 0);
	CHECK_EQ(result_int(set[2]), 2);
	seen = partition_of(set, 3, ASSAY_FIRST_COMPLETED, ASSAY_FOREVER, room);
	CHECK_EQ(seen.done, 2);
	CHECK(room[0] == set[0] && room[1] == set[2] && room[2] == set[1]);
	gate_open(gate);
	executor_end(executor);
	release_all(set, 3);
}

ASSAY_TEST(wait_5_first_failure_ends_the_wait, .clause = "WAIT-5",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	assay_executor *executor = executor_new(s, 3);
	struct gate *failing = gate_new(s), *other = gate_new(s);
	assay_future *set[3] = {submit_gated(executor, other, NULL, 0), submit_int(executor, 1),
				submit_gated_failure(executor, failing, 9)};
	struct set_waiter waiter;

	CHECK_EQ(result_int(set[1]), 1);
	set_waiter_start(&waiter, set, 3, ASSAY_FIRST_FAILURE);
	/* Asleep although one has succeeded. */
	actor_await_sleep(&waiter.actor);
	gate_open(failing);
	actor_join(&waiter.actor);
	CHECK_EQ(waiter.partition.done, 2);
	CHECK(waiter.room[0] == set[1] && waiter.room[1] == set[2]);
	gate_open(other);
	executor_end(executor);
	release_all(set, 3);
}

ASSAY_TEST(wait_5_success_does_not_end_the_wait, .clause = "WAIT-5",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	assay_executor *executor = executor_new(s, 3);
	struct gate *first = gate_new(s), *failing = gate_new(s), *other = gate_new(s);
	assay_future *set[3] = {submit_gated(executor, first, NULL, 0),
				submit_gated_failure(executor, failing, 9),
				submit_gated(executor, other, NULL, 2)};
	struct set_waiter waiter;

	set_waiter_start(&waiter, set, 3, ASSAY_FIRST_FAILURE);
	actor_await_sleep(&waiter.actor);
	gate_open(first);
	CHECK_EQ(result_int(set[0]), 0);
	actor_await_sleep(&waiter.actor);
	gate_open(failing);
	actor_join(&waiter.actor);
	CHECK_EQ(waiter.partition.done, 2);
	CHECK(waiter.room[2] == set[2]);
	gate_open(other);
	executor_end(executor);
	release_all(set, 3);
}

ASSAY_TEST(wait_6_without_a_failure_waits_for_all, .clause = "WAIT-6",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	enum { COUNT = 3 };

	assay_executor *executor = executor_new(s, COUNT);
	struct gate *gates[COUNT];
	assay_future *set[COUNT];
	struct set_waiter waiter;

	for (int i = 0; i < COUNT; i++) {
		gates[i] = gate_new(s);
		set[i] = submit_gated(executor, gates[i], NULL, i);
	}
	set_waiter_start(&waiter, set, COUNT, ASSAY_FIRST_FAILURE);
	for (int i = COUNT - 1; i >= 0; i--) {
		actor_await_sleep(&waiter.actor);
		gate_open(gates[i]);
		CHECK_EQ(result_int(set[i]), i);
	}
	actor_join(&waiter.actor);
	CHECK_EQ(waiter.partition.done, COUNT);
	executor_end(executor);
	release_all(set, COUNT);
}

ASSAY_TEST(wait_7_an_earlier_failure_is_enough, .clause = "WAIT-7",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	assay_executor *executor = executor_new(s, 2);
	struct gate *gate = gate_new(s);
	assay_future *set[2] = {submit_gated(executor, gate, NULL, 0),
				submit_failing(executor, 4, "early")};
	assay_future *room[2];
	struct assay_partition seen;

	CHECK_OK(assay_future_wait(set[1], ASSAY_FOREVER));
	seen = partition_of(set, 2, ASSAY_FIRST_FAILURE, ASSAY_FOREVER, room);
	CHECK_EQ(seen.done, 1);
	CHECK(room[0] == set[1]);
	gate_open(gate);
	executor_end(executor);
	release_all(set, 2);
}

ASSAY_TEST(wait_8_cancellation_is_no_failure, .clause = "WAIT-8",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	assay_future *set[3] = {submit_int(executor, 0), submit_int(executor, 1),
				submit_int(executor, 2)};
	struct set_waiter waiter;

	CHECK(assay_future_cancel(set[0])); /* before the wait */
	set_waiter_start(&waiter, set, 3, ASSAY_FIRST_FAILURE);
	actor_await_sleep(&waiter.actor);
	CHECK(assay_future_cancel(set[1])); /* during the wait */
	actor_await_sleep(&waiter.actor);
	release_workers(&workers);
	actor_join(&waiter.actor);
	CHECK_EQ(waiter.partition.done, 3);
	CHECK_EQ(result_int(set[2]), 2);
	executor_end(executor);
	release_all(set, 3);
}

ASSAY_TEST(wait_9_timeout_returns_the_partition, .clause = "WAIT-9",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	assay_executor *executor = executor_new(s, 2);
	struct gate *gate = gate_new(s);
	assay_future *set[2] = {submit_gated(executor, gate, NULL, 0), submit_int(executor, 1)};
	assay_future *room[2];

	CHECK_EQ(result_int(set[1]), 1);
	for (int until = 0; until < MODES; until++) {
		bool first = until == ASSAY_FIRST_COMPLETED; /* already so with set[1] */
		int64_t before_ns = assay_clock_ns();
		struct assay_partition seen = partition_of(
			set, first ? 1 : 2, (enum assay_wait_until)until, short_time_ns(), room);

		CHECK(assay_clock_ns() - before_ns >= short_time_ns());
		CHECK_EQ(seen.done, first ? 0 : 1);
		CHECK_EQ(seen.pending, 1);
	}
	gate_open(gate);
	executor_end(executor);
	release_all(set, 2);
}

ASSAY_TEST(wait_9_the_limit_is_for_the_whole_set, .clause = "WAIT-9",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	enum { COUNT = 1000 };

	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	assay_future *set[COUNT], *room[COUNT];
	int64_t limit_ns = short_time_ns() > 20000000 ? short_time_ns() : 20000000;

	for (int i = 0; i < COUNT; i++)
		set[i] = submit_int(executor, i);
	/* A limit for each future would be 20 s: the deadline of the test is shorter. */
	for (int until = 0; until < MODES; until++)
		CHECK_EQ(
			partition_of(set, COUNT, (enum assay_wait_until)until, limit_ns, room).done,
			0);
	release_workers(&workers);
	executor_end(executor);
	release_all(set, COUNT);
}

ASSAY_TEST(wait_10_zero_and_less_only_look, .clause = "WAIT-10",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	static const int64_t limits_ns[] = {0, -1, -1000000000, INT64_MIN + 1, INT64_MIN};
	assay_executor *executor = executor_new(s, 2);
	struct gate *gate = gate_new(s);
	assay_future *set[2] = {submit_gated(executor, gate, NULL, 0), submit_int(executor, 1)};
	assay_future *room[2];

	CHECK_EQ(result_int(set[1]), 1);
	for (size_t i = 0; i < sizeof limits_ns / sizeof *limits_ns; i++)
		for (int until = 0; until < MODES; until++) {
			enum assay_wait_until mode = (enum assay_wait_until)until;

			CHECK_EQ(partition_of(set, 2, mode, limits_ns[i], room).done, 1);
			CHECK(room[0] == set[1]);
			CHECK_EQ(partition_of(set, 1, mode, limits_ns[i], room).done, 0);
		}
	gate_open(gate);
	executor_end(executor);
	release_all(set, 2);
}

static void wait_almost_forever(void *argument)
{
	struct set_waiter *waiter = argument;

	waiter->partition = partition_of(waiter->futures, waiter->count, waiter->until,
					 ASSAY_FOREVER - 1, waiter->room);
}

ASSAY_TEST(wait_11_no_limit_means_no_limit, .clause = "WAIT-11",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	assay_executor *executor = executor_new(s, 1);
	struct gate *gate = gate_new(s);
	assay_future *set[1] = {submit_gated(executor, gate, NULL, 5)};
	struct set_waiter waiters[2 * MODES];

	for (int i = 0; i < 2 * MODES; i++) {
		waiters[i].futures = set;
		waiters[i].count = 1;
		waiters[i].until = (enum assay_wait_until)(i % MODES);
		actor_start(&waiters[i].actor, i < MODES ? set_waiter_run : wait_almost_forever,
			    &waiters[i]);
	}
	for (int i = 0; i < 2 * MODES; i++)
		actor_await_sleep(&waiters[i].actor);
	gate_open(gate);
	for (int i = 0; i < 2 * MODES; i++) {
		actor_join(&waiters[i].actor);
		CHECK_EQ(waiters[i].partition.done, 1);
	}
	executor_end(executor);
	release_all(set, 1);
}

ASSAY_TEST(wait_12_duplicates_are_reported_once, .clause = "WAIT-12",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	assay_executor *executor = executor_new(s, 2);
	struct gate *gate = gate_new(s);
	assay_future *a = submit_gated(executor, gate, NULL, 1);
	assay_future *b = submit_int(executor, 2);
	assay_future *set[7] = {a, b, b, a, a, b, a}, *room[7];

	CHECK_EQ(result_int(b), 2);
	for (int until = 0; until < MODES; until++) {
		struct assay_partition seen =
			partition_of(set, 7, (enum assay_wait_until)until, 0, room);

		CHECK_EQ(seen.done, 1);
		CHECK_EQ(seen.pending, 1);
		CHECK(room[0] == b && room[1] == a);
	}
	gate_open(gate);
	for (int until = 0; until < MODES; until++)
		CHECK(partition_of(set, 7, (enum assay_wait_until)until, ASSAY_FOREVER, room).done);
	CHECK_EQ(partition_of(set, 7, ASSAY_ALL_COMPLETED, ASSAY_FOREVER, room).done, 2);
	executor_end(executor);
	assay_future_release(a);
	assay_future_release(b);
}

ASSAY_TEST(wait_12_a_pending_duplicate_is_waited_for_once, .clause = "WAIT-12",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	for (int until = 0; until < MODES; until++) {
		assay_executor *executor = executor_new(s, 1);
		struct gate *gate = gate_new(s);
		assay_future *a = submit_gated(executor, gate, NULL, 1);
		assay_future *set[3] = {a, a, a};
		struct set_waiter waiter;

		set_waiter_start(&waiter, set, 3, (enum assay_wait_until)until);
		actor_await_sleep(&waiter.actor);
		gate_open(gate);
		actor_join(&waiter.actor);
		CHECK_EQ(waiter.partition.done, 1);
		CHECK_EQ(waiter.partition.pending, 0);
		executor_end(executor);
		assay_future_release(a);
	}
}
