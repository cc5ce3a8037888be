/* SPDX-License-Identifier: MIT */
/* Callbacks that note what they see. They run in this process: what they write is plain memory. */
#ifndef SIGHTING_H
#define SIGHTING_H

#include "fixture.h"

#include <unistd.h>

/* What the last call of a callback saw, and how many calls there were. */
struct sighting {
	struct probe *calls;
	assay_future *future;
	enum assay_state state;
	int error;
	int code;
	int pid;
	int tid;
};

static inline struct sighting *sighting_new(struct subject *s)
{
	struct sighting *seen = shared_new(s, sizeof *seen);

	seen->calls = probe_new(s);
	return seen;
}

static inline void look(assay_future *future, void *user)
{
	struct sighting *seen = user;
	struct assay_outcome outcome;

	CHECK_OK(assay_future_outcome(future, 0, &outcome));
	seen->future = future;
	seen->state = assay_future_state(future);
	seen->error = outcome.error;
	seen->code = outcome.code;
	seen->pid = getpid();
	seen->tid = gettid();
	probe_hit(seen->calls);
}

static inline void hit(assay_future *future, void *user)
{
	(void)future;
	probe_hit(user);
}

static inline void add(assay_future *future, assay_callback *callback, void *user)
{
	CHECK_OK(assay_future_add_done_callback(future, callback, user));
}

/* One called future, as expected. */
static inline void check_sighting(struct sighting *seen, assay_future *future,
				  enum assay_state state, int error)
{
	CHECK_EQ(probe_count(seen->calls), 1);
	CHECK(seen->future == future);
	CHECK_EQ(seen->state, state);
	CHECK_ERROR(seen->error, error);
}

/* A callback that adds its number to a trace. */
struct numbered {
	struct trace *trace;
	int64_t number;
};

static inline void record(assay_future *future, void *user)
{
	struct numbered *entry = user;

	(void)future;
	trace_add(entry->trace, entry->number);
}

#endif
