/* SPDX-License-Identifier: MIT */
/* The runner against tests that misbehave, each in its own way. */
#include "fixture.h"
#include "runner.h"
#include "sanitizer.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_NS (INT64_C(1000000000) * (BUILT_WITH_TSAN || BUILT_WITH_ASAN ? 30 : 10))
#define HANGING_NS INT64_C(1000000000)

/* Ids of processes that a test leaves behind; shared with it. */
static struct {
	pid_t processes[2];
	uint32_t count;
} * left;

static void behave(void *user)
{
	(void)user;
	CHECK_EQ(2 + 2, 4);
	CHECK_STR("same", "same");
	CHECK_OK(0);
	NOTE("seen %d", 7);
}

static void hang(void *user)
{
	(void)user;
	for (;;)
		pause();
}

static void spin(void *user)
{
	static volatile unsigned long turns;

	(void)user;
	for (;;)
		turns = turns + 1;
}

static void abort_itself(void *user)
{
	(void)user;
	abort();
}

static void kill_itself(void *user)
{
	(void)user;
	raise(SIGKILL);
}

static void fail_check(void *user)
{
	(void)user;
	CHECK_EQ(2 + 2, 5);
}

static void fail_from(void *user)
{
	(void)user;
	CHECK_ERROR(ASSAY_EFULL, ASSAY_OK);
}

static void fail_in_thread(void *user)
{
	struct actor actor;

	(void)user;
	actor_start(&actor, fail_from, NULL);
	hang(NULL);
}

/* Of several failures one is reported, whole. */
static void fail_in_many_threads(void *user)
{
	struct actor actors[8];

	(void)user;
	for (int i = 0; i < 8; i++)
		actor_start(&actors[i], fail_from, NULL);
	hang(NULL);
}

static void fail_in_child(void *user)
{
	(void)user;
	if (fork() == 0)
		fail_check(NULL);
	hang(NULL);
}

static void fail_in_child_and_return(void *user)
{
	pid_t child = fork();

	(void)user;
	if (child == 0)
		fail_check(NULL);
	waitpid(child, NULL, 0);
}

static void exit_early(void *user)
{
	(void)user;
	exit(0);
}

static void exit_early_in_thread(void *user)
{
	struct actor actor;

	(void)user;
	actor_start(&actor, exit_early, NULL);
	hang(NULL);
}

static void fail_at_exit(void)
{
	_exit(3);
}

static void exit_badly(void *user)
{
	(void)user;
	atexit(fail_at_exit);
}

static void be_unsupported(void *user)
{
	(void)user;
	UNSUPPORTED("no %s", "wings");
}

static void be_unresolved(void *user)
{
	(void)user;
	UNRESOLVED("no luck");
}

static void hang_on(void)
{
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	left->processes[__atomic_fetch_add(&left->count, 1, __ATOMIC_ACQ_REL)] = getpid();
	hang(NULL);
}

/* One child in the group of the test, and a grandchild that left it, both deaf. */
static void leave_processes(void *user)
{
	(void)user;
	if (fork() == 0)
		hang_on();
	if (fork() == 0) {
		if (fork() == 0) {
			setsid();
			hang_on();
		}
		_exit(0);
	}
	while (__atomic_load_n(&left->count, __ATOMIC_ACQUIRE) < 2)
		sched_yield();
}

static void write_much(void *user)
{
	char line[1024];

	(void)user;
	memset(line, 'x', sizeof line);
	for (int i = 0; i < 4096; i++)
		if (write(STDOUT_FILENO, line, sizeof line) < 0)
			break;
	CHECK(false);
}

static void write_and_fail(void *user)
{
	(void)user;
	printf("on the standard output\n");
	fflush(stdout);
	fprintf(stderr, "the last words\n");
	CHECK(false);
}

/* Standard input is empty, so that nobody waits for it. */
static void read_input(void *user)
{
	char byte;

	(void)user;
	CHECK_EQ(read(STDIN_FILENO, &byte, 1), 0);
}

#if BUILT_WITH_ASAN
static void leak(void *user)
{
	(void)user;
	for (int i = 0; i < 8; i++) {
		void *volatile lost = malloc(1000);

		lost = NULL;
		(void)lost;
	}
}
#endif

