/* SPDX-License-Identifier: MIT */
/*
 * Who sleeps until a future is done is counted, and who gives up is not any more: an end that nobody
 * waits for asks nothing of the kernel, and one that somebody waits for wakes all who do.
 */
#include <assay/backend.h>

#include "../record.h"
#include "validate.h"

#define SLEEPING 3
#define IMPATIENT 2

static struct assay_executor_ops executor_ops;
static assay_executor executor = {&executor_ops};
static struct meeting meeting = {.count = SLEEPING + IMPATIENT + 1};
static struct future *shared;
static pid_t sleepers[SLEEPING];
static _Atomic int asleep, timed_out;
static int rounds;

static int run_task(assay_call *call)
{
	return assay_return(call, call->argument, call->argument_size);
}

static struct future *make(uint32_t references)
{
	const uint64_t argument = 42;
	struct future *future =
		future_create(&executor, run_task, &argument, sizeof argument, references);

	MUST(future);
	return future;
}

static void run(struct future *future)
{
	struct future_outcome outcome;
	struct running running = {.call.ops = &future_call_ops};

	MUST(future_start(future));
	MUST(future_call(future, &executor, &running, &outcome));
	MUST(!future_end(future, outcome)); /* nobody observes */
}

static uint32_t sleepers_of(struct future *future)
{
	return ((uint32_t)atomic_load(&future->word) & SLEEPERS) / SLEEPER;
}

static void check_result(struct future *future)
{
	struct assay_outcome outcome;

	MUST(assay_future_outcome(&future->base, 0, &outcome) == ASSAY_OK);
	MUST(outcome.result_size == 8 && *(const uint64_t *)outcome.result == 42);
}

static void *sleep_once(void *user)
{
	struct future *future = user;

	sleepers[atomic_load(&asleep)] = gettid(); /* they come one by one */
	atomic_fetch_add(&asleep, 1);
	MUST(assay_future_outcome(&future->base, ASSAY_FOREVER, NULL) == ASSAY_OK);
	check_result(future);
	return NULL;
}

/* Those who sleep are counted while another comes and gives up. */
static void check_counts(void)
{
	struct future *future = make(2);
	pthread_t threads[SLEEPING];

	for (uint32_t i = 0; i < SLEEPING; i++) {
		MUST(assay_future_outcome(&future->base, 1000000, NULL) == ASSAY_ETIMEDOUT);
		MUST(sleepers_of(future) == i);
		validate_start(&threads[i], sleep_once, future);
		while (atomic_load(&asleep) == (int)i || sleepers_of(future) == i)
			port_pause();
		validate_await_sleep(sleepers[i]);
	}
	run(future);
	for (int i = 0; i < SLEEPING; i++)
		validate_join(threads[i]);
	MUST(sleepers_of(future) == 0);
	future_release(future);
}

/* More than can be counted are never forgotten: the end wakes, though it may be for nothing. */
static void check_full(void)
{
	struct future *future = make(2);
	pthread_t thread;

	atomic_store(&asleep, 0);
	atomic_fetch_or(&future->word, SLEEPERS - SLEEPER); /* all but one */
	MUST(assay_future_outcome(&future->base, 1000000, NULL) == ASSAY_ETIMEDOUT);
	MUST((atomic_load(&future->word) & SLEEPERS) == SLEEPERS);
	validate_start(&thread, sleep_once, future);
	while (!atomic_load(&asleep))
		port_pause();
	validate_await_sleep(sleepers[0]);
	MUST((atomic_load(&future->word) & SLEEPERS) == SLEEPERS);
	run(future);
	validate_join(thread);
	future_release(future);
}

static void *wait_for_ever(void *user)
{
	(void)user;
	for (int round = 0; round < rounds; round++) {
		validate_meet(&meeting);
		MUST(assay_future_outcome(&shared->base, ASSAY_FOREVER, NULL) == ASSAY_OK);
		check_result(shared);
		validate_meet(&meeting);
	}
	return NULL;
}

/* Gives up again and again, about when the others go to sleep and the future ends. */
static void *wait_a_little(void *user)
{
	uint32_t seed = (uint32_t)(uintptr_t)user;

	for (int round = 0; round < rounds; round++) {
		validate_meet(&meeting);
		while (assay_future_outcome(&shared->base, 1 + validate_random(&seed) % 60000,
					    NULL) == ASSAY_ETIMEDOUT)
			atomic_fetch_add_explicit(&timed_out, 1, memory_order_relaxed);
		check_result(shared);
		validate_meet(&meeting);
	}
	return NULL;
}

/* Everybody who sleeps is woken, whoever gives up beside them. */
static void check_races(void)
{
	pthread_t threads[SLEEPING + IMPATIENT];
	uint32_t seed = 5;

	rounds = validate_rounds(5000);
	for (int i = 0; i < SLEEPING; i++)
		validate_start(&threads[i], wait_for_ever, NULL);
	for (uintptr_t i = 0; i < IMPATIENT; i++)
		validate_start(&threads[SLEEPING + i], wait_a_little, (void *)(i + 1)); /* NOLINT */
	for (int round = 0; round < rounds; round++) {
		int64_t end_ns;

		shared = make(2);
		validate_meet(&meeting);
		end_ns = assay_deadline_ns(validate_random(&seed) % 200000);
		while (assay_clock_ns() < end_ns)
			port_pause();
		run(shared);
		validate_meet(&meeting);
		MUST(sleepers_of(shared) == 0);
		future_release(shared);
	}
	for (int i = 0; i < SLEEPING + IMPATIENT; i++)
		validate_join(threads[i]);
}

int main(void)
{
	validate_expect_end(200);
	executor_ops.backend = &assay_backend;
	check_counts();
	check_full();
	check_races();
	printf("%d waits gave up\n", atomic_load(&timed_out));
	return 0;
}
