/* SPDX-License-Identifier: MIT */
/* What a thread of the pool does with the process behind it. */
#include "process_base.h"

#include <errno.h>
#include <link.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void set_process(struct worker *worker, pid_t process)
{
	pthread_mutex_lock(&worker->pool->mutex);
	worker->process = process;
	/* Asked for while it was being forked. */
	if (process && worker->pool->killed_by && !has_fault(FAULT_STOPPED_IS_REPLACED))
		kill(process, worker->pool->killed_by);
	pthread_mutex_unlock(&worker->pool->mutex);
}

/* The process is gone, or going: how it ended. */
static int forget_process(struct worker *worker)
{
	pid_t process = worker->process;
	int status = 0;

	set_process(worker, 0);
	if (!has_fault(FAULT_DESCRIPTORS_STAY))
		close(worker->socket);
	close(worker->pidfd);
	status = nursery_reap(worker->pool->nursery, process);
	return status;
}

bool process_start(struct worker *worker)
{
	pid_t process;
	int error = 1;

	pthread_mutex_lock(&worker->pool->mutex);
	if (!worker->pool->nursery) /* for the fault that opens it late */
		worker->pool->nursery = nursery_open(worker->pool);
	pthread_mutex_unlock(&worker->pool->mutex);
	process = nursery_fork(worker->pool->nursery, &worker->socket);
	if (process < 0)
		return false;
	worker->pidfd = (int)syscall(SYS_pidfd_open, process, 0);
	set_process(worker, process);
	if (worker->pidfd < 0 ||
	    !socket_receive(worker->socket, worker->pidfd, &error, sizeof error) || error) {
		kill(process, SIGKILL);
		forget_process(worker);
		return false;
	}
	return true;
}

void process_end(struct worker *worker)
{
	struct request last = {.function = NULL};

	if (!worker->process)
		return;
	if (has_fault(FAULT_ENDS_BY_SIGTERM))
		kill(worker->process, SIGTERM);
	else if (!socket_send(worker->socket, worker->pidfd, &last, sizeof last))
		kill(worker->process, SIGKILL);
	forget_process(worker);
}

static bool exchange(struct worker *worker, struct future *future, struct reply *reply)
{
	struct request request = {future->function, future->argument_size};

	if (!socket_send(worker->socket, worker->pidfd, &request, sizeof request) ||
	    !socket_send(worker->socket, worker->pidfd, future->argument, future->argument_size) ||
	    !socket_receive(worker->socket, worker->pidfd, reply, sizeof *reply))
		return false;
	free(future->result);
	free(future->message);
	future->result = malloc(reply->outcome.result_size + 1);
	future->message = calloc(1, reply->message_size + 1);
	return future->result && future->message &&
	       socket_receive(worker->socket, worker->pidfd, future->result,
			      reply->outcome.result_size) &&
	       socket_receive(worker->socket, worker->pidfd, future->message, reply->message_size);
}

