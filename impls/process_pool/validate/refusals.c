/* SPDX-License-Identifier: MIT */
/*
 * Fails each call to the system of a scenario in turn, once and from then on, in the client and in
 * the helper alike: every call must answer with an error of the closed set, every accepted task must
 * end, and nothing may crash, hang or be left. Usage: refusals BACKEND.so
 */
#include "asleep.h"
#include "../../core/validate/limit.h"

#include <assay/load.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 2
#define TASKS 6
#define LONG 100000 /* bytes */

/* Shared with the helper. */
static struct {
	atomic_int calls;      /* that could have failed so far */
	atomic_int fail_at;    /* the one that does; 0: none */
	atomic_bool fail_on;   /* and all that follow */
	atomic_int forks;      /* of this scenario that succeeded */
	atomic_int failed[16]; /* by kind, to see that each was reached */
	atomic_bool is_open;   /* tasks that wait may end */
} * plan;

enum kind { MEMORY, THREAD, FORK, MEMFD, TRUNCATE, SEAL, MAP, ADVISE, SOCKETS, PIDFD, KINDS };

static const char *const kinds[KINDS] = {"malloc",     "pthread_create", "fork", "memfd_create",
					 "ftruncate",  "fcntl",          "mmap", "madvise",
					 "socketpair", "pidfd_open"};

static atomic_long blocks; /* of memory that this process has */
static pid_t client;
static int failing; /* the call of this scenario, for messages */

static bool fails(enum kind kind, int error)
{
	int at, call;

	if (!plan)
		return false;
	at = plan->fail_at;
	call = ++plan->calls;
	if (!at || (call != at && !(plan->fail_on && call > at)))
		return false;
	plan->failed[kind]++;
	errno = error;
	return true;
}

static void *next_definition(const char *name)
{
	void *symbol = dlsym(RTLD_NEXT, name);

	if (!symbol)
		abort();
	return symbol;
}

#define NEXT(type, name)   \
	static type *next; \
	if (!next)         \
	*(void **)&next = next_definition(name)

/* The program's own definitions stand before the C library's, also for the backend it loads. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

static void *counted(void *memory)
{
	blocks += memory != NULL;
	return memory;
}

void *malloc(size_t size)
{
	return fails(MEMORY, ENOMEM) ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
	return fails(MEMORY, ENOMEM) ? NULL : counted(__libc_calloc(count, size));
}

void *realloc(void *memory, size_t size)
{
	if (fails(MEMORY, ENOMEM))
		return NULL;
	return memory ? __libc_realloc(memory, size) : counted(__libc_malloc(size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return fails(MEMORY, ENOMEM) ? NULL : counted(__libc_memalign(alignment, size));
}

void free(void *memory)
{
	blocks -= memory != NULL;
	__libc_free(memory);
}

typedef int create_function(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
		   void *user)
{
	NEXT(create_function, "pthread_create");
	return fails(THREAD, EAGAIN) ? EAGAIN : next(thread, attributes, run, user);
}

typedef pid_t fork_function(void);

pid_t fork(void)
{
	NEXT(fork_function, "fork");
	pid_t child = fails(FORK, EAGAIN) ? -1 : next();

	if (plan && child > 0)
		plan->forks++;
	return child;
}

typedef int memfd_function(const char *, unsigned);

int memfd_create(const char *name, unsigned flags)
{
	NEXT(memfd_function, "memfd_create");
	return fails(MEMFD, EMFILE) ? -1 : next(name, flags);
}

typedef int truncate_function(int, off_t);

int ftruncate(int descriptor, off_t size)
{
	NEXT(truncate_function, "ftruncate");
	return fails(TRUNCATE, EFBIG) ? -1 : next(descriptor, size);
}

typedef int fcntl_function(int, int, ...);

int fcntl(int descriptor, int command, ...)
{
	NEXT(fcntl_function, "fcntl");
	va_list arguments;
	long argument;

	va_start(arguments, command);
	argument = va_arg(arguments, long);
	va_end(arguments);
	return fails(SEAL, EPERM) ? -1 : next(descriptor, command, argument);
}

typedef void *map_function(void *, size_t, int, int, int, off_t);

void *mmap(void *address, size_t size, int protection, int flags, int descriptor, off_t offset)
{
	NEXT(map_function, "mmap");
	return fails(MAP, ENOMEM) ? MAP_FAILED
				  : next(address, size, protection, flags, descriptor, offset);
}

typedef int advise_function(void *, size_t, int);

static atomic_bool refuse_advice; /* the next time, in this process */

int madvise(void *address, size_t size, int advice)
{
	NEXT(advise_function, "madvise");
	if (refuse_advice) {
		refuse_advice = false;
		errno = ENOMEM;
		return -1;
	}
	return fails(ADVISE, ENOMEM) ? -1 : next(address, size, advice);
}

typedef int sockets_function(int, int, int, int *);

