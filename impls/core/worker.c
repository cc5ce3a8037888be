/* SPDX-License-Identifier: MIT */
/* The life of a worker between its start and its leaving (crew.c): find work, run it, sleep. The
 * labels are those of worker.h and park.h, J4 is that of fork.h, F1 that of future.h. */
#include "worker.h"

#include "fork.h"
#include "record.h"

#include <stdio.h>
#include <string.h>

/* Where looking for work was of no use for long, one search of so many looks. */
#define SPIN_EVERY 16

_Thread_local struct worker *current_worker;

/* A callback may take long: until it returns this worker is as good as busy. */
PORT_OUTLINE static void notify(struct activation *activation)
{
	struct worker *worker = activation->worker;
	struct future *future = activation->future;

	if (!future_notify_watchers(future)) { /* no callbacks */
		if (activation->flags & OWNED)
			future_release(future);
		return;
	}
	activation->flags |= NOTIFYING;
	atomic_fetch_add_explicit(&worker->notifying, 1, memory_order_seq_cst); /* P5 P1 */
	grow_if_short(worker->pool);
	future_notify(future);
	end_if_orphaned(worker->pool); /* a callback may have forked, too */
	atomic_fetch_sub_explicit(&worker->notifying, 1, memory_order_release); /* P1 */
	activation->flags &= ~(unsigned)NOTIFYING;
	if (activation->flags & OWNED)
		future_release(future);
}

/* Makes the outcome of a started task visible. True: somebody observes it, see notify(). */
static inline bool conclude(struct worker *worker, struct future *future, unsigned flags,
			    struct future_outcome outcome)
{
	count(&worker->finished, memory_order_release); /* P1 */
	return flags & OWNED ? future_end(future, outcome) : future_settle(future, outcome);
}

/* A task on the stack of a thread that ends. */
static void end_task(struct activation *activation)
{
	struct worker *worker = activation->worker;
	struct future_outcome outcome;

	if (activation->flags & NOTIFYING) { /* its remaining callbacks are lost */
		atomic_fetch_sub_explicit(&worker->notifying, 1, memory_order_release); /* P1 */
		if (activation->flags & OWNED)
			future_release(activation->future);
		return;
	}
	future_call_ended(activation->future, &activation->running, &outcome);
	count(&worker->failed, memory_order_relaxed);
	if (conclude(worker, activation->future, activation->flags, outcome))
		notify(activation);
}

/* Nothing is pushed for these any more. Before any of them is seen to be done: see queue_end(). */
static inline void end_popped(struct worker *worker, unsigned depth)
{
	while (worker->depth > depth)
		queue_end(worker->own, --worker->depth);
}

void stack_ended(void *user)
{
	struct worker *worker = user;
	struct activation *activation;

	end_if_orphaned(worker->pool);
	end_popped(worker, 0);
	/* Each after the children that were forked in it, and before what lies below: these may wait
	 * for each other in this order, and in no other. */
	while ((activation = worker->top)) {
		forks_abandon(worker, activation->unjoined);
		if (activation->flags & CHILD) {
			worker->top = activation->outer;
			if (!worker->top) /* relaxed: J4, as in forks_run() */
				atomic_store_explicit(&worker->helping, ASIDE,
						      memory_order_relaxed);
			fork_end(activation->child, ASSAY_EDIED);
		} else {
			/* It stays on top meanwhile: a callback may wait for a task that ends the thread
			 * once more, and then this one is to be ended from there. */
			end_task(activation);
			worker->top = activation->outer;
		}
	}
	worker->joins = 0;
	/* What else lies on the stack may take long: until it leaves this worker is as good as busy. */
	stand_aside(worker);
}

/* As end_if_orphaned(), where the pool need not be kept at hand for it. */
static inline void end_if_lost(const struct worker *worker)
{
	if (__builtin_expect(wait_is_lost(&worker->runner), 0))
		_exit(0);
}

