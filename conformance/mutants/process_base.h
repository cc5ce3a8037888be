/* SPDX-License-Identifier: MIT */
/*
 * The pool of base_pool.h with a process behind each of its threads. The threads keep the queue; the
 * functions run in worker processes, which a nursery forks: a process with one thread, itself forked
 * by create, so that no worker ever has a lock or a descriptor that came later.
 */
#ifndef PROCESS_BASE_H
#define PROCESS_BASE_H

#include "base_pool.h"

/* NULL: errno says why. */
struct nursery *nursery_open(const struct pool *pool);
/* Workers that are left die with it. */
void nursery_close(struct nursery *nursery);
/* A new worker: its process and the client's end of its socket. -1: errno says why. */
pid_t nursery_fork(struct nursery *nursery, int *socket);
/* How the process ended, as of waitpid; waits for it. */
int nursery_reap(struct nursery *nursery, pid_t process);

/* In the process of a worker: runs what comes in until the client has no more. */
_Noreturn void process_serve(const struct pool *pool, int socket);

/* What goes to a worker, followed by the argument. */
struct request {
	assay_function *function; /* NULL: no more */
	size_t argument_size;
};

/* What comes back, followed by the result and the message. */
struct reply {
	struct assay_outcome outcome;
	size_t message_size; /* with the terminator; 0: none */
	bool is_last;        /* the process ends by exit() */
};

/* All or nothing. False: the other side is gone. */
bool socket_send(int socket, int pidfd, const void *bytes, size_t size);
bool socket_receive(int socket, int pidfd, void *bytes, size_t size);

/* The process of the calling thread, started and initialized. False: the pool is to be broken. */
bool process_start(struct worker *worker);
void process_end(struct worker *worker);
/* Runs the function of a started future and leaves its outcome. False: the pool is to be broken. */
bool process_call(struct worker *worker, struct future *future);
/* True: it has died with nothing to do, and the pool is to be broken. */
bool process_has_died(struct worker *worker);
/* Every process there is; under the mutex of the pool. */
void process_kill_all(struct pool *pool, int signal);
/* What workers know is what the client had loaded by then; false without memory. */
bool process_learn(struct pool *pool);
bool process_knows(const struct pool *pool, assay_function *function);

#endif
