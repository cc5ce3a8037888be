/* SPDX-License-Identifier: MIT */
#include "base_pool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct future *future_of(assay_future *base)
{
	return (struct future *)base;
}

static void retain(assay_future *base)
{
	__atomic_fetch_add(&future_of(base)->references, 1, __ATOMIC_RELAXED);
}

static void release(assay_future *base)
{
	future_release(future_of(base));
}

static enum assay_state state(assay_future *base)
{
	struct future *future = future_of(base);
	enum assay_state now;

	pthread_mutex_lock(&future->mutex);
	now = future->state;
	pthread_mutex_unlock(&future->mutex);
	return now;
}

/* Under the mutex, by whoever made the future done: wakes waiters and tells watchers. A watcher's
 * notify takes no lock under which anything of this backend is called. */
static struct callback *tell(struct future *future)
{
	struct assay_watcher *watcher = future->watchers.next;
	struct callback *callbacks = future->callbacks;

	if (has_fault(FAULT_WAKES_ONE_WAITER))
		pthread_cond_signal(&future->done);
	else
		pthread_cond_broadcast(&future->done);
	if (has_fault(FAULT_WATCHERS_MISS_CANCEL) && future->state == ASSAY_CANCELLED)
		watcher = &future->watchers;
	while (watcher != &future->watchers) {
		struct assay_watcher *next = watcher->next;

		watcher->notify(watcher);
		watcher->detached = 1;
		watcher = next;
	}
	future->watchers.next = future->watchers.previous = &future->watchers;
	future->callbacks = NULL;
	return callbacks;
}

/* Without the mutex: callbacks may use the future. */
static void call_back(struct future *future, struct callback *callback)
{
	while (callback) {
		struct callback *next = callback->next;

		callback->function(&future->base, callback->user);
		if (has_fault(FAULT_CALLBACK_TWICE))
			callback->function(&future->base, callback->user);
		free(callback);
		callback = next;
	}
}

static void ignore_signal(int number)
{
	(void)number;
}

/* System calls that can be taken up again after the signal are. */
static void be_interruptible(struct future *future)
{
	struct sigaction action = {.sa_handler = ignore_signal, .sa_flags = SA_RESTART};
	sigset_t signals;

	sigaction(SIGUSR2, &action, NULL);
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR2);
	pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
	future->runner = pthread_self();
}

bool future_start(struct future *future)
{
	bool starts;

	pthread_mutex_lock(&future->mutex);
	starts = future->state == ASSAY_PENDING || has_fault(FAULT_RUNS_CANCELLED);
	if (future->state == ASSAY_PENDING)
		future->state = ASSAY_RUNNING;
	if (has_fault(FAULT_CANCEL_INTERRUPTS))
		be_interruptible(future);
	if (has_fault(FAULT_DONE_WHEN_STARTED) && starts) {
		future->state = ASSAY_FINISHED;
		tell(future);
	}
	pthread_mutex_unlock(&future->mutex);
	return starts;
}

bool future_cancel(struct future *future)
{
	struct callback *callbacks = NULL;
	bool is_cancelled, was_cancelled;

	pthread_mutex_lock(&future->mutex);
	was_cancelled = future->state == ASSAY_CANCELLED;
	if (has_fault(FAULT_CANCEL_INTERRUPTS) && future->state == ASSAY_RUNNING)
		pthread_kill(future->runner, SIGUSR2);
	if (future->state == ASSAY_PENDING ||
	    (has_fault(FAULT_CANCELS_RUNNING) && future->state == ASSAY_RUNNING)) {
		future->state = ASSAY_CANCELLED;
		future->outcome.error = ASSAY_ECANCELLED;
		if (!has_fault(FAULT_RUNS_CANCELLED) && !has_fault(FAULT_CANCELS_RUNNING)) {
			free(future->argument);
			future->argument = NULL;
		}
		if (!has_fault(FAULT_CANCEL_WAKES_NOBODY))
			callbacks = tell(future);
		if (has_fault(FAULT_NO_CALLBACK_ON_CANCEL))
			callbacks = NULL;
	}
	is_cancelled = future->state == ASSAY_CANCELLED ||
		       (has_fault(FAULT_CANCELS_FINISHED) && future->state == ASSAY_FINISHED);
	if (has_fault(FAULT_CANCEL_AGAIN_FAILS) && was_cancelled)
		is_cancelled = false;
	pthread_mutex_unlock(&future->mutex);
	call_back(future, callbacks);
	return is_cancelled;
}

