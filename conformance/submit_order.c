/* SPDX-License-Identifier: MIT */
/* Submitting from several threads, from tasks, at exit and against shutdown: order and accounts. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define ORDER_NEEDS (ASSAY_CAP_SUBMITTER_FIFO | ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)

/* MOST: so many that a shutdown which begins with them comes before they are through. */
enum { PRODUCERS = 4, EACH = 100, MOST = 500 };

#define TASKS ((size_t)PRODUCERS * EACH)

/* A thread that submits. */
struct producer {
	struct actor actor;
	assay_executor *executor;
	struct probe *meeting; /* of all producers, and of the test if it takes part */
	uint32_t parties;
	uint32_t *counters; /* one for each task it submits */
	struct trace *trace;
	int64_t first_entry;
	assay_future *futures[MOST];
	int accepted;
};

static int count_up(assay_call *call)
{
	uint32_t *counter = *(uint32_t *const *)call->argument;

	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
	return ASSAY_OK;
}

static int compare_addresses(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t) * (assay_future *const *)a;
	uintptr_t y = (uintptr_t) * (assay_future *const *)b;

	return (x > y) - (x < y);
}

static void submit_counts(void *argument)
{
	struct producer *me = argument;

	meet(me->meeting, me->parties);
	for (int i = 0; i < EACH; i++) {
		uint32_t *counter = &me->counters[i];

		me->futures[i] = submit_task(me->executor, count_up, &counter, sizeof counter);
	}
}

static void race_producers(struct subject *s)
{
	static struct producer producers[PRODUCERS];
	static assay_future *all[TASKS];
	uint32_t *counters = shared_new(s, TASKS * sizeof *counters);
	struct probe *meeting = probe_new(s);
	assay_executor *executor = executor_new(s, s->workers);

	for (size_t p = 0; p < PRODUCERS; p++) {
		producers[p] = (struct producer){.executor = executor,
						 .meeting = meeting,
						 .parties = PRODUCERS,
						 .counters = counters + p * EACH};
		actor_start(&producers[p].actor, submit_counts, &producers[p]);
	}
	for (size_t p = 0; p < PRODUCERS; p++) {
		actor_join(&producers[p].actor);
		for (size_t i = 0; i < EACH; i++)
			all[p * EACH + i] = producers[p].futures[i];
	}
	executor_end(executor);
	for (size_t i = 0; i < TASKS; i++)
		CHECK_EQ(counters[i], 1);
	qsort(all, TASKS, sizeof(assay_future *), compare_addresses);
	for (size_t i = 0; i < TASKS; i++) {
		CHECK(i == 0 || all[i] != all[i - 1]);
		CHECK_EQ(assay_future_state(all[i]), ASSAY_FINISHED);
	}
	for (size_t i = 0; i < TASKS; i++)
		assay_future_release(all[i]);
}

ASSAY_TEST(sub_11_concurrent_submits_lose_nothing, .clause = "SUB-11", .rounds = 5)
{
	for (int round = 0; round < scaled(5); round++)
		race_producers(s);
}

static void check_in_order(struct trace *trace, uint32_t count)
{
	CHECK_EQ(trace_length(trace), count);
	for (uint32_t i = 0; i < count; i++)
		CHECK_EQ(trace_at(trace, i), i);
}

ASSAY_TEST(sub_12_one_worker_starts_in_order, .clause = "SUB-12", .needs = ORDER_NEEDS)
{
	enum { COUNT = 500 };
	assay_executor *executor = executor_new(s, 1);
	struct trace *trace = trace_new(s, COUNT);
	struct occupied busy = occupy_workers(s, executor, 1);

	for (int i = 0; i < COUNT; i++)
		assay_future_release(submit_trace(executor, trace, i));
	release_workers(&busy);
	executor_end(executor);
	check_in_order(trace, COUNT);
}

ASSAY_TEST(sub_12_order_while_the_worker_works, .clause = "SUB-12",
	   .needs = ASSAY_CAP_SUBMITTER_FIFO)
{
	enum { COUNT = 500 };
	assay_executor *executor = executor_new(s, 1);
	struct trace *trace = trace_new(s, COUNT);

	for (int i = 0; i < COUNT; i++)
		assay_future_release(submit_trace(executor, trace, i));
	executor_end(executor);
	check_in_order(trace, COUNT);
}

