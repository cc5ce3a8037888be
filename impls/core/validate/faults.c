/* SPDX-License-Identifier: MIT */
/*
 * Fails each allocation and each thread start of a scenario in turn, once and from then on: every
 * call must answer with an error of the closed set, every accepted task must end, and nothing may
 * crash, hang or be lost. With an unbounded queue, and with each of the ways in which a bounded one
 * deals with tasks for which there is no room. Usage: validate_faults BACKEND.so
 */
#include "inject.h"
#include "limit.h"

#include <sched.h>

#define TASKS 24
#define WIDTH 3 /* children that a task forks, and each of these, */
#define DEPTH 2 /* so many times */

/* A task on the way into a queue that may be full. */
struct variant {
	size_t capacity;
	enum assay_when_full when_full;
};

static const struct variant variants[] = {
	{ASSAY_UNLIMITED, ASSAY_FULL_BLOCK},
	{2, ASSAY_FULL_BLOCK},
	{2, ASSAY_FULL_REJECT},
	{2, ASSAY_FULL_CALLER_RUNS},
};

static const struct variant *variant;

/* The errors that a refused allocation or thread may become; or there was no room. */
static bool is_resource(int error)
{
	return inject_made(error) ||
	       (error == ASSAY_EFULL && variant->when_full == ASSAY_FULL_REJECT);
}

struct work {
	int value;
	char padding[60]; /* too long to stay inside a record */
};

static int square(assay_call *call)
{
	const struct work *work = call->argument;
	struct work result = {work->value * work->value, {0}};

	if (work->value % 5 == 4)
		return assay_fail(call, work->value, "a failure with words");
	return assay_return(call, &result, work->value % 2 ? sizeof result : sizeof result.value);
}

static void count_callback(assay_future *future, void *user)
{
	(void)future;
	atomic_fetch_add((atomic_int *)user, 1);
}

static void check_outcome(assay_future *future, int value)
{
	struct assay_outcome outcome;
	int error = assay_future_outcome(future, ASSAY_FOREVER, &outcome);

	if (error)
		inject_die("outcome", error);
	if (outcome.error == ASSAY_ECANCELLED || is_resource(outcome.error))
		return;
	if (outcome.error ? outcome.error != ASSAY_EFAILED || outcome.code != value
			  : *(const int *)outcome.result != value * value)
		inject_die("wrong outcome", outcome.error);
}

static void submit_all(assay_executor *executor, assay_future **futures, int *count)
{
	static atomic_int called;
	int expected = 0;

	called = 0;
	for (int i = 0; i < TASKS; i++) {
		struct work work = {i, {0}};
		struct assay_task task = {square, NULL, &work,
					  i % 3 ? sizeof work : sizeof work.value};
		int error = assay_submit(executor, &task, &futures[*count]);

		if (error && !is_resource(error))
			inject_die("submit", error);
		if (error)
			continue;
		error = assay_future_add_done_callback(futures[*count], count_callback, &called);
		if (error && error != ASSAY_ENOMEM)
			inject_die("add_done_callback", error);
		expected += !error;
		if (i % 7 == 6)
			assay_future_cancel(futures[*count]);
		check_outcome(futures[(*count)++], i);
	}
	while (called != expected) /* the last callback may still be on its way */
		sched_yield();
}

/* All at once: what was accepted ends, and what was not leaves no future. */
static void submit_many(assay_executor *executor, assay_future **futures, int *count)
{
	assay_future untouched = {NULL};
	assay_future **rest = futures + *count;
	struct assay_task tasks[TASKS];
	struct work works[TASKS];
	size_t accepted = TASKS + 1;
	int error;

	memset(works, 0, sizeof works);
	for (int i = 0; i < TASKS; i++) {
		works[i].value = i;
		tasks[i] = (struct assay_task){square, NULL, &works[i],
					       i % 3 ? sizeof works[i] : sizeof works[i].value};
		rest[i] = &untouched;
	}
	error = assay_submit_many(executor, tasks, TASKS, rest, &accepted);
	if (error && !is_resource(error))
		inject_die("submit_many", error);
	if (accepted > TASKS || (accepted == TASKS) != !error)
		inject_die("submit_many accepted another number than it said", error);
	for (size_t i = 0; i < TASKS; i++) {
		if ((rest[i] == &untouched) != (i >= accepted))
			inject_die("submit_many left another future than it said", error);
		if (i < accepted)
			check_outcome(rest[i], (int)i);
	}
	*count += (int)accepted;
}

struct node {
	int depth;
	int leaves;
};

static int grow(assay_call *call, void *frame)
{
	struct node *self = frame, nodes[WIDTH];
	struct assay_fork children[WIDTH];

	if (self->depth == 0) {
		self->leaves = 1;
		return 7;
	}
	for (int i = 0; i < WIDTH; i++) {
		nodes[i] = (struct node){self->depth - 1, 0};
		assay_fork(call, &children[i], grow, &nodes[i]);
	}
	for (int i = WIDTH; i-- > 0;) {
		int returned = assay_join(call, &children[i]);

		if (returned != 7)
			inject_die("join", returned);
		self->leaves += nodes[i].leaves;
	}
	return 7;
}

