/* SPDX-License-Identifier: MIT */
/*
 * Two clients give up a future whose task was run where it was, so that an entry in a queue keeps its record: each
 * stops before any of its atomic accesses while the other acts. Whichever is the last, the outcome goes
 * with it, and only the record stays. Where the entry goes meanwhile, or who runs it has taken it out, nothing
 * stays at all: leak checkers look on.
 */
#include "../record.h"
#include "stepper.h"

#include <assay/backend.h>

#include <stdio.h>
#include <string.h>

#define LEAST 50 /* orders: with fewer nobody was stopped, whatever compiled this */

static const char words[] = "a failure with words";

static struct future *future;

static int run_nothing(assay_call *call)
{
	(void)call;
	return ASSAY_OK;
}

static void release(void)
{
	assay_future_release(&future->base);
}

static void settle(void)
{
	struct future_outcome outcome;

	future_fail(future, ASSAY_EFAILED, words, &outcome);
	MUST(!future_settle(future, outcome));
}

/* As who waits for it does. */
static void run_and_release(void)
{
	if (future_start_left(future, future->word))
		settle();
	release();
}

/* As who took it out; and it is a client, for whom the outcome stays. */
static void run_taken_and_release(void)
{
	struct future_outcome outcome;
	struct assay_outcome read;

	MUST(future_start_left(future, future->word));
	future_fail(future, ASSAY_EFAILED, words, &outcome);
	MUST(!future_end(future, outcome));
	MUST(assay_future_outcome(&future->base, 0, &read) == ASSAY_OK);
	MUST(read.error == ASSAY_EFAILED && strcmp(read.message, words) == 0);
	release();
}

static void release_entry(void)
{
	future_release_entry(future);
}

struct script {
	const char *what;
	void (*acts[2])(void);
	bool has_run;
	uint32_t references;
	uint32_t entries; /* that are left */
};

static const struct script scripts[] = {
	{"both release", {release, release}, true, 3, 1},
	{"one runs it, the other releases", {run_and_release, release}, false, 3, 1},
	{"one takes it out, the other releases", {run_taken_and_release, release}, false, 3, 0},
	{"one releases, the entry goes", {release, release_entry}, true, 2, 0},
};

static const struct script *script;

struct part {
	struct actor actor; /* first: its stops */
	int number;
};

static struct part parts[2] = {{.number = 0}, {.number = 1}};

static void *act(void *user)
{
	struct part *part = user;

	for (;;) {
		actor_begin(&part->actor);
		if (!script)
			return NULL;
		script->acts[part->number]();
		actor_end(&part->actor);
	}
}

/* Where an entry is left nobody but it has the record, and that has nothing on the heap. */
static void check(void)
{
	uint64_t word;

	if (!script->entries)
		return;
	word = atomic_load(&future->word);
	MUST(references_of(word) == 1);
	MUST(is_done(word) && !(word & (HEAP | FAILED)));
	future_release_entry(future);
}

static void try(struct part *first, struct part *second, bool stopped[2])
{
	struct part *order[2] = {first, second};

	future = future_create(NULL, run_nothing, NULL, 0, script->references);
	MUST(future);
	if (script->has_run) {
		MUST(future_start_left(future, future->word));
		settle();
	}
	for (int i = 0; i < 2; i++) {
		actor_reset(&order[i]->actor);
		actor_start(&order[i]->actor);
		stopped[i] = actor_await(&order[i]->actor);
	}
	for (int i = 0; i < 2; i++) {
		actor_go_on(&order[i]->actor);
		actor_await_end(&order[i]->actor);
	}
	check();
}

static unsigned long try_all(struct part *first, struct part *second)
{
	bool stopped[2] = {true, true};
	unsigned long count = 0;

	for (first->actor.stop_at = 1; stopped[0]; first->actor.stop_at++)
		for (second->actor.stop_at = 1, stopped[1] = true; stopped[1];
		     second->actor.stop_at++) {
			try(first, second, stopped);
			count++;
		}
	return count;
}

int main(void)
{
	pthread_t threads[2];
	unsigned long count = 0;

	validate_expect_end(60);
	for (int i = 0; i < 2; i++) {
		actor_init(&parts[i].actor);
		validate_start(&threads[i], act, &parts[i]);
	}
	for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
		unsigned long orders;

		script = &scripts[i];
		orders = try_all(&parts[0], &parts[1]) + try_all(&parts[1], &parts[0]);
		printf("%s: %lu orders\n", script->what, orders);
		count += orders;
	}
	MUST(count >= LEAST);
	script = NULL;
	for (int i = 0; i < 2; i++) {
		actor_start(&parts[i].actor);
		validate_join(threads[i]);
	}
	return 0;
}
