/* SPDX-License-Identifier: MIT */
/*
 * What comes too late: a worker that reads a hint when its place in the ring is used again, or moves the head
 * when half the numbers of places have passed, a hint that stands in the ring once more, and a worker that ends
 * its task after it was declared dead.
 * Usage: stale BACKEND.so, of a backend built with PROCESS_POOL_STEPS
 */
#include "asleep.h"
#include "view.h"
#include "../../core/validate/limit.h"

#include <assay/load.h>

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* As of the smallest pool: what it has where files may have so many bytes. */
#define SMALL_FILE ((rlim_t)20 << 20)
#define SMALL_RING 8192
#define BATCH 64

static struct plan {
	int standing;      /* the moment of the first worker in which it stands; 0: none */
	atomic_int stands; /* that worker; 0: none yet */
	atomic_int steps;  /* of the worker that is to stand */
	uint64_t head;     /* of the ring, where it stands */
	atomic_bool may_go;
	atomic_bool begun, held, opened;
	atomic_int order, at[2]; /* when each of the numbered ones was begun: 1, 2 */
} * plan;

static const struct assay_backend *backend;
static pid_t client;

__attribute__((visibility("default"))) void process_pool_step(void);

void process_pool_step(void)
{
	if (getpid() == client || !plan->standing || plan->stands ||
	    ++plan->steps != plan->standing)
		return;
	plan->head = ((struct control *)find_segment())->head;
	plan->stands = getpid();
	while (!plan->may_go)
		sched_yield();
}

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "stale: standing at %d: %s\n", plan->standing, what);
	abort();
}

static void on_alarm(int signal)
{
	(void)signal;
	require(false, "hang");
}

static void quiet(void *user, enum assay_severity severity, const char *message)
{
	(void)user;
	(void)severity;
	(void)message;
}

static assay_executor *create(int workers, assay_initializer *initializer)
{
	struct assay_config config = assay_config_default();
	assay_executor *executor;

	config.workers = workers;
	config.spin_ns = 0;
	config.initializer = initializer;
	config.log = quiet;
	require(assay_executor_create(backend, &config, &executor) == ASSAY_OK, "create");
	return executor;
}

static assay_future *submit(assay_executor *executor, assay_function *function, int number)
{
	struct assay_task task = {function, NULL, &number, sizeof number};
	assay_future *future;

	require(assay_submit(executor, &task, &future) == ASSAY_OK, "submit");
	return future;
}

static void end(assay_future *future)
{
	struct assay_outcome outcome;

	require(assay_future_outcome(future, ASSAY_FOREVER, &outcome) == ASSAY_OK &&
			outcome.error == ASSAY_OK,
		"a task");
	assay_future_release(future);
}

static int wait_until_may_go(assay_call *call)
{
	(void)call;
	while (!plan->may_go)
		sched_yield();
	return ASSAY_OK;
}

static int nothing(assay_call *call)
{
	(void)call;
	return ASSAY_OK;
}

static int begin(assay_call *call)
{
	(void)call;
	plan->begun = true;
	return ASSAY_OK;
}

static int hold(assay_call *call)
{
	(void)call;
	plan->held = true;
	while (!plan->opened)
		sched_yield();
	return ASSAY_OK;
}

static int number(assay_call *call)
{
	plan->at[*(const int *)call->argument] = ++plan->order;
	return ASSAY_OK;
}

static void submit_and_end(assay_executor *executor, size_t count)
{
	struct assay_task tasks[BATCH];
	assay_future *futures[BATCH];

	for (size_t i = 0; i < BATCH; i++)
		tasks[i] = (struct assay_task){.function = nothing};
	while (count) {
		size_t some = count < BATCH ? count : BATCH, accepted = 0;

		require(assay_submit_many(executor, tasks, some, futures, &accepted) == ASSAY_OK,
			"submit_many");
		for (size_t i = 0; i < some; i++)
			end(futures[i]);
		count -= some;
	}
}

/*
 * One of two workers stands at a moment before it begins its task, while the other takes as many as the ring
 * has entries; then the entry that the first has yet to read holds the later of two. Returns whether it stood.
 */
static bool a_late_hint_overtakes_nobody(int standing)
{
	assay_executor *executor;
	assay_future *first, *held, *numbered[2];
	bool stood;

	memset(plan, 0, sizeof *plan);
	executor = create(2, NULL);
	for (int i = 0; i < 2; i++)
		numbered[i] = submit(executor, nothing, 0);
	for (int i = 1; i >= 0; i--) /* so that the next slot is not that of the last hint */
		end(numbered[i]);
	for (int i = 0; i < 2; i++)
		await_sleep(&find_lane()[i].pid);
	plan->standing = standing;
	first = submit(executor, begin, 0);
	while (!plan->stands && !plan->begun)
		sched_yield();
	stood = !plan->begun;
	if (stood) {
		submit_and_end(executor, (size_t)plan->head + SMALL_RING - 2 - 3);
		held = submit(executor, hold, 0);
		while (!plan->held)
			sched_yield();
		for (int i = 0; i < 2; i++)
			numbered[i] = submit(executor, number, i);
		plan->may_go = true;
		for (int i = 0; i < 2; i++)
			end(numbered[i]);
		require(plan->at[0] == 1, "a task was overtaken");
		plan->opened = true;
		end(held);
	}
	plan->may_go = true; /* it may stand behind the beginning */
	end(first);
	require(assay_executor_destroy(executor) == ASSAY_OK, "destroy");
	return stood;
}

