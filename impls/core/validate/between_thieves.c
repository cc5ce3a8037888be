/* SPDX-License-Identifier: MIT */
/*
 * Two thieves and the owner of a deque: the first thief stops before any of its atomic accesses, the owner pops and
 * pushes, the second thief stops before any of its own, the first ends, the owner pops, the second ends. Each
 * takes one or several. Every element comes out once, to the owner the latest it has.
 */
#include "../deque.h"
#include "stepper.h"

#include <stdio.h>
#include <string.h>

#define ELEMENTS 16 /* at most, in a round */
#define MOST 8      /* elements that a thief takes at once */
#define LEAST 1000  /* orders: with fewer nobody was stopped, whatever compiled this */

struct thief {
	struct actor actor; /* first: its stops */
	int number;
	size_t most; /* elements at once */
	bool over;
};

static struct deque deque;
static struct thief thieves[2] = {{.number = 5}, {.number = 6}};
static uint8_t out[ELEMENTS];
static size_t pushed;

static void take_out(const struct future *element)
{
	size_t number = (uintptr_t)element / sizeof(struct future);

	MUST(number >= 1 && number <= pushed);
	out[number - 1]++;
}

static void push(size_t count)
{
	MUST(deque_reserve(&deque, count));
	while (count--)
		deque_push(&deque, (struct future *)(++pushed * sizeof(struct future)));
}

static void pop(size_t count)
{
	struct future *element;

	while (count-- && (element = deque_pop(&deque)))
		take_out(element);
}

static void *be_thief(void *user)
{
	struct thief *thief = user;
	struct future *taken[MOST];

	for (;;) {
		size_t count;

		actor_begin(&thief->actor);
		if (thief->over)
			return NULL;
		if (thief->most == 1) {
			taken[0] = deque_steal(&deque);
			count = taken[0] ? 1 : 0;
		} else {
			count = deque_steal_many(&deque, taken, thief->most, thief->number);
		}
		for (size_t i = 0; i < count; i++)
			take_out(taken[i]);
		actor_end(&thief->actor);
	}
}

struct script {
	size_t before; /* elements, when the first thief begins */
	size_t pops, pushes, late_pops;
};

/* True: the thieves have stopped. */
static void act(const struct script *script, bool stopped[2])
{
	deque_init(&deque, false);
	memset(out, 0, sizeof out);
	pushed = 0;
	push(script->before);
	for (int i = 0; i < 2; i++) {
		actor_reset(&thieves[i].actor);
		actor_start(&thieves[i].actor);
		stopped[i] = actor_await(&thieves[i].actor);
		if (i == 0) {
			pop(script->pops);
			push(script->pushes);
		}
	}
	for (int i = 0; i < 2; i++) {
		actor_go_on(&thieves[i].actor);
		actor_await_end(&thieves[i].actor);
		if (i == 0)
			pop(script->late_pops);
	}
	pop(ELEMENTS);
	for (size_t i = 0; i < pushed; i++)
		MUST(out[i] == 1);
	deque_free(&deque);
}

static unsigned long try_all(const struct script *script)
{
	struct actor *first = &thieves[0].actor, *second = &thieves[1].actor;
	bool stopped[2] = {true, true};
	unsigned long count = 0;

	for (first->stop_at = 1; stopped[0]; first->stop_at++)
		for (second->stop_at = 1, stopped[1] = true; stopped[1]; second->stop_at++) {
			act(script, stopped);
			count++;
		}
	return count;
}

int main(void)
{
	static const struct script scripts[] = {{1, 0, 0, 1}, {1, 1, 1, 0}, {2, 1, 0, 1},
						{2, 2, 2, 1}, {3, 1, 1, 0}, {3, 2, 0, 1},
						{8, 1, 0, 1}, {8, 5, 0, 0}, {8, 6, 4, 1}};
	pthread_t threads[2];
	unsigned long count = 0;

	validate_expect_end(100);
	for (int i = 0; i < 2; i++) {
		actor_init(&thieves[i].actor);
		validate_start(&threads[i], be_thief, &thieves[i]);
	}
	for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
		for (int several = 0; several < 4; several++) {
			thieves[0].most = several & 1 ? MOST : 1;
			thieves[1].most = several & 2 ? MOST : 1;
			count += try_all(&scripts[i]);
		}
	MUST(count >= LEAST);
	for (int i = 0; i < 2; i++) {
		thieves[i].over = true;
		actor_start(&thieves[i].actor);
		validate_join(threads[i]);
	}
	printf("%lu orders of an owner and two thieves\n", count);
	return 0;
}
