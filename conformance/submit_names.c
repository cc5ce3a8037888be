/* SPDX-License-Identifier: MIT */
/* Tasks that are a registered name. */
#include "fixture.h"

#include <string.h>

#define PENDING_NEEDS (ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_WORKER_LIMIT)

static int twice(assay_call *call)
{
	int value = 2 * *(const int *)call->argument;

	return assay_return(call, &value, sizeof value);
}

static int square(assay_call *call)
{
	int value = *(const int *)call->argument;

	value *= value;
	return assay_return(call, &value, sizeof value);
}

static const struct assay_named_function functions[] = {{"twice", twice}, {"square", square}};

static assay_executor *
executor_with_functions(struct subject *s, const struct assay_named_function *named, size_t count)
{
	struct assay_config config = assay_config_default();

	config.workers = 1;
	config.functions = named;
	config.function_count = count;
	return executor_with(s, &config);
}

static assay_future *submit_named(assay_executor *executor, const char *name, int value)
{
	struct assay_task task = {NULL, name, &value, sizeof value};
	assay_future *future;

	CHECK_OK(assay_submit(executor, &task, &future));
	return future;
}

static void check_named(assay_executor *executor, const char *name, int value, int expected)
{
	assay_future *future = submit_named(executor, name, value);

	CHECK_EQ(result_int(future), expected);
	assay_future_release(future);
}

ASSAY_TEST(sub_24_registered_name_runs_its_function, .clause = "SUB-24",
	   .needs = ASSAY_CAP_NAMED_FUNCTIONS)
{
	assay_executor *executor = executor_with_functions(s, functions, 2);

	check_named(executor, "square", 7, 49);
	check_named(executor, "twice", 7, 14);
	check_named(executor, "square", -3, 9);
	executor_end(executor);
}

ASSAY_TEST(sub_24_names_are_copied_at_create, .clause = "SUB-24",
	   .needs = ASSAY_CAP_NAMED_FUNCTIONS)
{
	char first[] = "first", second[] = "second";
	struct assay_named_function named[] = {{first, twice}, {second, square}};
	assay_executor *executor = executor_with_functions(s, named, 2);

	memset(first, 'x', sizeof first - 1);
	memset(second, 'x', sizeof second - 1);
	memset(named, 0, sizeof named);
	check_named(executor, "first", 5, 10);
	check_named(executor, "second", 5, 25);
	executor_end(executor);
}

ASSAY_TEST(sub_24_name_is_not_needed_after_submit, .clause = "SUB-24",
	   .needs = ASSAY_CAP_NAMED_FUNCTIONS | PENDING_NEEDS | ASSAY_CAP_FUNCTION_POINTERS)
{
	char name[] = "square";
	assay_executor *executor = executor_with_functions(s, functions, 2);
	struct occupied busy = occupy_workers(s, executor, 1);
	assay_future *future = submit_named(executor, name, 6);

	strcpy(name, "twice");
	release_workers(&busy);
	CHECK_EQ(result_int(future), 36);
	assay_future_release(future);
	executor_end(executor);
}

ASSAY_TEST(sub_24_function_goes_before_name, .clause = "SUB-24",
	   .needs = ASSAY_CAP_NAMED_FUNCTIONS | ASSAY_CAP_FUNCTION_POINTERS)
{
	int value = 9;
	struct assay_task task = {square, "twice", &value, sizeof value};
	assay_executor *executor = executor_with_functions(s, functions, 2);
	assay_future *future;

	CHECK_OK(assay_submit(executor, &task, &future));
	CHECK_EQ(result_int(future), 81);
	assay_future_release(future);
	executor_end(executor);
}

/* Refused at submit, or by the future if the name is resolved where the task runs. */
static void check_unknown(assay_executor *executor, const char *name)
{
	int value = 1;
	struct assay_task task = {NULL, name, &value, sizeof value};
	assay_future untouched = {NULL};
	assay_future *future = &untouched;
	int error = assay_submit(executor, &task, &future);

	if (error == ASSAY_OK) {
		error = assay_future_result(future, ASSAY_FOREVER, NULL, 0);
		assay_future_release(future);
	} else {
		CHECK(future == &untouched);
	}
	CHECK_ERROR(error, ASSAY_EUNKNOWN);
}

ASSAY_TEST(sub_25_unknown_name_is_refused, .clause = "SUB-25", .needs = ASSAY_CAP_NAMED_FUNCTIONS)
{
	const char *const unknown[] = {"cube", "squar", "squares", "Square", " square", ""};
	assay_executor *executor = executor_with_functions(s, functions, 2);

	for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
		check_unknown(executor, unknown[i]);
	check_named(executor, "square", 4, 16);
	executor_end(executor);
}

ASSAY_TEST(sub_25_no_names_registered, .clause = "SUB-25", .needs = ASSAY_CAP_NAMED_FUNCTIONS)
{
	assay_executor *executor = executor_with_functions(s, NULL, 0);

	check_unknown(executor, "square");
	executor_end(executor);
}

ASSAY_TEST(sub_25_refused_name_starts_no_worker, .clause = "SUB-25",
	   .needs = ASSAY_CAP_NAMED_FUNCTIONS | ASSAY_CAP_LAZY_WORKERS)
{
	assay_executor *executor = executor_with_functions(s, functions, 2);
	int threads = count_threads();
	int children = count_children();

	check_unknown(executor, "cube");
	CHECK_EQ(count_threads(), threads);
	CHECK_EQ(count_children(), children);
	executor_end(executor);
}
