/* SPDX-License-Identifier: MIT */
/*
 * Memory orders, by label:
 *   done    undone: fetch_sub release by each callback after it has written its arrival, acquire by
 *           the last of them, whose sem_post() lets the generator read all of them.
 */
#include "arrivals.h"

#include "../graph/graph.h"
#include "../marks.h"

#include <errno.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { SLICE_NS = 100000 };

/* A read that the kernel lets wait so long: as one from a network would. */
static int wait_for_timer(uint64_t wait_ns)
{
	struct itimerspec rest = {.it_value = {.tv_sec = (time_t)(wait_ns / 1000000000),
					       .tv_nsec = (long)(wait_ns % 1000000000)}};
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	uint64_t expirations;
	ssize_t got;

	if (timer < 0)
		return -1;
	timerfd_settime(timer, 0, &rest, NULL);
	do
		got = read(timer, &expirations, sizeof expirations);
	while (got < 0 && errno == EINTR);
	close(timer);
	return got == sizeof expirations ? 0 : -1;
}

static int service_task(assay_call *call)
{
	const struct service *service = call->argument;
	uint64_t value = kernel(service->index, service->iterations);

	mark(service->index);
	if (service->dies_ns) {
		*service->dies_ns = assay_clock_ns();
		kill(getpid(), SIGKILL);
	}
	if (service->wait_ns && wait_for_timer(service->wait_ns))
		return assay_fail(call, 1, "cannot wait for a timer");
	return assay_return(call, &value, sizeof value);
}

const struct assay_named_function arrival_functions[] = {{"service", service_task}, {NULL, NULL}};

int arrivals_begin(struct arrivals *arrivals, struct cell *cell, size_t most)
{
	arrivals->cell = cell;
	if (sem_init(&arrivals->all_done, 0, 0) || sem_init(&arrivals->window, 0, 0))
		return cell_fail(cell, "cannot make a semaphore");
	return marks_begin(cell, most);
}

void arrivals_end(struct arrivals *arrivals)
{
	free(arrivals->list);
	if (arrivals->cell) {
		sem_destroy(&arrivals->all_done);
		sem_destroy(&arrivals->window);
	}
	marks_end();
}

int arrivals_make(struct arrivals *arrivals, size_t count)
{
	free(arrivals->list);
	arrivals->count = count;
	arrivals->list = calloc(count, sizeof *arrivals->list);
	if (!arrivals->list)
		return cell_fail(arrivals->cell, "no memory for %zu arrivals", count);
	for (size_t i = 0; i < count; i++) {
		arrivals->list[i].arrivals = arrivals;
		arrivals->list[i].service.index = i;
	}
	marks_clear();
	return 0;
}

void arrivals_poisson(struct arrivals *arrivals, double mean_gap_ns, uint64_t seed)
{
	double due_ns = 0;

	for (size_t i = 0; i < arrivals->count; i++) {
		/* Above 0, up to 1. */
		double share = ((double)(next_random(&seed) >> 11) + 1) * 0x1p-53;

		due_ns -= mean_gap_ns * log(share);
		arrivals->list[i].due_ns = (int64_t)due_ns;
	}
}

static int64_t now_ns(const struct arrivals *arrivals)
{
	return assay_clock_ns() - arrivals->start_ns;
}

static void finish(struct arrivals *arrivals)
{
	/* done */
	if (atomic_fetch_sub_explicit(&arrivals->undone, 1, memory_order_acq_rel) == 1)
		sem_post(&arrivals->all_done);
}

static void on_done(assay_future *future, void *user)
{
	struct arrival *arrival = user;
	struct arrivals *arrivals = arrival->arrivals;

	arrival->done_ns = now_ns(arrivals);
	arrival->error = assay_future_result(future, 0, &arrival->value, sizeof arrival->value);
	sem_post(&arrivals->window);
	finish(arrivals);
}

