/* SPDX-License-Identifier: MIT */
/*
 * A program that is forbidden membarrier(2), as by a sandbox: before it makes a pool, between that and
 * the first submit, or in the middle of its work; in the calling thread alone, or in all. Every task
 * runs, in and after a rest of the workers, and destroy returns. Each case is a process of its own,
 * since there is no way back. And what must be there before a barrier is seen in its place: K5 of park.h.
 */
#include <assay/fork_join.h>

#include "../worker.h"
#include "client.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define WORKERS 3
#define TASKS 30
#define SKIPPED 77 /* what ctest takes for neither good nor bad */

enum moment { BEFORE_CREATE, BEFORE_SUBMIT, AT_REST, MOMENTS };

static const char *const moments[] = {"before create", "before the first submit", "at rest"};

static _Atomic int ran;

/* From now on membarrier ends so in this thread and those that it starts, or in all there are. */
static bool forbid(uint32_t action, bool everywhere)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof filter / sizeof *filter, filter};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		       everywhere ? SECCOMP_FILTER_FLAG_TSYNC : 0, &program) == 0;
}

static int run_child(assay_call *call, void *frame)
{
	(void)call;
	(void)frame;
	atomic_fetch_add(&ran, 1);
	return ASSAY_OK;
}

static int run_last(assay_call *call)
{
	(void)call;
	atomic_fetch_add(&ran, 1);
	return ASSAY_OK;
}

/* Where workers steal from each other, run in place, and close under pushes, they meet by fences. */
static int run_task(assay_call *call)
{
	struct assay_fork children[2];
	assay_future *next = client_submit(call->executor, run_last, NULL, 0);

	for (int i = 0; i < 2; i++)
		assay_fork(call, &children[i], run_child, NULL);
	for (int i = 2; i-- > 0;)
		MUST(assay_join(call, &children[i]) == ASSAY_OK);
	client_finish(next);
	return run_last(call);
}

static void work(assay_executor *executor)
{
	assay_future *futures[TASKS];
	int before = atomic_load(&ran);

	for (int i = 0; i < TASKS; i++)
		futures[i] = client_submit(executor, run_task, NULL, 0);
	for (int i = 0; i < TASKS; i++)
		client_finish(futures[i]);
	MUST(atomic_load(&ran) == before + 4 * TASKS);
}

static void rest(assay_executor *executor)
{
	struct pool *pool = (struct pool *)executor;
	unsigned step = 0;

	while (park_sleepers(atomic_load(&pool->park.counts)) !=
	       (uint32_t)atomic_load(&pool->alive))
		port_backoff(&step);
}

/* In place of a barrier that is refused comes the time in which a store is seen by all. */
static void fence_in_vain(void)
{
	for (int i = 0; i < 10; i++) {
		int64_t begin_ns = assay_clock_ns();

		port_fence_heavy(true);
		MUST(assay_clock_ns() - begin_ns >= 1000000);
	}
}

static int run_case(enum moment moment, bool everywhere)
{
	struct assay_config config = assay_config_default();
	assay_executor *executor;

	config.workers = WORKERS;
	if (moment == BEFORE_CREATE && !forbid(SECCOMP_RET_ERRNO | EPERM, everywhere))
		return SKIPPED;
	MUST(assay_executor_create(&assay_backend, &config, &executor) == ASSAY_OK);
	if (moment == BEFORE_SUBMIT && !forbid(SECCOMP_RET_ERRNO | EPERM, everywhere))
		return SKIPPED;
	for (int round = 0; round < 4; round++) {
		work(executor);
		rest(executor);
		if (moment == AT_REST && round == 0 &&
		    !forbid(SECCOMP_RET_ERRNO | EPERM, everywhere))
			return SKIPPED;
	}
	for (int i = 0; i < TASKS; i++) /* what is accepted runs, also beside a shutdown */
		assay_future_release(client_submit(executor, run_last, NULL, 0));
	MUST(assay_executor_destroy(executor) == ASSAY_OK);
	MUST(atomic_load(&ran) == 4 * 4 * TASKS + TASKS);
	fence_in_vain();
	return 0;
}

static int run_in_child(enum moment moment, bool everywhere)
{
	pid_t child = fork();
	int status;

	MUST(child >= 0);
	if (child == 0) {
		validate_expect_end(20);
		_exit(run_case(moment, everywhere));
	}
	MUST(waitpid(child, &status, 0) == child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static struct park park;
static enum park_change change;
static int barriers;

/* In place of a barrier: whoever does not see the bit yet passes it. */
static void be_barrier(int signal)
{
	(void)signal;
	MUST(atomic_load(&park.fenced) & park_flag(change));
	barriers++;
}

/* The bits are set before the barriers. False: there are no barriers, or no seccomp. */
static bool sets_bits_first(void)
{
	MUST(park_init(&park, 1, true));
	MUST(signal(SIGSYS, be_barrier) != SIG_ERR);
	if (!port_can_be_lopsided() || !forbid(SECCOMP_RET_TRAP, false))
		return false;
	park_search(&park);
	change = PARK_STOPPED;
	MUST(park_found(&park) && barriers > 0);
	barriers = 0;
	park_search(&park);
	change = PARK_SLEPT;
	park_announce(&park, 0);
	MUST(barriers > 0 && park_withdraw(&park, 0) == false);
	park_free(&park);
	return true;
}

int main(void)
{
	int code = 0;

	for (enum moment moment = 0; moment < MOMENTS; moment++)
		for (int everywhere = 0; everywhere < 2; everywhere++) {
			int result = run_in_child(moment, everywhere);

			if (result)
				fprintf(stderr, "forbidden %s, %s: %s\n", moments[moment],
					everywhere ? "everywhere" : "to one thread",
					result == SKIPPED ? "there is no seccomp" : "failed");
			code = code == 0 || code == SKIPPED ? result : code;
		}
	validate_expect_end(20);
	return code || sets_bits_first() ? code : SKIPPED;
}
