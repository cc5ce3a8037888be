/* SPDX-License-Identifier: MIT */
/* The labels are those of validate.h. */
#include "validate.h"
#include "limit.h"

#include <inttypes.h>
#include <limits.h>
#include <signal.h>

#define CHECKED (PORT_ASAN || PORT_TSAN)

static void hang(int number)
{
	static const char text[] = "hangs: somebody sleeps and nobody will wake it\n";

	(void)number;
	_exit(write(STDERR_FILENO, text, sizeof text - 1) < 0 ? 2 : 1);
}

void validate_expect_end(unsigned seconds)
{
	signal(SIGALRM, hang);
	limit_time(CHECKED ? 3 * seconds : seconds);
}

int validate_rounds(int count)
{
	return CHECKED ? count / 5 + 1 : count;
}

int validate_destructor_rounds(void)
{
	return CHECKED ? PTHREAD_DESTRUCTOR_ITERATIONS - 1 : PTHREAD_DESTRUCTOR_ITERATIONS;
}

void validate_start(pthread_t *thread, void *(*run)(void *), void *user)
{
	int error = port_thread_start(thread, 0, run, user);

	if (error) {
		fprintf(stderr, "cannot start a thread: error %d\n", error);
		exit(2);
	}
}

void validate_join(pthread_t thread)
{
	MUST(pthread_join(thread, NULL) == 0);
}

struct validate_thread validate_thread(pid_t id)
{
	struct validate_thread thread = {0};
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof path, "/proc/self/task/%d/status", (int)id);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof line, file)) {
		sscanf(line, "State: %c", &thread.state);
		sscanf(line, "voluntary_ctxt_switches: %" SCNu64, &thread.sleeps);
		sscanf(line, "nonvoluntary_ctxt_switches: %" SCNu64, &thread.preempted);
	}
	if (file)
		fclose(file);
	return thread;
}

void validate_await_sleep(pid_t thread)
{
	while (validate_thread(thread).state != 'S')
		sched_yield();
}

void validate_meet(struct meeting *meeting)
{
	/* relaxed, as the store to arrived: no other round begins before V2 */
	uint32_t round = atomic_load_explicit(&meeting->round, memory_order_relaxed);
	unsigned step = 0;

	if (atomic_fetch_add_explicit(&meeting->arrived, 1, memory_order_acq_rel) + 1 == /* V1 */
	    meeting->count) {
		atomic_store_explicit(&meeting->arrived, 0, memory_order_relaxed);
		atomic_store_explicit(&meeting->round, round + 1, memory_order_release); /* V2 */
		port_wake(&meeting->round, INT_MAX);
		return;
	}
	/* Awake if it can be, so that all go on at the same time; who waits long leaves the processor
	 * to who is awaited. */
	while (atomic_load_explicit(&meeting->round, memory_order_acquire) == round) /* V2 */
		if (step < 128)
			port_backoff(&step);
		else
			port_sleep(&meeting->round, round, ASSAY_FOREVER);
}
