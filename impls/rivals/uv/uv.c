/* SPDX-License-Identifier: MIT */
/*
 * libuv's thread pool. uv_queue_work() belongs to the thread of a loop, so an executor is a loop in a
 * thread: submits reach it through a mailbox and uv_async_send(), as libuv's manual has it.
 *
 * The pool is one for the whole process and gets its size once, when it is first used. So there is
 * one executor at a time, and all have the number of workers of the first.
 *
 * Ordering
 *   O1  rival_free: release store of false in is_owned  ->  rival_create: acquire exchange
 *       sized_process and pool_size
 */
#include "../adapter.h"
#include "../probe.h"
#include "../../core/port.h"

#include <uv.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What libuv cuts UV_THREADPOOL_SIZE to. */
#define MOST_WORKERS 1024

/* What a loop opens, and two that libuv opens once. */
#define LOOP_DESCRIPTORS 8

/* libuv starts its pool anew in a forked child, unless the fork met the start of the first. */
const bool rival_survives_fork = false;

struct request {
	uv_work_t work; /* first: libuv gets its address */
	struct task *task;
	struct request *next;
};

struct rival {
	uv_loop_t loop;
	uv_async_t mail;
	uv_thread_t thread;
	uv_mutex_t mutex;
	/* Under mutex. */
	struct request *first, **end;
	bool closing;
};

static _Atomic bool is_owned; /* there is an executor; whoever sets it owns the two below */
static pid_t sized_process;   /* where the pool got its size, or 0 */
static int pool_size;
static bool is_reset; /* in a child */

static void work(uv_work_t *work)
{
	adapter_run(((struct request *)work)->task);
}

/* On the loop again. */
static void worked(uv_work_t *work, int status)
{
	(void)status;
	free(work);
}

static void read_mail(uv_async_t *mail)
{
	struct rival *rival = mail->data;
	struct request *request;
	bool closing;

	uv_mutex_lock(&rival->mutex);
	request = rival->first;
	rival->first = NULL;
	rival->end = &rival->first;
	closing = rival->closing;
	uv_mutex_unlock(&rival->mutex);
	for (; request; request = request->next) /* freed on this loop, later */
		uv_queue_work(&rival->loop, &request->work, work, worked);
	if (closing) /* the loop ends when the last request is back */
		uv_close((uv_handle_t *)mail, NULL);
}

static void run_loop(void *user)
{
	struct rival *rival = user;

	uv_run(&rival->loop, UV_RUN_DEFAULT);
}

static void do_nothing(uv_work_t *work)
{
	(void)work;
}

/* Starts the pool, if it has not started. */
static void start_pool(uv_loop_t *loop)
{
	uv_work_t first;

	uv_queue_work(loop, &first, do_nothing, NULL);
	uv_run(loop, UV_RUN_DEFAULT);
}

/* Registered after libuv's own handler, which lets the pool start anew in a child. A fork that had
 * begun before does neither: in its child libuv waits for threads of the parent. */
static void note_reset(void)
{
	is_reset = true;
}

/* At its end libuv joins the threads of the pool, and aborts in a forked child, which has none. */
static void at_exit(void)
{
	uv_loop_t loop;

	if (sized_process == getpid() || !is_reset || uv_loop_init(&loop))
		return;
	start_pool(&loop);
	uv_loop_close(&loop);
}

static void watch_exit(void)
{
	atexit(at_exit);
	pthread_atfork(NULL, NULL, note_reset);
}

/* No fork while the environment is locked: in the child it would be for ever. */
static pthread_mutex_t environment = PTHREAD_MUTEX_INITIALIZER;

static void lock_environment(void)
{
	pthread_mutex_lock(&environment);
}

static void unlock_environment(void)
{
	pthread_mutex_unlock(&environment);
}

PORT_AT_LOAD static void watch_forks(void)
{
	pthread_atfork(lock_environment, unlock_environment, unlock_environment);
}

static int set_size(int workers)
{
	char size[16];
	int error;

	snprintf(size, sizeof size, "%d", workers);
	lock_environment();
	error = setenv("UV_THREADPOOL_SIZE", size, 1);
	unlock_environment();
	return error ? ASSAY_ENOMEM : ASSAY_OK;
}