static void late_hints_overtake_nobody(void)
{
	struct rlimit before, small;
	int standing = 1;

	require(getrlimit(RLIMIT_FSIZE, &before) == 0, "getrlimit");
	small = before;
	small.rlim_cur = SMALL_FILE;
	require(setrlimit(RLIMIT_FSIZE, &small) == 0, "setrlimit");
	while (a_late_hint_overtakes_nobody(standing))
		standing++;
	require(standing > 1, "no worker stood");
	require(setrlimit(RLIMIT_FSIZE, &before) == 0, "setrlimit");
}

/*
 * A worker stands between the moment when it took a task and that when it moves the head behind it; the head is
 * then set on, as if so many tasks had passed that its lower half looks like one before the place. Returns
 * whether it stood.
 */
static bool a_late_place_moves_no_head(int standing, int *tried)
{
	assay_executor *executor;
	assay_future *first;
	_Atomic uint64_t *head;
	uint64_t before, far;
	bool stood;

	memset(plan, 0, sizeof *plan);
	executor = create(1, NULL);
	head = &((struct control *)find_segment())->head;
	end(submit(executor, nothing, 0));
	await_sleep(&find_lane()->pid);
	plan->standing = standing;
	before = *head;
	first = submit(executor, begin, 0);
	while (!plan->stands && !plan->begun)
		sched_yield();
	stood = !plan->begun;
	if (stood && status_of(find_slot(1, 0)->word) == SLOT_RUNNING && *head == before) {
		far = before + ((uint64_t)1 << 31) + 5;
		*head = far;
		plan->may_go = true;
		end(first);
		require(*head == far, "the head was moved");
		*head = before + 1;
		(*tried)++;
	} else {
		plan->may_go = true;
		end(first);
	}
	require(assay_executor_destroy(executor) == ASSAY_OK, "destroy");
	return stood;
}

static void late_places_move_no_head(void)
{
	int standing = 1, tried = 0;

	while (a_late_place_moves_no_head(standing, &tried))
		standing++;
	require(tried > 0, "no worker stood between");
}

static int wait_for_gate(const void *argument, size_t size)
{
	(void)argument;
	(void)size;
	while (!plan->may_go)
		sched_yield();
	return 0;
}

/* The ring then names the first slot, as of its first task, again and again. */
static int clear_ring(assay_call *call)
{
	(void)call;
	memset((char *)find_lane() + page_up(sizeof(struct lane)), 0, UNIT);
	return hold(call);
}

static void a_cancelled_slot_is_freed_once(void)
{
	assay_executor *executor;
	assay_future *cancelled, *futures[4];

	memset(plan, 0, sizeof *plan);
	executor = create(1, wait_for_gate);
	cancelled = submit(executor, nothing, 0);
	require(assay_future_cancel(cancelled), "cancel");
	futures[0] = submit(executor, clear_ring, 0);
	plan->may_go = true;
	while (!plan->held)
		sched_yield();
	for (int i = 1; i < 4; i++) /* looks for free slots in the ring */
		futures[i] = submit(executor, nothing, 0);
	plan->opened = true;
	for (int i = 0; i < 4; i++)
		end(futures[i]);
	assay_future_release(cancelled);
	require(assay_executor_destroy(executor) == ASSAY_OK, "destroy");
}

/* Outlives the helper, which is killed. */
static int outlive(assay_call *call)
{
	prctl(PR_SET_PDEATHSIG, 0);
	plan->stands = getpid();
	kill(getppid(), SIGKILL);
	return hold(call);
}

static void wait_for_opening(assay_future *future, void *user)
{
	(void)future;
	plan->held = true;
	while (!*(atomic_bool *)user)
		sched_yield();
}

/* The collector is kept in a callback, so that the worker is the next to look at its slot. */
static void a_worker_that_was_declared_dead_changes_nothing(void)
{
	assay_executor *executor;
	assay_future *watched, *outlived;
	struct assay_outcome outcome;
	atomic_bool is_over = false;
	struct slot *slot;

	memset(plan, 0, sizeof *plan);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1)) { /* emulated; nobody could wait for the worker */
		printf("stale: of a worker declared dead nothing: no process adopts orphans\n");
		return;
	}
	executor = create(1, NULL);
	watched = submit(executor, wait_until_may_go, 0);
	require(!assay_future_add_done_callback(watched, wait_for_opening, &is_over), "callback");
	plan->may_go = true;
	while (!plan->held)
		sched_yield();
	outlived = submit(executor, outlive, 0);
	slot = find_slot(1, 0); /* given back before the callback */
	while (status_of(slot->word) != SLOT_DONE)
		sched_yield();
	plan->opened = true;
	require(waitpid(plan->stands, NULL, 0) == plan->stands, "the end of the worker");
	is_over = true;
	require(assay_future_outcome(outlived, ASSAY_FOREVER, &outcome) == ASSAY_OK &&
			(outcome.error == ASSAY_EBROKEN || outcome.error == ASSAY_OK),
		"a task whose worker was declared dead"); /* and has written over that */
	assay_future_release(outlived);
	assay_future_release(watched);
	assay_executor_destroy(executor);
	while (waitpid(-1, NULL, 0) > 0)
		;
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

int main(int argc, char **argv)
{
	char message[512];

	if (argc != 2 || assay_backend_open(argv[1], &backend, message, sizeof message)) {
		fprintf(stderr, "%s\n", argc == 2 ? message : "usage: stale BACKEND.so");
		return 2;
	}
	plan = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (plan == MAP_FAILED)
		return 2;
	client = getpid();
	signal(SIGALRM, on_alarm);
	limit_time(60);
	late_hints_overtake_nobody();
	late_places_move_no_head();
	a_cancelled_slot_is_freed_once();
	a_worker_that_was_declared_dead_changes_nothing();
	printf("stale: nothing that came late did harm\n");
	return 0;
}
