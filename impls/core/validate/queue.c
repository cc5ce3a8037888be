/* SPDX-License-Identifier: MIT */
/*
 * A queueing policy keeps what it is given: whatever was accepted comes out once, with its argument;
 * after close nothing is accepted and what is inside stays, where who takes everything then finds it.
 * Workers push as well, and run in place, out of turn, some of what they have pushed. Linked with the
 * policy and its backend, whose capabilities say whether it claims to be first in, first out.
 *
 * Ordering
 *   V3  all is pushed, release store of producing  ->  consume: acquire load, then a pop
 *       what finds nothing then finds nothing for ever
 *   P6  of worker.h: taking
 */
#include "../queue.h"

#include <assay/backend.h>

#include "validate.h"

#include <stdio.h>
#include <string.h>

#define PRODUCERS 2
#define CONSUMERS 3
#define PUSHERS (PRODUCERS + CONSUMERS)
#define LONGEST_BATCH 8
#define MOST_CHILDREN 200

/* In place of the number of a worker. */
#define NOBODY (-1)

/* What a task carries: who pushed it, the how-manieth of that pusher it is, and how many it will push
 * itself. */
struct ticket {
	uint32_t pusher;
	uint32_t number;
	uint32_t children;
};

struct tally {
	uint64_t count;
	uint64_t sum;
};

struct consumer {
	pthread_t thread;
	_Alignas(PORT_APART) _Atomic uint32_t taking; /* as in worker.h */
	int index; /* or NOBODY: who takes everything after a close */
	uint32_t seed;
	uint32_t pushed;
	int64_t latest[PUSHERS];
	struct tally ran;
};

static struct queue *queue;
static struct consumer consumer[CONSUMERS + 1];
static int consumers; /* of this round */
static bool nested;   /* in this round */
static int quota;     /* tickets of each producer */
static _Atomic bool producing;
static _Atomic int pushed;       /* tickets, by producers */
static _Atomic uint64_t started; /* tickets, before `taking` is cleared */
static struct tally accepted[PUSHERS];

static int run_nothing(assay_call *call)
{
	(void)call;
	return ASSAY_OK;
}

/* The first reference is the queue's. */
static struct future *make(struct ticket ticket, uint32_t references)
{
	struct future *future =
		future_create(NULL, run_nothing, &ticket, sizeof ticket, references);

	MUST(future);
	return future;
}

static struct own *own(int worker)
{
	return worker == NOBODY ? NULL : queue_own(queue, worker);
}

/* False: the queue is closed. */
static bool push(int worker, uint32_t pusher, struct future **futures, size_t count,
		 uint32_t first_number)
{
	bool is_pushed = count == 1 && queue_try_push(queue, own(worker), futures[0]);
	int error = is_pushed ? ASSAY_OK : queue_push_many(queue, own(worker), futures, count);

	if (error) {
		MUST(error == ASSAY_ESHUTDOWN);
		for (size_t i = 0; i < count; i++)
			future_discard(futures[i]);
		return false;
	}
	accepted[pusher].count += count;
	for (size_t i = 0; i < count; i++)
		accepted[pusher].sum += first_number + i;
	return true;
}

static void *produce(void *user)
{
	uint32_t pusher = (uint32_t)(uintptr_t)user, number = 0, seed = pusher + 1;
	struct future *futures[LONGEST_BATCH];

	while (number < (uint32_t)quota) {
		size_t count = 1 + validate_random(&seed) % LONGEST_BATCH;

		for (size_t i = 0; i < count; i++) {
			struct ticket ticket = {pusher, number + (uint32_t)i, 0};

			if (nested && validate_random(&seed) % 8 == 0)
				ticket.children = 1 + validate_random(&seed) % MOST_CHILDREN;
			futures[i] = make(ticket, 1);
		}
		if (!push(NOBODY, pusher, futures, count, number))
			break;
		number += (uint32_t)count;
		atomic_fetch_add_explicit(&pushed, (int)count, memory_order_relaxed);
	}
	return NULL;
}

static void run(struct consumer *self, struct future *future, bool owned);

/* As run_awaited() in worker.c: here and now, wherever in the queue it is, unless somebody has it. */
static void run_in_place(struct consumer *self, struct future *future)
{
	bool starts;

	atomic_store_explicit(&self->taking, 1, memory_order_relaxed); /* for the count alone */
	starts = future_start_left(future, future->word);
	if (starts)
		atomic_fetch_add_explicit(&started, 1, memory_order_relaxed);
	atomic_store_explicit(&self->taking, 0, memory_order_release); /* P6 */
	if (starts)
		run(self, future, queue_take_back(queue, queue_own(queue, self->index), future));
}

