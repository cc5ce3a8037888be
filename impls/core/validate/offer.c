/* SPDX-License-Identifier: MIT */
/*
 * What a worker keeps of its children and what it offers: the oldest, so many, and when. By hand, as a
 * worker and a thief of a pool without threads.
 */
#include "../fork.h"
#include "validate.h"

#include <string.h>

#define CHILDREN (3 * FORKS - 32)

static struct pool pool;
static struct worker workers[2]; /* one that forks, and a thief */
static struct activation task;
static struct assay_fork children[CHILDREN];
static unsigned ran[CHILDREN];

static void enter(struct activation *activation)
{
	running_init(&activation->running, &fork_call_ops, &workers[0].children);
	activation->tree = (uintptr_t)activation;
	activation_enter(activation, &workers[0]);
}

static void begin(void)
{
	memset(ran, 0, sizeof ran);
	pool = (struct pool){.workers = workers, .settings.config.workers = 2, .alive = 2};
	for (int i = 0; i < 2; i++)
		workers[i] = (struct worker){
			.pool = &pool, .forks = forks_none, .random = 1, .children.wanted = 1};
	enter(&task);
}

static struct forks *forks(void)
{
	return atomic_load(&workers[0].forks);
}

static void end(size_t forked)
{
	for (size_t i = 0; i < forked; i++)
		MUST(ran[i] == 1);
	MUST(!workers[0].children.latest && workers[0].children.wanted);
	activation_leave(&task, &workers[0]);
	forks_free(forks());
}

static int run_child(assay_call *call, void *frame)
{
	(void)call;
	++*(unsigned *)frame;
	return (int)((unsigned *)frame - ran);
}

static void fork_up_to(struct activation *activation, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++)
		assay_fork(&activation->running.call, &children[i], run_child, &ran[i]);
}

/* The latest first. */
static void join_down_to(struct activation *activation, size_t end, size_t first)
{
	while (end-- > first)
		MUST(assay_join(&activation->running.call, &children[end]) == (int)end);
}

static bool is_wanted(void)
{
	return workers[0].children.wanted;
}

static struct stolen steal_one(void)
{
	struct stolen stolen = {NULL, 0};

	forks_steal(&workers[1], ANY_TREE, &stolen);
	return stolen;
}

/* They are the oldest, and run. */
static void steal_up_to(size_t first, size_t end)
{
	for (; first < end; first++) {
		struct assay_fork *child = steal_one().child;

		MUST(child == &children[first]);
		fork_end(child, child->function(NULL, child->frame));
	}
}

/* As long as nobody knows better all are on offer. What joins take back was too much. */
static void learns_from_joins(void)
{
	int64_t enough = FORKS;

	begin();
	fork_up_to(&task, 0, FORKS);
	MUST(!is_wanted());
	for (size_t i = FORKS; i-- > 0;) {
		join_down_to(&task, i + 1, i);
		MUST(enough == ENOUGH || forks()->enough < enough);
		enough = forks()->enough;
	}
	MUST(enough == ENOUGH);
	end(FORKS);
}

/* A worker that has learnt that few are enough. */
static void begin_with_few(void)
{
	struct assay_fork child;
	unsigned frame = 0;

	begin();
	assay_fork(&task.running.call, &child, run_child, &frame);
	assay_join(&task.running.call, &child);
	forks()->enough = ENOUGH;
}

static void offers_the_oldest(void)
{
	begin_with_few();
	fork_up_to(&task, 0, ENOUGH - 1);
	MUST(is_wanted());
	fork_up_to(&task, ENOUGH - 1, ENOUGH);
	MUST(!is_wanted());
	fork_up_to(&task, ENOUGH, 10);
	steal_up_to(0, ENOUGH - FEW);
	MUST(!is_wanted());
	steal_up_to(ENOUGH - FEW, ENOUGH - 1);
	MUST(is_wanted());
	fork_up_to(&task, 10, 11); /* which offers as many as are missing */
	MUST(!is_wanted());
	steal_up_to(ENOUGH - 1, 2 * ENOUGH - 1);
	MUST(is_wanted() && !steal_one().child);
	join_down_to(&task, 11, 10); /* which offers what is left, and not what it joins */
	steal_up_to(2 * ENOUGH - 1, 9);
	MUST(is_wanted());
	join_down_to(&task, 10, 9);
	MUST(ran[9] == 1 && !steal_one().child);
	join_down_to(&task, 9, 0);
	end(11);
}

