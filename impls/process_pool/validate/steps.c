/* SPDX-License-Identifier: MIT */
/*
 * Ends a worker at each of the moments that its source marks, one after the other: the n-th marked
 * moment of a scenario is the last of its process, for n from 1 until there are fewer. Under each
 * policy every future must end, with an outcome that the policy allows, and the counts must add up.
 * At moments of the client nobody ends: a thread stands there while others go on.
 * Usage: steps BACKEND.so [STRIDE], of a backend built with PROCESS_POOL_STEPS. With a stride only every so many
 * moments: where a fork takes long.
 */
#include "asleep.h"
#include "view.h"
#include "../../core/validate/limit.h"

#include <assay/load.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define TASKS 10
#define LONG 20000 /* bytes */
#define ROUNDS 3   /* of the submitter: the workers sleep in between */

static struct plan {
	atomic_int steps;                /* marked moments so far */
	atomic_int fatal;                /* the one that is the last; 0: none */
	atomic_int runs[TASKS * ROUNDS]; /* of each task */
	atomic_int deaths;
	atomic_bool is_dying;
	atomic_bool may_die; /* else it waits */
	atomic_int errands;  /* begun */
	atomic_bool open[2]; /* their gates */
} * plan;

static pid_t client;
static int stride = 1;
static enum assay_on_worker_death policy;

__attribute__((visibility("default"))) void process_pool_step(void);

/* What this thread of the client does at the next of its moments. */
static _Thread_local void (*meanwhile)(void);

void process_pool_step(void)
{
	void (*act)(void) = meanwhile;

	if (getpid() == client) {
		meanwhile = NULL;
		if (act)
			act();
		return;
	}
	if (++plan->steps != plan->fatal)
		return;
	plan->deaths++;
	plan->is_dying = true;
	while (!plan->may_die)
		sched_yield();
	kill(getpid(), SIGKILL);
}

static void die(const char *what, long value)
{
	fprintf(stderr, "steps: policy %d, step %d: %s (%ld)\n", (int)policy, plan->fatal, what,
		value);
	abort();
}

static void on_alarm(int signal)
{
	(void)signal;
	die("hang", 0);
}

struct order {
	int index;
	int size;     /* of the result, beginning with the index */
	int argument; /* the size of this */
	char padding[LONG];
};

static int obey(assay_call *call)
{
	const struct order *order = call->argument;
	void *result;
	int error;

	plan->runs[order->index]++;
	if (call->argument_size != (size_t)order->argument ||
	    ((const char *)order)[order->argument - 1] != (char)order->index)
		return assay_fail(call, 2, "the argument is damaged");
	if (order->size == 0)
		return assay_fail(call, 1, "as it was told");
	error = assay_call_result(call, (size_t)order->size, &result);
	if (!error) {
		memset(result, 0x55, (size_t)order->size);
		memcpy(result, &order->index, sizeof order->index);
	}
	return error;
}

static void count_call(assay_future *future, void *user)
{
	(void)future;
	++*(atomic_int *)user;
}

/* Until the next call. */
static const struct order *order_of(int index)
{
	static const int sizes[] = {4, 0, 200, LONG, 150};
	static struct order order;

	order.index = index;
	order.size = sizes[index % 5];
	order.argument = index % 4 == 3 ? (int)sizeof order : 76;
	((char *)&order)[order.argument - 1] = (char)index;
	return &order;
}

/* Returns whether it died with its worker. */
static bool check(assay_future *future, int index)
{
	const struct order *order = order_of(index);
	struct assay_outcome outcome;
	int error = assay_future_outcome(future, ASSAY_FOREVER, &outcome);
	int runs = plan->runs[index];

	if (error)
		die("wait", error);
	if (runs > 1 + (policy == ASSAY_DEATH_RETRIES))
		die("a task ran too often", index);
	if (policy == ASSAY_DEATH_BREAKS && outcome.error == ASSAY_EBROKEN)
		return true;
	if (policy == ASSAY_DEATH_FAILS_TASK && outcome.error == ASSAY_EDIED &&
	    outcome.code == SIGKILL)
		return true;
	if (!runs)
		die("a task did not run", index);
	if (order->size == 0
		    ? outcome.error != ASSAY_EFAILED || outcome.code != 1 ||
			      strcmp(outcome.message, "as it was told") != 0
		    : outcome.error || outcome.result_size != (size_t)order->size ||
			      memcmp(outcome.result, &order->index, sizeof order->index) != 0)
		die(outcome.message, index);
	return false;
}

/* Returns how many tasks were accepted. */
static int submit_round(assay_executor *executor, int first, int *lost)
{
	static atomic_int called;
	assay_future *futures[TASKS];
	int count = 0, expected = 0;

	called = 0;
	for (int i = 0; i < TASKS; i++) {
		const struct order *order = order_of(first + i);
		struct assay_task task = {obey, NULL, order, (size_t)order->argument};
		int error = assay_submit(executor, &task, &futures[count]);

		if (error && (policy != ASSAY_DEATH_BREAKS || error != ASSAY_EBROKEN))
			die("submit", error);
		if (error)
			break;
		if (i % 3 == 0) {
			if (assay_future_add_done_callback(futures[count], count_call, &called))
				die("callback", i);
			expected++;
		}
		count++;
	}
	for (int i = 0; i < count; i++)
		*lost += check(futures[i], first + i);
	while (called != expected)
		sched_yield();
	for (int i = 0; i < count; i++)
		assay_future_release(futures[i]);
	return count;
}

