/* SPDX-License-Identifier: MIT */
#ifndef PROXIES_INSTRUCTIONS_H
#define PROXIES_INSTRUCTIONS_H

#include "exercise.h"

/*
 * Runs this program again under callgrind, on this backend; instructions of the process by phase.
 * 0; 1 with board->message if callgrind is not to be had here; -1 with board->message.
 */
int instructions_count(const char *backend, struct board *board, uint64_t instructions[PHASES]);

/* In that program: the exercise, with a dump at the end of each phase. The exit code. */
int instructions_child(const char *backend);

#endif
