/* SPDX-License-Identifier: MIT */
/*
 * The lanes alone, with either form of the fences. Threads that submit at the same time have lanes of
 * their own, whichever block these are in, and find them again; each lane is found by its number.
 * While threads come and go, and lanes are passed on, what they push comes out once, in order. Once
 * the lanes are closed nothing more is accepted, and all that was can be taken. What a thread pushes from
 * destructors of thread-specific data gets in, in each round of them, and costs no lane for ever.
 *
 * Ordering
 *   V3  all is pushed, release store of submitting  ->  a taker's acquire load, then a look
 *       what finds nothing then finds nothing for ever
 *   V4  lanes_close, release store of closed  ->  a submitter's acquire load, then a push
 *       which is refused
 */
#include "../lanes.h"
#include "validate.h"

#include <stdio.h>

#define THREADS 60 /* more than the first two blocks have lanes */
#define TAKERS 2
#define CLOSERS \
	3 /* submitters that are closed under; the last one's lane is not in the directory */
#define LONGEST 100
#define BATCH 32

static struct lanes lanes;
static struct meeting meeting = {.count = THREADS};
static struct lane *mine[THREADS];

static void *attach(void *user)
{
	uintptr_t self = (uintptr_t)user;

	validate_meet(&meeting); /* all are there, so none has the number of another */
	mine[self] = lanes_mine(&lanes);
	MUST(mine[self] && lanes_find(&lanes, thread_number()) == mine[self]);
	validate_meet(&meeting);
	MUST(lanes_mine(&lanes) == mine[self]);
	return NULL;
}

/* What is pushed are numbers, which are never followed. */
static struct future *element_of(size_t number)
{
	return (struct future *)(number * sizeof(struct future));
}

/* A cursor comes back as it was from the lane of the find before, and from that alone. */
static void check_cursor(void)
{
	struct future *batch[2] = {element_of(1), element_of(2)};
	uint32_t cursor = 0, before;

	for (int i = 0; i < 4; i++)
		MUST(lane_push_many(&lanes, mine[2], batch, 2) == ASSAY_OK);
	MUST(lanes_take(&lanes, &cursor, batch, 1) == 1);
	before = cursor;
	MUST(lanes_take(&lanes, &cursor, batch, 1) == 1 && cursor == before);
	MUST(lane_push_many(&lanes, mine[1], batch, 2) == ASSAY_OK);
	MUST(lanes_take(&lanes, &cursor, batch, 1) == 1 && cursor != before);
	MUST(lanes_take(&lanes, &cursor, batch, 1) == 1 && cursor == before);
}

static void attach_all(void)
{
	pthread_t threads[THREADS];
	uint32_t count, found = 0;

	lanes_init(&lanes, 2, false);
	for (uintptr_t i = 0; i < THREADS; i++)
		validate_start(&threads[i], attach, (void *)i);
	for (int i = 0; i < THREADS; i++)
		validate_join(threads[i]);
	for (int i = 0; i < THREADS; i++)
		for (int k = 0; k < i; k++)
			MUST(mine[i] != mine[k]);
	count = atomic_load(&lanes.count);
	MUST(count >= THREADS);
	for (uint32_t i = 0; i < count; i++)
		for (int k = 0; k < THREADS; k++)
			found += lanes_find(&lanes, i) == mine[k];
	MUST(found == THREADS);
	check_cursor();
	lanes_free(&lanes);
}

/* A thread takes numbers of its own from here when it begins: as a lane is passed on they ascend in it. */
static _Atomic size_t next_number;
static _Atomic uint8_t *out; /* how often each came out */
static _Atomic bool submitting;
static size_t quota; /* of each thread */

static size_t number_of(const struct future *element)
{
	return (uintptr_t)element / sizeof(struct future);
}

static int push(struct lane *lane, size_t number, size_t count)
{
	struct future *batch[LONGEST];

	for (size_t i = 0; i < count; i++)
		batch[i] = element_of(number + i);
	return count == 1 && lane_try_push(&lanes, lane, batch[0])
		       ? ASSAY_OK
		       : lane_push_many(&lanes, lane, batch, count);
}

