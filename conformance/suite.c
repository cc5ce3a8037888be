/* SPDX-License-Identifier: MIT */
#include "suite.h"
#include "catalogue.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* The section of test.h; weak, because a program without tests has none. */
extern const struct test *const __start_assay_tests[] __attribute__((weak));
extern const struct test *const __stop_assay_tests[] __attribute__((weak));

static _Noreturn void give_up(const char *what)
{
	fprintf(stderr, "assay-conform: cannot %s: %s\n", what, strerror(errno));
	exit(2);
}

/* As the catalogue has it; what it does not know comes last, clauses in natural order. */
static int compare(const void *left, const void *right)
{
	const struct catalogue *catalogue = catalogue_load();
	const struct test *a = *(const struct test *const *)left;
	const struct test *b = *(const struct test *const *)right;
	size_t place_a = catalogue_index(catalogue, a->clause);
	size_t place_b = catalogue_index(catalogue, b->clause);
	int order;

	if (place_a != place_b)
		return place_a < place_b ? -1 : 1;
	order = strverscmp(a->clause, b->clause);
	if (!order)
		order = strcmp(a->file, b->file);
	return order ? order : a->line - b->line;
}

const struct test *const *suite_tests(size_t *count)
{
	static const struct test **tests;
	static size_t known;

	if (!tests) {
		known = (size_t)(__stop_assay_tests - __start_assay_tests);
		tests = calloc(known + 1, sizeof(*tests));
		if (!tests)
			give_up("list the tests");
		if (known)
			memcpy(tests, __start_assay_tests, known * sizeof(*tests));
		qsort(tests, known, sizeof(*tests), compare);
	}
	*count = known;
	return tests;
}

const struct test **suite_select(const struct selection *selection, size_t *count)
{
	size_t all, selected = 0;
	const struct test *const *tests = suite_tests(&all);
	const struct test **found = calloc(all + 1, sizeof(*found));

	if (!found)
		give_up("select tests");
	for (size_t i = 0; i < all; i++)
		if (matches_any(selection->clauses, tests[i]->clause) &&
		    matches_any(selection->tests, tests[i]->name))
			found[selected++] = tests[i];
	*count = selected;
	if (!selected) {
		free(found);
		return NULL;
	}
	return found;
}

/* Names without their repetitions, which are neighbours in the order of the catalogue. */
static size_t collect_names(const char **names, bool of_clauses)
{
	size_t all, count = 0;
	const struct test *const *tests = suite_tests(&all);

	for (size_t i = 0; i < all; i++) {
		const char *name = of_clauses ? tests[i]->clause : tests[i]->name;

		if (count == 0 || strcmp(names[count - 1], name) != 0)
			names[count++] = name;
	}
	return count;
}

static void say_nearest(const char *option, const char *pattern, bool of_clauses)
{
	size_t all, count;
	const char **names;

	suite_tests(&all);
	names = calloc(all + 1, sizeof(*names));
	if (!names)
		give_up("list names");
	count = collect_names(names, of_clauses);
	nearest_first(pattern, names, count);
	fprintf(stderr, "assay-conform: %s '%s' matches no test; nearest are", option, pattern);
	for (size_t i = 0; i < count && i < 5; i++)
		fprintf(stderr, "%s %s", i ? "," : "", names[i]);
	fputc('\n', stderr);
	free(names);
}

/* The first clause that matches: when no test does, it has none. */
static const struct clause *find_clause(const char *pattern)
{
	const struct catalogue *catalogue = catalogue_load();

	for (size_t i = 0; i < catalogue->count; i++)
		if (matches_any(pattern, catalogue->clauses[i].id))
			return &catalogue->clauses[i];
	return NULL;
}

static bool selects(const struct selection *selection)
{
	size_t count;
	const struct test **found = suite_select(selection, &count);

	free(found);
	return found;
}

static bool is_clause_tested(const char *pattern)
{
	const struct clause *clause;

	if (selects(&(struct selection){.clauses = pattern}))
		return true;
	clause = find_clause(pattern);
	if (clause)
		fprintf(stderr, "assay-conform: clause %s has no test: %s\n", clause->id,
			clause->untested ? clause->untested : "no reason is given");
	else
		say_nearest("--clause", pattern, true);
	return false;
}

static bool is_test_there(const char *pattern)
{
	if (selects(&(struct selection){.tests = pattern}))
		return true;
	say_nearest("--test", pattern, false);
	return false;
}

/* Every pattern of the list is good; NULL has none. */
static bool are_all(const char *patterns, bool (*is_good)(const char *pattern))
{
	char pattern[256];

	while (patterns) {
		size_t length = strcspn(patterns, ",");

		snprintf(pattern, sizeof pattern, "%.*s", (int)length, patterns);
		if (!is_good(pattern))
			return false;
		patterns = patterns[length] ? patterns + length + 1 : NULL;
	}
	return true;
}

