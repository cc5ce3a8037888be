/* SPDX-License-Identifier: MIT */
/* What of queue.h a policy may leave out. Its own definitions take the place of these. */
#include "queue.h"

__attribute__((weak)) bool queue_knows_parents(void)
{
	return false;
}

__attribute__((weak)) void queue_begin(struct queue *queue, int worker, unsigned depth,
				       const struct future *future)
{
	(void)queue;
	(void)worker;
	(void)depth;
	(void)future;
}

__attribute__((weak)) void queue_end(struct queue *queue, int worker, unsigned depth)
{
	(void)queue;
	(void)worker;
	(void)depth;
}

__attribute__((weak)) struct future *queue_help(struct queue *queue, int worker,
						const struct future *awaited, bool *moved)
{
	(void)queue;
	(void)worker;
	(void)awaited;
	(void)moved;
	return NULL;
}
