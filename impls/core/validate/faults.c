/* SPDX-License-Identifier: MIT */
/*
 * Fails each allocation and each thread start of a scenario in turn, once and from then on: every
 * call must answer with an error of the closed set, every accepted task must end, and nothing may
 * crash, hang or be lost. With an unbounded queue, and with each of the ways in which a bounded one
 * deals with tasks for which there is no room. And with so many pending tasks that queues and slabs have
 * to grow. Usage: faults BACKEND.so
 */
#include "limit.h"

#include <assay/load.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#define TASKS 24
#define WIDTH 3 /* children that a task forks, and each of these, */
#define DEPTH 2 /* so many times */
#define MOST_PENDING 2000

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

static atomic_int calls;    /* that could have failed so far */
static atomic_int fail_at;  /* the one that does; 0: none */
static atomic_bool fail_on; /* and all that follow */

static bool fails(void)
{
	int at = fail_at, call = ++calls;

	return at && (call == at || (fail_on && call > at));
}

/* The program's own definitions stand before the C library's, also for the backend it loads. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static bool out_of_memory(void)
{
	bool out = fails();

	if (out)
		errno = ENOMEM; /* the C library itself relies on it */
	return out;
}

void *malloc(size_t size)
{
	return out_of_memory() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return out_of_memory() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
	return out_of_memory() ? NULL : __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return out_of_memory() ? NULL : __libc_memalign(alignment, size);
}

