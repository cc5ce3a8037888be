/* SPDX-License-Identifier: MIT */
/*
 * The deque alone, with either form of the fences. Every element comes out once; the owner gets the
 * latest it has, thieves get the oldest first. Its two uses are raced:
 *   an owner that pushes and pops, and two thieves that steal one or several: with hardly ever more than a
 *   few elements inside, so that all meet at the last one; and with many, so that arrays are outgrown under
 *   the thieves again and again;
 *   a queue of one writer, from which two others take several at once.
 * What a thief finds in an array that was outgrown meanwhile is made by hand, what all find where a thief
 * stopped behind its mark, and how long the owner passes full fences.
 *
 * Relaxed without a word: out, which is read after a meeting, and stopping, by which thieves only learn
 * that they are to come to it. V1 and V2 are those of validate.h.
 */
#include "../deque.h"

#include "validate.h"

#include <stdio.h>

#define THIEVES 2
#define BURST 512 /* elements that are pushed at once where many are to be inside */
#define BATCH 32

static struct deque deque;
static struct meeting meeting = {.count = THIEVES + 1};
static _Atomic bool stopping; /* the thieves, of this round */
static bool over;             /* no round comes any more; read after a meeting */
static _Atomic uint8_t *out;  /* how often each element came out */

/* What the owner has pushed and has not seen leave: numbers, ascending. */
static size_t *inside, end_inside;
static size_t pushed; /* from 1 on, so that the slot of a thief that saw nothing is no element */
static uint64_t popped;
static size_t most_room;

/* Elements are numbers: what the deque holds is never followed. */
static struct future *element_of(size_t number)
{
	return (struct future *)(number * sizeof(struct future));
}

static size_t number_of(const struct future *element)
{
	return (uintptr_t)element / sizeof(struct future);
}

static void take_out(const struct future *element)
{
	atomic_fetch_add_explicit(&out[number_of(element)], 1, memory_order_relaxed);
}

struct thief {
	pthread_t thread;
	int number;
	bool takes; /* several, of a deque whose owner never pops */
	uint64_t stolen;
};

static size_t steal_some(const struct thief *thief, struct future **batch, uint32_t *seed)
{
	size_t most = 1 + validate_random(seed) % BATCH, count;

	if (!thief->takes && most % 4 == 0) {
		batch[0] = deque_steal(&deque);
		return batch[0] ? 1 : 0;
	}
	if (!thief->takes) {
		count = deque_steal_many(&deque, batch, most, thief->number);
		MUST(count <= most);
		return count;
	}
	count = deque_take(&deque, batch, most, 2);
	MUST(count <= most);
	for (size_t i = 1; i < count; i++)
		MUST(number_of(batch[i]) == number_of(batch[i - 1]) + 1);
	return count;
}

static void *steal_all(void *user)
{
	struct thief *thief = user;
	size_t latest = 0;
	uint32_t seed = 3;
	unsigned step = 0;

	for (;;) {
		validate_meet(&meeting);
		if (over)
			return NULL;
		while (!atomic_load_explicit(&stopping, memory_order_relaxed)) {
			struct future *batch[BATCH];
			size_t count = steal_some(thief, batch, &seed);

			if (count)
				step = 0;
			else
				port_backoff(&step);
			for (size_t i = 0; i < count; i++) {
				MUST(number_of(batch[i]) > latest); /* a popped one is gone */
				latest = number_of(batch[i]);
				take_out(batch[i]);
			}
			thief->stolen += count;
		}
		validate_meet(&meeting);
	}
}

static void push(size_t count)
{
	struct future *burst[BURST];

	for (size_t i = 0; i < count; i++) {
		burst[i] = element_of(++pushed);
		inside[end_inside++] = pushed;
	}
	MUST(deque_reserve(&deque, count));
	if (count == 1)
		deque_push(&deque, burst[0]);
	else
		deque_push_many(&deque, burst, count);
	if (deque_room(&deque) > most_room)
		most_room = deque_room(&deque);
}

static void forget_inside(void)
{
	end_inside = 0;
}

/* False: others have had everything. */
static bool pop_latest(void)
{
	struct future *element = deque_pop(&deque);

	if (!element) {
		forget_inside();
		return false;
	}
	MUST(end_inside > 0 && number_of(element) == inside[--end_inside]);
	take_out(element);
	popped++;
	return true;
}

static void pop_if(uint32_t random)
{
	size_t count = end_inside, wanted;

	if (!count)
		return;
	wanted = inside[end_inside - 1];
	if (count > 1 && random % 2) { /* not the latest */
		MUST(!deque_pop_if(&deque, element_of(inside[end_inside - 2])));
	} else if (deque_pop_if(&deque, element_of(wanted))) {
		take_out(element_of(wanted));
		end_inside--;
		popped++;
	} else {
		forget_inside();
	}
}

