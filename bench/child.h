/* SPDX-License-Identifier: MIT */
/* A process of its own for each sample, with a deadline, and nothing left of it afterwards. */
#ifndef BENCH_CHILD_H
#define BENCH_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct child_result {
	bool interrupted; /* we were asked to end; the child is gone */
	bool timed_out;
	int status; /* as of waitpid(); -1 if the child could not be started */
	int64_t duration_ns;
	char *output; /* what it wrote to CELL_OUTPUT; to be freed */
	char *errors; /* what it wrote to the standard error; to be freed */
};

/*
 * Interrupts (SIGINT, SIGTERM, SIGHUP) from here on end the child that runs and are reported by
 * child_run(), instead of ending the program. 0, or -1 after a message.
 */
int child_watch_interrupts(void);

/*
 * Runs this program again with these arguments (ended by NULL) in a process group of its own, and
 * kills what is left of the group when it has ended or the deadline has passed. Fills *result.
 */
void child_run(char *const arguments[], int64_t limit_ns, struct child_result *result);

/* It ended by itself, with this exit code; with 0. */
bool child_exited(const struct child_result *child, int code);
bool child_succeeded(const struct child_result *child);

/* The last line that says something: what a crashed program said before it went. */
const char *child_last_words(struct child_result *child);

/* Why there is no output of the child's own. */
void child_explain(struct child_result *child, int64_t limit_ns, char *message, size_t size);

void child_forget(struct child_result *result);

#endif
