/* SPDX-License-Identifier: MIT */
/* submit_many takes from the front and says how many; and arguments that are too big for anyone. */
#include "fixture.h"

#include <sys/mman.h>

static int square(assay_call *call)
{
	int value = *(const int *)call->argument;

	value *= value;
	return assay_return(call, &value, sizeof value);
}

/* A task with one byte more than the backend takes. The bytes exist: copying them is no crash. */
static struct assay_task task_too_big(struct subject *s)
{
	size_t size = s->backend->argument_limit + 1;
	void *bytes;

	if (size == 0)
		UNSUPPORTED("the backend limits no argument");
	bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (bytes == MAP_FAILED)
		UNRESOLVED("no address space for an argument of %zu bytes", size);
	return (struct assay_task){square, NULL, bytes, size};
}

ASSAY_TEST(sub_26_batch_stops_at_the_first_refused, .clause = "SUB-26")
{
	int values[] = {3, 4, 5};
	struct assay_task tasks[] = {{square, NULL, &values[0], sizeof(int)},
				     {square, NULL, &values[1], sizeof(int)},
				     task_too_big(s),
				     {square, NULL, &values[2], sizeof(int)}};
	assay_future untouched = {NULL};
	assay_future *futures[] = {&untouched, &untouched, &untouched, &untouched};
	assay_executor *executor = executor_new(s, s->workers);
	size_t accepted = 77;

	CHECK_ERROR(assay_submit_many(executor, tasks, 4, futures, &accepted), ASSAY_ETOOBIG);
	CHECK_EQ(accepted, 2);
	CHECK(futures[2] == &untouched && futures[3] == &untouched);
	CHECK_EQ(result_int(futures[0]), 9);
	CHECK_EQ(result_int(futures[1]), 16);
	assay_future_release(futures[0]);
	assay_future_release(futures[1]);
	executor_end(executor);
}

ASSAY_TEST(sub_26_refused_rest_of_a_batch_never_runs, .clause = "SUB-26")
{
	struct probe *ran = probe_new(s);
	struct assay_task tasks[3];
	assay_executor *executor = executor_new(s, s->workers);
	assay_future *futures[1];
	size_t accepted = 77;

	tasks[0] = task_too_big(s);
	tasks[1] = tasks[2] = tasks[0];
	CHECK_ERROR(assay_submit_many(executor, tasks, 3, NULL, &accepted), ASSAY_ETOOBIG);
	CHECK_EQ(accepted, 0);
	CHECK_ERROR(assay_submit_many(executor, tasks, 1, NULL, NULL), ASSAY_ETOOBIG);
	futures[0] = submit_hit(executor, ran); /* the executor is as good as before */
	CHECK_OK(assay_future_result(futures[0], ASSAY_FOREVER, NULL, 0));
	assay_future_release(futures[0]);
	executor_end(executor);
	CHECK_EQ(probe_count(ran), 1);
}

ASSAY_TEST(sub_26_futures_of_a_batch_are_in_its_order, .clause = "SUB-26")
{
	enum { COUNT = 700 };
	static int values[COUNT];
	static struct assay_task tasks[COUNT];
	static assay_future *futures[COUNT];
	assay_executor *executor = executor_new(s, s->workers);
	size_t accepted = 0;

	for (int i = 0; i < COUNT; i++) {
		values[i] = i;
		tasks[i] = (struct assay_task){square, NULL, &values[i], sizeof(int)};
	}
	CHECK_OK(assay_submit_many(executor, tasks, COUNT, futures, &accepted));
	CHECK_EQ(accepted, COUNT);
	for (int i = 0; i < COUNT; i++) {
		CHECK_EQ(result_int(futures[i]), i * i);
		assay_future_release(futures[i]);
	}
	executor_end(executor);
}

ASSAY_TEST(sub_26_empty_batch, .clause = "SUB-26")
{
	assay_executor *executor = executor_new(s, 1);
	size_t accepted = 77;

	CHECK_OK(assay_submit_many(executor, NULL, 0, NULL, &accepted));
	CHECK_EQ(accepted, 0);
	executor_end(executor);
}

ASSAY_TEST(sub_27_batch_after_shutdown, .clause = "SUB-27")
{
	struct probe *ran = probe_new(s);
	int value = 3;
	struct assay_task tasks[] = {{square, NULL, &value, sizeof value},
				     {square, NULL, &value, sizeof value}};
	assay_future *futures[] = {NULL, NULL};
	assay_executor *executor = executor_new(s, s->workers);
	size_t accepted = 77;

	assay_future_release(submit_hit(executor, ran));
	CHECK_OK(assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT));
	CHECK_ERROR(assay_submit_many(executor, tasks, 2, futures, &accepted), ASSAY_ESHUTDOWN);
	CHECK_EQ(accepted, 0);
	CHECK(futures[0] == NULL && futures[1] == NULL);
	executor_end(executor);
	CHECK_EQ(probe_count(ran), 1);
}

ASSAY_TEST(sub_29_argument_over_the_limit, .clause = "SUB-29")
{
	struct assay_task task = task_too_big(s);
	assay_future untouched = {NULL};
	assay_future *future = &untouched;
	assay_executor *executor = executor_new(s, 1);

	CHECK_ERROR(assay_submit(executor, &task, &future), ASSAY_ETOOBIG);
	CHECK(future == &untouched);
	CHECK_ERROR(assay_submit(executor, &task, NULL), ASSAY_ETOOBIG);
	future = submit_int(executor, 8); /* the executor is as good as before */
	CHECK_EQ(result_int(future), 8);
	assay_future_release(future);
	executor_end(executor);
}
