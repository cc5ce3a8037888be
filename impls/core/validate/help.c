/* SPDX-License-Identifier: MIT */
/*
 * A worker that waits inside a task for one that runs elsewhere runs what that has submitted, and
 * nothing else: nothing older, and nothing that nobody can wait for. That a task is run is seen where the
 * awaited one waits for it by other means than the executor's; that it is not, when the worker sleeps.
 */
#include "client.h"

#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#define ENDINGS 40 /* more than tasks on a stack that can be helped */
#define LINKS 33   /* as many as can on two stacks, and one that those wait for */

static const char *options;
static _Atomic pid_t waiter;          /* the thread that is to fall asleep */
static assay_future *_Atomic awaited; /* has begun, and has submitted what it is to */
static _Atomic int ran;
static _Atomic bool busy; /* one of two workers is */
static sem_t gate;

static void pass_gate(void)
{
	while (sem_wait(&gate))
		;
}

static int count_run(assay_call *call)
{
	(void)call;
	atomic_fetch_add(&ran, 1);
	return ASSAY_OK;
}

static int end_thread(assay_call *call)
{
	(void)call;
	atomic_fetch_add(&ran, 1);
	pthread_exit(NULL);
}

/* How the awaited task goes on once it has its own future. */
struct form {
	assay_function *inner; /* what it submits */
	bool prunes;           /* and before that so much that its deque is put in order */
	bool forgets;
	bool needs; /* it ends when somebody has run that */
};

static void submit_inner(assay_call *call, const struct form *form, assay_future **inner)
{
	struct assay_task task = {.function = form->inner};

	MUST(assay_submit(call->executor, &task, form->forgets ? NULL : inner) == ASSAY_OK);
}

/* Entries of tasks that were run by who waited for them fill the deque, in front of others. */
static void prune(assay_call *call)
{
	assay_future *futures[80];

	for (int i = 0; i < 80; i++) {
		futures[i] = client_submit(call->executor, count_run, NULL, 0);
		if (i == 50)
			for (int j = 0; j < 50; j++)
				MUST(assay_future_result(futures[j], ASSAY_FOREVER, NULL, 0) ==
				     ASSAY_OK);
	}
	for (int i = 80; i-- > 0;)
		client_finish(futures[i]);
	atomic_store(&ran, 0);
}

static int be_awaited(assay_call *call)
{
	const struct form *form = call->argument;
	assay_future *inner = NULL;
	unsigned step = 0;

	while (atomic_load(&awaited) == NULL) /* by whoever has submitted this */
		port_backoff(&step);
	if (form->prunes)
		prune(call);
	submit_inner(call, form, &inner);
	atomic_store(&busy, false);
	if (form->needs)
		while (!atomic_load(&ran))
			port_backoff(&step);
	else
		pass_gate();
	if (inner)
		assay_future_release(inner);
	return ASSAY_OK;
}

/* Keeps one worker until the other has begun with what is to be awaited; then it waits for that. */
static int wait_here(assay_call *call)
{
	unsigned step = 0;

	(void)call;
	atomic_store(&busy, true);
	while (atomic_load(&busy))
		port_backoff(&step);
	atomic_store(&waiter, gettid());
	MUST(assay_future_result(atomic_load(&awaited), ASSAY_FOREVER, NULL, 0) == ASSAY_OK);
	return ASSAY_OK;
}

/* On the other worker: what it leaves there first is older than the awaited task, and that is next. */
struct before {
	struct form form;
	assay_future **older; /* NULL: nothing */
};

static int go_before(assay_call *call)
{
	const struct before *before = call->argument;

	if (before->older)
		*before->older = client_submit(call->executor, count_run, NULL, 0);
	atomic_store(&awaited,
		     client_submit(call->executor, be_awaited, &before->form, sizeof before->form));
	return ASSAY_OK;
}

