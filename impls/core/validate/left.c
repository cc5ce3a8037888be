/* SPDX-License-Identifier: MIT */
/*
 * Entries that are left behind in a lane: a submitter runs most of what it has pushed where it is,
 * as a worker does that waits for it, while others take what they find. Each task runs once, each
 * entry is given up once (by who takes it, or by who prunes the lane), and what was left does not
 * pile up where nobody takes anything. With either form of the fences.
 *
 * Ordering
 *   V3  all is pushed, release store of submitting  ->  a taker's acquire load, then a look
 *       what finds nothing then finds nothing for ever
 */
#include "../lanes.h"
#include "../record.h"

#include <assay/backend.h>

#include "validate.h"

#include <stdio.h>

#define TAKERS 2
#define ROUND 20000 /* tasks, until everything is looked at */
#define RECENT 64   /* tasks that the submitter knows at once */
#define BATCH 32

static struct lanes lanes;
static struct lane *lane; /* the submitter's */
static struct meeting meeting = {.count = TAKERS + 1};
static bool over; /* read after a meeting */
static _Atomic uint8_t ran[ROUND];
static _Atomic bool submitting;
/* Of every second future: with a reference of its own it tells at the end who else has one. */
static struct future *kept[ROUND];

static int run_nothing(assay_call *call)
{
	(void)call;
	return ASSAY_OK;
}

static bool fails(uint32_t number)
{
	return number % 4 < 2;
}

static struct future_outcome run(struct future *future)
{
	struct future_outcome outcome = {0};
	uint32_t number;

	memcpy(&number, future->bytes, sizeof number);
	atomic_fetch_add_explicit(&ran[number], 1, memory_order_relaxed);
	if (fails(number)) /* something on the heap, for whoever is the last */
		future_fail(future, ASSAY_EFAILED, "a failure with words", &outcome);
	return outcome;
}

/* Of a worker that finds the entry. */
static void meet_entry(struct future *future)
{
	if (future_start(future))
		MUST(!future_end(future, run(future)));
	else
		future_release_entry(future);
}

static void *take_all(void *user)
{
	uint64_t *taken = user;
	uint32_t cursor = 0;
	unsigned step = 0;

	for (;;) {
		validate_meet(&meeting);
		if (over)
			return NULL;
		while (atomic_load_explicit(&submitting, memory_order_acquire) || /* V3 */
		       !lanes_look_empty(&lanes)) {
			struct future *batch[BATCH];
			size_t count = lanes_take(&lanes, &cursor, batch, BATCH);

			for (size_t i = 0; i < count; i++)
				meet_entry(batch[i]);
			*taken += count;
			if (count)
				step = 0;
			else
				port_backoff(&step);
		}
		validate_meet(&meeting);
	}
}

static bool push_to(struct lane *to, struct future *future)
{
	return lane_try_push(&lanes, to, future) ||
	       lane_push_many(&lanes, to, &future, 1) == ASSAY_OK;
}

static struct future *push_one(uint32_t number)
{
	struct future *future =
		future_create(NULL, run_nothing, &number, sizeof number, number % 2 ? 3 : 2);

	MUST(future && push_to(lane, future));
	kept[number] = number % 2 ? future : NULL;
	return future;
}

/* As run_awaited() in worker.c, where its entry cannot be taken out. Returns 1 if it ran. */
static uint64_t run_in_place(struct future *future)
{
	uint64_t runs = future_start_left(future, future->word);

	if (runs) {
		lanes_leave(&lanes);
		MUST(!future_settle(future, run(future)));
	}
	assay_future_release(&future->base);
	return runs;
}

static uint64_t submit_all(void)
{
	struct future *recent[RECENT];
	size_t count = 0;
	uint64_t in_place = 0;
	uint32_t seed = 7;

	for (uint32_t number = 0; number < ROUND; number++) {
		recent[count++] = push_one(number);
		if (count < RECENT && number + 1 < ROUND && validate_random(&seed) % 64)
			continue;
		if (validate_random(&seed) % 2) /* latest first, or in order */
			while (count)
				in_place += run_in_place(recent[--count]);
		for (size_t i = 0; i < count; i++)
			in_place += run_in_place(recent[i]);
		count = 0;
		if (number % 16 == 0) /* where processors are short, takers need one, too */
			sched_yield();
	}
	return in_place;
}

/* The last reference: the outcome must still be there. */
static void check_kept(struct future *future, uint32_t number)
{
	struct assay_outcome outcome;

	MUST(references_of(atomic_load(&future->word)) == 1);
	MUST(assay_future_outcome(&future->base, 0, &outcome) == ASSAY_OK);
	MUST(outcome.error == (fails(number) ? ASSAY_EFAILED : ASSAY_OK));
	MUST(strcmp(outcome.message, fails(number) ? "a failure with words" : "") == 0);
	assay_future_release(&future->base);
}

