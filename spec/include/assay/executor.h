/* SPDX-License-Identifier: MIT */
/*
 * assay/executor.h - the contract between a program and any executor.
 *
 * An executor runs tasks; a future is the caller's handle on one task. Threads, forked processes
 * and other machines implement the same contract, so the same program runs on each of them.
 *
 * Rules that hold for every function, unless its own comment says otherwise:
 *
 *  - Thread safety. Any thread may call any function at any time, also from inside a task or a
 *    callback. What must not happen is using an object after its last reference was given up.
 *  - Errors. A function that can fail returns ASSAY_OK (0) or a negative ASSAY_E... code. On error
 *    its out-parameters are untouched and nothing has changed, so the call may be repeated.
 *  - Pointers. Create, submit, submit_many, shutdown, destroy, release, wait on sets and map check
 *    theirs for NULL; elsewhere NULL is undefined.
 *  - Ownership. A future handed out carries one reference that belongs to the caller, who gives it
 *    up with assay_future_release(). Futures outlive their executor. Bytes passed in are copied
 *    before the call returns.
 *  - Time. Time limits are nanoseconds on the monotonic clock, counted from the call. Zero or less
 *    means "ask and return", ASSAY_FOREVER means no limit. A wait never ends early: signals and
 *    spurious wake-ups do not show.
 *  - Visibility. What a thread wrote before assay_submit() is visible to the task (where memory is
 *    shared); what the task wrote is visible to whoever learns that its future is done.
 *  - Leaving. No exception and no longjmp may leave a task, callback or initializer, and a callback
 *    must not end its thread. A task that ends its thread (pthread_exit), or calls exit() in a
 *    worker process, fails alone, with ASSAY_EDIED, where the backend has the capability. But where
 *    a waiting worker runs other tasks, those that wait there are below on the same stack, and end
 *    with what ends it in the same way, before their own cleanup handlers and destructors run:
 *    these find argument and result of the call gone. The code on that stack needs unwind tables,
 *    which GCC and Clang make by default. A process that a task forks must not return from the
 *    task: it ends there. [RES-16 BRK-11]
 *
 * Ids in brackets name the clauses in spec/ that a function implements. The functions are inline
 * dispatches through the table at the start of each object: there is no library to link.
 * Valid as C11 and as C++17, with the __atomic built-ins of GCC and Clang. Under a strict -std=c11,
 * include it first, or define _POSIX_C_SOURCE as 200809L.
 *
 * Ordering
 *   G1  assay_signal_set: release exchange to SET  ->  who waits, or clears it: acquire of SET
 *       what the setter wrote before
 *   G2  park: release exchange of CLEAR for PARKED  ->  assay_signal_set: acquire exchange
 *       wake and sleeper; the exchange back to CLEAR succeeds only if no setter has come for them
 */
#ifndef ASSAY_EXECUTOR_H
#define ASSAY_EXECUTOR_H

/* The monotonic clock is POSIX; a strict -std=c11 hides it unless asked for before any header. */
#if defined(__STRICT_ANSI__) && !defined(_POSIX_C_SOURCE) && !defined(__cplusplus)
#define _POSIX_C_SOURCE 200809L
#endif

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ASSAY_MUST_CHECK __attribute__((warn_unused_result))

/* No time limit. */
#define ASSAY_FOREVER INT64_MAX
/* A worker count: as many as the backend thinks right for this machine. [CFG-2 CFG-3] */
#define ASSAY_WORKERS_AUTO INT_MAX
/* A size or count that is not limited. */
#define ASSAY_UNLIMITED SIZE_MAX

/* Errors: the closed set. X(name, number, sentence) */
#define ASSAY_ERRORS(X)                                                                      \
	X(ASSAY_OK, 0, "success")                                                            \
	X(ASSAY_EINVAL, -1, "an argument is invalid")                                        \
	X(ASSAY_ENOMEM, -2, "out of memory")                                                 \
	X(ASSAY_ERESOURCE, -3, "the system refused a thread, a process or a descriptor")     \
	X(ASSAY_EUNSUPPORTED, -4, "this backend does not offer that")                        \
	X(ASSAY_ETIMEDOUT, -5, "the time limit passed first")                                \
	X(ASSAY_ECANCELLED, -6, "the task was cancelled before it started")                  \
	X(ASSAY_EFAILED, -7, "the task ran and reported failure")                            \
	X(ASSAY_EDIED, -8, "the worker ended while it ran the task")                         \
	X(ASSAY_EBROKEN, -9, "the executor is broken and runs no more tasks")                \
	X(ASSAY_ESHUTDOWN, -10, "the executor was shut down and accepts no more tasks")      \
	X(ASSAY_EFULL, -11, "the queue is full")                                             \
	X(ASSAY_ETOOBIG, -12, "the argument or the result exceeds the limit of the backend") \
	X(ASSAY_ESIZE, -13, "the result has another size than the one asked for")            \
	X(ASSAY_EUNKNOWN, -14, "no task function is registered under this name")             \
	X(ASSAY_EDEADLOCK, -15, "the call would wait for itself")                            \
	X(ASSAY_EDONE, -16, "the future is already done")                                    \
	X(ASSAY_EEND, -17, "the iteration is over")                                          \
	X(ASSAY_EUNREACHABLE, -18, "the executor cannot be reached from this process")