static assay_future *begin(assay_executor *executor, const struct before *before)
{
	assay_future *first;
	unsigned step = 0;

	atomic_store(&ran, 0);
	atomic_store(&awaited, NULL);
	atomic_store(&waiter, 0);
	first = client_submit(executor, wait_here, NULL, 0);
	while (!atomic_load(&busy))
		port_backoff(&step);
	client_finish(client_submit(executor, go_before, before, sizeof *before));
	return first;
}

static void finish(assay_executor *executor)
{
	assay_future_release(atomic_load(&awaited));
	MUST(assay_executor_destroy(executor) == ASSAY_OK);
}

static void is_run(void)
{
	const struct before before = {.form = {.inner = count_run, .needs = true}};
	assay_executor *executor = client_create(2, options);

	client_finish(begin(executor, &before));
	MUST(atomic_load(&ran) == 1);
	finish(executor);
}

static void is_not_run(struct form form, bool is_older)
{
	assay_executor *executor = client_create(2, options);
	assay_future *older = NULL, *first;
	struct before before = {form, is_older ? &older : NULL};
	unsigned step = 0;

	before.form.inner = count_run;
	first = begin(executor, &before);
	while (!atomic_load(&waiter))
		port_backoff(&step);
	validate_await_sleep(atomic_load(&waiter));
	MUST(atomic_load(&ran) == 0);
	sem_post(&gate);
	client_finish(first);
	if (older)
		client_finish(older);
	finish(executor);
	MUST(atomic_load(&ran) == 1 + is_older);
}

/* Who runs a task that ends the thread does not come back; the next thread in its place can be helped
 * as well, and helps. */
static void ends_with_its_thread(void)
{
	const struct before before = {.form = {.inner = end_thread, .needs = true}},
			    after = {.form = {.inner = count_run, .needs = true}};
	assay_executor *executor = client_create(2, options);
	struct assay_outcome outcome;

	for (int i = 0; i < ENDINGS; i++) {
		assay_future *first = begin(executor, &before);

		MUST(assay_future_outcome(first, ASSAY_FOREVER, &outcome) == ASSAY_OK);
		MUST(outcome.error == ASSAY_EDIED);
		assay_future_release(first);
		client_finish(atomic_load(&awaited));
	}
	for (int i = 0; i < 2; i++) {
		client_finish(begin(executor, &after));
		if (i == 0)
			assay_future_release(atomic_load(&awaited));
	}
	finish(executor);
}

/*
 * A record that is used again is not taken for the task that had it before, while the callbacks still run of
 * those that ended with it on their thread:
 *   on one worker `below` waits for `source`, and runs what that has submitted: `ends`, which submits
 *   `left` and ends the thread; the callback of `below` holds it there
 *   `source` submits `again`, in the record that `ends` had, and a third worker waits for that
 * What is left is not run there. Under AddressSanitizer no record is used again.
 */
static struct {
	assay_future *_Atomic source, *_Atomic ends, *_Atomic again;
	assay_future *left;
	_Atomic int here; /* two workers are taken */
	_Atomic bool held, begun, opened;
	_Atomic pid_t waiter;
	bool is_same;
} reuse;

static _Thread_local bool waits_for_again;

static void hold(assay_future *future, void *user)
{
	unsigned step = 0;

	(void)future;
	(void)user;
	atomic_store(&reuse.held, true);
	while (!atomic_load(&reuse.opened))
		port_backoff(&step);
}

static int be_left(assay_call *call)
{
	(void)call;
	MUST(!waits_for_again);
	return ASSAY_OK;
}

static int leave_and_end(assay_call *call)
{
	reuse.left = client_submit(call->executor, be_left, NULL, 0);
	pthread_exit(NULL);
}

static int wait_below(assay_call *call)
{
	unsigned step = 0;

	(void)call;
	atomic_fetch_add(&reuse.here, 1);
	/* A task may run before its submitter has noted it. */
	while (!atomic_load(&reuse.source) || !atomic_load(&reuse.ends))
		port_backoff(&step);
	return assay_future_wait(atomic_load(&reuse.source), ASSAY_FOREVER);
}

