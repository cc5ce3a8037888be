/* SPDX-License-Identifier: MIT */
/*
 * The one door to <stdatomic.h>, fences, the kernel's sleep and thread start, for what thread backends
 * share. Around it go words of public headers, whose types are plain (of a signal, a watcher, a child
 * that was forked): __atomic_* reads and writes them where they are used. The clock is that of
 * assay/executor.h, locks are pthread's. What tries out orders stands in for each atomic access, not
 * for this file: see validate/stepper.h.
 */
#ifndef PORT_H
#define PORT_H

#include <assay/executor.h>

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What two threads write stays this far apart: the adjacent-line prefetcher pairs 64-byte lines. */
#define PORT_APART 128

/* Kept out of line, so that what happens always needs no frame for what happens seldom; or rarely. In line
 * where what happens always is one of several callers. */
#define PORT_OUTLINE __attribute__((noinline))
#define PORT_RARE __attribute__((noinline, cold))
#define PORT_INLINE __attribute__((always_inline))

/* The sanitizers that this is built with. */
#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define PORT_ASAN 1
#else
#define PORT_ASAN 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define PORT_TSAN 1
#else
#define PORT_TSAN 0
#endif

/* Runs when the backend is loaded. There belong the handlers of forks: the C library runs in a fork
 * those that were registered before it began, and a thread that makes the first executor meanwhile
 * would be too late with them for the child. */
#define PORT_AT_LOAD __attribute__((constructor))

/* A handler for pthread_cleanup_push() that calls functions of clients, which may end the thread once more.
 * clang has the program abort there, unless it takes that to be impossible; the stack is unwound all the same. */
#ifdef __clang__
#define PORT_CLEANUP __attribute__((nothrow))
#else
#define PORT_CLEANUP
#endif

/* Tells the core that this is a spin loop. */
static inline void port_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb" ::: "memory");
#endif
}

/* This record will be written soon: fetch its line now, for writing. A hint. */
static inline void port_prefetch(const void *address)
{
#if defined(__x86_64__)
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)address));
#else
	__builtin_prefetch(address, 1);
#endif
}

/*
 * Two fences for a lopsided meeting: of two threads each stores to its own word and then loads the
 * other's, and one of them at least must see the other's store. The frequent side has the light
 * fence, the rare side the heavy one. With `lopsided` the light one costs nothing, because the heavy
 * one makes every running thread of the process pass a barrier (membarrier(2)); without it both are
 * full fences. All who meet must agree on `lopsided`. The labels stand where they are called.
 */
static inline void port_fence_light(bool lopsided)
{
	if (__builtin_expect(lopsided, 1))
		atomic_signal_fence(memory_order_seq_cst);
	else
		atomic_thread_fence(memory_order_seq_cst);
}

void port_fence_heavy(bool lopsided);

/* Whether the kernel offers lopsided fences; prepares this process for them. */
bool port_can_be_lopsided(void);

/* What is in this memory is needed no more: the system may take whole pages of it back. They are zero
 * then; the memory stays allocated. */
void port_discard(void *memory, size_t size);

/* One step of waiting for a thread that is about to act: brief at first, then lets it run. */
static inline void port_backoff(unsigned *step)
{
	if ((*step)++ < 64)
		port_pause();
	else
		sched_yield();
}

/* A moment of the clock of assay/executor.h as the C library and the kernel take it. */
static inline struct timespec port_timespec(int64_t moment_ns)
{
	return (struct timespec){(time_t)(moment_ns / 1000000000), (long)(moment_ns % 1000000000)};
}

/*
 * Sleeps while *word is expected, until a port_wake() or the monotonic deadline. May return at any
 * time: the caller looks again. False: the deadline passed.
 */
static inline bool port_sleep(_Atomic uint32_t *word, uint32_t expected, int64_t deadline_ns)
{
	struct timespec deadline = port_timespec(deadline_ns);

	return syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected,
		       deadline_ns == ASSAY_FOREVER ? NULL : &deadline, NULL,
		       FUTEX_BITSET_MATCH_ANY) == 0 ||
	       errno != ETIMEDOUT;
}

/* Wakes up to count sleepers. The word may be gone already: then nobody, or somebody for nothing.
 */
static inline void port_wake(_Atomic uint32_t *word, int count)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

/* Has function called at exit; *is_watched, false at first, says that it will be. False without memory; then the
 * next call asks again. Two at once may have it called twice. */
bool port_watch_exit(_Atomic bool *is_watched, void (*function)(void));

/* How often the process was forked on the way to this one: what was created under another number has
 * no threads here. */
extern _Atomic unsigned port_forks;

/* Until the monotonic deadline. */
void port_nap_until(int64_t deadline_ns);

/* Starts a joinable thread. Signals that come from outside are blocked: they are the client's; those
 * that the thread itself causes are not. 0 or an errno value. */
int port_thread_start(pthread_t *thread, size_t stack_size, void *(*run)(void *), void *user);

/* Joins the thread; false: it has not ended by the monotonic deadline. */
bool port_join_until(pthread_t thread, int64_t deadline_ns);

#endif
