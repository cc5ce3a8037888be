/* SPDX-License-Identifier: MIT */
/*
 * A bounded queue that is full slows its producers down instead of filling the memory: nothing of a
 * task is copied before there is room for it. What is not to be read cannot be read here.
 *
 * A task that is wrong takes no room while it is refused: where there is room, nobody else hears that
 * the queue is full.
 *
 * A hunt for lost wake-ups among producers that wait for room: it is made by workers, by who cancels,
 * and by a shutdown. Each accepted task runs once or was cancelled; if a wake-up is lost the alarm
 * rings.
 */
#include <assay/backend.h>

#include "../worker.h"
#include "validate.h"

#include <semaphore.h>
#include <stdio.h>
#include <sys/mman.h>

#define SIZE ((size_t)1 << 20)
#define PRODUCERS 3
#define BATCH 7

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

struct producer {
	pthread_t thread;
	assay_executor *executor;
	uint32_t seed;
	uint32_t rounds;
	uint64_t accepted;
	uint64_t cancelled;
	uint64_t sum; /* of what was accepted and not cancelled */
	uint64_t refused;
};

static _Atomic uint64_t ran, sum_run;

static int add(assay_call *call)
{
	atomic_fetch_add_explicit(&ran, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&sum_run, *(const uint32_t *)call->argument,
				  memory_order_relaxed);
	return ASSAY_OK;
}

/* One task, of which nobody hears again, or which is cancelled if that is still possible. */
static int produce_one(struct producer *self, uint32_t number)
{
	struct assay_task task = {
		.function = add, .argument = &number, .argument_size = sizeof number};
	bool cancels = validate_random(&self->seed) % 8 == 0;
	assay_future *future;
	int error = assay_submit(self->executor, &task, cancels ? &future : NULL);

	if (error)
		return error;
	self->accepted++;
	self->sum += number;
	if (cancels && assay_future_cancel(future)) {
		self->cancelled++;
		self->sum -= number;
	}
	if (cancels)
		assay_future_release(future);
	return ASSAY_OK;
}

static int produce_batch(struct producer *self, uint32_t number)
{
	struct assay_task tasks[BATCH];
	uint32_t numbers[BATCH];
	size_t accepted = 0;
	int error;

	for (uint32_t i = 0; i < BATCH; i++) {
		numbers[i] = number + i;
		tasks[i] = (struct assay_task){.function = add,
					       .argument = &numbers[i],
					       .argument_size = sizeof numbers[i]};
	}
	error = assay_submit_many(self->executor, tasks, BATCH, NULL, &accepted);
	MUST(accepted <= BATCH && (accepted == BATCH) == !error);
	self->accepted += accepted;
	for (size_t i = 0; i < accepted; i++)
		self->sum += numbers[i];
	return error;
}

static void *produce(void *user)
{
	struct producer *self = user;

	for (uint32_t i = 0; i < self->rounds; i++) {
		int error = validate_random(&self->seed) % 16 == 0 ? produce_batch(self, i)
								   : produce_one(self, i);

		if (error == ASSAY_ESHUTDOWN)
			break;
		MUST(!error || error == ASSAY_EFULL);
		self->refused += error == ASSAY_EFULL;
	}
	return NULL;
}

static struct assay_config bounded(int workers, size_t capacity, enum assay_when_full when_full)
{
	struct assay_config config = assay_config_default();

	config.workers = workers;
	config.queue_capacity = capacity;
	config.when_full = when_full;
	return config;
}

