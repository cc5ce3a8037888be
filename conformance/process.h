/* SPDX-License-Identifier: MIT */
/* What the kernel tells about threads and processes under /proc. */
#ifndef PROCESS_H
#define PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct process_status {
	char state; /* 'R', 'S', 'Z', ... as in proc(5) */
	pid_t parent;
	pid_t group;
	bool is_exiting; /* past the point from which a join may return */
	char name[32];
};

/* Of a thread or process. False: there is none with this id. */
bool process_status(pid_t id, struct process_status *status);

/* How often the thread has gone to sleep; 0 if there is no such thread. */
uint64_t process_sleeps(pid_t id);

/* The kernel function that the thread sleeps in; empty if it does not sleep or is not known. */
void process_sleeps_in(pid_t id, char *where, size_t size);

/* Calls visit for each thread id of a process. */
void process_each_thread(pid_t process, void (*visit)(pid_t thread, void *user), void *user);

/* Calls visit for each process of the system. */
void process_each(void (*visit)(pid_t process, void *user), void *user);

#endif