static bool cancel(assay_future *base)
{
	return future_cancel(future_of(base));
}

/* For the fault by which one future at a time is ended, callbacks and all. */
static bool take_turn(struct future *future, pthread_mutex_t *turn)
{
	bool is_watched;

	pthread_mutex_lock(&future->mutex);
	is_watched = future->callbacks || future->watchers.next != &future->watchers;
	pthread_mutex_unlock(&future->mutex);
	if (is_watched)
		pthread_mutex_lock(turn);
	return is_watched;
}

void future_settle(struct future *future)
{
	static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
	struct callback *callbacks = NULL;
	bool has_turn = has_fault(FAULT_DELIVERS_IN_TURN) && take_turn(future, &turn);

	pthread_mutex_lock(&future->mutex);
	if (has_fault(FAULT_CALLBACK_BEFORE_DONE)) {
		callbacks = future->callbacks;
		future->callbacks = NULL;
		pthread_mutex_unlock(&future->mutex);
		call_back(future, callbacks);
		callbacks = NULL;
		pthread_mutex_lock(&future->mutex);
	}
	if (future->state < ASSAY_CANCELLED) {
		future->state = ASSAY_FINISHED;
		if (!has_fault(FAULT_BROKEN_TASKS_RUN) && !has_fault(FAULT_ARGUMENT_KEPT)) {
			free(future->argument);
			future->argument = NULL;
		}
		callbacks = tell(future);
	}
	if (has_fault(FAULT_NO_CALLBACK_ON_FAILURE) && future->outcome.error)
		callbacks = NULL;
	if (has_fault(FAULT_CALLBACK_UNDER_LOCK)) {
		call_back(future, callbacks);
		callbacks = NULL;
	}
	pthread_mutex_unlock(&future->mutex);
	call_back(future, callbacks);
	if (has_turn)
		pthread_mutex_unlock(&turn);
}

/* For the fault that has one message for all that a break ends. */
static char shared_message[160];

void future_settle_error(struct future *future, int error, int code, const char *message)
{
	free(future->message);
	future->message = strdup(message);
	future->outcome = (struct assay_outcome){
		.error = error, .code = code, .message = future->message ? future->message : ""};
	if (has_fault(FAULT_BREAK_MESSAGE_SHARED)) {
		snprintf(shared_message, sizeof shared_message, "%s", message);
		future->outcome.message = shared_message;
	}
	future_settle(future);
}

/* The time limit that is kept for the one that was asked for. */
static int64_t kept_limit(int64_t timeout_ns)
{
	if ((has_fault(FAULT_ZERO_TIMEOUT_WAITS) && timeout_ns == 0) ||
	    (has_fault(FAULT_NEGATIVE_TIMEOUT_WAITS) && timeout_ns < 0))
		return ASSAY_FOREVER;
	if (has_fault(FAULT_HUGE_TIMEOUT_OVERFLOWS) && timeout_ns > ASSAY_FOREVER / 2 &&
	    timeout_ns != ASSAY_FOREVER)
		return 0;
	if (has_fault(FAULT_LIMIT_LOST_IN_WORKER) && timeout_ns > 0 && current_pool)
		return ASSAY_FOREVER;
	if (has_fault(FAULT_TIMES_OUT_EARLY) && timeout_ns != ASSAY_FOREVER)
		return timeout_ns / 2;
	/* What is beyond the clock never passes. */
	return assay_deadline_ns(timeout_ns) == ASSAY_FOREVER ? ASSAY_FOREVER : timeout_ns;
}

/* In another process than that of who submitted it; what is done can be read there, too. */
static bool is_out_of_reach(const struct future *future)
{
	return future->process != getpid() && future->state < ASSAY_CANCELLED &&
	       !has_fault(FAULT_WAITS_IN_WORKER) && !has_fault(FAULT_FORKED_CLIENT_RUNS);
}

