/* SPDX-License-Identifier: MIT */
/*
 * assay/backend.h - for those who write a backend.
 *
 * A backend is a shared object that exports one symbol:
 *
 *	const struct assay_backend assay_backend = {
 *		.abi = ASSAY_ABI,
 *		.name = "my_pool",
 *		.summary = "one queue, one lock",
 *		.capabilities = ASSAY_CAP_SHARED_MEMORY | ASSAY_CAP_FUNCTION_POINTERS | ...,
 *		.argument_limit = 1 << 30,
 *		.result_limit = 1 << 30,
 *		.create = my_pool_create,
 *		.extension = assay_default_extension,
 *	};
 *
 * In C++17, which has no designated initializers, the same values in the order of the struct.
 *
 * Its executor objects begin with struct assay_executor, its futures with struct assay_future; the
 * tables are in assay/executor.h. The functions below are complete table entries for backends that
 * have nothing better. Link with -Wl,-z,nodelete if threads of yours may outlive the last executor.
 * The labels are those of assay/executor.h.
 */
#ifndef ASSAY_BACKEND_H
#define ASSAY_BACKEND_H

#include <assay/executor.h>

#include <pthread.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* No extensions. */
static inline const void *assay_default_extension(const char *name)
{
	(void)name;
	return NULL;
}

/* Waiting threads only wait. */
static inline bool assay_default_helps(assay_future *future)
{
	(void)future;
	return false;
}

/* `submit_many` as a loop over `submit`. */
static inline int assay_default_submit_many(assay_executor *executor,
					    const struct assay_task *tasks, size_t count,
					    assay_future **futures, size_t *accepted)
{
	for (size_t i = 0; i < count; i++) {
		int error =
			executor->ops->submit(executor, &tasks[i], futures ? &futures[i] : NULL);

		*accepted = i + !error;
		if (error)
			return error;
	}
	return ASSAY_OK;
}

/* The monotonic moment timeout_ns from now, saturating, for a condition variable on
 * CLOCK_MONOTONIC. */
static inline struct timespec assay_deadline(int64_t timeout_ns)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (timeout_ns > 0) {
		int64_t sum = now.tv_nsec + timeout_ns % 1000000000;

		now.tv_nsec = (long)(sum % 1000000000);
		now.tv_sec += (time_t)(timeout_ns / 1000000000 + sum / 1000000000);
	}
	return now;
}

struct assay_default_sleeper {
	pthread_mutex_t mutex;
	pthread_cond_t condition;
	bool woken; /* under mutex; the setter's last touch of the sleeper */
};

static inline void assay_default_wake(struct assay_signal *signal)
{
	struct assay_default_sleeper *sleeper = (struct assay_default_sleeper *)signal->sleeper;

	pthread_mutex_lock(&sleeper->mutex);
	sleeper->woken = true;
	pthread_cond_signal(&sleeper->condition);
	pthread_mutex_unlock(&sleeper->mutex);
}

/* `park` on a condition variable. */
static inline int assay_default_park(assay_future *future, struct assay_signal *signal,
				     int64_t timeout_ns)
{
	struct assay_default_sleeper sleeper;
	pthread_condattr_t attributes;
	struct timespec deadline = assay_deadline(timeout_ns);
	uint32_t expected = ASSAY_SIGNAL_CLEAR;
	bool timed_out = false;

	(void)future;
	if (timeout_ns <= 0) /* G1 */
		return __atomic_load_n(&signal->state, __ATOMIC_ACQUIRE) == ASSAY_SIGNAL_SET
			       ? ASSAY_OK
			       : ASSAY_ETIMEDOUT;
	pthread_mutex_init(&sleeper.mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&sleeper.condition, &attributes);
	pthread_condattr_destroy(&attributes);
	sleeper.woken = false;
	signal->wake = assay_default_wake;
	signal->sleeper = &sleeper;
	if (__atomic_compare_exchange_n(&signal->state, &expected, ASSAY_SIGNAL_PARKED, false,
					__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) { /* G2 G1 */
		pthread_mutex_lock(&sleeper.mutex);
		while (!sleeper.woken && !timed_out) {
			if (timeout_ns == ASSAY_FOREVER)
				pthread_cond_wait(&sleeper.condition, &sleeper.mutex);
			else
				timed_out = pthread_cond_timedwait(&sleeper.condition,
								   &sleeper.mutex, &deadline) != 0;
		}
		expected = ASSAY_SIGNAL_PARKED;
		/* If the signal is set by now, its setter will come for the sleeper: let it finish.
		 */
		if (!sleeper.woken &&
		    !__atomic_compare_exchange_n(&signal->state, &expected, ASSAY_SIGNAL_CLEAR,
						 false, __ATOMIC_ACQ_REL, /* G2 G1 */
						 __ATOMIC_ACQUIRE))
			while (!sleeper.woken)
				pthread_cond_wait(&sleeper.condition, &sleeper.mutex);
		timed_out = !sleeper.woken;
		pthread_mutex_unlock(&sleeper.mutex);
	}
	pthread_cond_destroy(&sleeper.condition);
	pthread_mutex_destroy(&sleeper.mutex);
	return timed_out ? ASSAY_ETIMEDOUT : ASSAY_OK;
}

#ifdef __cplusplus
}
#endif

#endif