static int be_again(assay_call *call)
{
	unsigned step = 0;

	(void)call;
	atomic_store(&reuse.begun, true);
	while (!atomic_load(&reuse.waiter))
		port_backoff(&step);
	validate_await_sleep(atomic_load(&reuse.waiter));
	return ASSAY_OK;
}

static int be_source(assay_call *call)
{
	assay_future *ends = client_submit(call->executor, leave_and_end, NULL, 0), *again;
	unsigned step = 0;

	atomic_store(&reuse.ends, ends);
	while (!atomic_load(&reuse.held))
		port_backoff(&step);
	assay_future_release(ends);
	again = client_submit(call->executor, be_again, NULL, 0);
	reuse.is_same = again == ends;
	atomic_store(&reuse.again, again);
	return ASSAY_OK;
}

static int wait_for_again(assay_call *call)
{
	unsigned step = 0;

	(void)call;
	atomic_fetch_add(&reuse.here, 1);
	while (!atomic_load(&reuse.begun) || !atomic_load(&reuse.again))
		port_backoff(&step);
	waits_for_again = true;
	atomic_store(&reuse.waiter, gettid());
	client_finish(atomic_load(&reuse.again));
	waits_for_again = false;
	return ASSAY_OK;
}

static void records_are_used_again(void)
{
	assay_executor *executor = client_create(3, options);
	assay_future *below, *waits;
	struct assay_outcome outcome;
	unsigned step = 0;

	memset(&reuse, 0, sizeof reuse);
	below = client_submit(executor, wait_below, NULL, 0);
	MUST(assay_future_add_done_callback(below, hold, NULL) == ASSAY_OK);
	waits = client_submit(executor, wait_for_again, NULL, 0);
	while (atomic_load(&reuse.here) < 2)
		port_backoff(&step);
	atomic_store(&reuse.source, client_submit(executor, be_source, NULL, 0));
	client_finish(waits);
	atomic_store(&reuse.opened, true);
	MUST(assay_future_outcome(below, ASSAY_FOREVER, &outcome) == ASSAY_OK);
	MUST(outcome.error == ASSAY_EDIED);
	assay_future_release(below);
	client_finish(atomic_load(&reuse.source));
	client_finish(reuse.left);
	MUST(assay_executor_destroy(executor) == ASSAY_OK);
	printf("a record that was used again: %s\n", reuse.is_same ? "seen" : "none");
}

/*
 * Two workers that help each other: each link is submitted by the one before, which waits for it once that
 * has submitted the next, and runs the next. So they lie on two stacks by turns, until one cannot be helped
 * any more, or who waits for it may run no more tasks; that one runs the next, the last, itself.
 */
static struct {
	_Atomic bool submitted[LINKS]; /* a link, the next */
	int helped;                    /* links that are run by turns */
	pid_t threads[LINKS + 1];
} chain;

static int be_link(assay_call *call)
{
	int link = *(const int *)call->argument, next = link + 1;
	assay_future *future;
	unsigned step = 0;

	chain.threads[link] = gettid();
	if (link == chain.helped)
		return ASSAY_OK;
	future = client_submit(call->executor, be_link, &next, sizeof next);
	atomic_store(&chain.submitted[link], true);
	while (next < chain.helped && !atomic_load(&chain.submitted[next]))
		port_backoff(&step);
	if (next == chain.helped) /* who waits for this one has found nothing to do */
		validate_await_sleep(chain.threads[link - 1]);
	client_finish(future);
	return ASSAY_OK;
}

static void help_each_other(int tasks_per_worker, int helped)
{
	struct assay_config config = assay_config_default();
	assay_executor *executor;

	config.workers = 2;
	config.options = options;
	config.tasks_per_worker = tasks_per_worker;
	MUST(assay_executor_create(&assay_backend, &config, &executor) == ASSAY_OK);
	chain.helped = helped;
	for (int round = 0; round < 3; round++) {
		int first = 0;

		for (int i = 0; i < helped; i++)
			atomic_store(&chain.submitted[i], false);
		client_finish(client_submit(executor, be_link, &first, sizeof first));
		for (int i = 2; i < helped; i++)
			MUST(chain.threads[i] == chain.threads[i - 2]);
		MUST(chain.threads[1] != chain.threads[0]);
		MUST(chain.threads[helped] == chain.threads[helped - 1]);
	}
	MUST(assay_executor_destroy(executor) == ASSAY_OK);
}