struct trace_entry {
	struct trace *trace;
	int64_t entry;
};

static int add_to_trace(assay_call *call)
{
	const struct trace_entry *what = call->argument;

	trace_add(what->trace, what->entry);
	return ASSAY_OK;
}

ASSAY_TEST(sub_12_batches_and_single_tasks_in_order, .clause = "SUB-12", .needs = ORDER_NEEDS)
{
	enum { COUNT = 600, SINGLE = 10 };
	static struct trace_entry entries[COUNT];
	static struct assay_task tasks[COUNT];
	assay_executor *executor = executor_new(s, 1);
	struct trace *trace = trace_new(s, COUNT + 2 * SINGLE);
	struct occupied busy = occupy_workers(s, executor, 1);

	for (int i = 0; i < SINGLE; i++)
		assay_future_release(submit_trace(executor, trace, i));
	for (int i = 0; i < COUNT; i++) {
		entries[i] = (struct trace_entry){trace, SINGLE + i};
		tasks[i] = (struct assay_task){add_to_trace, NULL, &entries[i], sizeof entries[i]};
	}
	CHECK_OK(assay_submit_many(executor, tasks, COUNT, NULL, NULL));
	for (int i = 0; i < SINGLE; i++)
		assay_future_release(submit_trace(executor, trace, SINGLE + COUNT + i));
	release_workers(&busy);
	executor_end(executor);
	check_in_order(trace, COUNT + 2 * SINGLE);
}

/* A thread that submits one task, before the next one is started. */
static void submit_first_entry(void *argument)
{
	struct producer *me = argument;

	assay_future_release(submit_trace(me->executor, me->trace, me->first_entry));
}

ASSAY_TEST(sub_12_one_after_the_other_from_different_threads, .clause = "SUB-12",
	   .needs = ORDER_NEEDS | ASSAY_CAP_FIFO)
{
	static struct producer second;
	assay_executor *executor = executor_new(s, 1);
	struct trace *trace = trace_new(s, 3);
	struct occupied busy = occupy_workers(s, executor, 1);

	CHECK(s->backend->capabilities & ASSAY_CAP_SUBMITTER_FIFO);
	second = (struct producer){.executor = executor, .trace = trace, .first_entry = 1};
	assay_future_release(submit_trace(executor, trace, 0));
	actor_start(&second.actor, submit_first_entry, &second);
	actor_join(&second.actor);
	assay_future_release(submit_trace(executor, trace, 2));
	release_workers(&busy);
	executor_end(executor);
	check_in_order(trace, 3);
}

static void submit_traces(void *argument)
{
	struct producer *me = argument;

	meet(me->meeting, me->parties);
	for (int i = 0; i < EACH; i++)
		assay_future_release(submit_trace(me->executor, me->trace, me->first_entry + i));
}

ASSAY_TEST(sub_13_each_producers_tasks_keep_their_order, .clause = "SUB-13", .needs = ORDER_NEEDS)
{
	static struct producer producers[PRODUCERS];
	int64_t next[PRODUCERS] = {0};
	assay_executor *executor = executor_new(s, 1);
	struct trace *trace = trace_new(s, PRODUCERS * EACH);
	struct probe *meeting = probe_new(s);
	struct occupied busy = occupy_workers(s, executor, 1);

	for (int p = 0; p < PRODUCERS; p++) {
		producers[p] = (struct producer){.executor = executor,
						 .meeting = meeting,
						 .parties = PRODUCERS,
						 .trace = trace,
						 .first_entry = (int64_t)p * EACH};
		actor_start(&producers[p].actor, submit_traces, &producers[p]);
	}
	for (int p = 0; p < PRODUCERS; p++)
		actor_join(&producers[p].actor);
	release_workers(&busy);
	executor_end(executor);
	CHECK_EQ(trace_length(trace), PRODUCERS * EACH);
	for (uint32_t i = 0; i < TASKS; i++) {
		int64_t entry = trace_at(trace, i);

		CHECK_EQ(entry % EACH, next[entry / EACH]++);
	}
}

static int submit_child(assay_call *call)
{
	assay_future **child = *(assay_future ***)(uintptr_t)call->argument;

	*child = submit_int(call->executor, 23);
	return ASSAY_OK;
}

