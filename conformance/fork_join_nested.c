/* SPDX-License-Identifier: MIT */
/* Forks in forks: in depth, in number, without memory, and with everything else that tasks do. */
#include "mapping.h"
#include "sanitizer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct number {
	int value;
};

static int increment(assay_call *call, void *frame)
{
	(void)call;
	((struct number *)frame)->value++;
	return ASSAY_OK;
}

/* The sum over this many children of one frame, which start from their index. */
static int sum_of_many(assay_call *call)
{
	int count = *(const int *)call->argument;
	struct assay_fork *children = malloc((size_t)count * sizeof *children);
	struct number *numbers = malloc((size_t)count * sizeof *numbers);
	int sum = 0;

	CHECK(children && numbers);
	for (int i = 0; i < count; i++) {
		numbers[i].value = i % 100;
		assay_fork(call, &children[i], increment, &numbers[i]);
	}
	for (int i = count - 1; i >= 0; i--) {
		CHECK_OK(assay_join(call, &children[i]));
		sum += numbers[i].value;
	}
	free(children);
	free(numbers);
	return assay_return(call, &sum, sizeof sum);
}

ASSAY_TEST(fj_3_ten_thousand_children, .clause = "FJ-3")
{
	for (int workers = 1; workers <= 2; workers++) {
		assay_executor *executor = executor_new(s, workers);
		int count = 10000;
		assay_future *future = submit_task(executor, sum_of_many, &count, sizeof count);

		CHECK_EQ(result_int(future), 100 * 5050);
		assay_future_release(future);
		executor_end(executor);
	}
}

static int descend(assay_call *call, void *frame)
{
	struct number *self = frame, below = {self->value - 1};
	struct assay_fork child;

	if (self->value == 0)
		return ASSAY_OK;
	assay_fork(call, &child, descend, &below);
	CHECK_OK(assay_join(call, &child));
	self->value = below.value + 1;
	return ASSAY_OK;
}

static int descend_from(assay_call *call)
{
	struct number top = {*(const int *)call->argument};

	CHECK_OK(descend(call, &top));
	return assay_return(call, &top.value, sizeof top.value);
}

ASSAY_TEST(fj_3_a_great_depth, .clause = "FJ-3")
{
	int depth = scaled(10000);

	for (int workers = 1; workers <= 2; workers++) {
		assay_executor *executor = executor_new(s, workers);
		assay_future *future = submit_task(executor, descend_from, &depth, sizeof depth);

		CHECK_EQ(result_int(future), depth);
		assay_future_release(future);
		executor_end(executor);
	}
}

/* A list of all the memory there is to be had. */
struct hoard {
	struct hoard *next;
};

static struct hoard *take_all_memory(void)
{
	struct rlimit limit;
	struct hoard *all = NULL;

	if (getrlimit(RLIMIT_AS, &limit))
		return NULL;
	limit.rlim_cur = 1;
	setrlimit(RLIMIT_AS, &limit);
	for (size_t size = (size_t)1 << 24; size >= sizeof *all; size /= 2) {
		struct hoard *more;

		while ((more = malloc(size))) {
			more->next = all;
			all = more;
		}
	}
	return all;
}

static void give_back(struct hoard *all)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_AS, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_AS, &limit);
	while (all) {
		struct hoard *next = all->next;

		free(all);
		all = next;
	}
}

/* The stack of a first thread grows, and cannot later. */
static __attribute__((noinline)) void grow_stack(void)
{
	volatile char pages[1 << 16];

	for (size_t i = 0; i < sizeof pages; i += 1024)
		pages[i] = 0;
}

enum { MANY = 2000 };

static int fork_without_memory(assay_call *call)
{
	struct assay_fork children[MANY];
	struct number numbers[MANY];
	struct hoard *all;
	int sum = 0;

	memset(children, 0, sizeof children);
	memset(numbers, 0, sizeof numbers);
	grow_stack();
	all = take_all_memory();
	for (int i = 0; i < MANY; i++)
		assay_fork(call, &children[i], increment, &numbers[i]);
	for (int i = MANY - 1; i >= 0; i--) {
		assay_join(call, &children[i]);
		sum += numbers[i].value;
	}
	give_back(all);
	return assay_return(call, &sum, sizeof sum);
}

