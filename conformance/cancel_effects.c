/* SPDX-License-Identifier: MIT */
/* Cancelling: from where it may be done, what it leaves behind, and what only looks like it. */
#include "waiter.h"

#include <errno.h>
#include <linux/futex.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* A task can be kept from starting. */
#define QUEUES (ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)

enum { BATCH = 64 };

/* How many of the tasks behind a running one cannot be cancelled. */
static int count_uncancellable(struct subject *s)
{
	assay_executor *executor = executor_new(s, 1);
	struct gate *gate = gate_new(s);
	struct probe *started = probe_new(s), *ran = probe_new(s);
	assay_future *running = submit_gated(executor, gate, started, 10), *futures[BATCH];
	int refused = 0;

	probe_await(started, 1);
	for (int i = 0; i < BATCH; i++)
		futures[i] = submit_hit(executor, ran);
	for (int i = BATCH - 1; i >= 0; i--)
		refused += !assay_future_cancel(futures[i]);
	gate_open(gate);
	executor_end(executor);
	CHECK_EQ(probe_count(ran), refused);
	for (int i = 0; i < BATCH; i++)
		assay_future_release(futures[i]);
	assay_future_release(running);
	return refused;
}

ASSAY_TEST(can_10_look_ahead_is_bounded, .clause = "CAN-10", .needs = QUEUES)
{
	int refused = count_uncancellable(s);

	CHECK(refused <= (int)s->backend->lookahead);
	NOTE("%d tasks behind the running one could not be cancelled", refused);
}

ASSAY_TEST(can_10_exact_start_has_no_look_ahead, .clause = "CAN-10",
	   .needs = QUEUES | ASSAY_CAP_EXACT_START)
{
	CHECK_EQ(count_uncancellable(s), 0);
}

struct sleeping {
	uint32_t *word; /* 0 until it is to go on */
	int *tid;
	struct probe *started;
};

/* Waits in the kernel, where a signal or the cancellation of a thread would show: a wait with a limit is not
 * taken up again after a signal, as one without may be. */
static int sleep_on_word(assay_call *call)
{
	const struct timespec limit = {.tv_sec = 3600};
	struct sleeping in;
	int error = 0;

	memcpy(&in, call->argument, sizeof in);
	*in.tid = (int)gettid();
	probe_hit(in.started);
	if (syscall(SYS_futex, in.word, FUTEX_WAIT, 0, &limit, NULL, 0) && errno != EAGAIN)
		error = errno; /* not that the word has changed before */
	pthread_testcancel();
	return assay_return(call, &error, sizeof error);
}

ASSAY_TEST(can_11_running_code_is_not_interrupted, .clause = "CAN-11",
	   .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	struct sleeping in = {shared_new(s, sizeof *in.word), shared_new(s, sizeof *in.tid),
			      probe_new(s)};
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_task(executor, sleep_on_word, &in, sizeof in);

	probe_await(in.started, 1);
	for (int i = 0; i < 20; i++) {
		await_sleep(*in.tid);
		CHECK(!assay_future_cancel(future));
	}
	await_sleep(*in.tid);
	__atomic_store_n(in.word, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, in.word, FUTEX_WAKE, 1, NULL, NULL, 0);
	CHECK_EQ(result_int(future), 0);
	executor_end(executor);
	assay_future_release(future);
}

/* Where a task finds a future to cancel, once the gate is open. */
struct aim {
	struct gate *gate;
	assay_future *future;
};

static int cancel_aim(assay_call *call)
{
	const struct aim *aim;
	int said;

	memcpy(&aim, call->argument, sizeof aim);
	gate_wait(aim->gate);
	said = assay_future_cancel(aim->future);
	return assay_return(call, &said, sizeof said);
}

ASSAY_TEST(can_12_a_task_cannot_cancel_itself, .clause = "CAN-12",
	   .needs = ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_SHARED_MEMORY)
{
	assay_executor *executor = executor_new(s, 1);
	struct aim aim = {.gate = gate_new(s)}, *address = &aim;

	aim.future = submit_task(executor, cancel_aim, &address, sizeof address);
	gate_open(aim.gate);
	CHECK_EQ(result_int(aim.future), false);
	CHECK_EQ(assay_future_state(aim.future), ASSAY_FINISHED);
	executor_end(executor);
	assay_future_release(aim.future);
}

/* Bytes in blocks that malloc maps one by one: where a block of LARGE bytes always is. */
#define LARGE ((size_t)64 << 20)

static size_t mapped_bytes(void)
{
	return mallinfo2().hblkhd;
}

