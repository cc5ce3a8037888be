/* SPDX-License-Identifier: MIT */
/* What the death of a worker process says, and what else it does: break, replace, retry. */
#include "death.h"
#include "family.h"

#include <stdlib.h>

static const struct {
	int signal, status;
	void (*by)(void);
} ends[] = {{.signal = SIGKILL}, {.signal = SIGTERM}, {.signal = SIGABRT},
	    {.signal = SIGSEGV}, {.signal = SIGBUS},  {.signal = SIGFPE},
	    {.signal = SIGILL},  {.signal = SIGPIPE}, {.signal = SIGUSR1},
	    {.signal = SIGALRM}, {.status = 0},       {.status = 1},
	    {.status = 99},      {.status = 255},     {.signal = SIGABRT, .by = abort}};

enum { ENDS = sizeof ends / sizeof *ends };

static void check_named(const struct assay_outcome *outcome, int error, int pid, size_t end)
{
	int code = ends[end].signal ? ends[end].signal : 256 + ends[end].status;
	int named = ends[end].signal ? ends[end].signal : ends[end].status;

	CHECK_ERROR(outcome->error, error);
	CHECK_EQ(outcome->code, code);
	if (!names_number(outcome->message, pid) || !names_number(outcome->message, named))
		test_fail(__FILE__, __LINE__,
			  "expected a message that names process %d and %s %d, saw \"%s\"", pid,
			  ends[end].signal ? "signal" : "exit status", named, outcome->message);
}

ASSAY_TEST(brk_20_one_task_lost, .clause = "BRK-20", .needs = MORTAL)
{
	assay_executor *executor = executor_surviving(s, 1, ASSAY_DEATH_FAILS_TASK, 0);

	for (size_t i = 0; i < ENDS; i++) {
		struct end end = {.words = shared_new(s, sizeof *end.words),
				  .times = 1,
				  .signal = ends[i].signal,
				  .status = ends[i].status,
				  .by = ends[i].by};
		assay_future *future = submit_end(executor, &end);
		struct assay_outcome outcome = {.error = 1};

		CHECK_OK(assay_future_outcome(future, ASSAY_FOREVER, &outcome));
		check_named(&outcome, ASSAY_EDIED, end.words->pid, i);
		CHECK_EQ(outcome.result_size, 0);
		assay_future_release(future);
	}
	executor_end(executor);
}

ASSAY_TEST(brk_20_everything_broken, .clause = "BRK-20", .needs = MORTAL)
{
	static const size_t some[] = {0, 2, 12, 14};

	for (size_t k = 0; k < sizeof some / sizeof *some; k++) {
		assay_executor *executor = executor_new(s, 2);
		struct gate *gate = gate_new(s), *never = gate_new(s);
		struct probe *started = probe_new(s);
		struct end end = {.words = shared_new(s, sizeof *end.words),
				  .gate = gate,
				  .times = 1,
				  .signal = ends[some[k]].signal,
				  .status = ends[some[k]].status,
				  .by = ends[some[k]].by};
		assay_future *futures[5] = {submit_end(executor, &end)};

		futures[1] = submit_gated(executor, never, started, 1); /* runs beside it */
		probe_await(started, 1);
		for (int i = 2; i < 5; i++)
			futures[i] = submit_int(executor, i);
		gate_open(gate);
		for (int i = 0; i < 5; i++) {
			struct assay_outcome outcome = {.error = 1};

			CHECK_OK(assay_future_outcome(futures[i], ASSAY_FOREVER, &outcome));
			check_named(&outcome, ASSAY_EBROKEN, end.words->pid, some[k]);
			assay_future_release(futures[i]);
		}
		executor_end(executor);
	}
}