enum assay_error {
#define ASSAY_ERROR_ENUMERATOR(name, number, sentence) name = number,
	ASSAY_ERRORS(ASSAY_ERROR_ENUMERATOR)
#undef ASSAY_ERROR_ENUMERATOR
};

/* "ASSAY_ETIMEDOUT" and the like; "ASSAY_?" for a number outside the set. */
static inline const char *assay_error_name(int error)
{
	switch (error) {
#define ASSAY_ERROR_NAME(name, number, sentence) \
	case number:                             \
		return #name;
		ASSAY_ERRORS(ASSAY_ERROR_NAME)
#undef ASSAY_ERROR_NAME
	default:
		return "ASSAY_?";
	}
}

/* A sentence without full stop; "not an assay error" for a number outside the set. */
static inline const char *assay_error_text(int error)
{
	switch (error) {
#define ASSAY_ERROR_TEXT(name, number, sentence) \
	case number:                             \
		return sentence;
		ASSAY_ERRORS(ASSAY_ERROR_TEXT)
#undef ASSAY_ERROR_TEXT
	default:
		return "not an assay error";
	}
}

struct assay_executor_ops;
struct assay_future_ops;
struct assay_call_ops;
struct assay_fork;
struct assay_children;

/* Opaque but for the table that a backend puts first. */
typedef struct assay_executor {
	const struct assay_executor_ops *ops;
} assay_executor;

typedef struct assay_future {
	const struct assay_future_ops *ops;
} assay_future;

/*
 * The work
 */

/*
 * What a running task is given. Valid until the task function returns, on the thread that runs it.
 *
 * argument points to argument_size bytes, a copy of what was submitted, aligned for any type; the
 * task may read but not write them. Pointers inside the bytes mean something only where the
 * backend has ASSAY_CAP_SHARED_MEMORY. [SUB-3 SUB-6]
 */
typedef struct assay_call {
	const struct assay_call_ops *ops;
	struct assay_children *children; /* see assay/fork_join.h; NULL: only joins run children */
	const void *argument;
	size_t argument_size;
	assay_executor
		*executor; /* that runs it; NULL where it cannot be reached [SUB-15 SUB-16] */
	struct assay_call *outer; /* NULL, or the backend's call around one made by a library */
	/* Through assay_call_result() and assay_return() only. */
	void *result;
	size_t result_size;
	size_t result_capacity;
} assay_call;

/*
 * A task function runs at most once per accepted task, on a worker of the executor's choosing.
 *
 * It returns ASSAY_OK for success with the result bytes it made (none by default), or a positive
 * code of its own for failure: best written `return assay_return(...)` or `return assay_fail(...)`.
 * ASSAY_ENOMEM and ASSAY_ETOOBIG end the future with that error (so a result that could not be
 * stored is passed on); any other negative value is a failure with that value as code: a task
 * cannot pretend to be cancelled, timed out or lost. [RES-1 RES-3 RES-21 CAN-15]
 */
typedef int assay_function(assay_call *call);

/* A task: a function, or the name under which the executor finds one, and its argument bytes. */
struct assay_task {
	assay_function *function; /* NULL: use name */
	const char *name;         /* resolved in assay_config.functions, where the task runs */
	const void *argument;     /* may be NULL if argument_size is 0 */
	size_t argument_size;     /* bytes */
};

/*
 * Initializer of a worker: runs on each worker before its first task, with the configured bytes.
 * Anything but 0 breaks the executor. [INI-1 INI-3 INI-4]
 */
typedef int assay_initializer(const void *argument, size_t argument_size);

/* A task function by name, for backends whose workers are another program. [SER-14] */
struct assay_named_function {
	const char *name;
	assay_function *function;
};

/*
 * Futures: states and outcomes
 */

enum assay_state {
	ASSAY_PENDING = 0,
	ASSAY_RUNNING =
		1, /* cannot be cancelled any more; with ASSAY_CAP_EXACT_START: was entered */
	ASSAY_CANCELLED = 2, /* done: cancelled before it started */
	ASSAY_FINISHED = 3,  /* done: returned, failed, or lost with its worker */
};

/*
 * How a task ended. Pointers stay valid, and the bytes unchanged, for as long as the caller holds
 * its reference to the future.
 *
 * error is ASSAY_OK, ASSAY_ECANCELLED, ASSAY_EFAILED (then code is the task's own), or what kept
 * the task from ending by itself: ASSAY_EDIED, ASSAY_EBROKEN, ASSAY_ETOOBIG, ASSAY_ENOMEM ... Where
 * a worker process died, code is the signal that ended it, 256 + its exit status, or 0 if unknown.
 * message is never NULL, always terminated, and empty when there is nothing to say.
 */
struct assay_outcome {
	int error;
	int code;
	const void *result; /* aligned for any type; NULL if result_size is 0 */
	size_t result_size; /* bytes */
	const char *message;
};