/* The more thieves take, the more are on offer. */
static void learns_from_thefts(void)
{
	int64_t enough = ENOUGH;

	begin_with_few();
	for (size_t i = 0; i < 60; i++) {
		fork_up_to(&task, i, i + 1);
		steal_up_to(i, i + 1);
		join_down_to(&task, i + 1, i);
		MUST(enough == FORKS || forks()->enough > enough);
		enough = forks()->enough;
	}
	MUST(enough == FORKS);
	end(60);
}

/* What its own joins take counts as what thieves take. */
static void joins_make_it_few(void)
{
	begin_with_few();
	fork_up_to(&task, 0, 10);
	join_down_to(&task, 10, FEW);
	MUST(!is_wanted());
	join_down_to(&task, FEW, FEW - 1);
	MUST(is_wanted());
	join_down_to(&task, FEW - 1, 0);
	end(10);
}

/* One more for who looks for work, if there is a processor for it, and room. */
static void offers_to_takers(void)
{
	static const int others[] = {0, 1, 2000};

	for (size_t i = 0; i < 3; i++) {
		size_t most =
			ENOUGH + (size_t)others[i] < FORKS ? ENOUGH + (size_t)others[i] : FORKS;

		begin_with_few();
		pool.others = others[i];
		for (int k = 0; k < (others[i] ? others[i] : 1); k++)
			park_search(&pool.park);
		fork_up_to(&task, 0, most + 2);
		MUST(!is_wanted());
		steal_up_to(0, most);
		MUST(!steal_one().child);
		join_down_to(&task, most + 2, 0);
		end(most + 2);
	}
}

/* Of many that were kept, half: to count them takes long. And of more than it has room for, the latest so many are
 * counted. */
static void offers_half(void)
{
	size_t first = 0;

	begin_with_few();
	fork_up_to(&task, 0, ENOUGH + 100);
	steal_up_to(0, ENOUGH);
	join_down_to(&task, ENOUGH + 100, ENOUGH + 99);
	steal_up_to(ENOUGH, ENOUGH + 49);
	MUST(!steal_one().child);
	join_down_to(&task, ENOUGH + 99, 0);
	end(ENOUGH + 100);

	begin_with_few();
	fork_up_to(&task, 0, FORKS + 20);
	steal_up_to(0, ENOUGH);
	join_down_to(&task, FORKS + 20, FORKS + 19);
	first = FORKS + 19 - FORKS;
	steal_up_to(first, first + FORKS / 2);
	MUST(!steal_one().child);
	join_down_to(&task, FORKS + 19, 0);
	end(FORKS + 20);
}

/* As many as there is room for. Again only where half of the room is free. */
static void offers_all(void)
{
	begin_with_few();
	fork_up_to(&task, 0, FORKS + 3);
	forks_offer_all(&workers[0]);
	steal_up_to(0, FORKS / 2 - 1);
	forks_offer_all(&workers[0]);
	steal_up_to(FORKS / 2 - 1, FORKS);
	MUST(!steal_one().child);
	forks_offer_all(&workers[0]);
	steal_up_to(FORKS, FORKS + 3);
	join_down_to(&task, FORKS + 3, 0);
	forks_offer_all(&workers[0]); /* nothing */
	end(FORKS + 3);
}