/* A task that this worker has started. Returns the state with which it has ended. */
static inline uint32_t run(struct worker *worker, struct future *future, unsigned flags,
			   bool popped)
{
	struct future_outcome outcome;
	struct activation activation;

	running_init(&activation.running, &fork_call_ops, &worker->children);
	activation.tree = (uintptr_t)&activation; /* its children are done before it is */
	activation.future = future;
	activation.flags = flags;
	count(&worker->started, memory_order_relaxed);
	if (__builtin_expect(worker->children.latest != NULL, 0)) /* it waits in the task below */
		forks_offer_all(worker);
	activation_enter(&activation, worker);
	pthread_cleanup_push(stack_ended, worker);
	if (!future_call(future, &worker->pool->base, &activation.running, &outcome))
		count(&worker->failed, memory_order_relaxed);
	end_if_lost(worker);
	if (popped)
		end_popped(worker, worker->depth - 1);
	if (conclude(worker, future, flags, outcome))
		notify(&activation);
	pthread_cleanup_pop(0);
	activation_leave(&activation, worker);
	return ASSAY_FINISHED | outcome.flags;
}

/* A task out of the queue. True: its function was called. */
static inline bool run_popped(struct worker *worker, struct future *future)
{
	struct pool *pool = worker->pool;
	bool broken = atomic_load_explicit(&pool->broken, memory_order_acquire); /* P2 */
	bool starts;

	queue_begin(worker->own, worker->depth++, future);
	starts = !broken && future_start(future);
	atomic_store_explicit(&worker->taking, 0, memory_order_release); /* P6 */
	if (__builtin_expect(starts, 1)) {
		make_room(pool);
		run(worker, future, OWNED, true);
		return true;
	}
	end_popped(worker, worker->depth - 1);
	if (broken) {
		end_broken(pool, future);
		end_if_orphaned(pool); /* a callback may have forked */
	} else {
		drop(pool, future, &worker->cancelled);
	}
	return false;
}

/* Counts a task that was run against those that this worker may run, if there is a limit. */
static inline void spend(struct worker *worker)
{
	if (worker->tasks_left > 0 && worker->tasks_left != INT_MAX)
		worker->tasks_left--;
}

/* Somebody waits, on this worker, for a future of this pool that is perhaps pending, as this word of it says:
 * it is run here and now, wherever in the queue it is. It starts before it is taken out, if it can be: see P6.
 * Returns its state, or ASSAY_PENDING where others start or end it. */
PORT_INLINE static inline uint32_t run_awaited(struct worker *worker, struct future *future,
					       uint64_t word)
{
	struct pool *pool = worker->pool;
	bool broken = atomic_load_explicit(&pool->broken, memory_order_acquire); /* P2 */
	bool taken;

	if (__builtin_expect(broken, 0)) {
		fail_broken(pool, future);
		end_if_orphaned(pool); /* a callback may have forked */
		return ASSAY_PENDING;
	}
	if (!future_start_left(future, word))
		return ASSAY_PENDING;
	taken = queue_take_back(pool->queue, worker->own, future);
	make_room(pool);
	spend(worker);
	return run(worker, future, taken ? OWNED : 0, false);
}

static void run_for_waiter(struct runner *runner, struct future *future)
{
	/* relaxed: as in future_start_left() */
	run_awaited((struct worker *)runner, future,
		    atomic_load_explicit(&future->word, memory_order_relaxed));
}

/* Of the table in future.c, in the place of the one in wait.c: a task that waits for a future of its pool
 * runs it with no call between, and knows its state without another look. */
int wait_outcome_op(assay_future *base, int64_t timeout_ns, struct assay_outcome *outcome)
{
	struct future *future = future_of(base);
	uint64_t word = atomic_load_explicit(&future->word, memory_order_acquire); /* F1 */
	uint32_t state = (uint32_t)word;

	if (!is_done(state)) {
		struct runner *runner = timeout_ns == ASSAY_FOREVER ? wait_runner(future) : NULL;

		if (!runner || runner->run != run_for_waiter || wait_is_lost(runner))
			return wait_late(future, timeout_ns, outcome);
		state = run_awaited((struct worker *)runner, future, word);
		if (!is_done(state))
			return wait_late(future, timeout_ns, outcome);
	}
	if (outcome)
		wait_read(future, state, outcome);
	return ASSAY_OK;
}

/* Somebody waits, on this worker, for a future that runs on another: what that has submitted is run
 * meanwhile. Those that wait below count among the tasks that this worker may run. */
static bool help_awaited(struct runner *runner, struct future *awaited)
{
	struct worker *worker = (struct worker *)runner;
	struct future *future;
	bool moved = false;

	if (worker->tasks_left <= (int)worker->depth)
		return false;
	atomic_store_explicit(&worker->taking, 1, memory_order_relaxed); /* P6 */
	future = queue_help(worker->pool->queue, worker->own, awaited, &moved);
	if (moved)
		rouse(worker->pool);
	if (!future) {
		atomic_store_explicit(&worker->taking, 0, memory_order_release); /* P6 */
		return false;
	}
	if (run_popped(worker, future))
		spend(worker);
	return true;
}