/*
 * Called once when the future is done: by the thread that finished or cancelled it, or, if it is
 * done already, by the adding thread before assay_future_add_done_callback() returns. The future is
 * borrowed for the length of the call. It may use this contract freely. [CB-1 CB-5 CB-11]
 */
typedef void assay_callback(assay_future *future, void *user);

/*
 * Configuration
 */

/* What submit does when the queue holds queue_capacity tasks. [BQ-3 REJ-2 REJ-3] */
enum assay_when_full {
	ASSAY_FULL_BLOCK =
		0,         /* wait for room; ASSAY_EFULL instead for a task of the same executor */
	ASSAY_FULL_REJECT, /* ASSAY_EFULL */
	ASSAY_FULL_CALLER_RUNS, /* run the task in submit */
};

/* What the death of a worker does, on backends that survive it (ASSAY_CAP_SURVIVES_CRASH). */
enum assay_on_worker_death {
	ASSAY_DEATH_BREAKS = 0, /* every pending and running task ends with ASSAY_EBROKEN [BRK-1] */
	ASSAY_DEATH_FAILS_TASK, /* its task ends with ASSAY_EDIED; the worker is replaced */
	ASSAY_DEATH_RETRIES,    /* its task runs again, at most retries times, then ASSAY_EDIED */
};

enum assay_severity { ASSAY_LOG_INFO, ASSAY_LOG_WARNING, ASSAY_LOG_ERROR };

/*
 * The diagnostic channel: called from any thread of the client, one whole line without line end.
 * It must not call back into the executor. [INI-6]
 */
typedef void assay_log(void *user, enum assay_severity severity, const char *message);

/*
 * Everything is copied at create but what log_user points to. Start from assay_config_default().
 * A setting that the backend does not offer and that differs from its default is refused with
 * ASSAY_EUNSUPPORTED, never ignored.
 */
struct assay_config {
	size_t struct_size;    /* sizeof (struct assay_config), set by assay_config_default() */
	int workers;           /* at most this many tasks run at once; 1 or more [CFG-1 CFG-5] */
	const char *name;      /* prefix of worker names, followed by "_<index>" [CFG-13] */
	size_t queue_capacity; /* tasks accepted and not started; at least 1 [BQ-3] */
	enum assay_when_full when_full;
	assay_initializer *initializer; /* NULL: none */
	const void *initializer_argument;
	size_t initializer_argument_size; /* bytes */
	/* A worker is replaced after so many; INT_MAX: never. What it runs in place of waiting
	 * counts, but is not held back: it leaves when its own task has ended. [MTC-1] */
	int tasks_per_worker;
	size_t stack_size; /* bytes of stack for each worker; 0: what the system gives */
	enum assay_on_worker_death on_worker_death;
	int retries; /* for ASSAY_DEATH_RETRIES */
	const struct assay_named_function *functions;
	size_t function_count;
	const char
		*options; /* "key=value,...", the backend's own; ASSAY_EINVAL for an unknown key */
	/* How long a worker without work is to look for some before it sleeps; waits for results
	 * follow it or not, as the backend likes. -1: the backend's own choice [CFG-27] */
	int64_t spin_ns;
	assay_log *log; /* NULL: errors go to standard error */
	void *log_user;
};

static inline struct assay_config assay_config_default(void)
{
	struct assay_config config;

	config.struct_size = sizeof config;
	config.workers = ASSAY_WORKERS_AUTO;
	config.name = NULL;
	config.queue_capacity = ASSAY_UNLIMITED;
	config.when_full = ASSAY_FULL_BLOCK;
	config.initializer = NULL;
	config.initializer_argument = NULL;
	config.initializer_argument_size = 0;
	config.tasks_per_worker = INT_MAX;
	config.stack_size = 0;
	config.on_worker_death = ASSAY_DEATH_BREAKS;
	config.retries = 0;
	config.functions = NULL;
	config.function_count = 0;
	config.options = NULL;
	config.spin_ns = -1;
	config.log = NULL;
	config.log_user = NULL;
	return config;
}

/*
 * Counts since create; UINT64_MAX where the backend does not know. Each is exact once no task is
 * pending or running and shutdown(WAIT) returned, and then submitted == finished + cancelled +
 * broken; before that they may lag behind one another. A cancelled task is counted when the
 * executor meets it. [HK-4]
 */
struct assay_statistics {
	uint64_t workers; /* the effective configuration; 0: tasks run in the submitting threads */
	uint64_t workers_alive; /* threads or processes that exist now */
	uint64_t submitted;     /* tasks accepted */
	uint64_t started;       /* task functions entered */
	uint64_t finished;      /* tasks that ended after having started, failures included */
	uint64_t failed;        /* of those, the ones whose outcome is an error */
	uint64_t cancelled;     /* tasks that ended cancelled */
	uint64_t broken;        /* tasks that never started because the executor broke */
	uint64_t steals;        /* tasks taken from another worker's queue; 0 where there is none */
	uint64_t parks;         /* times a worker went to sleep */
	uint64_t wakes;         /* times a worker was woken or started */
};

