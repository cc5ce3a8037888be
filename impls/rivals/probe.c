/* SPDX-License-Identifier: MIT */
#include "probe.h"

#include <assay/backend.h>

#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

/* For what a library allocates beside the stacks. */
#define SPARE_BYTES ((size_t)8 << 20)

static void *wait_for_all(void *user)
{
	pthread_mutex_lock(user);
	pthread_mutex_unlock(user);
	return NULL;
}

int probe_threads(int count)
{
	pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
	pthread_t *threads = malloc((size_t)count * sizeof *threads);
	int started = 0;

	if (!threads)
		return ASSAY_ENOMEM;
	pthread_mutex_lock(&held);
	while (started < count && !pthread_create(&threads[started], NULL, wait_for_all, &held))
		started++;
	pthread_mutex_unlock(&held);
	for (int i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	free(threads);
	return started == count ? ASSAY_OK : ASSAY_ERESOURCE;
}

int probe_memory(int threads)
{
	pthread_attr_t attributes;
	size_t size = 0;
	void *memory;

	if (pthread_getattr_default_np(&attributes))
		return ASSAY_ENOMEM;
	pthread_attr_getstacksize(&attributes, &size);
	pthread_attr_destroy(&attributes);
	size = size * (size_t)threads + SPARE_BYTES;
	memory = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return ASSAY_ENOMEM;
	munmap(memory, size);
	return ASSAY_OK;
}

int probe_descriptors(int count)
{
	int descriptors[16];
	int opened = 0;

	while (opened < count && (descriptors[opened] = eventfd(0, EFD_CLOEXEC)) >= 0)
		opened++;
	for (int i = 0; i < opened; i++)
		close(descriptors[i]);
	return opened == count ? ASSAY_OK : ASSAY_ERESOURCE;
}
