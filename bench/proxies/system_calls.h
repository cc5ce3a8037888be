/* SPDX-License-Identifier: MIT */
#ifndef PROXIES_SYSTEM_CALLS_H
#define PROXIES_SYSTEM_CALLS_H

#include "exercise.h"

#include <sys/types.h>

/*
 * Lets a child that stopped itself go on, and counts the system calls of it, of its threads and of
 * the processes below it by the phase on the board, until it has ended. Its wait status; -1 with
 * errno if it cannot be traced here.
 */
int system_calls_count(pid_t child, struct board *board);

#endif