static void describe_death(char *text, size_t size, pid_t process, int status)
{
	if (WIFSIGNALED(status))
		snprintf(text, size, "worker process %d was ended by signal %d (%s)", (int)process,
			 WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(text, size, "worker process %d ended with exit status %d", (int)process,
			 WEXITSTATUS(status));
}

static int death_code(int status)
{
	if (has_fault(FAULT_DEATH_CODE_WRONG))
		return 4711;
	return WIFSIGNALED(status) ? WTERMSIG(status) : 256 + WEXITSTATUS(status);
}

static void leave_outcome(struct future *future, int error, int code, const char *message)
{
	free(future->result);
	free(future->message);
	future->result = NULL;
	future->message = strdup(message);
	future->outcome = (struct assay_outcome){
		.error = error, .code = code, .message = future->message ? future->message : ""};
}

/* Remembers why the pool is broken. True: it was not before. */
static bool note_death(struct pool *pool, const char *text, int code)
{
	bool is_first;

	pthread_mutex_lock(&pool->mutex);
	is_first = !pool->broken && !*pool->death;
	if (is_first) {
		snprintf(pool->death, sizeof pool->death, "%s", text);
		pool->death_code = code;
	}
	pthread_mutex_unlock(&pool->mutex);
	return is_first;
}

/* The processes end because they were told to: a death is no fault. */
static bool is_stopped(struct pool *pool)
{
	bool is_stopped;

	pthread_mutex_lock(&pool->mutex);
	is_stopped = pool->killed_by && !pool->broken;
	pthread_mutex_unlock(&pool->mutex);
	return is_stopped;
}

/* What becomes of a task whose worker died. */
enum fate { AGAIN, FAILS, BREAKS };

static bool is_fatal(const struct pool *pool)
{
	return pool->settings.config.on_worker_death == ASSAY_DEATH_BREAKS ||
	       has_fault(FAULT_DEATH_BREAKS_ALWAYS);
}

static enum fate fate_of(struct pool *pool, int tries)
{
	const struct assay_config *config = &pool->settings.config;
	int retries = config->on_worker_death == ASSAY_DEATH_RETRIES ? config->retries : 0;

	if (has_fault(FAULT_LOST_TASK_RUNS_AGAIN) && tries == 0)
		return AGAIN;
	if (is_stopped(pool))
		return FAILS;
	if (is_fatal(pool))
		return BREAKS;
	return tries < retries + has_fault(FAULT_RETRIES_ONCE_MORE) ? AGAIN : FAILS;
}

/* For the fault that has the pending tasks share the fate of the one that ran. */
static void lose_queue(struct pool *pool, int code, const char *text)
{
	struct future *future;

	pthread_mutex_lock(&pool->mutex);
	while ((future = pool_pop(pool))) {
		bool is_lost = future_start(future);

		pool->counts.started += is_lost;
		pool->counts.cancelled += !is_lost;
		pthread_mutex_unlock(&pool->mutex);
		if (is_lost) {
			leave_outcome(future, ASSAY_EDIED, code, text);
			pool_finish(pool, future);
		} else {
			future_release(future);
		}
		pthread_mutex_lock(&pool->mutex);
	}
	pthread_mutex_unlock(&pool->mutex);
}

/* True: the task is to run once more. */
static bool survive_death(struct worker *worker, struct future *future, int tries, bool *is_broken)
{
	struct pool *pool = worker->pool;
	pid_t process = worker->process;
	enum fate fate;
	char text[160];
	int code, status;

	kill(process, SIGKILL); /* it may have closed its socket only */
	status = forget_process(worker);
	describe_death(text, sizeof text, process, status);
	code = death_code(status);
	fate = fate_of(pool, tries);
	if (has_fault(FAULT_DEATH_LOSES_QUEUE) && fate != BREAKS)
		lose_queue(pool, code, text);
	if (fate == BREAKS) {
		note_death(pool, text, code);
		leave_outcome(future, ASSAY_EBROKEN, pool->death_code, pool->death);
		*is_broken = true;
	} else if (fate == FAILS) {
		leave_outcome(future, ASSAY_EDIED, code, text);
		if (has_fault(FAULT_STOPPED_IS_REPLACED))
			(void)process_start(worker);
	}
	return fate == AGAIN;
}

bool process_call(struct worker *worker, struct future *future)
{
	struct pool *pool = worker->pool;
	bool is_broken = false;

	for (int tries = 0;; tries++) {
		struct reply reply;

		if (has_fault(FAULT_IDLE_DEATH_IS_HARMLESS))
			(void)process_has_died(worker);
		if (!worker->process && !process_start(worker)) {
			if (is_stopped(pool)) {
				leave_outcome(future, ASSAY_EDIED, pool->killed_by,
					      "the executor was stopped");
				return true;
			}
			leave_outcome(future, ASSAY_EBROKEN, 0, "a worker could not be started");
			return false;
		}
		if (!exchange(worker, future, &reply)) {
			if (survive_death(worker, future, tries, &is_broken))
				continue;
			return !is_broken;
		}
		future->outcome = reply.outcome;
		future->outcome.message = future->message;
		future->outcome.result = reply.outcome.result_size ? future->result : NULL;
		if (reply.is_last) {
			char text[160];
			pid_t process = worker->process;
			int status = forget_process(worker);

			describe_death(text, sizeof text, process, status);
			leave_outcome(future, ASSAY_EDIED, death_code(status), text);
		}
		return true;
	}
}

bool process_has_died(struct worker *worker)
{
	const struct assay_config *config = &worker->pool->settings.config;
	struct pollfd wait = {.fd = worker->pidfd, .events = POLLIN};
	pid_t process = worker->process;
	bool is_failure = has_fault(FAULT_IDLE_DEATH_FAILS_INITIALIZER) && config->initializer;
	char text[160];
	int status;

	if (!process || poll(&wait, 1, 0) <= 0 || has_fault(FAULT_DEATH_IGNORED))
		return false;
	status = forget_process(worker);
	if (has_fault(FAULT_IDLE_DEATH_IS_HARMLESS) || is_stopped(worker->pool) ||
	    !(is_fatal(worker->pool) || is_failure))
		return false;
	describe_death(text, sizeof text, process, status);
	note_death(worker->pool, text, death_code(status));
	return true;
}

void process_kill_all(struct pool *pool, int signal)
{
	pool->killed_by = signal;
	for (struct worker *worker = pool->workers; worker; worker = worker->sibling)
		if (worker->process) {
			kill(worker->process, signal);
			if (!has_fault(FAULT_TERMINATE_LEAVES_STOPPED))
				kill(worker->process, SIGCONT);
		}
}

/*
 * Libraries: what is loaded after create is not in the nursery
 */

struct known {
	uintptr_t start;
	uintptr_t end;
};

static int note_object(struct dl_phdr_info *info, size_t size, void *user)
{
	struct pool *pool = user;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		struct known *more;

		if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X))
			continue;
		more = reallocarray(pool->known, pool->known_count + 1, sizeof *more);
		if (!more)
			return 1;
		pool->known = more;
		more += pool->known_count++;
		more->start = info->dlpi_addr + segment->p_vaddr;
		more->end = more->start + segment->p_memsz;
	}
	return 0;
}

/* No fork while the C library's list of objects is locked: in the child it would be for ever. */
static pthread_mutex_t list_mutex = PTHREAD_MUTEX_INITIALIZER;

static void lock_list(void)
{
	pthread_mutex_lock(&list_mutex);
}

static void unlock_list(void)
{
	pthread_mutex_unlock(&list_mutex);
}

__attribute__((constructor)) static void watch_forks(void)
{
	pthread_atfork(lock_list, unlock_list, unlock_list);
}

bool process_learn(struct pool *pool)
{
	bool is_whole;

	lock_list();
	is_whole = dl_iterate_phdr(note_object, pool) == 0;
	unlock_list();
	return is_whole;
}

bool process_knows(const struct pool *pool, assay_function *function)
{
	for (size_t i = 0; i < pool->known_count; i++)
		if ((uintptr_t)function >= pool->known[i].start &&
		    (uintptr_t)function < pool->known[i].end)
			return true;
	return has_fault(FAULT_JUMPS_INTO_NOTHING);
}
