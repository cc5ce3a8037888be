/* SPDX-License-Identifier: MIT */
/*
 * Tasks that write where they must not, limits that would be signals, memory that a child reads after
 * its parent has let go of it, what workers have of the client, and the death of the helper.
 * Usage: intruder BACKEND.so
 */
#include "view.h"
#include "../../core/validate/limit.h"

#include <assay/load.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONG ((size_t)100000) /* bytes */

static const struct assay_backend *backend;

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "intruder: %s\n", what);
	abort();
}

static void quiet(void *user, enum assay_severity severity, const char *message)
{
	(void)user;
	(void)severity;
	(void)message;
}

static int try_create(assay_executor **executor)
{
	struct assay_config config = assay_config_default();

	config.workers = 1;
	config.on_worker_death = ASSAY_DEATH_BREAKS;
	config.log = quiet;
	return assay_executor_create(backend, &config, executor);
}

static assay_executor *create(void)
{
	assay_executor *executor;

	require(try_create(&executor) == ASSAY_OK, "create");
	return executor;
}

static assay_future *submit(assay_executor *executor, assay_function *function,
			    const void *argument, size_t size)
{
	struct assay_task task = {function, NULL, argument, size};
	assay_future *future;

	require(assay_submit(executor, &task, &future) == ASSAY_OK, "submit");
	return future;
}

static int error_of(assay_future *future)
{
	struct assay_outcome outcome;

	require(assay_future_outcome(future, ASSAY_FOREVER, &outcome) == ASSAY_OK, "outcome");
	assay_future_release(future);
	return outcome.error;
}

static int claim_pid(assay_call *call)
{
	find_lane()->pid = *(const pid_t *)call->argument;
	return ASSAY_OK;
}

static void the_helper_kills_its_own(void)
{
	assay_executor *executor = create();
	pid_t victim = fork();

	if (victim == 0)
		for (;;)
			pause();
	require(error_of(submit(executor, claim_pid, &victim, sizeof victim)) == ASSAY_OK, "task");
	assay_executor_shutdown(executor, ASSAY_SHUTDOWN_KILL | ASSAY_SHUTDOWN_WAIT);
	assay_executor_destroy(executor);
	require(waitpid(victim, NULL, WNOHANG) == 0, "a process of the client was killed");
	kill(victim, SIGKILL);
	waitpid(victim, NULL, 0);
}

static int spoil_lane(assay_call *call)
{
	struct lane *lane = find_lane();

	(void)call;
	lane->phase = LANE_ENDED + 5;
	lane->wanted = 1;
	return ASSAY_OK;
}

static void the_helper_leaves_in_the_end(void)
{
	assay_executor *executor = create();

	require(error_of(submit(executor, spoil_lane, NULL, 0)) == ASSAY_OK, "task");
	assay_executor_destroy(executor); /* waits */
}

static int fill_ring(assay_call *call)
{
	char *lanes = (char *)find_lane();

	memset(lanes + page_up(sizeof(struct lane)), 0xff, UNIT);
	**(atomic_bool *const *)call->argument = true;
	pause(); /* until it is killed */
	return ASSAY_OK;
}

static int nothing(assay_call *call)
{
	(void)call;
	return ASSAY_OK;
}

