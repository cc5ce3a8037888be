/* SPDX-License-Identifier: MIT */
/*
 * The same tasks every time, on one worker that is never in anybody's way: it is kept busy while
 * all tasks are submitted, then runs all of them, and is busy again while their results are read.
 * What each step costs can then be counted instead of timed.
 */
#ifndef PROXIES_EXERCISE_H
#define PROXIES_EXERCISE_H

#include <assay/executor.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum phase { PHASE_OUTSIDE, PHASE_SUBMIT, PHASE_RUN, PHASE_COLLECT, PHASES };

extern const char *const phase_names[PHASES];

/* Memory that all processes of an exercise share; counters are written by whoever counts. */
struct board {
	_Atomic int phase;
	_Atomic uint64_t ran;                  /* tasks, in all rounds */
	_Atomic uint32_t at_gate, let_through; /* tasks, so far */
	_Atomic uint64_t allocations[PHASES];
	_Atomic uint64_t system_calls[PHASES];
	_Atomic int64_t live_bytes; /* allocated and not freed */
	int64_t pending_bytes;      /* of it, the growth while the tasks of the first round wait */
	uint64_t tasks;             /* of a round */
	char backend[ASSAY_NAME_LIMIT + 1]; /* the name in its descriptor */
	bool apart;                         /* its workers are other processes */
	bool together;     /* nothing keeps its tasks waiting: all phases are one */
	bool racing;       /* and they run beside each other: no two runs are the same */
	bool finished;     /* it came to its end, and the process did not end before */
	char message[256]; /* why it failed; "" */
};

/* NULL without memory. */
struct board *board_create(void);

/* Opens a backend, and notes its name and how it runs tasks. NULL after board->message. */
const struct assay_backend *exercise_open(const char *file, struct board *board);

/* Told of the beginning of each phase of the second round, and of its end (PHASE_OUTSIDE). */
typedef void phase_listener(enum phase phase);

/*
 * Two rounds on this backend: the second finds what the first allocated. 0, or -1 with
 * board->message.
 */
int exercise(const char *backend, struct board *board, phase_listener *listener);

#endif
