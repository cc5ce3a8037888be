/* SPDX-License-Identifier: MIT */
/* Broken executors, broken the one way every backend with initializers can be: by one that fails.
 * What the death of a worker does is in broken_worker.c. */
#include "fixture.h"
#include "waiter.h"

#include <stdlib.h>
#include <string.h>

#define BREAKABLE (ASSAY_CAP_INITIALIZER | ASSAY_CAP_ASYNCHRONOUS)

/* The call of the initializer with this number, and each later one, waits for the gate and fails. */
struct breaking {
	struct gate *gate;
	struct probe *entered; /* calls so far */
	struct probe *blocked; /* of those, the ones at the gate */
	uint32_t first;        /* counted from 0 */
};

static int break_at_the_gate(const void *argument, size_t size)
{
	const struct breaking *breaking = argument;
	uint32_t number = __atomic_fetch_add(&breaking->entered->count, 1, __ATOMIC_ACQ_REL);

	CHECK_EQ(size, sizeof *breaking);
	if (number < breaking->first)
		return 0;
	probe_hit(breaking->blocked);
	gate_wait(breaking->gate);
	return 1;
}

static void keep_silent(void *user, enum assay_severity severity, const char *message)
{
	(void)user;
	(void)severity;
	CHECK(*message);
}

static struct breaking breaking_new(struct subject *s, uint32_t first)
{
	return (struct breaking){gate_new(s), probe_new(s), probe_new(s), first};
}

static assay_executor *breakable(struct subject *s, int workers, const struct breaking *breaking)
{
	struct assay_config config = assay_config_default();

	config.workers = workers;
	config.initializer = break_at_the_gate;
	config.initializer_argument = breaking;
	config.initializer_argument_size = sizeof *breaking;
	config.log = keep_silent;
	return executor_with(s, &config);
}

/* One that is broken: a task of it has ended so. */
static assay_executor *broken_new(struct subject *s)
{
	struct breaking breaking = breaking_new(s, 0);
	assay_executor *executor = breakable(s, 1, &breaking);
	assay_future *future = submit_int(executor, 1);

	gate_open(breaking.gate);
	CHECK_ERROR(assay_future_result(future, ASSAY_FOREVER, NULL, 0), ASSAY_EBROKEN);
	assay_future_release(future);
	return executor;
}

static int submit_error(assay_executor *executor, assay_function *function)
{
	assay_future *const untouched = (assay_future *)executor;
	assay_future *future = untouched;
	struct assay_task task = {.function = function};
	int error = assay_submit(executor, &task, &future);

	CHECK(error != ASSAY_OK);
	CHECK(future == untouched);
	return error;
}

static int return_nothing(assay_call *call)
{
	return assay_return(call, NULL, 0);
}

ASSAY_TEST(brk_3_later_submits_are_refused, .clause = "BRK-3", .needs = BREAKABLE)
{
	assay_executor *executor = broken_new(s);
	struct assay_task tasks[3] = {{.function = return_nothing},
				      {.function = return_nothing},
				      {.function = return_nothing}};
	size_t accepted = 7;

	CHECK_ERROR(submit_error(executor, return_nothing), ASSAY_EBROKEN);
	CHECK_ERROR(assay_submit_many(executor, tasks, 3, NULL, &accepted), ASSAY_EBROKEN);
	CHECK_EQ(accepted, 0);
	executor_end(executor);
}

ASSAY_TEST(brk_4_no_worker_is_left, .clause = "BRK-4", .needs = BREAKABLE | ASSAY_CAP_OWNS_WORKERS)
{
	int threads = count_threads(), children = count_children();
	struct breaking breaking = breaking_new(s, 1);
	assay_executor *executor = breakable(s, 2, &breaking);
	assay_future *futures[4];

	for (int i = 0; i < 4; i++)
		futures[i] = submit_int(executor, i);
	gate_open(breaking.gate);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	CHECK_EQ(count_threads(), threads);
	CHECK_EQ(count_children(), children);
	for (int i = 0; i < 4; i++) {
		CHECK(assay_future_is_done(futures[i]));
		assay_future_release(futures[i]);
	}
	executor_end(executor);
}

