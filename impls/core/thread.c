/* SPDX-License-Identifier: MIT */
#include "thread.h"

#include <stdlib.h>

_Thread_local uint32_t thread_own_number = THREAD_UNNUMBERED;
static _Thread_local bool over;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* all below */
static struct thread_number *first_free;
static uint32_t next_value;
static pthread_key_t key; /* its destructor gives the number back when the thread ends */
static bool key_exists;

static void lock(void)
{
	pthread_mutex_lock(&mutex);
}

static void unlock(void)
{
	pthread_mutex_unlock(&mutex);
}

/* A child finds the list whole, whatever other threads are doing. */
PORT_AT_LOAD static void watch_forks(void)
{
	pthread_atfork(lock, unlock, unlock);
}

bool thread_is_over(void)
{
	return over;
}

struct thread_number *thread_borrow(void)
{
	struct thread_number *number;

	lock();
	number = first_free;
	if (number)
		first_free = number->next_free;
	unlock();
	if (number)
		return number;
	number = malloc(sizeof *number); /* not under the lock: fork takes it, too */
	if (number) {
		lock();
		number->value = next_value++;
		unlock();
	}
	return number;
}

void thread_give_back(struct thread_number *number)
{
	lock();
	number->next_free = first_free;
	first_free = number;
	unlock();
}

/* What was set after this round of destructors might never be given back. */
static void end(void *number)
{
	over = true;
	thread_own_number = THREAD_UNNUMBERED;
	thread_give_back(number);
}

/* Asked again where there was none: a program may delete some of its own. */
static bool has_key(void)
{
	bool exists;

	lock();
	key_exists = key_exists || pthread_key_create(&key, end) == 0;
	exists = key_exists;
	unlock();
	return exists;
}

uint32_t thread_number_slow(void)
{
	struct thread_number *number;

	if (over || !has_key()) /* it could not be given back */
		return THREAD_UNNUMBERED;
	number = thread_borrow();
	if (!number)
		return THREAD_UNNUMBERED;
	if (pthread_setspecific(key, number)) {
		thread_give_back(number);
		return THREAD_UNNUMBERED;
	}
	thread_own_number = number->value;
	return number->value;
}