static void *submit(void *user)
{
	struct lane *lane = lanes_mine(&lanes);
	size_t number = atomic_fetch_add(&next_number, quota), end = number + quota;
	uint32_t seed = (uint32_t)number + 1;

	(void)user;
	MUST(lane);
	while (number < end) {
		size_t count =
			validate_random(&seed) % 2 ? 1 : 1 + validate_random(&seed) % LONGEST;

		if (count > end - number)
			count = end - number;
		MUST(push(lane, number, count) == ASSAY_OK);
		number += count;
	}
	return NULL;
}

static void *take_all(void *user)
{
	uint64_t *taken = user;
	uint32_t cursor = 0, seed = 5;
	unsigned step = 0;

	for (;;) {
		bool last = !atomic_load_explicit(&submitting, memory_order_acquire); /* V3 */
		struct future *batch[BATCH];
		size_t most = 1 + validate_random(&seed) % BATCH;
		size_t count = lanes_take(&lanes, &cursor, batch, most);

		MUST(count <= most);
		for (size_t i = 0; i < count; i++) {
			MUST(i == 0 || number_of(batch[i]) > number_of(batch[i - 1]));
			atomic_fetch_add_explicit(&out[number_of(batch[i])], 1,
						  memory_order_relaxed);
		}
		*taken += count;
		if (count)
			step = 0;
		else if (last)
			return NULL;
		else
			port_backoff(&step);
	}
}

/* Each generation of threads gets the lanes of the one before it. */
static void come_and_go(int generations, bool lopsided)
{
	pthread_t takers[TAKERS], threads[THREADS];
	uint64_t taken[TAKERS] = {0}, sum = 0;
	size_t total;

	quota = 1000;
	total = (size_t)generations * THREADS * quota;
	out = calloc(total + 1, sizeof *out);
	MUST(out);
	lanes_init(&lanes, 2, lopsided);
	atomic_store(&next_number, 1); /* nothing is NULL */
	atomic_store(&submitting, true);
	for (int i = 0; i < TAKERS; i++)
		validate_start(&takers[i], take_all, &taken[i]);
	for (int generation = 0; generation < generations; generation++) {
		for (int i = 0; i < THREADS; i++)
			validate_start(&threads[i], submit, NULL);
		for (int i = 0; i < THREADS; i++)
			validate_join(threads[i]);
	}
	atomic_store_explicit(&submitting, false, memory_order_release); /* V3 */
	for (int i = 0; i < TAKERS; i++) {
		validate_join(takers[i]);
		sum += taken[i];
	}
	MUST(sum == total && lanes_pushed(&lanes) == total && lanes_look_empty(&lanes));
	for (size_t i = 1; i <= total; i++)
		MUST(atomic_load_explicit(&out[i], memory_order_relaxed) == 1);
	printf("%s fences: %zu through %u lanes\n", lopsided ? "lopsided" : "full", total,
	       (unsigned)atomic_load(&lanes.count));
	lanes_free(&lanes);
	free((void *)out);
}

static struct meeting closing = {.count = CLOSERS + 1};
static struct lane other; /* outside the directory, closed with it */
static _Atomic bool closed;
static _Atomic uint64_t accepted;
static bool over; /* read after a meeting */

static void *submit_until_closed(void *user)
{
	uintptr_t self = (uintptr_t)user;
	uint32_t seed = (uint32_t)self + 1;

	for (;;) {
		struct lane *lane;

		validate_meet(&closing);
		if (over)
			return NULL;
		lane = self == CLOSERS - 1 ? &other : lanes_mine(&lanes);
		for (int i = 0; i < 40; i++) {
			bool late = atomic_load_explicit(&closed, memory_order_acquire); /* V4 */
			/* Single ones; and long ones, that grow the lane: closed in the middle of it. */
			size_t count = i % 2 ? 1 : 1 + validate_random(&seed) % LONGEST;
			int error = push(lane, 1, count);

			if (error) {
				MUST(error == ASSAY_ESHUTDOWN);
				break;
			}
			MUST(!late);
			atomic_fetch_add_explicit(&accepted, count, memory_order_relaxed);
		}
		validate_meet(&closing);
	}
}

/* All that is there once the lanes are closed, while submitters may not even know. */
static uint64_t count_left(void)
{
	struct future *batch[BATCH];
	uint32_t cursor = 0;
	uint64_t left = 0;
	size_t count;

	while ((count = lanes_take(&lanes, &cursor, batch, BATCH)))
		left += count;
	while ((count = deque_take(&other.deque, batch, BATCH, 2)))
		left += count;
	return left;
}

