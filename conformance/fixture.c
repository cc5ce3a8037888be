/* SPDX-License-Identifier: MIT */
#include "fixture.h"
#include "process.h"
#include "sanitizer.h"

#include <dirent.h>
#include <errno.h>
#include <linux/futex.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ARENA_SIZE ((size_t)256 << 20) /* reserved, not used: pages come when touched */
#define ARENA_ALIGNMENT ((size_t)64)

/* At the start of the mapping, so that every process of the test allocates from the same. */
struct arena {
	uint64_t used;
	uint64_t foreign_threads; /* of the sanitizer; see fixture_start() */
};

static struct arena *arena;

static void nothing(void *argument)
{
	(void)argument;
}

static void count_living(pid_t thread, void *user)
{
	struct process_status status;

	/* A joined thread is still listed for a moment, but it is marked as exiting before the join
	 * can return. */
	if (process_status(thread, &status) && !status.is_exiting)
		++*(int *)user;
}

static void add_to_digest(uint64_t *digest, uint64_t number)
{
	*digest = (*digest ^ number) * UINT64_C(1099511628211); /* as in FNV-1 */
}

/* *user: a digest of who slept how often. */
static void await_sleep_of_other(pid_t thread, void *user)
{
	uint64_t *digest = user;

	if (thread == gettid())
		return;
	await_sleep(thread);
	add_to_digest(digest, (uint64_t)thread);
	add_to_digest(digest, process_sleeps(thread));
}

static void await_sleep_in(pid_t process, void *user)
{
	struct process_status status;

	/* What an emulator shows of its own process lacks the group. */
	if (process == getpid() || (process_status(process, &status) && status.group == getpgrp()))
		process_each_thread(process, await_sleep_of_other, user);
}

/* Where some sleep for a time, again and again, as ThreadSanitizer's thread, it is enough that each has
 * been seen asleep. */
#define STANDSTILL_NS INT64_C(500000000)

void await_standstill(void)
{
	int64_t end_ns = assay_deadline_ns(STANDSTILL_NS);
	uint64_t seen = 0, before;

	/* A thread may be woken by one that is looked at after it. Where none has slept anew from one
	 * round to the next, all slept together when the first ended. */
	do {
		before = seen;
		seen = 1;
		process_each(await_sleep_in, &seen);
	} while (seen != before && (!before || assay_remaining_ns(end_ns) > 0));
}

int count_threads(void)
{
	int threads = 0;

	/* An emulator lets the join return while the thread has yet to end, and nothing marks it. */
	if (is_emulated())
		await_standstill();
	process_each_thread(getpid(), count_living, &threads);
	return threads - (int)arena->foreign_threads;
}

void fixture_start(void)
{
	arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (arena == MAP_FAILED)
		UNRESOLVED("cannot map %zu bytes for the test: %s", ARENA_SIZE, strerror(errno));
	arena->used = ARENA_ALIGNMENT;
	if (BUILT_WITH_TSAN) {
		struct actor actor;

		/* ThreadSanitizer starts a thread of its own beside the first of the program. */
		actor_start(&actor, nothing, NULL);
		actor_join(&actor);
		arena->foreign_threads = (uint64_t)count_threads() - 1;
	}
}