static bool has_bystander; /* another thread forks just then */
static pid_t bystander;

int socketpair(int domain, int type, int protocol, int sockets[2])
{
	NEXT(sockets_function, "socketpair");
	int error = fails(SOCKETS, ENFILE) ? -1 : next(domain, type, protocol, sockets);

	bystander = has_bystander ? fork() : 0;
	if (has_bystander && bystander == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return error;
}

typedef long system_function(long, ...);

long syscall(long number, ...)
{
	NEXT(system_function, "syscall");
	va_list list;
	long a[6];

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_pidfd_open && has_bystander && getpid() != client)
		_exit(1);
	if (number == SYS_pidfd_open && fails(PIDFD, EMFILE)) {
		/* The worst moment: the helper has started all it was to start. */
		while (getpid() == client && !plan->fail_on && plan->forks < 1 + WORKERS)
			sched_yield();
		errno = EMFILE;
		return -1;
	}
	return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void die(const char *what, int error)
{
	fprintf(stderr, "call %d %s: %s: %s\n", failing,
		plan->fail_on ? "and all after it" : "alone", what, assay_error_name(error));
	abort();
}

static void on_alarm(int signal)
{
	(void)signal;
	fprintf(stderr, "call %d %s: hang\n", failing,
		plan->fail_on ? "and all after it" : "alone");
	abort();
}

/* The errors that a refused call may become. */
static bool is_resource(int error)
{
	return error == ASSAY_ENOMEM || error == ASSAY_ERESOURCE || error == ASSAY_EBROKEN ||
	       error == ASSAY_EUNSUPPORTED;
}

static int echo(assay_call *call)
{
	if (call->argument_size == 1)
		return assay_fail(call, 5, "a failure with words");
	if (call->argument_size == 2)
		_exit(3);
	return assay_return(call, call->argument, call->argument_size);
}

static void count_callback(assay_future *future, void *user)
{
	(void)future;
	++*(atomic_int *)user;
}

static void check_outcome(assay_future *future, size_t size)
{
	struct assay_outcome outcome;
	int error = assay_future_outcome(future, ASSAY_FOREVER, &outcome);

	if (error)
		die("outcome", error);
	if (is_resource(outcome.error))
		return;
	if (size == 1   ? outcome.error != ASSAY_EFAILED || outcome.code != 5
	    : size == 2 ? outcome.error != ASSAY_EDIED || outcome.code != 256 + 3
			: outcome.error || outcome.result_size != size)
		die("wrong outcome", outcome.error);
}

static void submit_all(assay_executor *executor)
{
	static const size_t sizes[TASKS] = {8, 1, 150, 2, LONG, 30};
	static char bytes[LONG];
	static atomic_int called;
	int expected = 0;

	called = 0;
	for (int i = 0; i < TASKS; i++) {
		struct assay_task task = {echo, NULL, bytes, sizes[i]};
		assay_future *future;
		int error = assay_submit(executor, &task, &future);

		if (error && !is_resource(error))
			die("submit", error);
		if (error)
			continue;
		error = assay_future_add_done_callback(future, count_callback, &called);
		if (error && error != ASSAY_ENOMEM)
			die("add_done_callback", error);
		expected += !error;
		check_outcome(future, sizes[i]);
		assay_future_release(future);
	}
	while (called != expected) /* the last callback may still be on its way */
		sched_yield();
}

static void quiet(void *user, enum assay_severity severity, const char *message)
{
	(void)user;
	(void)severity;
	(void)message;
}

static void scenario(const struct assay_backend *backend)
{
	struct assay_config config = assay_config_default();
	struct assay_statistics now;
	assay_executor *executor;
	long blocks_before = blocks;
	int error;

	config.workers = WORKERS;
	config.on_worker_death = ASSAY_DEATH_FAILS_TASK;
	config.log = quiet;
	error = assay_executor_create(backend, &config, &executor);
	if (error && !is_resource(error))
		die("create", error);
	if (error && blocks != blocks_before)
		die("create left memory", error);
	if (error)
		return;
	submit_all(executor);
	error = assay_executor_shutdown(executor, ASSAY_SHUTDOWN_WAIT);
	if (error)
		die("shutdown", error);
	assay_executor_statistics(executor, &now);
	if (now.submitted != now.finished + now.cancelled + now.broken)
		die("a task was lost", 0);
	error = assay_executor_destroy(executor);
	if (error)
		die("destroy", error);
}

static int count_entries(const char *path)
{
	DIR *directory = opendir(path);
	int count = 0;

	while (directory && readdir(directory))
		count++;
	if (directory)
		closedir(directory);
	return count;
}

static int count_mappings(void)
{
	FILE *file = fopen("/proc/self/maps", "r");
	char line[512];
	int count = 0;

	while (file && fgets(line, sizeof line, file))
		count += strstr(line, "assay process pool") != NULL;
	if (file)
		fclose(file);
	return count;
}

/* Who loses its parent would become a child of this process. */
static void check_nothing_left(int descriptors, int threads)
{
	plan->fail_at = 0;
	if (waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD)
		die("a process is left", 0);
	if (count_entries("/proc/self/fd") != descriptors)
		die("a descriptor is left", 0);
	/* A thread that was joined may be seen for a moment; another one for ever (on_alarm). */
	while (count_entries("/proc/self/task") > threads)
		sched_yield();
	if (count_mappings())
		die("a mapping is left", 0);
}

/* Returns how many calls failed. */
static int sweep(const struct assay_backend *backend, int descriptors, int threads)
{
	int points = 0;

	for (int on = 0; on < 2; on++) {
		plan->fail_on = on;
		for (int at = 1;; at++) {
			bool reached;

			limit_time(20);
			plan->calls = 0;
			plan->forks = 0;
			plan->fail_at = failing = at;
			scenario(backend);
			reached = plan->calls >= at;
			check_nothing_left(descriptors, threads);
			points += reached;
			if (!reached)
				break;
		}
	}
	return points;
}

/* The helper dies before it says anything, and another process has its end of the socket. */
static void check_silence(const struct assay_backend *backend)
{
	struct assay_config config = assay_config_default();
	assay_executor *executor;
	int error;

	limit_time(20);
	has_bystander = true;
	error = assay_executor_create(backend, &config, &executor);
	has_bystander = false;
	if (error != ASSAY_ERESOURCE)
		die("a helper that died", error);
	kill(bystander, SIGKILL);
	waitpid(bystander, NULL, 0);
}

/*
 * Two submitters wait for room. A task starts, one of them is woken, and gets no memory: the other is
 * not to sleep on. There is none for the ring, of which a page has room for so many entries.
 */
#define PAGE_OF_RING 512

static int wait_for_all(assay_call *call)
{
	(void)call;
	while (!plan->is_open)
		sched_yield();
	return ASSAY_OK;
}

struct submitter {
	pthread_t thread;
	assay_executor *executor;
	atomic_int tid;
	int error;
};

static int submit_one(assay_executor *executor)
{
	return assay_submit(executor, &(struct assay_task){.function = wait_for_all}, NULL);
}

static void *submit_late(void *user)
{
	struct submitter *submitter = user;

	submitter->tid = gettid();
	submitter->error = submit_one(submitter->executor);
	return NULL;
}

static void check_room(const struct assay_backend *backend)
{
	struct assay_config config = assay_config_default();
	struct submitter submitters[2] = {0};
	struct assay_statistics now;
	assay_executor *executor;
	int error;

	limit_time(20);
	config.workers = 1;
	config.queue_capacity = 1;
	error = assay_executor_create(backend, &config, &executor);
	if (error)
		die("create", error);
	plan->is_open = true;
	for (int i = 0; i < PAGE_OF_RING - 2 && !error; i++)
		error = submit_one(executor);
	do
		assay_executor_statistics(executor, &now);
	while (now.finished < PAGE_OF_RING - 2);
	plan->is_open = false;
	for (int i = 0; i < 2 && !error; i++) /* one runs, one is pending */
		error = submit_one(executor);
	if (error)
		die("a bounded queue", error);
	for (int i = 0; i < 2; i++) {
		submitters[i].executor = executor;
		pthread_create(&submitters[i].thread, NULL, submit_late, &submitters[i]);
		await_sleep(&submitters[i].tid);
	}
	refuse_advice = true;
	plan->is_open = true;
	for (int i = 0; i < 2; i++)
		pthread_join(submitters[i].thread, NULL);
	if (refuse_advice || submitters[0].error + submitters[1].error != ASSAY_ENOMEM)
		die("the ring has room without memory", submitters[0].error);
	assay_executor_destroy(executor);
}

int main(int argc, char **argv)
{
	const struct assay_backend *backend;
	int points, descriptors, threads;
	char message[512];

	if (argc != 2 || assay_backend_open(argv[1], &backend, message, sizeof message)) {
		fprintf(stderr, "%s\n", argc == 2 ? message : "usage: refusals BACKEND.so");
		return 2;
	}
	client = getpid();
	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		perror("refusals: processes that lose their parent are not seen");
	signal(SIGALRM, on_alarm);
	plan = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	scenario(backend); /* what stays for ever is there */
	descriptors = count_entries("/proc/self/fd");
	threads = count_entries("/proc/self/task");
	points = sweep(backend, descriptors, threads);
	check_silence(backend);
	check_room(backend);
	for (int i = 0; i < KINDS; i++) {
		printf("%s%s %d", i ? ", " : "", kinds[i], plan->failed[i]);
		if (!plan->failed[i]) {
			fprintf(stderr, "refusals: no call of %s was refused\n", kinds[i]);
			return 1;
		}
	}
	printf("\n%s: %d calls failed in turn, nothing was lost or left\n", backend->name, points);
	return 0;
}
