/* SPDX-License-Identifier: MIT */
/* Making the memory, and letting go of it. The labels are those of segment.h and pool.h. */
#include "segment.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* Address space, not memory: pages come when they are used. Halved together until they fit. */
#define SLOTS ((size_t)1 << 22)
#define ARENA ((size_t)1 << 34)
#define HALVINGS 10

static_assert(sizeof(struct slot) == 256, "slots do not share lines");

static size_t page_up(size_t size)
{
	return (size + UNIT - 1) / UNIT * UNIT;
}

bool segment_populate(void *start, size_t size)
{
	while (madvise(start, size, MADV_POPULATE_WRITE))
		if (errno != EINTR && errno != EAGAIN)
			return false;
	return true;
}

/* Where everything lies, for this many halvings. */
static void lay_out(struct segment *segment, int workers, int halvings)
{
	size_t control = page_up(sizeof *segment->control);
	size_t lanes = page_up((size_t)workers * sizeof *segment->lanes);

	segment->workers = workers;
	segment->slot_count = SLOTS >> halvings;
	segment->ring_count = 2 * segment->slot_count;
	segment->unit_count = (ARENA >> halvings) / UNIT;
	segment->head_size = control + lanes +
			     page_up(segment->ring_count * sizeof *segment->ring) +
			     segment->slot_count * sizeof *segment->slots +
			     page_up(segment->unit_count * sizeof *segment->owners);
	segment->size = segment->head_size + segment->unit_count * UNIT;
}

static void point(struct segment *segment)
{
	char *next = segment->base;

	segment->control = (struct control *)next;
	next += page_up(sizeof *segment->control);
	segment->lanes = (struct lane *)next;
	next += page_up((size_t)segment->workers * sizeof *segment->lanes);
	segment->ring = (_Atomic uint64_t *)next;
	next += page_up(segment->ring_count * sizeof *segment->ring);
	segment->slots = (struct slot *)next;
	next += segment->slot_count * sizeof *segment->slots;
	segment->owners = (_Atomic uint32_t *)next;
	segment->arena = segment->base + segment->head_size;
}

/* A mapping of its own, of the greatest size that leaves the program most of its address space. */
static int map(struct segment *segment, int workers)
{
	struct rlimit limit, file;
	int halvings = 0, error = ASSAY_ENOMEM, fd;

	if (getrlimit(RLIMIT_AS, &limit))
		limit.rlim_cur = RLIM_INFINITY;
	if (getrlimit(RLIMIT_FSIZE, &file))
		file.rlim_cur = RLIM_INFINITY;
	fd = memfd_create("assay process pool", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return errno == ENOMEM ? ASSAY_ENOMEM : ASSAY_ERESOURCE;
	for (segment->base = MAP_FAILED; halvings <= HALVINGS; halvings++) {
		lay_out(segment, workers, halvings);
		if (limit.rlim_cur != RLIM_INFINITY && segment->size > limit.rlim_cur / 4 &&
		    halvings < HALVINGS)
			continue;
		/* The limit first: to go beyond it is a signal, and ends the program. */
		if (segment->size > file.rlim_cur || ftruncate(fd, (off_t)segment->size)) {
			error = ASSAY_ERESOURCE;
			continue;
		}
		segment->base = mmap(NULL, segment->size, PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_NORESERVE, fd, 0);
		if (segment->base != MAP_FAILED)
			break;
	}
	/* A worker that truncates it would end the client with SIGBUS. */
	if (segment->base != MAP_FAILED &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
		munmap(segment->base, segment->size);
		segment->base = MAP_FAILED;
		error = ASSAY_ERESOURCE;
	}
	close(fd); /* nobody needs it any more */
	return segment->base == MAP_FAILED ? error : ASSAY_OK;
}

int segment_create(int workers, struct segment **out)
{
	struct segment *segment = calloc(1, sizeof *segment);
	int error = segment ? map(segment, workers) : ASSAY_ENOMEM;

	if (error) {
		free(segment);
		return error;
	}
	point(segment);
	/* A dump would give memory to every page of it. Children have it so, too. */
	madvise(segment->base, segment->size, MADV_DONTDUMP);
	segment->client_forks = client_forks();
	segment->helper_forks = helper_forks();
	/* relaxed: as in settings_are_orphaned(); and nobody else knows the segment */
	segment->forks = atomic_load_explicit(&port_forks, memory_order_relaxed);
	atomic_store_explicit(&segment->references, 1, memory_order_relaxed);
	if (!segment_populate(segment->base, (size_t)((char *)segment->ring - segment->base))) {
		error = errno == EINVAL ? ASSAY_EUNSUPPORTED : ASSAY_ENOMEM;
		munmap(segment->base, segment->size);
		free(segment);
		return error;
	}
	*out = segment;
	return ASSAY_OK;
}

void segment_unmap(struct segment *segment)
{
	if (segment->base)
		munmap(segment->base, segment->size);
	segment->base = NULL;
}

/* Whether unmapping does not give its memory back: helpers of other pools were forked since, and may
 * have it mapped. What children of the client may read is left to them (P6). relaxed: as in
 * settings_are_orphaned() */
static bool is_held(const struct segment *segment)
{
	return segment->forks == atomic_load_explicit(&port_forks, memory_order_relaxed) &&
	       segment->client_forks == client_forks() && segment->client_forks % 2 == 0 &&
	       helper_forks() - segment->helper_forks > 1;
}

void segment_release(struct segment *segment)
{
	/* S8 */
	if (atomic_fetch_sub_explicit(&segment->references, 1, memory_order_acq_rel) == 1) {
		if (is_held(segment))
			madvise(segment->base, segment->size, MADV_REMOVE);
		segment_unmap(segment);
		free(segment);
	}
}

void segment_retire(struct segment *segment)
{
	/* relaxed, as the owners: all workers have ended (W3), nobody takes any more */
	size_t top = atomic_load_explicit(&segment->control->unit_top, memory_order_relaxed);

	if (atomic_load_explicit(&segment->references, memory_order_acquire) == 1) /* S8 */
		return;
	madvise(segment->ring, (size_t)((char *)segment->owners - (char *)segment->ring),
		MADV_REMOVE);
	for (size_t i = 0; i < top; i++)
		if (atomic_load_explicit(&segment->owners[i], memory_order_relaxed) == OWNER_WARM)
			madvise(segment->arena + i * UNIT, UNIT, MADV_REMOVE);
}
