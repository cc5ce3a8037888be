/* SPDX-License-Identifier: MIT */
#include "thread.h"

#include <stdlib.h>

/* A number that somebody has, or had. */
struct number {
	struct number *next_free;
	uint32_t value;
};

_Thread_local uint32_t thread_own_number = THREAD_UNNUMBERED;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* first_free and next_value */
static struct number *first_free;
static uint32_t next_value;
static pthread_key_t key; /* its destructor gives the number back when the thread ends */
static bool key_exists;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void give_back(void *user)
{
	struct number *number = user;

	thread_own_number = THREAD_UNNUMBERED;
	pthread_mutex_lock(&mutex);
	number->next_free = first_free;
	first_free = number;
	pthread_mutex_unlock(&mutex);
}

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

static void create_key(void)
{
	key_exists = pthread_key_create(&key, give_back) == 0;
}

uint32_t thread_number_slow(void)
{
	struct number *number;

	pthread_once(&once, create_key);
	if (!key_exists) /* it could not be given back */
		return THREAD_UNNUMBERED;
	pthread_mutex_lock(&mutex);
	number = first_free;
	if (number)
		first_free = number->next_free;
	pthread_mutex_unlock(&mutex);
	if (!number) {
		number = malloc(sizeof *number);
		if (!number)
			return THREAD_UNNUMBERED;
		pthread_mutex_lock(&mutex);
		number->value = next_value++;
		pthread_mutex_unlock(&mutex);
	}
	if (pthread_setspecific(key, number)) {
		give_back(number);
		return THREAD_UNNUMBERED;
	}
	thread_own_number = number->value;
	return number->value;
}
