/* SPDX-License-Identifier: MIT */
/* The shim over Google Benchmark: counts exactly, and turns every mishap into an error result. */
#include "../gbench.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static unsigned failures;

static void expect(bool holds, const char *what, const struct gbench_result *result)
{
	if (holds)
		return;
	failures++;
	printf("FAIL: %s (ok %d, message '%s', %llu operations, %g s)\n", what, result->ok,
	       result->message, (unsigned long long)result->operations, result->real_s);
}

struct counts {
	uint64_t calls;
	uint64_t last; /* operations of the last call */
	uint64_t sum;
};

static void count(struct gbench_state *state, void *user)
{
	struct counts *counts = user;
	uint64_t operations = gbench_operations(state);

	counts->calls++;
	counts->last = 0;
	gbench_begin(state);
	for (uint64_t i = 0; i < operations; i++) {
		counts->last++;
		__asm__ volatile("" ::: "memory");
	}
	gbench_end(state);
	counts->sum += counts->last;
	gbench_counter(state, 0, (double)counts->last);
}

static void rest(struct gbench_state *state, void *user)
{
	const struct timespec pause = {.tv_nsec = 20000000};

	(void)user;
	gbench_begin(state);
	nanosleep(&pause, NULL);
	gbench_end(state);
}

static void return_early(struct gbench_state *state, void *user)
{
	(void)state;
	(void)user;
}

static void return_inside(struct gbench_state *state, void *user)
{
	(void)user;
	gbench_begin(state);
}

static void begin_twice(struct gbench_state *state, void *user)
{
	(void)user;
	gbench_begin(state);
	gbench_begin(state);
	gbench_end(state);
}

static void end_first(struct gbench_state *state, void *user)
{
	(void)user;
	gbench_end(state);
}

static void skip_before(struct gbench_state *state, void *user)
{
	(void)user;
	gbench_fail(state, "no server");
}

static void skip_inside(struct gbench_state *state, void *user)
{
	(void)user;
	gbench_begin(state);
	gbench_fail(state, "lost a result");
	gbench_fail(state, "and another");
}

static void skip_after(struct gbench_state *state, void *user)
{
	(void)user;
	gbench_begin(state);
	gbench_end(state);
	gbench_fail(state, "the sum is wrong");
}

static void count_nothing(struct gbench_state *state, void *user)
{
	gbench_begin(state);
	gbench_end(state);
	gbench_counter(state, 1, *(const double *)user);
}

static void count_beyond(struct gbench_state *state, void *user)
{
	(void)user;
	gbench_begin(state);
	gbench_end(state);
	gbench_counter(state, GBENCH_COUNTERS, 1);
}

static void check_error(gbench_body *body, void *user, const char *message)
{
	const struct gbench_options options = {.operations = 10};
	struct gbench_result result;

	gbench_run("error", body, user, &options, &result);
	expect(!result.ok, "the result is an error", &result);
	expect(strcmp(result.message, message) == 0, message, &result);
}

static void check_counted(void)
{
	const struct gbench_options exact = {.operations = 12345};
	const struct gbench_options long_enough = {.min_time_s = 0.02};
	struct counts counts = {0, 0, 0};
	struct gbench_result result;

	gbench_run("exact", count, &counts, &exact, &result);
	expect(result.ok && !result.message[0], "a counted loop succeeds", &result);
	expect(counts.calls == 1 && counts.sum == 12345, "it runs once, 12345 times", &result);
	expect(result.operations == 12345, "12345 operations are reported", &result);
	expect(result.counters_set == 1 && result.counters[0] == 12345, "its counter is kept",
	       &result);

	gbench_run("calibrated", count, &counts, &long_enough, &result);
	expect(result.ok, "a calibrated loop succeeds", &result);
	expect(counts.calls > 2, "it was called with growing counts", &result);
	expect(result.operations == counts.last, "the last call is the one reported", &result);
	expect(result.real_s >= 0.02, "the sample is as long as asked for", &result);
}

static void check_clocks(void)
{
	const struct gbench_options once = {.operations = 1};
	struct gbench_result result;

	gbench_run("rest", rest, NULL, &once, &result);
	expect(result.ok && result.real_s >= 0.02, "20 ms of rest take 20 ms", &result);
	expect(result.cpu_s < result.real_s / 2, "rest costs no processor time", &result);
}

int main(void)
{
	double nan = NAN, infinity = INFINITY;

	check_counted();
	check_clocks();
	check_error(return_early, NULL, "the body returned without having measured anything");
	check_error(return_inside, NULL, "the body returned before the end of its loop");
	check_error(begin_twice, NULL, "the body measured twice");
	check_error(end_first, NULL, "the body ended a loop that was not begun");
	check_error(skip_before, NULL, "no server");
	check_error(skip_inside, NULL, "lost a result");
	check_error(skip_after, NULL, "the sum is wrong");
	check_error(count_nothing, &nan, "a counter is not a finite number");
	check_error(count_nothing, &infinity, "a counter is not a finite number");
	check_error(count_beyond, NULL, "there is no such counter");
	check_counted(); /* an error before leaves nothing behind */
	return failures != 0;
}