ASSAY_TEST(brk_21_only_its_own_task_is_lost, .clause = "BRK-21",
	   .needs = MORTAL | ASSAY_CAP_CONCURRENT)
{
	assay_executor *executor = executor_surviving(s, 2, ASSAY_DEATH_FAILS_TASK, 0);
	struct gate *gate = gate_new(s);
	struct probe *started = probe_new(s), *ran = probe_new(s);
	assay_future *beside = submit_gated(executor, gate, started, 8), *futures[40];
	struct last_words *words[40];
	struct assay_statistics now;

	probe_await(started, 1);
	for (int i = 0; i < 40; i++) {
		struct end end = {.words = shared_new(s, sizeof *end.words),
				  .times = (uint32_t)i % 2,
				  .signal = SIGKILL};

		words[i] = end.words;
		futures[i] = submit_end(executor, &end);
	}
	for (int i = 0; i < 40; i++) {
		int error = assay_future_result(futures[i], ASSAY_FOREVER, NULL, 0);

		CHECK_ERROR(error, i % 2 ? ASSAY_EDIED : ASSAY_OK);
		CHECK_EQ(words[i]->times, 1);
		assay_future_release(futures[i]);
	}
	gate_open(gate);
	CHECK_EQ(result_int(beside), 8);
	assay_future_release(beside);
	assay_future_release(submit_hit(executor, ran));
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	CHECK_EQ(probe_count(ran), 1);
	assay_executor_statistics(executor, &now);
	if (now.submitted != UINT64_MAX) {
		CHECK_EQ(now.submitted, 42);
		CHECK_EQ(now.finished, 42);
		CHECK_EQ(now.failed, 20);
		CHECK_EQ(now.broken, 0);
	}
	executor_end(executor);
}

ASSAY_TEST(brk_22_it_runs_again, .clause = "BRK-22", .needs = MORTAL)
{
	for (int retries = 0; retries <= 3; retries++) {
		assay_executor *executor = executor_surviving(s, 1, ASSAY_DEATH_RETRIES, retries);

		for (int deaths = 0; deaths <= retries + 2; deaths++) {
			struct end end = {.words = shared_new(s, sizeof *end.words),
					  .times = (uint32_t)deaths,
					  .signal = deaths % 2 ? SIGKILL : 0,
					  .status = 3};
			assay_future *future = submit_end(executor, &end);
			struct assay_outcome outcome = {.error = 1};

			CHECK_OK(assay_future_outcome(future, ASSAY_FOREVER, &outcome));
			if (deaths <= retries) {
				CHECK_OK(outcome.error);
				CHECK_EQ(result_int(future), deaths + 1);
			} else {
				CHECK_ERROR(outcome.error, ASSAY_EDIED);
				CHECK_EQ(outcome.code, deaths % 2 ? SIGKILL : 256 + 3);
				CHECK_EQ(end.words->times, retries + 1);
			}
			assay_future_release(future);
		}
		executor_end(executor);
	}
}

/* Kills a process that has nothing to do, nor prepares for it; returns when it is dead and, if it has been waited
 * for, known to be so. */
static void kill_idle(pid_t process)
{
	await_sleep(process);
	CHECK(kill(process, SIGKILL) == 0 || errno == ESRCH);
	while (kill(process, 0) == 0 && count_zombies() == 0)
		sched_yield();
}

/* Asks the executor for a worker, and has it killed, with as many `deaths` at most, again and again. */
static void check_replaced(assay_executor *executor, bool retries, int deaths,
			   void (*kill_it)(pid_t worker))
{
	enum { ROUNDS = 20 };
	int before = 0, lost = 0;

	for (int round = 0; round < ROUNDS; round++) {
		assay_future *future = submit_task(executor, return_pid, NULL, 0);
		int pid = 0;
		int error = assay_future_result(future, ASSAY_FOREVER, &pid, sizeof pid);

		assay_future_release(future);
		/* A task may have been sent to it before its death was known. */
		if (error) {
			CHECK(!retries);
			CHECK_ERROR(error, ASSAY_EDIED);
			lost++;
			continue;
		}
		CHECK(pid != before && pid != getpid());
		before = pid;
		kill_it(pid);
	}
	CHECK(lost <= (ROUNDS - lost) * deaths);
	executor_end(executor);
}

