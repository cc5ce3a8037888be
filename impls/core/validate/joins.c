/* SPDX-License-Identifier: MIT */
/*
 * A join whose child runs elsewhere runs other children of its task meanwhile, one inside another, but
 * no more than JOINS of them: then it sleeps, though there is one more that nobody else takes. With either
 * form of the fences. And a join looks for work no longer than spin_ns before it sleeps. A child that runs
 * elsewhere has no result to leave there.
 *
 * The joiner joins `root`, which another worker stole and which forks links one by one. Each link is stolen by
 * the joiner, as every other worker is held, forks a child, lets one of those go to take it, and has the
 * next link forked before it joins: so there is always one to be stolen where a join looks.
 */
#include <assay/fork_join.h>

#include "../fork.h"
#include "client.h"

#include <semaphore.h>
#include <time.h>

#define LINKS (JOINS + 1) /* the last is one too many */
#define ROUNDS 2

struct link {
	struct assay_fork fork, held;
	_Atomic bool is_held;
};

static struct link links[LINKS];
static struct assay_fork root;
static _Atomic pid_t joiner;
static _Atomic int forked;   /* links */
static _Atomic int wanted;   /* links that are to be forked */
static _Atomic int stolen;   /* links that the joiner runs or has run */
static _Atomic bool is_root; /* has begun */
static sem_t busy, free_one, start, joined, gate;

static void pass(sem_t *semaphore)
{
	while (sem_wait(semaphore))
		;
}

static void await(_Atomic int *value, int least)
{
	unsigned step = 0;

	while (atomic_load(value) < least)
		port_backoff(&step);
}

static void await_true(_Atomic bool *value)
{
	unsigned step = 0;

	while (!atomic_load(value))
		port_backoff(&step);
}

static int keep_busy(assay_call *call)
{
	(void)call;
	sem_post(&busy);
	pass(&free_one);
	return ASSAY_OK;
}

static int be_held(assay_call *call, void *frame)
{
	struct link *link = frame;

	(void)call;
	atomic_store(&link->is_held, true);
	pass(&gate);
	return ASSAY_OK;
}

static int run_link(assay_call *call, void *frame)
{
	struct link *link = frame;
	int number = (int)(link - links) + 1;

	if (gettid() != atomic_load(&joiner))
		return number; /* its parent joins it where it is */
	atomic_fetch_add(&stolen, 1);
	if (number == LINKS)
		return number; /* seen by main */
	assay_fork(call, &link->held, be_held, link);
	sem_post(&free_one);
	await_true(&link->is_held);
	atomic_store(&wanted, number + 1);
	await(&forked, number + 1);
	MUST(assay_join(call, &link->held) == ASSAY_OK);
	return number;
}

static int run_root(assay_call *call, void *frame)
{
	void *room;

	(void)frame;
	MUST(assay_call_result(call, 1, &room) == ASSAY_ETOOBIG);
	atomic_store(&is_root, true);
	for (int i = 0; i < LINKS; i++) {
		await(&wanted, i + 1);
		assay_fork(call, &links[i].fork, run_link, &links[i]);
		atomic_store(&forked, i + 1);
	}
	pass(&gate);
	for (int i = LINKS; i-- > 0;)
		MUST(assay_join(call, &links[i].fork) == i + 1);
	return ASSAY_OK;
}

/* Twice: what the first join had on its stack is gone before the second. */
static int join_roots(assay_call *call)
{
	atomic_store(&joiner, gettid());
	for (int round = 0; round < ROUNDS; round++) {
		pass(&start);
		assay_fork(call, &root, run_root, NULL);
		await_true(&is_root);
		atomic_store(&wanted, 1);
		await(&forked, 1);
		MUST(assay_join(call, &root) == ASSAY_OK);
		sem_post(&joined);
	}
	return ASSAY_OK;
}

static void reset(void)
{
	for (int i = 0; i < LINKS; i++)
		atomic_store(&links[i].is_held, false);
	atomic_store(&forked, 0);
	atomic_store(&wanted, 0);
	atomic_store(&stolen, 0);
	atomic_store(&is_root, false);
}

static void fill_up(assay_executor *executor)
{
	assay_future *held[JOINS];

	reset();
	for (int i = 0; i < JOINS; i++)
		held[i] = client_submit(executor, keep_busy, NULL, 0);
	for (int i = 0; i < JOINS; i++)
		pass(&busy);
	sem_post(&start);
	await(&forked, LINKS);
	validate_await_sleep(atomic_load(&joiner));
	MUST(atomic_load(&stolen) == JOINS);
	for (int i = 0; i < JOINS + 1; i++)
		sem_post(&gate);
	pass(&joined);
	for (int i = 0; i < JOINS; i++)
		client_finish(held[i]);
}

static _Atomic bool is_still;

static time_t until; /* far ahead: who sleeps for a while does not wake */

/* In place of the C library's: while is_still no time passes. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
	int error = (int)syscall(SYS_clock_gettime, clock, now);

	if (atomic_load(&is_still)) {
		now->tv_sec = until;
		now->tv_nsec = 0;
	}
	return error;
}

static int await_joiner(assay_call *call, void *frame)
{
	(void)call;
	(void)frame;
	atomic_store(&is_root, true);
	validate_await_sleep(atomic_load(&joiner));
	return ASSAY_OK;
}

static int join_sleeper(assay_call *call)
{
	int error;

	atomic_store(&joiner, gettid());
	assay_fork(call, &root, await_joiner, NULL);
	await_true(&is_root);
	until = (time_t)(assay_clock_ns() / 1000000000) + 36000;
	atomic_store(&is_still, true);
	error = assay_join(call, &root);
	atomic_store(&is_still, false);
	return error;
}

/* Where it is not to look at all, it sleeps before any time has passed. */
static void look_no_longer(void)
{
	struct assay_config config = assay_config_default();
	assay_executor *executor;

	reset();
	config.workers = 2;
	config.spin_ns = 0;
	MUST(assay_executor_create(&assay_backend, &config, &executor) == ASSAY_OK);
	client_finish(client_submit(executor, join_sleeper, NULL, 0));
	MUST(assay_executor_destroy(executor) == ASSAY_OK);
}

int main(void)
{
	static const char *const options[] = {NULL, "fences=full"};

	validate_expect_end(60);
	MUST(sem_init(&busy, 0, 0) == 0 && sem_init(&free_one, 0, 0) == 0);
	MUST(sem_init(&start, 0, 0) == 0 && sem_init(&joined, 0, 0) == 0);
	MUST(sem_init(&gate, 0, 0) == 0);
	for (int form = 0; form < 2; form++) {
		assay_executor *executor = client_create(JOINS + 2, options[form]);
		assay_future *future = client_submit(executor, join_roots, NULL, 0);

		for (int round = 0; round < ROUNDS; round++)
			fill_up(executor);
		client_finish(future);
		MUST(assay_executor_destroy(executor) == ASSAY_OK);
	}
	look_no_longer();
	return 0;
}
