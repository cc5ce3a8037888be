/* SPDX-License-Identifier: MIT */
/*
 * Fails each allocation in turn, once and from then on, while so many tasks are pending that queues and
 * slabs have to grow: what was accepted runs, once, and nothing else does.
 * Usage: validate_backlog BACKEND.so
 */
#include "inject.h"
#include "limit.h"

#include <sched.h>
#include <sys/wait.h>

#define MOST_PENDING 2000

/* Tasks that are pending while the only worker is inside another one. */
struct backlog {
	int tasks;
	bool inside;   /* submitted by the task that the worker is in */
	bool together; /* by one call */
};

static const struct backlog backlogs[] = {
	{200, false, false},         {200, true, false},           {200, false, true},
	{200, true, true},           {MOST_PENDING, false, false}, {MOST_PENDING, true, false},
	{MOST_PENDING, false, true}, {MOST_PENDING, true, true},
};

static const struct backlog *backlog;
static bool pending[MOST_PENDING];
static atomic_int ran[MOST_PENDING];
static atomic_bool piled, gate_open;

static int run_pending(assay_call *call)
{
	ran[*(const int *)call->argument]++;
	return ASSAY_OK;
}

/* There is a worker: only memory may be short. */
static void pile_up(assay_executor *executor)
{
	static struct assay_task tasks[MOST_PENDING];
	static int numbers[MOST_PENDING];
	size_t accepted = 0;
	int error;

	for (int i = 0; i < backlog->tasks; i++) {
		numbers[i] = i;
		tasks[i] = (struct assay_task){run_pending, NULL, &numbers[i], sizeof numbers[i]};
		if (backlog->together)
			continue;
		error = assay_submit(executor, &tasks[i], NULL);
		if (error && error != ASSAY_ENOMEM)
			inject_die("submit of a pending task", error);
		pending[i] = !error;
	}
	if (!backlog->together)
		return;
	error = assay_submit_many(executor, tasks, (size_t)backlog->tasks, NULL, &accepted);
	if (error ? error != ASSAY_ENOMEM : accepted != (size_t)backlog->tasks)
		inject_die("submit_many of pending tasks", error);
	for (size_t i = 0; i < accepted; i++)
		pending[i] = true;
}

static int keep_busy(assay_call *call)
{
	if (backlog->inside)
		pile_up(call->executor);
	piled = true;
	while (!gate_open)
		sched_yield();
	return ASSAY_OK;
}

/* What was accepted runs, once; what was refused does not. */
static void pile_up_and_run(const struct assay_backend *backend)
{
	struct assay_config config = assay_config_default();
	struct assay_task task = {.function = keep_busy};
	assay_executor *executor;
	int error;

	config.workers = 1;
	if (!inject_create(backend, config, &executor))
		return;
	error = assay_submit(executor, &task, NULL);
	if (error && !inject_made(error))
		inject_die("submit of the first", error);
	if (!error && !backlog->inside)
		pile_up(executor);
	while (!error && !piled)
		sched_yield();
	gate_open = true;
	inject_end(executor);
	for (int i = 0; i < backlog->tasks; i++)
		if (ran[i] != pending[i])
			inject_die("a pending task ran another number of times than it should", 0);
}

/* In a process of its own, whose slabs are empty yet. True: there was such a call. */
static bool fail_backlog(const struct assay_backend *backend, int at)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		limit_time(20);
		inject_calls = 0;
		inject_at = at;
		pile_up_and_run(backend);
		_exit(inject_calls >= at);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
	    WEXITSTATUS(status) > 1) {
		fprintf(stderr, "variant %d, call %d: failed\n", inject_variant, at);
		exit(1);
	}
	return WEXITSTATUS(status);
}

static int fail_each_backlog(const struct assay_backend *backend)
{
	int points = 0;

	for (size_t i = 0; i < sizeof backlogs / sizeof *backlogs; i++) {
		inject_variant = (int)i;
		backlog = &backlogs[i];
		for (int on = 0; on < 2; on++) {
			inject_on = on;
			for (int at = 1; fail_backlog(backend, at); at++)
				points++;
		}
	}
	return points;
}

int main(int argc, char **argv)
{
	const struct assay_backend *backend = inject_open(argc, argv);
	int points = fail_each_backlog(backend);

	printf("%s: %d calls failed in turn, what was accepted ran\n", backend->name, points);
	return 0;
}
