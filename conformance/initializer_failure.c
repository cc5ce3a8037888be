/* SPDX-License-Identifier: MIT */
/* An initializer that fails breaks the executor. */
#include "fixture.h"

#include <limits.h>
#include <string.h>

#define FAILURE_NEEDS (ASSAY_CAP_INITIALIZER | ASSAY_CAP_ASYNCHRONOUS)

/* What a failing initializer is given. */
struct failing_start {
	struct gate *gate;     /* waits for it; NULL: fails at once */
	struct probe *entered; /* calls so far; `inside` numbers them */
	uint32_t successes;    /* this many calls succeed */
	int code;              /* what the others return */
};

static int fail_to_start(const void *argument, size_t size)
{
	const struct failing_start *start = argument;
	uint32_t earlier = __atomic_fetch_add(&start->entered->inside, 1, __ATOMIC_ACQ_REL);

	CHECK_EQ(size, sizeof *start);
	probe_hit(start->entered);
	if (earlier < start->successes)
		return 0;
	if (start->gate)
		gate_wait(start->gate);
	return start->code;
}

/* What the diagnostic channel got. */
struct heard {
	int errors;
	int broken_lines; /* messages that are no whole line of text */
};

static void hear(void *user, enum assay_severity severity, const char *message)
{
	struct heard *heard = user;

	if (severity == ASSAY_LOG_ERROR)
		__atomic_fetch_add(&heard->errors, 1, __ATOMIC_RELAXED);
	if (!*message || strchr(message, '\n'))
		__atomic_fetch_add(&heard->broken_lines, 1, __ATOMIC_RELAXED);
}

static assay_executor *failing_executor(struct subject *s, int workers,
					const struct failing_start *start, struct heard *heard)
{
	struct assay_config config = assay_config_default();

	config.workers = workers;
	config.initializer = fail_to_start;
	config.initializer_argument = start;
	config.initializer_argument_size = sizeof *start;
	config.log = hear;
	config.log_user = heard;
	return executor_with(s, &config);
}

static void check_broken(assay_future *future)
{
	struct assay_outcome outcome;

	CHECK_OK(assay_future_outcome(future, ASSAY_FOREVER, &outcome));
	CHECK_ERROR(outcome.error, ASSAY_EBROKEN);
	CHECK_EQ(outcome.result_size, 0);
	CHECK(outcome.message != NULL);
	CHECK_EQ(assay_future_state(future), ASSAY_FINISHED);
}

/* The initializer fails while `count` tasks wait; all of them end broken, and none has run. */
static void check_pending_tasks_break(struct subject *s, int workers, int code)
{
	enum { COUNT = 8 };
	struct failing_start start = {gate_new(s), probe_new(s), 0, code};
	struct heard heard = {0, 0};
	struct probe *ran = probe_new(s);
	assay_executor *executor = failing_executor(s, workers, &start, &heard);
	assay_future *futures[COUNT];

	for (int i = 0; i < COUNT; i++)
		futures[i] = submit_hit(executor, ran);
	probe_await(start.entered, 1);
	CHECK(!assay_future_is_done(futures[0]));
	gate_open(start.gate);
	for (int i = 0; i < COUNT; i++)
		check_broken(futures[i]);
	executor_end(executor);
	CHECK_EQ(probe_count(ran), 0);
	CHECK(heard.errors >= 1);
	for (int i = 0; i < COUNT; i++)
		assay_future_release(futures[i]);
}

ASSAY_TEST(ini_4_pending_tasks_end_broken, .clause = "INI-4", .needs = FAILURE_NEEDS)
{
	check_pending_tasks_break(s, 1, 1);
}

ASSAY_TEST(ini_4_with_several_workers, .clause = "INI-4", .needs = FAILURE_NEEDS, .rounds = 20)
{
	for (int round = 0; round < scaled(20); round++)
		check_pending_tasks_break(s, 3, 1);
}

ASSAY_TEST(ini_4_whatever_the_initializer_returns, .clause = "INI-4", .needs = FAILURE_NEEDS)
{
	const int codes[] = {-1, 2, 256, INT_MAX, INT_MIN, ASSAY_ENOMEM, ASSAY_ECANCELLED};

	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
		check_pending_tasks_break(s, 1, codes[i]);
}

static void wait_for_future(void *argument)
{
	check_broken(argument);
}

