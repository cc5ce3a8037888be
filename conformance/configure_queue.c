/* SPDX-License-Identifier: MIT */
/* Bounded queues: what submit does when the queue is full. */
#include "fixture.h"

#include <unistd.h>

#define BOUNDED_NEEDS (ASSAY_CAP_BOUNDED_QUEUE | ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)

static assay_executor *bounded_executor(struct subject *s, int workers, size_t capacity,
					enum assay_when_full when_full)
{
	struct assay_config config = assay_config_default();

	config.workers = workers;
	config.queue_capacity = capacity;
	config.when_full = when_full;
	return executor_with(s, &config);
}

static int hit(assay_call *call)
{
	probe_hit(*(struct probe *const *)call->argument);
	return ASSAY_OK;
}

/* One worker that is busy, and a queue with no room left. */
struct full {
	assay_executor *executor;
	struct occupied busy;
	struct probe *ran; /* what is in the queue hits it */
	uint32_t queued;
};

static struct full fill(struct subject *s, uint32_t capacity, enum assay_when_full when_full)
{
	struct full full = {.executor = bounded_executor(s, 1, capacity, when_full),
			    .ran = probe_new(s),
			    .queued = capacity};

	full.busy = occupy_workers(s, full.executor, 1);
	for (uint32_t i = 0; i < capacity; i++)
		assay_future_release(submit_hit(full.executor, full.ran));
	CHECK_EQ(probe_count(full.ran), 0);
	return full;
}

/* Lets everything run. `more` tasks were accepted after the queue was full. */
static void finish(struct full *full, uint32_t more)
{
	release_workers(&full->busy);
	executor_end(full->executor);
	CHECK_EQ(probe_count(full->ran), full->queued + more);
}

/* A thread that submits one task more. */
struct submitter {
	struct actor actor;
	assay_executor *executor;
	struct probe *ran;
	uint32_t has_returned;
	int error;
};

static void submit_one_more(void *argument)
{
	struct submitter *me = argument;
	struct assay_task task = {hit, NULL, &me->ran, sizeof me->ran};

	me->error = assay_submit(me->executor, &task, NULL);
	__atomic_store_n(&me->has_returned, 1, __ATOMIC_RELEASE);
}

static void start_blocked(struct submitter *submitter, const struct full *full)
{
	*submitter = (struct submitter){.executor = full->executor, .ran = full->ran};
	actor_start(&submitter->actor, submit_one_more, submitter);
	actor_await_sleep(&submitter->actor);
	CHECK_EQ(__atomic_load_n(&submitter->has_returned, __ATOMIC_ACQUIRE), 0);
}

ASSAY_TEST(bq_3_submit_waits_for_room, .clause = "BQ-3", .needs = BOUNDED_NEEDS)
{
	struct full full = fill(s, 2, ASSAY_FULL_BLOCK);
	struct submitter submitters[3];

	for (int i = 0; i < 3; i++)
		start_blocked(&submitters[i], &full);
	release_workers(&full.busy);
	for (int i = 0; i < 3; i++) {
		actor_join(&submitters[i].actor);
		CHECK_OK(submitters[i].error);
	}
	finish(&full, 3);
}

ASSAY_TEST(bq_3_queue_takes_what_it_holds, .clause = "BQ-3", .needs = BOUNDED_NEEDS)
{
	for (uint32_t capacity = 1; capacity <= 64; capacity *= 4) {
		struct full full = fill(s, capacity, ASSAY_FULL_BLOCK);

		finish(&full, 0);
	}
}

ASSAY_TEST(bq_3_shutdown_refuses_who_waits, .clause = "BQ-3", .needs = BOUNDED_NEEDS)
{
	struct full full = fill(s, 1, ASSAY_FULL_BLOCK);
	struct submitter submitters[2];

	for (int i = 0; i < 2; i++)
		start_blocked(&submitters[i], &full);
	CHECK_OK(assay_executor_shutdown(full.executor, ASSAY_SHUTDOWN_NOWAIT));
	for (int i = 0; i < 2; i++) {
		actor_join(&submitters[i].actor);
		CHECK_ERROR(submitters[i].error, ASSAY_ESHUTDOWN);
	}
	finish(&full, 0);
}

/* Submits two tasks to its own executor, whose queue has room for one. Returns the second error. */
static int submit_two(assay_call *call)
{
	struct probe *ran = *(struct probe *const *)call->argument;
	struct assay_task task = {hit, NULL, &ran, sizeof ran};
	int error;

	CHECK_OK(assay_submit(call->executor, &task, NULL));
	error = assay_submit(call->executor, &task, NULL);
	return assay_return(call, &error, sizeof error);
}