static int hit_by_address(assay_call *call)
{
	struct probe *probe;

	memcpy(&probe, call->argument, sizeof probe);
	probe_hit(probe);
	return ASSAY_OK;
}

ASSAY_TEST(can_13_argument_of_a_cancelled_task_is_freed, .clause = "CAN-13",
	   .needs = QUEUES | ASSAY_CAP_SHARED_MEMORY, .alone = true)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	struct probe *ran = probe_new(s);
	void *bytes = calloc(1, LARGE);
	size_t before, held, after;
	assay_future *future;

	if (s->backend->argument_limit < LARGE)
		UNSUPPORTED("arguments of %zu bytes are over the limit", LARGE);
	if (!bytes)
		UNRESOLVED("no memory for an argument of %zu bytes", LARGE);
	memcpy(bytes, &ran, sizeof ran);
	before = mapped_bytes();
	future = submit_task(executor, hit_by_address, bytes, LARGE);
	held = mapped_bytes();
	CHECK(assay_future_cancel(future));
	after = mapped_bytes();
	free(bytes);
	if (held < before + LARGE)
		NOTE("the census of the heap does not see the argument");
	else
		NOTE("the argument was %s", after < held ? "freed by cancel" : "kept by cancel");
	release_workers(&workers);
	executor_end(executor);
	CHECK_EQ(probe_count(ran), 0);
	assay_future_release(future);
}

static void cancel_all_queued(struct subject *s, int workers)
{
	assay_executor *executor = executor_new(s, workers);
	struct occupied occupied = occupy_workers(s, executor, workers);
	struct probe *ran = probe_new(s);
	assay_future *futures[BATCH], *after;

	for (int i = 0; i < BATCH; i++)
		futures[i] = submit_hit(executor, ran);
	for (int i = 0; i < BATCH; i++)
		CHECK(assay_future_cancel(futures[i]));
	release_workers(&occupied);
	after = submit_int(executor, 14);
	CHECK_EQ(result_int(after), 14);
	executor_end(executor);
	CHECK_EQ(probe_count(ran), 0);
	for (int i = 0; i < BATCH; i++)
		assay_future_release(futures[i]);
	assay_future_release(after);
}

ASSAY_TEST(can_14_one_worker_goes_on_after_all_is_cancelled, .clause = "CAN-14", .needs = QUEUES)
{
	cancel_all_queued(s, 1);
}

ASSAY_TEST(can_14_workers_go_on_after_all_is_cancelled, .clause = "CAN-14", .needs = QUEUES)
{
	cancel_all_queued(s, 4);
}

ASSAY_TEST(can_14_shutdown_returns_when_all_is_cancelled, .clause = "CAN-14", .rounds = 50)
{
	for (int round = scaled(50); round > 0; round--) {
		assay_executor *executor = executor_new(s, 2);
		struct probe *ran = probe_new(s);
		assay_future *futures[8];
		uint32_t expected = 0;

		for (int i = 0; i < 8; i++) {
			futures[i] = submit_hit(executor, ran);
			expected += !assay_future_cancel(futures[i]);
		}
		executor_end(executor);
		CHECK_EQ(probe_count(ran), expected);
		for (int i = 0; i < 8; i++) {
			CHECK(assay_future_is_done(futures[i]));
			assay_future_release(futures[i]);
		}
	}
}

static int fail_as_cancelled(assay_call *call)
{
	return assay_fail(call, 1, "not really") == 1 ? ASSAY_ECANCELLED : ASSAY_OK;
}

ASSAY_TEST(can_15_a_task_cannot_pretend_to_be_cancelled, .clause = "CAN-15")
{
	assay_executor *executor = executor_new(s, 1);
	assay_future *future = submit_task(executor, fail_as_cancelled, NULL, 0);
	struct assay_outcome outcome;

	CHECK_ERROR(assay_future_result(future, ASSAY_FOREVER, NULL, 0), ASSAY_EFAILED);
	CHECK_EQ(assay_future_state(future), ASSAY_FINISHED);
	CHECK(!assay_future_cancel(future));
	CHECK_OK(assay_future_outcome(future, 0, &outcome));
	CHECK_ERROR(outcome.error, ASSAY_EFAILED);
	CHECK_EQ(outcome.code, ASSAY_ECANCELLED);
	CHECK_STR(outcome.message, "not really");
	executor_end(executor);
	assay_future_release(future);
}

/* What a done callback saw. */
struct seen {
	pid_t thread;
	int calls;
	bool cancelled_again;
	int error;
	int *calls_of_all;
	int position; /* among the calls of all */
};