/* A tree of tasks that wait for their children in any order. */
struct node {
	const struct node *parent;
	uint32_t seed;
	int height;
};

struct wait {
	const struct node *child;
	const struct wait *outer;
};

static _Thread_local const struct wait *innermost;
static _Atomic int nodes, forgotten;

static int run_forgotten(assay_call *call)
{
	(void)call;
	MUST(!innermost);
	atomic_fetch_add(&forgotten, 1);
	return ASSAY_OK;
}

static int run_node(assay_call *call);

static void wait_for_child(const struct node *child, assay_future *future)
{
	struct wait wait = {child, innermost};

	innermost = &wait;
	client_finish(future);
	innermost = wait.outer;
}

/* It is what the wait below is for, or lies in its tree. */
static int run_node(assay_call *call)
{
	const struct node *node = *(const struct node *const *)call->argument, *at = node;
	struct assay_task task = {.function = run_forgotten};
	assay_future *futures[4];
	struct node children[4];
	uint32_t seed = node->seed;
	int count = node->height > 0 ? 1 + (int)(validate_random(&seed) % 4) : 0, last;

	while (innermost && at && at != innermost->child)
		at = at->parent;
	MUST(!innermost || at);
	atomic_fetch_add(&nodes, 1);
	for (int i = 0; i < count; i++) {
		const struct node *child = &children[i];

		children[i] = (struct node){node, validate_random(&seed) | 1, node->height - 1};
		futures[i] = client_submit(call->executor, run_node, &child, sizeof child);
	}
	if (seed % 64 == 0)
		MUST(assay_submit(call->executor, &task, NULL) == ASSAY_OK);
	last = count ? (int)(validate_random(&seed) % (uint32_t)count) : 0;
	for (int i = last; i < count; i++)
		wait_for_child(&children[i], futures[i]);
	for (int i = 0; i < last; i++)
		wait_for_child(&children[i], futures[i]);
	return ASSAY_OK;
}

static void grow_trees(int workers, int trees)
{
	assay_executor *executor = client_create(workers, options);

	for (int i = 0; i < trees; i++) {
		struct node root = {NULL, 2654435769u * (uint32_t)(i + 1), 9};
		const struct node *first = &root;

		client_finish(client_submit(executor, run_node, &first, sizeof first));
	}
	MUST(assay_executor_destroy(executor) == ASSAY_OK);
	printf("%d workers: trees of %d tasks; %d that were forgotten ran in none of them\n",
	       workers, atomic_load(&nodes), atomic_load(&forgotten));
}

static void refuses(const char *unknown)
{
	struct assay_config config = assay_config_default();
	assay_executor *executor;

	config.options = unknown;
	MUST(assay_executor_create(&assay_backend, &config, &executor) == ASSAY_EINVAL);
}

int main(void)
{
	static const char *const forms[] = {NULL, "fences=full"};

	validate_expect_end(60);
	MUST(sem_init(&gate, 0, 0) == 0);
	refuses("help");
	refuses("help=off,");
	refuses("help=off,fences");
	for (int i = 0; i < 2; i++) {
		options = forms[i];
		is_run();
		is_not_run((struct form){.forgets = true}, false);
		is_not_run((struct form){0}, true);
		is_not_run((struct form){.prunes = true}, true);
		ends_with_its_thread();
		records_are_used_again();
		help_each_other(INT_MAX, LINKS);
		help_each_other(3, 6);
		for (int workers = 2; workers < 5; workers++)
			grow_trees(workers, validate_rounds(20));
	}
	options = "fences=full,help=off";
	is_not_run((struct form){0}, false);
	return 0;
}
