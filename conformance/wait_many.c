/* SPDX-License-Identifier: MIT */
/* Waiting on sets: several executors, cancellation, many futures and waiters, residue. */
#include "fixture.h"
#include "heap.h"
#include "partition.h"
#include "partner.h"

#define MODES 3
#define MOST 1000

/* A thread that waits on a set without time limit. */
struct crowd {
	struct actor actor;
	assay_future **futures;
	size_t count;
	enum assay_wait_until until;
	struct probe *meeting; /* NULL, or where `parties` meet before the wait */
	uint32_t parties;
	struct assay_partition seen;
};

static void crowd_run(void *argument)
{
	struct crowd *crowd = argument;

	if (crowd->meeting)
		meet(crowd->meeting, crowd->parties);
	CHECK_OK(assay_wait(crowd->futures, crowd->count, crowd->until, ASSAY_FOREVER,
			    &crowd->seen));
}

static void crowd_start(struct crowd *crowd, assay_future **futures, size_t count,
			enum assay_wait_until until)
{
	*crowd = (struct crowd){.futures = futures, .count = count, .until = until};
	actor_start(&crowd->actor, crowd_run, crowd);
}

ASSAY_TEST(wait_13_an_empty_set_ends_at_once, .clause = "WAIT-13")
{
	for (int until = 0; until < MODES; until++) {
		struct assay_partition partition = {NULL, 7, 7};

		CHECK_OK(assay_wait(NULL, 0, (enum assay_wait_until)until, ASSAY_FOREVER,
				    &partition));
		CHECK_EQ(partition.done, 0);
		CHECK_EQ(partition.pending, 0);
		CHECK_OK(assay_wait(NULL, 0, (enum assay_wait_until)until, 0, NULL));
	}
	(void)s;
}

ASSAY_TEST(wait_14_executors_mix, .clause = "WAIT-14",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	assay_executor *a = executor_new(s, 1), *b = executor_new(s, 1), *c = partner_new(s, 1);
	struct gate *gates[3] = {gate_new(s), gate_new(s), gate_new(s)};
	assay_future *set[3] = {submit_gated(a, gates[0], NULL, 0),
				submit_gated(b, gates[1], NULL, 1),
				submit_gated(c, gates[2], NULL, 2)};
	assay_future *room[3];
	struct crowd all, first;

	crowd_start(&all, set, 3, ASSAY_ALL_COMPLETED);
	crowd_start(&first, set, 3, ASSAY_FIRST_COMPLETED);
	actor_await_sleep(&all.actor);
	actor_await_sleep(&first.actor);
	gate_open(gates[2]);
	actor_join(&first.actor);
	CHECK_EQ(first.seen.done, 1);
	actor_await_sleep(&all.actor);
	gate_open(gates[1]);
	CHECK_EQ(result_int(set[1]), 1);
	CHECK_EQ(partition_of(set, 3, ASSAY_FIRST_FAILURE, 0, room).done, 2);
	gate_open(gates[0]);
	actor_join(&all.actor);
	CHECK_EQ(all.seen.done, 3);
	executor_end(a);
	executor_end(b);
	executor_end(c);
	release_all(set, 3);
}

ASSAY_TEST(wait_14_whoever_is_first_wakes_the_waiter, .clause = "WAIT-14",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	/* The waiter sleeps by the means of one backend and is woken by those of the other. */
	for (int order = 0; order < 2; order++)
		for (int opened = 0; opened < 2; opened++) {
			assay_executor *a = executor_new(s, 1), *b = partner_new(s, 1);
			struct gate *gates[2] = {gate_new(s), gate_new(s)};
			assay_future *set[2];
			struct crowd crowd;

			set[order] = submit_gated(a, gates[order], NULL, 0);
			set[1 - order] = submit_gated(b, gates[1 - order], NULL, 0);
			crowd_start(&crowd, set, 2, ASSAY_FIRST_COMPLETED);
			actor_await_sleep(&crowd.actor);
			gate_open(gates[opened]);
			actor_join(&crowd.actor);
			CHECK_EQ(crowd.seen.done, 1);
			CHECK(assay_future_is_done(set[opened]));
			gate_open(gates[1 - opened]);
			executor_end(a);
			executor_end(b);
			release_all(set, 2);
		}
}