static void count_call(assay_future *future, void *user)
{
	check_broken(future);
	probe_hit(user);
}

ASSAY_TEST(ini_4_waiters_and_callbacks_learn_of_it, .clause = "INI-4", .needs = FAILURE_NEEDS)
{
	struct failing_start start = {gate_new(s), probe_new(s), 0, 1};
	struct heard heard = {0, 0};
	struct probe *calls = probe_new(s);
	assay_executor *executor = failing_executor(s, 1, &start, &heard);
	assay_future *future = submit_int(executor, 1);
	struct actor actor;

	CHECK_OK(assay_future_add_done_callback(future, count_call, calls));
	actor_start(&actor, wait_for_future, future);
	actor_await_sleep(&actor);
	gate_open(start.gate);
	actor_join(&actor);
	executor_end(executor);
	CHECK_EQ(probe_count(calls), 1);
	assay_future_release(future);
}

/* An executor broken by its initializer, and known to be so. */
static assay_executor *broken_executor(struct subject *s, int workers, struct heard *heard)
{
	struct failing_start start = {gate_new(s), probe_new(s), 0, 1};
	assay_executor *executor = failing_executor(s, workers, &start, heard);
	assay_future *future = submit_int(executor, 1);

	gate_open(start.gate);
	check_broken(future);
	assay_future_release(future);
	return executor;
}

static int hit(assay_call *call)
{
	probe_hit(*(struct probe *const *)call->argument);
	return ASSAY_OK;
}

ASSAY_TEST(ini_5_submit_is_refused_afterwards, .clause = "INI-5", .needs = FAILURE_NEEDS)
{
	struct heard heard = {0, 0};
	struct probe *ran = probe_new(s);
	struct assay_task task = {hit, NULL, &ran, sizeof ran};
	assay_executor *executor = broken_executor(s, 2, &heard);
	assay_future *future = NULL;

	for (int attempt = 0; attempt < 3; attempt++) {
		CHECK_ERROR(assay_submit(executor, &task, &future), ASSAY_EBROKEN);
		CHECK(future == NULL);
	}
	executor_end(executor);
	CHECK_EQ(probe_count(ran), 0);
}

ASSAY_TEST(ini_5_batch_is_refused_afterwards, .clause = "INI-5", .needs = FAILURE_NEEDS)
{
	struct heard heard = {0, 0};
	struct probe *ran = probe_new(s);
	struct assay_task task = {hit, NULL, &ran, sizeof ran};
	const struct assay_task tasks[] = {task, task};
	assay_executor *executor = broken_executor(s, 2, &heard);
	assay_future *futures[] = {NULL, NULL};
	size_t accepted = 77;

	CHECK_ERROR(assay_submit_many(executor, tasks, 2, futures, &accepted), ASSAY_EBROKEN);
	CHECK_EQ(accepted, 0);
	CHECK(futures[0] == NULL && futures[1] == NULL);
	executor_end(executor);
	CHECK_EQ(probe_count(ran), 0);
}

ASSAY_TEST(ini_6_failure_is_reported, .clause = "INI-6", .needs = FAILURE_NEEDS)
{
	struct heard heard = {0, 0};

	executor_end(broken_executor(s, 1, &heard));
	CHECK(heard.errors >= 1);
	CHECK_EQ(heard.broken_lines, 0);
}

ASSAY_TEST(ini_6_success_is_not_reported, .clause = "INI-6", .needs = FAILURE_NEEDS)
{
	struct failing_start start = {NULL, probe_new(s), 1000, 1};
	struct heard heard = {0, 0};
	assay_executor *executor = failing_executor(s, 2, &start, &heard);
	assay_future *future = submit_int(executor, 6);

	CHECK_EQ(result_int(future), 6);
	assay_future_release(future);
	executor_end(executor);
	CHECK_EQ(heard.errors, 0);
}

ASSAY_TEST(ini_7_no_task_runs_where_it_failed, .clause = "INI-7", .needs = FAILURE_NEEDS,
	   .rounds = 20)
{
	for (int round = 0; round < scaled(20); round++) {
		struct failing_start start = {NULL, probe_new(s), 0, 1};
		struct heard heard = {0, 0};
		struct probe *ran = probe_new(s);
		assay_executor *executor = failing_executor(s, 2, &start, &heard);
		struct assay_task task = {hit, NULL, &ran, sizeof ran};
		int error = ASSAY_OK;

		/* Nothing holds the initializer: some are accepted, and then none. */
		for (int i = 0; i < 100 && !error; i++)
			error = assay_submit(executor, &task, NULL);
		if (error)
			CHECK_ERROR(error, ASSAY_EBROKEN);
		executor_end(executor);
		CHECK_EQ(probe_count(ran), 0);
	}
}

