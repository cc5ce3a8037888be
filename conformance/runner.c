/* SPDX-License-Identifier: MIT */
#include "runner.h"
#include "fixture.h"
#include "mutants/mutant.h"
#include "process.h"
#include "sanitizer.h"

#include <assay/load.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define OUTPUT_LIMIT (1 << 20) /* bytes of output that are kept of one test */
#define LOOK_INTERVAL_MS 20    /* for a failure in a process other than the test's first */

/* Defaults only: the environment variables of the sanitizers go before them. */
const char *__asan_default_options(void);
const char *__tsan_default_options(void);
const char *__ubsan_default_options(void);
const char *__lsan_default_options(void);

#define EVERYWHERE __attribute__((visibility("default"), used))

/* The interception leads gcc 12's LeakSanitizer to a crash of its own on thread-locals of a library
 * that was opened later: every backend is. */
#define LSAN_REMEDY ":intercept_tls_get_addr=0"

EVERYWHERE const char *__asan_default_options(void)
{
	return "exitcode=" SANITIZER_EXIT_TEXT LSAN_REMEDY ":detect_stack_use_after_return=0";
}

EVERYWHERE const char *__tsan_default_options(void)
{
	return "exitcode=" SANITIZER_EXIT_TEXT ":atexit_sleep_ms=0";
}

EVERYWHERE const char *__ubsan_default_options(void)
{
	return "exitcode=" SANITIZER_EXIT_TEXT ":print_stacktrace=1";
}

EVERYWHERE const char *__lsan_default_options(void)
{
	return "exitcode=" SANITIZER_EXIT_TEXT LSAN_REMEDY;
}

/* The process group under test, for the signal handler. */
static volatile pid_t current_group;

static void stop_at_once(int signal_number)
{
	if (current_group > 0)
		kill(-current_group, SIGKILL);
	_exit(128 + signal_number);
}

static _Noreturn void give_up(const char *what)
{
	fprintf(stderr, "assay: cannot %s: %s\n", what, strerror(errno));
	_exit(2);
}

