/* SPDX-License-Identifier: MIT */
/* What clients see of a rival: submit, shut down, count. Everything shared is under a mutex. */
#include "adapter.h"

#include "../core/future.h"
#include "../core/settings.h"

#include <assay/simple_future.h> /* assay_simple_check_config */

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Parts of the register: threads that submit at the same time seldom meet in one. */
#define SHARDS 8
/* Entries of ended tasks that a shard keeps for the next ones. */
#define SPARES 256

struct adapter;

/* A task from submit until its end, in the register. */
struct entry {
	struct task task;   /* first: the rival gets its address */
	struct entry *next; /* of the ring, or of the spares */
	struct entry *previous;
	struct shard *shard;
	struct future *future;
};

struct shard {
	_Alignas(PORT_APART) pthread_mutex_t mutex;
	struct adapter *adapter;
	/* Under mutex. Heads of rings: tasks as submitted, and those that a shutdown has seen. */
	struct entry tasks;
	struct entry drained;
	size_t count; /* in both */
	struct entry *spares;
	size_t spare_count;
	bool stopping;
};

struct adapter {
	assay_executor base;
	struct settings settings;
	struct rival *rival;
	uint64_t id; /* unlike an address it is never used again */
	pthread_mutex_t mutex;
	pthread_cond_t changed; /* closed, or joined */
	/* Under mutex. */
	bool stopping;
	int open; /* shards that have tasks or may get some, and drains under way */
	bool closed;
	bool joining;
	bool joined;
	struct shard shards[SHARDS];
};

/* The adapters in whose tasks or callbacks the calling thread is, innermost first. */
struct visit {
	uint64_t id;
	struct visit *outer;
};

static _Thread_local struct visit *visits;
/* Whose worker this thread was last: its destructors may call us too. */
static _Thread_local uint64_t worker_of;

static struct adapter *adapter_of(assay_executor *executor)
{
	return (struct adapter *)executor;
}

static bool belongs(const struct adapter *adapter)
{
	for (struct visit *visit = visits; visit; visit = visit->outer)
		if (visit->id == adapter->id)
			return true;
	return worker_of == adapter->id;
}

static struct shard *own_shard(struct adapter *adapter)
{
	static _Atomic unsigned threads;
	static _Thread_local unsigned number;

	if (!number) /* relaxed: only to be shared out */
		number = 1 + atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) % SHARDS;
	return &adapter->shards[number - 1];
}

/*
 * The register
 */

static void link_entry(struct entry *head, struct entry *entry)
{
	entry->next = head;
	entry->previous = head->previous;
	head->previous->next = entry;
	head->previous = entry;
}

static void unlink_entry(struct entry *entry)
{
	entry->previous->next = entry->next;
	entry->next->previous = entry->previous;
}

/* NULL without memory. Under the shard's mutex. */
static struct entry *take_entry(struct shard *shard)
{
	struct entry *entry = shard->spares;

	if (!entry)
		return malloc(sizeof *entry);
	shard->spares = entry->next;
	shard->spare_count--;
	return entry;
}

/* ASSAY_ESHUTDOWN, ASSAY_ENOMEM. */
static int enter(struct adapter *adapter, struct future *future, struct entry **out)
{
	struct shard *shard = own_shard(adapter);
	struct entry *entry = NULL;
	int error = ASSAY_ESHUTDOWN;

	pthread_mutex_lock(&shard->mutex);
	if (!shard->stopping) {
		entry = take_entry(shard);
		error = entry ? ASSAY_OK : ASSAY_ENOMEM;
	}
	if (entry) {
		entry->shard = shard;
		entry->future = future;
		link_entry(&shard->tasks, entry);
		shard->count++;
		*out = entry;
	}
	pthread_mutex_unlock(&shard->mutex);
	return error;
}

/* One thing less to wait for. The last one lets the rival's threads go. */
static void close_part(struct adapter *adapter)
{
	bool last;

	pthread_mutex_lock(&adapter->mutex);
	last = --adapter->open == 0;
	pthread_mutex_unlock(&adapter->mutex);
	if (!last)
		return;
	rival_close(adapter->rival);
	pthread_mutex_lock(&adapter->mutex);
	adapter->closed = true;
	pthread_cond_broadcast(&adapter->changed);
	pthread_mutex_unlock(&adapter->mutex);
}

/* The task has ended, with its callbacks. Spends the executor's reference: when all is said to have
 * ended, all is given back. Unless it is the last of a stopping shard, the adapter may
 * be gone afterwards. */