/* Flags of assay_executor_shutdown(). */
enum assay_shutdown {
	ASSAY_SHUTDOWN_NOWAIT = 0,
	ASSAY_SHUTDOWN_WAIT = 1,           /* return when all is done and the workers are gone */
	ASSAY_SHUTDOWN_CANCEL_PENDING = 2, /* cancel what has not started */
	/* Both cancel what is pending, and end what is running with ASSAY_EDIED; KILL goes before.
	 */
	ASSAY_SHUTDOWN_TERMINATE = 4, /* ask worker processes to stop at once (SIGTERM) [TRM-1] */
	ASSAY_SHUTDOWN_KILL = 8,      /* stop worker processes at once (SIGKILL) [TRM-2] */
};

/*
 * Backends: shared objects that export one symbol, `assay_backend`. See assay/load.h to open one
 * and assay/backend.h to write one.
 */

/* Of struct assay_backend and the tables below; a mismatch is refused. */
#define ASSAY_ABI 3u

/*
 * Capabilities are facts. A backend passes the clauses of what it claims; what it does not claim
 * is shown as unsupported. FIFO orders what happens before one another in any threads: who claims
 * it claims SUBMITTER_FIFO too. X(name, bit, sentence)
 */
#define ASSAY_CAPABILITIES(X)                                                                      \
	X(SHARED_MEMORY, 0, "a task sees the memory of the client")                                \
	X(SHARED_MAPPINGS, 1, "a task sees MAP_SHARED mappings made before create")                \
	X(FUNCTION_POINTERS, 2, "a task may be a bare function pointer")                           \
	X(NAMED_FUNCTIONS, 3, "a task may be a registered name")                                   \
	X(ASYNCHRONOUS, 4,                                                                         \
	  "submit neither runs the task nor waits for it, but for ASSAY_FULL_CALLER_RUNS")         \
	X(CONCURRENT, 5, "as many tasks as workers run at once")                                   \
	X(WORKER_LIMIT, 6,                                                                         \
	  "never more tasks run at once than workers, not counting those that wait in a task")     \
	X(EXACT_START, 7, "a task is pending and can be cancelled until its function is entered")  \
	X(FIFO, 8,                                                                                 \
	  "with one worker, tasks start in the order of submission, "                              \
	  "but for a task that is run by who waits for it")                                        \
	X(LAZY_WORKERS, 9, "workers are started when tasks need them, not by create")              \
	X(WORKER_REUSE, 10, "a worker runs many tasks")                                            \
	X(IDLE_FIRST, 11, "a new worker is started only when no started one is idle")              \
	X(NESTED_SUBMIT, 12, "a task may submit to its own executor")                              \
	X(NESTED_WAIT, 13,                                                                         \
	  "a task may wait on a future of its own executor, whatever the number of workers")       \
	X(BOUNDED_QUEUE, 14, "queue_capacity and when_full are honoured")                          \
	X(INITIALIZER, 15, "a worker initializer is run")                                          \
	X(WORKER_NAMES, 16, "worker threads are named after config.name")                          \
	X(STACK_SIZE, 17, "stack_size is honoured")                                                \
	X(TASKS_PER_WORKER, 18, "tasks_per_worker is honoured")                                    \
	X(SURVIVES_CRASH, 19,                                                                      \
	  "a task that kills its worker process does not take the client down")                    \
	X(SURVIVES_THREAD_EXIT, 20,                                                                \
	  "a task that ends its thread fails alone, but for tasks that wait below it on its "      \
	  "stack")                                                                                 \
	X(TERMINATE, 21, "shutdown can stop running tasks")                                        \
	X(DRAINS_AT_EXIT, 22, "a program that exits without destroy still runs what was accepted") \
	X(OWNS_WORKERS, 23, "after shutdown(WAIT) no thread or process of the executor is left")   \
	X(SUBMITTER_FIFO, 24,                                                                      \
	  "with one worker, the tasks of each submitting thread start in the order of "            \
	  "submission, but for a task that is run by who waits for it")

