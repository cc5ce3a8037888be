/* SPDX-License-Identifier: MIT */
/*
 * What returns in a process that it forked (a task, a callback, a child on another worker, an
 * initializer) ends that process: it has the worker's stack, but is no worker. It runs nothing more
 * but what it forks and joins itself, and its parent never notices.
 */
#include <assay/backend.h>
#include <assay/fork_join.h>

#include "client.h"

#include <semaphore.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define TASKS 8
#define BROKEN 4

/* Seen by every process. */
static struct shared {
	_Atomic int ran;    /* of the TASKS */
	_Atomic int forked; /* children that ended as they must */
	_Atomic int joined; /* in children: what they forked in their turn */
} * shared;

/* Returns in both processes; in the parent when the child is gone, and true. */
static bool fork_here(void)
{
	pid_t child = fork();
	int status;

	MUST(child >= 0);
	if (child == 0) {
		validate_expect_end(20); /* an alarm is not inherited */
		return false;
	}
	MUST(waitpid(child, &status, 0) == child);
	MUST(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	atomic_fetch_add(&shared->forked, 1);
	return true;
}

static int count_task(assay_call *call)
{
	(void)call;
	atomic_fetch_add(&shared->ran, 1);
	return ASSAY_OK;
}

static sem_t gate;

static int pass_gate(assay_call *call)
{
	while (sem_wait(&gate))
		;
	return count_task(call);
}

static int fork_in_task(assay_call *call)
{
	return fork_here() ? count_task(call) : ASSAY_OK;
}

static void fork_in_callback(assay_future *future, void *user)
{
	(void)future;
	(void)user;
	fork_here();
}

static int fork_in_initializer(const void *argument, size_t size)
{
	(void)argument;
	(void)size;
	fork_here();
	return 0;
}

static int fork_in_child(assay_call *call, void *frame)
{
	(void)call;
	atomic_store((_Atomic bool *)frame, true);
	fork_here();
	return ASSAY_OK;
}

/* Joins when the other worker has begun. */
static int fork_elsewhere(assay_call *call)
{
	_Atomic bool begun = false;
	struct assay_fork child;
	unsigned step = 0;

	assay_fork(call, &child, fork_in_child, (void *)&begun);
	while (!atomic_load(&begun))
		port_backoff(&step);
	return assay_join(call, &child) ? ASSAY_ENOMEM : count_task(call);
}

static int set_frame(assay_call *call, void *frame)
{
	(void)call;
	*(int *)frame = 1;
	return ASSAY_OK;
}

/* The process that a task forked may fork children and join them: it runs them itself. */
static int fork_and_join(assay_call *call)
{
	struct assay_fork children[3];
	int frames[3] = {0};

	if (fork_here())
		return count_task(call);
	for (int i = 0; i < 3; i++)
		assay_fork(call, &children[i], set_frame, &frames[i]);
	for (int i = 3; i-- > 0;)
		MUST(assay_join(call, &children[i]) == ASSAY_OK && frames[i] == 1);
	atomic_fetch_add(&shared->joined, 1);
	return ASSAY_OK;
}

/* There are workers to be had, and nobody to start them. */
static void run_fork_and_join(void)
{
	assay_executor *executor = client_create(4, NULL);

	atomic_store(&shared->joined, 0);
	client_finish(client_submit(executor, fork_and_join, NULL, 0));
	MUST(atomic_load(&shared->joined) == 1);
	MUST(assay_executor_destroy(executor) == ASSAY_OK);
}

static void keep_silent(void *user, enum assay_severity severity, const char *message)
{
	(void)user;
	(void)severity;
	(void)message;
}

/* The function, with tasks behind it that its child must leave alone. */
static void run(assay_function *function, assay_callback *callback, assay_initializer *initializer)
{
	struct assay_config config = assay_config_default();
	struct assay_task task = {.function = function}, counted = {.function = count_task};
	assay_executor *executor;
	assay_future *future;

	atomic_store(&shared->ran, 0);
	atomic_store(&shared->forked, 0);
	config.workers = 2;
	config.initializer = initializer;
	MUST(assay_executor_create(&assay_backend, &config, &executor) == ASSAY_OK);
	MUST(assay_submit(executor, &task, &future) == ASSAY_OK);
	if (callback)
		MUST(assay_future_add_done_callback(future, callback, NULL) == ASSAY_OK);
	sem_post(&gate);
	for (int i = 0; i < TASKS; i++)
		MUST(assay_submit(executor, &counted, NULL) == ASSAY_OK);
	MUST(assay_future_result(future, ASSAY_FOREVER, NULL, 0) == ASSAY_OK);
	assay_future_release(future);
	MUST(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT) == ASSAY_OK);
	MUST(assay_executor_destroy(executor) == ASSAY_OK);
	MUST(sem_trywait(&gate) == 0 || function == pass_gate);
	MUST(atomic_load(&shared->ran) == TASKS + 1);
	MUST(atomic_load(&shared->forked) >= 1);
}