static void leave(struct entry *entry)
{
	struct shard *shard = entry->shard;
	bool last;

	pthread_mutex_lock(&shard->mutex);
	unlink_entry(entry);
	future_release(entry->future);
	last = --shard->count == 0 && shard->stopping;
	if (shard->spare_count < SPARES) {
		entry->next = shard->spares;
		shard->spares = entry;
		shard->spare_count++;
		entry = NULL;
	}
	pthread_mutex_unlock(&shard->mutex);
	free(entry);
	if (last)
		close_part(shard->adapter);
}

/*
 * Running
 */

void adapter_run(struct task *task)
{
	struct entry *entry = (struct entry *)task;
	struct future *future = entry->future;
	struct adapter *adapter = entry->shard->adapter;
	struct visit visit = {adapter->id, visits};
	struct future_outcome outcome;
	struct running running;

	visits = &visit;
	worker_of = visit.id;
	running_init(&running, &future_call_ops, NULL);
	if (future_start(future)) {
		future_call(future, &adapter->base, &running, &outcome);
		/* Not future_end(): whoever drains finds the future by the entry. */
		if (future_settle(future, outcome))
			future_notify(future);
	}
	visits = visit.outer;
	leave(entry);
}

static int submit(assay_executor *executor, const struct assay_task *task, assay_future **out)
{
	struct adapter *adapter = adapter_of(executor);
	struct future *future;
	struct entry *entry;
	assay_function *function;
	int error;

	if (settings_are_orphaned(&adapter->settings))
		return ASSAY_EUNREACHABLE;
	error = settings_resolve(&adapter->settings, task, &function);
	if (error)
		return error;
	future =
		future_create(executor, function, task->argument, task->argument_size, out ? 2 : 1);
	if (!future)
		return ASSAY_ENOMEM;
	futures_created += out != NULL;
	error = enter(adapter, future, &entry);
	if (error) {
		future_discard(future);
		return error;
	}
	error = rival_post(adapter->rival, &entry->task);
	if (!error && out)
		*out = &future->base;
	if (error) {
		leave(entry);
		if (out)
			future_release(future);
	}
	return error;
}

/*
 * Shutting down
 */

/* From here on nothing enters. */
static void stop(struct adapter *adapter)
{
	int idle = 0;

	pthread_mutex_lock(&adapter->mutex);
	if (!adapter->stopping) {
		adapter->stopping = true;
		for (int i = 0; i < SHARDS; i++) {
			struct shard *shard = &adapter->shards[i];

			pthread_mutex_lock(&shard->mutex);
			shard->stopping = true;
			idle += !shard->count;
			pthread_mutex_unlock(&shard->mutex);
		}
	}
	pthread_mutex_unlock(&adapter->mutex);
	while (idle--)
		close_part(adapter);
}

/* The next task that no drain has seen, with a reference to its future. */
static struct future *next_undrained(struct shard *shard)
{
	struct future *future = NULL;
	struct entry *entry;

	pthread_mutex_lock(&shard->mutex);
	entry = shard->tasks.next;
	if (entry != &shard->tasks) {
		unlink_entry(entry);
		link_entry(&shard->drained, entry);
		future = entry->future;
		assay_future_retain(&future->base);
	}
	pthread_mutex_unlock(&shard->mutex);
	return future;
}

/* Cancels what has not started; it stays in the rival's queue, to be skipped. Callbacks run here. */
static void drain(struct adapter *adapter)
{
	struct visit visit = {adapter->id, visits};
	struct future *future;
	bool open;

	pthread_mutex_lock(&adapter->mutex);
	open = adapter->open > 0;
	adapter->open += open;
	pthread_mutex_unlock(&adapter->mutex);
	if (!open)
		return;
	visits = &visit;
	for (int i = 0; i < SHARDS; i++)
		while ((future = next_undrained(&adapter->shards[i]))) {
			assay_future_cancel(&future->base);
			future_release(future);
			if (settings_are_orphaned(&adapter->settings)) {
				visits = visit.outer;
				return; /* in a child that a callback forked */
			}
		}
	visits = visit.outer;
	close_part(adapter);
}