static void close_under(int rounds, bool lopsided)
{
	pthread_t threads[CLOSERS];
	uint32_t seed = 17;

	over = false;
	for (uintptr_t i = 0; i < CLOSERS; i++)
		validate_start(&threads[i], submit_until_closed, (void *)i);
	while (rounds--) {
		uint64_t left, close_at = validate_random(&seed) % 1000;
		unsigned step = 0;

		lanes_init(&lanes, 2, lopsided);
		other = (struct lane){.pushing = 0};
		deque_init(&other.deque, lopsided);
		atomic_store(&closed, false);
		atomic_store(&accepted, 0);
		validate_meet(&closing);
		while (atomic_load(&accepted) < close_at)
			port_backoff(&step);
		lanes_close(&lanes);
		lane_await(&other);
		atomic_store_explicit(&closed, true, memory_order_release); /* V4 */
		left = count_left();
		validate_meet(&closing);
		MUST(atomic_load(&accepted) == left);
		MUST(lanes_pushed(&lanes) + atomic_load(&other.pushed) == left);
		lanes_free(&lanes);
		deque_free(&other.deque);
	}
	over = true;
	validate_meet(&closing);
	for (int i = 0; i < CLOSERS; i++)
		validate_join(threads[i]);
}

/* However it is pushed, and with room for it. */
static void refuse_late(bool lopsided)
{
	struct future *element = element_of(1);
	struct lane *lane;

	lanes_init(&lanes, 2, lopsided);
	lane = lanes_mine(&lanes);
	MUST(lane && !lane_try_push(&lanes, lane, element)); /* no room yet */
	MUST(lane_push_many(&lanes, lane, &element, 1) == ASSAY_OK);
	MUST(!deque_is_full(&lane->deque, 1) && lane_try_push(&lanes, lane, element));
	lanes_close(&lanes);
	MUST(!deque_is_full(&lane->deque, 1) && !lane_try_push(&lanes, lane, element));
	MUST(lane_push_many(&lanes, lane, &element, 1) == ASSAY_ESHUTDOWN);
	MUST(lanes_pushed(&lanes) == 2);
	lanes_free(&lanes);
}

/* Destroyed before and after the lanes' own key in each round: one is made before that, one after it. */
static pthread_key_t keys[2];

struct late {
	pthread_key_t key;
	int rounds;
};

static void push_one(void)
{
	struct future *element = element_of(1);

	MUST(lanes_try_push(&lanes, element) || lanes_push_many(&lanes, &element, 1) == ASSAY_OK);
}

static void push_late(void *user)
{
	struct late *late = user;

	push_one();
	if (++late->rounds < validate_destructor_rounds())
		MUST(pthread_setspecific(late->key, late) == 0);
}

static void *be_late(void *user)
{
	struct late *lates = user;

	push_one();
	for (int i = 0; i < 2; i++)
		MUST(pthread_setspecific(lates[i].key, &lates[i]) == 0);
	return NULL;
}

static void push_while_destroyed(void)
{
	const int threads = 4 * THREADS, each = 1 + 2 * validate_destructor_rounds();
	struct future *element;
	uint32_t cursor = 0, before = 0;
	int taken = 0;

	MUST(pthread_key_create(&keys[1], push_late) == 0);
	lanes_init(&lanes, 2, false);
	for (int i = 0; i < threads; i++) {
		struct late lates[2] = {{.key = keys[0]}, {.key = keys[1]}};
		pthread_t thread;

		validate_start(&thread, be_late, lates);
		validate_join(thread);
		MUST(lates[0].rounds + lates[1].rounds + 1 == each);
		if (i == 0)
			before = atomic_load(&lanes.count);
	}
	while (lanes_take(&lanes, &cursor, &element, 1))
		taken++;
	MUST(taken == threads * each);
	MUST(atomic_load(&lanes.count) == before);
	lanes_free(&lanes);
}

int main(void)
{
	validate_expect_end(200);
	MUST(pthread_key_create(&keys[0], push_late) == 0);
	attach_all();
	push_while_destroyed();
	for (int lopsided = port_can_be_lopsided(); lopsided >= 0; lopsided--) {
		refuse_late(lopsided);
		come_and_go(validate_rounds(40), lopsided);
		close_under(validate_rounds(15000), lopsided);
	}
	return 0;
}
