/* SPDX-License-Identifier: MIT */
/* With more workers than three digits tell apart each still has a name of its own: the prefix gives way. */
#include "client.h"

#include <semaphore.h>
#include <string.h>

#define WORKERS 1100

static sem_t begun, gate;
static _Atomic int named[WORKERS]; /* workers with this index in their name */

static int tell_name(assay_call *call)
{
	char name[16], *end;
	long index;

	(void)call;
	MUST(pthread_getname_np(pthread_self(), name, sizeof name) == 0);
	MUST(strncmp(name, "prefix-", 7) == 0 && strrchr(name, '_'));
	index = strtol(strrchr(name, '_') + 1, &end, 10);
	MUST(*end == '\0' && index >= 0 && index < WORKERS);
	atomic_fetch_add(&named[index], 1);
	sem_post(&begun);
	while (sem_wait(&gate))
		;
	return ASSAY_OK;
}

int main(void)
{
	struct assay_config config = assay_config_default();
	struct assay_task task = {.function = tell_name};
	assay_executor *executor;

	validate_expect_end(100);
	MUST(sem_init(&begun, 0, 0) == 0 && sem_init(&gate, 0, 0) == 0);
	config.workers = WORKERS;
	config.stack_size = (size_t)256 << 10;
	config.name = "prefix-of-a-name";
	MUST(assay_executor_create(&assay_backend, &config, &executor) == ASSAY_OK);
	for (int i = 0; i < WORKERS; i++)
		MUST(assay_submit(executor, &task, NULL) == ASSAY_OK);
	for (int i = 0; i < WORKERS; i++)
		while (sem_wait(&begun))
			;
	for (int i = 0; i < WORKERS; i++)
		MUST(atomic_load(&named[i]) == 1);
	for (int i = 0; i < WORKERS; i++)
		sem_post(&gate);
	MUST(assay_executor_destroy(executor) == ASSAY_OK);
	return 0;
}
