/* SPDX-License-Identifier: MIT */
/* A thread, or a process with one, has reached the call that it is to sleep in. */
#ifndef ASLEEP_H
#define ASLEEP_H

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

/* *tid is set before, or by the thread itself. */
static inline void await_sleep(const atomic_int *tid)
{
	char path[64], state = 'R';

	while (state != 'S') {
		FILE *file;

		sched_yield();
		snprintf(path, sizeof path, "/proc/%d/stat", *tid);
		file = *tid ? fopen(path, "r") : NULL;
		if (file && fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
			state = 'R';
		if (file)
			fclose(file);
	}
}

#endif
