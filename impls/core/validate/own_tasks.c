/* SPDX-License-Identifier: MIT */
/* A worker that has found few tasks waits before it looks for more (pace.h), but not once it has submitted some itself:
 * those are there already. (With work_stealing they are its next, and it need not look.) The policy is compiled
 * here, with a pause that is counted. */
#include "validate.h"

static int pauses;

static void pause_once(void)
{
	pauses++;
}

#define port_pause pause_once
#include POLICY
#undef port_pause

#define FEW 8

/* Never looked into. */
static struct future futures[2 * FEW];

static void push(struct queue *queue, struct own *own, struct future *future, bool many)
{
	if (many)
		MUST(!queue_push_many(queue, own, &future, 1));
	else if (!queue_try_push(queue, own, future)) /* has no memory yet */
		MUST(!queue_push_many(queue, own, &future, 1));
}

/* As many pops as tasks came from elsewhere, before each of which the worker may submit another one. Returns how often
 * it paused. */
static int take_few(struct queue *queue, struct own *own, bool submits, bool many)
{
	int paused;
	bool moved;

	for (int i = 0; i < FEW; i++)
		push(queue, NULL, &futures[i], many);
	pauses = 0;
	for (int i = 0; i < FEW; i++) {
		if (submits)
			push(queue, own, &futures[FEW + i], many);
		MUST(queue_pop(queue, own, &moved));
	}
	paused = pauses;
	for (int left = submits ? FEW : 0; left > 0; left--)
		MUST(queue_pop(queue, own, &moved));
	MUST(!queue_pop(queue, own, &moved));
	return paused;
}

int main(void)
{
	struct queue *queue = queue_create(2, false);
	struct own *own;

	MUST(queue);
	own = queue_own(queue, 0);
	for (int many = 0; many < 2; many++) {
		MUST(take_few(queue, own, false, many) >= PACE_PAUSES);
		MUST(take_few(queue, own, true, many) == 0);
	}
	queue_close(queue);
	queue_destroy(queue);
	return 0;
}
