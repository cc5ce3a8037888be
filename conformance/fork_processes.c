/* SPDX-License-Identifier: MIT */
/* Worker processes and what they have, or must not have, from the client. */
#include "death.h"
#include "family.h"
#include "sanitizer.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>

/* Backends whose tasks run in copies of the client. */
static void need_worker_processes(struct subject *s)
{
	uint64_t has = s->backend->capabilities;

	if (!(has & ASSAY_CAP_SURVIVES_CRASH) || !(has & ASSAY_CAP_FUNCTION_POINTERS))
		UNSUPPORTED("tasks do not run in processes forked from the client's image");
}

/* One whose workers live for one task each, where that is offered: each task has a new worker. */
static assay_executor *executor_of_fresh(struct subject *s, int workers)
{
	struct assay_config config = assay_config_default();

	config.workers = workers;
	if (s->backend->capabilities & ASSAY_CAP_TASKS_PER_WORKER)
		config.tasks_per_worker = 1;
	return executor_with(s, &config);
}

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;

static int try_lock(assay_call *call)
{
	int error = pthread_mutex_trylock(&held);

	if (!error)
		pthread_mutex_unlock(&held);
	return assay_return(call, &error, sizeof error);
}

ASSAY_TEST(frk_1_no_worker_inherits_a_lock, .clause = "FRK-1", .needs = ASSAY_CAP_SURVIVES_CRASH)
{
	assay_executor *executor;

	need_worker_processes(s);
	executor = executor_of_fresh(s, 2);
	for (int i = 0; i < 20; i++) {
		assay_future *future;

		/* Held whenever a worker could be forked for the task. */
		pthread_mutex_lock(&held);
		future = submit_task(executor, try_lock, NULL, 0);
		CHECK_EQ(result_int(future), 0);
		pthread_mutex_unlock(&held);
		assay_future_release(future);
	}
	executor_end(executor);
}

struct busy {
	struct actor actor;
	uint32_t is_over;
};

/* Holds the locks of the allocator and of the standard streams most of the time. */
static void keep_locks_busy(void *argument)
{
	struct busy *busy = argument;

	while (!__atomic_load_n(&busy->is_over, __ATOMIC_ACQUIRE)) {
		char *text;

		flockfile(stderr);
		text = malloc(1000);
		free(text);
		funlockfile(stderr);
	}
}

static int use_locks(assay_call *call)
{
	char *text;

	flockfile(stderr);
	text = malloc(1000);
	free(text);
	funlockfile(stderr);
	return assay_return(call, NULL, 0);
}

ASSAY_TEST(frk_1_the_locks_of_the_library_are_free, .clause = "FRK-1",
	   .needs = ASSAY_CAP_SURVIVES_CRASH, .rounds = 50)
{
	assay_executor *executor;
	struct busy busy = {.is_over = 0};

	need_worker_processes(s);
	executor = executor_of_fresh(s, 2);
	actor_start(&busy.actor, keep_locks_busy, &busy);
	for (int round = 0; round < scaled(50); round++) {
		assay_future *future = submit_task(executor, use_locks, NULL, 0);

		CHECK_OK(assay_future_result(future, ASSAY_FOREVER, NULL, 0));
		assay_future_release(future);
	}
	__atomic_store_n(&busy.is_over, 1, __ATOMIC_RELEASE);
	actor_join(&busy.actor);
	executor_end(executor);
}

static int written_later;

static int read_variable(assay_call *call)
{
	return assay_return(call, &written_later, sizeof written_later);
}

ASSAY_TEST(frk_4_workers_are_of_the_moment_of_create, .clause = "FRK-4",
	   .needs = ASSAY_CAP_SURVIVES_CRASH)
{
	assay_executor *executor;

	need_worker_processes(s);
	written_later = 1;
	executor = executor_of_fresh(s, 2);
	for (int i = 2; i < 20; i++) {
		assay_future *future;

		written_later = i;
		future = submit_task(executor, read_variable, NULL, 0);
		CHECK_EQ(result_int(future), 1);
		assay_future_release(future);
	}
	executor_end(executor);
}

ASSAY_TEST(frk_5_descriptors_made_later_are_not_kept, .clause = "FRK-5",
	   .needs = ASSAY_CAP_SURVIVES_CRASH)
{
	assay_executor *executor;

	need_worker_processes(s);
	executor = executor_of_fresh(s, 2);
	for (int i = 0; i < 10; i++) {
		int ends[2];
		char byte;
		assay_future *future;

		CHECK_EQ(pipe(ends), 0);
		future = submit_int(executor, i);
		CHECK_EQ(result_int(future), i);
		assay_future_release(future);
		close(ends[1]);
		/* At its end at once, though workers live: none of them can write. */
		CHECK_EQ(read(ends[0], &byte, 1), 0);
		close(ends[0]);
	}
	executor_end(executor);
}