/*
 * The pool breaks: its second worker cannot be initialized, and ends what waits, until it is held up in
 * the first callback. The first worker comes out of its task then, and ends the rest: in its first
 * callback it forks.
 */
static sem_t initialize, drained, drain;
static _Atomic int initialized, ended;
static pid_t parent;

static int fail_second(const void *user, size_t size)
{
	(void)user;
	(void)size;
	if (atomic_fetch_add(&initialized, 1) == 0)
		return 0;
	while (sem_wait(&initialize))
		;
	return -1;
}

static void fork_in_second(assay_future *future, void *user)
{
	int before = atomic_fetch_add(&ended, 1);

	(void)future;
	(void)user;
	if (getpid() != parent)
		atomic_fetch_add(&shared->ran, 1);
	if (before == 0) {
		sem_post(&drained);
		while (sem_wait(&drain))
			;
	} else if (before == 1 && fork_here()) {
		sem_post(&drain);
	}
}

static int enter_and_pass(assay_call *call)
{
	sem_post(&drained); /* the first to use it */
	while (sem_wait(&gate))
		;
	(void)call;
	return ASSAY_OK;
}

static void run_broken(void)
{
	struct assay_config config = assay_config_default();
	struct assay_task first = {.function = enter_and_pass}, broken = {.function = count_task};
	assay_future *futures[BROKEN];
	assay_executor *executor;

	atomic_store(&shared->ran, 0);
	atomic_store(&shared->forked, 0);
	atomic_store(&initialized, 0);
	atomic_store(&ended, 0);
	config.workers = 2;
	config.initializer = fail_second;
	config.log = keep_silent;
	MUST(assay_executor_create(&assay_backend, &config, &executor) == ASSAY_OK);
	MUST(assay_submit(executor, &first, NULL) == ASSAY_OK);
	while (sem_wait(&drained))
		;
	for (int i = 0; i < BROKEN; i++) {
		MUST(assay_submit(executor, &broken, &futures[i]) == ASSAY_OK);
		MUST(assay_future_add_done_callback(futures[i], fork_in_second, NULL) == ASSAY_OK);
	}
	sem_post(&initialize);
	while (sem_wait(&drained))
		;
	sem_post(&gate);
	for (int i = 0; i < BROKEN; i++) {
		MUST(assay_future_wait(futures[i], ASSAY_FOREVER) == ASSAY_OK);
		assay_future_release(futures[i]);
	}
	MUST(assay_executor_destroy(executor) == ASSAY_OK);
	MUST(atomic_load(&shared->forked) == 1);
	MUST(atomic_load(&shared->ran) == 0);
}

int main(void)
{
	parent = getpid();
	validate_expect_end(60);
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	MUST(shared != MAP_FAILED && sem_init(&gate, 0, 0) == 0);
	MUST(sem_init(&initialize, 0, 0) == 0 && sem_init(&drained, 0, 0) == 0 &&
	     sem_init(&drain, 0, 0) == 0);
	for (int round = validate_rounds(50); round > 0; round--) {
		run(fork_in_task, NULL, NULL);
		run(fork_elsewhere, NULL, NULL);
		run(pass_gate, fork_in_callback, NULL);
		run_fork_and_join();
		run(count_task, NULL, fork_in_initializer);
		run_broken();
	}
	return 0;
}
