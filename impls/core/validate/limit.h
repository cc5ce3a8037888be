/* SPDX-License-Identifier: MIT */
/* How long a program may take until it is said to hang. */
#ifndef LIMIT_H
#define LIMIT_H

#include <stdlib.h>
#include <unistd.h>

/* SIGALRM after that many seconds, times $ASSAY_TIME_SCALE: how much slower than usual this machine
 * is said to be. */
static inline void limit_time(unsigned seconds)
{
	const char *text = getenv("ASSAY_TIME_SCALE");
	double scale = text ? strtod(text, NULL) : 1;

	alarm(scale > 1 ? (unsigned)(seconds * scale) : seconds);
}

#endif