ASSAY_TEST(bq_3_task_of_the_executor_does_not_wait, .clause = "BQ-3",
	   .needs = BOUNDED_NEEDS | ASSAY_CAP_NESTED_SUBMIT)
{
	struct probe *ran = probe_new(s);
	assay_executor *executor = bounded_executor(s, 1, 1, ASSAY_FULL_BLOCK);
	assay_future *future = submit_task(executor, submit_two, &ran, sizeof ran);

	CHECK_ERROR(result_int(future), ASSAY_EFULL);
	assay_future_release(future);
	executor_end(executor);
	CHECK_EQ(probe_count(ran), 1);
}

ASSAY_TEST(bq_3_batch_waits_for_room, .clause = "BQ-3", .needs = ASSAY_CAP_BOUNDED_QUEUE)
{
	enum { COUNT = 100 };
	struct probe *ran = probe_new(s);
	struct assay_task tasks[COUNT];
	assay_executor *executor = bounded_executor(s, 2, 3, ASSAY_FULL_BLOCK);
	size_t accepted = 0;

	for (int i = 0; i < COUNT; i++)
		tasks[i] = (struct assay_task){hit, NULL, &ran, sizeof ran};
	CHECK_OK(assay_submit_many(executor, tasks, COUNT, NULL, &accepted));
	CHECK_EQ(accepted, COUNT);
	executor_end(executor);
	CHECK_EQ(probe_count(ran), COUNT);
}

static int submit_unknown(const struct full *full)
{
	struct assay_task good = {hit, NULL, &full->ran, sizeof full->ran};
	const struct assay_task tasks[] = {{NULL, "no name at all", NULL, 0}, good};
	size_t accepted = 77;
	int error = assay_submit_many(full->executor, tasks, 2, NULL, &accepted);

	CHECK_EQ(accepted, 0);
	CHECK_ERROR(assay_submit(full->executor, tasks, NULL), error);
	return error;
}

ASSAY_TEST(bq_3_a_task_that_is_wrong_needs_no_room, .clause = "BQ-3",
	   .needs = BOUNDED_NEEDS | ASSAY_CAP_NAMED_FUNCTIONS)
{
	const enum assay_when_full ways[] = {ASSAY_FULL_REJECT, ASSAY_FULL_BLOCK,
					     ASSAY_FULL_CALLER_RUNS};
	struct assay_task wrong = {NULL, "no name at all", NULL, 0};
	assay_executor *executor = executor_new(s, 1);
	int error = assay_submit(executor, &wrong, NULL);

	executor_end(executor);
	if (!error) /* the name is resolved elsewhere: it is a task like any */
		return;
	for (int i = 0; i < 3; i++) {
		struct full full = fill(s, 2, ways[i]);

		CHECK_ERROR(submit_unknown(&full), ASSAY_EUNKNOWN);
		finish(&full, 0);
	}
}

enum { PRODUCERS = 3, EACH = 200 };

struct producer {
	struct actor actor;
	assay_executor *executor;
	struct probe *started;
	struct probe *accepted;
	int most_ahead; /* accepted and not started, as far as this thread saw */
};

static void produce(void *argument)
{
	struct producer *me = argument;

	for (int i = 0; i < EACH; i++) {
		int accepted, ahead;

		assay_future_release(submit_hit(me->executor, me->started));
		probe_hit(me->accepted);
		/* In this order: what starts in between only makes the difference smaller. */
		accepted = (int)probe_count(me->accepted);
		ahead = accepted - (int)probe_count(me->started);
		if (ahead > me->most_ahead)
			me->most_ahead = ahead;
	}
}

ASSAY_TEST(bq_3_producers_stay_within_the_capacity, .clause = "BQ-3",
	   .needs = ASSAY_CAP_BOUNDED_QUEUE, .rounds = PRODUCERS * EACH)
{
	/* Each worker may have taken tasks that have not reached their first line. */
	int bound = 2 + 2 * (1 + (int)s->backend->lookahead);
	struct producer producers[PRODUCERS];
	struct probe *started = probe_new(s), *accepted = probe_new(s);
	assay_executor *executor = bounded_executor(s, 2, 2, ASSAY_FULL_BLOCK);

	for (int i = 0; i < PRODUCERS; i++) {
		producers[i] = (struct producer){
			.executor = executor, .started = started, .accepted = accepted};
		actor_start(&producers[i].actor, produce, &producers[i]);
	}
	for (int i = 0; i < PRODUCERS; i++) {
		actor_join(&producers[i].actor);
		CHECK(producers[i].most_ahead <= bound);
	}
	executor_end(executor);
	CHECK_EQ(probe_count(started), PRODUCERS * EACH);
}

