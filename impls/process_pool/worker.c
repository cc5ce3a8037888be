/* SPDX-License-Identifier: MIT */
/* A worker process: finds tasks, runs them, and leaves. It uses no descriptor. The labels are those of
 * segment.h. */
#include "worker.h"

#include <stdio.h>
#include <stdlib.h>

/* At a slot, for one at the ring. */
#define LOOKS_A_RING 4

static struct worker *self; /* of this process */

/*
 * The end of the process
 */

/* Of those that the client has chosen to leave, see rouse_to_leave(). */
static void wake_next(void)
{
	int workers = self->segment->workers;

	for (int i = 1; i < workers; i++) {
		struct lane *lane = &self->segment->lanes[(self->index + i) % workers];

		/* Chosen, and asleep: it has yet to take the token. relaxed: W8 of its own has those
		 * that were chosen before it, and who was not chosen need not wake any */
		if (atomic_load_explicit(&lane->token, memory_order_relaxed)) {
			shared_wake(&lane->token, 1);
			return;
		}
	}
}

static _Noreturn void leave(enum leaving why, int status)
{
	atomic_store_explicit(&self->lane->leaving, (uint32_t)why, memory_order_release); /* W7 */
	fflush(stdout);
	_exit(status);
}

/* What tasks registered for the end of their process runs. */
static _Noreturn void leave_as_planned(void)
{
	wake_next();
	STEP();
	atomic_store_explicit(&self->lane->leaving, LEAVING_PLANNED, memory_order_release); /* W7 */
	exit(0);
}

/* Runs before the handlers that the client registered: they are not for this process. */
static void on_exit_called(int status, void *user)
{
	(void)user;
	if (getpid() == self->self &&
	    atomic_load_explicit(&self->lane->leaving, memory_order_relaxed) == LEAVING_NOT)
		leave(LEAVING_EXIT, status);
	fflush(stdout); /* planned, or a child of a task */
	_exit(status);
}

/* The task ended its thread, which is the process. */
static void on_thread_end(void *user)
{
	(void)user;
	if (getpid() != self->self)
		_exit(0); /* a child of a task */
	leave(LEAVING_EXIT, 0);
}

/*
 * Finding work
 */

static void wake_submitter(struct control *control)
{
	if (atomic_load_explicit(&control->blocked, memory_order_seq_cst) == 0) /* K2 */
		return;
	STEP();
	/* relaxed: by K2 who is counted as blocked has read the older value */
	atomic_fetch_add_explicit(&control->room, 1, memory_order_relaxed);
	shared_wake(&control->room, 1);
}

static void count_start(struct worker *worker)
{
	_Atomic uint64_t *started = &worker->lane->started;
	uint64_t number = atomic_load_explicit(&worker->lane->claim, memory_order_relaxed);

	if (worker->settings->config.queue_capacity == ASSAY_UNLIMITED) {
		atomic_store_explicit(started, number, memory_order_relaxed); /* nobody waits */
	} else {
		atomic_store_explicit(started, number, memory_order_seq_cst); /* K2 */
		wake_submitter(worker->segment->control);
	}
}

/* By a hint, and a word of its slot that may be old. */
static bool take(struct worker *worker, uint64_t hint, uint64_t word)
{
	struct lane *lane = worker->lane;
	struct slot *slot = &worker->segment->slots[WORD_INDEX(hint)];

	atomic_store_explicit(&lane->claim,
			      atomic_load_explicit(&lane->started, memory_order_relaxed) + 1,
			      memory_order_relaxed);
	atomic_store_explicit(&lane->current, hint, memory_order_relaxed);
	/* A hint for who waits: whether it can help to look. */
	atomic_store_explicit(&lane->cpu, this_cpu(), memory_order_relaxed);
	STEP();
	while (GENERATION(word) == GENERATION(hint) &&
	       (status_of(word) == SLOT_PENDING || status_of(word) == SLOT_AGAIN)) {
		uint64_t mine = (word & ~SLOT_STATUS) | SLOT_RUNNING |
				(uint64_t)worker->index << SLOT_WORKER_SHIFT;

		if (!atomic_compare_exchange_weak_explicit(&slot->word, &word, mine,
							   memory_order_acq_rel, /* S2 */
							   memory_order_relaxed))
			continue;
		STEP();
		worker->slot = slot;
		worker->word = mine;
		worker->slot_index = WORD_INDEX(hint);
		return true;
	}
	return false;
}

