/* SPDX-License-Identifier: MIT */
#include "marks.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

static _Atomic unsigned char *marks;
static size_t size;

void *shared_memory(struct cell *cell, size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory != MAP_FAILED)
		return memory;
	cell_fail(cell, "cannot map %zu bytes to share with workers: %s", bytes, strerror(errno));
	return NULL;
}

void shared_memory_free(void *memory, size_t bytes)
{
	if (memory)
		munmap(memory, bytes);
}

int marks_begin(struct cell *cell, size_t count)
{
	marks = shared_memory(cell, count);
	size = marks ? count : 0;
	return marks ? 0 : -1;
}

void marks_end(void)
{
	shared_memory_free((void *)marks, size);
	marks = NULL;
	size = 0;
}

void marks_clear(void)
{
	memset((void *)marks, 0, size);
}

/* Relaxed: whoever reads the mark has seen the future of the task done, which publishes it. */
void mark(uint64_t task)
{
	if (task < size)
		atomic_fetch_add_explicit(&marks[task], 1, memory_order_relaxed);
}

int marks_check(struct cell *cell, size_t count)
{
	if (cell->backend && !(cell->backend->capabilities & ASSAY_CAP_SHARED_MAPPINGS))
		return 0;
	for (size_t i = 0; i < count; i++) {
		/* Relaxed: as above. */
		unsigned times = atomic_load_explicit(&marks[i], memory_order_relaxed);

		if (times != 1)
			return cell_fail(cell, "task %zu ran %u times", i, times);
	}
	return 0;
}
