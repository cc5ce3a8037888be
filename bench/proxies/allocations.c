/* SPDX-License-Identifier: MIT */
#include "allocations.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

/* Entry points of glibc that bypass those of the same meaning below. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

static struct board *board;

void allocations_count(struct board *counted)
{
	/* An aligned block in a mapping of its own has all that is left there behind it: as much as the address
	 * happens to leave. */
	mallopt(M_MMAP_MAX, 0);
	board = counted;
}

/* Counts, which nothing is read through: relaxed. */
static void add_bytes(int64_t bytes)
{
	if (board)
		atomic_fetch_add_explicit(&board->live_bytes, bytes, memory_order_relaxed);
}

static void *note(void *memory, int64_t bytes)
{
	if (board && memory) {
		int phase = atomic_load_explicit(&board->phase, memory_order_relaxed);

		atomic_fetch_add_explicit(&board->allocations[phase], 1, memory_order_relaxed);
		add_bytes(bytes);
	}
	return memory;
}

static void *note_heap(void *memory)
{
	return note(memory, memory ? (int64_t)malloc_usable_size(memory) : 0);
}

EXPORT void *malloc(size_t size)
{
	return note_heap(__libc_malloc(size));
}

EXPORT void *calloc(size_t count, size_t size)
{
	return note_heap(__libc_calloc(count, size));
}

EXPORT void *realloc(void *old, size_t size)
{
	int64_t before = old ? (int64_t)malloc_usable_size(old) : 0;
	void *memory = __libc_realloc(old, size);

	if (memory || !size)
		add_bytes(-before);
	return note_heap(memory);
}

EXPORT void *memalign(size_t alignment, size_t size)
{
	return note_heap(__libc_memalign(alignment, size));
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	return memalign(alignment, size);
}

EXPORT int posix_memalign(void **memory, size_t alignment, size_t size)
{
	*memory = memalign(alignment, size);
	return *memory ? 0 : ENOMEM;
}

EXPORT void free(void *memory)
{
	if (memory)
		add_bytes(-(int64_t)malloc_usable_size(memory));
	__libc_free(memory);
}

EXPORT void *mmap(void *address, size_t size, int protection, int flags, int descriptor,
		  off_t offset)
{
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel's own answer */
	void *memory =
		(void *)syscall(SYS_mmap, address, size, protection, flags, descriptor, offset);

	return memory == MAP_FAILED ? memory : note(memory, (int64_t)size);
}

EXPORT int munmap(void *memory, size_t size)
{
	add_bytes(-(int64_t)size);
	return (int)syscall(SYS_munmap, memory, size);
}