/* ASSAY_CAP_SHARED_MEMORY and so on. */
#define ASSAY_CAP_SHARED_MEMORY (UINT64_C(1) << 0)
#define ASSAY_CAP_SHARED_MAPPINGS (UINT64_C(1) << 1)
#define ASSAY_CAP_FUNCTION_POINTERS (UINT64_C(1) << 2)
#define ASSAY_CAP_NAMED_FUNCTIONS (UINT64_C(1) << 3)
#define ASSAY_CAP_ASYNCHRONOUS (UINT64_C(1) << 4)
#define ASSAY_CAP_CONCURRENT (UINT64_C(1) << 5)
#define ASSAY_CAP_WORKER_LIMIT (UINT64_C(1) << 6)
#define ASSAY_CAP_EXACT_START (UINT64_C(1) << 7)
#define ASSAY_CAP_FIFO (UINT64_C(1) << 8)
#define ASSAY_CAP_LAZY_WORKERS (UINT64_C(1) << 9)
#define ASSAY_CAP_WORKER_REUSE (UINT64_C(1) << 10)
#define ASSAY_CAP_IDLE_FIRST (UINT64_C(1) << 11)
#define ASSAY_CAP_NESTED_SUBMIT (UINT64_C(1) << 12)
#define ASSAY_CAP_NESTED_WAIT (UINT64_C(1) << 13)
#define ASSAY_CAP_BOUNDED_QUEUE (UINT64_C(1) << 14)
#define ASSAY_CAP_INITIALIZER (UINT64_C(1) << 15)
#define ASSAY_CAP_WORKER_NAMES (UINT64_C(1) << 16)
#define ASSAY_CAP_STACK_SIZE (UINT64_C(1) << 17)
#define ASSAY_CAP_TASKS_PER_WORKER (UINT64_C(1) << 18)
#define ASSAY_CAP_SURVIVES_CRASH (UINT64_C(1) << 19)
#define ASSAY_CAP_SURVIVES_THREAD_EXIT (UINT64_C(1) << 20)
#define ASSAY_CAP_TERMINATE (UINT64_C(1) << 21)
#define ASSAY_CAP_DRAINS_AT_EXIT (UINT64_C(1) << 22)
#define ASSAY_CAP_OWNS_WORKERS (UINT64_C(1) << 23)
#define ASSAY_CAP_SUBMITTER_FIFO (UINT64_C(1) << 24)

/* Bytes of a backend's name. */
#define ASSAY_NAME_LIMIT 63

struct assay_backend {
	uint32_t abi;          /* ASSAY_ABI */
	uint32_t lookahead;    /* tasks a worker may hold beyond the running one [CAN-10] */
	uint64_t capabilities; /* ASSAY_CAP_... */
	const char *name;      /* [a-z0-9_]+, up to ASSAY_NAME_LIMIT bytes */
	const char *summary;   /* one line for tables: the design in a few words */
	size_t argument_limit; /* bytes */
	size_t result_limit;   /* bytes */
	/* See assay_executor_create(): config is never NULL, and its plain mistakes were refused.
	 */
	int (*create)(const struct assay_config *config, assay_executor **executor);
	/* What later versions of the contract or the backend itself add: a table by name and
	 * version, "priorities/1". NULL: not offered. */
	const void *(*extension)(const char *name);
};

/* The one symbol. Both languages hide a const object unless it is declared before it is defined. */
extern __attribute__((visibility("default"))) const struct assay_backend assay_backend;

/*
 * Waiting without a thread: for those who compose futures. assay_wait(), assay_as_completed_...()
 * and assay_map_...() below are built from these and need nothing else from a backend.
 */

/*
 * A node that its owner hangs on one future. The owner sets notify, watch the rest. notify is
 * called once, when the future is done, by the thread that made it so and before any done callback;
 * it must be short, must not block, and must not call into this contract except assay_signal_set().
 */
struct assay_watcher {
	void (*notify)(struct assay_watcher *watcher);
	struct assay_watcher *next;
	struct assay_watcher *previous;
	uint32_t detached; /* the backend's: notify has returned */
};

/*
 * An event: one thread at a time parks on it, any thread sets it. Starts zeroed. A backend's park
 * provides wake, so that a worker which waits can do other work meanwhile and still be reached.
 */
enum assay_signal_state { ASSAY_SIGNAL_CLEAR, ASSAY_SIGNAL_PARKED, ASSAY_SIGNAL_SET };

struct assay_signal {
	uint32_t state;
	bool for_all; /* the sleeper goes on when all that it waits for are done, no sooner */
	void (*wake)(struct assay_signal *signal); /* valid while state is PARKED */
	void *sleeper;                             /* for wake */
};

/* Whoever reads SET (acquire) sees what the setter wrote before. */
static inline void assay_signal_set(struct assay_signal *signal)
{
	if (__atomic_exchange_n(&signal->state, (uint32_t)ASSAY_SIGNAL_SET,
				__ATOMIC_ACQ_REL) == /* G1 G2 */
	    ASSAY_SIGNAL_PARKED)
		signal->wake(signal);
}

/*
 * The tables. Entries are mandatory where nothing else is said; semantics are those of the inline function of the same
 * name. A change here is a new ASSAY_ABI.
 */

struct assay_executor_ops {
	const struct assay_backend *backend;
	int (*submit)(assay_executor *executor, const struct assay_task *task,
		      assay_future **future);
	int (*submit_many)(assay_executor *executor, const struct assay_task *tasks, size_t count,
			   assay_future **futures, size_t *accepted);
	int (*shutdown)(assay_executor *executor, unsigned flags);
	int (*destroy)(assay_executor *executor);
	/* Fills at most size bytes. */
	void (*statistics)(assay_executor *executor, struct assay_statistics *statistics,
			   size_t size);
};