/* Half of what is kept is more than there is room for. */
static void fills_its_room(void)
{
	size_t offered = FORKS / 2 + 100;

	begin();
	fork_up_to(&task, 0, offered);
	workers[0].children.wanted = 0;
	fork_up_to(&task, offered, offered + FORKS - 1);
	workers[0].children.wanted = 1;
	fork_up_to(&task, offered + FORKS - 1, offered + FORKS);
	steal_up_to(0, FORKS);
	MUST(!steal_one().child);
	join_down_to(&task, offered + FORKS, 0);
	end(offered + FORKS);
}

/* Takes what is offered, if that is the right one, and then ends what it has stolen before. */
static struct assay_fork *held, *expected;

static void *end_held(void *user)
{
	struct stolen stolen;
	unsigned step = 0;

	while (!(stolen = steal_one()).child)
		port_backoff(&step);
	MUST(stolen.child == expected);
	fork_end(stolen.child, stolen.child->function(NULL, stolen.child->frame));
	fork_end(held, held->function(NULL, held->frame));
	return user;
}

static pid_t joiner;

/* Ends what it has stolen before when its join has come to sleep, and has offered nothing. */
static void *end_late(void *user)
{
	validate_await_sleep(joiner);
	MUST(!steal_one().child);
	fork_end(held, held->function(NULL, held->frame));
	return user;
}

/* Who waits for a stolen child offers what was kept before it, but nothing below others that were stolen. */
static void offers_what_is_older(void)
{
	size_t first = FORKS + 19 - FORKS, last = first + FORKS / 2 - 1;
	struct assay_fork *older;
	pthread_t thread;

	begin_with_few();
	fork_up_to(&task, 0, FORKS + 20);
	steal_up_to(0, ENOUGH);
	join_down_to(&task, FORKS + 20, FORKS + 19);
	older = steal_one().child;
	MUST(older == &children[first]);
	steal_up_to(first + 1, last);
	held = steal_one().child;
	MUST(held == &children[last]);
	join_down_to(&task, FORKS + 19, last + 1);
	joiner = gettid();
	validate_start(&thread, end_late, NULL);
	join_down_to(&task, last + 1, last);
	validate_join(thread);
	join_down_to(&task, last, first + 1);
	held = older;
	expected = &children[ENOUGH];
	validate_start(&thread, end_held, NULL);
	join_down_to(&task, first + 1, first);
	validate_join(thread);
	join_down_to(&task, first, 0);
	end(FORKS + 20);
}

/* What lies below was forked by another task: it is not offered as a child of this one. */
static void offers_its_own(void)
{
	struct activation above = {.flags = 0};

	begin_with_few();
	fork_up_to(&task, 0, 10);
	enter(&above);
	fork_up_to(&above, 10, 12);
	steal_up_to(0, ENOUGH);
	fork_up_to(&above, 12, 13);
	forks_offer_all(&workers[0]);
	for (size_t i = 10; i < 13; i++) {
		struct stolen stolen = steal_one();

		MUST(stolen.child == &children[i] && stolen.tree == above.tree);
		fork_end(stolen.child, run_child(NULL, &ran[i]));
	}
	MUST(!steal_one().child);
	join_down_to(&above, 13, 10);
	activation_leave(&above, &workers[0]);
	join_down_to(&task, 10, 0);
	end(13);
}

/* The thread ends: nobody runs what was not taken. */
static void abandons(void)
{
	begin_with_few();
	fork_up_to(&task, 0, 10);
	steal_up_to(0, 1);
	forks_abandon(&workers[0], NULL);
	MUST(!steal_one().child);
	end(1);
	for (size_t i = 1; i < 10; i++)
		MUST(ran[i] == 0);
}

int main(void)
{
	validate_expect_end(60);
	learns_from_joins();
	offers_the_oldest();
	learns_from_thefts();
	joins_make_it_few();
	offers_to_takers();
	offers_half();
	offers_all();
	fills_its_room();
	offers_what_is_older();
	offers_its_own();
	abandons();
	return 0;
}