ASSAY_TEST(brk_5_what_had_ended_stays, .clause = "BRK-5",
	   .needs = BREAKABLE | ASSAY_CAP_WORKER_LIMIT | ASSAY_CAP_CONCURRENT)
{
	struct breaking breaking = breaking_new(s, 1);
	assay_executor *executor = breakable(s, 2, &breaking);
	assay_future *finished = submit_int(executor, 41), *failed, *cancelled, *pending;
	struct gate *gate = gate_new(s);
	assay_future *busy[2];
	struct assay_outcome outcome = {.error = 1};

	CHECK_EQ(result_int(finished), 41);
	/* One for the worker there is, one to make the other start. */
	for (int i = 0; i < 2; i++)
		busy[i] = submit_gated(executor, gate, NULL, i);
	failed = submit_failing(executor, 5, "five");
	cancelled = submit_int(executor, 1);
	pending = submit_int(executor, 2);
	probe_await(breaking.blocked, 1);
	CHECK(assay_future_cancel(cancelled));
	gate_open(breaking.gate);
	CHECK_ERROR(assay_future_result(pending, ASSAY_FOREVER, NULL, 0), ASSAY_EBROKEN);
	gate_open(gate);
	executor_end(executor);
	CHECK_EQ(result_int(finished), 41);
	CHECK_ERROR(assay_future_result(cancelled, 0, NULL, 0), ASSAY_ECANCELLED);
	CHECK_OK(assay_future_outcome(failed, 0, &outcome));
	CHECK(outcome.error == ASSAY_EBROKEN ||
	      (outcome.error == ASSAY_EFAILED && outcome.code == 5));
	for (int i = 0; i < 2; i++) {
		CHECK(assay_future_is_done(busy[i]));
		assay_future_release(busy[i]);
	}
	assay_future_release(finished);
	assay_future_release(failed);
	assay_future_release(cancelled);
	assay_future_release(pending);
}

ASSAY_TEST(brk_6_an_error_of_its_own, .clause = "BRK-6")
{
	(void)s;
	CHECK_STR(assay_error_name(ASSAY_EBROKEN), "ASSAY_EBROKEN");
	for (int error = -18; error <= 0; error++)
		if (error != ASSAY_EBROKEN) {
			CHECK(strcmp(assay_error_name(error), "ASSAY_EBROKEN") != 0);
			CHECK(strcmp(assay_error_text(error), assay_error_text(ASSAY_EBROKEN)) !=
			      0);
		}
}

static int say_broken(assay_call *call)
{
	(void)call;
	return ASSAY_EBROKEN;
}

ASSAY_TEST(brk_6_a_task_cannot_say_it, .clause = "BRK-6")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_task(executor, say_broken, NULL, 0);
	assay_future *next = submit_int(executor, 3);

	CHECK_ERROR(assay_future_result(future, ASSAY_FOREVER, NULL, 0), ASSAY_EFAILED);
	CHECK_EQ(result_int(next), 3);
	executor_end(executor);
	assay_future_release(future);
	assay_future_release(next);
}

ASSAY_TEST(brk_7_each_future_has_its_own_message, .clause = "BRK-7", .needs = BREAKABLE)
{
	struct breaking breaking = breaking_new(s, 0);
	assay_executor *executor = breakable(s, 1, &breaking);
	assay_future *futures[3];
	struct assay_outcome outcomes[3];
	char *copy;

	for (int i = 0; i < 3; i++)
		futures[i] = submit_int(executor, i);
	gate_open(breaking.gate);
	for (int i = 0; i < 3; i++) {
		CHECK_OK(assay_future_outcome(futures[i], ASSAY_FOREVER, &outcomes[i]));
		CHECK_ERROR(outcomes[i].error, ASSAY_EBROKEN);
		CHECK(outcomes[i].message && !outcomes[i].result && !outcomes[i].result_size);
	}
	copy = strdup(outcomes[2].message);
	CHECK(copy != NULL);
	executor_end(executor);
	/* What the others had is gone; this one's stays. */
	assay_future_release(futures[0]);
	assay_future_release(futures[1]);
	CHECK_STR(outcomes[2].message, copy);
	assay_future_release(futures[2]);
	free(copy);
}

ASSAY_TEST(brk_13_shutdown_of_a_broken_executor_returns, .clause = "BRK-13", .needs = BREAKABLE)
{
	for (unsigned flags = 0; flags < 4; flags++) {
		assay_executor *executor = broken_new(s);

		CHECK_OK(assay_executor_shutdown(executor, flags));
		CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
		/* Broken goes before shut down. */
		CHECK_ERROR(submit_error(executor, return_nothing), ASSAY_EBROKEN);
		CHECK_OK(assay_executor_destroy(executor));
	}
}

static void hit_probe(assay_future *future, void *user)
{
	struct assay_outcome outcome = {.error = 1};

	CHECK_OK(assay_future_outcome(future, 0, &outcome));
	CHECK_ERROR(outcome.error, ASSAY_EBROKEN);
	probe_hit(user);
}