typedef int create_function(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
		   void *user)
{
	static create_function *create;

	if (!create)
		*(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
	return fails() ? EAGAIN : create(thread, attributes, run, user);
}

static void die(const char *what, int error)
{
	fprintf(stderr, "variant %d, call %d %s: %s: %s\n", (int)(variant - variants), fail_at,
		fail_on ? "and all after it" : "alone", what, assay_error_name(error));
	abort();
}

static void on_alarm(int signal)
{
	static const char text[] = "hang\n";

	(void)signal;
	if (write(2, text, sizeof text - 1) < 0)
		_exit(3);
	abort();
}

/* The errors that a refused allocation or thread may become; or there was no room. */
static bool is_resource(int error)
{
	return error == ASSAY_ENOMEM || error == ASSAY_ERESOURCE || error == ASSAY_EBROKEN ||
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
		die("outcome", error);
	if (outcome.error == ASSAY_ECANCELLED || is_resource(outcome.error))
		return;
	if (outcome.error ? outcome.error != ASSAY_EFAILED || outcome.code != value
			  : *(const int *)outcome.result != value * value)
		die("wrong outcome", outcome.error);
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
			die("submit", error);
		if (error)
			continue;
		error = assay_future_add_done_callback(futures[*count], count_callback, &called);
		if (error && error != ASSAY_ENOMEM)
			die("add_done_callback", error);
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
		die("submit_many", error);
	if (accepted > TASKS || (accepted == TASKS) != !error)
		die("submit_many accepted another number than it said", error);
	for (size_t i = 0; i < TASKS; i++) {
		if ((rest[i] == &untouched) != (i >= accepted))
			die("submit_many left another future than it said", error);
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
			die("join", returned);
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
			die("submit of a tree", error);
		if (error)
			break;
		count++;
	}
	while (count) {
		assay_future *future = futures[--count];
		int error = assay_future_result(future, ASSAY_FOREVER, &leaves, sizeof leaves);

		if (error ? !is_resource(error) : leaves != WIDTH * WIDTH)
			die("wrong tree", error);
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
		die("wait", error);
	error = assay_as_completed_begin(futures, (size_t)count, ASSAY_FOREVER, &iteration);
	if (error && error != ASSAY_ENOMEM)
		die("as_completed", error);
	if (error)
		return;
	while (!(error = assay_as_completed_next(iteration, &future)))
		count--;
	if (error != ASSAY_EEND || count)
		die("as_completed_next", error);
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
		die("map_begin", error);
	if (error)
		return;
	for (i = 0; !(error = assay_map_next(map, &outcome)); i++)
		if (!is_resource(outcome.error) &&
		    (outcome.error ? outcome.error != ASSAY_EFAILED || outcome.code != i
				   : *(const int *)outcome.result != i * i))
			die("wrong item", outcome.error);
	if (error == ASSAY_EEND ? i != TASKS : !is_resource(error))
		die("map_next", error);
	assay_map_end(map);
}

static void quiet(void *user, enum assay_severity severity, const char *message)
{
	(void)user;
	(void)severity;
	(void)message;
}

/* False: what it needs could not be had. */
static bool create(const struct assay_backend *backend, const struct assay_config *config,
		   assay_executor **executor)
{
	int error = assay_executor_create(backend, config, executor);

	if (error && !is_resource(error))
		die("create", error);
	return !error;
}

static void end(assay_executor *executor)
{
	struct assay_statistics now;
	int error = assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT);

	if (error)
		die("shutdown", error);
	assay_executor_statistics(executor, &now);
	if (now.submitted != now.finished + now.cancelled + now.broken)
		die("a task was lost", 0);
	error = assay_executor_destroy(executor);
	if (error)
		die("destroy", error);
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
	config.log = quiet;
	if (!create(backend, &config, &executor))
		return;
	submit_all(executor, futures, &count);
	submit_many(executor, futures, &count);
	wait_and_iterate(futures, count);
	fork_and_join(executor);
	map_all(executor);
	end(executor);
	while (count)
		assay_future_release(futures[--count]);
}

/* Every call of the scenario in turn. Returns how many there were. */
static int fail_each(const struct assay_backend *backend)
{
	int points = 0;

	for (int on = 0; on < 2; on++) {
		fail_on = on;
		for (int at = 1;; at++) {
			bool reached;

			limit_time(20);
			calls = 0;
			fail_at = at;
			scenario(backend);
			reached = calls >= at;
			fail_at = 0;
			points += reached;
			if (!reached)
				break;
		}
	}
	return points;
}

/* Tasks that are pending while the only worker is inside another one. */
struct backlog {
	int tasks;
	bool inside;   /* submitted by the task that the worker is in */
	bool together; /* by one call */
};

static const struct backlog backlogs[] = {
	{200, false, false},         {200, true, false},           {200, false, true},
	{200, true, true},           {MOST_PENDING, false, false}, {MOST_PENDING, true, false},
	{MOST_PENDING, false, true}, {MOST_PENDING, true, true},
};

static const struct backlog *backlog;
static bool pending[MOST_PENDING];
static atomic_int ran[MOST_PENDING];
static atomic_bool piled, gate_open;

static int run_pending(assay_call *call)
{
	ran[*(const int *)call->argument]++;
	return ASSAY_OK;
}

/* There is a worker: only memory may be short. */
static void pile_up(assay_executor *executor)
{
	static struct assay_task tasks[MOST_PENDING];
	static int numbers[MOST_PENDING];
	size_t accepted = 0;
	int error;

	for (int i = 0; i < backlog->tasks; i++) {
		numbers[i] = i;
		tasks[i] = (struct assay_task){run_pending, NULL, &numbers[i], sizeof numbers[i]};
		if (backlog->together)
			continue;
		error = assay_submit(executor, &tasks[i], NULL);
		if (error && error != ASSAY_ENOMEM)
			die("submit of a pending task", error);
		pending[i] = !error;
	}
	if (!backlog->together)
		return;
	error = assay_submit_many(executor, tasks, (size_t)backlog->tasks, NULL, &accepted);
	if (error ? error != ASSAY_ENOMEM : accepted != (size_t)backlog->tasks)
		die("submit_many of pending tasks", error);
	for (size_t i = 0; i < accepted; i++)
		pending[i] = true;
}

static int keep_busy(assay_call *call)
{
	if (backlog->inside)
		pile_up(call->executor);
	piled = true;
	while (!gate_open)
		sched_yield();
	return ASSAY_OK;
}

/* What was accepted runs, once; what was refused does not. */
static void pile_up_and_run(const struct assay_backend *backend)
{
	struct assay_config config = assay_config_default();
	struct assay_task task = {.function = keep_busy};
	assay_executor *executor;
	int error;

	config.workers = 1;
	config.log = quiet;
	if (!create(backend, &config, &executor))
		return;
	error = assay_submit(executor, &task, NULL);
	if (error && !is_resource(error))
		die("submit of the first", error);
	if (!error && !backlog->inside)
		pile_up(executor);
	while (!error && !piled)
		sched_yield();
	gate_open = true;
	end(executor);
	for (int i = 0; i < backlog->tasks; i++)
		if (ran[i] != pending[i])
			die("a pending task ran another number of times than it should", 0);
}

/* In a process of its own, whose slabs are empty yet. True: there was such a call. */
static bool fail_backlog(const struct assay_backend *backend, int at)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		limit_time(20);
		calls = 0;
		fail_at = at;
		pile_up_and_run(backend);
		_exit(calls >= at);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) ||
	    WEXITSTATUS(status) > 1) {
		fprintf(stderr, "backlog %d: failed\n", (int)(backlog - backlogs));
		exit(1);
	}
	return WEXITSTATUS(status);
}

static int fail_each_backlog(const struct assay_backend *backend)
{
	int points = 0;

	for (size_t i = 0; i < sizeof backlogs / sizeof *backlogs; i++) {
		backlog = &backlogs[i];
		for (int on = 0; on < 2; on++) {
			fail_on = on;
			for (int at = 1; fail_backlog(backend, at); at++)
				points++;
		}
	}
	return points;
}

int main(int argc, char **argv)
{
	const struct assay_backend *backend;
	char message[512];
	int points = 0;

	if (argc != 2 || assay_backend_open(argv[1], &backend, message, sizeof message)) {
		fprintf(stderr, "%s\n", argc == 2 ? message : "usage: faults BACKEND.so");
		return 2;
	}
	signal(SIGALRM, on_alarm);
	variant = &variants[0];
	/* Where each task has a thread of its own, too many calls would have to fail. */
	if (backend->capabilities & ASSAY_CAP_SHARED_MEMORY &&
	    backend->capabilities & ASSAY_CAP_WORKER_REUSE)
		points += fail_each_backlog(backend); /* before this process has any slab */
	for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
		variant = &variants[i];
		if (i == 0 || backend->capabilities & ASSAY_CAP_BOUNDED_QUEUE)
			points += fail_each(backend);
	}
	printf("%s: %d calls failed in turn, nothing was lost\n", backend->name, points);
	return 0;
}
