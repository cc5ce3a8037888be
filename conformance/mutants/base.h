/* SPDX-License-Identifier: MIT */
/*
 * A small and correct thread pool, written for being read and broken: one mutex a future, one mutex
 * a pool. A mutant is this pool with one fault switched on. A new one is a name below, a condition
 * at the place where the pool would do the right thing,
 *
 *	if (future->state == ASSAY_PENDING || has_fault(FAULT_RUNS_CANCELLED))
 *
 * and a line in CMakeLists.txt that says what is wrong and which clauses must notice.
 */
#ifndef BASE_H
#define BASE_H

#include <assay/backend.h>

#include <sys/types.h>

enum fault {
	FAULT_NONE,
	FAULT_ACCEPTS_AFTER_BREAK,
	FAULT_ACCEPTS_AFTER_SHUTDOWN,
	FAULT_ARGUMENT_COPIED_LATE,
	FAULT_ARGUMENT_KEPT,
	FAULT_ARGUMENT_SIZE_IS_A_BYTE,
	FAULT_AWAITED_KEEPS_ROOM,
	FAULT_AWAITED_NOT_COUNTED,
	FAULT_AWAITED_RUNS_TWICE,
	FAULT_BLOCKS_WHEN_BUSY,
	FAULT_BREAK_LEAVES_SUBMITTERS,
	FAULT_BREAK_MESSAGE_SHARED,
	FAULT_BREAK_REWRITES,
	FAULT_BREAK_SPARES_RUNNING,
	FAULT_BREAK_STARTS_WORKERS,
	FAULT_BREAK_STOPS_AT_CANCELLED,
	FAULT_BROKEN_TASKS_RUN,
	FAULT_CALLBACKS_REVERSED,
	FAULT_CALLBACK_BEFORE_DONE,
	FAULT_CALLBACK_LOST_WHEN_DONE,
	FAULT_CALLBACK_TWICE,
	FAULT_CALLBACK_UNDER_LOCK,
	FAULT_CANCELS_FINISHED,
	FAULT_CANCELS_RUNNING,
	FAULT_CANCEL_AGAIN_FAILS,
	FAULT_CANCEL_INTERRUPTS,
	FAULT_CANCEL_WAKES_NOBODY,
	FAULT_CAPACITY_PLUS_ONE,
	FAULT_CHILDREN_OUTLIVE_THREAD,
	FAULT_CHILD_AWAITS_PARENT,
	FAULT_CHILD_LOST,
	FAULT_CHILD_RETURN_LOST,
	FAULT_CHILD_RUN_TWICE,
	FAULT_CHILD_RUN_WHILE_IDLE,
	FAULT_CLOSED_WORKER_STAYS,
	FAULT_CODE_IS_A_BYTE,
	FAULT_COUNTS_BROKEN_AS_FAILED,
	FAULT_COUNTS_CANCELLED_AS_FINISHED,
	FAULT_COUNT_CHECKED_LATE,
	FAULT_DEATH_BREAKS_ALWAYS,
	FAULT_DEATH_CODE_WRONG,
	FAULT_DEATH_IGNORED,
	FAULT_DEATH_LOSES_QUEUE,
	FAULT_DEATH_SEEN_BY_SOCKET,
	FAULT_DEATH_UNNAMED,
	FAULT_DELIVERS_IN_TURN,
	FAULT_DESCRIPTORS_STAY,
	FAULT_DIRECTORY_IS_SHARED,
	FAULT_DONE_WHEN_STARTED,
	FAULT_DROPS_ABANDONED,
	FAULT_EAGER_WORKERS,
	FAULT_EMPTY_FAILURE_SUCCEEDS,
	FAULT_ENDED_CHILD_NOT_TOLD,
	FAULT_ENDING_THREAD_SLEEPS,
	FAULT_ENDS_BY_SIGTERM,
	FAULT_EXIT_IS_DEATH,
	FAULT_EXIT_LOSES_TASKS,
	FAULT_FAILURE_BREAKS_POOL,
	FAULT_FORKED_CLIENT_RUNS,
	FAULT_FORK_NEEDS_MEMORY,
	FAULT_FORK_RUNS_CHILD,
	FAULT_HELPS_WHAT_RUNS,
	FAULT_HUGE_TIMEOUT_OVERFLOWS,
	FAULT_IDLE_DEATH_FAILS_INITIALIZER,
	FAULT_IDLE_DEATH_IS_HARMLESS,
	FAULT_INHERITED_RESULT_LOST,
	FAULT_INITIALIZER_ARGUMENT_LOST,
	FAULT_INITIALIZER_EACH_TASK,
	FAULT_INITIALIZER_FAILURE_IGNORED,
	FAULT_INITIALIZER_NEVER_RUN,
	FAULT_IN_PLACE_NOT_COUNTED,
	FAULT_JOINS_THREADS_LOCKED,
	FAULT_JOIN_DOES_NOT_WAIT,
	FAULT_JOIN_RUNS_TASKS,
	FAULT_JUMPS_INTO_NOTHING,
	FAULT_KILL_IS_TERMINATE,
	FAULT_LAST_IN_FIRST_OUT,
	FAULT_LEAVES_EARLY,
	FAULT_LIMITED_WAIT_RUNS,
	FAULT_LIMIT_BREAKS,
	FAULT_LIMIT_LOST_IN_WORKER,
	FAULT_LIMIT_OF_TASKS_IGNORED,
	FAULT_LOST_TASK_RUNS_AGAIN,
	FAULT_MESSAGE_IS_CUT,
	FAULT_MESSAGE_STAYS,
	FAULT_NAMES_IGNORED,
	FAULT_NEGATIVE_TIMEOUT_WAITS,
	FAULT_NEW_WORKER_EACH_TIME,
	FAULT_NO_CALLBACK_ON_CANCEL,
	FAULT_NO_CALLBACK_ON_FAILURE,
	FAULT_NO_REPLACEMENT,
	FAULT_NURSERY_OPENED_LATE,
	FAULT_NURSERY_STAYS,
	FAULT_ONE_WORKER_LESS,
	FAULT_ONE_WORKER_MORE,
	FAULT_ORPHANS_STAY,
	FAULT_REFUSAL_LEAKS,
	FAULT_REFUSED_STOP_STOPS,
	FAULT_REFUSED_WORKER_IGNORED,
	FAULT_REFUSES_BUT_RUNS,
	FAULT_RESULT_CUT,
	FAULT_RESULT_LIMIT_IGNORED,
	FAULT_RESULT_ONCE,
	FAULT_RESULT_SHARED_WITH_CHILDREN,
	FAULT_RETRIES_ONCE_MORE,
	FAULT_ROOM_BEFORE_NAME,
	FAULT_ROOM_NOT_SIGNALLED,
	FAULT_RUNS_CANCELLED,
	FAULT_RUNS_IN_SUBMIT,
	FAULT_SECOND_SHUTDOWN_DOES_NOT_WAIT,
	FAULT_SETS_ARE_NOT_HELPED,
	FAULT_SETS_ARE_RUN_HERE,
	FAULT_SHUTDOWN_DOES_NOT_WAIT,
	FAULT_SHUTDOWN_HIDES_BREAK,
	FAULT_SHUTDOWN_IGNORES_CANCEL,
	FAULT_SHUTDOWN_JOINS_ITSELF,
	FAULT_SHUTDOWN_LOSES_QUEUE,
	FAULT_SILENCE_IS_DEATH,
	FAULT_STACK_SIZE_IGNORED,
	FAULT_STARTING_WORKER_HIDES_TASKS,
	FAULT_STOPPED_IS_REPLACED,
	FAULT_STOP_IS_NO_SHUTDOWN,
	FAULT_STOP_NEEDS_WORKERS,
	FAULT_SUBMITS_IN_WORKER,
	FAULT_TASK_SAYS_BROKEN,
	FAULT_TERMINATE_DOES_NOTHING,
	FAULT_TERMINATE_LEAVES_STOPPED,
	FAULT_TERMINATE_RUNS_PENDING,
	FAULT_THREAD_EXIT_LOSES_TASK,
	FAULT_TIMEOUT_CANCELS,
	FAULT_TIMES_OUT_EARLY,
	FAULT_UNKNOWN_NAME_RUNS,
	FAULT_WAITING_WORKER_SLEEPS,
	FAULT_WAITS_IN_WORKER,
	FAULT_WAKES_ONE_WAITER,
	FAULT_WATCHERS_MISS_CANCEL,
	FAULT_WATCHERS_OF_DONE_WAIT,
	FAULT_WORKERS_BLOCK_SIGNALS,
	FAULT_WORKER_USED_ONCE,
	FAULT_ZERO_TIMEOUT_WAITS,
	FAULT_ZOMBIES_STAY,
};

