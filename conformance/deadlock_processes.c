/* SPDX-License-Identifier: MIT */
/* Tasks in worker processes that use executors and futures of the client. */
#include "death.h"

/* An executor and a future that a worker process has a copy of: both were there before it. */
struct inherited {
	assay_executor *own;
	assay_executor *other;
	assay_future *pending; /* of the other */
};

struct answers {
	int submit, submit_many, other, wait, wait_bounded, result, set, call;
};

static int return_nothing(assay_call *call)
{
	return assay_return(call, NULL, 0);
}

static int use_them(assay_call *call)
{
	const struct inherited *inherited = call->argument;
	const struct assay_task tasks[2] = {{.function = return_nothing},
					    {.function = return_nothing}};
	struct answers answers;
	int value;

	answers.submit = assay_submit(inherited->own, &tasks[0], NULL);
	answers.submit_many = assay_submit_many(inherited->own, tasks, 2, NULL, NULL);
	answers.other = assay_submit(inherited->other, &tasks[0], NULL);
	answers.wait = assay_future_wait(inherited->pending, ASSAY_FOREVER);
	answers.wait_bounded = assay_future_wait(inherited->pending, 1000000);
	answers.result =
		assay_future_result(inherited->pending, ASSAY_FOREVER, &value, sizeof value);
	answers.set =
		assay_wait(&inherited->pending, 1, ASSAY_FIRST_COMPLETED, ASSAY_FOREVER, NULL);
	answers.call =
		call->executor ? assay_submit(call->executor, &tasks[0], NULL) : ASSAY_EUNREACHABLE;
	return assay_return(call, &answers, sizeof answers);
}

ASSAY_TEST(dlk_3_from_a_worker_process, .clause = "DLK-3", .needs = MORTAL)
{
	struct inherited inherited = {.other = executor_new(s, 1)};
	struct occupied workers = occupy_workers(s, inherited.other, 1);
	struct answers answers = {.submit = 1};
	assay_future *future;

	if (s->backend->capabilities & ASSAY_CAP_SHARED_MEMORY)
		UNSUPPORTED("tasks run in the client");
	inherited.pending = submit_int(inherited.other, 5);
	inherited.own = executor_new(s, 1);
	future = submit_task(inherited.own, use_them, &inherited, sizeof inherited);
	CHECK_OK(assay_future_result(future, ASSAY_FOREVER, &answers, sizeof answers));
	CHECK_ERROR(answers.submit, ASSAY_EUNREACHABLE);
	CHECK_ERROR(answers.submit_many, ASSAY_EUNREACHABLE);
	CHECK_ERROR(answers.other, ASSAY_EUNREACHABLE);
	CHECK_ERROR(answers.wait, ASSAY_EUNREACHABLE);
	CHECK_ERROR(answers.wait_bounded, ASSAY_EUNREACHABLE);
	CHECK_ERROR(answers.result, ASSAY_EUNREACHABLE);
	CHECK_ERROR(answers.set, ASSAY_EUNREACHABLE);
	CHECK_ERROR(answers.call, ASSAY_EUNREACHABLE);
	release_workers(&workers);
	/* Nothing of it has had an effect here. */
	CHECK_EQ(result_int(inherited.pending), 5);
	executor_end(inherited.own);
	executor_end(inherited.other);
	assay_future_release(inherited.pending);
	assay_future_release(future);
}

enum { LONG_BYTES = 100000 };

static int fill(assay_call *call)
{
	void *room;
	int error = assay_call_result(call, LONG_BYTES, &room);

	if (!error)
		memset(room, 'a', LONG_BYTES);
	return error;
}

/* 0: what the contract allows was seen. */
static int read_done(assay_call *call)
{
	assay_future *future = *(assay_future *const *)call->argument;
	struct assay_outcome outcome = {.error = 1};
	int error = assay_future_outcome(future, ASSAY_FOREVER, &outcome), wrong = 0;

	if (error == ASSAY_EUNREACHABLE)
		return assay_return(call, &wrong, sizeof wrong);
	if (error || outcome.error || outcome.result_size != LONG_BYTES)
		wrong = 1;
	for (size_t i = 0; !wrong && i < LONG_BYTES; i++)
		wrong = ((const char *)outcome.result)[i] != 'a';
	return assay_return(call, &wrong, sizeof wrong);
}

ASSAY_TEST(dlk_3_a_done_result_of_another_executor, .clause = "DLK-3", .needs = MORTAL)
{
	assay_executor *other = executor_new(s, 1), *own;
	assay_future *done = submit_task(other, fill, NULL, 0), *future;

	if (s->backend->capabilities & ASSAY_CAP_SHARED_MEMORY)
		UNSUPPORTED("tasks run in the client");
	CHECK_OK(assay_future_wait(done, ASSAY_FOREVER));
	own = executor_new(s, 1);
	future = submit_task(own, read_done, &done, sizeof(assay_future *));
	CHECK_EQ(result_int(future), 0);
	assay_future_release(future);
	executor_end(own);
	assay_future_release(done);
	executor_end(other);
}
