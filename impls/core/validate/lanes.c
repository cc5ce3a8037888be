/* SPDX-License-Identifier: MIT */
/*
 * Threads that submit at the same time have lanes of their own, whichever block these are in, and
 * find them again; each lane is found by its number.
 */
#include "../lanes.h"
#include "validate.h"

#define THREADS 60 /* more than the first two blocks have lanes */

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

int main(void)
{
	pthread_t threads[THREADS];
	uint32_t count, found = 0;

	validate_expect_end(60);
	lanes_init(&lanes, false);
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
	lanes_free(&lanes);
	return 0;
}