struct assay_future_ops {
	void (*retain)(assay_future *future);
	void (*release)(assay_future *future);
	enum assay_state (*state)(assay_future *future);
	bool (*cancel)(assay_future *future);
	/* Waits until done, then fills *outcome unless it is NULL. ASSAY_OK or ASSAY_ETIMEDOUT,
	 * or ASSAY_EUNREACHABLE as of assay_future_wait(). */
	int (*outcome)(assay_future *future, int64_t timeout_ns, struct assay_outcome *outcome);
	int (*add_done_callback)(assay_future *future, assay_callback *callback, void *user);
	/* ASSAY_OK: hung up. ASSAY_EDONE: done already, notify will not be called. The caller holds
	 * a reference until unwatch has returned. */
	int (*watch)(assay_future *future, struct assay_watcher *watcher);
	/* Must follow every successful watch, once, also after notify. When it returns notify is
	 * not running and will not be called, and the backend does not touch the watcher again. */
	void (*unwatch)(assay_future *future, struct assay_watcher *watcher);
	/*
	 * Sleeps until the signal is set (ASSAY_OK) or the limit passed (ASSAY_ETIMEDOUT); may
	 * return ASSAY_OK early, as when it ran the future instead; ASSAY_EUNREACHABLE as of
	 * outcome. A park that made the state PARKED returns only after it changed it
	 * back to CLEAR by compare-and-swap, or, if that failed, after wake has made its last touch
	 * of what wake uses. It never clears SET. wake must not block, run tasks, or take a lock
	 * under which any notify is called.
	 */
	int (*park)(assay_future *future, struct assay_signal *signal, int64_t timeout_ns);
	/* The calling thread works for this future's executor, and would run this future, which is
	 * pending, while it waits. False once it is pending no more, and then for ever. Who waits
	 * for several futures parks by one that helps, and asks again after each park. */
	bool (*helps)(assay_future *future);
};

struct assay_call_ops {
	/* Room for size bytes of result, in call->result with call->result_capacity, its contents
	 * undefined. ASSAY_ENOMEM, ASSAY_ETOOBIG: the result made so far stays. */
	int (*reserve)(assay_call *call, size_t size);
	/* Keeps a copy of the message with the failure; without memory for it, the code alone. */
	void (*message)(assay_call *call, const char *message);
	/*
	 * See struct assay_children. Both may be NULL where calls have no `children`. A library that
	 * makes calls of its own gives them the `children` of the outer call, and its offer and join
	 * call those of the outer call. offer: others may run some of the children on the list from
	 * now on; it may also offer none.
	 */
	void (*offer)(assay_call *call);
	/* Takes the child, which is call->children->latest, off the list. True: nobody else has
	 * taken it and nobody will, the caller runs it. False: it has run elsewhere,
	 * child->returned is set, and its effects are visible. */
	bool (*join)(assay_call *call, struct assay_fork *child);
};

/*
 * Inside a task
 */

/*
 * assay_call_result - room to build a result in place.			[RES-1 SER-9]
 *
 * The result of the task becomes the size bytes at *bytes, aligned for any type, as they are when
 * the task returns ASSAY_OK. A later call replaces an earlier one. Small results stay inside the
 * future and cost no allocation.
 *
 * ASSAY_ETOOBIG	more than result_limit of the backend
 * ASSAY_ENOMEM		the task may go on, and return this
 */
ASSAY_MUST_CHECK static inline int assay_call_result(assay_call *call, size_t size, void **bytes)
{
	if (size > call->result_capacity) {
		int error = call->ops->reserve(call, size);

		if (error)
			return error;
	}
	call->result_size = size;
	*bytes = call->result;
	return ASSAY_OK;
}

/* assay_return - end a task with these bytes: `return assay_return(call, &sum, sizeof sum);` */
ASSAY_MUST_CHECK static inline int assay_return(assay_call *call, const void *bytes, size_t size)
{
	void *room;
	int error = assay_call_result(call, size, &room);

	if (!error && size)
		__builtin_memcpy(room, bytes, size);
	return error;
}

/*
 * assay_fail - end a task with a failure: `return assay_fail(call, 3, "no such page");`
 *								[RES-3 RES-4 RES-18]
 * code is positive and the task's own; message may be NULL or of any length.
 */
ASSAY_MUST_CHECK static inline int assay_fail(assay_call *call, int code, const char *message)
{
	if (code <= 0)
		return ASSAY_EINVAL;
	if (message)
		call->ops->message(call, message);
	return code;
}

/*
 * Executors
 */

/*
 * assay_executor_create - an executor of this backend.		[CFG-1 CFG-15 CFG-19]
 *
 * config may be NULL for defaults. *executor must be given to assay_executor_destroy(). No task is
 * needed to find out that something cannot work: what can be checked is checked here.
 *
 * ASSAY_EINVAL		backend is NULL or of another ABI, workers < 1, queue_capacity < 1,
 *			tasks_per_worker < 1, retries < 0, an unknown policy, bytes without address
 * ASSAY_EUNSUPPORTED	a setting that this backend does not offer
 * ASSAY_ENOMEM, ASSAY_ERESOURCE	everything is undone
 */
