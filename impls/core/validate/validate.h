/* SPDX-License-Identifier: MIT */
/*
 * What the programs that validate the core begin with. Each is a main() that exits with 0, or says
 * what did not hold and exits with 1.
 *
 * Ordering
 *   V1  validate_meet: release add to arrived  ->  the last one's acquire add
 *   V2  validate_meet: the last one's release store of round  ->  the others' acquire load
 *       what each did before the meeting is there for all after it
 */
#ifndef VALIDATE_H
#define VALIDATE_H

#include "../port.h"

#include <stdio.h>
#include <stdlib.h>

#define MUST(condition) ((condition) ? (void)0 : validate_fail(__FILE__, __LINE__, #condition))

static inline void validate_fail(const char *file, int line, const char *condition)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
	_exit(1);
}

/* Ends the program if it is still there after that many seconds, or three times as many where every
 * access is checked: a wake-up was lost. */
void validate_expect_end(unsigned seconds);

/* A count of rounds, reduced where every access is checked. */
int validate_rounds(int count);

/* How often destructors of thread-specific data come round: ThreadSanitizer forgets the thread before the last
 * time, and cannot follow it any more. */
int validate_destructor_rounds(void);

void validate_start(pthread_t *thread, void *(*run)(void *), void *user);
void validate_join(pthread_t thread);

/* What the kernel says of a thread of this process: its state ('S': it sleeps; 0: it has
 * ended), and how often it went to sleep and was sent off a processor. */
struct validate_thread {
	char state;
	uint64_t sleeps;
	uint64_t preempted;
};

struct validate_thread validate_thread(pid_t thread);

/* Until the thread sleeps: it has come to what it is to wait for. */
void validate_await_sleep(pid_t thread);

/* The next number of a sequence that the seed determines. */
static inline uint32_t validate_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

/* Returns in each of `count` threads when all have called it: for rounds that race. */
struct meeting {
	uint32_t count;
	_Atomic uint32_t arrived;
	_Atomic uint32_t round;
};

void validate_meet(struct meeting *meeting);

#endif
