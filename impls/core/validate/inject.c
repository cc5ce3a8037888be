/* SPDX-License-Identifier: MIT */
#include "inject.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

atomic_int inject_calls;
atomic_int inject_at;
atomic_bool inject_on;
int inject_variant;

static bool fails(void)
{
	int at = inject_at, call = ++inject_calls;

	return at && (call == at || (inject_on && call > at));
}

/* The program's own definitions stand before the C library's, also for the backend it loads. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static bool out_of_memory(void)
{
	bool out = fails();

	if (out)
		errno = ENOMEM; /* the C library itself relies on it */
	return out;
}

void *malloc(size_t size)
{
	return out_of_memory() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return out_of_memory() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
	return out_of_memory() ? NULL : __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return out_of_memory() ? NULL : __libc_memalign(alignment, size);
}

typedef int create_function(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
		   void *user)
{
	static create_function *create;

	if (!create)
		*(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
	return fails() ? EAGAIN : create(thread, attributes, run, user);
}

static void on_alarm(int signal)
{
	static const char text[] = "hang\n";

	(void)signal;
	if (write(2, text, sizeof text - 1) < 0)
		_exit(3);
	abort();
}

const struct assay_backend *inject_open(int argc, char **argv)
{
	const struct assay_backend *backend;
	char message[512];

	if (argc != 2) {
		fprintf(stderr, "usage: %s BACKEND.so\n", argv[0]);
		exit(2);
	}
	if (assay_backend_open(argv[1], &backend, message, sizeof message)) {
		fprintf(stderr, "%s: %s\n", argv[0], message);
		exit(2);
	}
	signal(SIGALRM, on_alarm);
	return backend;
}

void inject_die(const char *what, int error)
{
	fprintf(stderr, "variant %d, call %d %s: %s: %s\n", inject_variant, inject_at,
		inject_on ? "and all after it" : "alone", what, assay_error_name(error));
	abort();
}

bool inject_made(int error)
{
	return error == ASSAY_ENOMEM || error == ASSAY_ERESOURCE || error == ASSAY_EBROKEN;
}

static void quiet(void *user, enum assay_severity severity, const char *message)
{
	(void)user;
	(void)severity;
	(void)message;
}

bool inject_create(const struct assay_backend *backend, struct assay_config config,
		   assay_executor **executor)
{
	int error;

	config.log = quiet;
	error = assay_executor_create(backend, &config, executor);
	if (error && !inject_made(error))
		inject_die("create", error);
	return !error;
}

void inject_end(assay_executor *executor)
{
	struct assay_statistics now;
	int error = assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT);

	if (error)
		inject_die("shutdown", error);
	assay_executor_statistics(executor, &now);
	if (now.submitted != now.finished + now.cancelled + now.broken)
		inject_die("a task was lost", 0);
	error = assay_executor_destroy(executor);
	if (error)
		inject_die("destroy", error);
}
