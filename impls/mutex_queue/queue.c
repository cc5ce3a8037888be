/* SPDX-License-Identifier: MIT */
/* One list under one mutex: first in, first out. Q1 and K1 are the mutex's. */
#include "../core/queue.h"

#include <stdlib.h>

struct queue {
	pthread_mutex_t mutex; /* guards everything below */
	struct future *first;
	struct future *last; /* undefined while first is NULL */
	uint64_t pushed;
	bool closed;
};

struct queue *queue_create(int workers)
{
	struct queue *queue = calloc(1, sizeof *queue);

	(void)workers;
	if (queue)
		pthread_mutex_init(&queue->mutex, NULL);
	return queue;
}

void queue_destroy(struct queue *queue)
{
	pthread_mutex_destroy(&queue->mutex);
	free(queue);
}

bool queue_push(struct queue *queue, int worker, struct future *first, struct future *last,
		size_t count)
{
	bool open;

	(void)worker;
	last->next = NULL;
	pthread_mutex_lock(&queue->mutex);
	open = !queue->closed;
	if (open) {
		if (queue->first)
			queue->last->next = first;
		else
			queue->first = first;
		queue->last = last;
		queue->pushed += count;
	}
	pthread_mutex_unlock(&queue->mutex);
	return open;
}

struct future *queue_pop(struct queue *queue, int worker)
{
	struct future *future;

	(void)worker;
	pthread_mutex_lock(&queue->mutex);
	future = queue->first;
	if (future)
		queue->first = future->next;
	pthread_mutex_unlock(&queue->mutex);
	return future;
}

void queue_close(struct queue *queue)
{
	pthread_mutex_lock(&queue->mutex);
	queue->closed = true;
	pthread_mutex_unlock(&queue->mutex);
}

uint64_t queue_pushed(struct queue *queue)
{
	uint64_t pushed;

	pthread_mutex_lock(&queue->mutex);
	pushed = queue->pushed;
	pthread_mutex_unlock(&queue->mutex);
	return pushed;
}
