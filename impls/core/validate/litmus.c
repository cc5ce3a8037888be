/* SPDX-License-Identifier: MIT */
/*
 * Where two threads each store and then look at what the other stored, one at least must see the
 * other: the store-buffer litmus test, of the two fences of port.h and of what is built on them. A race
 * through a whole pool comes to such a moment seldom; here both come to it in every round. With either
 * form of the fences.
 *
 * Ordering
 *   K1, K3, K5 of park.h; E1 of lanes.h, whose names stand where these are crossed
 *   V5  the end of a step: release add to arrived  ->  the other's acquire load
 *       all that was done before it
 * Relaxed without a word: what is litmus, which is to have no order of its own.
 */
#include "../lanes.h"
#include "../park.h"

#include "validate.h"

#include <stdio.h>

/* Two sides, which return whether they have seen the other, or leave nothing to be seen. */
struct test {
	const char *name;
	void (*prepare)(void);
	bool (*left)(void);
	bool (*right)(void);
	void (*finish)(void);
};

static const struct test *test;
static bool lopsided, over; /* read after a meeting */
static bool right_saw;
_Alignas(PORT_APART) static _Atomic uint64_t arrived;
_Alignas(PORT_APART) static _Atomic uint32_t stored_left;
_Alignas(PORT_APART) static _Atomic uint32_t stored_right;

static void prepare_fences(void)
{
	atomic_store_explicit(&stored_right, 0, memory_order_relaxed);
}

static bool pass_light(void)
{
	atomic_store_explicit(&stored_left, 1, memory_order_relaxed);
	port_fence_light(lopsided);
	return atomic_load_explicit(&stored_right, memory_order_relaxed);
}

static bool pass_heavy(void)
{
	atomic_store_explicit(&stored_right, 1, memory_order_relaxed);
	port_fence_heavy(lopsided);
	return atomic_load_explicit(&stored_left, memory_order_relaxed);
}

static void finish_nothing(void)
{
}

static struct park park;

/* Lines that each side writes in its turn: a store behind one to these is long on its way. */
static struct {
	_Alignas(PORT_APART) _Atomic uint32_t word;
} far[4];

static void write_far(void)
{
	for (size_t i = 0; i < sizeof far / sizeof *far; i++)
		atomic_store_explicit(&far[i].word, 1, memory_order_relaxed);
}

/* A submit finds somebody, or who goes to sleep finds its task. K1 */
static bool push_and_look(void)
{
	write_far();
	atomic_store_explicit(&stored_left, 1, memory_order_relaxed);
	return park_look(&park) != 0;
}

static bool announce(void)
{
	bool saw;

	park_search(&park);
	park_announce(&park, 0);
	saw = atomic_load_explicit(&stored_left, memory_order_relaxed);
	write_far();
	return saw;
}

/* In either state of the sides: it changes by itself, but not at each meeting. K5 */
static void turn(enum park_change change)
{
	static unsigned meetings;

	if (park.lopsided)
		atomic_store(&park.fenced, ++meetings % 2 ? park_flag(change) : 0);
}

static void withdraw(void)
{
	park_withdraw(&park, 0);
	park_found(&park);
	turn(PARK_SLEPT);
	MUST(atomic_load(&park.counts) == 0);
}

/* A submit relies on a searcher that finds its task when it stops, or on none. K3 */
static void search(void)
{
	park_search(&park);
}

static bool push_and_rely(void)
{
	write_far();
	atomic_store_explicit(&stored_left, 1, memory_order_relaxed);
	return !park_searchers(park_look(&park));
}

static bool stop_searching(void)
{
	bool saw;

	park_found(&park);
	saw = atomic_load_explicit(&stored_left, memory_order_relaxed);
	write_far();
	return saw;
}

static void turn_stopped(void)
{
	turn(PARK_STOPPED);
}

static struct lanes lanes;
static struct lane lane;

/* A push is too late, or who closes finds it. E1 */
static void reopen(void)
{
	atomic_store(&lanes.closed, false);
}

static bool open_and_push(void)
{
	if (!lane_open(&lanes, &lane))
		return true;
	atomic_store_explicit(&stored_left, 1, memory_order_relaxed);
	lane_done(&lane);
	return false;
}

static bool close_and_look(void)
{
	lanes_close(&lanes, &lane, 1);
	return atomic_load_explicit(&stored_left, memory_order_relaxed);
}

static const struct test tests[] = {
	{"the fences", prepare_fences, pass_light, pass_heavy, finish_nothing},
	{"a submit and a sleeper", finish_nothing, push_and_look, announce, withdraw},
	{"a submit and the last searcher", search, push_and_rely, stop_searching, turn_stopped},
	{"a push and a close", reopen, open_and_push, close_and_look, finish_nothing},
};

/* Both go on from here as close together as they can. */
static void step(uint64_t *steps)
{
	unsigned backoff = 0;

	*steps += 2;
	atomic_fetch_add_explicit(&arrived, 1, memory_order_acq_rel);         /* V5 */
	while (atomic_load_explicit(&arrived, memory_order_acquire) < *steps) /* V5 */
		port_backoff(&backoff);
}

/* One is a little ahead of the other, now this one and now that one. */
static void stagger(uint32_t *seed)
{
	for (uint32_t i = validate_random(seed) % 64; i > 0; i--)
		atomic_signal_fence(memory_order_seq_cst);
}

static void *go_right(void *user)
{
	uint64_t steps = 0;
	uint32_t seed = 3;

	(void)user;
	for (;;) {
		step(&steps);
		if (over)
			return NULL;
		stagger(&seed);
		right_saw = test->right();
		step(&steps);
	}
}

/* Where processors are short a round takes long: not all of them, then. */
static int run(int rounds, int64_t limit_ns, uint64_t *steps)
{
	int64_t deadline_ns = assay_deadline_ns(limit_ns);
	uint32_t seed = 5;
	int round;

	for (round = 0; round < rounds && assay_clock_ns() < deadline_ns; round++) {
		bool left_saw;

		atomic_store_explicit(&stored_left, 0, memory_order_relaxed);
		test->prepare();
		step(steps);
		stagger(&seed);
		left_saw = test->left();
		step(steps);
		MUST(left_saw || right_saw);
		test->finish();
	}
	return round;
}

int main(void)
{
	pthread_t right;
	uint64_t steps = 0;

	validate_expect_end(100);
	validate_start(&right, go_right, NULL);
	for (int form = port_can_be_lopsided(); form >= 0; form--) {
		lopsided = form;
		MUST(park_init(&park, 1, lopsided));
		lanes_init(&lanes, 2, lopsided);
		for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
			test = &tests[i];
			printf("%s, %s fences: %d rounds\n", test->name,
			       lopsided ? "lopsided" : "full",
			       run(validate_rounds(200000), 400000000, &steps));
		}
		lanes_free(&lanes);
		park_free(&park);
	}
	over = true;
	step(&steps);
	validate_join(right);
	return 0;
}