static int outcome(assay_future *base, int64_t asked_ns, struct assay_outcome *out)
{
	struct future *future = future_of(base);
	int64_t timeout_ns = kept_limit(asked_ns);
	struct timespec deadline = assay_deadline(timeout_ns);
	int error = timeout_ns > 0 ? 0 : ETIMEDOUT;

	if (is_out_of_reach(future))
		return ASSAY_EUNREACHABLE;
	if (timeout_ns == ASSAY_FOREVER || (has_fault(FAULT_LIMITED_WAIT_RUNS) && timeout_ns > 0))
		worker_run_awaited(future);
	pthread_mutex_lock(&future->mutex);
	while (future->state < ASSAY_CANCELLED && error != ETIMEDOUT)
		error = timeout_ns == ASSAY_FOREVER
				? pthread_cond_wait(&future->done, &future->mutex)
				: pthread_cond_timedwait(&future->done, &future->mutex, &deadline);
	error = future->state < ASSAY_CANCELLED ? ASSAY_ETIMEDOUT : ASSAY_OK;
	if (!error && out) {
		*out = future->outcome;
		if (has_fault(FAULT_INHERITED_RESULT_LOST) && future->process != getpid())
			out->result_size = 0;
		if (has_fault(FAULT_RESULT_ONCE))
			future->outcome.result_size = 0;
	}
	pthread_mutex_unlock(&future->mutex);
	if (error && has_fault(FAULT_TIMEOUT_CANCELS))
		future_cancel(future);
	return error;
}

static int add_done_callback(assay_future *base, assay_callback *function, void *user)
{
	struct future *future = future_of(base);
	struct callback *callback = calloc(1, sizeof *callback);
	bool is_done;

	if (!callback)
		return ASSAY_ENOMEM;
	callback->function = function;
	callback->user = user;
	pthread_mutex_lock(&future->mutex);
	is_done = future->state >= ASSAY_CANCELLED;
	if (!is_done && has_fault(FAULT_CALLBACKS_REVERSED)) {
		callback->next = future->callbacks;
		future->callbacks = callback;
	} else if (!is_done) {
		*future->callbacks_end = callback;
		future->callbacks_end = &callback->next;
	}
	pthread_mutex_unlock(&future->mutex);
	if (is_done && !has_fault(FAULT_CALLBACK_LOST_WHEN_DONE))
		call_back(future, callback);
	return ASSAY_OK;
}

static int watch(assay_future *base, struct assay_watcher *watcher)
{
	struct future *future = future_of(base);
	bool is_done;

	pthread_mutex_lock(&future->mutex);
	is_done = future->state >= ASSAY_CANCELLED;
	if (!is_done) {
		watcher->detached = 0;
		watcher->next = &future->watchers;
		watcher->previous = future->watchers.previous;
		watcher->previous->next = watcher;
		future->watchers.previous = watcher;
	}
	pthread_mutex_unlock(&future->mutex);
	if (is_done && has_fault(FAULT_WATCHERS_OF_DONE_WAIT)) {
		watcher->detached = 1;
		return ASSAY_OK;
	}
	return is_done ? ASSAY_EDONE : ASSAY_OK;
}

/* notify runs under the mutex, so holding it is proof that none is running. */
static void unwatch(assay_future *base, struct assay_watcher *watcher)
{
	struct future *future = future_of(base);

	pthread_mutex_lock(&future->mutex);
	if (!watcher->detached) {
		watcher->previous->next = watcher->next;
		watcher->next->previous = watcher->previous;
	}
	pthread_mutex_unlock(&future->mutex);
}

/* Early, when it has run the future: then it is time to look again. */
static int park(assay_future *base, struct assay_signal *signal, int64_t timeout_ns)
{
	if (is_out_of_reach(future_of(base)))
		return ASSAY_EUNREACHABLE;
	if (worker_was_promised(base) && state(base) != ASSAY_PENDING)
		return ASSAY_OK; /* somebody has taken it: what else there is may need help */
	if (kept_limit(timeout_ns) == ASSAY_FOREVER && worker_helps(base)) {
		worker_leave_awaited(future_of(base));
		worker_run_awaited(future_of(base));
		if (state(base) >= ASSAY_CANCELLED)
			return ASSAY_OK;
	}
	return assay_default_park(base, signal, timeout_ns);
}

static const struct assay_future_ops future_ops = {
	.retain = retain,
	.release = release,
	.state = state,
	.cancel = cancel,
	.outcome = outcome,
	.add_done_callback = add_done_callback,
	.watch = watch,
	.unwatch = unwatch,
	.park = park,
	.helps = worker_helps,
};

