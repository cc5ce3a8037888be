/* SPDX-License-Identifier: MIT */
/*
 * A worker may take the next task without a look at the ring. Whether nothing is pending before it must be
 * true even where a worker died between its task and the head of the ring, so that the task runs again
 * before others that came before its second hint. The first worker ends at each of its marked moments, one
 * after the other; the second stands at each of its own, while the client uses the slot again if it can.
 * Usage: next BACKEND.so, of a backend built with PROCESS_POOL_STEPS
 */
#include "../../core/validate/limit.h"

#include <assay/load.h>

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define FIRST 3 /* tasks submitted together, before the one that may be next */

static struct plan {
	int fatal, standing;      /* moments of the first worker, and of the second */
	atomic_int steps, deaths; /* moments of the worker that lives */
	atomic_bool stands, may_go;
	atomic_int started;
	atomic_int begun[FIRST + 1]; /* when each task was begun last: 1, 2, ... */
	atomic_bool ran_again;       /* or first by the second worker: the first task */
} * plan;

static pid_t client;
static int used_again; /* slots, while others were pending */

__attribute__((visibility("default"))) void process_pool_step(void);

void process_pool_step(void)
{
	int step;

	if (getpid() == client)
		return;
	step = ++plan->steps;
	if (!plan->deaths && step == plan->fatal) {
		plan->deaths = 1;
		plan->steps = 0;
		kill(getpid(), SIGKILL);
	} else if (plan->deaths && step == plan->standing) {
		plan->stands = true;
		while (!plan->may_go)
			sched_yield();
	}
}

static void die(const char *what, long value)
{
	fprintf(stderr, "next: step %d of the first worker, %d of the second: %s (%ld)\n",
		plan->fatal, plan->standing, what, value);
	abort();
}

static void on_alarm(int signal)
{
	(void)signal;
	die("hang", 0);
}

static int begin(assay_call *call)
{
	int index = *(const int *)call->argument;

	plan->begun[index] = ++plan->started;
	plan->ran_again |= index == 0 && plan->deaths;
	return ASSAY_OK;
}

static struct assay_task task_of(const int *index)
{
	return (struct assay_task){begin, NULL, index, sizeof *index};
}

static void quiet(void *user, enum assay_severity severity, const char *message)
{
	(void)user;
	(void)severity;
	(void)message;
}

static assay_executor *create(const struct assay_backend *backend)
{
	struct assay_config config = assay_config_default();
	assay_executor *executor;
	int error;

	config.workers = 1;
	config.on_worker_death = ASSAY_DEATH_RETRIES;
	config.retries = 1;
	config.spin_ns = 0;
	config.log = quiet;
	error = assay_executor_create(backend, &config, &executor);
	if (error)
		die("create", error);
	return executor;
}

static bool are_done(assay_future *const *futures)
{
	for (int i = 0; i < FIRST; i++)
		if (assay_future_state(futures[i]) < ASSAY_CANCELLED)
			return false;
	return true;
}

/* Returns whether the second worker stood somewhere before the second task was begun. */
static bool run(const struct assay_backend *backend, int fatal, int standing)
{
	static const int indices[FIRST + 1] = {0, 1, 2, 3};
	struct assay_task tasks[FIRST], last = task_of(&indices[FIRST]);
	assay_future *futures[FIRST + 1];
	assay_executor *executor;
	size_t accepted = 0;
	bool stood;
	int error;

	limit_time(20);
	*plan = (struct plan){.fatal = fatal, .standing = standing};
	executor = create(backend);
	for (int i = 0; i < FIRST; i++)
		tasks[i] = task_of(&indices[i]);
	error = assay_submit_many(executor, tasks, FIRST, futures, &accepted);
	if (error)
		die("submit_many", error);
	while (!plan->stands && !are_done(futures))
		sched_yield();
	stood = plan->stands && !plan->begun[1];
	if (stood && assay_future_state(futures[0]) == ASSAY_FINISHED)
		used_again++; /* who asks for the state of a done one has given back its slot */
	error = assay_submit(executor, &last, &futures[FIRST]);
	if (error)
		die("submit", error);
	plan->may_go = true;
	for (int i = 0; i <= FIRST; i++) {
		error = assay_future_wait(futures[i], ASSAY_FOREVER);
		if (error || assay_future_state(futures[i]) != ASSAY_FINISHED)
			die("a task was not run", i);
		assay_future_release(futures[i]);
	}
	if (plan->ran_again && (plan->begun[1] > plan->begun[2] || plan->begun[2] > plan->begun[3]))
		die("a task ran before another that was submitted before it", plan->begun[3]);
	error = assay_executor_destroy(executor);
	if (error)
		die("destroy", error);
	return stood;
}

int main(int argc, char **argv)
{
	const struct assay_backend *backend;
	char message[256];

	if (argc != 2)
		return 2;
	if (assay_backend_open(argv[1], &backend, message, sizeof message)) {
		fprintf(stderr, "next: %s\n", message);
		return 2;
	}
	plan = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (plan == MAP_FAILED)
		return 2;
	client = getpid();
	signal(SIGALRM, on_alarm);
	/* Until the first worker has done the first task. */
	for (int fatal = 1; fatal == 1 || plan->ran_again; fatal++)
		for (int standing = 1; run(backend, fatal, standing); standing++)
			;
	printf("next: a slot was used again beside pending tasks in %d runs\n", used_again);
	return used_again ? 0 : 1;
}