static void look(assay_future *future, void *user)
{
	struct seen *seen = user;
	struct assay_outcome outcome;

	seen->thread = gettid();
	seen->calls++;
	seen->position = (*seen->calls_of_all)++;
	seen->cancelled_again = assay_future_cancel(future);
	CHECK_OK(assay_future_outcome(future, 0, &outcome));
	seen->error = outcome.error;
}

ASSAY_TEST(can_16_callbacks_run_in_the_cancelling_call, .clause = "CAN-16", .needs = QUEUES)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	assay_future *future = submit_int(executor, 16);
	struct seen seen[3] = {0};
	int calls = 0;

	for (int i = 0; i < 3; i++) {
		seen[i].calls_of_all = &calls;
		CHECK_OK(assay_future_add_done_callback(future, look, &seen[i]));
	}
	CHECK_EQ(calls, 0);
	CHECK(assay_future_cancel(future));
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(seen[i].calls, 1);
		CHECK_EQ(seen[i].position, i);
		CHECK_EQ(seen[i].thread, gettid());
		CHECK(seen[i].cancelled_again);
		CHECK_ERROR(seen[i].error, ASSAY_ECANCELLED);
	}
	release_workers(&workers);
	executor_end(executor);
	CHECK_EQ(calls, 3);
	assay_future_release(future);
}

static void cancel_other(assay_future *future, void *user)
{
	struct aim *aim = user;

	(void)future;
	CHECK(assay_future_cancel(aim->future));
	gate_open(aim->gate);
}

ASSAY_TEST(can_17_a_callback_cancels_another_task, .clause = "CAN-17", .needs = QUEUES)
{
	assay_executor *executor = executor_new(s, 1), *other = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	struct occupied others = occupy_workers(s, other, 1);
	struct probe *ran = probe_new(s);
	assay_future *first = submit_int(other, 17);
	struct aim aim = {gate_new(s), submit_hit(executor, ran)};

	CHECK_OK(assay_future_add_done_callback(first, cancel_other, &aim));
	release_workers(&others);
	gate_wait(aim.gate);
	CHECK_EQ(assay_future_state(aim.future), ASSAY_CANCELLED);
	release_workers(&workers);
	executor_end(executor);
	executor_end(other);
	CHECK_EQ(probe_count(ran), 0);
	assay_future_release(first);
	assay_future_release(aim.future);
}

ASSAY_TEST(can_17_a_task_cancels_the_next, .clause = "CAN-17",
	   .needs = QUEUES | ASSAY_CAP_SHARED_MEMORY | ASSAY_CAP_EXACT_START)
{
	assay_executor *executor = executor_new(s, 1);
	struct probe *ran = probe_new(s);
	struct aim aim = {.gate = gate_new(s)}, *address = &aim;
	assay_future *first = submit_task(executor, cancel_aim, &address, sizeof address);

	bool said;

	aim.future = submit_task(executor, hit_by_address, &ran, sizeof ran);
	gate_open(aim.gate);
	said = result_int(first);
	executor_end(executor);
	CHECK_EQ(probe_count(ran), !said);
	CHECK_EQ(assay_future_state(aim.future), said ? ASSAY_CANCELLED : ASSAY_FINISHED);
	if (s->backend->capabilities & ASSAY_CAP_SUBMITTER_FIFO) /* else it may have run before */
		CHECK(said);
	assay_future_release(first);
	assay_future_release(aim.future);
}

ASSAY_TEST(can_18_pending_tasks_can_be_cancelled_after_shutdown, .clause = "CAN-18",
	   .needs = QUEUES)
{
	assay_executor *executor = executor_new(s, 1);
	struct occupied workers = occupy_workers(s, executor, 1);
	struct probe *ran = probe_new(s), *left = probe_new(s);
	assay_future *cancelled = submit_hit(executor, ran), *kept = submit_hit(executor, left);
	struct waiter waiter;

	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_NOWAIT));
	CHECK_EQ(assay_future_state(cancelled), ASSAY_PENDING);
	waiter_start(&waiter, cancelled, BY_OUTCOME, ASSAY_FOREVER);
	actor_await_sleep(&waiter.actor);
	CHECK(assay_future_cancel(cancelled));
	actor_join(&waiter.actor);
	CHECK_ERROR(waiter.error, ASSAY_ECANCELLED);
	release_workers(&workers);
	executor_end(executor);
	CHECK_EQ(probe_count(ran), 0);
	CHECK_EQ(probe_count(left), 1);
	assay_future_release(cancelled);
	assay_future_release(kept);
}
