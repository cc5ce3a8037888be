/* SPDX-License-Identifier: MIT */
/*
 * An executor over a thread pool that is not ours: the seam between what every rival needs, written
 * once in adapter.c, and the few calls that differ. Linked, not dispatched, as core/queue.h is.
 *
 * The adapter adds what rivals lack: the future, the register of tasks that have not ended (to cancel
 * what is pending and to know when all is done), and the refusals. The rival's own queue and threads
 * do the rest; a task goes through nothing else.
 */
#ifndef ADAPTER_H
#define ADAPTER_H

#include <assay/backend.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Longest argument and longest result, in bytes. */
#define ADAPTER_BYTES_LIMIT ((size_t)1 << 30)

/* What the adapter makes true of any rival that runs each task once on a thread of its own. */
#define ADAPTER_CAPABILITIES                                                                 \
	(ASSAY_CAP_SHARED_MEMORY | ASSAY_CAP_SHARED_MAPPINGS | ASSAY_CAP_FUNCTION_POINTERS | \
	 ASSAY_CAP_NAMED_FUNCTIONS | ASSAY_CAP_ASYNCHRONOUS | ASSAY_CAP_EXACT_START |        \
	 ASSAY_CAP_NESTED_SUBMIT)

/*
 * What a rival defines
 */

struct rival;

/* A task, from rival_post() to adapter_run(). */
struct task {
	struct task *next; /* the rival's, for a mailbox */
};

/* A child forked from a process that has used it can use it too. If not, create refuses there. */
extern const bool rival_survives_fork;

/* ASSAY_ENOMEM, ASSAY_ERESOURCE; ASSAY_EUNSUPPORTED for a number of workers that it cannot have. */
int rival_create(int workers, struct rival **rival);

/* Hands the task to the rival, which calls adapter_run() once, on one of its threads. On error it
 * does not. Any thread; never after rival_close(). */
int rival_post(struct rival *rival, struct task *task);

/* Every task has ended and no more will come: lets the threads go without waiting for them. May be
 * called by one of them, from inside adapter_run(). */
void rival_close(struct rival *rival);

/* After rival_close(), once: waits for the threads, as far as the rival can. A rival_post() whose task
 * has ended may still be returning. */
void rival_join(struct rival *rival);

/* After rival_join(), when no other call is under way. */
void rival_free(struct rival *rival);

/*
 * What the adapter offers
 */

/* The calling thread is a worker and runs the task. */
void adapter_run(struct task *task);

/* assay_backend.create */
int adapter_create(const struct assay_config *config, assay_executor **executor);

#ifdef __cplusplus
}
#endif

#endif