ASSAY_TEST(brk_23_an_idle_worker_is_replaced, .clause = "BRK-23",
	   .needs = MORTAL | ASSAY_CAP_WORKER_REUSE, .rounds = 20)
{
	for (int retries = 0; retries < 2; retries++)
		check_replaced(executor_surviving(
				       s, 1, retries ? ASSAY_DEATH_RETRIES : ASSAY_DEATH_FAILS_TASK,
				       retries),
			       retries, 1, kill_idle);
}

static void kill_sibling(pid_t process, void *worker)
{
	struct process_status status, known;

	if (process != *(pid_t *)worker && process_status(*(pid_t *)worker, &known) &&
	    process_status(process, &status) && status.parent == known.parent &&
	    status.state != 'Z')
		kill_idle(process);
}

/* The others, too, which have had nothing to do yet. What forks them must be told apart. */
static void kill_all_idle(pid_t worker)
{
	struct process_status status;

	if (process_status(worker, &status) && status.parent != getpid())
		process_each(kill_sibling, &worker);
	kill_idle(worker);
}

static int succeed(const void *argument, size_t size)
{
	(void)argument;
	(void)size;
	return 0;
}

ASSAY_TEST(brk_23_one_that_has_an_initializer, .clause = "BRK-23",
	   .needs = MORTAL | ASSAY_CAP_WORKER_REUSE | ASSAY_CAP_INITIALIZER, .rounds = 20)
{
	for (int retries = 0; retries < 2; retries++) {
		struct assay_config config = assay_config_default();

		config.workers = 2;
		config.on_worker_death = retries ? ASSAY_DEATH_RETRIES : ASSAY_DEATH_FAILS_TASK;
		config.retries = 2 * retries; /* a task may meet both */
		config.initializer = succeed;
		check_replaced(executor_with(s, &config), retries, 2, kill_all_idle);
	}
}

struct mark {
	uint32_t *started;
	bool dies;
};

static int leave_mark(assay_call *call)
{
	const struct mark *mark = call->argument;

	__atomic_add_fetch(mark->started, 1, __ATOMIC_ACQ_REL);
	if (mark->dies)
		raise(SIGKILL);
	return ASSAY_OK;
}

ASSAY_TEST(brk_25_what_a_break_ended_never_starts, .clause = "BRK-25", .needs = MORTAL,
	   .rounds = 20)
{
	enum { TASKS = 12 };

	for (int round = 0; round < scaled(20); round++) {
		struct assay_config config = assay_config_default();
		uint32_t *started = shared_new(s, TASKS * sizeof *started), seen[TASKS] = {0};
		assay_future *futures[TASKS];
		assay_executor *executor;
		int accepted = 0;

		config.workers = 2;
		if (s->backend->capabilities & ASSAY_CAP_TASKS_PER_WORKER)
			config.tasks_per_worker = 1; /* one is being replaced all the time */
		config.log = ignore_log;
		executor = executor_with(s, &config);
		for (; accepted < TASKS; accepted++) {
			struct mark mark = {&started[accepted], accepted == round % 4};
			struct assay_task task = {.function = leave_mark,
						  .argument = &mark,
						  .argument_size = sizeof mark};

			if (assay_submit(executor, &task, &futures[accepted]))
				break;
		}
		for (int i = 0; i < accepted; i++) {
			(void)!assay_future_wait(futures[i], ASSAY_FOREVER);
			seen[i] = __atomic_load_n(&started[i], __ATOMIC_ACQUIRE);
		}
		executor_end(executor);
		for (int i = 0; i < accepted; i++) {
			CHECK_EQ(__atomic_load_n(&started[i], __ATOMIC_ACQUIRE), seen[i]);
			assay_future_release(futures[i]);
		}
	}
}