void runner_start(void)
{
	struct sigaction action = {.sa_handler = stop_at_once};

	verdict_page = mmap(NULL, sizeof *verdict_page, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (verdict_page == MAP_FAILED)
		give_up("map the verdict page");
	/* Kernels know it; of an emulator that does not, what left the group of a test and lost its
	 * parent is init's. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 && !(errno == EINVAL && is_emulated()))
		give_up("adopt the descendants of tests");
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

/* In the test's process. Returns by exit() so that sanitizers report and exit handlers count. */
static _Noreturn void be_the_test(void (*body)(void *user), void *user, int output, pid_t runner)
{
	int nothing = open("/dev/null", O_RDONLY);

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != runner)
		_exit(2);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	dup2(nothing, STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	close(nothing);
	close(output);
	body(user);
	__atomic_store_n(&verdict_page->has_returned, 1, __ATOMIC_RELEASE);
	exit(0);
}

/* Waits until the process ends, a failure is written, or the deadline. True: in time. */
static bool await_end(int process_fd, int64_t deadline_ns)
{
	struct pollfd wait = {.fd = process_fd, .events = POLLIN};
	int64_t end_ns = assay_deadline_ns(deadline_ns);

	while (poll(&wait, 1, LOOK_INTERVAL_MS) <= 0) {
		if (__atomic_load_n(&verdict_page->claim, __ATOMIC_ACQUIRE) == CLAIM_WRITTEN)
			return true;
		if (assay_remaining_ns(end_ns) <= 0)
			return false;
	}
	return true;
}

static void kill_if_child(pid_t process, void *user)
{
	struct process_status status;

	(void)user;
	if (process_status(process, &status) && status.parent == getpid())
		kill(process, SIGKILL);
}

/*
 * Until this process has no child any more. Who dies hands its children to this process before it
 * can be reaped, so a round of killing after each reaping reaches all of them. Returns how many
 * there were besides the first; *status is that of the first.
 */
static int reap(pid_t first, int *status)
{
	int others = 0, now;
	bool is_first_here = true;
	pid_t process;

	for (;;) {
		if (is_first_here) /* afterwards the number could be another's */
			kill(-first, SIGKILL);
		process = waitpid(-1, &now, WNOHANG);
		if (process == 0) {
			process_each(kill_if_child, NULL);
			process = waitpid(-1, &now, 0);
		}
		if (process == first) {
			*status = now;
			is_first_here = false;
		} else if (process > 0) {
			others++;
		} else if (errno == ECHILD) {
			return others;
		}
	}
}

struct listing {
	pid_t group;
	char *text;
	size_t size;
	size_t length;
	bool has_entry;
};

static void list_thread(pid_t thread, void *user)
{
	struct listing *listing = user;
	struct process_status status;
	char where[64];

	if (!process_status(thread, &status) || listing->length + 128 > listing->size)
		return;
	process_sleeps_in(thread, where, sizeof where);
	listing->length += (size_t)snprintf(
		listing->text + listing->length, listing->size - listing->length, "%s%s[%d] %s%s%s",
		listing->has_entry ? ", " : "", status.name, (int)thread,
		status.state == 'R'   ? "runs"
		: status.state == 'S' ? "sleeps"
				      : "stopped",
		where[0] ? " in " : "", where);
	listing->has_entry = true;
}

static void list_if_in_group(pid_t process, void *user)
{
	struct listing *listing = user;
	struct process_status status;

	if (process_status(process, &status) && status.group == listing->group)
		process_each_thread(process, list_thread, listing);
}

static void classify(int status, struct result *result)
{
	struct verdict_page *page = verdict_page;
	uint32_t claim = __atomic_load_n(&page->claim, __ATOMIC_ACQUIRE);

	if (claim != CLAIM_NONE) {
		result->verdict = claim == CLAIM_WRITTEN ? page->verdict : VERDICT_FAIL;
		snprintf(result->message, sizeof result->message, "%s", page->message);
	} else if (result->verdict == VERDICT_TIMEOUT) {
		return;
	} else if (WIFSIGNALED(status)) {
		result->verdict = VERDICT_CRASH;
		result->signal = WTERMSIG(status);
		snprintf(result->message, sizeof result->message, "ended by SIG%s (%s)",
			 sigabbrev_np(WTERMSIG(status)), strsignal(WTERMSIG(status)));
	} else if (WEXITSTATUS(status) == SANITIZER_EXIT) {
		result->verdict = VERDICT_SANITIZER;
		snprintf(result->message, sizeof result->message,
			 "a sanitizer found fault with it: see its output");
	} else if (WEXITSTATUS(status) || !page->has_returned) {
		result->verdict = VERDICT_FAIL;
		snprintf(result->message, sizeof result->message,
			 "expected the test to return, but its process ended by exit(%d) %s",
			 WEXITSTATUS(status), page->has_returned ? "after that" : "before");
	} else {
		result->verdict = VERDICT_PASS;
	}
}

/* The end of what was written. */
static void keep_output(int output, struct result *result)
{
	off_t length = lseek(output, 0, SEEK_CUR);
	off_t room = (off_t)sizeof result->output - 1;
	ssize_t got;

	if (result->verdict == VERDICT_PASS || length <= 0)
		return;
	got = pread(output, result->output, (size_t)room, length > room ? length - room : 0);
	result->output[got > 0 ? (got < length ? got : length) : 0] = '\0';
}

static int output_open(void)
{
	int output = memfd_create("output", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	/* Sealed at its full size: a test that never stops writing fills no memory. */
	if (output < 0 || ftruncate(output, OUTPUT_LIMIT) < 0 ||
	    fcntl(output, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) < 0)
		give_up("capture the output of a test");
	return output;
}

void runner_isolate(void (*body)(void *user), void *user, int64_t deadline_ns,
		    struct result *result)
{
	pid_t process, runner = getpid();
	int output = output_open(), status = 0, process_fd, others;
	int64_t start_ns = assay_clock_ns();

	memset(result, 0, sizeof *result);
	memset(verdict_page, 0, sizeof *verdict_page);
	fflush(NULL);
	process = fork();
	if (process == 0)
		be_the_test(body, user, output, runner);
	if (process < 0)
		give_up("start a process for a test");
	setpgid(process, process); /* in both, so that neither depends on the other's pace */
	current_group = process;
	process_fd = (int)syscall(SYS_pidfd_open, process, 0);
	if (process_fd < 0)
		give_up("watch the process of a test");
	if (!await_end(process_fd, deadline_ns)) {
		struct listing listing = {
			.group = process, .text = result->message, .size = sizeof result->message};

		result->verdict = VERDICT_TIMEOUT;
		listing.length = (size_t)snprintf(
			result->message, sizeof result->message,
			"not done after %lld ms: ", (long long)(deadline_ns / 1000000));
		process_each(list_if_in_group, &listing);
	}
	result->duration_ns = assay_clock_ns() - start_ns;
	others = reap(process, &status);
	current_group = 0;
	close(process_fd);
	classify(status, result);
	memcpy(result->note, verdict_page->note, sizeof result->note);
	if (others && result->verdict == VERDICT_PASS && !result->note[0])
		snprintf(result->note, sizeof result->note,
			 "left %d process%s behind, which had to be killed", others,
			 others == 1 ? "" : "es");
	keep_output(output, result);
	close(output);
}

struct assignment {
	const struct test *test;
	const struct setup *setup;
};

static void run_assigned(void *user)
{
	const struct assignment *assignment = user;
	const struct setup *setup = assignment->setup;
	struct subject subject = {.workers = setup->workers};
	char message[512];

	fixture_start();
	if (assay_backend_open(setup->backend_path, &subject.backend, message, sizeof message))
		UNRESOLVED("%s", message);
	subject.backend = backend_with_options(subject.backend, setup->options);
	assignment->test->run(&subject);
}

void runner_run(const struct test *test, const struct setup *setup, struct result *result)
{
	struct assignment assignment = {test, setup};
	int milliseconds = test->deadline_ms ? test->deadline_ms : setup->deadline_ms;
	double scale = time_scale() * (BUILT_WITH_TSAN ? 6 : BUILT_WITH_ASAN ? 3 : 1);

	runner_isolate(run_assigned, &assignment,
		       (int64_t)(milliseconds * 1e6 * scale) +
			       (int64_t)torture_seconds() * 1000000000,
		       result);
}

struct description {
	const char *path;
	const char *options;
	struct facts *facts; /* shared */
};

static void try_options(const struct assay_backend *backend, const char *options)
{
	struct assay_config config = assay_config_default();
	assay_executor *executor;
	int error;

	config.workers = 1;
	config.options = options;
	error = assay_executor_create(backend, &config, &executor);
	if (!error)
		error = assay_executor_destroy(executor);
	if (error)
		UNSUPPORTED("the backend '%s' refuses the options '%s': %s", backend->name, options,
			    assay_error_name(error));
}

/* One line that is text in every format, whatever the bytes. */
static void copy_line(char *line, size_t size, const char *bytes)
{
	snprintf(line, size, "%s", bytes ? bytes : "");
	for (; *line; line++)
		if (*line < ' ' || *line > '~')
			*line = '?';
}

static void describe(void *user)
{
	const struct description *description = user;
	struct facts *facts = description->facts;
	const struct assay_backend *backend;
	const struct assay_mutant *mutant;
	char message[1024];

	if (assay_backend_open(description->path, &backend, message, sizeof message))
		UNSUPPORTED("%s", message);
	snprintf(facts->name, sizeof facts->name, "%s", backend->name);
	copy_line(facts->summary, sizeof facts->summary, backend->summary);
	facts->capabilities = backend->capabilities;
	facts->lookahead = backend->lookahead;
	facts->argument_limit = backend->argument_limit;
	facts->result_limit = backend->result_limit;
	mutant = dlsym(dlopen(description->path, RTLD_NOW | RTLD_NOLOAD), "assay_mutant");
	if (mutant) {
		snprintf(facts->mutant_clauses, sizeof facts->mutant_clauses, "%s",
			 mutant->clauses);
		snprintf(facts->mutant_what, sizeof facts->mutant_what, "%s", mutant->what);
	}
	if (description->options)
		try_options(backend, description->options);
}

/* A file that opened but is no backend has said so itself. */
static void explain_description(const char *path, const struct result *result, char *message,
				size_t size)
{
	const char *separator = result->output[0] ? "\n" : "";

	if (result->verdict == VERDICT_CRASH)
		snprintf(message, size, "'%s' crashed while being loaded: SIG%s%s%.800s", path,
			 sigabbrev_np(result->signal), separator, result->output);
	else if (result->verdict == VERDICT_UNSUPPORTED)
		snprintf(message, size, "%s%s%.800s", result->message, separator, result->output);
	else
		snprintf(message, size, "'%s' could not be loaded: %s%s%.800s", path,
			 result->message, separator, result->output);
}

bool runner_describe(const char *backend_path, const char *options, struct facts *facts,
		     char *message, size_t size)
{
	struct {
		struct facts facts;
		struct result result;
	} *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			 -1, 0);
	struct description description = {backend_path, options, NULL};
	bool is_good;
	pid_t helper;

	if (shared == MAP_FAILED)
		give_up("map memory to read a backend");
	description.facts = &shared->facts;
	fflush(NULL);
	helper = fork();
	if (helper < 0)
		give_up("start a process to read a backend");
	if (helper == 0) {
		runner_start();
		runner_isolate(describe, &description, RUNNER_DEADLINE_MS * INT64_C(1000000),
			       &shared->result);
		_exit(0);
	}
	waitpid(helper, NULL, 0);
	is_good = shared->result.verdict == VERDICT_PASS;
	*facts = shared->facts;
	message[0] = '\0';
	if (!is_good)
		explain_description(backend_path, &shared->result, message, size);
	munmap(shared, sizeof *shared);
	return is_good;
}
