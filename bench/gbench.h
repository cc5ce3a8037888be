/* SPDX-License-Identifier: MIT */
/*
 * Google Benchmark as a timer for C: one benchmark, one repetition, one result.
 *
 * The library calibrates how many operations make a sample and times them; everything around it
 * (processes, repetitions, order, statistics) is ours. The loop is counted by the caller, so an
 * operation costs no call into the library:
 *
 *	uint64_t count = gbench_operations(state);
 *
 *	gbench_begin(state);
 *	for (uint64_t i = 0; i < count; i++)
 *		operation();
 *	gbench_end(state);
 *
 * The body is called with growing counts until a sample is long enough; only the last call counts.
 * Whatever the library would answer with abort() or a broken file (a return before the end of the
 * loop, a body that skips, a counter that is no number) is an error result here.
 */
#ifndef BENCH_GBENCH_H
#define BENCH_GBENCH_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gbench_state;

typedef void gbench_body(struct gbench_state *state, void *user);

struct gbench_options {
	uint64_t operations; /* exactly so many; 0: as many as min_time_s takes */
	double min_time_s;   /* ignored if operations is not 0 */
};

#define GBENCH_COUNTERS 8

struct gbench_result {
	bool ok;
	char message[512]; /* why not ok */
	uint64_t operations;
	double real_s; /* of all operations together */
	double cpu_s;  /* of all threads of this process */
	double counters[GBENCH_COUNTERS];
	uint32_t counters_set; /* bit i: counters[i] is a finite number */
};

/*
 * Runs one benchmark; *result is filled whatever happens. Not to be called by two threads at once.
 */
void gbench_run(const char *name, gbench_body *body, void *user,
		const struct gbench_options *options, struct gbench_result *result);

uint64_t gbench_operations(const struct gbench_state *state);

/* The clocks run between the two; each is called once by a body. */
void gbench_begin(struct gbench_state *state);
void gbench_end(struct gbench_state *state);

/* Makes the result an error. The body should return soon; the first message stays. */
void gbench_fail(struct gbench_state *state, const char *message);

/* index < GBENCH_COUNTERS. A NaN or an infinity makes the result an error. */
void gbench_counter(struct gbench_state *state, unsigned index, double value);

#ifdef __cplusplus
}
#endif

#endif