/* A descriptor of an executor does not survive exec, and does not hide the end of another. */
ASSAY_TEST(frk_5_executors_end_in_any_order, .clause = "FRK-5", .needs = MORTAL)
{
	assay_executor *executors[4];

	adopt_orphans();
	for (int shift = 0; shift < 4; shift++) {
		for (int i = 0; i < 4; i++) {
			assay_future *future;

			executors[i] = executor_new(s, 2);
			future = submit_int(executors[i], i);
			CHECK_EQ(result_int(future), i);
			assay_future_release(future);
		}
		for (int i = 0; i < 4; i++)
			executor_end(executors[(i + shift) % 4]);
		check_childless();
	}
}

/* In the client to be killed: everything an executor does. */
static _Noreturn void be_a_client(struct subject *s, struct probe *started, int kind)
{
	struct assay_config config = assay_config_default();
	assay_executor *executor;
	struct gate *never = gate_new(s);

	config.workers = 2;
	config.on_worker_death = kind == 2 ? ASSAY_DEATH_FAILS_TASK : ASSAY_DEATH_BREAKS;
	if (kind == 3 && s->backend->capabilities & ASSAY_CAP_TASKS_PER_WORKER)
		config.tasks_per_worker = 1;
	executor = executor_with(s, &config);
	if (kind < 2) /* tasks that run, and idle workers */
		for (int i = kind; i < 2; i++)
			(void)submit_gated(executor, never, started, i);
	probe_hit(started);
	for (;;) {
		struct end end = {
			.words = shared_new(s, sizeof *end.words), .times = 1, .signal = SIGKILL};
		assay_future *future;

		if (kind < 2) {
			pause();
			continue;
		}
		future = kind == 2 ? submit_end(executor, &end) : submit_int(executor, 1);
		(void)!assay_future_wait(future, ASSAY_FOREVER);
		assay_future_release(future);
		probe_hit(started);
	}
}

ASSAY_TEST(frk_6_a_killed_client_leaves_no_process, .clause = "FRK-6",
	   .needs = MORTAL | ASSAY_CAP_CONCURRENT, .rounds = 12)
{
	adopt_orphans();
	for (int round = 0; round < 12; round++) {
		struct probe *started = probe_new(s);
		int kind = round % 4;
		pid_t client = fork();

		CHECK(client >= 0);
		if (client == 0)
			be_a_client(s, started, kind);
		probe_await(started, kind == 0 ? 3 : kind == 1 ? 2 : (unsigned)(3 + round));
		CHECK_EQ(kill(client, SIGKILL), 0);
		await_childless(); /* of the client, and of what it left */
	}
}

struct dispositions {
	uint32_t blocked; /* bit per signal */
	uint32_t handled;
};

static int tell_dispositions(assay_call *call)
{
	struct dispositions now = {0, 0};
	struct sigaction action;
	sigset_t set;

	sigprocmask(SIG_SETMASK, NULL, &set);
	for (int number = 1; number < 32; number++) {
		if (sigismember(&set, number) == 1)
			now.blocked |= 1u << number;
		if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL &&
		    action.sa_handler != SIG_IGN)
			now.handled |= 1u << number;
	}
	return assay_return(call, &now, sizeof now);
}

static void do_nothing(int number)
{
	(void)number;
}

ASSAY_TEST(frk_7_signals_of_a_worker, .clause = "FRK-7", .needs = ASSAY_CAP_SURVIVES_CRASH)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP, SIGALRM};
	struct dispositions seen = {1, 1};
	assay_executor *executor;
	assay_future *future;
	sigset_t set;

	need_worker_processes(s);
	if (BUILT_WITH_ASAN || BUILT_WITH_TSAN)
		UNSUPPORTED("a sanitizer has handlers of its own");
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		signal(numbers[i], do_nothing);
		sigaddset(&set, numbers[i]);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
	executor = executor_of_fresh(s, 1);
	for (int i = 0; i < 3; i++) {
		future = submit_task(executor, tell_dispositions, NULL, 0);
		CHECK_OK(assay_future_result(future, ASSAY_FOREVER, &seen, sizeof seen));
		CHECK_EQ(seen.blocked, 0);
		CHECK_EQ(seen.handled, 0);
		assay_future_release(future);
	}
	executor_end(executor);
}