ASSAY_TEST(brk_14_a_break_releases_everyone, .clause = "BRK-14", .needs = BREAKABLE)
{
	struct breaking breaking = breaking_new(s, 0);
	assay_executor *executor = breakable(s, 1, &breaking);
	assay_future *future = submit_int(executor, 1);
	struct probe *told = probe_new(s);
	struct waiter waiters[WAIT_CALLS];

	CHECK_OK(assay_future_add_done_callback(future, hit_probe, told));
	waiters_park(waiters, WAIT_CALLS, future);
	gate_open(breaking.gate);
	waiters_join(waiters, WAIT_CALLS);
	for (int i = 0; i < WAIT_CALLS; i++)
		CHECK_ERROR(waiters[i].error, ASSAY_EBROKEN);
	probe_await(told, 1);
	executor_end(executor);
	CHECK_EQ(probe_count(told), 1);
	assay_future_release(future);
}

struct submitter {
	struct actor actor;
	assay_executor *executor;
	size_t batch; /* 1: one task after the other */
	int error;
};

static void submit_until_refused(void *argument)
{
	struct submitter *submitter = argument;
	const struct assay_task tasks[3] = {{.function = return_nothing},
					    {.function = return_nothing},
					    {.function = return_nothing}};

	while (!submitter->error)
		submitter->error = submitter->batch == 1
					   ? assay_submit(submitter->executor, tasks, NULL)
					   : assay_submit_many(submitter->executor, tasks,
							       submitter->batch, NULL, NULL);
}

ASSAY_TEST(brk_14_a_break_releases_blocked_submitters, .clause = "BRK-14",
	   .needs = BREAKABLE | ASSAY_CAP_BOUNDED_QUEUE)
{
	struct breaking breaking = breaking_new(s, 0);
	struct assay_config config = assay_config_default();
	struct submitter submitters[4] = {{.batch = 0}};
	assay_executor *executor;

	config.workers = 1;
	config.queue_capacity = 2;
	config.initializer = break_at_the_gate;
	config.initializer_argument = &breaking;
	config.initializer_argument_size = sizeof breaking;
	config.log = keep_silent;
	executor = executor_with(s, &config);
	for (int i = 0; i < 4; i++) {
		submitters[i].executor = executor;
		submitters[i].batch = i % 2 ? 3 : 1;
		actor_start(&submitters[i].actor, submit_until_refused, &submitters[i]);
	}
	for (int i = 0; i < 4; i++)
		actor_await_sleep(&submitters[i].actor);
	gate_open(breaking.gate);
	for (int i = 0; i < 4; i++) {
		actor_join(&submitters[i].actor);
		CHECK_ERROR(submitters[i].error, ASSAY_EBROKEN);
	}
	executor_end(executor);
}

ASSAY_TEST(brk_15_other_executors_are_not_affected, .clause = "BRK-15", .needs = BREAKABLE)
{
	assay_executor *before = executor_new(s, 1), *broken = broken_new(s);
	assay_executor *after = executor_new(s, 1);
	assay_future *a = submit_int(before, 1), *b = submit_int(after, 2);

	CHECK_EQ(result_int(a), 1);
	CHECK_EQ(result_int(b), 2);
	executor_end(broken);
	executor_end(before);
	executor_end(after);
	assay_future_release(a);
	assay_future_release(b);
}

ASSAY_TEST(brk_16_failing_tasks_do_not_break, .clause = "BRK-16")
{
	assay_executor *executor = executor_new(s, 2);
	assay_future *future;

	for (int i = 1; i <= 100; i++) {
		future = submit_failing(executor, i, "again");
		CHECK_ERROR(assay_future_result(future, ASSAY_FOREVER, NULL, 0), ASSAY_EFAILED);
		assay_future_release(future);
	}
	future = submit_int(executor, 7);
	CHECK_EQ(result_int(future), 7);
	assay_future_release(future);
	executor_end(executor);
}

ASSAY_TEST(brk_19_broken_is_for_ever, .clause = "BRK-19", .needs = BREAKABLE)
{
	struct breaking breaking = breaking_new(s, 0);
	assay_executor *executor = breakable(s, 2, &breaking);
	assay_future *future = submit_int(executor, 1);
	uint32_t entered;

	gate_open(breaking.gate);
	CHECK_ERROR(assay_future_result(future, ASSAY_FOREVER, NULL, 0), ASSAY_EBROKEN);
	for (int i = 0; i < 100; i++)
		CHECK_ERROR(submit_error(executor, return_nothing), ASSAY_EBROKEN);
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	/* And no worker was tried again. */
	entered = probe_count(breaking.entered);
	CHECK(entered >= 1 && entered <= 2);
	CHECK_ERROR(submit_error(executor, return_nothing), ASSAY_EBROKEN);
	CHECK_EQ(probe_count(breaking.entered), entered);
	executor_end(executor);
	assay_future_release(future);
}