ASSAY_MUST_CHECK static inline int assay_executor_create(const struct assay_backend *backend,
							 const struct assay_config *config,
							 assay_executor **executor)
{
	struct assay_config defaults = assay_config_default();

	if (!config)
		config = &defaults;
	if (!backend || !executor || backend->abi != ASSAY_ABI ||
	    config->struct_size != sizeof *config || config->workers < 1 ||
	    config->queue_capacity < 1 || config->tasks_per_worker < 1 || config->retries < 0 ||
	    config->when_full > ASSAY_FULL_CALLER_RUNS ||
	    config->on_worker_death > ASSAY_DEATH_RETRIES ||
	    (!config->initializer_argument && config->initializer_argument_size) ||
	    (!config->functions && config->function_count))
		return ASSAY_EINVAL;
	return backend->create(config, executor);
}

/*
 * assay_submit - hand a task to the executor.			[SUB-1 SUB-2 SUB-3 SUB-21 MEM-1]
 *
 * Never waits for the task to run, nor for a free worker; with a bounded queue and
 * ASSAY_FULL_BLOCK it waits for room, until a shutdown refuses it. On success *future holds one
 * reference for the caller. future may be NULL: the task runs all the same and nobody can ask about
 * it. [SUB-22 SUB-28]
 *
 * ASSAY_EINVAL		executor, task, or both function and name are NULL [SUB-20]
 * ASSAY_ESHUTDOWN	after shutdown [SUB-7]; ASSAY_EBROKEN goes before it [SUB-8 SUB-9]
 * ASSAY_EFULL		bounded queue; see enum assay_when_full
 * ASSAY_EUNSUPPORTED	a bare function, on a backend without ASSAY_CAP_FUNCTION_POINTERS, or a
 *			function that its workers cannot reach
 * ASSAY_EUNKNOWN	the name is not registered; a backend that resolves it elsewhere may accept
 *			and end the future with this error instead
 * ASSAY_ETOOBIG	argument_size exceeds argument_limit of the backend
 * ASSAY_EUNREACHABLE	called in a worker process, or in a child after fork [DLK-3 FRK-3]
 * ASSAY_ENOMEM, ASSAY_ERESOURCE	nothing was queued, nothing will run [SUB-19]; in a bounded queue
 *			it may have held the room of a task for as long as the call took
 */
ASSAY_MUST_CHECK static inline int
assay_submit(assay_executor *executor, const struct assay_task *task, assay_future **future)
{
	if (!executor || !task || (!task->function && !task->name) ||
	    (!task->argument && task->argument_size))
		return ASSAY_EINVAL;
	return executor->ops->submit(executor, task, future);
}

/*
 * assay_submit_many - the same for an array of tasks, at less cost than one by one.
 *
 * Tasks are accepted from the front. Returns ASSAY_OK if all were; else the error that stopped it,
 * as of assay_submit(). *accepted (may be NULL) is set in both cases: it says how many tasks, from
 * the front, were accepted; futures[0 .. *accepted - 1] hold a reference each, the rest of the
 * array is untouched. futures may be NULL. With ASSAY_FULL_BLOCK it waits for room as needed.
 */
ASSAY_MUST_CHECK static inline int assay_submit_many(assay_executor *executor,
						     const struct assay_task *tasks, size_t count,
						     assay_future **futures, size_t *accepted)
{
	size_t ignored;

	if (!accepted)
		accepted = &ignored;
	*accepted = 0;
	if (!executor || (!tasks && count))
		return ASSAY_EINVAL;
	if (!count)
		return ASSAY_OK;
	for (size_t i = 0; i < count; i++)
		if ((!tasks[i].function && !tasks[i].name) ||
		    (!tasks[i].argument && tasks[i].argument_size))
			return ASSAY_EINVAL;
	return executor->ops->submit_many(executor, tasks, count, futures, accepted);
}

/*
 * assay_executor_shutdown - accept no more tasks.	[SHD-1 SHD-2 SHD-3 SHD-5 SHD-8 SHD-11]
 *
 * What was accepted still runs, unless flags has ASSAY_SHUTDOWN_CANCEL_PENDING, which cancels what
 * has not started, with the usual notifications. With ASSAY_SHUTDOWN_WAIT it returns when every
 * accepted task is done, the callbacks that workers run have returned and the workers are gone;
 * without, at once. Callbacks of what it cancels run in this call.
 * May be called again, by any thread, with other flags: waiting always waits, and a request to
 * cancel stays in force. [SHD-6 SHD-7 SHD-12]
 *
 * ASSAY_EINVAL		executor is NULL, or an unknown flag
 * ASSAY_EDEADLOCK	WAIT where it would wait for the caller: in a task or callback on a worker of
 *			this executor, or in a callback of what another shutdown in this thread
 *			cancels. The shutdown has begun, as if without WAIT [SHD-18 SHD-19]
 * ASSAY_EUNSUPPORTED	TERMINATE or KILL without ASSAY_CAP_TERMINATE: nothing was changed
 */
static inline int assay_executor_shutdown(assay_executor *executor, unsigned flags)
{
	if (!executor || flags > 15)
		return ASSAY_EINVAL;
	return executor->ops->shutdown(executor, flags);
}

/*
 * assay_executor_destroy - shut down, wait, and free the executor.	[SHD-13 SHD-30]
 *
 * NULL is ignored. Futures stay valid. No other call on the executor may be under way or follow.
 * A program that exits without this still runs what was accepted. [SHD-14]
 *
 * ASSAY_EDEADLOCK	from a task or callback on one of its workers: shut down, but not freed
 */
