/* SPDX-License-Identifier: MIT */
/*
 * Where two threads each store and then look at what the other stored, one at least must see the
 * other: the store-buffer litmus test, of the two fences of port.h and of what is built on them. A race
 * through a whole pool comes to such a moment seldom; here both come to it in every round. With either
 * form of the fences.
 *
 * Ordering
 *   K1, K3, K5 of park.h; E1 of lanes.h; D2, D5, D6 of deque.h; J2 of fork.h: the names stand where these
 *   are crossed
 *   V5  the end of a step: release add to arrived  ->  the other's acquire load
 *       all that was done before it
 * Relaxed without a word: what is litmus, which is to have no order of its own.
 */
#include "../deque.h"
#include "../fork.h"
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
} far[32];

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
	lanes_close(&lanes);
	lane_await(&lane);
	return atomic_load_explicit(&stored_left, memory_order_relaxed);
}

/* What both took is compared when they have met again: before that nothing may hasten a store. */
static unsigned taken[3];

static void forget_taken(void)
{
	for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
		taken[i] = 0;
}

/* Elements are records that are never followed. */
static struct deque deque;
static struct future records[3], *popped[2], *stolen[3];
static size_t pushed;

/* In either state of the owner's fences: it changes by itself, but not at each meeting. D6 */
static void turn_fences(void)
{
	static unsigned meetings;

	if (lopsided)
		atomic_store(&deque.fenced, ++meetings % 2 ? DEQUE_FENCED : DEQUE_UNFENCED);
}

static void push(size_t elements)
{
	turn_fences();
	MUST(deque_reserve(&deque, elements));
	for (pushed = 0; pushed < elements; pushed++)
		deque_push(&deque, &records[pushed]);
}

static void push_one(void)
{
	push(1);
}

static void push_two(void)
{
	push(2);
}

static void push_three(void)
{
	push(3);
}

static bool pop_two(void)
{
	write_far();
	popped[0] = deque_pop(&deque);
	popped[1] = deque_pop(&deque);
	return true;
}

/* Who has stolen the first wants the second, too, which is popped meanwhile. D2 */
static bool steal_two(void)
{
	stolen[0] = deque_steal(&deque);
	stolen[1] = deque_steal(&deque);
	write_far();
	return true;
}

/* Of three a thief wants two, and of these the second is popped meanwhile. D5 */
static bool steal_many(void)
{
	size_t found = deque_steal_many(&deque, stolen, 3, 1);

	while (found < 3)
		stolen[found++] = NULL;
	write_far();
	return true;
}

static void take(struct future *element)
{
	if (element)
		taken[element - records]++;
}

/* Each was taken once, or is still there. */
static void compare_taken(void)
{
	struct future *rest;

	forget_taken();
	for (size_t i = 0; i < sizeof popped / sizeof *popped; i++)
		take(popped[i]);
	for (size_t i = 0; i < sizeof stolen / sizeof *stolen; i++)
		take(stolen[i]);
	while ((rest = deque_pop(&deque)))
		take(rest);
	for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
		MUST(taken[i] == (i < pushed));
}

/* Two workers of a pool that has no threads; a task of the first forks. */
static struct pool pool;
static struct worker workers[2];
static struct activation activation;
static struct assay_fork children[2];
static struct stolen thefts[2];
static bool has_stolen[2];

static void init_forks(void)
{
	pool.workers = workers;
	pool.settings.config.workers = 2;
	atomic_store(&pool.alive, 2);
	pool.park.lopsided = lopsided;
	for (size_t i = 0; i < 2; i++)
		workers[i] = (struct worker){
			.pool = &pool, .forks = forks_none, .random = 1, .children.wanted = 1};
	running_init(&activation.running, &fork_call_ops, &workers[0].children);
	activation.tree = (uintptr_t)&activation;
	activation.worker = &workers[0];
}

static void free_forks(void)
{
	forks_free(atomic_load(&workers[0].forks));
}

static int run_child(assay_call *call, void *frame)
{
	(void)call;
	++*(unsigned *)frame;
	return 0;
}

static void fork_two(void)
{
	forget_taken();
	for (size_t i = 0; i < 2; i++)
		assay_fork(&activation.running.call, &children[i], run_child, &taken[i]);
}

static bool join_two(void)
{
	write_far();
	assay_join(&activation.running.call, &children[1]);
	assay_join(&activation.running.call, &children[0]);
	return true;
}

/* Who has stolen the first child wants the second, too, which is joined meanwhile. J2 */
static bool steal_children(void)
{
	for (size_t i = 0; i < 2; i++)
		has_stolen[i] = forks_steal(&workers[1], ANY_TREE, &thefts[i]);
	for (size_t i = 0; i < 2; i++)
		if (has_stolen[i])
			fork_end(thefts[i].child, 0);
	write_far();
	return true;
}

/* Its join has run a child, or it was stolen. */
static void compare_children(void)
{
	for (size_t i = 0; i < 2; i++)
		if (has_stolen[i])
			taken[thefts[i].child - children]++;
	for (size_t i = 0; i < 2; i++)
		MUST(taken[i] == 1);
}

static const struct test tests[] = {
	{"the fences", prepare_fences, pass_light, pass_heavy, finish_nothing},
	{"a submit and a sleeper", finish_nothing, push_and_look, announce, withdraw},
	{"a submit and the last searcher", search, push_and_rely, stop_searching, turn_stopped},
	{"a push and a close", reopen, open_and_push, close_and_look, finish_nothing},
	{"pops and steals of one", push_one, pop_two, steal_two, compare_taken},
	{"pops and steals of two", push_two, pop_two, steal_two, compare_taken},
	{"pops and a steal of several", push_three, pop_two, steal_many, compare_taken},
	{"joins and steals of children", fork_two, join_two, steal_children, compare_children},
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

/* Each on a processor of its own: on one and the same they would never meet. */
static void settle(int side)
{
	cpu_set_t allowed, own;

	if (sched_getaffinity(0, sizeof allowed, &allowed) || CPU_COUNT(&allowed) < 2)
		return;
	CPU_ZERO(&own);
	for (size_t processor = 0; processor < CPU_SETSIZE; processor++)
		if (CPU_ISSET(processor, &allowed) && side-- == 0)
			CPU_SET(processor, &own);
	sched_setaffinity(0, sizeof own, &own);
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
	settle(1);
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
	settle(0); /* after it: the other thread has this one's processors */
	for (int form = port_can_be_lopsided(); form >= 0; form--) {
		lopsided = form;
		MUST(park_init(&park, 1, lopsided));
		lanes_init(&lanes, 2, lopsided);
		deque_init(&deque, lopsided);
		init_forks();
		for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
			test = &tests[i];
			printf("%s, %s fences: %d rounds\n", test->name,
			       lopsided ? "lopsided" : "full",
			       run(validate_rounds(200000), 200000000, &steps));
		}
		free_forks();
		deque_free(&deque);
		lanes_free(&lanes);
		park_free(&park);
	}
	over = true;
	step(&steps);
	validate_join(right);
	return 0;
}
