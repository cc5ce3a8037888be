/* SPDX-License-Identifier: MIT */
/*
 * Extents for arguments and results that are too long for a slot. Each unit has an owner in a word
 * of its own: taking is one CAS for each, so that a taker which dies halfway leaves nothing that is
 * not found by its name. Whatever is free and lowest is taken first, because its pages are mapped.
 * The labels are those of segment.h.
 *
 * Relaxed without a word: warm and unit_low, which are guesses; unit_top, which publishes nothing:
 * below it the table has memory; owners that arena_reclaim() compares with one of the caller's: what it does
 * not own is not equal, and what it owns is behind W3.
 */
#include "segment.h"

#include <sys/mman.h>

/* Free memory beyond this goes back to the system. */
#define WARM_UNITS (((size_t)192 << 20) / UNIT)
#define FAULT_AROUND ((size_t)65536)

static size_t units_of(size_t size)
{
	return (size + UNIT - 1) / UNIT;
}

static bool take_unit(_Atomic uint32_t *unit, uint32_t owner, size_t *warm)
{
	uint32_t state = atomic_load_explicit(unit, memory_order_relaxed);

	while (state <= OWNER_WARM)
		if (atomic_compare_exchange_weak_explicit(unit, &state, owner,
							  memory_order_acquire, /* S4 */
							  memory_order_relaxed)) {
			*warm += state == OWNER_WARM;
			return true;
		}
	return false;
}

static void free_units(struct segment *segment, size_t first, size_t count, uint32_t state)
{
	size_t low;

	for (size_t i = 0; i < count; i++) {
		atomic_store_explicit(&segment->owners[first + i], state,
				      memory_order_release); /* S4 */
		STEP();
	}
	if (state == OWNER_WARM)
		atomic_fetch_add_explicit(&segment->control->warm, count, memory_order_relaxed);
	low = atomic_load_explicit(&segment->control->unit_low, memory_order_relaxed);
	while (first < low &&
	       !atomic_compare_exchange_weak_explicit(&segment->control->unit_low, &low, first,
						      memory_order_relaxed, memory_order_relaxed))
		;
}

/* The table of owners grows with the arena. */
static bool raise_top(struct segment *segment, size_t end)
{
	size_t top = atomic_load_explicit(&segment->control->unit_top, memory_order_relaxed);

	if (end <= top)
		return true;
	end = (end + UNIT - 1) / UNIT * UNIT; /* whole pages of the table, and some more */
	if (end > segment->unit_count)
		end = segment->unit_count;
	if (!segment_populate((char *)segment->owners,
			      (end * sizeof *segment->owners + UNIT - 1) / UNIT * UNIT))
		return false;
	while (top < end &&
	       !atomic_compare_exchange_weak_explicit(&segment->control->unit_top, &top, end,
						      memory_order_relaxed, memory_order_relaxed))
		;
	return true;
}

/* The first run of count free units at or after *first, owned. */
static bool take_run(struct segment *segment, size_t count, uint32_t owner, size_t *first,
		     size_t *warm)
{
	size_t start = *first, have = 0;

	*warm = 0;
	while (have < count) {
		if (count > segment->unit_count || start > segment->unit_count - count ||
		    !raise_top(segment, start + have + 1)) {
			free_units(segment, start, have, OWNER_COLD);
			atomic_fetch_sub_explicit(&segment->control->warm, *warm,
						  memory_order_relaxed);
			return false;
		}
		if (take_unit(&segment->owners[start + have], owner, warm)) {
			have++;
			STEP();
			continue;
		}
		atomic_fetch_sub_explicit(&segment->control->warm, *warm, memory_order_relaxed);
		if (have) /* of unknown warmth: its memory, if any, is only late in coming back */
			free_units(segment, start, have, OWNER_COLD);
		start += have + 1;
		have = 0;
		*warm = 0;
	}
	*first = start;
	return true;
}

/*
 * What has memory may not be mapped in this process yet. A read maps all pages around it that are there
 * (fault_around_bytes of the kernel, 64 KiB), and for writing, too, as the mapping is shared; a write
 * maps one.
 */
static void map_ahead(const char *start, size_t size)
{
	for (size_t at = 0; at < size; at += FAULT_AROUND)
		(void)*(const volatile char *)(start + at);
}

bool arena_take(struct segment *segment, size_t size, uint32_t owner, size_t *extent)
{
	struct control *control = segment->control;
	size_t count = units_of(size);
	size_t low = atomic_load_explicit(&control->unit_low, memory_order_relaxed), first = low;
	size_t warm;

	if (!take_run(segment, count, owner, &first, &warm)) {
		first = 0;
		if (!take_run(segment, count, owner, &first, &warm))
			return false;
	}
	if (first == low) /* a guess, as said */
		atomic_store_explicit(&control->unit_low, first + count, memory_order_relaxed);
	atomic_fetch_sub_explicit(&control->warm, warm, memory_order_relaxed);
	if (warm < count && !segment_populate(segment->arena + first * UNIT, count * UNIT)) {
		madvise(segment->arena + first * UNIT, count * UNIT, MADV_REMOVE);
		free_units(segment, first, count, OWNER_COLD);
		return false;
	}
	if (warm == count)
		map_ahead(segment->arena + first * UNIT, size);
	*extent = first * UNIT;
	return true;
}

void arena_give(struct segment *segment, size_t extent, size_t size)
{
	size_t warm = atomic_load_explicit(&segment->control->warm, memory_order_relaxed);
	size_t count = units_of(size);
	bool keep = warm + count <= WARM_UNITS;

	if (!keep && madvise(segment->arena + extent, count * UNIT, MADV_REMOVE))
		keep = true;
	free_units(segment, extent / UNIT, count, keep ? OWNER_WARM : OWNER_COLD);
}

void arena_mark(struct segment *segment, size_t extent, size_t size, uint32_t owner)
{
	for (size_t i = 0; i < units_of(size); i++)
		atomic_store_explicit(&segment->owners[extent / UNIT + i], owner,
				      memory_order_release); /* S4 */
}

bool arena_is_owned(struct segment *segment, size_t extent, size_t size, uint32_t owner)
{
	size_t first = extent / UNIT, count = units_of(size);

	if (count > segment->unit_count || first > segment->unit_count - count || extent % UNIT)
		return false;
	for (size_t i = 0; i < count; i++)
		if (atomic_load_explicit(&segment->owners[first + i], memory_order_acquire) !=
		    owner) /* S4 */
			return false;
	return true;
}

void arena_reclaim(struct segment *segment, size_t extent, size_t size, uint32_t owner)
{
	size_t top = atomic_load_explicit(&segment->control->unit_top, memory_order_relaxed);

	for (size_t i = extent / UNIT; i < extent / UNIT + units_of(size) && i < top; i++)
		if (atomic_load_explicit(&segment->owners[i], memory_order_relaxed) == owner) {
			madvise(segment->arena + i * UNIT, UNIT, MADV_REMOVE);
			free_units(segment, i, 1, OWNER_COLD);
		}
}
