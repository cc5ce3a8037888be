/* SPDX-License-Identifier: MIT */
/* SIGINT, SIGTERM and SIGHUP end what a program waits for, and then the program in its own way: nothing of it is
 * left behind. */
#ifndef INTERRUPT_H
#define INTERRUPT_H

#include <stdbool.h>
#include <sys/types.h>

/* From here on they are noted. 0, or -1 with errno. */
int interrupt_watch(void);

/* In a child that goes on with this program's code: they end it, as they did before. */
void interrupt_unwatch(void);

/* One has come. */
bool interrupt_came(void);

/* The wait status of a child, which an interrupt ends with SIGTERM; -1 with errno if there is none. */
int interrupt_wait(pid_t child);

#endif