static int send(struct arrivals *arrivals, struct arrival *arrival)
{
	struct cell *cell = arrivals->cell;
	struct assay_task task =
		cell_task(cell, service_task, &arrival->service, sizeof arrival->service);
	assay_future *future;
	int error;

	/* Relaxed: it does not pass through 0 while arrivals are sent. */
	atomic_fetch_add_explicit(&arrivals->undone, 1, memory_order_relaxed);
	arrival->sent_ns = now_ns(arrivals);
	error = assay_submit(arrivals->executor, &task, &future);
	if (error) {
		finish(arrivals);
		return cell_fail(cell, "submit: %s", assay_error_text(error));
	}
	error = assay_future_add_done_callback(future, on_done, arrival);
	assay_future_release(future);
	arrival->returned_ns = now_ns(arrivals);
	if (!error)
		return 0;
	finish(arrivals);
	return cell_fail(cell, "add_done_callback: %s", assay_error_text(error));
}

static void start(struct arrivals *arrivals, unsigned window)
{
	/* What an earlier run has left. */
	while (sem_trywait(&arrivals->window) == 0)
		;
	while (window--)
		sem_post(&arrivals->window);
	if (!arrivals->executor)
		arrivals->executor = arrivals->cell->executor;
	/* Relaxed: no task is under way. */
	atomic_store_explicit(&arrivals->undone, 1, memory_order_relaxed);
	arrivals->start_ns = assay_clock_ns();
}

static int finish_all(struct arrivals *arrivals)
{
	finish(arrivals);
	while (sem_wait(&arrivals->all_done))
		;
	return cell_failed(arrivals->cell) ? -1 : 0;
}

static void sleep_until(int64_t clock_ns)
{
	struct timespec until = {.tv_sec = clock_ns / 1000000000, .tv_nsec = clock_ns % 1000000000};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

/*
 * Of the thread that sends: a short slice of time lets it run soon after it wakes, before threads
 * that have the processor for longer (Linux 6.12; an earlier kernel takes no notice). Those that it
 * starts do not inherit it.
 */
static void ask_for_slice(uint64_t slice_ns)
{
	struct sched_attr wish = {.size = sizeof wish,
				  .sched_policy = SCHED_NORMAL,
				  .sched_flags = SCHED_FLAG_RESET_ON_FORK,
				  .sched_runtime = slice_ns};

	syscall(SYS_sched_setattr, 0, &wish, 0);
}

int arrivals_run(struct arrivals *arrivals)
{
	int failed = 0, slack_ns = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);

	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	ask_for_slice(SLICE_NS);
	start(arrivals, 0);
	for (size_t i = 0; i < arrivals->count && !failed; i++) {
		struct arrival *arrival = &arrivals->list[i];

		if (now_ns(arrivals) < arrival->due_ns)
			sleep_until(arrivals->start_ns + arrival->due_ns);
		failed = send(arrivals, arrival);
	}
	ask_for_slice(0);
	prctl(PR_SET_TIMERSLACK, slack_ns, 0, 0, 0);
	return finish_all(arrivals);
}

int arrivals_run_closed(struct arrivals *arrivals, unsigned window, double *per_task_ns)
{
	int64_t last_ns = 0;
	int failed = 0;

	start(arrivals, window);
	for (size_t i = 0; i < arrivals->count && !failed; i++) {
		while (sem_wait(&arrivals->window))
			;
		failed = send(arrivals, &arrivals->list[i]);
	}
	failed |= finish_all(arrivals);
	for (size_t i = 0; i < arrivals->count; i++)
		if (last_ns < arrivals->list[i].done_ns)
			last_ns = arrivals->list[i].done_ns;
	*per_task_ns = (double)last_ns / (double)arrivals->count;
	return failed || arrivals_check(arrivals) ? -1 : 0;
}

int arrivals_check(const struct arrivals *arrivals)
{
	for (size_t i = 0; i < arrivals->count; i++) {
		const struct arrival *arrival = &arrivals->list[i];

		if (arrival->error == ASSAY_EDIED && arrival->service.dies_ns)
			continue;
		if (arrival->service.dies_ns)
			return cell_fail(arrivals->cell,
					 "task %zu killed its worker, and ended with: %s", i,
					 assay_error_text(arrival->error));
		if (arrival->error)
			return cell_fail(arrivals->cell, "task %zu: %s", i,
					 assay_error_text(arrival->error));
		if (arrival->value !=
		    kernel_leap(arrival->service.index, arrival->service.iterations))
			return cell_fail(arrivals->cell, "task %zu returned something else", i);
	}
	return marks_check(arrivals->cell, arrivals->count);
}