/* Bursts of up to `burst`, and hardly less taken out again, or hardly any where bursts are long. */
static void own(size_t count, size_t burst)
{
	size_t end = pushed + count;
	uint32_t seed = 11 + (uint32_t)pushed;

	while (pushed < end) {
		size_t length = 1 + validate_random(&seed) % burst;

		push(length < end - pushed ? length : end - pushed);
		if (seed % 256 == 0) /* where processors are short, thieves need one, too */
			sched_yield();
		for (uint32_t i = validate_random(&seed) % 5; i > 0; i--) {
			uint32_t random = validate_random(&seed) >> 8;

			if (random % 8 == 0)
				pop_if(random >> 3);
			else if (!pop_latest())
				break;
		}
	}
	while (pop_latest())
		;
}

/* Never pops. */
static void feed(size_t count, size_t burst)
{
	size_t end = pushed + count;
	uint32_t seed = 13 + (uint32_t)pushed;
	unsigned step = 0;

	while (pushed < end) {
		size_t length = 1 + validate_random(&seed) % burst;

		push(length < end - pushed ? length : end - pushed);
		/* Now and then long enough for the takers to run dry. */
		for (uint32_t pause = validate_random(&seed) % 128; pause > 0; pause--)
			port_pause();
	}
	while (!deque_looks_empty(&deque))
		port_backoff(&step);
	forget_inside();
}

/* `rounds` deques, each of which lets `count` elements through. */
static void race(const char *what, void (*act)(size_t count, size_t burst), int rounds,
		 size_t count, size_t burst, bool lopsided)
{
	struct thief thieves[THIEVES];
	size_t total = (size_t)rounds * count;
	uint64_t stolen = 0;

	out = calloc(total + 1, sizeof *out);
	inside = calloc(count, sizeof *inside);
	MUST(out && inside);
	pushed = most_room = 0;
	popped = 0;
	over = false;
	for (int i = 0; i < THIEVES; i++) {
		thieves[i] = (struct thief){.number = i, .takes = act == feed};
		validate_start(&thieves[i].thread, steal_all, &thieves[i]);
	}
	for (int round = 0; round < rounds; round++) {
		deque_init(&deque, lopsided);
		forget_inside();
		atomic_store(&stopping, false);
		validate_meet(&meeting);
		act(count, burst);
		MUST(!deque_steal(&deque));
		atomic_store_explicit(&stopping, true, memory_order_relaxed);
		validate_meet(&meeting);
		deque_free(&deque);
	}
	over = true;
	validate_meet(&meeting);
	for (int i = 0; i < THIEVES; i++) {
		validate_join(thieves[i].thread);
		stolen += thieves[i].stolen;
	}
	MUST(popped + stolen == total);
	for (size_t i = 1; i <= total; i++)
		MUST(atomic_load_explicit(&out[i], memory_order_relaxed) == 1);
	printf("%s, %s fences: %llu popped, %llu stolen, room for up to %zu\n", what,
	       lopsided ? "lopsided" : "full", (unsigned long long)popped,
	       (unsigned long long)stolen, most_room);
	free((void *)out);
	free(inside);
}

/* What `look` finds for a thief that has read the array before it was outgrown. */
static size_t look_through(struct slots *old, size_t (*look)(struct future **batch),
			   struct future **batch)
{
	struct slots *now = atomic_load(&deque.slots);
	size_t count;

	atomic_store(&deque.slots, old);
	count = look(batch);
	atomic_store(&deque.slots, now);
	return count;
}

static size_t look_for_one(struct future **batch)
{
	batch[0] = deque_steal(&deque);
	return batch[0] ? 1 : 0;
}

static size_t look_for_many(struct future **batch)
{
	return deque_take(&deque, batch, BATCH, 2);
}

/* The system has taken most of the outgrown array back: there a thief finds the element that is
 * there now, too, or nothing, and then nothing has changed. */
static void outgrow(size_t (*look)(struct future **batch), bool lopsided)
{
	size_t count = (size_t)1 << 16, next = 1, nothing = 0, seen;
	struct future *batch[BATCH];
	struct slots *old;

	deque_init(&deque, lopsided);
	MUST(deque_reserve(&deque, count));
	for (size_t i = 1; i <= count; i++)
		deque_push(&deque, element_of(i));
	old = atomic_load(&deque.slots);
	MUST(deque_room(&deque) == count && deque_reserve(&deque, 1));
	deque_push(&deque, element_of(count + 1));
	MUST(atomic_load(&deque.slots) != old);
	while (next <= count) {
		seen = look_through(old, look, batch);
		if (!seen) {
			nothing++;
			seen = look(batch);
		}
		MUST(seen > 0);
		for (size_t i = 0; i < seen; i++)
			MUST(number_of(batch[i]) == next++);
	}
	printf("an outgrown array had nothing for %zu of %zu looks\n", nothing, count);
	deque_free(&deque);
}