ASSAY_TEST(sub_15_task_submits_to_its_own_executor, .clause = "SUB-15",
	   .needs = ASSAY_CAP_NESTED_SUBMIT | ASSAY_CAP_SHARED_MEMORY)
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *child = NULL;
	assay_future **address = &child;
	assay_future *parent = submit_task(executor, submit_child, &address, sizeof address);

	CHECK_OK(assay_future_result(parent, ASSAY_FOREVER, NULL, 0));
	CHECK_EQ(result_int(child), 23);
	assay_future_release(child);
	assay_future_release(parent);
	executor_end(executor);
}

struct chain {
	uint32_t left;
	struct probe *ends;
};

/* Submits its own successor. */
static int run_chain(assay_call *call)
{
	struct chain rest = *(const struct chain *)call->argument;
	struct assay_task task = {run_chain, NULL, &rest, sizeof rest};

	if (rest.left == 0) {
		probe_hit(rest.ends);
		return ASSAY_OK;
	}
	rest.left--;
	return assay_submit(call->executor, &task, NULL);
}

ASSAY_TEST(sub_15_chains_of_tasks_that_submit, .clause = "SUB-15", .needs = ASSAY_CAP_NESTED_SUBMIT)
{
	struct chain chain = {100, probe_new(s)};
	assay_executor *executor = executor_new(s, s->workers);

	for (int i = 0; i < 5; i++)
		assay_future_release(submit_task(executor, run_chain, &chain, sizeof chain));
	probe_await(chain.ends, 5);
	executor_end(executor);
	CHECK_EQ(probe_count(chain.ends), 5);
}

/* Submits until it is refused, or has no more room for futures. */
static void submit_until_refused(void *argument)
{
	struct producer *me = argument;
	uint32_t *counter = me->counters;
	struct assay_task task = {count_up, NULL, &counter, sizeof counter};
	int error = ASSAY_OK;

	meet(me->meeting, me->parties);
	while (!error && me->accepted < MOST) {
		error = assay_submit(me->executor, &task, &me->futures[me->accepted]);
		me->accepted += !error;
	}
	if (error)
		CHECK_ERROR(error, ASSAY_ESHUTDOWN);
}

static void race_shutdown(struct subject *s, unsigned flags)
{
	static struct producer producers[PRODUCERS];
	uint32_t *executed = shared_new(s, sizeof *executed);
	struct probe *meeting = probe_new(s);
	assay_executor *executor = executor_new(s, s->workers);
	int accepted = 0, cancelled = 0;

	for (int p = 0; p < PRODUCERS; p++) {
		producers[p] = (struct producer){.executor = executor,
						 .meeting = meeting,
						 .parties = PRODUCERS + 1,
						 .counters = executed};
		actor_start(&producers[p].actor, submit_until_refused, &producers[p]);
	}
	meet(meeting, PRODUCERS + 1);
	CHECK_OK(assay_executor_shutdown(executor, flags));
	for (int p = 0; p < PRODUCERS; p++)
		actor_join(&producers[p].actor);
	executor_end(executor);
	for (int p = 0; p < PRODUCERS; p++) {
		accepted += producers[p].accepted;
		for (int i = 0; i < producers[p].accepted; i++) {
			CHECK(assay_future_is_done(producers[p].futures[i]));
			cancelled += assay_future_state(producers[p].futures[i]) == ASSAY_CANCELLED;
			assay_future_release(producers[p].futures[i]);
		}
	}
	CHECK_EQ(*executed + (uint32_t)cancelled, accepted);
	CHECK(cancelled == 0 || (flags & ASSAY_SHUTDOWN_CANCEL_PENDING));
}

ASSAY_TEST(sub_17_submit_against_shutdown, .clause = "SUB-17", .rounds = 40)
{
	for (int round = 0; round < scaled(40); round++)
		race_shutdown(s, round % 2 ? ASSAY_SHUTDOWN_NOWAIT : ASSAY_SHUTDOWN_WAIT);
}

ASSAY_TEST(sub_17_submit_against_cancelling_shutdown, .clause = "SUB-17", .rounds = 40)
{
	for (int round = 0; round < scaled(40); round++)
		race_shutdown(s, ASSAY_SHUTDOWN_CANCEL_PENDING |
					 (round % 2 ? ASSAY_SHUTDOWN_WAIT : 0));
}

