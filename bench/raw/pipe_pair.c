/* SPDX-License-Identifier: MIT */
/*
 * The simplest pool of processes that is correct: each worker is forked with two pipes, one that
 * brings it a function and an argument, one that takes the result back, and has one task at a time.
 * The submitter writes to whoever is free and polls for results. A second submitter waits.
 */
#include "raw.h"

#include "work.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct request {
	uint64_t (*function)(uint64_t argument);
	uint64_t argument;
};

struct worker {
	pid_t process;
	int in, out; /* the submitter's ends */
	size_t task; /* that it has */
};

struct raw_pool {
	pthread_mutex_t lock;
	int count;
	int broken; /* an errno value: a worker died */
	struct pollfd *polled;
	struct worker workers[];
};

static const char *version(void)
{
	return "pipes 1.0";
}

/* Shorter than PIPE_BUF: all or nothing, but for signals. */
static bool get(int end, void *bytes, size_t size)
{
	ssize_t got;

	do
		got = read(end, bytes, size);
	while (got < 0 && errno == EINTR);
	return got == (ssize_t)size;
}

static bool put(int end, const void *bytes, size_t size)
{
	ssize_t sent;

	do
		sent = write(end, bytes, size);
	while (sent < 0 && errno == EINTR);
	return sent == (ssize_t)size;
}

static _Noreturn void work(int in, int out)
{
	struct request request;

	while (get(in, &request, sizeof request)) {
		uint64_t value = request.function(request.argument);

		if (!put(out, &value, sizeof value))
			break;
	}
	_exit(0);
}

static void close_pool(struct raw_pool *pool)
{
	for (int i = 0; i < pool->count; i++) {
		close(pool->workers[i].in);
		close(pool->workers[i].out);
	}
	for (int i = 0; i < pool->count; i++)
		while (waitpid(pool->workers[i].process, NULL, 0) < 0 && errno == EINTR)
			;
	pthread_mutex_destroy(&pool->lock);
	free(pool->polled);
	free(pool);
}

/* The ends of those before it are not its own: it would keep them from seeing the end. */
static _Noreturn void become_worker(struct raw_pool *pool, int there[2], int back[2], pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	for (int i = 0; i < pool->count; i++) {
		close(pool->workers[i].in);
		close(pool->workers[i].out);
	}
	close(there[1]);
	close(back[0]);
	work(there[0], back[1]);
}

static int start_worker(struct raw_pool *pool)
{
	int there[2], back[2], error = 0;
	pid_t parent = getpid(), child;

	if (pipe(there))
		return errno;
	if (pipe(back)) {
		error = errno;
		close(there[0]);
		close(there[1]);
		return error;
	}
	child = fork();
	if (child == 0)
		become_worker(pool, there, back, parent);
	if (child < 0)
		error = errno;
	close(there[0]);
	close(back[1]);
	if (error) {
		close(there[1]);
		close(back[0]);
		return error;
	}
	pool->workers[pool->count++] = (struct worker){child, there[1], back[0], 0};
	return 0;
}

static int open_pool(int workers, struct raw_pool **out, int *effective)
{
	struct raw_pool *pool = calloc(1, sizeof *pool + (size_t)workers * sizeof pool->workers[0]);
	int error = 0;

	if (!pool)
		return ENOMEM;
	pthread_mutex_init(&pool->lock, NULL);
	pool->polled = calloc((size_t)workers, sizeof *pool->polled);
	if (!pool->polled)
		error = ENOMEM;
	while (!error && pool->count < workers)
		error = start_worker(pool);
	if (error) {
		close_pool(pool);
		return error;
	}
	for (int i = 0; i < workers; i++)
		pool->polled[i] = (struct pollfd){.fd = pool->workers[i].out, .events = POLLIN};
	signal(SIGPIPE, SIG_IGN); /* a dead worker is an error of write */
	*effective = pool->count;
	*out = pool;
	return 0;
}

static bool hand_over(struct worker *worker, uint64_t first, size_t task)
{
	struct request request = {spread, first + task};

	worker->task = task;
	return put(worker->in, &request, sizeof request);
}

/* Results of those that have one, and their next tasks. */
static bool serve(struct raw_pool *pool, uint64_t first, size_t count, size_t *sent, size_t *done,
		  uint64_t *values)
{
	if (poll(pool->polled, (nfds_t)pool->count, -1) < 0)
		return errno == EINTR;
	for (int i = 0; i < pool->count; i++) {
		struct worker *worker = &pool->workers[i];

		if (!pool->polled[i].revents)
			continue;
		if (!get(worker->out, &values[worker->task], sizeof *values))
			return false;
		++*done;
		if (*sent < count && !hand_over(worker, first, (*sent)++))
			return false;
	}
	return true;
}

static int submit(struct raw_pool *pool, uint64_t first, size_t count, uint64_t *values)
{
	size_t sent = 0, done = 0;
	bool fine;
	int error;

	pthread_mutex_lock(&pool->lock);
	fine = !pool->broken;
	for (int i = 0; fine && i < pool->count && sent < count; i++)
		fine = hand_over(&pool->workers[i], first, sent++);
	while (fine && done < count)
		fine = serve(pool, first, count, &sent, &done, values);
	if (!fine)
		pool->broken = EPIPE; /* results may be under way that are nobody's */
	error = pool->broken;
	pthread_mutex_unlock(&pool->lock);
	return error;
}

/* One worker, and no poll: there is nobody else to hear of. */
static int round_trip(struct raw_pool *pool, uint64_t argument, uint64_t *value)
{
	int error;

	pthread_mutex_lock(&pool->lock);
	if (!pool->broken && (!hand_over(&pool->workers[0], argument, 0) ||
			      !get(pool->workers[0].out, value, sizeof *value)))
		pool->broken = EPIPE;
	error = pool->broken;
	pthread_mutex_unlock(&pool->lock);
	return error;
}

#define NO_WAITS "a worker with one task at a time cannot wait for another"
#define NO_QUEUE "there is no queue: a task that has no worker is not submitted"

static const struct raw_refusal refusals[] = {
	{"memory_per_pending_task", NO_QUEUE},
	{"fib_fork_join", NO_WAITS},
	{"fib_futures", NO_WAITS},
	{"fib_futures_25", NO_WAITS},
	{"skynet", NO_WAITS},
	{"oversubscribed_fib", NO_WAITS},
	{"submit_many", "a pipe takes one task"},
	{"map_ints", "the numbers would have to be in shared memory"},
	{"uneven_grain", "the items would have to be in shared memory"},
	{"sleeps_64_workers", "the items would have to be in shared memory"},
	{NULL, NULL},
};

const struct raw_driver raw_driver = {
	.abi = RAW_ABI,
	.name = "pipe_pair_raw",
	.summary = "forked workers with two pipes each, one task at a time",
	.version = version,
	.refusals = refusals,
	.open = open_pool,
	.close = close_pool,
	.submit = submit,
	.round_trip = round_trip,
};