static void check_full(const struct full *full)
{
	struct assay_task task = {hit, NULL, &full->ran, sizeof full->ran};
	assay_future untouched = {NULL};
	assay_future *future = &untouched;

	CHECK_ERROR(assay_submit(full->executor, &task, &future), ASSAY_EFULL);
	CHECK(future == &untouched);
}

ASSAY_TEST(rej_2_full_queue_refuses, .clause = "REJ-2", .needs = BOUNDED_NEEDS)
{
	struct full full = fill(s, 2, ASSAY_FULL_REJECT);

	check_full(&full);
	check_full(&full);
	finish(&full, 0);
}

ASSAY_TEST(rej_2_batch_is_accepted_up_to_the_capacity, .clause = "REJ-2", .needs = BOUNDED_NEEDS)
{
	struct probe *ran = probe_new(s);
	struct assay_task task = {hit, NULL, &ran, sizeof ran};
	const struct assay_task tasks[] = {task, task, task, task, task};
	assay_executor *executor = bounded_executor(s, 1, 3, ASSAY_FULL_REJECT);
	struct occupied busy = occupy_workers(s, executor, 1);
	assay_future *futures[5] = {NULL};
	size_t accepted = 77;

	CHECK_ERROR(assay_submit_many(executor, tasks, 5, futures, &accepted), ASSAY_EFULL);
	CHECK_EQ(accepted, 3);
	CHECK(futures[3] == NULL && futures[4] == NULL);
	release_workers(&busy);
	for (int i = 0; i < 3; i++) {
		CHECK_OK(assay_future_result(futures[i], ASSAY_FOREVER, NULL, 0));
		assay_future_release(futures[i]);
	}
	executor_end(executor);
	CHECK_EQ(probe_count(ran), 3);
}

ASSAY_TEST(rej_2_shutdown_goes_before_full, .clause = "REJ-2", .needs = BOUNDED_NEEDS)
{
	struct full full = fill(s, 1, ASSAY_FULL_REJECT);
	struct assay_task task = {hit, NULL, &full.ran, sizeof full.ran};

	CHECK_OK(assay_executor_shutdown(full.executor, ASSAY_SHUTDOWN_NOWAIT));
	CHECK_ERROR(assay_submit(full.executor, &task, NULL), ASSAY_ESHUTDOWN);
	finish(&full, 0);
}

ASSAY_TEST(rej_7_refused_task_is_accepted_later, .clause = "REJ-7", .needs = BOUNDED_NEEDS)
{
	struct full full = fill(s, 2, ASSAY_FULL_REJECT);

	check_full(&full);
	release_workers(&full.busy);
	probe_await(full.ran, 2);
	assay_future_release(submit_hit(full.executor, full.ran));
	finish(&full, 1);
}

ASSAY_TEST(rej_3_caller_runs_what_finds_no_room, .clause = "REJ-3", .needs = BOUNDED_NEEDS)
{
	struct full full = fill(s, 2, ASSAY_FULL_CALLER_RUNS);

	for (int i = 0; i < 3; i++) {
		assay_future *future = submit_task(full.executor, return_tid, NULL, 0);

		CHECK_EQ(assay_future_state(future), ASSAY_FINISHED);
		CHECK_EQ(result_int(future), gettid());
		assay_future_release(future);
	}
	CHECK_EQ(probe_count(full.ran), 0);
	finish(&full, 0);
}

ASSAY_TEST(rej_3_failure_of_a_task_run_by_the_caller, .clause = "REJ-3", .needs = BOUNDED_NEEDS)
{
	struct full full = fill(s, 1, ASSAY_FULL_CALLER_RUNS);
	assay_future *future = submit_failing(full.executor, 31, "as it should");
	struct assay_outcome outcome;

	CHECK_OK(assay_future_outcome(future, 0, &outcome));
	CHECK_ERROR(outcome.error, ASSAY_EFAILED);
	CHECK_EQ(outcome.code, 31);
	CHECK_STR(outcome.message, "as it should");
	CHECK(!assay_future_cancel(future));
	assay_future_release(future);
	finish(&full, 0);
}