static void quiet(void *user, enum assay_severity severity, const char *message)
{
	(void)user;
	(void)severity;
	(void)message;
}

static void scenario(const struct assay_backend *backend, size_t capacity)
{
	struct assay_config config = assay_config_default();
	struct assay_statistics now;
	assay_executor *executor;
	int accepted = 0, lost = 0, error;

	config.workers = capacity == 1 ? 1 : 2;
	config.on_worker_death = policy;
	config.retries = policy == ASSAY_DEATH_RETRIES;
	config.queue_capacity = capacity;
	config.spin_ns = 0;
	config.log = quiet;
	plan->steps = plan->deaths = 0;
	plan->may_die = true;
	for (int i = 0; i < TASKS * ROUNDS; i++)
		plan->runs[i] = 0;
	error = assay_executor_create(backend, &config, &executor);
	if (error)
		die("create", error);
	for (int i = 0; i < ROUNDS; i++)
		accepted += submit_round(executor, i * TASKS, &lost);
	assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT);
	assay_executor_statistics(executor, &now);
	if (now.submitted != (uint64_t)accepted || now.started != now.finished ||
	    now.submitted != now.finished + now.broken || now.failed > now.finished)
		die("counts do not add up", (long)now.finished);
	if (policy != ASSAY_DEATH_BREAKS && lost > plan->deaths)
		die("more tasks died than workers", lost);
	if (count_owned((size_t)config.workers))
		die("memory of arguments or results is lost",
		    (long)count_owned((size_t)config.workers));
	assay_executor_destroy(executor);
}

/* Returns how many workers ended. */
static int sweep(const struct assay_backend *backend, size_t capacity)
{
	int points = 0;

	for (int fatal = 1;; fatal += stride) {
		limit_time(20);
		plan->fatal = fatal;
		scenario(backend, capacity);
		if (plan->steps < fatal)
			break;
		points += plan->deaths;
	}
	return points;
}

/*
 * Moments of the client
 */

/* A task that ends when its gate is open, and knows its argument. */
struct errand {
	int gate;
	unsigned char bytes[LONG];
};

static int run_errand(assay_call *call)
{
	const struct errand *errand = call->argument;

	plan->errands++;
	while (!plan->open[errand->gate])
		sched_yield();
	for (int i = 0; i < LONG; i++)
		if (errand->bytes[i] != errand->gate)
			return assay_fail(call, 1, "the argument is damaged");
	return ASSAY_OK;
}

static assay_future *send(assay_executor *executor, int gate)
{
	static struct errand errand;
	struct assay_task task = {run_errand, NULL, &errand, sizeof errand};
	assay_future *future;
	int error;

	errand.gate = gate;
	memset(errand.bytes, gate, sizeof errand.bytes);
	error = assay_submit(executor, &task, &future);
	if (error)
		die("submit", error);
	return future;
}

static assay_executor *create_one(const struct assay_backend *backend)
{
	struct assay_config config = assay_config_default();
	assay_executor *executor;
	int error;

	config.workers = 1;
	config.on_worker_death = policy = ASSAY_DEATH_FAILS_TASK;
	config.spin_ns = 0;
	config.log = quiet;
	plan->fatal = plan->errands = 0;
	plan->open[0] = plan->open[1] = false;
	error = assay_executor_create(backend, &config, &executor);
	if (error)
		die("create", error);
	return executor;
}

/* A thread that waits for a future, or asks for its state once it is told to. */
struct waiter {
	pthread_t thread;
	assay_future *future;
	atomic_int tid;
	atomic_bool asks; /* instead of waiting */
	enum assay_state state;
};

static void *wait_for_it(void *user)
{
	struct waiter *waiter = user;

	waiter->tid = gettid();
	if (!assay_future_wait(waiter->future, ASSAY_FOREVER))
		waiter->state = assay_future_state(waiter->future);
	return NULL;
}

static void *ask_for_it(void *user)
{
	struct waiter *waiter = user;

	while (!waiter->asks)
		sched_yield();
	waiter->tid = gettid();
	waiter->state = assay_future_state(waiter->future);
	return NULL;
}

static void start(struct waiter *waiter, void *(*run)(void *), assay_future *future)
{
	waiter->future = future;
	waiter->tid = 0;
	waiter->asks = false;
	if (pthread_create(&waiter->thread, NULL, run, waiter))
		die("thread", 0);
}