/* Half of what there is, so that others find something, too. */
static void halve(void)
{
	struct future *batch[100];

	deque_init(&deque, false);
	MUST(deque_take(&deque, batch, 100, 2) == 0 && !deque_pop(&deque));
	MUST(deque_reserve(&deque, 100));
	for (size_t i = 1; i <= 100; i++)
		deque_push(&deque, element_of(i));
	for (size_t left = 100, next = 1; left > 0;) {
		size_t count = deque_take(&deque, batch, 100, 2);

		MUST(count == (left + 1) / 2 && batch[0] == element_of(next));
		next += count;
		left -= count;
	}
	deque_free(&deque);
}

/* A thief has marked the deque, of `count` elements from 1 on, and gone no further. */
static void stop_thief(size_t count)
{
	deque_init(&deque, false);
	MUST(deque_reserve(&deque, 2 * count));
	for (size_t i = 1; i <= count; i++)
		deque_push(&deque, element_of(i));
	atomic_store(&deque.top, DEQUE_MARK | INT64_C(5) << DEQUE_MARK_SHIFT);
	MUST(deque_length(&deque) == (int64_t)count && !deque_looks_empty(&deque));
}

/* Nobody waits for it, each gets what it would get without the mark, and with that the mark is gone. */
static void pass_a_mark(void)
{
	struct future *batch[BATCH];

	for (size_t count = 1; count < 4; count++) {
		stop_thief(count);
		MUST(deque_pop(&deque) == element_of(count));
		MUST(atomic_load(&deque.top) == (count == 1));
		deque_free(&deque);
		stop_thief(count);
		MUST(deque_steal(&deque) == element_of(1) && atomic_load(&deque.top) == 1);
		deque_free(&deque);
		stop_thief(count);
		MUST(deque_steal_many(&deque, batch, BATCH, 6) == 1 && batch[0] == element_of(1));
		MUST(atomic_load(&deque.top) == 1);
		deque_free(&deque);
	}
	stop_thief(40);
	MUST(deque_reserve(&deque, 60) && deque_room(&deque) >= 100);
	MUST(deque_steal_many(&deque, batch, BATCH, 6) == 1);
	MUST(deque_steal_many(&deque, batch, BATCH, 6) == 20 && batch[0] == element_of(2));
	MUST(deque_steal_many(&deque, batch, 3, 6) == 3 && batch[2] == element_of(24));
	MUST(deque_steal_many(&deque, batch, 3, DEQUE_MARKS) == 1 && batch[0] == element_of(25));
	deque_free(&deque);
}

static void pop_often(int count)
{
	while (count-- > 0) {
		MUST(deque_reserve(&deque, 1));
		deque_push(&deque, element_of(1));
		MUST(deque_pop(&deque) == element_of(1));
	}
}

static void fill_and_steal(bool several)
{
	struct future *batch[BATCH];

	MUST(deque_reserve(&deque, 4));
	for (size_t i = 1; i <= 4; i++)
		deque_push(&deque, element_of(i));
	MUST(several ? deque_steal_many(&deque, batch, BATCH, 1) == 2
		     : deque_steal(&deque) == element_of(1));
	while (deque_pop(&deque))
		;
}

/* The owner's full fences come with a thief, and go after so many pops without one. */
static void fence_for_a_while(bool several)
{
	deque_init(&deque, true);
	pop_often(1);
	MUST(atomic_load(&deque.fenced) == DEQUE_UNFENCED);
	for (int round = 0; round < 3; round++) {
		fill_and_steal(several);
		MUST(atomic_load(&deque.fenced) == DEQUE_FENCED);
		pop_often(DEQUE_FENCES / 2);
		fill_and_steal(several);
		pop_often(DEQUE_FENCES / 2 + 4);
		MUST(atomic_load(&deque.fenced) == DEQUE_FENCED);
		pop_often(DEQUE_FENCES);
		MUST(atomic_load(&deque.fenced) == DEQUE_UNFENCED);
	}
	deque_free(&deque);
	deque_init(&deque, false);
	pop_often(2 * DEQUE_FENCES);
	fill_and_steal(several);
	MUST(atomic_load(&deque.fenced) == DEQUE_ALWAYS_FENCED);
	deque_free(&deque);
}

int main(void)
{
	int few = validate_rounds(1000000), many = validate_rounds(200), fed = validate_rounds(50);

	validate_expect_end(100);
	halve();
	pass_a_mark();
	if (port_can_be_lopsided()) {
		fence_for_a_while(false);
		fence_for_a_while(true);
	}
	for (int lopsided = port_can_be_lopsided(); lopsided >= 0; lopsided--) {
		outgrow(look_for_one, lopsided);
		outgrow(look_for_many, lopsided);
		race("one", own, 1, (size_t)few, 1, lopsided);
		race("a few", own, 1, (size_t)few, 3, lopsided);
		race("many", own, many, 20000, BURST, lopsided);
		race("one writer", feed, fed, 20000, BURST, lopsided);
	}
	return 0;
}