#if BUILT_WITH_TSAN
static int contended;

static void write_contended(void *user)
{
	(void)user;
	contended++;
}

static void race(void *user)
{
	struct actor actor;

	(void)user;
	actor_start(&actor, write_contended, NULL);
	contended++;
	actor_join(&actor);
}
#endif

struct expectation {
	const char *name;
	void (*body)(void *user);
	enum verdict verdict;
	const char *message; /* a part of it */
	const char *output;  /* likewise */
};

static const struct expectation expectations[] = {
	{"behave", behave, VERDICT_PASS, "", ""},
	{"hang", hang, VERDICT_TIMEOUT, "sleeps in", ""},
	{"spin", spin, VERDICT_TIMEOUT, " runs", ""},
	{"abort", abort_itself, VERDICT_CRASH, "SIGABRT", ""},
	{"kill", kill_itself, VERDICT_CRASH, "SIGKILL", ""},
	{"fail", fail_check, VERDICT_FAIL, "expected 2 + 2 to be 5, saw 4", ""},
	{"thread", fail_in_thread, VERDICT_FAIL, "to be ASSAY_OK, saw ASSAY_EFULL (-11)", ""},
	{"threads", fail_in_many_threads, VERDICT_FAIL, "saw ASSAY_EFULL (-11)", ""},
	{"child", fail_in_child, VERDICT_FAIL, "saw 4", ""},
	{"child and return", fail_in_child_and_return, VERDICT_FAIL, "saw 4", ""},
	{"exit", exit_early, VERDICT_FAIL, "ended by exit(0) before", ""},
	{"exit in thread", exit_early_in_thread, VERDICT_FAIL, "ended by exit(0) before", ""},
	{"exit badly", exit_badly, VERDICT_FAIL, "ended by exit(3) after", ""},
	{"unsupported", be_unsupported, VERDICT_UNSUPPORTED, "no wings", ""},
	{"unresolved", be_unresolved, VERDICT_UNRESOLVED, "no luck", ""},
	{"leave processes", leave_processes, VERDICT_PASS, "", ""},
	{"write much", write_much, VERDICT_FAIL, "expected false", "xxxx"},
	{"write and fail", write_and_fail, VERDICT_FAIL, "", "output\nthe last words\n"},
	{"read", read_input, VERDICT_PASS, "", ""},
#if BUILT_WITH_ASAN
	{"leak", leak, VERDICT_SANITIZER, "", "LeakSanitizer"},
#endif
#if BUILT_WITH_TSAN
	{"race", race, VERDICT_SANITIZER, "", "data race"},
#endif
};

static void run_body(void *user)
{
	const struct expectation *expectation = user;

	fixture_start();
	expectation->body(NULL);
}

static bool is_met(const struct expectation *expectation)
{
	struct result result;
	bool may_hang = expectation->verdict == VERDICT_TIMEOUT;

	runner_isolate(run_body, (void *)expectation, may_hang ? HANGING_NS : DEADLINE_NS, &result);
	if (result.verdict == expectation->verdict &&
	    strstr(result.message, expectation->message) &&
	    strstr(result.output, expectation->output))
		return true;
	fprintf(stderr, "%s: expected %s '%s' '%s', saw %s '%s' '%s'\n", expectation->name,
		verdict_name(expectation->verdict), expectation->message, expectation->output,
		verdict_name(result.verdict), result.message, result.output);
	return false;
}

/* After "leave processes". */
static bool nobody_is_left(void)
{
	bool is_good = left->count == 2;

	for (uint32_t i = 0; i < left->count; i++)
		if (kill(left->processes[i], 0) == 0 || errno != ESRCH) {
			fprintf(stderr, "process %d outlived its test\n", left->processes[i]);
			is_good = false;
		}
	return is_good;
}

int main(void)
{
	size_t count = sizeof expectations / sizeof *expectations, wrong = 0;

	left = mmap(NULL, sizeof *left, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (left == MAP_FAILED)
		return 2;
	runner_start();
	for (size_t i = 0; i < count; i++) {
		wrong += !is_met(&expectations[i]);
		if (expectations[i].body == leave_processes)
			wrong += !nobody_is_left();
	}
	printf("%zu misbehaviours, %zu not judged as expected\n", count, wrong);
	return wrong > 0;
}