/* Starts the pool, at the latest now, with so many threads. */
static int size_pool(uv_loop_t *loop, int workers)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int error;

	if (sized_process)
		return workers == pool_size ? ASSAY_OK : ASSAY_EUNSUPPORTED;
	error = workers > MOST_WORKERS ? ASSAY_EUNSUPPORTED : probe_threads(workers);
	if (!error) /* libuv would have ended the program */
		error = set_size(workers);
	if (error)
		return error;
	sized_process = getpid();
	pool_size = workers;
	start_pool(loop);
	pthread_once(&once, watch_exit);
	return ASSAY_OK;
}

/* A loop with a mailbox, in a thread. */
static int open_loop(struct rival *rival)
{
	if (uv_mutex_init(&rival->mutex))
		return ASSAY_ENOMEM;
	if (uv_async_init(&rival->loop, &rival->mail, read_mail))
		goto destroy_mutex;
	rival->mail.data = rival;
	rival->end = &rival->first;
	if (!uv_thread_create(&rival->thread, run_loop, rival))
		return ASSAY_OK;
	uv_close((uv_handle_t *)&rival->mail, NULL);
	uv_run(&rival->loop, UV_RUN_DEFAULT);
destroy_mutex:
	uv_mutex_destroy(&rival->mutex);
	return ASSAY_ERESOURCE;
}

int rival_create(int workers, struct rival **out)
{
	struct rival *rival;
	int error = ASSAY_ERESOURCE;

	if (atomic_exchange_explicit(&is_owned, true, memory_order_acquire)) /* O1 */
		return ASSAY_EUNSUPPORTED;
	rival = calloc(1, sizeof *rival);
	if (!rival) {
		error = ASSAY_ENOMEM;
		goto disown;
	}
	/* A loop that is refused its last descriptor keeps its first. */
	if (probe_descriptors(LOOP_DESCRIPTORS) || uv_loop_init(&rival->loop))
		goto free_rival;
	error = size_pool(&rival->loop, workers);
	if (!error)
		error = open_loop(rival);
	if (!error) {
		*out = rival;
		return ASSAY_OK;
	}
	uv_loop_close(&rival->loop);
free_rival:
	free(rival);
disown:
	atomic_store_explicit(&is_owned, false, memory_order_release); /* O1 */
	return error;
}

int rival_post(struct rival *rival, struct task *task)
{
	struct request *request = malloc(sizeof *request);

	if (!request)
		return ASSAY_ENOMEM;
	request->task = task;
	request->next = NULL;
	uv_mutex_lock(&rival->mutex);
	*rival->end = request;
	rival->end = &request->next;
	uv_async_send(&rival->mail); /* under the mutex: once the task has run, mail may be gone */
	uv_mutex_unlock(&rival->mutex);
	return ASSAY_OK;
}

void rival_close(struct rival *rival)
{
	uv_mutex_lock(&rival->mutex);
	rival->closing = true;
	uv_async_send(&rival->mail);
	uv_mutex_unlock(&rival->mutex);
}

void rival_join(struct rival *rival)
{
	uv_thread_join(&rival->thread);
	uv_loop_close(&rival->loop);
}

void rival_free(struct rival *rival)
{
	uv_mutex_destroy(&rival->mutex);
	free(rival);
	atomic_store_explicit(&is_owned, false, memory_order_release); /* O1 */
}

const struct assay_backend assay_backend = {
	.abi = ASSAY_ABI,
	.capabilities = ADAPTER_CAPABILITIES | ASSAY_CAP_CONCURRENT | ASSAY_CAP_WORKER_LIMIT |
			ASSAY_CAP_FIFO | ASSAY_CAP_SUBMITTER_FIFO | ASSAY_CAP_WORKER_REUSE,
	.name = "uv",
	.summary = "libuv's thread pool, fed by a loop",
	.argument_limit = ADAPTER_BYTES_LIMIT,
	.result_limit = ADAPTER_BYTES_LIMIT,
	.create = adapter_create,
	.extension = assay_default_extension,
};