ASSAY_TEST(ini_8_running_tasks_end_one_way_or_the_other, .clause = "INI-8",
	   .needs = FAILURE_NEEDS | ASSAY_CAP_LAZY_WORKERS | ASSAY_CAP_CONCURRENT)
{
	struct failing_start start = {gate_new(s), probe_new(s), 1, 1};
	struct heard heard = {0, 0};
	struct probe *started = probe_new(s);
	struct gate *gate = gate_new(s);
	assay_executor *executor = failing_executor(s, 2, &start, &heard);
	assay_future *running = submit_gated(executor, gate, started, 12);
	assay_future *pending;
	struct assay_outcome outcome;

	probe_await(started, 1);
	pending = submit_int(executor, 13); /* its worker, the second, is never ready */
	gate_open(start.gate);
	check_broken(pending);
	gate_open(gate);
	CHECK_OK(assay_future_outcome(running, ASSAY_FOREVER, &outcome));
	if (outcome.error == ASSAY_OK)
		CHECK_EQ(result_int(running), 12);
	else
		CHECK_ERROR(outcome.error, ASSAY_EBROKEN);
	executor_end(executor);
	assay_future_release(running);
	assay_future_release(pending);
}

ASSAY_TEST(ini_9_nothing_is_left_behind, .clause = "INI-9",
	   .needs = FAILURE_NEEDS | ASSAY_CAP_OWNS_WORKERS)
{
	struct heard heard = {0, 0};
	int threads, children, descriptors;

	executor_end(broken_executor(s, 3, &heard)); /* what is made once and kept is made now */
	threads = count_threads();
	children = count_children();
	descriptors = count_descriptors();
	for (int round = 0; round < 5; round++)
		executor_end(broken_executor(s, 3, &heard));
	CHECK_EQ(count_threads(), threads);
	CHECK_EQ(count_children(), children);
	CHECK_EQ(count_descriptors(), descriptors);
}

ASSAY_TEST(ini_9_shutdown_while_the_initializer_fails, .clause = "INI-9", .needs = FAILURE_NEEDS,
	   .rounds = 20)
{
	for (int round = 0; round < scaled(20); round++) {
		struct failing_start start = {gate_new(s), probe_new(s), 0, 1};
		struct heard heard = {0, 0};
		assay_executor *executor = failing_executor(s, 2, &start, &heard);
		assay_future *future = submit_int(executor, 1);

		probe_await(start.entered, 1);
		CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT));
		gate_open(start.gate);
		executor_end(executor);
		check_broken(future);
		assay_future_release(future);
	}
}

/* One of the tasks that wait for a failing initializer is cancelled; the others end broken. */
static void check_cancelled_among_pending(struct subject *s, int cancelled)
{
	enum { COUNT = 4 };
	struct failing_start start = {gate_new(s), probe_new(s), 0, 1};
	struct heard heard = {0, 0};
	assay_executor *executor = failing_executor(s, 1, &start, &heard);
	assay_future *futures[COUNT];

	for (int i = 0; i < COUNT; i++)
		futures[i] = submit_int(executor, i);
	CHECK(assay_future_cancel(futures[cancelled]));
	gate_open(start.gate);
	for (int i = 0; i < COUNT; i++) {
		if (i != cancelled)
			check_broken(futures[i]);
	}
	executor_end(executor);
	CHECK_EQ(assay_future_state(futures[cancelled]), ASSAY_CANCELLED);
	CHECK_ERROR(assay_future_result(futures[cancelled], 0, NULL, 0), ASSAY_ECANCELLED);
	for (int i = 0; i < COUNT; i++)
		assay_future_release(futures[i]);
}

ASSAY_TEST(ini_12_cancelled_task_hides_none_behind_it, .clause = "INI-12",
	   .needs = FAILURE_NEEDS | ASSAY_CAP_EXACT_START)
{
	for (int cancelled = 0; cancelled < 4; cancelled++)
		check_cancelled_among_pending(s, cancelled);
}