/* What an exit handler submits; handlers take no argument. */
static struct {
	assay_executor *executor;
	uint32_t *ran;
	int *error;
} last_words;

static void submit_at_exit(void)
{
	struct assay_task task = {count_up, NULL, &last_words.ran, sizeof last_words.ran};

	*last_words.error = assay_submit(last_words.executor, &task, NULL);
}

/* A program that submits while it exits, and never destroys its executor. What was accepted ran. */
static void check_submit_at_exit(struct subject *s, bool handler_first)
{
	int status;
	pid_t child;

	last_words.ran = shared_new(s, sizeof *last_words.ran);
	last_words.error = shared_new(s, sizeof *last_words.error);
	*last_words.error = 1;
	fflush(NULL);
	child = fork();
	if (child == 0) {
		if (handler_first)
			atexit(submit_at_exit);
		last_words.executor = executor_new(s, 1);
		if (!handler_first)
			atexit(submit_at_exit);
		assay_future_release(submit_int(last_words.executor, 1));
		exit(0);
	}
	CHECK(child > 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
	if (*last_words.error != ASSAY_ESHUTDOWN)
		CHECK_ERROR(*last_words.error, ASSAY_OK);
	CHECK_EQ(*last_words.ran, *last_words.error == ASSAY_OK);
}

ASSAY_TEST(sub_18_submit_in_an_early_exit_handler, .clause = "SUB-18",
	   .needs = ASSAY_CAP_DRAINS_AT_EXIT)
{
	check_submit_at_exit(s, false);
}

ASSAY_TEST(sub_18_submit_in_a_late_exit_handler, .clause = "SUB-18",
	   .needs = ASSAY_CAP_DRAINS_AT_EXIT)
{
	check_submit_at_exit(s, true);
}

ASSAY_TEST(sub_19_worker_that_cannot_be_started, .clause = "SUB-19", .needs = ASSAY_CAP_STACK_SIZE)
{
	uint32_t *ran = shared_new(s, sizeof *ran);
	struct assay_task task = {count_up, NULL, &ran, sizeof ran};
	struct assay_config config = assay_config_default();
	assay_executor *executor;
	assay_future *future = NULL;
	int error;

	config.workers = 2;
	config.stack_size = (size_t)1 << 50; /* more than there are addresses */
	error = assay_executor_create(s->backend, &config, &executor);
	if (error) {
		CHECK(error == ASSAY_ERESOURCE || error == ASSAY_ENOMEM);
		return;
	}
	for (int attempt = 0; attempt < 2; attempt++) {
		error = assay_submit(executor, &task, &future);
		CHECK(error == ASSAY_ERESOURCE || error == ASSAY_ENOMEM);
		CHECK(future == NULL);
	}
	executor_end(executor);
	CHECK_EQ(*ran, 0);
}

/* A task that submits itself until another has run. */
struct selfish {
	struct probe *started;
	struct gate *gate; /* open when the other is there */
	struct probe *over;
};

static int submit_itself(assay_call *call)
{
	struct selfish *selfish = *(struct selfish *const *)call->argument;

	probe_hit(selfish->started);
	gate_wait(selfish->gate);
	if (!probe_count(selfish->over))
		assay_future_release(
			submit_task(call->executor, submit_itself, &selfish, sizeof selfish));
	return ASSAY_OK;
}

ASSAY_TEST(sub_32_who_submits_itself_keeps_nobody_out, .clause = "SUB-32",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_NESTED_SUBMIT | ASSAY_CAP_NESTED_WAIT)
{
	assay_executor *executor = executor_new(s, 1);
	struct selfish *selfish = shared_new(s, sizeof *selfish);
	assay_future *other;

	*selfish = (struct selfish){probe_new(s), gate_new(s), probe_new(s)};
	assay_future_release(submit_task(executor, submit_itself, &selfish, sizeof selfish));
	probe_await(selfish->started, 1);
	other = submit_hit(executor, selfish->over);
	gate_open(selfish->gate);
	CHECK_OK(assay_future_result(other, ASSAY_FOREVER, NULL, 0));
	executor_end(executor);
	assay_future_release(other);
}