static void check_all(void)
{
	for (uint32_t number = 0; number < ROUND; number++) {
		MUST(atomic_load(&ran[number]) == 1);
		atomic_store_explicit(&ran[number], 0, memory_order_relaxed);
		if (kept[number])
			check_kept(kept[number], number);
	}
}

static void hunt(int rounds, bool lopsided)
{
	pthread_t takers[TAKERS];
	uint64_t taken[TAKERS] = {0}, in_place = 0, sum = 0, pushed = (uint64_t)rounds * ROUND;

	lanes_init(&lanes, 2, lopsided);
	lane = lanes_mine(&lanes);
	MUST(lane);
	over = false;
	for (int i = 0; i < TAKERS; i++)
		validate_start(&takers[i], take_all, &taken[i]);
	for (int round = 0; round < rounds; round++) {
		atomic_store(&submitting, true);
		validate_meet(&meeting);
		in_place += submit_all();
		atomic_store_explicit(&submitting, false, memory_order_release); /* V3 */
		validate_meet(&meeting);
		check_all();
	}
	over = true;
	validate_meet(&meeting);
	for (int i = 0; i < TAKERS; i++) {
		validate_join(takers[i]);
		sum += taken[i];
	}
	MUST(sum <= pushed && lanes_pushed(&lanes) == pushed);
	printf("%s fences: %llu of %llu run in place, %llu entries taken, %llu pruned\n",
	       lopsided ? "lopsided" : "full", (unsigned long long)in_place,
	       (unsigned long long)pushed, (unsigned long long)sum,
	       (unsigned long long)(pushed - sum));
	lanes_free(&lanes);
}

/* Nobody takes anything, as where all workers wait: the lane stays as small as what it is for, and
 * keeps what was not run, in order. */
static void leave_alone(uint32_t stay)
{
	uint32_t next = 0, cursor = 0;
	struct future *future;

	lanes_init(&lanes, 2, false);
	lane = lanes_mine(&lanes);
	MUST(lane);
	for (uint32_t number = 0; number < ROUND; number++) {
		future = push_one(number);
		if (number % (ROUND / stay) == 0) {
			assay_future_release(&future->base);
			continue;
		}
		MUST(run_in_place(future) == 1);
		/* The entry keeps the record, but not what the outcome has on the heap. */
		MUST(kept[number] || !(atomic_load(&future->word) & (HEAP | FAILED)));
	}
	MUST(deque_room(&lane->deque) <= 4 * (size_t)stay + 64);
	while (lanes_take(&lanes, &cursor, &future, 1)) {
		uint32_t number;

		memcpy(&number, future->bytes, sizeof number);
		if (future_has_started(future)) {
			future_release_entry(future);
			continue;
		}
		MUST(number == next * (ROUND / stay));
		next++;
		meet_entry(future);
	}
	MUST(next == stay);
	check_all();
	lanes_free(&lanes);
}

/* Who waits is another thread than who submits, and two submit, one of them more: what is left behind is in their
 * lanes, and none of these grows. */
static void leave_in_two(void)
{
	static struct lane two[2];
	struct future *future;

	lanes_init(&lanes, 2, false);
	for (int i = 0; i < 2; i++)
		deque_init(&two[i].deque, false);
	for (uint32_t number = 0; number < 5 * ROUND; number++) {
		struct lane *into = &two[number % 5 == 0];

		future = future_create(NULL, run_nothing, &number, sizeof number, 2);
		MUST(future && push_to(into, future));
		MUST(future_start_left(future, future->word));
		lanes_leave(&lanes);
		MUST(!future_settle(future, (struct future_outcome){0}));
		assay_future_release(&future->base);
	}
	for (int i = 0; i < 2; i++) {
		MUST(deque_room(&two[i].deque) <= 512);
		while (deque_take(&two[i].deque, &future, 1, 1))
			future_release_entry(future);
		deque_free(&two[i].deque);
	}
	lanes_free(&lanes);
}

/* Where the entry went first, the outcome is for all clients. */
static void outlive_entry(void)
{
	struct future *future, *entry;
	uint32_t cursor = 0;

	lanes_init(&lanes, 2, false);
	lane = lanes_mine(&lanes);
	MUST(lane);
	future = push_one(1);
	MUST(future_start_left(future, future->word) && !future_settle(future, run(future)));
	MUST(lanes_take(&lanes, &cursor, &entry, 1) == 1 && entry == future);
	future_release_entry(entry);
	assay_future_release(&future->base);
	check_kept(future, 1);
	atomic_store(&ran[1], 0);
	lanes_free(&lanes);
}

int main(void)
{
	validate_expect_end(100);
	outlive_entry();
	leave_alone(1);
	leave_alone(100);
	leave_in_two();
	for (int lopsided = port_can_be_lopsided(); lopsided >= 0; lopsided--)
		hunt(validate_rounds(50), lopsided);
	return 0;
}
