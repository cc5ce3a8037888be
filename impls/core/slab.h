/* SPDX-License-Identifier: MIT */
/*
 * Records of 64 bytes, each thread allocating from its own chunks without an atomic operation. A
 * record may be freed by any thread; it goes home to the slab of the thread that allocated it.
 * Memory is kept for reuse and never returned: each slab, which threads have one after the other, holds
 * the most records that were out of it at one time.
 */
#ifndef SLAB_H
#define SLAB_H

#define SLAB_RECORD 64

/* 64 bytes, 64-byte aligned, contents undefined; NULL without memory. */
void *slab_allocate(void);
void slab_free(void *record);

/* One that is at hand; NULL where it takes more than to unlink it: slab_allocate() may have another. */
void *slab_try_allocate(void);

/* Before an allocation that many are to follow: fetches the record of a later one, where records were freed in
 * the order of their addresses. A hint. */
void slab_fetch_ahead(void);

#endif
