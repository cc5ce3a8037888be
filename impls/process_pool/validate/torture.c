/* SPDX-License-Identifier: MIT */
/*
 * Workers die at any instruction, and nothing is lost: now and then a task sets a timer that ends its
 * process some microseconds later, wherever it then is. Every future must end exactly once, with an
 * outcome that the policy allows; the counts must add up; nothing may be left.
 * Usage: torture BACKEND.so [tasks [seed]]
 */
#include "../../core/validate/limit.h"

#include <assay/load.h>

#include <dirent.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#define WINDOW 500 /* futures held at once */
#define LONG 40000 /* bytes */
#define RETRIES 2

struct order {
	uint32_t index;
	uint32_t delay_us; /* 0: lives */
	uint32_t kind;
	uint32_t check;
};

enum { SMALL, LONG_ARGUMENT, LONG_RESULT, FAILING, KINDS };

static _Atomic uint8_t *runs; /* of each task; shared */
static uint64_t state;
static atomic_int called;

static uint32_t draw(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32) % below;
}

static void die(const char *what, long value)
{
	fprintf(stderr, "torture: %s (%ld)\n", what, value);
	abort();
}

static int obey(assay_call *call)
{
	const struct order *order = call->argument;
	const unsigned char *bytes = call->argument;
	void *result;
	int error;

	runs[order->index]++;
	if (order->delay_us) {
		struct itimerval timer = {.it_value = {0, (suseconds_t)order->delay_us}};

		setitimer(ITIMER_REAL, &timer, NULL);
	}
	if (order->kind == LONG_ARGUMENT)
		for (size_t i = sizeof *order; i < call->argument_size; i++)
			if (bytes[i] != (unsigned char)order->check)
				return assay_fail(call, 1, "the argument is damaged");
	if (order->kind == FAILING)
		return assay_fail(call, (int)order->index + 1, "as it was told");
	if (order->kind != LONG_RESULT)
		return assay_return(call, &order->check, sizeof order->check);
	error = assay_call_result(call, LONG, &result);
	if (!error)
		memset(result, (int)order->check, LONG);
	return error;
}

static void count_call(assay_future *future, void *user)
{
	(void)user;
	if (!assay_future_is_done(future))
		die("called back too early", 0);
	atomic_fetch_add(&called, 1);
}

struct held {
	assay_future *future;
	struct order order;
};

struct tally {
	uint64_t ok, failed, died, cancelled;
};

static void check_bytes(const struct order *order, const struct assay_outcome *outcome)
{
	const unsigned char *bytes = outcome->result;
	size_t size = order->kind == LONG_RESULT ? LONG : sizeof order->check;

	if (outcome->result_size != size)
		die("a result of another size", (long)outcome->result_size);
	if (order->kind != LONG_RESULT) {
		if (memcmp(bytes, &order->check, sizeof order->check))
			die("a wrong result", (long)order->index);
		return;
	}
	for (size_t i = 0; i < size; i++)
		if (bytes[i] != (unsigned char)order->check)
			die("a damaged result", (long)order->index);
}

static void settle(struct held *held, struct tally *tally, int retries)
{
	const struct order *order = &held->order;
	struct assay_outcome outcome;
	int error = assay_future_outcome(held->future, ASSAY_FOREVER, &outcome);
	int ran = runs[order->index];

	if (error)
		die("wait", error);
	if (ran > retries + 1)
		die("a task ran too often", ran);
	switch (outcome.error) {
	case ASSAY_OK:
		if (!ran || order->kind == FAILING)
			die("success of a task that did not run", order->index);
		check_bytes(order, &outcome);
		tally->ok++;
		break;
	case ASSAY_EFAILED:
		if (order->kind != FAILING || outcome.code != (int)order->index + 1)
			die(outcome.message, order->index);
		tally->failed++;
		break;
	case ASSAY_EDIED:
		if (!outcome.code || !*outcome.message)
			die("a death without cause", order->index);
		tally->died++;
		break;
	case ASSAY_ECANCELLED:
		if (ran)
			die("a cancelled task ran", order->index);
		tally->cancelled++;
		break;
	default:
		die(assay_error_name(outcome.error), order->index);
	}
	assay_future_release(held->future);
}