static void offer_all(struct runner *runner)
{
	forks_offer_all((struct worker *)runner);
}

/* What it has begun is read last: what it was at before that, it still was then, or has begun more. */
static bool is_busy(struct worker *worker, uint64_t *begun)
{
	bool elsewhere =
		atomic_load_explicit(&worker->helping, memory_order_acquire) == HELPING || /* P7 */
		atomic_load_explicit(&worker->notifying, memory_order_acquire);            /* P7 */
	uint64_t finished = atomic_load_explicit(&worker->finished, memory_order_acquire); /* P7 */
	uint64_t started = atomic_load_explicit(&worker->started, memory_order_acquire);   /* P7 */

	*begun += started + atomic_load_explicit(&worker->steals, memory_order_acquire); /* P7 */
	return elsewhere || started != finished;
}

/* A worker that runs nothing, even if it is in its initializer or about to leave its place to another; or one
 * that is still to be started. */
static bool has_others(const struct runner *runner)
{
	const struct worker *self = (const struct worker *)runner;
	struct pool *pool = self->pool;
	int alive =
		atomic_load_explicit(&pool->alive, memory_order_relaxed); /* as all here, a hint */
	uint64_t begun[2] = {0, 0};

	if (alive < pool->settings.config.workers &&
	    !atomic_load_explicit(&pool->refused, memory_order_relaxed) &&
	    (!atomic_load_explicit(&pool->stopping, memory_order_relaxed) ||
	     !queue_looks_empty(pool->queue)))
		return true;
	/* Who is busy in both looks and has begun nothing between them was busy from one to the other: so
	 * there was a moment at which all were. */
	for (int look = 0; look < 2; look++) {
		int free = alive;

		for (int i = 0; i < pool->settings.config.workers && free > 0; i++) {
			struct worker *worker = &pool->workers[i];

			free -= is_busy(worker, &begun[look]) || worker == self;
		}
		if (free > 0)
			return true;
	}
	return begun[0] != begun[1];
}

/* Whoever it was in vain to wait for may come once this is another. relaxed: a hint */
static uint64_t begun_by_others(const struct runner *runner)
{
	const struct worker *self = (const struct worker *)runner;
	struct pool *pool = self->pool;
	uint64_t sum = 0;

	for (int i = 0; i < pool->settings.config.workers; i++) {
		struct worker *worker = &pool->workers[i];

		if (worker == self)
			continue;
		sum += atomic_load_explicit(&worker->started, memory_order_relaxed) +
		       atomic_load_explicit(&worker->steals, memory_order_relaxed) +
		       atomic_load_explicit(&worker->initialized, memory_order_relaxed);
	}
	return sum;
}

/* A task, if there is one. */
static inline struct future *find_task(struct worker *worker)
{
	struct future *future;
	bool moved;

	atomic_store_explicit(&worker->taking, 1, memory_order_relaxed); /* P6 */
	future = queue_pop(worker->pool->queue, worker->own, &moved);
	/* A searcher sees to it when it stops; on anybody else nobody relies. */
	if (moved && !worker->searching)
		rouse(worker->pool);
	if (!future)
		atomic_store_explicit(&worker->taking, 0, memory_order_release); /* P6 */
	return future;
}

/* A task, or, where *task is NULL, a child of another worker's task. */
static bool find(struct worker *worker, struct future **task, struct stolen *child)
{
	*task = find_task(worker);
	return *task || forks_steal(worker, ANY_TREE, child);
}

/* Looks for work for a while: longer where that was of use lately, and where it was of none for long only
 * now and then: whoever is to give work may need this processor. */
static bool spin(struct worker *worker, struct future **task, struct stolen *child)
{
	struct pool *pool = worker->pool;
	int64_t most_ns = pool->settings.config.spin_ns, deadline_ns;
	bool found = false;

	/* relaxed: how many search is a hint here, and so is stopping */
	if (park_searchers(atomic_load_explicit(&pool->park.counts, memory_order_relaxed)) >
	    pool->spinners)
		return false;
	if (worker->spin_ns <= most_ns / 8 && ++worker->unspun % SPIN_EVERY)
		return false;
	deadline_ns = assay_deadline_ns(worker->spin_ns);
	do {
		for (int i = 0; i < 16; i++)
			port_pause();
		found = find(worker, task, child);
	} while (!found && !atomic_load_explicit(&pool->stopping, memory_order_relaxed) &&
		 assay_clock_ns() < deadline_ns);
	if (found)
		worker->spin_ns = most_ns;
	else if (worker->spin_ns > most_ns / 8)
		worker->spin_ns -= worker->spin_ns / 4;
	return found;
}

