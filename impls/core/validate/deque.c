/* SPDX-License-Identifier: MIT */
/*
 * An owner pushes and pops, two thieves steal, with hardly ever more than a few elements inside, so
 * that all of them meet at the last one. Every element comes out once; the owner gets the latest,
 * thieves the oldest first. With either form of the fences.
 *
 * Relaxed without a word: out, which is read when the thieves are joined, and stopping, by which
 * they only learn that they may end.
 */
#include "../deque.h"

#include "validate.h"

#include <stdio.h>

#define THIEVES 2

static struct deque deque;
static _Atomic bool stopping;
static struct future *elements; /* their addresses are what the deque holds; they are never read */
static _Atomic uint8_t *out;    /* how often each came out */

static size_t number_of(const struct future *element)
{
	return (size_t)(element - elements);
}

static void take_out(const struct future *element)
{
	atomic_fetch_add_explicit(&out[number_of(element)], 1, memory_order_relaxed);
}

static void *steal_all(void *user)
{
	size_t latest = 0;
	uint64_t *stolen = user;

	while (!atomic_load_explicit(&stopping, memory_order_relaxed)) {
		struct future *element = deque_steal(&deque);

		if (!element)
			continue;
		MUST(number_of(element) >= latest); /* a popped one never comes again */
		latest = number_of(element);
		take_out(element);
		++*stolen;
	}
	return NULL;
}

/* Numbers from 1 on, so that the slot of a thief that saw nothing is no element. */
static uint64_t push_and_pop(size_t count)
{
	uint32_t seed = 11;
	uint64_t popped = 0;
	size_t pushed = 0;

	while (pushed < count) {
		size_t burst = 1 + validate_random(&seed) % 3;
		struct future *element;

		for (size_t i = 0; i < burst && pushed < count; i++) {
			MUST(deque_reserve(&deque, 1));
			deque_push(&deque, &elements[++pushed]);
		}
		for (size_t i = validate_random(&seed) % 4; i > 0; i--) {
			element = deque_pop(&deque);
			if (!element)
				break;
			take_out(element);
			popped++;
		}
	}
	for (struct future *element; (element = deque_pop(&deque)); popped++)
		take_out(element);
	return popped;
}

static void run_round(size_t count, bool lopsided)
{
	pthread_t thieves[THIEVES];
	uint64_t stolen[THIEVES] = {0}, popped, sum = 0;

	deque_init(&deque, lopsided);
	atomic_store(&stopping, false);
	for (size_t i = 0; i <= count; i++)
		atomic_store_explicit(&out[i], 0, memory_order_relaxed);
	for (int i = 0; i < THIEVES; i++)
		validate_start(&thieves[i], steal_all, &stolen[i]);
	popped = push_and_pop(count);
	atomic_store_explicit(&stopping, true, memory_order_relaxed);
	for (int i = 0; i < THIEVES; i++) {
		validate_join(thieves[i]);
		sum += stolen[i];
	}
	MUST(!deque_steal(&deque));
	MUST(popped + sum == count);
	for (size_t i = 1; i <= count; i++)
		MUST(atomic_load_explicit(&out[i], memory_order_relaxed) == 1);
	printf("%s fences: %llu popped, %llu stolen\n", lopsided ? "lopsided" : "full",
	       (unsigned long long)popped, (unsigned long long)sum);
	deque_free(&deque);
}

int main(void)
{
	size_t count = (size_t)validate_rounds(1000000);

	validate_expect_end(60);
	elements = calloc(count + 1, sizeof *elements);
	out = calloc(count + 1, sizeof *out);
	MUST(elements && out);
	for (int lopsided = port_can_be_lopsided(); lopsided >= 0; lopsided--)
		for (int round = 0; round < 2; round++)
			run_round(count, lopsided);
	free(elements);
	free((void *)out);
	return 0;
}
