/* SPDX-License-Identifier: MIT */
/* The memory of the only pool of this process, and of its workers, from outside: as segment.c lays it out
 * where no limit is set. */
#ifndef VIEW_H
#define VIEW_H

#include "../segment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VIEW_SLOTS ((size_t)1 << 22)

/* Where it begins. NULL: there is none. */
static inline char *find_segment(void)
{
	FILE *file = fopen("/proc/self/maps", "r");
	char line[256];
	unsigned long start = 0;

	while (!start && file && fgets(line, sizeof line, file))
		if (strstr(line, "assay process pool"))
			start = strtoul(line, NULL, 16);
	if (file)
		fclose(file);
	return (char *)start;
}

static inline size_t page_up(size_t size)
{
	return (size + UNIT - 1) / UNIT * UNIT;
}

static inline struct lane *find_lane(void)
{
	return (struct lane *)(find_segment() + page_up(sizeof(struct control)));
}

/* Of a pool with so many workers. */
static inline struct slot *find_slot(size_t workers, size_t index)
{
	return (struct slot *)(find_segment() + page_up(sizeof(struct control)) +
			       page_up(workers * sizeof(struct lane)) +
			       VIEW_SLOTS * 2 * sizeof(uint64_t)) +
	       index;
}

/* How many units of the arena somebody has. */
static inline size_t count_owned(size_t workers)
{
	char *base = find_segment();
	struct control *control = (struct control *)base;
	size_t owned = 0;
	_Atomic uint32_t *owners =
		(_Atomic uint32_t *)(base + page_up(sizeof *control) +
				     page_up(workers * sizeof(struct lane)) +
				     VIEW_SLOTS * (2 * sizeof(uint64_t) + sizeof(struct slot)));

	for (size_t i = 0; i < control->unit_top; i++)
		owned += owners[i] > OWNER_WARM;
	return owned;
}

#endif
