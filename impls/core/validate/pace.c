/* SPDX-License-Identifier: MIT */
/* When a worker waits before it looks: after it found few of others' tasks; and when it gives up its processor for
 * that: after a stream of one thread's, and then only. */
#include "validate.h"

#include "../queue.h"

/* What is seen of the world while the processor is given up. */
static int yields, pauses;
static int64_t now_ns, away_ns;
static uint64_t pushed_ever, pushed_meanwhile;

static int yield(void)
{
	yields++;
	now_ns += away_ns;
	pushed_ever += pushed_meanwhile;
	return 0;
}

static int64_t clock_ns(void)
{
	return now_ns;
}

static uint64_t count_pushed(struct queue *queue)
{
	(void)queue;
	return pushed_ever;
}

static void pause_once(void)
{
	pauses++;
}

#define sched_yield yield
#define port_pause pause_once
#define assay_clock_ns clock_ns
#define queue_pushed count_pushed
#include "../pace.h"
#undef sched_yield
#undef port_pause
#undef assay_clock_ns
#undef queue_pushed

#define ENOUGH 24

/* Looks with one outcome. */
struct looks {
	unsigned count;
	size_t got;
	bool other; /* their tasks are another thread's than those before */
};

struct script {
	const char *name;
	struct looks looks[4];
	bool waits;
	bool gives_way;
};

static const struct script scripts[] = {
	{"a stream that becomes thin", {{63, ENOUGH, false}, {1, 8, false}}, true, true},
	{"a stream that has become thin", {{1, ENOUGH, false}, {63, 8, false}}, true, true},
	{"a stream as thin as can be", {{1, ENOUGH, false}, {63, 2, false}}, true, true},
	{"a look too few", {{1, ENOUGH, false}, {62, 8, false}}, true, false},
	{"never enough", {{200, ENOUGH - 1, false}}, true, false},
	{"nearly enough", {{200, ENOUGH, false}, {1, ENOUGH - 1, false}}, true, true},
	{"enough", {{200, ENOUGH, false}}, false, false},
	{"one", {{70, ENOUGH, false}, {1, 1, false}}, false, false},
	{"nothing", {{70, ENOUGH, false}, {1, 0, false}}, false, false},
	{"one each before", {{200, 1, false}, {1, ENOUGH, false}, {6, 8, false}}, true, false},
	{"one each, and then a stream",
	 {{56, 1, false}, {1, ENOUGH, false}, {7, 8, false}},
	 true,
	 true},
	{"a stream that one look ended",
	 {{80, ENOUGH, false}, {1, 1, false}, {80, 8, false}},
	 true,
	 false},
	{"idle looks count for nothing",
	 {{55, 8, false}, {99, 0, false}, {1, ENOUGH, false}, {7, 8, false}},
	 true,
	 false},
	{"and they cost nothing",
	 {{56, 8, false}, {99, 0, false}, {1, ENOUGH, false}, {7, 8, false}},
	 true,
	 true},
	{"nor does what they say",
	 {{56, 8, false}, {9, 0, true}, {1, ENOUGH, false}, {7, 8, false}},
	 true,
	 true},
	{"another thread", {{200, ENOUGH, false}, {1, 8, true}}, true, false},
	{"another thread once", {{200, ENOUGH, false}, {1, 8, true}, {63, 8, false}}, true, false},
	{"another thread long ago",
	 {{200, ENOUGH, false}, {1, 8, true}, {64, 8, false}},
	 true,
	 true},
	{"another thread with one task",
	 {{55, 8, false}, {1, 1, true}, {1, ENOUGH, false}, {62, 8, false}},
	 true,
	 false},
};

static void check(struct pace *pace, bool waits, bool gives_way, const char *name)
{
	yields = pauses = 0;
	pace_await(pace, NULL);
	if (pauses == (waits ? PACE_PAUSES : 0) && yields == gives_way)
		return;
	fprintf(stderr, "%s: pauses %d times, gives way %d\n", name, pauses, yields);
	exit(1);
}

static void look(struct pace *pace, struct looks looks)
{
	for (unsigned i = 0; i < looks.count; i++)
		pace_note(pace, looks.got, ENOUGH, !looks.other);
}

static void run(const struct script *script)
{
	struct pace pace = {.got_few = false};

	for (int i = 0; i < 4; i++)
		look(&pace, script->looks[i]);
	check(&pace, script->waits, script->gives_way, script->name);
}

static void after(int64_t for_ns, uint64_t tasks)
{
	away_ns = for_ns;
	pushed_meanwhile = tasks;
}

/* It is given up again at once if it came back soon or that was of use, and else after twice as many looks. */
static void run_again(void)
{
	struct pace pace = {.got_few = false};

	look(&pace, (struct looks){1, ENOUGH, false});
	look(&pace, (struct looks){PACE_ALONE - 1, 8, false});
	after(PACE_LONG_NS - 1, 0);
	check(&pace, true, true, "a stream");
	after(PACE_LONG_NS, PACE_LONG_NS / PACE_TASK_NS);
	check(&pace, true, true, "back soon");
	after(3 * PACE_LONG_NS, 3 * PACE_LONG_NS / PACE_TASK_NS - 1);
	check(&pace, true, true, "of use");
	check(&pace, true, false, "in vain");
	for (unsigned doubling = 1; doubling < PACE_DOUBLINGS + 3; doubling++) {
		unsigned most = doubling < PACE_DOUBLINGS ? doubling : PACE_DOUBLINGS;

		look(&pace, (struct looks){(PACE_ALONE << most) - 1, 8, false});
		check(&pace, true, false, "not for long");
		look(&pace, (struct looks){1, 8, false});
		check(&pace, true, true, "later");
	}
	look(&pace, (struct looks){PACE_ALONE << PACE_DOUBLINGS, 8, false});
	after(PACE_LONG_NS, PACE_LONG_NS);
	check(&pace, true, true, "and then it was of use");
	after(PACE_LONG_NS, 0);
	check(&pace, true, true, "so that it is given up at once");
	look(&pace, (struct looks){2 * PACE_ALONE - 1, 8, false});
	check(&pace, true, false, "and when that was in vain");
	look(&pace, (struct looks){1, 8, false});
	check(&pace, true, true, "later, but not as late as before");
	look(&pace, (struct looks){4 * PACE_ALONE, 8, false});
	pace_pushed(&pace);
	check(&pace, false, false, "a worker that submits");
	look(&pace, (struct looks){4 * PACE_ALONE - 1, 8, false});
	check(&pace, true, false, "and then finds few again");
	look(&pace, (struct looks){1, 8, false});
	check(&pace, true, true, "and again");
}

int main(void)
{
	for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
		run(&scripts[i]);
	run_again();
	return 0;
}