/* stop_at: tasks after which the pool is shut down under its producers; UINT64_MAX: after them. */
static uint64_t hunt(const struct assay_config *config, int count, int rounds, uint64_t stop_at)
{
	struct producer producers[PRODUCERS], all = {0};
	struct assay_statistics statistics;
	assay_executor *executor;
	unsigned step = 0;

	atomic_store(&ran, 0);
	atomic_store(&sum_run, 0);
	MUST(assay_executor_create(&assay_backend, config, &executor) == ASSAY_OK);
	for (int i = 0; i < count; i++) {
		producers[i] = (struct producer){.executor = executor,
						 .seed = (uint32_t)i + 1,
						 .rounds = (uint32_t)(rounds / count)};
		validate_start(&producers[i].thread, produce, &producers[i]);
	}
	while (stop_at != UINT64_MAX && atomic_load(&ran) < stop_at)
		port_backoff(&step);
	if (stop_at != UINT64_MAX)
		MUST(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT) == ASSAY_OK);
	for (int i = 0; i < count; i++) {
		validate_join(producers[i].thread);
		all.accepted += producers[i].accepted;
		all.cancelled += producers[i].cancelled;
		all.sum += producers[i].sum;
		all.refused += producers[i].refused;
	}
	MUST(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT) == ASSAY_OK);
	assay_executor_statistics(executor, &statistics);
	MUST(atomic_load(&ran) == all.accepted - all.cancelled);
	MUST(atomic_load(&sum_run) == all.sum);
	MUST(statistics.submitted == all.accepted && statistics.cancelled == all.cancelled);
	MUST((all.refused > 0) <= (config->when_full == ASSAY_FULL_REJECT));
	MUST(atomic_load(&((struct pool *)executor)->queued) == 0);
	MUST(atomic_load(&((struct pool *)executor)->blocked) == 0);
	MUST(assay_executor_destroy(executor) == ASSAY_OK);
	return all.accepted;
}

static void hunt_all(const char *options, int rounds, int stops)
{
	struct assay_config config = bounded(2, 1, ASSAY_FULL_BLOCK);
	uint64_t accepted = 0;

	config.options = options;
	/* Alone a producer waits for ever if one wake-up is lost; others would bring it the next. */
	accepted += hunt(&config, 1, rounds, UINT64_MAX);
	accepted += hunt(&config, PRODUCERS, rounds / 10, UINT64_MAX);
	config.queue_capacity = 4;
	accepted += hunt(&config, 1, rounds, UINT64_MAX);
	accepted += hunt(&config, PRODUCERS, rounds / 5, UINT64_MAX);
	config.when_full = ASSAY_FULL_REJECT;
	hunt(&config, PRODUCERS, rounds, UINT64_MAX);
	config.when_full = ASSAY_FULL_CALLER_RUNS;
	hunt(&config, PRODUCERS, rounds, UINT64_MAX);
	for (int i = 0; i < stops; i++) {
		config = bounded(1 + i % 2, 1, ASSAY_FULL_BLOCK);
		config.options = options;
		hunt(&config, PRODUCERS, 1000, (uint64_t)i);
	}
	printf("'%s': %llu tasks got in, nobody waited for ever\n", options,
	       (unsigned long long)accepted);
}

static _Atomic bool all_submitted;

static void *submit_wrong(void *user)
{
	struct assay_task tasks[2] = {{.name = "no name at all"}, {.name = "nor this"}};
	size_t accepted;

	while (!atomic_load(&all_submitted)) {
		MUST(assay_submit(user, tasks, NULL) == ASSAY_EUNKNOWN);
		MUST(assay_submit_many(user, tasks, 2, NULL, &accepted) == ASSAY_EUNKNOWN);
	}
	return NULL;
}

static int run_nothing(assay_call *call)
{
	(void)call;
	return ASSAY_OK;
}

static void submit_beside_wrong(int rounds)
{
	struct assay_config config = bounded(1, 1, ASSAY_FULL_REJECT);
	struct assay_task task = {.function = run_nothing};
	assay_executor *executor;
	assay_future *future;
	pthread_t other;

	MUST(assay_executor_create(&assay_backend, &config, &executor) == ASSAY_OK);
	validate_start(&other, submit_wrong, executor);
	while (rounds--) {
		MUST(assay_submit(executor, &task, &future) == ASSAY_OK);
		MUST(assay_future_result(future, ASSAY_FOREVER, NULL, 0) == ASSAY_OK);
		assay_future_release(future);
	}
	atomic_store(&all_submitted, true);
	validate_join(other);
	MUST(assay_executor_destroy(executor) == ASSAY_OK);
}

int main(void)
{
	assay_executor *executor;
	assay_future *untouched = (assay_future *)&gate, *future = untouched;
	pthread_t producer;
	unsigned step = 0;

	validate_expect_end(100);
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

	submit_beside_wrong(validate_rounds(20000));

	/* Room is made in the same way whatever the fences are: the second form once more for all. */
	hunt_all("", validate_rounds(260000), validate_rounds(100));
	hunt_all("fences=full", validate_rounds(65000), validate_rounds(30));
	return 0;
}
