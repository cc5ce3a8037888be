/* SPDX-License-Identifier: MIT */
/*
 * A bounded queue that is full slows its producers down instead of filling the memory: nothing of a
 * task is copied before there is room for it. What is not to be read cannot be read here.
 */
#include <assay/backend.h>

#include "../worker.h"
#include "validate.h"

#include <semaphore.h>
#include <sys/mman.h>

#define SIZE ((size_t)1 << 20)

static sem_t inside, gate;
static unsigned char *argument;

static int pass_gate(assay_call *call)
{
	(void)call;
	sem_post(&inside);
	while (sem_wait(&gate))
		;
	return ASSAY_OK;
}

static int read_last(assay_call *call)
{
	return ((const unsigned char *)call->argument)[SIZE - 1] == 7 ? ASSAY_OK : 1;
}

static const struct assay_task held = {.function = pass_gate};

/* Its worker is busy, and its queue full. */
static assay_executor *fill(enum assay_when_full when_full)
{
	struct assay_config config = assay_config_default();
	assay_executor *executor;

	config.workers = 1;
	config.queue_capacity = 1;
	config.when_full = when_full;
	MUST(assay_executor_create(&assay_backend, &config, &executor) == ASSAY_OK);
	MUST(assay_submit(executor, &held, NULL) == ASSAY_OK);
	while (sem_wait(&inside))
		;
	MUST(assay_submit(executor, &held, NULL) == ASSAY_OK);
	return executor;
}

static void empty(assay_executor *executor)
{
	sem_post(&gate);
	sem_post(&gate);
	MUST(assay_executor_destroy(executor) == ASSAY_OK);
	while (sem_trywait(&inside) == 0)
		;
}

static int submit_read(assay_executor *executor, assay_future **future)
{
	struct assay_task task = {
		.function = read_last, .argument = argument, .argument_size = SIZE};

	return assay_submit(executor, &task, future);
}

static void *submit_late(void *user)
{
	assay_future *future;

	MUST(submit_read(user, &future) == ASSAY_OK);
	MUST(assay_future_result(future, ASSAY_FOREVER, NULL, 0) == ASSAY_OK);
	assay_future_release(future);
	return NULL;
}

int main(void)
{
	assay_executor *executor;
	assay_future *untouched = (assay_future *)&gate, *future = untouched;
	pthread_t producer;
	unsigned step = 0;

	validate_expect_end(60);
	MUST(sem_init(&inside, 0, 0) == 0 && sem_init(&gate, 0, 0) == 0);
	argument = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(argument != MAP_FAILED);
	argument[SIZE - 1] = 7;
	MUST(mprotect(argument, SIZE, PROT_NONE) == 0);

	executor = fill(ASSAY_FULL_REJECT);
	MUST(submit_read(executor, &future) == ASSAY_EFULL && future == untouched);
	empty(executor);

	executor = fill(ASSAY_FULL_BLOCK);
	validate_start(&producer, submit_late, executor);
	while (atomic_load(&((struct pool *)executor)->blocked) == 0)
		port_backoff(&step);
	MUST(mprotect(argument, SIZE, PROT_READ) == 0);
	sem_post(&gate);
	sem_post(&gate);
	validate_join(producer);
	MUST(assay_executor_destroy(executor) == ASSAY_OK);
	return 0;
}