static inline int assay_executor_destroy(assay_executor *executor)
{
	return executor ? executor->ops->destroy(executor) : ASSAY_OK;
}

static inline void assay_executor_statistics(assay_executor *executor,
					     struct assay_statistics *statistics)
{
	executor->ops->statistics(executor, statistics, sizeof *statistics);
}

/* The backend the executor was created from: its name, capabilities and limits. */
static inline const struct assay_backend *assay_executor_backend(assay_executor *executor)
{
	return executor->ops->backend;
}

/*
 * Futures
 */

/* One more reference. Returns future. */
static inline assay_future *assay_future_retain(assay_future *future)
{
	future->ops->retain(future);
	return future;
}

/* Gives up one reference. The task runs all the same. NULL is ignored. [SUB-22 LIF-3] */
static inline void assay_future_release(assay_future *future)
{
	if (future)
		future->ops->release(future);
}

/* The state now. CANCELLED and FINISHED are for ever, and publish all effects. [FUT-9 MEM-4] */
ASSAY_MUST_CHECK static inline enum assay_state assay_future_state(assay_future *future)
{
	return future->ops->state(future);
}

/* Finished or cancelled. */
ASSAY_MUST_CHECK static inline bool assay_future_is_done(assay_future *future)
{
	return future->ops->state(future) >= ASSAY_CANCELLED;
}

/*
 * assay_future_cancel - keep a pending task from running.	[CAN-1 CAN-2 CAN-3 CAN-4 CAN-9]
 *
 * True: the future is cancelled, by this call or an earlier one, and the function never runs.
 * False: the task is running or done, and nothing has changed. Callbacks run in this call.
 */
static inline bool assay_future_cancel(assay_future *future)
{
	return future->ops->cancel(future);
}

/*
 * assay_future_wait - until the future is done, however it ended.	[RES-7 RES-8 RES-9]
 *
 * Inside a task, with NESTED_WAIT and without limit, the worker may run it, or others meanwhile. [DLK-10]
 *
 * ASSAY_ETIMEDOUT	still pending or running; the future is not affected
 * ASSAY_EUNREACHABLE	in a worker process [DLK-3]; with NESTED_WAIT, without limit, also for what is
 *			pending, in the child of a fork in a task [FRK-3]
 */
ASSAY_MUST_CHECK static inline int assay_future_wait(assay_future *future, int64_t timeout_ns)
{
	return future->ops->outcome(future, timeout_ns, NULL);
}

/*
 * assay_future_outcome - wait, and borrow how the task ended.	[RES-3 RES-4 RES-5 LIF-3]
 *
 * ASSAY_OK whenever the future is done: outcome->error says how. The other errors as of
 * assay_future_wait().
 */
ASSAY_MUST_CHECK static inline int assay_future_outcome(assay_future *future, int64_t timeout_ns,
							struct assay_outcome *outcome)
{
	return future->ops->outcome(future, timeout_ns, outcome);
}

/*
 * assay_future_result - wait, and copy the result out.		[RES-1 RES-2 RES-3 RES-6 RES-10]
 *
 * size must be that of the result; 0 asks for success only and copies nothing. May be called any
 * number of times. Use assay_future_outcome() for results of unknown size, or to read a failure.
 *
 * ASSAY_ETIMEDOUT	still pending or running
 * ASSAY_ECANCELLED	it was cancelled [CAN-6]
 * ASSAY_EFAILED	the task failed; code and message are in the outcome
 * ASSAY_ESIZE		success, but with a result of another size
 * any other		outcome.error
 * ASSAY_EINVAL		result is NULL but size is not 0
 */
ASSAY_MUST_CHECK static inline int assay_future_result(assay_future *future, int64_t timeout_ns,
						       void *result, size_t size)
{
	struct assay_outcome outcome;
	int error;

	if (!result && size)
		return ASSAY_EINVAL;
	error = future->ops->outcome(future, timeout_ns, &outcome);
	if (error)
		return error;
	if (outcome.error)
		return outcome.error;
	if (size) {
		if (outcome.result_size != size)
			return ASSAY_ESIZE;
		__builtin_memcpy(result, outcome.result, size);
	}
	return ASSAY_OK;
}

/*
 * assay_future_add_done_callback				[CB-1 CB-4 CB-5 CB-12 CB-19]
 *
 * Callbacks added before the future is done are called in the order they were added. One added to
 * a done future is called before this returns. Each is called exactly once, in the process that
 * added it. Waiters may return before or while callbacks run. [CB-16]
 *
 * ASSAY_EINVAL		callback is NULL
 * ASSAY_ENOMEM		nothing was added
 */
ASSAY_MUST_CHECK static inline int
assay_future_add_done_callback(assay_future *future, assay_callback *callback, void *user)
{
	if (!callback)
		return ASSAY_EINVAL;
	return future->ops->add_done_callback(future, callback, user);
}

#ifdef __cplusplus
}
#endif

#include <assay/compose.h>
#include <assay/fork_join.h>
#include <assay/map.h>

#endif