ASSAY_TEST(wait_14_done_futures_mix, .clause = "WAIT-14")
{
	assay_executor *a = executor_new(s, 1), *b = partner_new(s, 1);
	assay_future *set[4] = {submit_int(a, 0), submit_int(b, 1), submit_failing(a, 2, NULL),
				submit_failing(b, 3, NULL)};
	assay_future *room[4];

	CHECK_EQ(partition_of(set, 4, ASSAY_ALL_COMPLETED, ASSAY_FOREVER, room).done, 4);
	CHECK(partition_of(set, 4, ASSAY_FIRST_FAILURE, ASSAY_FOREVER, room).done >= 1);
	executor_end(a);
	executor_end(b);
	release_all(set, 4);
}

ASSAY_TEST(wait_15_any_number_of_futures, .clause = "WAIT-15")
{
	static const size_t sizes[] = {1, 2, 3, 15, 16, 17, 64, 255, MOST};
	assay_executor *executor = executor_new(s, 2);
	assay_future *set[MOST], *room[MOST];

	for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
		for (size_t i = 0; i < sizes[k]; i++)
			set[i] = submit_int(executor, (int)i);
		CHECK(partition_of(set, sizes[k], ASSAY_FIRST_COMPLETED, ASSAY_FOREVER, room).done);
		CHECK_EQ(partition_of(set, sizes[k], ASSAY_FIRST_FAILURE, ASSAY_FOREVER, room).done,
			 sizes[k]);
		CHECK_EQ(partition_of(set, sizes[k], ASSAY_ALL_COMPLETED, ASSAY_FOREVER, room).done,
			 sizes[k]);
		for (size_t i = 0; i < sizes[k]; i++)
			CHECK_EQ(result_int(set[i]), i);
		release_all(set, sizes[k]);
	}
	executor_end(executor);
}

ASSAY_TEST(wait_16_a_cancelled_future_is_done, .clause = "WAIT-16",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	assay_future *set[2] = {submit_int(executor, 0), submit_int(executor, 1)};
	assay_future *room[2];

	/* No worker can have looked at it. */
	CHECK(assay_future_cancel(set[1]));
	CHECK_EQ(partition_of(set, 2, ASSAY_ALL_COMPLETED, 0, room).done, 1);
	CHECK(room[0] == set[1]);
	CHECK_EQ(partition_of(set, 2, ASSAY_FIRST_COMPLETED, ASSAY_FOREVER, room).done, 1);
	CHECK(assay_future_cancel(set[0]));
	CHECK_EQ(partition_of(set, 2, ASSAY_ALL_COMPLETED, ASSAY_FOREVER, room).done, 2);
	CHECK_EQ(partition_of(set, 2, ASSAY_FIRST_FAILURE, ASSAY_FOREVER, room).done, 2);
	release_workers(&workers);
	executor_end(executor);
	release_all(set, 2);
}

ASSAY_TEST(wait_17_cancellation_ends_the_wait, .clause = "WAIT-17",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	assay_future *set[2] = {submit_int(executor, 0), submit_int(executor, 1)};
	struct crowd first, all;

	crowd_start(&first, set, 2, ASSAY_FIRST_COMPLETED);
	crowd_start(&all, set, 2, ASSAY_ALL_COMPLETED);
	actor_await_sleep(&first.actor);
	actor_await_sleep(&all.actor);
	CHECK(assay_future_cancel(set[1]));
	actor_join(&first.actor);
	CHECK_EQ(first.seen.done, 1);
	actor_await_sleep(&all.actor);
	CHECK(assay_future_cancel(set[0]));
	actor_join(&all.actor);
	CHECK_EQ(all.seen.done, 2);
	release_workers(&workers);
	executor_end(executor);
	release_all(set, 2);
}

ASSAY_TEST(wait_18_shutdown_that_cancels_wakes_waiters, .clause = "WAIT-18",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	assay_future *set[3] = {submit_int(executor, 0), submit_int(executor, 1),
				submit_int(executor, 2)};
	struct crowd crowd[MODES];

	for (int until = 0; until < MODES; until++)
		crowd_start(&crowd[until], set, 3, (enum assay_wait_until)until);
	for (int until = 0; until < MODES; until++)
		actor_await_sleep(&crowd[until].actor);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_CANCEL_PENDING));
	/* While the worker is still busy. */
	for (int until = 0; until < MODES; until++) {
		actor_join(&crowd[until].actor);
		CHECK(crowd[until].seen.done >= 1);
	}
	CHECK_EQ(crowd[ASSAY_ALL_COMPLETED].seen.done, 3);
	CHECK_EQ(crowd[ASSAY_FIRST_FAILURE].seen.done, 3);
	release_workers(&workers);
	executor_end(executor);
	release_all(set, 3);
}