ASSAY_TEST(fj_3_without_memory, .clause = "FJ-3")
{
	assay_executor *executor;
	assay_future *future;

	if (BUILT_WITH_ASAN || BUILT_WITH_TSAN)
		UNSUPPORTED("a sanitizer needs memory itself");
	if (is_emulated())
		UNSUPPORTED("the emulator ignores limits of memory");
	executor = executor_new(s, 2);
	future = submit_task(executor, fork_without_memory, NULL, 0);
	CHECK_EQ(result_int(future), MANY);
	assay_future_release(future);
	executor_end(executor);
}

struct fib {
	unsigned n;
	unsigned value;
};

static int fib(assay_call *call, void *frame)
{
	struct fib *self = frame, left = {self->n - 1, 0}, right = {self->n - 2, 0};
	struct assay_fork child;

	if (self->n < 2) {
		self->value = self->n;
		return ASSAY_OK;
	}
	assay_fork(call, &child, fib, &right);
	CHECK_OK(fib(call, &left));
	CHECK_OK(assay_join(call, &child));
	self->value = left.value + right.value;
	return ASSAY_OK;
}

static int fib_of(assay_call *call)
{
	struct fib top = {*(const unsigned *)call->argument, 0};

	CHECK_OK(fib(call, &top));
	return assay_return(call, &top.value, sizeof top.value);
}

ASSAY_TEST(fj_7_children_fork_and_join, .clause = "FJ-7")
{
	unsigned n = scaled(16) < 16 ? 10 : 16;

	for (int workers = 1; workers <= 4; workers *= 2) {
		assay_executor *executor = executor_new(s, workers);
		assay_future *future = submit_task(executor, fib_of, &n, sizeof n);

		CHECK_EQ(result_int(future), n == 16 ? 987 : 55);
		assay_future_release(future);
		executor_end(executor);
	}
}

/* Its value becomes that of a task. */
static int submit_and_wait(assay_call *call, void *frame)
{
	struct number *number = frame;
	assay_future *future = submit_int(call->executor, number->value + 1);

	number->value = result_int(future);
	assay_future_release(future);
	return ASSAY_OK;
}

static int fork_submitter(assay_call *call)
{
	struct number number = {*(const int *)call->argument};
	struct assay_fork child;

	assay_fork(call, &child, submit_and_wait, &number);
	CHECK_OK(assay_join(call, &child));
	return assay_return(call, &number.value, sizeof number.value);
}

static void check_submitting_children(struct subject *s, int workers)
{
	assay_executor *executor = executor_new(s, workers);

	for (int i = 0; i < scaled(100); i++) {
		assay_future *future = submit_task(executor, fork_submitter, &i, sizeof i);

		CHECK_EQ(result_int(future), i + 1);
		assay_future_release(future);
	}
	executor_end(executor);
}

ASSAY_TEST(fj_7_children_submit_and_wait, .clause = "FJ-7",
	   .needs = ASSAY_CAP_CONCURRENT | ASSAY_CAP_NESTED_SUBMIT)
{
	check_submitting_children(s, 3);
}

ASSAY_TEST(fj_7_children_wait_on_one_worker, .clause = "FJ-7",
	   .needs = ASSAY_CAP_NESTED_SUBMIT | ASSAY_CAP_NESTED_WAIT)
{
	check_submitting_children(s, 1);
	check_submitting_children(s, 2);
}

static int tell_process(assay_call *call, void *frame)
{
	(void)call;
	*(int *)frame = getpid();
	return ASSAY_OK;
}

static int compare_processes(assay_call *call)
{
	struct assay_fork children[20];
	int pids[20], elsewhere = 0;

	for (int i = 0; i < 20; i++)
		assay_fork(call, &children[i], tell_process, &pids[i]);
	for (int i = 19; i >= 0; i--) {
		CHECK_OK(assay_join(call, &children[i]));
		elsewhere += pids[i] != getpid();
	}
	return assay_return(call, &elsewhere, sizeof elsewhere);
}