bool suite_can_select(const struct selection *selection)
{
	if (!are_all(selection->clauses, is_clause_tested) ||
	    !are_all(selection->tests, is_test_there))
		return false;
	if (selects(selection))
		return true;
	fprintf(stderr, "assay-conform: no test matches both --clause '%s' and --test '%s'\n",
		selection->clauses, selection->tests);
	return false;
}

/* Shared by the jobs of one campaign. */
struct progress {
	uint32_t next; /* test to be taken */
	uint32_t done;
};

/* False: the backend does not claim what the test needs, and the result says so. */
static bool applies(const struct campaign *campaign, const struct test *test, struct result *result)
{
	uint64_t missing =
		(test->needs | ASSAY_CAP_SHARED_MAPPINGS) & ~campaign->facts.capabilities;
	size_t length;

	if (!missing)
		return true;
	memset(result, 0, sizeof *result);
	result->verdict = VERDICT_UNSUPPORTED;
	length = (size_t)snprintf(result->message, sizeof result->message,
				  "the backend does not claim");
	for (unsigned bit = 0; capability_name(bit); bit++)
		if (missing & UINT64_C(1) << bit)
			length += (size_t)snprintf(result->message + length,
						   sizeof result->message - length, " %s",
						   capability_name(bit));
	return false;
}

static _Noreturn void be_a_job(const struct campaign *campaign, struct progress *progress,
			       pid_t parent)
{
	const struct setup setup = {campaign->path, campaign->options, campaign->workers,
				    campaign->deadline_ms};
	size_t i;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(2);
	runner_start();
	while ((i = __atomic_fetch_add(&progress->next, 1, __ATOMIC_RELAXED)) < campaign->count) {
		if (applies(campaign, campaign->tests[i], &campaign->results[i]))
			runner_run(campaign->tests[i], &setup, &campaign->results[i]);
		__atomic_fetch_add(&progress->done, 1, __ATOMIC_RELEASE);
	}
	_exit(0);
}

static void *map_shared(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		give_up("map memory for the results");
	return memory;
}

/* True: it has ended. A job that ends otherwise than by having nothing left to do, or at a signal that
 * has reached this process, too, has said why; without its results there is no answer. */
static bool has_ended(pid_t job, const volatile sig_atomic_t *is_interrupted)
{
	siginfo_t info = {0};

	if (waitid(P_PID, (id_t)job, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		give_up("watch a job");
	if (info.si_pid && (info.si_code != CLD_EXITED || info.si_status != 0) &&
	    !(is_interrupted && *is_interrupted)) {
		fprintf(stderr, "assay-conform: a job ended with %s %d\n",
			info.si_code == CLD_EXITED ? "status" : "signal", info.si_status);
		exit(2);
	}
	return info.si_pid;
}

/* Until every job has ended; when interrupted they are told to, also one that does not listen yet. */
static void await_jobs(const struct campaign *campaign, const struct progress *progress,
		       void (*report)(const struct campaign *, size_t),
		       const volatile sig_atomic_t *is_interrupted, const pid_t *jobs)
{
	int left = campaign->jobs;

	while (left > 0) {
		left = 0;
		for (int i = 0; i < campaign->jobs; i++) {
			if (has_ended(jobs[i], is_interrupted))
				continue;
			left++;
			if (is_interrupted && *is_interrupted)
				kill(jobs[i], SIGTERM);
		}
		if (report)
			report(campaign, __atomic_load_n(&progress->done, __ATOMIC_ACQUIRE));
		if (left > 0)
			poll(NULL, 0, 5);
	}
}

size_t campaign_run(struct campaign *campaign, void (*report)(const struct campaign *, size_t),
		    const volatile sig_atomic_t *is_interrupted)
{
	struct progress *progress = map_shared(sizeof *progress);
	pid_t parent = getpid();
	size_t done;
	/* Reachable in the tests' processes too, or LeakSanitizer would report it there. */
	pid_t *jobs = campaign->job_ids = calloc((size_t)campaign->jobs, sizeof *jobs);

	if (!jobs)
		give_up("start jobs");
	if (!campaign->results)
		campaign->results = map_shared(campaign->count * sizeof *campaign->results);
	fflush(NULL);
	for (int i = 0; i < campaign->jobs; i++) {
		jobs[i] = fork();
		if (jobs[i] < 0)
			give_up("start a job");
		if (jobs[i] == 0)
			be_a_job(campaign, progress, parent);
	}
	await_jobs(campaign, progress, report, is_interrupted, jobs);
	for (int i = 0; i < campaign->jobs; i++)
		waitpid(jobs[i], NULL, 0);
	free(jobs);
	campaign->job_ids = NULL;
	done = progress->done;
	munmap(progress, sizeof *progress);
	return done;
}

void campaign_reset(struct campaign *campaign)
{
	if (campaign->results)
		munmap(campaign->results, campaign->count * sizeof *campaign->results);
	free(campaign->tests);
	campaign->results = NULL;
	campaign->tests = NULL;
}

void campaign_free(struct campaign *campaign)
{
	campaign_reset(campaign);
	free(campaign->path);
	campaign->path = NULL;
}
