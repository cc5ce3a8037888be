/* SPDX-License-Identifier: MIT */
/* Waiting for a future: looking, sleeping, or running it. The labels are those of future.h, G1
 * and G2 are those of assay/executor.h. */
#include "head_start.h"
#include "record.h"

/*
 * How long a waiter looks before it sleeps. The first looks cost no reading of the clock. It goes on
 * only where waits have lately been as short as a wake-up takes: to sleep would cost the processor as
 * much then. Where they are longer it hardly looks at all.
 */
#define WAIT_LOOKS 48
#define WAIT_LOOKS_LONG 2
#define WAIT_USUAL_NS 12000
/*
 * Two threads that both sleep in each other's waits may never find out that both could look: now and
 * then a waiter looks for as long as a slow wake-up takes.
 */
#define WAIT_PROBE_EVERY 8
#define WAIT_PROBE_NS 50000
/*
 * Who is to run the task may need the very processor on which the waiter looks. So after some looks in a row
 * that saw no end, a waiter looks only one time in so many, and in twice as many after each further one.
 */
#define WAIT_MISSES 3
#define WAIT_MISSES_LIMIT 6 /* one in 64 */

/* Before a worker waits like any thread it looks so often for what it could help with. */
#define HELP_LOOKS 16

/* Before a worker runs one of a set it looks whether somebody else has taken it: so often before it sleeps, again after
 * so long, and after so many sleeps no more, since who seemed to be free may be held up: in an initializer, say. These
 * are counted, not timed: on a machine so busy that a thread is late, this one is, too. */
#define OTHERS_LOOKS 32
#define OTHERS_LOOK_NS 50000
#define OTHERS_SLEEPS 10000

_Thread_local struct runner *current_runner;

/* How many sleeps this thread leaves one of a set to others: fewer after each time that nobody came, as
 * long as they have not begun anything since. */
static _Thread_local int patience = OTHERS_SLEEPS;
static _Thread_local uint64_t begun_then;

/* What this thread was told of last that it helps. */
static _Thread_local const assay_future *promised;

/* The average wait of this thread, recent ones first; its waits without a look since the last one; and the
 * looks in a row that saw no end. */
static _Thread_local int64_t usual_wait_ns;
static _Thread_local unsigned unlooked, misses;

/* What this thread gives the workers whose results it reads. */
static _Thread_local struct head_start head_start;

void wait_read_rare(const struct future *future, uint32_t state, struct assay_outcome *outcome)
{
	struct failure failure;

	outcome->result = NULL;
	outcome->result_size = 0;
	if ((state & STATUS) == ASSAY_CANCELLED) {
		outcome->error = ASSAY_ECANCELLED;
		return;
	}
	if (!(state & FAILED)) {
		outcome->result = block_of(future).data;
		outcome->result_size = block_of(future).size;
		return;
	}
	failure = failure_of(future);
	outcome->error = failure.error;
	outcome->code = failure.code;
	if (failure.message)
		outcome->message = failure.message;
}

/* Looks for a while whether the future is done; returns the last word seen. */
static uint64_t look(struct future *future, int64_t end_ns, int64_t deadline_ns)
{
	uint64_t word;

	if (end_ns > deadline_ns)
		end_ns = deadline_ns;

	do {
		for (int i = 0; i < 16; i++)
			port_pause();
		word = atomic_load_explicit(&future->word, memory_order_acquire); /* F1 */
	} while (!is_done(word) && assay_clock_ns() < end_ns);
	return word;
}

/* Counts this thread among the sleepers, unless the future is done; returns the word with it. */
static uint64_t count_in(struct future *future)
{
	uint64_t word = atomic_load_explicit(&future->word, memory_order_acquire); /* F1 */
	uint64_t with;

	do
		with = (word & SLEEPERS) == SLEEPERS ? word : word + SLEEPER;
	while (!is_done(word) && !atomic_compare_exchange_weak_explicit(
					 &future->word, &word, with, memory_order_acquire, /* F1 */
					 memory_order_acquire));
	return is_done(word) ? word : with;
}

/* It gave up: where nobody else sleeps, the end has nobody to wake. */
static void count_out(struct future *future)
{
	uint64_t word = atomic_load_explicit(&future->word, memory_order_relaxed);

	/* relaxed: that a future has no sleepers publishes nothing */
	while (!is_done(word) && (word & SLEEPERS) != SLEEPERS &&
	       !atomic_compare_exchange_weak_explicit(&future->word, &word, word - SLEEPER,
						      memory_order_relaxed, memory_order_relaxed))
		;
}

