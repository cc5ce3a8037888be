/* SPDX-License-Identifier: MIT */
/*
 * Tasks of OpenMP, as GCC's libgomp runs them. Only threads of a parallel region can create tasks, so
 * an executor is a region in a thread of its own: its first thread takes tasks from a mailbox and
 * creates them, the others wait at the end of the region and run them. A task that submits creates
 * the next one itself.
 *
 * libgomp runs a task where it is created, at once, when the team has more than 64 per thread: there
 * are never that many, and the rest waits in the mailbox.
 *
 * Ordering
 *   O1  ended: release decrement of created  ->  reserve: acquire load    nothing; the bound itself
 *   O2  ended: seq_cst decrement of created, then the look at waiting
 *         against   await_room: seq_cst store of waiting, then the look at created
 */
#include "../adapter.h"
#include "../probe.h"
#include "../../core/port.h"

#include <omp.h>

#include <stdlib.h>

const bool rival_survives_fork = false;

struct rival {
	int workers;
	uint32_t most;            /* tasks created and not ended */
	_Atomic uint32_t created; /* of these */
	_Atomic bool waiting;     /* the first thread, for room */
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	/* Under mutex. */
	struct task *first, **end; /* the mailbox */
	enum { STARTING, OPEN, REFUSED, CLOSING } state;
};

/* Whose task the calling thread is in. */
static _Thread_local struct rival *inside;

/* Room for one more task in the team. */
static bool reserve(struct rival *rival)
{
	uint32_t created = atomic_load_explicit(&rival->created, memory_order_acquire); /* O1 */

	while (created < rival->most)
		if (atomic_compare_exchange_weak_explicit(&rival->created, &created, created + 1,
							  memory_order_acquire, /* O1 */
							  memory_order_acquire))
			return true;
	return false;
}

/* The first thread sleeps until half of the room is free. */
static void await_room(struct rival *rival)
{
	pthread_mutex_lock(&rival->mutex);
	atomic_store_explicit(&rival->waiting, true, memory_order_seq_cst); /* O2 */
	while (atomic_load_explicit(&rival->created, memory_order_seq_cst) > rival->most / 2)
		pthread_cond_wait(&rival->changed, &rival->mutex);
	/* relaxed: its own word to those it wakes no more */
	atomic_store_explicit(&rival->waiting, false, memory_order_relaxed);
	pthread_mutex_unlock(&rival->mutex);
}

static void ended(struct rival *rival)
{
	/* O1 O2 */
	uint32_t left = atomic_fetch_sub_explicit(&rival->created, 1, memory_order_seq_cst) - 1;

	if (left <= rival->most / 2 &&
	    atomic_load_explicit(&rival->waiting, memory_order_seq_cst)) { /* O2 */
		pthread_mutex_lock(&rival->mutex);
		pthread_cond_signal(&rival->changed);
		pthread_mutex_unlock(&rival->mutex);
	}
}

/* By a thread of the team, which never runs it here: room was reserved. */
static void create_task(struct rival *rival, struct task *task)
{
#pragma omp task firstprivate(rival, task)
	{
		inside = rival;
		adapter_run(task);
		inside = NULL;
		ended(rival);
	}
}

/* What has come, or NULL when nothing more will. */
static struct task *take_mail(struct rival *rival)
{
	struct task *first;

	pthread_mutex_lock(&rival->mutex);
	while (!rival->first && rival->state != CLOSING)
		pthread_cond_wait(&rival->changed, &rival->mutex);
	first = rival->first;
	rival->first = NULL;
	rival->end = &rival->first;
	pthread_mutex_unlock(&rival->mutex);
	return first;
}

static void set_state(struct rival *rival, int state)
{
	pthread_mutex_lock(&rival->mutex);
	rival->state = state;
	pthread_cond_signal(&rival->changed);
	pthread_mutex_unlock(&rival->mutex);
}

static void lead_team(struct rival *rival)
{
	struct task *task, *next;

	if (omp_get_num_threads() <= rival->workers) {
		set_state(rival, REFUSED);
		return;
	}
	set_state(rival, OPEN);
	while ((task = take_mail(rival)))
		for (; task; task = next) {
			next = task->next; /* it may have ended once it is created */
			while (!reserve(rival))
				await_room(rival);
			create_task(rival, task);
		}
}

static void *run_team(void *user)
{
	struct rival *rival = user;

	omp_set_dynamic(0);
#pragma omp parallel num_threads(rival->workers + 1)
	{
#pragma omp master
		lead_team(rival);
	}
	return NULL;
}

static int start_team(struct rival *rival)
{
	bool is_open;

	if (port_thread_start(&rival->thread, 0, run_team, rival))
		return ASSAY_ERESOURCE;
	pthread_mutex_lock(&rival->mutex);
	while (rival->state == STARTING)
		pthread_cond_wait(&rival->changed, &rival->mutex);
	is_open = rival->state == OPEN;
	pthread_mutex_unlock(&rival->mutex);
	if (is_open)
		return ASSAY_OK;
	pthread_join(rival->thread, NULL);
	return ASSAY_EUNSUPPORTED; /* OMP_THREAD_LIMIT */
}

int rival_create(int workers, struct rival **out)
{
	struct rival *rival;
	/* libgomp would end the program. */
	int error = workers == INT_MAX ? ASSAY_EUNSUPPORTED : probe_threads(workers + 1);

	if (error)
		return error;
	rival = calloc(1, sizeof *rival);
	if (!rival)
		return ASSAY_ENOMEM;
	rival->workers = workers;
	/* libgomp counts a task a moment longer: one in each thread may have ended here only. */
	rival->most = 63 * (uint32_t)workers;
	rival->end = &rival->first;
	pthread_mutex_init(&rival->mutex, NULL);
	pthread_cond_init(&rival->changed, NULL);
	error = start_team(rival);
	if (error)
		rival_free(rival);
	else
		*out = rival;
	return error;
}

int rival_post(struct rival *rival, struct task *task)
{
	/* Not from a region that the task has made: its threads are not ours. */
	if (inside == rival && omp_get_level() == 1 && reserve(rival)) {
		create_task(rival, task);
		return ASSAY_OK;
	}
	task->next = NULL;
	pthread_mutex_lock(&rival->mutex);
	*rival->end = task;
	rival->end = &task->next;
	pthread_cond_signal(&rival->changed);
	pthread_mutex_unlock(&rival->mutex);
	return ASSAY_OK;
}

void rival_close(struct rival *rival)
{
	set_state(rival, CLOSING);
}

void rival_join(struct rival *rival)
{
	pthread_join(rival->thread, NULL);
}

void rival_free(struct rival *rival)
{
	pthread_cond_destroy(&rival->changed);
	pthread_mutex_destroy(&rival->mutex);
	free(rival);
}

const struct assay_backend assay_backend = {
	.abi = ASSAY_ABI,
	.capabilities = ADAPTER_CAPABILITIES | ASSAY_CAP_CONCURRENT | ASSAY_CAP_WORKER_LIMIT |
			ASSAY_CAP_WORKER_REUSE,
	.name = "openmp",
	.summary = "OpenMP tasks in one parallel region, libgomp",
	.argument_limit = ADAPTER_BYTES_LIMIT,
	.result_limit = ADAPTER_BYTES_LIMIT,
	.create = adapter_create,
	.extension = assay_default_extension,
};