/* This worker searches no more. Where it was the last to, it sees to it that others find the rest. */
static void stop_searching(struct worker *worker)
{
	struct pool *pool = worker->pool;

	if (!worker->searching)
		return;
	worker->searching = false;
	if (!park_found(&pool->park))
		return;
	if (!queue_looks_empty(pool->queue)) /* K3 */
		rouse(pool);
	else if (forks_wait(pool))
		rouse_for_children(pool, park_look(&pool->park));
}

/* For a worker that has just found nothing. False: it has nothing more to do in its life. */
PORT_OUTLINE static bool search(struct worker *worker, struct future **task, struct stolen *child)
{
	struct pool *pool = worker->pool;
	struct park *park = &pool->park;
	uint32_t index = (uint32_t)worker->index;

	for (;;) {
		/* In this order: after a stop, an empty queue stays empty. */
		bool stopping =
			atomic_load_explicit(&pool->stopping, memory_order_acquire); /* P2 */

		if (find(worker, task, child))
			break;
		if (stopping)
			return false;
		if (!worker->searching) {
			worker->searching = true;
			park_search(park);
		}
		if (spin(worker, task, child))
			break;
		park_announce(park, index);
		if (find(worker, task, child)) { /* K1 */
			/* If a wake had chosen it, it answers by looking for more, as every searcher. */
			park_withdraw(park, index);
			break;
		}
		if (atomic_load_explicit(&pool->stopping, memory_order_seq_cst)) /* K1 */
			park_withdraw(park, index);
		else
			park_sleep(park, index);
	}
	stop_searching(worker);
	return true;
}

/* Tasks that a worker may run are counted down, but for those without a limit. */
PORT_OUTLINE static void work(struct worker *worker)
{
	struct future *task;
	struct stolen child;

	while (worker->tasks_left > 0) {
		task = worker->searching ? NULL : find_task(worker);
		if (!task && !search(worker, &task, &child))
			break;
		if (!task)
			forks_run(worker, child);
		else if (run_popped(worker, task))
			spend(worker);
	}
}

/* A task ended the thread under it. */
PORT_CLEANUP static void thread_ended(void *user)
{
	struct worker *worker = user;

	end_if_orphaned(worker->pool);
	/* relaxed: written by this thread */
	if (!atomic_load_explicit(&worker->initialized, memory_order_relaxed))
		break_pool(worker->pool);
	leave(worker);
}

void *worker_main(void *user)
{
	struct worker *worker = user;
	struct pool *pool = worker->pool;
	const struct assay_config *config = &pool->settings.config;
	bool failed = false;
	char name[16], number[8];

	home = pool;
	current_worker = worker;
	snprintf(number, sizeof number, "_%d", worker->index);
	snprintf(name, sizeof name, "%.*s%s", (int)(sizeof name - 1 - strlen(number)), config->name,
		 number);
	pthread_setname_np(pthread_self(), name);
	pthread_cleanup_push(thread_ended, worker);
	if (config->initializer)
		failed = config->initializer(config->initializer_argument,
					     config->initializer_argument_size) != 0;
	end_if_orphaned(pool);
	if (failed) {
		settings_log(&pool->settings, ASSAY_LOG_ERROR,
			     "the initializer of worker %d failed", worker->index);
		break_pool(pool);
	} else {
		/* relaxed: for others a hint */
		atomic_store_explicit(&worker->initialized, true, memory_order_relaxed);
		worker->runner = (struct runner){.executor = &pool->base,
						 .forks = pool->settings.forks,
						 .run = run_for_waiter,
						 .help = pool->helps ? help_awaited : NULL,
						 .waits = offer_all,
						 .has_others = has_others,
						 .begun = begun_by_others};
		current_runner = &worker->runner;
		/* Like one that was woken: it sees to the next when it finds something. */
		worker->searching = true;
		park_search(&pool->park);
		work(worker);
	}
	pthread_cleanup_pop(0);
	leave(worker);
	return NULL;
}
