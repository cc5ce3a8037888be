/* SPDX-License-Identifier: MIT */
/* Tasks that fork children, and workers that may take them. */
#ifndef FORKING_H
#define FORKING_H

#include "fixture.h"
#include "process.h"

#include <sched.h>
#include <unistd.h>

/* All workers of an executor exist and look for work: one of them may take a child. */
static inline assay_executor *executor_with_idle(struct subject *s, int workers)
{
	assay_executor *executor = executor_new(s, workers);

	if (s->backend->capabilities & ASSAY_CAP_CONCURRENT) {
		struct occupied occupied = occupy_workers(s, executor, workers);

		release_workers(&occupied);
	}
	return executor;
}

/* The other threads of a process. */
struct onlookers {
	pid_t self;
	bool are_awake;
	uint64_t sleeps; /* of all of them, so far */
};

static inline void look_at(pid_t thread, void *user)
{
	struct onlookers *onlookers = user;
	struct process_status status;

	if (thread == onlookers->self || !process_status(thread, &status))
		return;
	onlookers->are_awake |= status.state != 'S';
	onlookers->sleeps += process_sleeps(thread);
}

/* A chance for another worker, if there is one: until it has taken a child, or all threads are seen
 * asleep, in the same sleep, several times. Whether one takes it is its own affair. Where threads
 * never sleep, or none ever takes a child, chances become short. */
static inline void offer(struct probe *started)
{
	static int64_t left_ns = -1;
	int64_t start_ns = assay_clock_ns(), end_ns;
	uint64_t sleeps = 0;

	if (left_ns < 0)
		left_ns = 100 * short_time_ns();
	end_ns = start_ns + left_ns;
	for (int seen = 0; seen < 8 && !probe_count(started) && assay_remaining_ns(end_ns) > 0;
	     seen++) {
		struct onlookers now = {.self = gettid()};

		process_each_thread(getpid(), look_at, &now);
		if (now.are_awake || now.sleeps != sleeps)
			seen = 0;
		sleeps = now.sleeps;
		sched_yield();
	}
	if (!probe_count(started)) {
		left_ns -= assay_clock_ns() - start_ns;
		left_ns = left_ns > 0 ? left_ns : 0;
	}
}

#endif