static int grow_tree(assay_call *call)
{
	struct node root = {DEPTH, 0};

	grow(call, &root);
	return assay_return(call, &root.leaves, sizeof root.leaves);
}

/* Forking has no error: a child for which there is no memory is run by its join. */
static void fork_and_join(assay_executor *executor)
{
	struct assay_task task = {.function = grow_tree};
	assay_future *futures[2];
	int count = 0, leaves = 0;

	while (count < 2) {
		int error = assay_submit(executor, &task, &futures[count]);

		if (error && !is_resource(error))
			inject_die("submit of a tree", error);
		if (error)
			break;
		count++;
	}
	while (count) {
		assay_future *future = futures[--count];
		int error = assay_future_result(future, ASSAY_FOREVER, &leaves, sizeof leaves);

		if (error ? !is_resource(error) : leaves != WIDTH * WIDTH)
			inject_die("wrong tree", error);
		assay_future_release(future);
	}
}

static void wait_and_iterate(assay_future **futures, int count)
{
	struct assay_partition partition = {NULL, 0, 0};
	assay_as_completed *iteration;
	assay_future *future;
	int error = assay_wait(futures, (size_t)count, ASSAY_FIRST_COMPLETED, ASSAY_FOREVER,
			       &partition);

	if (error && error != ASSAY_ENOMEM)
		inject_die("wait", error);
	error = assay_as_completed_begin(futures, (size_t)count, ASSAY_FOREVER, &iteration);
	if (error && error != ASSAY_ENOMEM)
		inject_die("as_completed", error);
	if (error)
		return;
	while (!(error = assay_as_completed_next(iteration, &future)))
		count--;
	if (error != ASSAY_EEND || count)
		inject_die("as_completed_next", error);
	assay_as_completed_end(iteration);
}

static void map_all(assay_executor *executor)
{
	struct work items[TASKS];
	struct assay_map_input input = {items, sizeof items[0], TASKS};
	struct assay_map_request request = assay_map_request_default();
	struct assay_outcome outcome;
	assay_map_iteration *map;
	int error, i = 0;

	memset(items, 0, sizeof items);
	for (i = 0; i < TASKS; i++)
		items[i].value = i;
	request.function = square;
	request.inputs = &input;
	request.input_count = 1;
	request.chunk_size = 5;
	request.window = 10;
	error = assay_map_begin(executor, &request, &map);
	if (error && !is_resource(error))
		inject_die("map_begin", error);
	if (error)
		return;
	for (i = 0; !(error = assay_map_next(map, &outcome)); i++)
		if (!is_resource(outcome.error) &&
		    (outcome.error ? outcome.error != ASSAY_EFAILED || outcome.code != i
				   : *(const int *)outcome.result != i * i))
			inject_die("wrong item", outcome.error);
	if (error == ASSAY_EEND ? i != TASKS : !is_resource(error))
		inject_die("map_next", error);
	assay_map_end(map);
}

static void scenario(const struct assay_backend *backend)
{
	struct assay_config config = assay_config_default();
	struct assay_named_function named = {"square", square};
	assay_executor *executor;
	assay_future *futures[2 * TASKS];
	int count = 0;

	config.workers = 2;
	config.queue_capacity = variant->capacity;
	config.when_full = variant->when_full;
	config.functions = &named;
	config.function_count = 1;
	if (!inject_create(backend, config, &executor))
		return;
	submit_all(executor, futures, &count);
	submit_many(executor, futures, &count);
	wait_and_iterate(futures, count);
	fork_and_join(executor);
	map_all(executor);
	inject_end(executor);
	while (count)
		assay_future_release(futures[--count]);
}

/* Every call of the scenario in turn. Returns how many there were. */
static int fail_each(const struct assay_backend *backend)
{
	int points = 0;

	for (int on = 0; on < 2; on++) {
		inject_on = on;
		for (int at = 1;; at++) {
			bool reached;

			limit_time(20);
			inject_calls = 0;
			inject_at = at;
			scenario(backend);
			reached = inject_calls >= at;
			inject_at = 0;
			points += reached;
			if (!reached)
				break;
		}
	}
	return points;
}

int main(int argc, char **argv)
{
	const struct assay_backend *backend = inject_open(argc, argv);
	int points = 0;

	for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
		inject_variant = (int)i;
		variant = &variants[i];
		if (i == 0 || backend->capabilities & ASSAY_CAP_BOUNDED_QUEUE)
			points += fail_each(backend);
	}
	printf("%s: %d calls failed in turn, nothing was lost\n", backend->name, points);
	return 0;
}