/* A worker dies while one thread sleeps on its task, and after another has looked at it. */
static int check_looked_at(const struct assay_backend *backend)
{
	int points = 0;

	for (int fatal = 1;; fatal++) {
		assay_executor *executor = create_one(backend);
		assay_future *future;
		struct waiter sleeper;

		limit_time(20);
		future = send(executor, 0);
		start(&sleeper, wait_for_it, future);
		await_sleep(&sleeper.tid);
		while (!plan->errands)
			sched_yield();
		plan->steps = plan->deaths = 0;
		plan->is_dying = plan->may_die = false;
		plan->fatal = fatal;
		plan->open[0] = true;
		while (!plan->is_dying && !assay_future_is_done(future))
			sched_yield();
		(void)!assay_future_is_done(future);
		plan->may_die = true;
		pthread_join(sleeper.thread, NULL);
		assay_future_release(future);
		assay_executor_destroy(executor);
		points += plan->deaths;
		if (plan->steps < fatal)
			return points;
	}
}

static assay_future *shared;

static void release_other(void)
{
	assay_future_release(shared);
}

/* The last two references go at the same moment: the failure is counted when the task is collected. */
static void check_released(const struct assay_backend *backend)
{
	assay_executor *executor = create_one(backend);
	assay_future *first = send(executor, 0);
	const struct order *order = order_of(1); /* which fails */
	struct assay_task task = {obey, NULL, order, (size_t)order->argument};
	struct assay_statistics now = {0};
	int error = assay_submit(executor, &task, &shared);

	limit_time(20);
	if (error)
		die("submit", error);
	assay_future_retain(shared);
	meanwhile = release_other;
	assay_future_release(shared);
	if (meanwhile)
		die("releasing marks no moment", 0);
	plan->open[0] = true;
	while (!now.failed) {
		sched_yield();
		assay_executor_statistics(executor, &now);
	}
	assay_future_release(first);
	assay_executor_destroy(executor);
}

#define LATER 4

static struct {
	assay_executor *executor;
	assay_future *first, *victim, *second, *later[LATER];
	struct waiter sleeper, asker;
} passing;

/* The worker passes the cancelled task, whose slot becomes another's. */
static void pass_by(void)
{
	plan->open[0] = true;
	passing.second = send(passing.executor, 0);
	if (assay_future_wait(passing.second, ASSAY_FOREVER))
		die("wait", 0);
	for (int i = 0; i < LATER; i++)
		passing.later[i] = send(passing.executor, 1);
	passing.asker.asks = true;
	while (!passing.asker.tid)
		sched_yield();
	for (int i = 0; i < 100; i++)
		sched_yield(); /* or it asks too late, and finds nothing wrong */
}

static void check_passing(const struct assay_backend *backend)
{
	limit_time(20);
	passing.executor = create_one(backend);
	passing.first = send(passing.executor, 0);
	passing.victim = send(passing.executor, 1);
	start(&passing.sleeper, wait_for_it, passing.victim);
	start(&passing.asker, ask_for_it, passing.victim);
	await_sleep(&passing.sleeper.tid);
	meanwhile = pass_by;
	if (!assay_future_cancel(passing.victim))
		die("a pending task was not cancelled", 0);
	if (meanwhile)
		die("cancelling marks no moment", 0);
	if (assay_future_state(passing.victim) != ASSAY_CANCELLED)
		die("a cancelled future does not end", 0);
	pthread_join(passing.sleeper.thread, NULL);
	pthread_join(passing.asker.thread, NULL);
	if (passing.sleeper.state != ASSAY_CANCELLED || passing.asker.state == ASSAY_RUNNING)
		die("a cancelled future was seen to run", passing.asker.state);
	plan->open[1] = true;
	for (int i = 0; i < LATER; i++) {
		struct assay_outcome outcome;

		if (assay_future_outcome(passing.later[i], ASSAY_FOREVER, &outcome) ||
		    outcome.error)
			die("cancelling one task hit another", i);
		assay_future_release(passing.later[i]);
	}
	assay_future_release(passing.second);
	assay_future_release(passing.victim);
	assay_future_release(passing.first);
	assay_executor_destroy(passing.executor);
}

int main(int argc, char **argv)
{
	const struct assay_backend *backend;
	char message[512];
	int points = 0;

	if (argc == 3)
		stride = atoi(argv[2]);
	if (argc < 2 || argc > 3 || stride < 1) {
		fprintf(stderr, "usage: steps BACKEND.so [STRIDE]\n");
		return 2;
	}
	if (assay_backend_open(argv[1], &backend, message, sizeof message)) {
		fprintf(stderr, "%s\n", message);
		return 2;
	}
	client = getpid();
	plan = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (plan == MAP_FAILED)
		return 1;
	signal(SIGALRM, on_alarm);
	for (int i = 0; i < 6; i++) {
		policy = (enum assay_on_worker_death)(i % 3);
		points += sweep(backend, i < 3 ? ASSAY_UNLIMITED : 1);
		if (plan->fatal < TASKS * ROUNDS)
			die("the backend marks too few moments", plan->fatal);
	}
	points += check_looked_at(backend);
	check_passing(backend);
	check_released(backend);
	printf("%s: workers ended at %d moments, nothing was lost\n", backend->name, points);
	return 0;
}