ASSAY_TEST(wait_19_bad_arguments_are_rejected, .clause = "WAIT-19")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *done = submit_int(executor, 1), *room[2] = {NULL, NULL};
	assay_future *hole[2] = {done, NULL};
	struct assay_partition partition = {room, 7, 7};
	int unknown = 3;

	CHECK_EQ(result_int(done), 1);
	for (; unknown >= -1; unknown -= 4) {
		enum assay_wait_until until;

		__builtin_memcpy(&until, &unknown, sizeof until);
		CHECK_ERROR(assay_wait(&done, 1, until, 0, &partition), ASSAY_EINVAL);
		CHECK_ERROR(assay_wait(NULL, 0, until, 0, &partition), ASSAY_EINVAL);
	}
	CHECK_ERROR(assay_wait(NULL, 1, ASSAY_ALL_COMPLETED, 0, &partition), ASSAY_EINVAL);
	CHECK_ERROR(assay_wait(hole, 2, ASSAY_FIRST_COMPLETED, 0, &partition), ASSAY_EINVAL);
	/* Untouched. */
	CHECK_EQ(partition.done, 7);
	CHECK_EQ(partition.pending, 7);
	CHECK(!room[0] && !room[1]);
	executor_end(executor);
	assay_future_release(done);
}

ASSAY_TEST(wait_20_many_waiters_are_all_woken, .clause = "WAIT-20",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT, .rounds = 10)
{
	enum { COUNT = 100, WAITERS = 9 };

	for (int round = 0; round < scaled(10); round++) {
		assay_executor *executor = executor_new(s, s->workers);
		struct gate *gate = gate_new(s);
		assay_future *set[COUNT];
		struct crowd crowd[WAITERS];

		for (int i = 0; i < COUNT; i++)
			set[i] = submit_gated(executor, gate, NULL, i);
		/* Overlapping parts, in each of the modes. */
		for (int i = 0; i < WAITERS; i++)
			crowd_start(&crowd[i], &set[(size_t)i * 5], COUNT - (size_t)i * 10,
				    (enum assay_wait_until)(i % MODES));
		if (round % 2)
			for (int i = 0; i < WAITERS; i++)
				actor_await_sleep(&crowd[i].actor);
		gate_open(gate);
		for (int i = 0; i < WAITERS; i++) {
			actor_join(&crowd[i].actor);
			CHECK_EQ(crowd[i].seen.done + crowd[i].seen.pending, crowd[i].count);
			CHECK(crowd[i].seen.done == crowd[i].count ||
			      (crowd[i].until == ASSAY_FIRST_COMPLETED && crowd[i].seen.done));
		}
		executor_end(executor);
		release_all(set, COUNT);
	}
}

ASSAY_TEST(wait_21_completion_on_the_way_to_sleep, .clause = "WAIT-21",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT, .rounds = 2000)
{
	assay_executor *executor = executor_new(s, 2);

	for (int round = 0; round < scaled(2000); round++) {
		/* The tasks run while the waiter looks, registers and lies down. */
		assay_future *set[2] = {submit_int(executor, round), submit_int(executor, -round)};
		struct assay_partition seen = {.futures = NULL};

		CHECK_OK(assay_wait(set, 2, (enum assay_wait_until)(round % MODES), ASSAY_FOREVER,
				    &seen));
		CHECK(seen.done == 2 || (seen.done == 1 && round % MODES == ASSAY_FIRST_COMPLETED));
		CHECK_OK(assay_wait(set, 2, ASSAY_ALL_COMPLETED, ASSAY_FOREVER, &seen));
		CHECK_EQ(seen.done, 2);
		release_all(set, 2);
	}
	executor_end(executor);
}

ASSAY_TEST(wait_21_cancellation_on_the_way_to_sleep, .clause = "WAIT-21",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT, .rounds = 200)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);

	for (int round = 0; round < scaled(200); round++) {
		struct probe *meeting = probe_new(s);
		assay_future *set[1] = {submit_int(executor, round)};
		struct crowd crowd = {.futures = set,
				      .count = 1,
				      .until = (enum assay_wait_until)(round % MODES),
				      .meeting = meeting,
				      .parties = 2};

		actor_start(&crowd.actor, crowd_run, &crowd);
		meet(meeting, 2);
		CHECK(assay_future_cancel(set[0]));
		actor_join(&crowd.actor);
		CHECK_EQ(crowd.seen.done, 1);
		release_all(set, 1);
	}
	release_workers(&workers);
	executor_end(executor);
}

