/* SPDX-License-Identifier: MIT */
#include "port.h"

#include <linux/membarrier.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

_Atomic unsigned port_forks;

static void count_fork(void)
{
	atomic_fetch_add_explicit(&port_forks, 1, memory_order_relaxed); /* no other thread here */
}

PORT_AT_LOAD static void watch_forks(void)
{
	pthread_atfork(NULL, NULL, count_fork);
}

/* Blocks what others send; a fault of the thread's own must find the client's handler. */
static void block_signals(sigset_t *before)
{
	static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
	sigset_t set;

	sigfillset(&set);
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		sigdelset(&set, own[i]);
	pthread_sigmask(SIG_SETMASK, &set, before);
}

int port_thread_start(pthread_t *thread, size_t stack_size, void *(*run)(void *), void *user)
{
	pthread_attr_t attributes;
	sigset_t before;
	int error = pthread_attr_init(&attributes);

	if (error)
		return error;
	if (stack_size)
		error = pthread_attr_setstacksize(&attributes, stack_size);
	if (!error) {
		block_signals(&before);
		error = pthread_create(thread, &attributes, run, user);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	pthread_attr_destroy(&attributes);
	return error;
}

void port_nap_until(int64_t deadline_ns)
{
	_Atomic uint32_t nobody = 0;

	while (port_sleep(&nobody, 0, deadline_ns))
		;
}

#if PORT_TSAN
/* ThreadSanitizer can follow pthread_tryjoin_np(), but not pthread_clockjoin_np(). */
bool port_join_until(pthread_t thread, int64_t deadline_ns)
{
	while (pthread_tryjoin_np(thread, NULL)) {
		if (assay_remaining_ns(deadline_ns) <= 0)
			return false;
		port_nap_until(assay_deadline_ns(500000));
	}
	return true;
}
#else
bool port_join_until(pthread_t thread, int64_t deadline_ns)
{
	struct timespec deadline = port_timespec(deadline_ns);

	return pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &deadline) == 0;
}
#endif

bool port_watch_exit(_Atomic bool *is_watched, void (*function)(void))
{
	/* relaxed: nothing is read by it */
	if (atomic_load_explicit(is_watched, memory_order_relaxed))
		return true;
	if (atexit(function))
		return false;
	atomic_store_explicit(is_watched, true, memory_order_relaxed);
	return true;
}

static int membarrier(int command)
{
	return (int)syscall(SYS_membarrier, command, 0, 0);
}

bool port_can_be_lopsided(void)
{
	return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0 &&
	       membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0;
}

/* Until what running threads stored before is visible: a processor empties its store buffer within
 * microseconds, and at once when it is interrupted. A bound of this kind, for the order of x86 (TSO):
 * A. Morrison, Y. Afek, *Temporally bounding TSO for fence-free asymmetric synchronization*, ASPLOS
 * 2015. Elsewhere, and for this 1 ms, there is experience and no proof. */
PORT_RARE static void await_stores(void)
{
	port_nap_until(assay_deadline_ns(1000000));
}

void port_fence_heavy(bool lopsided)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (!lopsided || membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0)
		return;
	/* The registration was lost, or memory is short for a moment, or the program forbade itself
	 * the call (seccomp) after port_can_be_lopsided(): then the others have no fences still. */
	membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
	if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0)
		await_stores();
}

void port_discard(void *memory, size_t size)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t first = ((uintptr_t)memory + page - 1) & ~(page - 1);
	uintptr_t end = ((uintptr_t)memory + size) & ~(page - 1);

	if (first < end) /* a refusal is no loss */
		madvise((void *)first, end - first, MADV_DONTNEED);
}