/* The word of the slot whose task ran last here: who submits one after the other uses it again. relaxed: take()
 * acquires */
static uint64_t last_word(const struct worker *worker)
{
	return worker->slot ? atomic_load_explicit(&worker->slot->word, memory_order_relaxed) : 0;
}

static bool is_next(uint64_t word)
{
	return status_of(word) == SLOT_PENDING && (word & SLOT_NEXT);
}

/* Moves the head behind this place, up to which nothing is pending; perhaps before the tail is seen there.
 * relaxed: a head that is behind is another's to move, one that is ahead stays. */
static void pass(const struct segment *segment, uint32_t place)
{
	_Atomic uint64_t *head = &segment->control->head;
	uint64_t seen = atomic_load_explicit(head, memory_order_relaxed);
	uint32_t left;

	/* 0 or "negative" where others have passed it already. */
	while ((left = place + 1 - (uint32_t)seen) - 1 < segment->ring_count &&
	       !atomic_compare_exchange_weak_explicit(head, &seen, seen + left,
						      memory_order_acq_rel, /* S6 */
						      memory_order_relaxed))
		;
}

/* A task that is taken without a look at the ring: only the line of its slot has to come. */
static bool claim_next(struct worker *worker)
{
	uint64_t word = last_word(worker);
	uint64_t hint = (uint64_t)GENERATION(word) << 32 | worker->slot_index;

	if (!is_next(word) || !take(worker, hint, word))
		return false;
	pass(worker->segment, worker->slot->place);
	STEP();
	count_start(worker);
	return true;
}

/*
 * The hint at the head stays in the ring until its slot is not pending any more: whoever finds it so
 * moves the head on. So no death between two instructions loses a task.
 */
static bool claim(struct worker *worker)
{
	struct segment *segment = worker->segment;
	struct control *control = segment->control;

	for (;;) {
		uint64_t head = atomic_load_explicit(&control->head, memory_order_acquire); /* S6 */
		uint64_t hint;
		bool taken;

		if (head >= atomic_load_explicit(&control->tail, memory_order_seq_cst)) /* S1 K1 */
			return false;
		STEP();
		hint = atomic_load_explicit(&segment->ring[head & (segment->ring_count - 1)],
					    memory_order_acquire); /* S9 */
		/* Else it may be a later one in the same entry, with others pending before it. */
		if (atomic_load_explicit(&control->head, memory_order_relaxed) != head) /* S9 */
			continue;
		taken = take(worker, hint,
			     atomic_load_explicit(&segment->slots[WORD_INDEX(hint)].word,
						  memory_order_relaxed));
		atomic_compare_exchange_strong_explicit(&control->head, &head, head + 1,
							memory_order_acq_rel, /* S6 */
							memory_order_relaxed);
		if (taken) {
			STEP();
			count_start(worker);
			return true;
		}
	}
}

static bool has_work(struct control *control)
{
	return atomic_load_explicit(&control->head, memory_order_acquire) < /* S6 */
	       atomic_load_explicit(&control->tail, memory_order_seq_cst);  /* S1 K1 */
}

static bool is_stopping(struct control *control)
{
	return atomic_load_explicit(&control->stopping, memory_order_seq_cst); /* K1 S7 */
}

/* What is in the ring is not for workers any more. relaxed: who takes a task all the same is
 * killed in it; for a new worker W5 has the order */
static bool is_terminating(struct control *control)
{
	return atomic_load_explicit(&control->stopping, memory_order_relaxed) & CONTROL_TERMINATING;
}

static void park(struct worker *worker)
{
	struct control *control = worker->segment->control;
	struct lane *lane = worker->lane;
	_Atomic uint64_t *idle = &control->idle[worker->index / 64];
	uint64_t bit = UINT64_C(1) << worker->index % 64;

	atomic_fetch_or_explicit(idle, bit, memory_order_seq_cst); /* K1 */
	STEP();
	if ((has_work(control) || is_stopping(control)) &&
	    (atomic_fetch_and_explicit(idle, ~bit, memory_order_seq_cst) & bit)) /* K1 */
		return;
	/* Somebody has chosen, or will choose, this worker: its token comes. */
	atomic_fetch_add_explicit(&lane->parks, 1, memory_order_relaxed);        /* a statistic */
	while (!atomic_exchange_explicit(&lane->token, 0, memory_order_acquire)) /* W8 */
		shared_sleep(&lane->token, 0, ASSAY_FOREVER);
	STEP(); /* woken for a task that another must take now */
}