/* In bursts, so that thieves ask for a share, and so many that what is left behind fills a ring. */
static size_t push_children(struct consumer *self, struct ticket parent, struct future **children)
{
	uint32_t pusher = PRODUCERS + (uint32_t)self->index, count = 0;

	while (count < parent.children) {
		uint32_t most = parent.children - count,
			 burst = 1 + validate_random(&self->seed) % 64;

		if (burst > most)
			burst = most;
		for (uint32_t i = 0; i < burst; i++) {
			struct ticket ticket = {pusher, self->pushed + i, 0};

			if (parent.pusher < PRODUCERS && (count + i) % 32 == 31)
				ticket.children = 8;
			children[count + i] = make(ticket, 2);
		}
		if (!push(self->index, pusher, children + count, burst, self->pushed))
			break;
		self->pushed += burst;
		count += burst;
	}
	return count;
}

static void run_children(struct consumer *self, struct ticket parent)
{
	struct future *children[MOST_CHILDREN];
	size_t count = push_children(self, parent, children);
	uint32_t random = validate_random(&self->seed);

	if (random % 4 == 0) /* none */
		;
	else if (random % 4 == 1) /* in order: all but the last are left behind */
		for (size_t i = 0; i < count; i++)
			run_in_place(self, children[i]);
	else /* latest first, all or half of them */
		for (size_t i = count; i > (random % 4 == 2 ? 0 : count / 2); i--)
			run_in_place(self, children[i - 1]);
	for (size_t i = 0; i < count; i++)
		assay_future_release(&children[i]->base);
}

static void run(struct consumer *self, struct future *future, bool owned)
{
	struct future_outcome outcome = {0};
	struct ticket ticket;

	memcpy(&ticket, future->bytes, sizeof ticket);
	MUST(ticket.pusher < PUSHERS);
	self->ran.count++;
	self->ran.sum += ticket.number;
	if (ticket.children && self->index != NOBODY)
		run_children(self, ticket);
	MUST(!(owned ? future_end(future, outcome) : future_settle(future, outcome)));
}

/* What was popped, as in worker.c. */
static void meet_popped(struct consumer *self, struct future *future)
{
	bool starts = future_start(future);
	struct ticket ticket;

	if (starts)
		atomic_fetch_add_explicit(&started, 1, memory_order_relaxed);
	atomic_store_explicit(&self->taking, 0, memory_order_release); /* P6 */
	if (!starts) {
		future_release_entry(future);
		return;
	}
	memcpy(&ticket, future->bytes, sizeof ticket);
	MUST(ticket.pusher < PUSHERS);
	if (assay_backend.capabilities & ASSAY_CAP_SUBMITTER_FIFO && consumers == 1 &&
	    self->index != NOBODY)
		MUST((int64_t)ticket.number > self->latest[ticket.pusher]);
	self->latest[ticket.pusher] = ticket.number;
	run(self, future, true);
}

static void *consume(void *user)
{
	struct consumer *self = user;
	unsigned step = 0;

	for (;;) {
		bool last = !atomic_load_explicit(&producing, memory_order_acquire); /* V3 */
		bool moved;
		struct future *future;

		atomic_store_explicit(&self->taking, 1, memory_order_relaxed);
		future = queue_pop(queue, own(self->index), &moved);
		if (future) {
			meet_popped(self, future);
			step = 0;
			continue;
		}
		atomic_store_explicit(&self->taking, 0, memory_order_release); /* P6 */
		if (last)
			return NULL;
		port_backoff(&step);
	}
}

static void await_taken(void)
{
	for (int i = 0; i < consumers; i++) {
		unsigned step = 0;

		while (atomic_load_explicit(&consumer[i].taking, memory_order_acquire)) /* P6 */
			port_backoff(&step);
	}
}

/* As drain() in pool.c, while workers go on: then everything that was ever pushed has been had. */
static void close_and_take(void)
{
	struct consumer *self = &consumer[CONSUMERS];
	struct future *future;

	queue_close(queue);
	await_taken();
	while ((future = queue_pop(queue, NULL, NULL)))
		meet_popped(self, future);
	await_taken();
	MUST(atomic_load(&started) == queue_pushed(queue));
}

static void check_totals(void)
{
	struct tally in = {0}, out = {0};

	for (int i = 0; i < PUSHERS; i++) {
		in.count += accepted[i].count;
		in.sum += accepted[i].sum;
	}
	for (int i = 0; i <= CONSUMERS; i++) {
		out.count += consumer[i].ran.count;
		out.sum += consumer[i].ran.sum;
	}
	MUST(in.count > 0 && in.count == out.count && in.sum == out.sum);
	MUST(queue_pushed(queue) == in.count);
	MUST(queue_looks_empty(queue));
	if (in.count > 10000)
		printf("%d workers%s: %llu of %llu tickets were a worker's, %llu steals\n",
		       consumers, nested ? " that push" : "",
		       (unsigned long long)(in.count - accepted[0].count - accepted[1].count),
		       (unsigned long long)in.count, (unsigned long long)queue_steals(queue));
}