/* Sleeps until done or the deadline; returns the last word seen. */
static uint64_t sleep_until_done(struct future *future, int64_t deadline_ns)
{
	uint64_t word = count_in(future);
	bool in_time = true;

	while (!is_done(word) && in_time) {
		in_time = port_sleep(futex_of(future), (uint32_t)word, deadline_ns);
		word = atomic_load_explicit(&future->word, memory_order_acquire); /* F1 */
	}
	if (!is_done(word))
		count_out(future);
	return word;
}

/* Whether this wait is to look. */
static bool is_to_look(bool is_short)
{
	unsigned every = is_short ? 1 : WAIT_PROBE_EVERY;

	if (misses >= WAIT_MISSES && every < 1U << misses)
		every = 1U << misses;
	if (++unlooked < every)
		return false;
	unlooked = 0;
	return true;
}

/* Waits until done or the deadline; returns the last word seen. */
PORT_OUTLINE static uint64_t await(struct future *future, int64_t timeout_ns)
{
	bool is_short = usual_wait_ns <= WAIT_USUAL_NS, looks = is_to_look(is_short);
	unsigned pauses = current_runner ? 0 : head_start_give(&head_start, futures_created);
	int64_t start_ns, end_ns, deadline_ns;
	uint64_t word = 0;

	runner_waits();
	if (!is_short || !looks || timeout_ns <= WAIT_USUAL_NS) /* nor for a limit as short */
		pauses = 0;
	for (unsigned i = 0; i < pauses; i++)
		port_pause();
	for (int i = is_short && looks ? WAIT_LOOKS : WAIT_LOOKS_LONG; i > 0; i--) {
		word = atomic_load_explicit(&future->word, memory_order_acquire); /* F1 */
		if (is_done(word)) {
			/* How long a wait took that began with a head start is not known. */
			usual_wait_ns -= pauses ? 0 : usual_wait_ns / 8;
			misses = looks ? 0 : misses;
			return word;
		}
		port_pause();
	}
	start_ns = assay_clock_ns();
	deadline_ns = assay_deadline_ns(timeout_ns);
	if (looks) {
		end_ns = start_ns + (is_short ? 2 * usual_wait_ns : WAIT_PROBE_NS);
		word = look(future, end_ns, deadline_ns);
		if (is_done(word))
			misses = 0;
		else if (misses < WAIT_MISSES_LIMIT && end_ns < deadline_ns)
			misses++;
		if (is_done(word) && !is_short)
			usual_wait_ns = WAIT_USUAL_NS / 2;
	}
	if (!is_done(word))
		word = sleep_until_done(future, deadline_ns);
	usual_wait_ns += (assay_clock_ns() - start_ns - usual_wait_ns) / 8;
	return word;
}

/* A wait that never ends by itself. [RES-14] */
static bool is_unlimited(int64_t timeout_ns)
{
	return timeout_ns == ASSAY_FOREVER ||
	       (timeout_ns > 0 && assay_deadline_ns(timeout_ns) == ASSAY_FOREVER);
}

/* Runs it, or what it has submitted, as long as there is any; returns the last word seen. */
static uint64_t help(struct runner *runner, struct future *future)
{
	uint64_t word;
	int looks = HELP_LOOKS;

	if (future_is_pending(future))
		runner->run(runner, future);
	word = atomic_load_explicit(&future->word, memory_order_acquire); /* F1 */
	while (!is_done(word) && runner->help && looks > 0) {
		if (runner->help(runner, future)) {
			looks = HELP_LOOKS;
		} else {
			port_pause();
			looks--;
		}
		word = atomic_load_explicit(&future->word, memory_order_acquire); /* F1 */
	}
	return word;
}

int wait_late(struct future *future, int64_t timeout_ns, struct assay_outcome *outcome)
{
	struct runner *runner = is_unlimited(timeout_ns) ? wait_runner(future) : NULL;
	uint64_t word = ASSAY_PENDING;

	if (runner) {
		if (!wait_is_lost(runner))
			word = help(runner, future);
		else if (future_is_pending(future))
			return ASSAY_EUNREACHABLE;
	}
	if (!is_done(word) && timeout_ns > 0)
		word = await(future, timeout_ns);
	if (!is_done(word))
		return ASSAY_ETIMEDOUT;
	if (outcome)
		wait_read(future, (uint32_t)word, outcome);
	return ASSAY_OK;
}

