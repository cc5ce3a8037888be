/* SPDX-License-Identifier: MIT */
/*
 * A worker that forks, and a thief: the worker stops before any of its atomic accesses, the thief begins and
 * stops before any of its own; then one goes on to its end, and the other. Each child is run once, by its
 * join or by who stole it; and where too few are on offer, the worker is wanted to offer more. And a thief
 * that another one is ahead of takes the next child.
 */
#include "../fork.h"
#include "stepper.h"

#include <stdio.h>
#include <string.h>

#define CHILDREN 12
#define LEAST 1000 /* orders: with fewer nobody was stopped, whatever compiled this */

struct part {
	struct actor actor; /* first: its stops */
	void (*act)(void);
	bool over;
};

static struct pool pool;
static struct worker workers[3]; /* one that forks, and two thieves */
static struct activation task;
static struct assay_fork children[CHILDREN];
static unsigned ran[CHILDREN];

/* Of the round. */
struct script {
	size_t before, forks, joins; /* of the worker: before the thief begins, and then */
	size_t thefts;
};

static const struct script *script;
static size_t stolen_in_vain; /* looks of the thief that found nothing */

static int run_child(assay_call *call, void *frame)
{
	(void)call;
	++*(unsigned *)frame;
	return 0;
}

static void fork_up_to(size_t first, size_t end)
{
	for (size_t i = first; i < end; i++)
		assay_fork(&task.running.call, &children[i], run_child, &ran[i]);
}

static void join_down_to(size_t end, size_t first)
{
	while (end-- > first)
		MUST(assay_join(&task.running.call, &children[end]) == 0);
}

static void fork_and_join(void)
{
	size_t forked = script->before + script->forks;

	fork_up_to(script->before, forked);
	join_down_to(forked, forked - script->joins);
}

static void steal(void)
{
	struct stolen stolen;

	stolen_in_vain = 0;
	for (size_t i = 0; i < script->thefts; i++)
		if (forks_steal(&workers[1], ANY_TREE, &stolen))
			fork_end(stolen.child, stolen.child->function(NULL, stolen.child->frame));
		else
			stolen_in_vain++;
}

static struct part parts[2] = {{.act = fork_and_join}, {.act = steal}};

static void *play(void *user)
{
	struct part *part = user;

	for (;;) {
		actor_begin(&part->actor);
		if (part->over)
			return NULL;
		part->act();
		actor_end(&part->actor);
	}
}

static void begin(void)
{
	memset(ran, 0, sizeof ran);
	pool = (struct pool){.workers = workers, .settings.config.workers = 3, .alive = 3};
	for (int i = 0; i < 3; i++)
		workers[i] = (struct worker){
			.pool = &pool, .forks = forks_none, .random = 1, .children.wanted = 1};
	running_init(&task.running, &fork_call_ops, &workers[0].children);
	task.tree = (uintptr_t)&task;
	activation_enter(&task, &workers[0]);
	/* One that has learnt that few are enough. */
	fork_up_to(0, 1);
	join_down_to(1, 0);
	ran[0] = 0;
	atomic_load(&workers[0].forks)->enough = ENOUGH;
	fork_up_to(0, script->before);
}

static void end(void)
{
	struct forks *forks = atomic_load(&workers[0].forks);

	/* One less: see J6. */
	MUST(atomic_load(&forks->bottom) - atomic_load(&forks->top) >= FEW - 1 ||
	     workers[0].children.wanted);
	join_down_to(script->before + script->forks - script->joins, 0);
	for (size_t i = 0; i < CHILDREN; i++)
		MUST(ran[i] == (i < script->before + script->forks));
	MUST(!workers[0].children.latest && workers[0].children.wanted);
	activation_leave(&task, &workers[0]);
	forks_free(forks);
}

/* `first` goes on before the other. True: they have stopped. */
static void act(int first, bool stopped[2])
{
	begin();
	for (int i = 0; i < 2; i++) {
		actor_reset(&parts[i].actor);
		actor_start(&parts[i].actor);
		stopped[i] = actor_await(&parts[i].actor);
	}
	/* Who waits for the other ends after it. */
	actor_go_on(&parts[first].actor);
	actor_await(&parts[first].actor);
	actor_go_on(&parts[!first].actor);
	for (int i = 0; i < 2; i++)
		actor_await_end(&parts[i].actor);
	end();
}

static unsigned long try_all(int first)
{
	struct actor *worker = &parts[0].actor, *thief = &parts[1].actor;
	bool stopped[2] = {true, true};
	unsigned long count = 0;

	for (worker->stop_at = 1; stopped[0]; worker->stop_at++)
		for (thief->stop_at = 1, stopped[1] = true; stopped[1]; thief->stop_at++) {
			act(first, stopped);
			count++;
		}
	return count;
}

/* The worker has forked; of two thieves the first stops, and the other is quicker. */
static unsigned long try_race(void)
{
	static const struct script forked = {ENOUGH, 0, 0, 1};
	struct actor *thief = &parts[1].actor;
	struct stolen stolen;
	bool stopped = true;
	unsigned long count = 0;

	script = &forked;
	for (thief->stop_at = 1; stopped; thief->stop_at++, count++) {
		begin();
		actor_reset(thief);
		actor_start(thief);
		stopped = actor_await(thief);
		MUST(forks_steal(&workers[2], ANY_TREE, &stolen));
		fork_end(stolen.child, stolen.child->function(NULL, stolen.child->frame));
		actor_go_on(thief);
		actor_await_end(thief);
		MUST(!stolen_in_vain);
		end();
	}
	return count;
}

int main(void)
{
	static const struct script scripts[] = {{ENOUGH - 1, 1, 0, ENOUGH - 1},
						{ENOUGH - 1, 2, 0, ENOUGH},
						{ENOUGH + 3, 0, 3 + ENOUGH - FEW, 1},
						{ENOUGH + 2, 0, ENOUGH + 2, 3},
						{1, 0, 1, 1},
						{1, 1, 1, 2}};
	pthread_t threads[2];
	unsigned long count = 0;

	validate_expect_end(100);
	for (int i = 0; i < 2; i++) {
		actor_init(&parts[i].actor);
		validate_start(&threads[i], play, &parts[i]);
	}
	for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
		script = &scripts[i];
		for (int first = 0; first < 2; first++)
			count += try_all(first);
	}
	count += try_race();
	MUST(count >= LEAST);
	for (int i = 0; i < 2; i++) {
		parts[i].over = true;
		actor_start(&parts[i].actor);
		validate_join(threads[i]);
	}
	printf("%lu orders of a worker that forks and a thief\n", count);
	return 0;
}
