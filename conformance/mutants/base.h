/* SPDX-License-Identifier: MIT */
/*
 * A small and correct thread pool, written for being read and broken: one mutex a future, one mutex
 * a pool. A mutant is this pool with one fault switched on, and a file of a few lines:
 *
 *	#include "base.h"
 *
 *	MUTANT(FAULT_RUNS_CANCELLED, "A worker runs a task although it was cancelled.")
 *
 * and, in CMakeLists.txt, the clauses whose tests must catch it. A new fault is one name below and
 * one condition at the place where the pool would do the right thing:
 *
 *	if (future->state == ASSAY_PENDING || has_fault(FAULT_RUNS_CANCELLED))
 */
#ifndef BASE_H
#define BASE_H

#include "mutant.h"

#include <assay/backend.h>

enum fault {
	FAULT_NONE,
	FAULT_RUNS_CANCELLED,
	FAULT_WAKES_ONE_WAITER,
};

#define MUTANT(fault_, what_)                                                             \
	const enum fault mutant_fault = fault_;                                           \
	extern const struct assay_mutant assay_mutant;                                    \
	__attribute__((visibility("default"))) const struct assay_mutant assay_mutant = { \
		.clauses = MUTANT_CLAUSES,                                                \
		.what = what_,                                                            \
	};

extern const enum fault mutant_fault;

static inline bool has_fault(enum fault fault)
{
	return mutant_fault == fault;
}

/*
 * The future
 */

struct callback {
	assay_callback *function;
	void *user;
	struct callback *next;
};

/* One reference is the client's, one the pool's. All but references is under mutex; who wins the
 * change to a done state owns the callbacks. */
struct future {
	assay_future base;
	pthread_mutex_t mutex;
	pthread_cond_t done;
	uint32_t references; /* atomic */
	enum assay_state state;
	assay_function *function;
	void *argument;
	size_t argument_size;
	struct assay_outcome outcome;
	void *result;                  /* what outcome.result points to */
	char *message;                 /* likewise */
	struct assay_watcher watchers; /* the head of a ring; the rest of it is not used */
	struct callback *callbacks;
	struct callback **callbacks_end;
	struct future *next; /* in the queue */
};

/* NULL without memory. Holds `references` references. */
struct future *future_create(assay_function *function, const struct assay_task *task,
			     uint32_t references);
void future_release(struct future *future);

/* Pending to running. False: it was cancelled. */
bool future_start(struct future *future);
/* Calls the function. The outcome is not visible before future_settle(). */
void future_call(struct future *future, assay_executor *executor);
/* Ends a future that is not done with what future_call() left, or with an error. */
void future_settle(struct future *future);
void future_settle_error(struct future *future, int error, const char *message);
bool future_cancel(struct future *future);

/*
 * The configuration
 */

/* A copy that owns all it points to but log_user. */
struct settings {
	struct assay_config config;
	char name[16];
	char **names; /* of the functions */
};

int settings_copy(struct settings *settings, const struct assay_config *config);
void settings_free(struct settings *settings);
/* NULL: no function is registered under the name. */
assay_function *settings_resolve(const struct settings *settings, const struct assay_task *task);
void settings_complain(const struct settings *settings, const char *message);

#endif