struct future *future_create(assay_function *function, const struct assay_task *task,
			     uint32_t references)
{
	struct future *future = calloc(1, sizeof *future);
	pthread_condattr_t attributes;

	if (!future)
		return NULL;
	future->argument = malloc(task->argument_size + 1);
	if (!future->argument) {
		free(future);
		return NULL;
	}
	if (task->argument_size)
		memcpy(future->argument, task->argument, task->argument_size);
	future->base.ops = &future_ops;
	future->process = getpid();
	future->references = references;
	future->function = function;
	future->argument_size = task->argument_size;
	future->source = task->argument;
	if (has_fault(FAULT_ARGUMENT_SIZE_IS_A_BYTE))
		future->argument_size &= 0xff;
	future->outcome.message = "";
	future->watchers.next = future->watchers.previous = &future->watchers;
	future->callbacks_end = &future->callbacks;
	pthread_mutex_init(&future->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&future->done, &attributes);
	pthread_condattr_destroy(&attributes);
	return future;
}

void future_release(struct future *future)
{
	if (__atomic_sub_fetch(&future->references, 1, __ATOMIC_ACQ_REL))
		return;
	pthread_cond_destroy(&future->done);
	pthread_mutex_destroy(&future->mutex);
	if (future->outcome.message == shared_message)
		*shared_message = '\0';
	free(future->argument);
	if (future->shared_size) /* not unmapped: who has it later finds it in the same place */
		memset(future->result, 0, future->shared_size);
	else
		free(future->result);
	free(future->message);
	free(future);
}

/*
 * Running. Until the future is settled only the worker touches result and message.
 */

struct running {
	assay_call call; /* first: the table gets its address */
	struct future *future;
	struct assay_children children;
};

static int reserve(assay_call *call, size_t size)
{
	struct future *future = ((struct running *)call)->future;
	void *room;

	if (size > assay_backend.result_limit && !has_fault(FAULT_RESULT_LIMIT_IGNORED))
		return ASSAY_ETOOBIG;
	if (has_fault(FAULT_RESULT_SHARED_WITH_CHILDREN) && size > 4096) {
		room = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (room == MAP_FAILED)
			return ASSAY_ENOMEM;
		future->result = call->result = room;
		future->shared_size = call->result_capacity = size;
		return ASSAY_OK;
	}
	room = malloc(size);
	if (!room)
		return ASSAY_ENOMEM;
	free(future->result);
	future->result = call->result = room;
	call->result_capacity = size;
	return ASSAY_OK;
}

static void keep_message(assay_call *call, const char *message)
{
	struct future *future = ((struct running *)call)->future;

	free(future->message);
	future->message = strdup(message);
	if (has_fault(FAULT_MESSAGE_IS_CUT) && future->message && strlen(message) > 255)
		future->message[255] = '\0';
}

const struct assay_call_ops call_ops = {
	.reserve = reserve,
	.message = keep_message,
	.offer = pool_offer,
	.join = pool_join,
};

void future_call(struct future *future, assay_executor *executor)
{
	struct assay_outcome *out = &future->outcome;
	struct running running = {
		.call = {.ops = &call_ops,
			 .argument = future->argument,
			 .argument_size = future->argument_size,
			 .executor = executor},
		.future = future,
		.children = {NULL, 1}, /* each is offered at once */
	};
	int returned;

	if (executor) /* else in a worker process, which is alone */
		running.call.children = &running.children;

	if (has_fault(FAULT_ARGUMENT_COPIED_LATE) && future->argument_size)
		memcpy(future->argument, future->source, future->argument_size);
	returned = future->function(&running.call);
	if (has_fault(FAULT_EMPTY_FAILURE_SUCCEEDS) && returned > 0 && future->message &&
	    !*future->message)
		returned = ASSAY_OK;
	if (returned == ASSAY_OK) {
		out->result_size = running.call.result_size;
		out->result = out->result_size ? running.call.result : NULL;
	} else if (returned == ASSAY_ENOMEM || returned == ASSAY_ETOOBIG ||
		   (has_fault(FAULT_TASK_SAYS_BROKEN) && returned == ASSAY_EBROKEN)) {
		out->error = returned;
	} else {
		out->error = ASSAY_EFAILED;
		out->code = has_fault(FAULT_CODE_IS_A_BYTE) ? returned & 0xff : returned;
	}
	if (returned && future->message)
		out->message = future->message;
}