static void place(assay_executor *executor, struct held *held, uint32_t index, int *callbacks)
{
	static unsigned char bytes[LONG];
	struct order *order = &held->order;
	struct assay_task task = {obey, NULL, bytes, sizeof *order};
	int error;

	*order = (struct order){index, draw(60) ? 0 : 1 + draw(400), draw(KINDS * 8), draw(256)};
	order->kind = order->kind < KINDS ? order->kind : SMALL;
	memcpy(bytes, order, sizeof *order);
	if (order->kind == LONG_ARGUMENT) {
		task.argument_size = LONG;
		memset(bytes + sizeof *order, (int)order->check, LONG - sizeof *order);
	}
	error = assay_submit(executor, &task, &held->future);
	if (error)
		die("submit", error);
	if (draw(4) == 0) {
		if (assay_future_add_done_callback(held->future, count_call, NULL))
			die("callback", index);
		++*callbacks;
	}
	if (draw(50) == 0)
		assay_future_cancel(held->future);
}

static int count_entries(const char *path)
{
	DIR *directory = opendir(path);
	int count = 0;

	while (directory && readdir(directory))
		count++;
	closedir(directory);
	return count;
}

static int count_mappings(void)
{
	FILE *file = fopen("/proc/self/maps", "r");
	char line[512];
	int count = 0;

	while (file && fgets(line, sizeof line, file))
		count += strstr(line, "assay process pool") != NULL;
	fclose(file);
	return count;
}

static void check_counts(assay_executor *executor, const struct tally *tally, uint32_t tasks)
{
	struct assay_statistics now;

	assay_executor_statistics(executor, &now);
	if (tally->ok + tally->failed + tally->died + tally->cancelled != tasks)
		die("futures do not add up", tasks);
	if (now.submitted != tasks || now.finished + now.cancelled != tasks || now.broken ||
	    now.started != now.finished || now.cancelled != tally->cancelled ||
	    now.failed != tally->failed + tally->died)
		die("counts do not add up", (long)now.finished);
	if (now.workers_alive)
		die("workers are left", (long)now.workers_alive);
}

static void torment(const struct assay_backend *backend, enum assay_on_worker_death policy,
		    uint32_t tasks)
{
	struct assay_config config = assay_config_default();
	struct held held[WINDOW] = {0};
	struct tally tally = {0};
	assay_executor *executor;
	int callbacks = 0, retries = policy == ASSAY_DEATH_RETRIES ? RETRIES : 0, error;

	config.workers = 3;
	config.on_worker_death = policy;
	config.retries = retries;
	memset((void *)runs, 0, tasks);
	called = 0;
	error = assay_executor_create(backend, &config, &executor);
	if (error)
		die("create", error);
	for (uint32_t i = 0; i < tasks; i++) {
		if (held[i % WINDOW].future)
			settle(&held[i % WINDOW], &tally, retries);
		place(executor, &held[i % WINDOW], i, &callbacks);
	}
	for (uint32_t i = 0; i < WINDOW; i++)
		if (held[i].future)
			settle(&held[i], &tally, retries);
	assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT);
	check_counts(executor, &tally, tasks);
	if (called != callbacks)
		die("callbacks were not called once each", called - callbacks);
	assay_executor_destroy(executor);
	printf("%s: %u tasks: %lu ok, %lu failed, %lu died, %lu cancelled\n",
	       retries ? "retries" : "fails task", tasks, tally.ok, tally.failed, tally.died,
	       tally.cancelled);
}

int main(int argc, char **argv)
{
	uint32_t tasks = argc > 2 ? (uint32_t)atoi(argv[2]) : 20000;
	const struct assay_backend *backend;
	int descriptors, threads;
	char message[512];

	if (argc < 2 || argc > 4 ||
	    assay_backend_open(argv[1], &backend, message, sizeof message)) {
		fprintf(stderr, "%s\n",
			argc == 2 ? message : "usage: torture BACKEND.so [tasks [seed]]");
		return 2;
	}
	state = argc > 3 ? strtoull(argv[3], NULL, 0) : 88172645463325252U;
	runs = mmap(NULL, tasks, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (runs == MAP_FAILED || !state)
		die("memory", tasks);
	limit_time(250);
	torment(backend, ASSAY_DEATH_FAILS_TASK, 100); /* what stays for ever is there */
	descriptors = count_entries("/proc/self/fd");
	threads = count_entries("/proc/self/task");
	torment(backend, ASSAY_DEATH_FAILS_TASK, tasks);
	torment(backend, ASSAY_DEATH_RETRIES, tasks);
	if (count_entries("/proc/self/fd") != descriptors)
		die("descriptors are left", count_entries("/proc/self/fd") - descriptors);
	/* A thread that was joined may be seen for a moment; another one until the alarm. */
	while (count_entries("/proc/self/task") > threads)
		sched_yield();
	if (count_mappings())
		die("mappings are left", count_mappings());
	return 0;
}
