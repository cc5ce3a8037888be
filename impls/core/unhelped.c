/* SPDX-License-Identifier: MIT */
/* What of queue.h a policy may leave out. Its own definitions take the place of these. */
#include "queue.h"

__attribute__((weak)) bool queue_knows_parents(void)
{
	return false;
}

__attribute__((weak)) void queue_begin(struct own *own, unsigned depth, const struct future *future)
{
	(void)own;
	(void)depth;
	(void)future;
}

__attribute__((weak)) void queue_end(struct own *own, unsigned depth)
{
	(void)own;
	(void)depth;
}

__attribute__((weak)) struct future *queue_help(struct queue *queue, struct own *own,
						const struct future *awaited, bool *moved)
{
	(void)queue;
	(void)own;
	(void)awaited;
	(void)moved;
	return NULL;
}