/* Until every task has ended and the rival is gone. */
static void join(struct adapter *adapter)
{
	int cancellable;

	/* A cancelled client would leave the mutex locked. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellable);
	pthread_mutex_lock(&adapter->mutex);
	while (!adapter->closed)
		pthread_cond_wait(&adapter->changed, &adapter->mutex);
	if (!adapter->joining) {
		adapter->joining = true;
		pthread_mutex_unlock(&adapter->mutex);
		rival_join(adapter->rival);
		pthread_mutex_lock(&adapter->mutex);
		adapter->joined = true;
		pthread_cond_broadcast(&adapter->changed);
	}
	while (!adapter->joined)
		pthread_cond_wait(&adapter->changed, &adapter->mutex);
	pthread_mutex_unlock(&adapter->mutex);
	pthread_setcancelstate(cancellable, NULL);
}

static int shutdown(assay_executor *executor, unsigned flags)
{
	struct adapter *adapter = adapter_of(executor);

	if (flags & (ASSAY_SHUTDOWN_TERMINATE | ASSAY_SHUTDOWN_KILL))
		return ASSAY_EUNSUPPORTED;
	if (settings_are_orphaned(&adapter->settings))
		return ASSAY_OK;
	stop(adapter);
	if (flags & ASSAY_SHUTDOWN_CANCEL_PENDING)
		drain(adapter);
	if (!(flags & ASSAY_SHUTDOWN_WAIT) || settings_are_orphaned(&adapter->settings))
		return ASSAY_OK;
	if (belongs(adapter))
		return ASSAY_EDEADLOCK;
	join(adapter);
	return ASSAY_OK;
}

static void free_adapter(struct adapter *adapter)
{
	rival_free(adapter->rival);
	for (int i = 0; i < SHARDS; i++) {
		struct shard *shard = &adapter->shards[i];
		struct entry *spare;

		while ((spare = shard->spares)) {
			shard->spares = spare->next;
			free(spare);
		}
		pthread_mutex_destroy(&shard->mutex);
	}
	pthread_cond_destroy(&adapter->changed);
	pthread_mutex_destroy(&adapter->mutex);
	settings_free(&adapter->settings);
	free(adapter);
}

static int destroy(assay_executor *executor)
{
	struct adapter *adapter = adapter_of(executor);
	int error = shutdown(executor, ASSAY_SHUTDOWN_WAIT);

	/* What a fork left behind belongs to threads that are not here: it stays as it is. */
	if (!error && !settings_are_orphaned(&adapter->settings))
		free_adapter(adapter);
	return error;
}

static void statistics(assay_executor *executor, struct assay_statistics *out, size_t size)
{
	struct assay_statistics now;

	memset(&now, 0xff, sizeof now); /* UINT64_MAX: rivals do not count */
	now.workers = (uint64_t)adapter_of(executor)->settings.config.workers;
	memcpy(out, &now, size < sizeof now ? size : sizeof now);
}

/*
 * Creating
 */

static const struct assay_executor_ops ops = {
	.backend = &assay_backend,
	.submit = submit,
	.submit_many = assay_default_submit_many,
	.shutdown = shutdown,
	.destroy = destroy,
	.statistics = statistics,
};

static void init_shards(struct adapter *adapter)
{
	for (int i = 0; i < SHARDS; i++) {
		struct shard *shard = &adapter->shards[i];

		shard->adapter = adapter;
		shard->tasks.next = shard->tasks.previous = &shard->tasks;
		shard->drained.next = shard->drained.previous = &shard->drained;
		pthread_mutex_init(&shard->mutex, NULL);
	}
}

/* False in a child of a process that has begun to use the rival: its locks may be held by nobody. */
static bool is_used_here_only(void)
{
	static _Atomic unsigned first_use = UINT_MAX; /* port_forks then */
	unsigned forks = atomic_load_explicit(&port_forks, memory_order_relaxed), first = UINT_MAX;

	/* relaxed: a child is forked with what its parent wrote, or did not */
	return atomic_compare_exchange_strong_explicit(
		       &first_use, &first, forks, memory_order_relaxed, memory_order_relaxed) ||
	       first == forks;
}

int adapter_create(const struct assay_config *config, assay_executor **executor)
{
	static _Atomic uint64_t ids;
	struct adapter *adapter;
	int error = assay_simple_check_config(config, assay_backend.capabilities);

	if (error)
		return error;
	adapter = aligned_alloc(PORT_APART, sizeof *adapter);
	if (!adapter)
		return ASSAY_ENOMEM;
	*adapter = (struct adapter){.base.ops = &ops, .open = SHARDS};
	error = settings_copy(&adapter->settings, config);
	if (error)
		goto free_adapter;
	error = rival_survives_fork || is_used_here_only()
			? rival_create(adapter->settings.config.workers, &adapter->rival)
			: ASSAY_EUNSUPPORTED;
	if (error)
		goto free_settings;
	/* relaxed: only to be another one */
	adapter->id = 1 + atomic_fetch_add_explicit(&ids, 1, memory_order_relaxed);
	pthread_mutex_init(&adapter->mutex, NULL);
	pthread_cond_init(&adapter->changed, NULL);
	init_shards(adapter);
	*executor = &adapter->base;
	return ASSAY_OK;

free_settings:
	settings_free(&adapter->settings);
free_adapter:
	free(adapter);
	return error;
}
