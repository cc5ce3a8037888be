/* SPDX-License-Identifier: MIT */
/* The pool between its two sides: the client's calls and the workers. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "base.h"

struct worker {
	struct pool *pool;
	struct worker *next; /* in started or ended */
	pthread_t thread;
	int index;
	struct future *running; /* the worker's own: the innermost task */
	int tasks;              /* run so far */
	struct worker *sibling; /* in workers */
	int lent;               /* its children that others run now; under the mutex */
	/* With processes; the worker's own, but that others kill it under the mutex. 0: none. */
	pid_t process;
	int socket;
	int pidfd;
};

/* All under mutex but what create sets for ever. */
struct pool {
	assay_executor base;
	struct settings settings;
	pid_t process; /* that created it */
	pthread_mutex_t mutex;
	pthread_cond_t work;   /* a task was queued, or there will be no more */
	pthread_cond_t room;   /* a task was taken from the queue, or there will be no more */
	pthread_cond_t gone;   /* a worker ended, or a guest went */
	pthread_cond_t joined; /* a child ran in a worker that is not its parent's */
	struct future *first;
	struct future **last; /* the link that the next task goes into */
	size_t queued;
	struct assay_fork *children; /* that nobody has taken, the latest first */
	int idle;                    /* workers that wait for work */
	int alive;                   /* workers that have not ended */
	int starting;                /* of those, the ones in their initializer */
	int guests;                  /* clients that cancel what was queued, or run a task */
	unsigned long indices;       /* names given: bit per index */
	struct worker *workers;      /* that have not ended */
	struct worker *ended;        /* to be joined */
	bool stopping;
	bool broken;
	struct assay_statistics counts;
	struct future *ghosts; /* ended by a break, to be run by a fault */
	struct pool *next;     /* in pools */
	/* With processes. */
	struct nursery *nursery;
	struct known *known; /* code that was there at create */
	size_t known_count;
	int killed_by;   /* a signal: no process is started any more */
	char death[160]; /* what broke the pool */
	int death_code;
};

/* Whose worker the calling thread is; NULL: nobody's. */
extern _Thread_local struct pool *current_pool;
extern _Thread_local struct worker *current_worker;
/* Whose pending tasks the calling thread cancels or breaks. */
extern _Thread_local struct pool *ending_pool;

/* The queue, under mutex. */
void pool_push(struct pool *pool, struct future *future);
struct future *pool_pop(struct pool *pool);
/* False: it is not in the queue. */
bool pool_remove(struct pool *pool, struct future *future);

/* Ends a task that was taken out of the queue and has not started: broken, or else cancelled. Takes
 * and gives back the mutex. False: it was cancelled. */
bool pool_end_pending(struct pool *pool, struct future *future);

/* One more worker; under mutex. */
int pool_start_worker(struct pool *pool);

/* Frees the workers that have ended. Takes the mutex off: destructors of their threads may need it. */
void pool_join_ended(struct pool *pool);

int pool_create(const struct assay_config *config, assay_executor **out);

/* Runs a task that was started, on the calling worker. */
void worker_run(struct worker *worker, struct future *future);

/* Runs a child that waits to be joined. Takes the mutex off meanwhile. False: there is none. */
bool pool_run_child(struct pool *pool);
/* The thread ends: nobody runs the children in its frames from now on. */
void pool_abandon_children(struct worker *worker);

/* With processes, once the last worker of a pool that was shut down is gone; under the mutex. */
void pool_close_nursery(struct pool *pool);

/* Counts and settles a future whose function was called, and gives up the pool's reference. */
void pool_finish(struct pool *pool, struct future *future);

#endif
