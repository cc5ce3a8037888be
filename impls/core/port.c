/* SPDX-License-Identifier: MIT */
#include "port.h"

#include <signal.h>

int port_thread_start(pthread_t *thread, size_t stack_size, void *(*run)(void *), void *user)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	int error = pthread_attr_init(&attributes);

	if (error)
		return error;
	if (stack_size)
		error = pthread_attr_setstacksize(&attributes, stack_size);
	if (!error) {
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &before);
		error = pthread_create(thread, &attributes, run, user);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	pthread_attr_destroy(&attributes);
	return error;
}
