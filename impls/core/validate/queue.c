/* SPDX-License-Identifier: MIT */
/*
 * A queueing policy keeps what it is given: whatever was accepted comes out once, with its
 * argument; after close nothing is accepted and what is inside stays. Linked with the policy and
 * its backend, whose capabilities say whether it claims to be first in, first out.
 *
 * Ordering
 *   V1  run_round: all is pushed, release store of producing  ->  consume: acquire load, then a pop
 *       what finds nothing then finds nothing for ever
 */
#include "../queue.h"

#include <assay/backend.h>

#include "validate.h"

#define PRODUCERS 2
#define CONSUMERS 2
#define LONGEST_BATCH 8

/* What a task carries: who pushed it, and the how-manieth of that producer it is. */
struct ticket {
	uint32_t producer;
	uint32_t number;
};

struct tally {
	uint64_t count;
	uint64_t sum;
};

static struct queue *queue;
static _Atomic bool producing;
static int consumers;      /* of this round */
static int quota;          /* tickets of each producer */
static _Atomic int pushed; /* tickets, by all */
static struct tally accepted[PRODUCERS], popped[CONSUMERS];

static int run_nothing(assay_call *call)
{
	(void)call;
	return ASSAY_OK;
}

static void make(uint32_t producer, uint32_t number, size_t count, struct future **futures)
{
	for (size_t i = 0; i < count; i++) {
		struct ticket ticket = {producer, number + (uint32_t)i};

		futures[i] = future_create(NULL, run_nothing, &ticket, sizeof ticket, 1);
		MUST(futures[i]);
	}
}

static void *produce(void *user)
{
	uint32_t producer = (uint32_t)(uintptr_t)user, number = 0, seed = producer + 1;

	while (number < (uint32_t)quota) {
		size_t count = 1 + validate_random(&seed) % LONGEST_BATCH;
		struct future *futures[LONGEST_BATCH];
		int error;

		make(producer, number, count, futures);
		error = queue_push(queue, WORKER_NONE, futures, count);
		if (error) {
			MUST(error == ASSAY_ESHUTDOWN);
			for (size_t i = 0; i < count; i++)
				future_discard(futures[i]);
			break;
		}
		for (size_t i = 0; i < count; i++)
			accepted[producer].sum += number++;
		accepted[producer].count += count;
		/* relaxed: about when to close */
		atomic_fetch_add_explicit(&pushed, (int)count, memory_order_relaxed);
	}
	return NULL;
}

static bool pop_one(int worker, int64_t *latest)
{
	bool moved;
	struct future *future = queue_pop(queue, worker, &moved);
	struct ticket ticket;

	if (!future)
		return false;
	__builtin_memcpy(&ticket, future->bytes, sizeof ticket);
	MUST(ticket.producer < PRODUCERS);
	if (assay_backend.capabilities & ASSAY_CAP_SUBMITTER_FIFO && consumers == 1)
		MUST((int64_t)ticket.number > latest[ticket.producer]);
	latest[ticket.producer] = ticket.number;
	popped[worker].count++;
	popped[worker].sum += ticket.number;
	future_discard(future);
	return true;
}

static void *consume(void *user)
{
	int worker = (int)(intptr_t)user;
	int64_t latest[PRODUCERS] = {-1, -1};
	unsigned step = 0;

	for (;;) {
		bool last = !atomic_load_explicit(&producing, memory_order_acquire); /* V1 */

		if (pop_one(worker, latest))
			step = 0;
		else if (last)
			return NULL;
		else
			port_backoff(&step);
	}
}

/* close_at: tickets after which the queue is closed under the producers; INT_MAX: after them. */
static void run_round(int tickets, int close_at, bool lopsided)
{
	pthread_t producers[PRODUCERS], threads[CONSUMERS];
	struct tally in = {0}, out = {0};
	struct future *late;
	unsigned step = 0;

	queue = queue_create(consumers, lopsided);
	MUST(queue);
	quota = tickets;
	atomic_store(&pushed, 0);
	atomic_store(&producing, true);
	for (int i = 0; i < PRODUCERS; i++) {
		accepted[i] = (struct tally){0};
		validate_start(&producers[i], produce, (void *)(intptr_t)i);
	}
	for (int i = 0; i < consumers; i++) {
		popped[i] = (struct tally){0};
		validate_start(&threads[i], consume, (void *)(intptr_t)i);
	}
	while (close_at != INT_MAX && atomic_load(&pushed) < close_at)
		port_backoff(&step);
	if (close_at != INT_MAX)
		queue_close(queue);
	for (int i = 0; i < PRODUCERS; i++)
		validate_join(producers[i]);
	queue_close(queue);
	atomic_store_explicit(&producing, false, memory_order_release); /* V1 */
	for (int i = 0; i < consumers; i++)
		validate_join(threads[i]);
	for (int i = 0; i < PRODUCERS; i++) {
		in.count += accepted[i].count;
		in.sum += accepted[i].sum;
	}
	for (int i = 0; i < consumers; i++) {
		out.count += popped[i].count;
		out.sum += popped[i].sum;
	}
	MUST(in.count > 0 && in.count == out.count && in.sum == out.sum);
	MUST(queue_pushed(queue) == in.count);
	MUST(queue_looks_empty(queue));
	make(0, 0, 1, &late);
	MUST(queue_push(queue, WORKER_NONE, &late, 1) == ASSAY_ESHUTDOWN);
	future_discard(late);
	MUST(!queue_pop(queue, WORKER_NONE, NULL));
	queue_destroy(queue);
}

int main(void)
{
	int tickets = validate_rounds(500000), rounds = validate_rounds(500);

	validate_expect_end(60);
	for (int lopsided = port_can_be_lopsided(); lopsided >= 0; lopsided--) {
		for (consumers = 1; consumers <= CONSUMERS; consumers++) {
			run_round(tickets, INT_MAX, lopsided);
			run_round(tickets, tickets / 2, lopsided);
		}
		consumers = CONSUMERS;
		for (int i = 1; i <= rounds; i++) /* the race of close and push, again and again */
			run_round(200, 1 + i % 350, lopsided);
	}
	return 0;
}