ASSAY_TEST(wait_22_reversed_sets_do_not_deadlock, .clause = "WAIT-22",
	   .needs = ASSAY_CAP_ASYNCHRONOUS, .rounds = 100)
{
	enum { COUNT = 50 };

	assay_executor *executor = executor_new(s, 2);

	for (int round = 0; round < scaled(100); round++) {
		assay_future *set[COUNT], *reversed[COUNT];
		struct crowd crowd[4];

		for (int i = 0; i < COUNT; i++)
			set[i] = reversed[COUNT - 1 - i] = submit_int(executor, i);
		for (int i = 0; i < 4; i++)
			crowd_start(&crowd[i], i % 2 ? reversed : set, COUNT,
				    i < 2 ? ASSAY_FIRST_FAILURE : ASSAY_ALL_COMPLETED);
		for (int i = 0; i < 4; i++) {
			actor_join(&crowd[i].actor);
			CHECK_EQ(crowd[i].seen.done, COUNT);
		}
		release_all(set, COUNT);
	}
	executor_end(executor);
}

ASSAY_TEST(wait_23_polls_leave_nothing_behind, .clause = "WAIT-23",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)
{
	enum { COUNT = 10, POLLS = 5000 };

	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	assay_future *set[COUNT];
	size_t before = 0;

	for (int i = 0; i < COUNT; i++)
		set[i] = submit_int(executor, i);
	for (int i = 0; i < 2 * POLLS; i++) {
		struct assay_partition seen = {.futures = NULL};

		if (i == POLLS) /* by now what is kept for reuse is there */
			before = heap_in_use();
		/* 1 ns: long enough to lie down, too short to sleep. */
		CHECK_OK(assay_wait(set, COUNT, (enum assay_wait_until)(i % MODES), i % 2, &seen));
		CHECK_EQ(seen.pending, COUNT);
	}
	/* One node of 32 bytes in ten polls would be more. */
	CHECK(heap_in_use() <= before + 16384);
	release_workers(&workers);
	CHECK_OK(assay_wait(set, COUNT, ASSAY_ALL_COMPLETED, ASSAY_FOREVER, NULL));
	executor_end(executor);
	release_all(set, COUNT);
}

ASSAY_TEST(wait_24_nothing_is_consumed, .clause = "WAIT-24")
{
	assay_executor *executor = executor_new(s, 2);
	assay_future *set[3] = {submit_int(executor, 41), submit_failing(executor, 7, "seven"),
				submit_int(executor, 43)};
	struct assay_outcome outcome = {.error = 1};

	for (int i = 0; i < 2 * MODES; i++) {
		CHECK_OK(assay_wait(set, 3, (enum assay_wait_until)(i % MODES), ASSAY_FOREVER,
				    NULL));
		CHECK_EQ(result_int(set[0]), 41);
		CHECK_EQ(result_int(set[2]), 43);
		CHECK_OK(assay_future_outcome(set[1], ASSAY_FOREVER, &outcome));
		CHECK_ERROR(outcome.error, ASSAY_EFAILED);
		CHECK_EQ(outcome.code, 7);
		CHECK_STR(outcome.message, "seven");
	}
	executor_end(executor);
	release_all(set, 3);
}

ASSAY_TEST(wait_24_pending_futures_stay_as_they_are, .clause = "WAIT-24",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT | ASSAY_CAP_EXACT_START)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	assay_future *set[2] = {submit_int(executor, 1), submit_int(executor, 2)};

	for (int until = 0; until < MODES; until++) {
		CHECK_OK(assay_wait(set, 2, (enum assay_wait_until)until, short_time_ns(), NULL));
		CHECK_EQ(assay_future_state(set[0]), ASSAY_PENDING);
		CHECK_EQ(assay_future_state(workers.futures[0]), ASSAY_RUNNING);
	}
	CHECK(assay_future_cancel(set[1]));
	release_workers(&workers);
	CHECK_EQ(result_int(set[0]), 1);
	executor_end(executor);
	release_all(set, 2);
}

ASSAY_TEST(wait_25_after_shutdown_and_destroy, .clause = "WAIT-25",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_CONCURRENT)
{
	assay_executor *executor = executor_new(s, 2);
	struct gate *gate = gate_new(s);
	assay_future *set[2] = {submit_gated(executor, gate, NULL, 1), submit_int(executor, 2)};
	assay_future *room[2];

	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT));
	CHECK_EQ(result_int(set[1]), 2);
	CHECK_EQ(partition_of(set, 2, ASSAY_ALL_COMPLETED, 0, room).done, 1);
	gate_open(gate);
	CHECK_EQ(partition_of(set, 2, ASSAY_ALL_COMPLETED, ASSAY_FOREVER, room).done, 2);
	executor_end(executor);
	for (int until = 0; until < MODES; until++)
		CHECK_EQ(partition_of(set, 2, (enum assay_wait_until)until, 0, room).done, 2);
	release_all(set, 2);
}