/* At the slot more often than at the ring, whose lines the submitter needs meanwhile. */
static bool glance(const struct worker *worker)
{
	struct control *control = worker->segment->control;

	for (int i = 0; i < LOOKS; i++) {
		if (is_next(last_word(worker)) ||
		    ((i + 1) % LOOKS_A_RING == 0 && (has_work(control) || is_stopping(control))))
			return true;
		port_pause();
	}
	return false;
}

/* From look to look: no clock is read between a wake-up and the task. */
static int64_t note_pace(struct worker *worker)
{
	int64_t before_ns = worker->looked_ns, now_ns = assay_clock_ns();

	if (before_ns)
		habit_learn(&worker->habit, (now_ns - before_ns) / (worker->ran ? worker->ran : 1));
	worker->ran = 0;
	return worker->looked_ns = now_ns;
}

/* Until there may be work. */
static void look(struct worker *worker)
{
	struct control *control = worker->segment->control;
	int64_t spin_ns = worker->settings->config.spin_ns, now_ns;
	bool is_apart = is_elsewhere(control);

	if ((spin_ns > 0 || (spin_ns < 0 && is_apart && habit_is_short(&worker->habit))) &&
	    glance(worker)) {
		habit_learn(&worker->habit, 0); /* no clock before the first looks */
		worker->looked_ns = 0;
		return;
	}
	now_ns = note_pace(worker);
	if (spin_ns < 0)
		spin_ns = look_ns(&worker->habit, is_apart, is_awaited(control), now_ns);
	for (; spin_ns && now_ns - worker->looked_ns < spin_ns; now_ns = assay_clock_ns())
		if (glance(worker))
			return;
	park(worker);
}

/*
 * Its life
 */

static void run(struct worker *worker)
{
	worker_call(worker);
	worker->ran++;
	worker_finish(worker);
	if (worker->tasks_left != INT_MAX && --worker->tasks_left == 0)
		leave_as_planned();
}

static void initialize(struct worker *worker)
{
	const struct assay_config *config = &worker->settings->config;

	if (!config->initializer)
		return;
	/* relaxed: read when the process has ended */
	atomic_store_explicit(&worker->lane->is_initializing, 1, memory_order_relaxed);
	if (config->initializer(config->initializer_argument, config->initializer_argument_size))
		leave(LEAVING_INITIALIZER, 0);
	atomic_store_explicit(&worker->lane->is_initializing, 0, memory_order_relaxed);
}

/* The frame that catches a task which ends its thread. */
static _Noreturn void work(struct worker *worker)
{
	struct control *control = worker->segment->control;

	pthread_cleanup_push(on_thread_end, NULL);
	while (!has_work(control) || is_terminating(control)) {
		if (is_stopping(control))
			leave_as_planned();
		look(worker);
	}
	initialize(worker);
	for (;;) {
		while (!is_terminating(control) && (claim_next(worker) || claim(worker)))
			run(worker);
		if (is_stopping(control) && (is_terminating(control) || !has_work(control)))
			break;
		look(worker);
	}
	pthread_cleanup_pop(0);
	leave_as_planned();
}

_Noreturn void worker_run(struct segment *segment, const struct settings *settings, int index)
{
	static struct worker worker;

	worker.call.ops = &worker_call_ops;
	worker.segment = segment;
	worker.settings = settings;
	worker.lane = &segment->lanes[index];
	worker.index = index;
	worker.tasks_left = settings->config.tasks_per_worker;
	worker.self = getpid();
	worker.habit.usual_ns = LONGEST_NS; /* the first task may take its time */
	self = &worker;
	if (on_exit(on_exit_called, NULL)) /* without memory: exit would look like a death */
		leave(LEAVING_INITIALIZER, 0);
	work(&worker);
}
