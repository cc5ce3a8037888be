/* SPDX-License-Identifier: MIT */
#include "probe.h"

#include <assay/backend.h>

#include <stdlib.h>

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