/* close_at: tickets after which the queue is closed under all who push; INT_MAX: after them. */
static void run_round(int tickets, int close_at, bool lopsided)
{
	pthread_t producers[PRODUCERS];
	struct future *late;
	unsigned step = 0;

	queue = queue_create(consumers, lopsided);
	MUST(queue);
	quota = tickets;
	atomic_store(&pushed, 0);
	atomic_store(&started, 0);
	atomic_store(&producing, true);
	memset(accepted, 0, sizeof accepted);
	for (int i = 0; i <= CONSUMERS; i++) {
		consumer[i] = (struct consumer){.index = i < CONSUMERS ? i : NOBODY,
						.seed = (uint32_t)i + 1};
		memset(consumer[i].latest, -1, sizeof consumer[i].latest);
	}
	for (int i = 0; i < PRODUCERS; i++)
		validate_start(&producers[i], produce, (void *)(intptr_t)i);
	for (int i = 0; i < consumers; i++)
		validate_start(&consumer[i].thread, consume, &consumer[i]);
	while (close_at != INT_MAX && atomic_load(&pushed) < close_at)
		port_backoff(&step);
	if (close_at != INT_MAX)
		close_and_take();
	for (int i = 0; i < PRODUCERS; i++)
		validate_join(producers[i]);
	atomic_store_explicit(&producing, false, memory_order_release); /* V3 */
	for (int i = 0; i < consumers; i++)
		validate_join(consumer[i].thread);
	queue_close(queue);
	check_totals();
	late = make((struct ticket){0}, 1);
	MUST(!queue_try_push(queue, NULL, late));
	MUST(queue_push_many(queue, NULL, &late, 1) == ASSAY_ESHUTDOWN);
	future_discard(late);
	MUST(!queue_pop(queue, NULL, NULL));
	queue_destroy(queue);
}

/* With one worker, where the order counts, and with as many as there can be. */
static void run_rounds(int tickets, bool lopsided)
{
	for (consumers = 1; consumers <= CONSUMERS; consumers += CONSUMERS - 1) {
		run_round(tickets, INT_MAX, lopsided);
		run_round(tickets, tickets / 2, lopsided);
	}
}

static void push_next(int worker, uint32_t count, uint32_t *number)
{
	for (; count > 0; count--, ++*number) {
		struct future *future = make((struct ticket){.number = *number}, 1);

		MUST(push(worker, 0, &future, 1, *number));
	}
}

/* Takes up to `most`; returns the sum of their numbers, plus as many. */
static uint64_t take_up_to(int worker, uint32_t most, bool may_move)
{
	struct future *future;
	bool moved = false;
	uint64_t sum = 0;

	while (most-- > 0 && (future = queue_pop(queue, own(worker), &moved))) {
		struct ticket ticket;

		MUST(may_move || !moved);
		memcpy(&ticket, future->bytes, sizeof ticket);
		sum += ticket.number + 1;
		future_discard(future);
	}
	return sum;
}

/* Whoever is alone finds everything, wherever it was moved to; after a close nothing is moved. Worker 1
 * finds so much with worker 0 that it may ask for a share: once before worker 0 pushes more, and once
 * more if it takes many. */
static void take_alone(int who, uint32_t early, bool closes, bool lopsided)
{
	uint32_t number = 0;
	uint64_t sum;

	queue = queue_create(2, lopsided);
	MUST(queue);
	push_next(0, 100, &number);
	sum = take_up_to(1, 1, true);
	push_next(0, 50, &number);
	push_next(NOBODY, 50, &number);
	sum += take_up_to(1, early, true);
	if (closes)
		queue_close(queue);
	sum += take_up_to(who, number, !closes);
	MUST(sum == (uint64_t)number * (number + 1) / 2 && queue_looks_empty(queue));
	queue_destroy(queue);
}

int main(void)
{
	int rounds = validate_rounds(500);

	validate_expect_end(100);
	for (int lopsided = port_can_be_lopsided(); lopsided >= 0; lopsided--) {
		for (int who = NOBODY; who < 2; who++)
			for (uint32_t early = 0; early <= 100; early += 100) {
				take_alone(who, early, false, lopsided);
				take_alone(who, early, true, lopsided);
			}
		for (int form = 0; form < 2; form++) {
			nested = form;
			run_rounds(validate_rounds(nested ? 50000 : 500000), lopsided);
			consumers = CONSUMERS;
			for (int i = 1; i <= rounds; i++) /* the race of close and push, again */
				run_round(200, 1 + i % 350, lopsided);
		}
	}
	return 0;
}