ASSAY_TEST(brk_24_deaths_leave_nothing, .clause = "BRK-24", .needs = MORTAL)
{
	int descriptors, threads = count_threads();

	adopt_orphans();
	for (int retries = 0; retries < 2; retries++) {
		assay_executor *executor = executor_surviving(
			s, 2, retries ? ASSAY_DEATH_RETRIES : ASSAY_DEATH_FAILS_TASK, retries);
		int most = 0;

		descriptors = count_descriptors();
		for (int i = 0; i < 30; i++) {
			struct end end = {.words = shared_new(s, sizeof *end.words),
					  .times = 1,
					  .signal = i % 2 ? SIGKILL : 0};
			assay_future *future = submit_end(executor, &end);

			CHECK_ERROR(assay_future_result(future, ASSAY_FOREVER, NULL, 0),
				    retries ? ASSAY_OK : ASSAY_EDIED);
			assay_future_release(future);
			if (i == 9)
				most = count_descriptors();
		}
		await_no_zombies();
		/* What a worker has, but not what thirty had. */
		CHECK(count_descriptors() <= most + 10);
		CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
		CHECK_OK(assay_executor_destroy(executor));
		check_childless();
		CHECK(count_descriptors() <= descriptors);
		CHECK_EQ(count_threads(), threads);
	}
}

ASSAY_TEST(brk_24_a_break_leaves_nothing, .clause = "BRK-24", .needs = MORTAL, .rounds = 10)
{
	int descriptors = count_descriptors(), threads = count_threads();

	adopt_orphans();
	for (int round = 0; round < 10; round++) {
		assay_executor *executor = executor_new(s, 2);
		struct end end = {
			.words = shared_new(s, sizeof *end.words), .times = 1, .signal = SIGKILL};
		assay_future *future = submit_end(executor, &end);

		CHECK_ERROR(assay_future_result(future, ASSAY_FOREVER, NULL, 0), ASSAY_EBROKEN);
		executor_end(executor);
		assay_future_release(future);
		check_childless();
		CHECK_EQ(count_threads(), threads);
		/* What a backend opens once it may keep. */
		if (round == 0)
			descriptors = count_descriptors();
		CHECK_EQ(count_descriptors(), descriptors);
	}
}

/* Bytes on their way while the worker is killed from outside. */
static int echo(assay_call *call)
{
	return assay_return(call, call->argument, call->argument_size);
}

struct killer {
	struct actor actor;
	int pid;
	uint32_t steps;
};

static void kill_soon(void *argument)
{
	struct killer *killer = argument;

	/* Not by giving way: on a busy machine each time would take as long as all others want. */
	for (volatile uint32_t i = 0; i < killer->steps; i = i + 1)
		;
	kill(killer->pid, SIGKILL);
}

ASSAY_TEST(brk_10_death_at_any_moment_of_an_exchange, .clause = "BRK-10",
	   .needs = MORTAL | ASSAY_CAP_WORKER_REUSE, .rounds = 60)
{
	enum { SIZE = 1 << 20 };
	unsigned char *bytes = malloc(SIZE);

	CHECK(bytes != NULL);
	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (unsigned char)(i * 7 + (i >> 8));
	for (int round = 0; round < scaled(60); round++) {
		assay_executor *executor = executor_new(s, 1);
		assay_future *first = submit_task(executor, return_pid, NULL, 0), *futures[4];
		struct killer killer = {.pid = result_int(first), .steps = 5000u * (unsigned)round};
		int accepted = 0;

		assay_future_release(first);
		actor_start(&killer.actor, kill_soon, &killer);
		for (; accepted < 4; accepted++) {
			struct assay_task task = {
				.function = echo, .argument = bytes, .argument_size = SIZE};

			if (assay_submit(executor, &task, &futures[accepted]))
				break;
		}
		for (int i = 0; i < accepted; i++) {
			struct assay_outcome outcome = {.error = 1};

			CHECK_OK(assay_future_outcome(futures[i], ASSAY_FOREVER, &outcome));
			if (outcome.error)
				CHECK_ERROR(outcome.error, ASSAY_EBROKEN);
			else
				CHECK(outcome.result_size == SIZE &&
				      memcmp(outcome.result, bytes, SIZE) == 0);
			assay_future_release(futures[i]);
		}
		actor_join(&killer.actor);
		executor_end(executor);
	}
	free(bytes);
}
