/* SPDX-License-Identifier: MIT */
/*
 * What tests are built from. Everything here works across address spaces: memory comes from a shared
 * mapping made before any executor exists, at one address in every process of the test, and gates
 * and probes are futexes in it.
 */
#ifndef FIXTURE_H
#define FIXTURE_H

#include "test.h"

#include <pthread.h>

/* Zeroed memory that tasks see too, wherever they run. Never freed. */
void *shared_new(struct subject *s, size_t size);

/* Closed until it is opened, for ever after open. */
struct gate {
	uint32_t is_open;
	uint32_t arrived; /* to wait, and perhaps gone on since */
};

struct gate *gate_new(struct subject *s);
void gate_open(struct gate *gate);
void gate_wait(struct gate *gate);
/* Until n have come to wait. */
void gate_await(struct gate *gate, uint32_t n);

/* Counts events in any process, and lets others wait for them. */
struct probe {
	uint32_t count;
	uint32_t inside; /* by probe_enter() and probe_leave() */
	uint32_t most;   /* the most that were inside at once */
};

struct probe *probe_new(struct subject *s);
void probe_hit(struct probe *probe);
uint32_t probe_count(struct probe *probe);
/* Until at least n hits. The runner's deadline is the only limit. */
void probe_await(struct probe *probe, uint32_t n);
void probe_enter(struct probe *probe);
void probe_leave(struct probe *probe);

/* n parties meet: returns when all have arrived. */
void meet(struct probe *meeting, uint32_t n);

/* What happened in which order, in any process. */
struct trace {
	uint32_t capacity;
	uint32_t length;
	int64_t entries[];
};

struct trace *trace_new(struct subject *s, uint32_t capacity);
void trace_add(struct trace *trace, int64_t entry);
uint32_t trace_length(struct trace *trace);
int64_t trace_at(struct trace *trace, uint32_t index);

/* The backend, whose executors get these options where their configuration has none: no test has to
 * know of it. Once in a process. NULL: the backend as it is. */
const struct assay_backend *backend_with_options(const struct assay_backend *backend,
						 const char *options);

/* Executors. Creating one that the backend does not offer ends the test as unsupported. */
assay_executor *executor_new(struct subject *s, int workers);
assay_executor *executor_with(struct subject *s, const struct assay_config *config);
/* Its workers fail to initialize once the gate is open, and it is broken; it logs nothing. */
assay_executor *executor_doomed(struct subject *s, int workers, struct gate *gate);
/* For a configuration. */
void ignore_log(void *user, enum assay_severity severity, const char *message);
/* Shutdown (wait) and destroy, both checked. */
void executor_end(assay_executor *executor);

/* Ready-made tasks. A submit that is refused fails the test. */

/* Returns the int. */
assay_future *submit_int(assay_executor *executor, int value);
/* Hits the probe, returns nothing. */
assay_future *submit_hit(assay_executor *executor, struct probe *probe);
/* Adds the entry to the trace, returns nothing. */
assay_future *submit_trace(assay_executor *executor, struct trace *trace, int64_t entry);
/* Hits started (may be NULL), waits for the gate, returns the int. */
assay_future *submit_gated(assay_executor *executor, struct gate *gate, struct probe *started,
			   int value);
/* Fails with the code and message (may be NULL). */
assay_future *submit_failing(assay_executor *executor, int code, const char *message);
/* Any function and argument. */
assay_future *submit_task(assay_executor *executor, assay_function *function, const void *argument,
			  size_t size);

/* Functions of tasks that say where they run: gettid(), getpid(). */
int return_tid(assay_call *call);
int return_pid(assay_call *call);

/* The int result of a task that must succeed; waits for it. */
int result_int(assay_future *future);

/* Every worker busy, and its look-ahead full, so that what is submitted next stays pending. */
struct occupied {
	struct gate *gate;
	assay_future **futures;
	int count;
};

struct occupied occupy_workers(struct subject *s, assay_executor *executor, int workers);
/* Opens the gate, waits for the occupying tasks, and releases their futures. */
void release_workers(struct occupied *occupied);

/* A thread of the client. */
struct actor {
	pthread_t thread;
	void (*run)(void *argument);
	void *argument;
	int tid;
	uint32_t is_running;
};

void actor_start(struct actor *actor, void (*run)(void *argument), void *argument);
void actor_join(struct actor *actor);
/* Until the thread sleeps in the kernel: it has reached the call it is to block in. */
void actor_await_sleep(struct actor *actor);

/* Until the task function with this tid (gettid() of a worker thread or process) sleeps. Both
 * return as well if the thread has ended. */
void await_sleep(int tid);

/* Until every other thread of the test and of its processes sleeps. What was under way has happened
 * then, unless it waits for the caller or for a time. Not where one never sleeps for as long as it is looked at. */
void await_standstill(void);

/* How many threads this process has; how many children; how many descriptors are open. */
int count_threads(void);
int count_children(void);
int count_descriptors(void);

/* $ASSAY_TIME_SCALE, or 1: how much slower than usual this machine is said to be. */
double time_scale(void);

/* $ASSAY_TORTURE_SECONDS, or 0: how much longer than usual the torture tests of STR-7 take. */
int torture_seconds(void);

/* Makes the shared memory. The runner calls it in the test's process before anything else. */
void fixture_start(void);

/* A short time for lower bounds, in nanoseconds; scaled by ASSAY_TIME_SCALE. Never a sleep. */
int64_t short_time_ns(void);

/* Whether programs run in an emulator of user programs, which answers system calls itself. */
bool is_emulated(void);

/* A count of rounds or threads for stress, reduced under sanitizers, valgrind and emulators. */
int scaled(int count);

#endif
