/* SPDX-License-Identifier: MIT */
/* When a worker gives up its processor before it looks: after a stream of one thread's tasks, and then only. */
#include "validate.h"

#include "../pace.h"

#define ENOUGH 24

struct script {
	const char *name;
	size_t got; /* of each look but the last */
	int looks;
	int other;   /* the look whose tasks are another thread's; -1: none */
	size_t last; /* of one more look */
	bool waits;
	bool gives_way;
};

static const struct script scripts[] = {
	{"a stream that becomes thin", ENOUGH, 64, -1, 8, true, true},
	{"a stream that is thin", 8, 63, -1, 8, true, true},
	{"a look too few", 8, 62, -1, 8, true, false},
	{"enough", ENOUGH, 200, -1, ENOUGH, false, false},
	{"nearly enough", ENOUGH, 200, -1, ENOUGH - 1, true, true},
	{"a single task", 8, 200, -1, 1, false, false},
	{"nothing", 8, 200, -1, 0, false, false},
	{"single tasks before", 1, 200, -1, 8, true, false},
	{"another thread's first", 8, 64, 0, 8, true, true},
	{"another thread's since", 8, 64, 1, 8, true, false},
	{"another thread's last", 8, 200, 199, 8, true, false},
};

static void check(const struct pace *pace, bool waits, bool gives_way, const char *name)
{
	if (pace->got_few == waits && pace_gives_way(pace) == gives_way)
		return;
	fprintf(stderr, "%s: waits %d, gives way %d\n", name, pace->got_few, pace_gives_way(pace));
	exit(1);
}

static void run(const struct script *script)
{
	struct pace pace = {.got_few = false};

	for (int look = 0; look < script->looks; look++)
		pace_note(&pace, script->got, ENOUGH, look != script->other);
	pace_note(&pace, script->last, ENOUGH, true);
	check(&pace, script->waits, script->gives_way, script->name);
}

/* Idle looks end a stream, but say nothing of who submits. */
static void run_bursts(int looks_in_burst, bool gives_way)
{
	struct pace pace = {.got_few = false};

	for (int burst = 0; burst < 100; burst++) {
		for (int look = 0; look < looks_in_burst; look++)
			pace_note(&pace, 8, ENOUGH, true);
		check(&pace, true, gives_way && (burst + 1) * looks_in_burst >= 64,
		      "a burst of one thread");
		pace_note(&pace, 0, ENOUGH, true);
		check(&pace, false, false, "between bursts");
	}
}

int main(void)
{
	for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
		run(&scripts[i]);
	run_bursts(7, false);
	run_bursts(8, true);
	return 0;
}