ASSAY_TEST(fj_8_a_child_runs_in_the_process_of_its_parent, .clause = "FJ-8")
{
	assay_executor *executor = executor_new(s, 2);

	for (int i = 0; i < 10; i++) {
		assay_future *future = submit_task(executor, compare_processes, NULL, 0);

		CHECK_EQ(result_int(future), 0);
		assay_future_release(future);
	}
	executor_end(executor);
}

/* The fibonacci number of an int. */
static int fib_of_item(assay_call *call)
{
	int value = *(const int *)call->argument;
	struct fib top = {(unsigned)value, 0};

	CHECK_OK(fib(call, &top));
	value = (int)top.value;
	return assay_return(call, &value, sizeof value);
}

ASSAY_TEST(fj_9_items_of_a_map_fork, .clause = "FJ-9")
{
	static const int expected[] = {0, 1, 1, 2, 3, 5, 8, 13, 21, 34};
	static const size_t chunk_sizes[] = {1, 3, 40};
	assay_executor *executor = executor_new(s, 2);
	int items[40];

	for (int i = 0; i < 40; i++)
		items[i] = i % 10;
	for (size_t k = 0; k < sizeof chunk_sizes / sizeof *chunk_sizes; k++) {
		struct assay_map_input input;
		struct assay_map_request request = map_ints(fib_of_item, &input, items, 40);
		assay_map_iteration *map;

		request.chunk_size = chunk_sizes[k];
		map = map_begin(executor, &request);
		for (int i = 0; i < 40; i++)
			CHECK_EQ(map_next_int(map), expected[i % 10]);
		CHECK_ERROR(map_error(map), ASSAY_EEND);
		assay_map_end(map);
	}
	executor_end(executor);
}

ASSAY_TEST(fj_10_on_every_worker_of_several_executors, .clause = "FJ-10")
{
	enum { EXECUTORS = 3, TASKS = 24 };

	assay_executor *executors[EXECUTORS];
	assay_future *futures[EXECUTORS][TASKS];
	unsigned n = 11;

	for (int e = 0; e < EXECUTORS; e++)
		executors[e] = executor_new(s, 1 + e);
	for (int i = 0; i < TASKS; i++)
		for (int e = 0; e < EXECUTORS; e++)
			futures[e][i] = submit_task(executors[e], fib_of, &n, sizeof n);
	for (int e = 0; e < EXECUTORS; e++) {
		for (int i = 0; i < TASKS; i++) {
			CHECK_EQ(result_int(futures[e][i]), 89);
			assay_future_release(futures[e][i]);
		}
		executor_end(executors[e]);
	}
}

struct interrupted {
	struct gate *gate;
	struct probe *started;
};

/* Forks, is held up, and forks again. */
static int fork_around_a_gate(assay_call *call)
{
	const struct interrupted *interrupted = call->argument;
	struct fib early = {10, 0}, late = {10, 0};
	struct assay_fork first, second;
	unsigned sum;

	assay_fork(call, &first, fib, &early);
	probe_hit(interrupted->started);
	gate_wait(interrupted->gate);
	assay_fork(call, &second, fib, &late);
	CHECK_OK(assay_join(call, &second));
	CHECK_OK(assay_join(call, &first));
	sum = early.value + late.value;
	return assay_return(call, &sum, sizeof sum);
}

ASSAY_TEST(fj_11_a_shutdown_in_the_middle, .clause = "FJ-11", .needs = ASSAY_CAP_ASYNCHRONOUS)
{
	for (unsigned flags = 0; flags < 4; flags += 2)
		for (int workers = 1; workers <= 2; workers++) {
			assay_executor *executor = executor_new(s, workers);
			struct interrupted argument = {gate_new(s), probe_new(s)};
			assay_future *future = submit_task(executor, fork_around_a_gate, &argument,
							   sizeof argument);

			probe_await(argument.started, 1);
			CHECK(!assay_future_cancel(future));
			CHECK_OK(assay_executor_shutdown(executor, flags));
			gate_open(argument.gate);
			CHECK_EQ(result_int(future), 110);
			executor_end(executor);
			assay_future_release(future);
		}
}