/* Of who has no workers that wait. */
__attribute__((weak)) int wait_outcome_op(assay_future *base, int64_t timeout_ns,
					  struct assay_outcome *outcome)
{
	struct future *future = future_of(base);
	uint64_t word = atomic_load_explicit(&future->word, memory_order_acquire); /* F1 */

	if (!is_done(word))
		return wait_late(future, timeout_ns, outcome);
	if (outcome)
		wait_read(future, (uint32_t)word, outcome);
	return ASSAY_OK;
}

bool wait_helps_op(assay_future *base)
{
	/* What is running is not helped by anything; what is pending may help later no more. */
	if (!wait_runner(future_of(base)) || !future_is_pending(future_of(base)))
		return false;
	promised = base;
	return true;
}

static void wake_signal(struct assay_signal *signal)
{
	port_wake((_Atomic uint32_t *)&signal->state, 1);
}

/* Until somebody sets the signal, or the deadline: false. */
static bool sleep_until_set(struct assay_signal *signal, int64_t deadline_ns, bool in_time)
{
	uint32_t state = ASSAY_SIGNAL_CLEAR;

	signal->wake = wake_signal;
	if (in_time &&
	    __atomic_compare_exchange_n(&signal->state, &state, (uint32_t)ASSAY_SIGNAL_PARKED,
					false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) /* G2 G1 */
		state = ASSAY_SIGNAL_PARKED;
	while (state != ASSAY_SIGNAL_SET && in_time) {
		in_time = port_sleep((_Atomic uint32_t *)&signal->state, ASSAY_SIGNAL_PARKED,
				     deadline_ns);
		state = __atomic_load_n(&signal->state, __ATOMIC_ACQUIRE); /* G1 */
	}
	if (state == ASSAY_SIGNAL_PARKED &&
	    __atomic_compare_exchange_n(&signal->state, &state, (uint32_t)ASSAY_SIGNAL_CLEAR, false,
					__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) /* G2 G1 */
		return false;
	return __atomic_load_n(&signal->state, __ATOMIC_ACQUIRE) == ASSAY_SIGNAL_SET; /* G1 */
}

/* Who runs one of a set cannot return before that is done, though another is [WAIT-3]: as long as somebody
 * else is free to take it, that one does. True: the signal was set. */
static bool leave_to_others(const struct runner *runner, struct future *future,
			    struct assay_signal *signal)
{
	bool is_set = false;
	int sleeps = 0;

	if (patience < OTHERS_SLEEPS && runner->begun(runner) != begun_then)
		patience = OTHERS_SLEEPS;
	while (!is_set && sleeps < patience && future_is_pending(future) &&
	       runner->has_others(runner)) {
		for (int i = 0; i < OTHERS_LOOKS && future_is_pending(future); i++)
			port_pause();
		if (future_is_pending(future)) {
			is_set = sleep_until_set(signal, assay_deadline_ns(OTHERS_LOOK_NS), true);
			sleeps++;
		}
	}
	if (!future_is_pending(future))
		patience = OTHERS_SLEEPS;
	else if (!is_set && sleeps >= patience) {
		patience = patience / 8 + 1;
		begun_then = runner->begun(runner);
	}
	/* Others may have set it between two looks. */
	return is_set ||
	       __atomic_load_n(&signal->state, __ATOMIC_ACQUIRE) == ASSAY_SIGNAL_SET; /* G1 */
}

int wait_park_op(assay_future *base, struct assay_signal *signal, int64_t timeout_ns)
{
	struct future *future = future_of(base);
	bool is_pending = future_is_pending(future), was_promised = promised == base;
	struct runner *runner = is_pending && is_unlimited(timeout_ns) ? wait_runner(future) : NULL;

	runner_waits();
	promised = NULL;
	if (was_promised && !is_pending)
		return ASSAY_OK; /* early: somebody has taken it, and what else there is may need help */
	if (runner) {
		if (wait_is_lost(runner))
			return ASSAY_EUNREACHABLE;
		/* Where all are waited for, to run this one here makes nothing late. */
		if (!signal->for_all && runner->has_others &&
		    leave_to_others(runner, future, signal))
			return ASSAY_OK;
		if (future_is_pending(future))
			runner->run(runner, future);
		if (!future_is_pending(future))
			return ASSAY_OK; /* early, to be asked with the next one */
	}
	return sleep_until_set(signal, assay_deadline_ns(timeout_ns), timeout_ns > 0)
		       ? ASSAY_OK
		       : ASSAY_ETIMEDOUT;
}
