/* SPDX-License-Identifier: MIT */
/* Which functions the workers have: those of the objects that were loaded when they were forked. */
#include "pool.h"

#include <link.h>
#include <stdlib.h>
#include <string.h>

struct object {
	uintptr_t address;
	const void *headers;
	uintptr_t start; /* of its code */
	uintptr_t end;
	uint64_t identity; /* of what lies there: another may come to the same place */
};

struct reach {
	size_t count;
	size_t room;
	struct object *objects;
	bool failed;
};

/*
 * The C library reads its list of objects under a lock that fork() does not wait for: in a child that
 * was forked meanwhile it would be locked for ever. No fork happens while this one is held.
 */
static pthread_mutex_t list_mutex = PTHREAD_MUTEX_INITIALIZER;

static void lock_list(void)
{
	pthread_mutex_lock(&list_mutex);
}

static void unlock_list(void)
{
	pthread_mutex_unlock(&list_mutex);
}

PORT_AT_LOAD static void watch_forks(void)
{
	pthread_atfork(lock_list, unlock_list, unlock_list);
}

/* Until visit, which calls nothing of a client, returns other than 0. */
static void each_object(int (*visit)(struct dl_phdr_info *info, size_t size, void *user),
			void *user)
{
	lock_list();
	dl_iterate_phdr(visit, user);
	unlock_list();
}

static struct object describe(const struct dl_phdr_info *info)
{
	struct object object = {info->dlpi_addr, info->dlpi_phdr, UINTPTR_MAX, 0, 0};

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + header->p_vaddr;

		if (header->p_type != PT_LOAD || !(header->p_flags & PF_X))
			continue;
		if (start < object.start)
			object.start = start;
		if (start + header->p_memsz > object.end)
			object.end = start + header->p_memsz;
	}
	return object;
}

static uint64_t hash(uint64_t so_far, const void *bytes, size_t size)
{
	const char *rest = bytes;

	while (size) { /* FNV-1a, but of words: a create goes through every object */
		size_t part = size < sizeof(uint64_t) ? size : sizeof(uint64_t);
		uint64_t word = 0;

		memcpy(&word, rest, part);
		so_far = (so_far ^ word) * UINT64_C(0x100000001b3);
		so_far ^= so_far >> 32; /* high bits reach low ones by no product */
		rest += part;
		size -= part;
	}
	return so_far;
}

static bool is_loaded(const struct dl_phdr_info *info, const ElfW(Phdr) * part)
{
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];

		if (header->p_type == PT_LOAD && header->p_flags & PF_R &&
		    part->p_vaddr >= header->p_vaddr &&
		    part->p_vaddr + part->p_memsz <= header->p_vaddr + header->p_memsz)
			return true;
	}
	return false;
}

/* Of its layout and its notes, one of which is the build's identity. */
static uint64_t identify(const struct dl_phdr_info *info)
{
	uint64_t identity = hash(UINT64_C(0xcbf29ce484222325), info->dlpi_phdr,
				 info->dlpi_phnum * sizeof *info->dlpi_phdr);

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];

		if (header->p_type == PT_NOTE && is_loaded(info, header))
			identity = hash(identity, (const char *)(info->dlpi_addr + header->p_vaddr),
					header->p_memsz);
	}
	return identity;
}

static int capture(struct dl_phdr_info *info, size_t size, void *user)
{
	struct reach *reach = user;

	(void)size;
	if (reach->count == reach->room) {
		size_t room = reach->room ? 2 * reach->room : 32;
		struct object *objects = realloc(reach->objects, room * sizeof *objects);

		if (!objects) {
			reach->failed = true;
			return 1;
		}
		reach->objects = objects;
		reach->room = room;
	}
	reach->objects[reach->count] = describe(info);
	reach->objects[reach->count++].identity = identify(info);
	return 0;
}

bool reach_capture(struct pool *pool)
{
	struct reach *reach = calloc(1, sizeof *reach);

	if (!reach)
		return false;
	each_object(capture, reach);
	if (reach->failed) {
		free(reach->objects);
		free(reach);
		return false;
	}
	pool->reach = reach;
	return true;
}

void reach_free(struct pool *pool)
{
	if (pool->reach)
		free(pool->reach->objects);
	free(pool->reach);
	pool->reach = NULL;
}

struct question {
	const struct reach *reach;
	uintptr_t function;
	bool answer;
};

static bool knows(const struct reach *reach, const struct object *object)
{
	for (size_t i = 0; i < reach->count; i++)
		if (reach->objects[i].address == object->address &&
		    reach->objects[i].headers == object->headers &&
		    reach->objects[i].end == object->end &&
		    reach->objects[i].identity == object->identity)
			return true;
	return false;
}

static int ask(struct dl_phdr_info *info, size_t size, void *user)
{
	struct question *question = user;
	struct object object = describe(info);

	(void)size;
	if (question->function < object.start || question->function >= object.end)
		return 0;
	object.identity = identify(info);
	question->answer = knows(question->reach, &object);
	return 1;
}

bool reach_check(struct pool *pool, assay_function *function)
{
	struct question question = {pool->reach, (uintptr_t)function, false};

	/* relaxed, as the store below: the same answer whoever found it */
	if (atomic_load_explicit(&pool->reachable, memory_order_relaxed) == function)
		return true;
	each_object(ask, &question);
	if (question.answer)
		atomic_store_explicit(&pool->reachable, function, memory_order_relaxed);
	else
		settings_log(&pool->settings, ASSAY_LOG_ERROR,
			     "the function at %p was loaded after the workers were started",
			     (void *)(uintptr_t)function);
	return question.answer;
}