void *shared_new(struct subject *s, size_t size)
{
	size_t room = (size + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
	uint64_t start = __atomic_fetch_add(&arena->used, room, __ATOMIC_RELAXED);

	(void)s;
	if (start + room > ARENA_SIZE)
		UNRESOLVED("the test needs more than %zu bytes of shared memory", ARENA_SIZE);
	return (char *)arena + start;
}

static void futex_wait(uint32_t *word, uint32_t seen)
{
	syscall(SYS_futex, word, FUTEX_WAIT, seen, NULL, NULL, 0);
}

static void futex_wake_all(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

struct gate *gate_new(struct subject *s)
{
	return shared_new(s, sizeof(struct gate));
}

void gate_open(struct gate *gate)
{
	__atomic_store_n(&gate->is_open, 1, __ATOMIC_RELEASE);
	futex_wake_all(&gate->is_open);
}

void gate_wait(struct gate *gate)
{
	__atomic_fetch_add(&gate->arrived, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&gate->is_open, __ATOMIC_ACQUIRE))
		futex_wait(&gate->is_open, 0);
}

void gate_await(struct gate *gate, uint32_t n)
{
	while (__atomic_load_n(&gate->arrived, __ATOMIC_ACQUIRE) < n)
		sched_yield();
}

struct probe *probe_new(struct subject *s)
{
	return shared_new(s, sizeof(struct probe));
}

void probe_hit(struct probe *probe)
{
	__atomic_fetch_add(&probe->count, 1, __ATOMIC_ACQ_REL);
	futex_wake_all(&probe->count);
}

uint32_t probe_count(struct probe *probe)
{
	return __atomic_load_n(&probe->count, __ATOMIC_ACQUIRE);
}

void probe_await(struct probe *probe, uint32_t n)
{
	uint32_t seen;

	while ((seen = probe_count(probe)) < n)
		futex_wait(&probe->count, seen);
}

void probe_enter(struct probe *probe)
{
	uint32_t inside = __atomic_add_fetch(&probe->inside, 1, __ATOMIC_ACQ_REL);
	uint32_t most = __atomic_load_n(&probe->most, __ATOMIC_RELAXED);

	while (most < inside && !__atomic_compare_exchange_n(&probe->most, &most, inside, true,
							     __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		;
	probe_hit(probe);
}

void probe_leave(struct probe *probe)
{
	__atomic_fetch_sub(&probe->inside, 1, __ATOMIC_ACQ_REL);
}

void meet(struct probe *meeting, uint32_t n)
{
	probe_hit(meeting);
	probe_await(meeting, n);
}

struct trace *trace_new(struct subject *s, uint32_t capacity)
{
	struct trace *trace = shared_new(s, sizeof *trace + capacity * sizeof trace->entries[0]);

	trace->capacity = capacity;
	return trace;
}

/* An entry is kept as its complement: a slot that is taken but not yet filled reads zero, and -1 is
 * the one entry that a trace cannot hold. */
void trace_add(struct trace *trace, int64_t entry)
{
	uint32_t index = __atomic_fetch_add(&trace->length, 1, __ATOMIC_ACQ_REL);

	if (entry == -1)
		UNRESOLVED("a trace cannot hold the entry -1");
	if (index >= trace->capacity)
		UNRESOLVED("the trace has room for %u entries only", trace->capacity);
	__atomic_store_n(&trace->entries[index], ~entry, __ATOMIC_RELEASE);
}

uint32_t trace_length(struct trace *trace)
{
	return __atomic_load_n(&trace->length, __ATOMIC_ACQUIRE);
}

int64_t trace_at(struct trace *trace, uint32_t index)
{
	int64_t entry;

	if (index >= trace_length(trace))
		test_fail(__FILE__, __LINE__, "expected at least %u entries in the trace, saw %u",
			  index + 1, trace_length(trace));
	while (!(entry = __atomic_load_n(&trace->entries[index], __ATOMIC_ACQUIRE)))
		sched_yield();
	return ~entry;
}

static void count_child(pid_t process, void *user)
{
	struct process_status status;

	if (process_status(process, &status) && status.parent == getpid())
		++*(int *)user;
}

int count_children(void)
{
	int children = 0;

	process_each(count_child, &children);
	return children;
}

int count_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	const struct dirent *entry;
	int count = -1; /* the directory's own */

	if (!directory)
		UNRESOLVED("cannot read /proc/self/fd: %s", strerror(errno));
	while ((entry = readdir(directory)))
		count += entry->d_name[0] != '.';
	closedir(directory);
	return count;
}

/* One sleep, seen this often in a row, is no passing pause on the way to the blocking call. */
#define SIGHTINGS 8

void await_sleep(int tid)
{
	struct process_status status;
	uint64_t sleeps = 0;

	for (int seen = 0; seen < SIGHTINGS; seen++) {
		uint64_t now = process_sleeps(tid);

		if (!process_status(tid, &status) || status.is_exiting)
			return; /* it has ended: it will not run either */
		if (status.state != 'S' || now != sleeps)
			seen = 0;
		sleeps = now;
		sched_yield();
	}
}

static void *run_actor(void *user)
{
	struct actor *actor = user;

	__atomic_store_n(&actor->tid, (int)gettid(), __ATOMIC_RELEASE);
	__atomic_store_n(&actor->is_running, 1, __ATOMIC_RELEASE);
	futex_wake_all(&actor->is_running);
	actor->run(actor->argument);
	return NULL;
}

void actor_start(struct actor *actor, void (*run)(void *argument), void *argument)
{
	int error;

	*actor = (struct actor){.run = run, .argument = argument};
	error = pthread_create(&actor->thread, NULL, run_actor, actor);
	if (error)
		UNRESOLVED("cannot start a thread for the test: %s", strerror(error));
	while (!__atomic_load_n(&actor->is_running, __ATOMIC_ACQUIRE))
		futex_wait(&actor->is_running, 0);
}

void actor_join(struct actor *actor)
{
	int error = pthread_join(actor->thread, NULL);

	if (error)
		UNRESOLVED("cannot join a thread of the test: %s", strerror(error));
}

void actor_await_sleep(struct actor *actor)
{
	await_sleep(__atomic_load_n(&actor->tid, __ATOMIC_ACQUIRE));
}

double time_scale(void)
{
	const char *text = getenv("ASSAY_TIME_SCALE");
	double scale = text ? strtod(text, NULL) : 1;

	return scale > 0 ? scale : 1;
}

int torture_seconds(void)
{
	const char *text = getenv("ASSAY_TORTURE_SECONDS");
	long seconds = text ? strtol(text, NULL, 10) : 0;

	return seconds > 0 && seconds < 1000000 ? (int)seconds : 0;
}

int64_t short_time_ns(void)
{
	return (int64_t)(20e6 * time_scale());
}

/* Who asks for the program by the usual name is shown the emulated one; by this one, the emulator. */
bool is_emulated(void)
{
	char shown[PATH_MAX], real[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", shown, sizeof shown);

	return length > 0 && (readlink("/proc/thread-self/exe", real, sizeof real) != length ||
			      memcmp(shown, real, (size_t)length) != 0);
}

int scaled(int count)
{
	const char *preload = getenv("LD_PRELOAD");
	int divisor = BUILT_WITH_TSAN ? 10 : BUILT_WITH_ASAN || is_emulated() ? 4 : 1;
	int reduced;

	if (preload && strstr(preload, "vgpreload"))
		divisor = 20;
	reduced = count / divisor;
	return reduced > 2 ? reduced : count < 2 ? count : 2;
}
