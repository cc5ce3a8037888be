/* SPDX-License-Identifier: MIT */
/*
 * How long to look before sleeping, where the client leaves it to the pool. Looking saves a wake-up
 * only while the other side is at work on another processor, and only where waits are short: what
 * looks on the processor that the other side needs holds up just what it waits for.
 */
#ifndef LOOK_H
#define LOOK_H

#include "segment.h"

/* As long as a slow wake-up takes: to sleep would cost the processor as much. */
#define LOOK_NS INT64_C(40000)
/* Where the processor may be needed. */
#define SHORT_LOOK_NS INT64_C(10000)
/* Looks between two readings of the clock. */
#define LOOKS 32
/* One long rest among short waits is soon forgotten. */
#define LONGEST_NS (8 * LOOK_NS)

/* The average of waits, or of pauses, recent ones first. */
struct habit {
	int64_t usual_ns;
};

static inline bool habit_is_short(const struct habit *habit)
{
	return habit->usual_ns <= LOOK_NS;
}

static inline void habit_learn(struct habit *habit, int64_t wait_ns)
{
	habit->usual_ns += ((wait_ns < LONGEST_NS ? wait_ns : LONGEST_NS) - habit->usual_ns) / 4;
}

/* The processor of the calling thread: where it was just now. */
static inline uint32_t this_cpu(void)
{
	return (uint32_t)sched_getcpu();
}

/*
 * Whether two that share a processor look all the same, for 4 ms of each 67: the system moves apart
 * what keeps one busy, but not those that sleep in turn. All read the same clock.
 */
static inline bool is_trial(int64_t now_ns)
{
	return (now_ns >> 22) % 16 == 0;
}

/* Hints of the submitter: relaxed. */
static inline bool is_elsewhere(struct control *control)
{
	return atomic_load_explicit(&control->caller_cpu, memory_order_relaxed) != this_cpu();
}

static inline bool is_awaited(struct control *control)
{
	return atomic_load_explicit(&control->caller_waits, memory_order_relaxed);
}

/*
 * How long a worker looks for its next task. On the processor of the submitter no task comes meanwhile:
 * if that waits for each it is best to sleep at once; if it goes on submitting, a worker that did so would
 * be woken for each.
 */
static inline int64_t look_ns(const struct habit *habit, bool is_apart, bool is_awaited,
			      int64_t now_ns)
{
	if (!habit_is_short(habit))
		return 0;
	if (is_apart || is_trial(now_ns))
		return LOOK_NS;
	return is_awaited ? 0 : SHORT_LOOK_NS;
}

#endif