static void the_ring_is_not_believed(void)
{
	atomic_bool *filled =
		mmap(NULL, UNIT, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assay_executor *executor = create();
	assay_future *running = submit(executor, fill_ring, &filled, sizeof(atomic_bool *));
	assay_future *pending;

	while (!*filled)
		sched_yield();
	pending = submit(executor, nothing, NULL, 0); /* looks for free slots in the ring */
	assay_executor_shutdown(executor, ASSAY_SHUTDOWN_KILL);
	require(error_of(running) == ASSAY_EDIED, "a killed task");
	assay_future_release(pending);
	assay_executor_destroy(executor);
	munmap(filled, UNIT);
}

/* Where a pool's memory begins, and the line of its flags in smaps. */
static char *find_flags(char flags[256])
{
	FILE *file = fopen("/proc/self/smaps", "r");
	char line[256];
	unsigned long start = 0;

	while (file && fgets(line, sizeof line, file)) {
		if (strstr(line, "assay process pool"))
			start = strtoul(line, NULL, 16);
		if (start && strncmp(line, "VmFlags:", 8) == 0) {
			strcpy(flags, line);
			break;
		}
	}
	if (file)
		fclose(file);
	return (char *)start;
}

/* An emulator may say that it follows advice which it does not know. */
static bool advice_is_followed(void)
{
	int file = memfd_create("assay process pool", MFD_CLOEXEC);
	char flags[256] = "", *page;

	require(file >= 0 && ftruncate(file, 1) == 0, "memfd_create");
	page = mmap(NULL, 1, PROT_READ, MAP_SHARED, file, 0);
	require(page != MAP_FAILED && madvise(page, 1, MADV_DONTDUMP) == 0, "MADV_DONTDUMP");
	require(find_flags(flags) == page, "smaps");
	munmap(page, 1);
	close(file);
	return strstr(flags, " dd");
}

static void dumps_are_without_the_pool(void)
{
	assay_executor *executor;
	char flags[256] = "";

	if (!advice_is_followed()) {
		printf("dumps: this system ignores MADV_DONTDUMP\n");
		return;
	}
	executor = create();
	require(find_flags(flags) && strstr(flags, " dd"), "a core dump would hold the arena");
	assay_executor_destroy(executor);
}

static void a_limit_is_an_error(void)
{
	int status;

	if (fork() == 0) {
		struct rlimit little = {1 << 20, 64 << 20}, more = {64 << 20, 64 << 20};
		assay_executor *executor;

		setrlimit(RLIMIT_FSIZE, &little);
		require(try_create(&executor) == ASSAY_ERESOURCE, "a limit of 1 MiB");
		setrlimit(RLIMIT_FSIZE, &more);
		require(try_create(&executor) == ASSAY_OK, "a limit of 64 MiB");
		assay_executor_destroy(executor);
		_exit(0);
	}
	require(wait(&status) > 0 && status == 0, "RLIMIT_FSIZE ended the client");
}

static int fill(assay_call *call)
{
	void *result;
	int error = assay_call_result(call, LONG, &result);

	if (!error)
		memset(result, 7, LONG);
	return error;
}

static bool is_filled(assay_future *future)
{
	struct assay_outcome outcome;

	if (assay_future_outcome(future, 0, &outcome) || outcome.result_size != LONG)
		return false;
	for (size_t i = 0; i < LONG; i++)
		if (((const unsigned char *)outcome.result)[i] != 7)
			return false;
	return true;
}

static void a_child_keeps_what_it_can_read(void)
{
	assay_executor *executor = create();
	assay_future *future = submit(executor, fill, NULL, 0);
	char *zeros = calloc(1, LONG), byte = 0;
	int gate[2], status;

	require(zeros && pipe(gate) == 0 && assay_future_wait(future, ASSAY_FOREVER) == ASSAY_OK,
		"setup");
	if (fork() == 0) {
		require(read(gate[0], &byte, 1) == 1 && is_filled(future), "a child's result");
		_exit(0);
	}
	assay_future_release(future);
	require(error_of(submit(executor, nothing, zeros, LONG)) == ASSAY_OK, "reuse");
	require(write(gate[1], &byte, 1) == 1 && wait(&status) > 0 && status == 0,
		"a result changed in a child");
	close(gate[0]);
	close(gate[1]);
	free(zeros);
	assay_executor_destroy(executor);
}

static int read_other(assay_call *call)
{
	struct assay_outcome outcome;

	return assay_future_outcome(*(assay_future *const *)call->argument, 0, &outcome) ==
			       ASSAY_EUNREACHABLE
		       ? ASSAY_OK
		       : 1;
}

static void another_pool_is_out_of_reach(void)
{
	assay_executor *executor = create(), *reader;
	assay_future *future = submit(executor, fill, NULL, 0);

	require(assay_future_wait(future, ASSAY_FOREVER) == ASSAY_OK, "fill");
	reader = create();
	require(error_of(submit(reader, read_other, &future, sizeof(assay_future *))) == ASSAY_OK,
		"a result of another pool");
	assay_executor_destroy(reader);
	assay_future_release(future);
	assay_executor_destroy(executor);
}

static int fork_and_end(assay_call *call)
{
	pid_t child = fork();

	(void)call;
	if (child == 0)
		pthread_exit(NULL);
	waitpid(child, NULL, 0);
	raise(SIGKILL); /* which is a crash, whatever the child did */
	return ASSAY_OK;
}

static void a_child_of_a_task_is_not_the_worker(void)
{
	assay_executor *executor = create();

	require(error_of(submit(executor, fork_and_end, NULL, 0)) == ASSAY_EBROKEN,
		"a death was taken for an exit");
	assay_executor_destroy(executor);
}

struct answers {
	assay_executor *_Atomic executor;
	atomic_int shutdown;
	atomic_int wait;
};

/* The contract forbids it: at least nothing hangs. */
static void shut_down(void *user, enum assay_severity severity, const char *message)
{
	struct answers *answers = user;

	(void)severity;
	(void)message;
	answers->shutdown = assay_executor_shutdown(answers->executor, 0);
	answers->wait = assay_executor_shutdown(answers->executor, ASSAY_SHUTDOWN_WAIT);
}

/* The pool's, to be kept open: the program's definition stands before the C library's. */
static bool keeps_memory;
static int memory;

int memfd_create(const char *name, unsigned flags)
{
	int descriptor = (int)syscall(SYS_memfd_create, name, flags);

	if (keeps_memory)
		memory = dup(descriptor);
	return descriptor;
}

static void nobody_resizes_the_memory(void)
{
	assay_executor *executor;
	struct stat status;
	int seals;

	keeps_memory = true;
	executor = create();
	keeps_memory = false;
	seals = fcntl(memory, F_GET_SEALS);
	require(seals >= 0 && seals & F_SEAL_SEAL, "seals that may be added to");
	require(ftruncate(memory, 0) && errno == EPERM, "memory that can be taken away");
	/* By little: beyond the limit of a file's size it would be a signal. */
	require(fstat(memory, &status) == 0, "fstat");
	require(ftruncate(memory, status.st_size + (off_t)UNIT) && errno == EPERM,
		"memory that can grow");
	require(error_of(submit(executor, nothing, NULL, 0)) == ASSAY_OK, "a sealed pool");
	assay_executor_destroy(executor);
	close(memory);
}

/* Fails with how many descriptors are not as they should be. */
static int check_descriptors(assay_call *call)
{
	int wrong = 0;
	char byte;

	(void)call;
	for (int i = 0; i < 1024; i++)
		wrong += (fcntl(i, F_GETFD) < 0) != (i > 2);
	return wrong + (read(STDIN_FILENO, &byte, 1) != 0);
}

static void workers_have_no_descriptors_of_the_client(void)
{
	int before = dup(STDIN_FILENO), input[2], others[2];
	assay_executor *executor;
	char byte = 'x';

	require(pipe(input) == 0 && pipe(others) == 0 && write(input[1], &byte, 1) == 1 &&
			dup2(input[0], STDIN_FILENO) == STDIN_FILENO,
		"setup");
	executor = create();
	require(error_of(submit(executor, check_descriptors, NULL, 0)) == ASSAY_OK,
		"descriptors of a worker");
	assay_executor_destroy(executor);
	byte = 0;
	require(read(STDIN_FILENO, &byte, 1) == 1 && byte == 'x', "the client's input was read");
	if (before >= 0)
		dup2(before, STDIN_FILENO);
	else
		close(STDIN_FILENO);
	close(before);
	for (int i = 0; i < 2; i++) {
		close(input[i]);
		close(others[i]);
	}
}

static int tell_parent(assay_call *call)
{
	pid_t parent = getppid();

	return assay_return(call, &parent, sizeof parent);
}

static int wait_for_ever(assay_call *call)
{
	(void)call;
	while (true)
		pause();
	return ASSAY_OK;
}

static void the_helper_takes_all_with_it(void)
{
	assay_executor *executor = create();
	assay_future *first = submit(executor, tell_parent, NULL, 0), *running, *pending;
	struct assay_task late = {.function = nothing};
	pid_t helper = 0;

	prctl(PR_SET_CHILD_SUBREAPER, 1); /* or nobody may wait for the worker */
	require(assay_future_result(first, ASSAY_FOREVER, &helper, sizeof helper) == ASSAY_OK &&
			helper != getpid(),
		"setup");
	assay_future_release(first);
	running = submit(executor, wait_for_ever, NULL, 0);
	pending = submit(executor, nothing, NULL, 0);
	require(kill(helper, SIGKILL) == 0, "kill");
	require(error_of(running) == ASSAY_EBROKEN, "a task without a helper");
	require(error_of(pending) == ASSAY_EBROKEN, "a pending task without a helper");
	require(assay_submit(executor, &late, NULL) == ASSAY_EBROKEN, "a late task");
	assay_executor_destroy(executor);
	require(waitpid(-1, NULL, 0) < 0 && errno == ECHILD, "a process is left");
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static int crash(assay_call *call)
{
	(void)call;
	raise(SIGKILL);
	return ASSAY_OK;
}

static void a_log_may_shut_down(void)
{
	struct assay_config config = assay_config_default();
	struct answers answers = {.shutdown = 1, .wait = 1};
	assay_executor *executor;

	config.workers = 1;
	config.log = shut_down;
	config.log_user = &answers;
	require(assay_executor_create(backend, &config, &executor) == ASSAY_OK, "create");
	answers.executor = executor;
	require(error_of(submit(executor, crash, NULL, 0)) == ASSAY_EBROKEN, "a crash");
	assay_executor_destroy(executor);
	require(answers.shutdown == ASSAY_OK && answers.wait == ASSAY_EDEADLOCK,
		"a shutdown where the pool logs");
}

int main(int argc, char **argv)
{
	char message[512];

	if (argc != 2 || assay_backend_open(argv[1], &backend, message, sizeof message)) {
		fprintf(stderr, "%s\n", argc == 2 ? message : "usage: intruder BACKEND.so");
		return 2;
	}
	limit_time(60);
	the_helper_kills_its_own();
	the_helper_leaves_in_the_end();
	the_ring_is_not_believed();
	dumps_are_without_the_pool();
	a_limit_is_an_error();
	a_child_keeps_what_it_can_read();
	another_pool_is_out_of_reach();
	a_child_of_a_task_is_not_the_worker();
	a_log_may_shut_down();
	nobody_resizes_the_memory();
	workers_have_no_descriptors_of_the_client();
	the_helper_takes_all_with_it();
	printf("%s: nothing of the client was hurt\n", backend->name);
	return 0;
}
