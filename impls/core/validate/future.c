/* SPDX-License-Identifier: MIT */
/*
 * Everything that may happen to a future at once: it is started, run and settled; cancelled;
 * waited for; watched and unwatched; given callbacks. Four threads do so to the same futures, in
 * the same order, as close together as they can. What must come out of it is counted. G1 is that of
 * assay/executor.h.
 *
 * Relaxed without a word: the counts, which are read after a meeting.
 */
#include "../future.h"

#include <assay/backend.h>

#include "validate.h"

#define BATCH 64
#define CANCEL_EVERY 2 /* the canceller leaves the others alone, so that both ways are common */

/* One task, and what became of it. */
struct subject {
	struct future *future;
	uint64_t argument[5]; /* longer than what fits into the record, for every other one */
	size_t argument_size;
	_Atomic uint32_t ran;
	_Atomic uint32_t called_back; /* times */
	uint32_t callbacks;           /* added */
	bool cancelled;               /* what cancel said */
};

struct seen {
	struct assay_watcher watcher; /* first: notify gets its address */
	struct assay_signal *signal;
	uint32_t notified;
};

static struct subject subjects[BATCH];
static struct meeting meeting = {.count = 4};
static int rounds;
static struct assay_executor_ops executor_ops;
static assay_executor executor = {&executor_ops};

static int run_task(assay_call *call)
{
	uint64_t sum[5] = {0};

	for (size_t i = 0; i < call->argument_size / sizeof *sum; i++)
		sum[i] = ((const uint64_t *)call->argument)[i] + 1;
	return assay_return(call, sum, call->argument_size);
}

static void make_subjects(uint64_t round)
{
	for (uint64_t i = 0; i < BATCH; i++) {
		struct subject *subject = &subjects[i];

		*subject = (struct subject){.argument_size = i % 2 ? sizeof subject->argument : 8};
		for (uint64_t word = 0; word < 5; word++)
			subject->argument[word] = round * BATCH + i + word;
		/* One reference for each of the three clients, one for the executor. */
		subject->future = future_create(&executor, run_task, subject->argument,
						subject->argument_size, 4);
		MUST(subject->future);
	}
}

static void check_outcome(struct subject *subject)
{
	assay_future *base = &subject->future->base;
	struct assay_outcome outcome;

	MUST(assay_future_outcome(base, 0, &outcome) == ASSAY_OK);
	if (outcome.error == ASSAY_ECANCELLED) {
		MUST(assay_future_state(base) == ASSAY_CANCELLED);
		MUST(!outcome.result && !outcome.result_size);
		return;
	}
	MUST(outcome.error == ASSAY_OK && assay_future_state(base) == ASSAY_FINISHED);
	MUST(outcome.result_size == subject->argument_size);
	for (size_t i = 0; i < outcome.result_size / 8; i++)
		MUST(((const uint64_t *)outcome.result)[i] == subject->argument[i] + 1);
}

/* The thread that makes the futures, and then is their executor. */
static void run_all(void)
{
	for (int i = 0; i < BATCH; i++) {
		struct future *future = subjects[i].future;
		struct future_outcome outcome;
		struct running running;

		running_init(&running, &future_call_ops, NULL);
		if (future_start(future)) {
			MUST(future_call(future, &executor, &running, &outcome));
			atomic_fetch_add_explicit(&subjects[i].ran, 1, memory_order_relaxed);
			if (i % 4 < 2) {
				if (future_settle(future, outcome))
					future_notify(future);
				future_release(future);
			} else if (future_end(future, outcome)) {
				future_notify(future);
				future_release(future);
			}
		} else {
			future_release(future);
		}
	}
}

static void *cancel_all(void *user)
{
	(void)user;
	for (int round = 0; round < rounds; round++) {
		validate_meet(&meeting);
		for (int i = round % CANCEL_EVERY; i < BATCH; i += CANCEL_EVERY) {
			assay_future *base = &subjects[i].future->base;

			subjects[i].cancelled = assay_future_cancel(base);
			MUST(subjects[i].cancelled == assay_future_cancel(base));
		}
		for (int i = 0; i < BATCH; i++) { /* and waits with every kind of time limit */
			int64_t limit_ns = i % 3 ? ASSAY_FOREVER : i * 100L;
			int error = assay_future_wait(&subjects[i].future->base, limit_ns);

			MUST(!error || (error == ASSAY_ETIMEDOUT && limit_ns != ASSAY_FOREVER));
			MUST(assay_future_wait(&subjects[i].future->base, ASSAY_FOREVER) == 0);
			check_outcome(&subjects[i]);
		}
		validate_meet(&meeting);
	}
	return NULL;
}

