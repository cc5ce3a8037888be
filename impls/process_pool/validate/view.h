/* SPDX-License-Identifier: MIT */
/* The memory of the only pool of this process, and of its workers, from outside: as segment.c lays it out. */
#ifndef VIEW_H
#define VIEW_H

#include "../segment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As many as there are where no limit is set, and the arena that then goes with them. */
#define VIEW_SLOTS ((size_t)1 << 22)
#define VIEW_ARENA ((size_t)1 << 34)

struct view {
	char *base; /* NULL: there is none */
	size_t size;
};

static inline struct view find_view(void)
{
	FILE *file = fopen("/proc/self/maps", "r");
	char line[256], *dash;
	unsigned long start = 0, end = 0;

	while (file && fgets(line, sizeof line, file)) {
		if (!strstr(line, "assay process pool"))
			continue;
		if (!start)
			start = strtoul(line, NULL, 16);
		dash = strchr(line, '-');
		if (dash)
			end = strtoul(dash + 1, NULL, 16);
	}
	if (file)
		fclose(file);
	return (struct view){(char *)start, end - start};
}

static inline char *find_segment(void)
{
	return find_view().base;
}

static inline size_t page_up(size_t size)
{
	return (size + UNIT - 1) / UNIT * UNIT;
}

static inline struct lane *find_lane(void)
{
	return (struct lane *)(find_segment() + page_up(sizeof(struct control)));
}

/* Of a pool with so many workers. Slots and arena were halved together until they fitted. */
static inline size_t count_slots(struct view view, size_t workers)
{
	size_t rest = view.size - page_up(sizeof(struct control)) -
		      page_up(workers * sizeof(struct lane));
	size_t slots = VIEW_SLOTS, arena = VIEW_ARENA;

	while (slots * (2 * sizeof(uint64_t) + sizeof(struct slot)) + arena > rest) {
		slots /= 2;
		arena /= 2;
	}
	return slots;
}

static inline char *find_slots(struct view view, size_t workers)
{
	return view.base + page_up(sizeof(struct control)) +
	       page_up(workers * sizeof(struct lane)) +
	       page_up(count_slots(view, workers) * 2 * sizeof(uint64_t));
}

static inline struct slot *find_slot(size_t workers, size_t index)
{
	return (struct slot *)find_slots(find_view(), workers) + index;
}

/* How many units of the arena somebody has. */
static inline size_t count_owned(size_t workers)
{
	struct view view = find_view();
	struct control *control = (struct control *)view.base;
	size_t owned = 0;
	_Atomic uint32_t *owners =
		(_Atomic uint32_t *)(find_slots(view, workers) +
				     count_slots(view, workers) * sizeof(struct slot));

	for (size_t i = 0; i < control->unit_top; i++)
		owned += owners[i] > OWNER_WARM;
	return owned;
}

#endif