extern const enum fault mutant_fault;

/* The backend runs its tasks in worker processes: see process_base.h. */
extern const bool mutant_has_processes;

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
	assay_executor *executor; /* that accepted it; may be gone: for comparison */
	pid_t process;
	pthread_mutex_t mutex;
	pthread_cond_t done;
	uint32_t references; /* atomic */
	enum assay_state state;
	pthread_t runner; /* while it runs, for the fault that interrupts it */
	assay_function *function;
	void *argument;
	size_t argument_size;
	const void *source; /* the client's bytes, for the fault that reads them late */
	struct assay_outcome outcome;
	void *result;                  /* what outcome.result points to */
	char *message;                 /* likewise */
	struct assay_watcher watchers; /* the head of a ring; the rest of it is not used */
	struct callback *callbacks;
	struct callback **callbacks_end;
	struct future *next;  /* in the queue */
	size_t shared_size;   /* of a result that children share, by a fault */
	struct future *outer; /* running, that this one's worker interrupted for it */
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
void future_settle_error(struct future *future, int error, int code, const char *message);
bool future_cancel(struct future *future);

extern const struct assay_call_ops call_ops;

/* What a worker does when it waits in a task, by base_nested.c: it runs what it waits for, if that
 * is in the queue of its own pool; who ends what is there ends what it waits for. */
void worker_run_awaited(struct future *future);
void worker_leave_awaited(struct future *future);
bool worker_helps(assay_future *future);
bool worker_was_promised(const assay_future *future);

/* Of call_ops. */
void pool_offer(assay_call *call);
bool pool_join(assay_call *call, struct assay_fork *child);

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