static void notice(struct assay_watcher *watcher)
{
	struct seen *seen = (struct seen *)watcher;

	seen->notified++;
	assay_signal_set(seen->signal);
}

/* Watches one future until it is done, or gives up at once. */
static void watch(struct subject *subject, bool give_up)
{
	struct assay_signal signal = {0};
	struct seen seen = {.watcher.notify = notice, .signal = &signal};
	assay_future *base = &subject->future->base;
	int error = base->ops->watch(base, &seen.watcher);

	MUST(error == ASSAY_OK || error == ASSAY_EDONE);
	if (error == ASSAY_EDONE) {
		MUST(assay_future_is_done(base));
		return;
	}
	/* G1 */
	while (!give_up && __atomic_load_n(&signal.state, __ATOMIC_ACQUIRE) != ASSAY_SIGNAL_SET)
		MUST(base->ops->park(base, &signal, ASSAY_FOREVER) == ASSAY_OK);
	base->ops->unwatch(base, &seen.watcher);
	/* From here on the watcher is this thread's alone: a plain read of the count is no race. */
	MUST(seen.notified <= 1);
	MUST(give_up || seen.notified == 1);
	MUST(!seen.notified || assay_future_is_done(base));
}

static void *watch_all(void *user)
{
	(void)user;
	for (int round = 0; round < rounds; round++) {
		validate_meet(&meeting);
		for (int i = 0; i < BATCH; i++) {
			watch(&subjects[i], true);
			watch(&subjects[i], (i + round) % 4 != 0);
		}
		validate_meet(&meeting);
	}
	return NULL;
}

static void called_back(assay_future *base, void *user)
{
	struct subject *subject = user;

	MUST(base == &subject->future->base && assay_future_is_done(base));
	atomic_fetch_add_explicit(&subject->called_back, 1, memory_order_relaxed);
}

static void *call_back_all(void *user)
{
	(void)user;
	for (int round = 0; round < rounds; round++) {
		validate_meet(&meeting);
		for (int i = 0; i < BATCH; i++)
			for (; subjects[i].callbacks < 3; subjects[i].callbacks++)
				MUST(assay_future_add_done_callback(&subjects[i].future->base,
								    called_back,
								    &subjects[i]) == ASSAY_OK);
		validate_meet(&meeting);
	}
	return NULL;
}

/* How many of the batch ran. */
static int check_all(int round)
{
	int ran = 0;

	for (int i = 0; i < BATCH; i++) {
		struct subject *subject = &subjects[i];
		uint32_t times = atomic_load(&subject->ran);

		MUST(times + subject->cancelled == 1);
		MUST(i % CANCEL_EVERY == round % CANCEL_EVERY || times == 1);
		MUST(atomic_load(&subject->called_back) == subject->callbacks);
		check_outcome(subject);
		ran += (int)times;
		for (int reference = 0; reference < 3; reference++)
			future_release(subject->future);
	}
	return ran;
}

int main(void)
{
	static void *(*const actors[])(void *) = {cancel_all, watch_all, call_back_all};
	pthread_t threads[3];
	int64_t ran = 0;

	validate_expect_end(200);
	executor_ops.backend = &assay_backend;
	rounds = validate_rounds(15000);
	for (int i = 0; i < 3; i++)
		validate_start(&threads[i], actors[i], NULL);
	for (int round = 0; round < rounds; round++) {
		make_subjects((uint64_t)round);
		validate_meet(&meeting);
		run_all();
		validate_meet(&meeting);
		ran += check_all(round);
	}
	for (int i = 0; i < 3; i++)
		validate_join(threads[i]);
	printf("%lld of %lld ran\n", (long long)ran, (long long)rounds * BATCH);
	return 0;
}