ASSAY_TEST(rej_3_worker_runs_what_finds_room, .clause = "REJ-3", .needs = BOUNDED_NEEDS)
{
	assay_executor *executor = bounded_executor(s, 1, 1, ASSAY_FULL_CALLER_RUNS);
	struct occupied busy = occupy_workers(s, executor, 1);
	assay_future *future = submit_task(executor, return_tid, NULL, 0);

	CHECK_EQ(assay_future_state(future), ASSAY_PENDING);
	release_workers(&busy);
	CHECK(result_int(future) != gettid());
	assay_future_release(future);
	executor_end(executor);
}

ASSAY_TEST(rej_3_caller_runs_nothing_after_shutdown, .clause = "REJ-3", .needs = BOUNDED_NEEDS)
{
	struct full full = fill(s, 1, ASSAY_FULL_CALLER_RUNS);
	struct assay_task task = {hit, NULL, &full.ran, sizeof full.ran};

	CHECK_OK(assay_executor_shutdown(full.executor, ASSAY_SHUTDOWN_NOWAIT));
	CHECK_ERROR(assay_submit(full.executor, &task, NULL), ASSAY_ESHUTDOWN);
	finish(&full, 0);
}

ASSAY_TEST(rej_3_batch_runs_in_part_here, .clause = "REJ-3", .needs = BOUNDED_NEEDS)
{
	struct assay_task task = {return_tid, NULL, NULL, 0};
	const struct assay_task tasks[] = {task, task, task, task, task};
	assay_executor *executor = bounded_executor(s, 1, 2, ASSAY_FULL_CALLER_RUNS);
	struct occupied busy = occupy_workers(s, executor, 1);
	assay_future *futures[5];
	size_t accepted = 0;

	CHECK_OK(assay_submit_many(executor, tasks, 5, futures, &accepted));
	CHECK_EQ(accepted, 5);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(assay_future_state(futures[i]), i < 2 ? ASSAY_PENDING : ASSAY_FINISHED);
	release_workers(&busy);
	for (int i = 0; i < 5; i++) {
		CHECK_EQ(result_int(futures[i]) == gettid(), i >= 2);
		assay_future_release(futures[i]);
	}
	executor_end(executor);
}

/* A thread that shuts the executor down and notes when it is through. */
struct closer {
	struct actor actor;
	assay_executor *executor;
	struct trace *trace;
};

enum { TASK_ENDED, SHUTDOWN_RETURNED };

static void shut_down(void *argument)
{
	struct closer *me = argument;

	CHECK_OK(assay_executor_shutdown(me->executor, ASSAY_SHUTDOWN_WAIT));
	trace_add(me->trace, SHUTDOWN_RETURNED);
}

struct slow_task {
	struct gate *gate;
	struct probe *started;
	struct trace *trace;
};

static int run_slowly(assay_call *call)
{
	const struct slow_task *slow = call->argument;

	probe_hit(slow->started);
	gate_wait(slow->gate);
	trace_add(slow->trace, TASK_ENDED);
	return ASSAY_OK;
}

struct lender {
	struct actor actor;
	assay_executor *executor;
	struct slow_task slow;
};

/* Submits to a full queue, and so runs the task itself. */
static void lend_thread(void *argument)
{
	struct lender *me = argument;

	assay_future_release(submit_task(me->executor, run_slowly, &me->slow, sizeof me->slow));
}

ASSAY_TEST(rej_3_shutdown_waits_for_the_callers_task, .clause = "REJ-3", .needs = BOUNDED_NEEDS)
{
	struct full full = fill(s, 1, ASSAY_FULL_CALLER_RUNS);
	struct slow_task slow = {gate_new(s), probe_new(s), trace_new(s, 2)};
	struct lender lender = {.executor = full.executor, .slow = slow};
	struct closer closer = {.executor = full.executor, .trace = slow.trace};

	actor_start(&lender.actor, lend_thread, &lender);
	probe_await(slow.started, 1);
	release_workers(&full.busy);
	probe_await(full.ran, 1);
	actor_start(&closer.actor, shut_down, &closer);
	actor_await_sleep(&closer.actor);
	gate_open(slow.gate);
	actor_join(&closer.actor);
	actor_join(&lender.actor);
	CHECK_EQ(trace_at(slow.trace, 0), TASK_ENDED);
	CHECK_EQ(trace_at(slow.trace, 1), SHUTDOWN_RETURNED);
	executor_end(full.executor);
}
