/* SPDX-License-Identifier: MIT */
/* Tasks that kill the worker process they run in. */
#ifndef DEATH_H
#define DEATH_H

#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MORTAL (ASSAY_CAP_SURVIVES_CRASH | ASSAY_CAP_ASYNCHRONOUS)

/* What a task that dies says before, and how it dies. */
struct last_words {
	int pid;
	uint32_t times; /* it has been run */
};

struct end {
	struct last_words *words;
	struct gate *gate; /* may be NULL */
	uint32_t times;    /* dies in the first so many runs; then returns how many those were */
	int signal;        /* 0: exits */
	int status;
	void (*by)(void); /* what sends the signal; NULL: kill() */
};

static inline int meet_end(assay_call *call)
{
	const struct end *end = call->argument;
	uint32_t times = __atomic_add_fetch(&end->words->times, 1, __ATOMIC_ACQ_REL);
	int survived = (int)times;
	sigset_t set;

	__atomic_store_n(&end->words->pid, getpid(), __ATOMIC_RELEASE);
	if (end->gate)
		gate_wait(end->gate);
	if (times > end->times)
		return assay_return(call, &survived, sizeof survived);
	if (!end->signal)
		_exit(end->status);
	signal(end->signal, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, end->signal);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	if (end->by)
		end->by();
	kill(getpid(), end->signal);
	pause();
	return ASSAY_OK;
}

static inline assay_future *submit_end(assay_executor *executor, const struct end *end)
{
	return submit_task(executor, meet_end, end, sizeof *end);
}

static inline assay_executor *executor_surviving(struct subject *s, int workers,
						 enum assay_on_worker_death policy, int retries)
{
	struct assay_config config = assay_config_default();

	config.workers = workers;
	config.on_worker_death = policy;
	config.retries = retries;
	return executor_with(s, &config);
}

/* The number stands in the text by itself, not as a part of another. */
static inline bool names_number(const char *text, int number)
{
	char digits[16];
	size_t length = (size_t)snprintf(digits, sizeof digits, "%d", number);

	for (const char *at = strstr(text, digits); at; at = strstr(at + 1, digits))
		if ((at == text || at[-1] < '0' || at[-1] > '9') &&
		    (at[length] < '0' || at[length] > '9'))
			return true;
	return false;
}

#endif
