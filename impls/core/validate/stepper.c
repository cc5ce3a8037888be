/* SPDX-License-Identifier: MIT */
/* The labels are those of stepper.h. What begins with __tsan_ is the interface between the compilers
 * and ThreadSanitizer's runtime (LLVM's compiler-rt, sanitizer/tsan_interface_atomic.h). */
#include "stepper.h"

#include <limits.h>
#include <string.h>

enum stage { AHEAD, STOPPED, PAST };

static _Thread_local struct actor *current;
static _Atomic pid_t yielder; /* the last thread that did */

void actor_init(struct actor *actor)
{
	*actor = (struct actor){.stage = AHEAD};
	MUST(sem_init(&actor->gate, 0, 0) == 0);
}

void actor_begin(struct actor *actor)
{
	atomic_store(&actor->thread, gettid());
	while (sem_wait(&actor->gate))
		;
	actor->steps = 0;
	atomic_store(&actor->stage, AHEAD);
	atomic_store(&yielder, 0);
	atomic_store(&actor->begun, true);
	current = actor->stop_at ? actor : NULL;
}

void actor_end(struct actor *actor)
{
	current = NULL;
	atomic_store(&actor->acted, true);
}

void actor_reset(struct actor *actor)
{
	atomic_store(&actor->begun, false);
	atomic_store(&actor->acted, false);
}

void actor_start(struct actor *actor)
{
	sem_post(&actor->gate);
}

void stepper_doze(void)
{
	port_nap_until(assay_deadline_ns(20000));
}

/* It sleeps, has ended, or yields. */
static bool waits(const struct actor *actor)
{
	pid_t thread = atomic_load(&actor->thread);
	char state = validate_thread(thread).state;

	return state == 'S' || state == 0 || atomic_load(&yielder) == thread;
}

bool actor_await(struct actor *actor)
{
	while (!atomic_load(&actor->begun))
		stepper_doze();
	for (;;) {
		bool is_waiting = waits(actor); /* first: who has stopped sleeps, too */

		if (atomic_load_explicit(&actor->stage, memory_order_acquire) == STOPPED) /* V3 */
			return true;
		if (is_waiting || atomic_load(&actor->acted))
			return false;
		stepper_doze();
	}
}

void actor_await_end(struct actor *actor)
{
	while (!atomic_load(&actor->acted))
		stepper_doze();
}

void actor_go_on(struct actor *actor)
{
	atomic_store_explicit(&actor->stage, PAST, memory_order_release); /* V4 */
	port_wake(&actor->stage, 1);
}

static void stop(struct actor *actor)
{
	uint32_t stage = AHEAD;

	current = NULL;
	if (atomic_compare_exchange_strong_explicit(&actor->stage, &stage, STOPPED,
						    memory_order_release, /* V3 */
						    memory_order_relaxed))
		while (atomic_load_explicit(&actor->stage, memory_order_acquire) ==
		       STOPPED) /* V4 */
			port_sleep(&actor->stage, STOPPED, ASSAY_FOREVER);
}

static void step(void)
{
	struct actor *actor = current;

	if (actor && ++actor->steps == actor->stop_at)
		stop(actor);
}

/* port_backoff() calls it: who has to wait for somebody does not sleep always. A worker that gives way (pace.h)
 * has looked more often than any that is stepped. */
int sched_yield(void)
{
	atomic_store(&yielder, gettid());
	return (int)syscall(SYS_sched_yield);
}

/* What the compilers call before a plain access: that is no step. */

#define PLAIN(name)                              \
	void __tsan_##name(const void *address); \
	void __tsan_##name(const void *address)  \
	{                                        \
		(void)address;                   \
	}

PLAIN(read1)
PLAIN(read2)
PLAIN(read4)
PLAIN(read8)
PLAIN(read16)
PLAIN(write1)
PLAIN(write2)
PLAIN(write4)
PLAIN(write8)
PLAIN(write16)
PLAIN(unaligned_read2)
PLAIN(unaligned_read4)
PLAIN(unaligned_read8)
PLAIN(unaligned_read16)
PLAIN(unaligned_write2)
PLAIN(unaligned_write4)
PLAIN(unaligned_write8)
PLAIN(unaligned_write16)

#define RANGE(name)                                           \
	void __tsan_##name(const void *address, size_t size); \
	void __tsan_##name(const void *address, size_t size)  \
	{                                                     \
		(void)address;                                \
		(void)size;                                   \
	}

RANGE(read_range)
RANGE(write_range)

/* And in place of an atomic one. In the order of the program, whatever order was asked for. */

#define FETCH(type, bits, name)                                                     \
	type __tsan_atomic##bits##_##name(_Atomic type *at, type value, int order); \
	type __tsan_atomic##bits##_##name(_Atomic type *at, type value, int order)  \
	{                                                                           \
		(void)order;                                                        \
		step();                                                             \
		return atomic_##name(at, value);                                    \
	}

/* Of gcc: whether it was exchanged. */
#define EXCHANGES(type, bits, name)                                                               \
	bool __tsan_atomic##bits##_compare_exchange_##name(_Atomic type *at, type *expected,      \
							   type value, int order, int otherwise); \
	bool __tsan_atomic##bits##_compare_exchange_##name(_Atomic type *at, type *expected,      \
							   type value, int order, int otherwise)  \
	{                                                                                         \
		(void)order;                                                                      \
		(void)otherwise;                                                                  \
		step();                                                                           \
		return atomic_compare_exchange_strong(at, expected, value);                       \
	}

/* Of clang: what was there. */
#define ATOMIC(type, bits)                                                                     \
	type __tsan_atomic##bits##_load(_Atomic type *at, int order);                          \
	type __tsan_atomic##bits##_load(_Atomic type *at, int order)                           \
	{                                                                                      \
		(void)order;                                                                   \
		step();                                                                        \
		return atomic_load(at);                                                        \
	}                                                                                      \
	void __tsan_atomic##bits##_store(_Atomic type *at, type value, int order);             \
	void __tsan_atomic##bits##_store(_Atomic type *at, type value, int order)              \
	{                                                                                      \
		(void)order;                                                                   \
		step();                                                                        \
		atomic_store(at, value);                                                       \
	}                                                                                      \
	type __tsan_atomic##bits##_compare_exchange_val(_Atomic type *at, type expected,       \
							type value, int order, int otherwise); \
	type __tsan_atomic##bits##_compare_exchange_val(_Atomic type *at, type expected,       \
							type value, int order, int otherwise)  \
	{                                                                                      \
		(void)order;                                                                   \
		(void)otherwise;                                                               \
		step();                                                                        \
		atomic_compare_exchange_strong(at, &expected, value);                          \
		return expected;                                                               \
	}                                                                                      \
	EXCHANGES(type, bits, strong)                                                          \
	EXCHANGES(type, bits, weak)                                                            \
	FETCH(type, bits, exchange)                                                            \
	FETCH(type, bits, fetch_add)                                                           \
	FETCH(type, bits, fetch_sub)                                                           \
	FETCH(type, bits, fetch_or)                                                            \
	FETCH(type, bits, fetch_and)

ATOMIC(uint8_t, 8)
ATOMIC(uint32_t, 32)
ATOMIC(uint64_t, 64)

void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_thread_fence(int order)
{
	(void)order;
	atomic_thread_fence(memory_order_seq_cst);
}

void __tsan_atomic_signal_fence(int order);
void __tsan_atomic_signal_fence(int order)
{
	(void)order;
}

void __tsan_init(void);
void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller);
void __tsan_func_entry(void *caller)
{
	(void)caller;
}

void __tsan_func_exit(void);
void __tsan_func_exit(void)
{
}
