/* SPDX-License-Identifier: MIT */
/* Creating executors where the system gives less and less: an error, and nothing left of it. */
#include "family.h"
#include "refusal.h"
#include "sanitizer.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

/* What there is of this process now. */
struct census {
	int threads;
	int descriptors;
};

static struct census take_census(void)
{
	return (struct census){count_threads(), count_descriptors()};
}

static int return_four(assay_call *call)
{
	int four = 4;

	return assay_return(call, &four, sizeof four);
}

/* One that was made under a limit works, which is true, or says that it cannot. */
static bool check_works_or_says(assay_executor *executor)
{
	struct assay_task task = {.function = return_four};
	bool works = true;

	for (int i = 0; i < 3; i++) {
		assay_future *future = NULL;
		int value = 4, error = assay_submit(executor, &task, &future);

		if (!error)
			error = assay_future_result(future, ASSAY_FOREVER, &value, sizeof value);
		if (error != ASSAY_OK && error != ASSAY_ENOMEM && error != ASSAY_ERESOURCE)
			CHECK_ERROR(error, ASSAY_EBROKEN);
		CHECK_EQ(value, 4);
		works = works && !error;
		assay_future_release(future);
	}
	return works;
}

/* Creates one under a soft limit, which is off again when this returns. True: it was made, and works. */
static bool create_within(struct subject *s, int resource, rlim_t soft)
{
	struct assay_config config = assay_config_default();
	assay_executor *const untouched = (assay_executor *)s;
	assay_executor *executor = untouched;
	struct rlimit limit;
	bool works = false;
	int error;

	config.workers = 3;
	config.log = ignore_log;
	CHECK_EQ(getrlimit((__rlimit_resource_t)resource, &limit), 0);
	limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
	CHECK_EQ(setrlimit((__rlimit_resource_t)resource, &limit), 0);
	error = assay_executor_create(s->backend, &config, &executor);
	if (!error)
		works = check_works_or_says(executor);
	limit.rlim_cur = limit.rlim_max;
	CHECK_EQ(setrlimit((__rlimit_resource_t)resource, &limit), 0);
	if (error) {
		CHECK(error == ASSAY_ENOMEM || error == ASSAY_ERESOURCE);
		CHECK(executor == untouched);
		return false;
	}
	executor_end(executor);
	return works;
}

/* As often as it takes until one works, and once more. At first there is none of what is limited: what
 * needs it must have been refused. */
static void check_limits(struct subject *s, int resource, rlim_t first, rlim_t step, bool is_needed)
{
	int refused = 0, made = 0;
	struct census before;
	assay_executor *executor = executor_new(s, 3);
	assay_future *future = submit_int(executor, 1);

	/* What a backend makes once it may keep. */
	CHECK_EQ(result_int(future), 1);
	assay_future_release(future);
	executor_end(executor);
	before = take_census();
	for (rlim_t i = 0; i < 1000 && made < 2; i++) {
		rlim_t steps = i < 100 ? i : 16 * i - 1500;
		bool is_made = create_within(s, resource, first + steps * step);
		struct census after = take_census();

		made += is_made;
		refused += !is_made;
		check_childless();
		if (s->backend->capabilities & ASSAY_CAP_OWNS_WORKERS)
			CHECK_EQ(after.threads, before.threads);
		CHECK_EQ(after.descriptors, before.descriptors);
	}
	NOTE("refused %d times, made %d times", refused, made);
	CHECK_EQ(made, 2);
	CHECK(refused > 0 || !is_needed);
	/* And without the limit all is well. */
	executor = executor_new(s, 3);
	future = submit_int(executor, 2);
	CHECK_EQ(result_int(future), 2);
	assay_future_release(future);
	executor_end(executor);
	check_childless();
}

ASSAY_TEST(cfg_28_few_descriptors, .clause = "CFG-28")
{
	int lowest = open("/dev/null", O_RDONLY);

	adopt_orphans();
	CHECK(lowest >= 0);
	close(lowest);
	check_limits(s, RLIMIT_NOFILE, (rlim_t)lowest, 1,
		     !(s->backend->capabilities & ASSAY_CAP_SHARED_MEMORY));
}

ASSAY_TEST(cfg_28_few_processes, .clause = "CFG-28")
{
	adopt_orphans();
	if (BUILT_WITH_TSAN)
		UNSUPPORTED("ThreadSanitizer needs threads of its own");
	give_up_rights(s);
	check_limits(s, RLIMIT_NPROC, 1, 1, s->backend->capabilities & ASSAY_CAP_ASYNCHRONOUS);
}

static rlim_t address_space(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;

	if (!file || fscanf(file, "%lu", &pages) != 1)
		UNRESOLVED("cannot read how large this process is");
	fclose(file);
	return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

ASSAY_TEST(cfg_28_little_memory, .clause = "CFG-28", .deadline_ms = 20000)
{
	adopt_orphans();
	if (BUILT_WITH_ASAN || BUILT_WITH_TSAN)
		UNSUPPORTED("a sanitizer needs memory itself");
	if (is_emulated())
		UNSUPPORTED("the emulator ignores limits of memory");
	/* What the allocator has already may do; and a full heap would end a program in which the C library
	 * allocates the thread-locals of a library at first touch. */
	check_limits(s, RLIMIT_AS, address_space(), (rlim_t)512 << 10, false);
}

/* No backend can have as many; one that tries is stopped where a machine can bear it. */
ASSAY_TEST(cfg_4_the_largest_count_is_refused_or_works, .clause = "CFG-4")
{
	enum { BEARABLE = 512 };

	/* INT_MAX asks for the default. */
	const int counts[] = {INT_MAX - 1, 1 << 22, 8 * BEARABLE + 1};
	struct rlimit limit;

	adopt_orphans();
	give_up_rights(s);
	CHECK_EQ(getrlimit(RLIMIT_NPROC, &limit), 0);
	limit.rlim_cur = BEARABLE < limit.rlim_max ? BEARABLE : limit.rlim_max;
	CHECK_EQ(setrlimit(RLIMIT_NPROC, &limit), 0);
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		struct assay_config config = assay_config_default();
		assay_executor *const untouched = (assay_executor *)s;
		assay_executor *executor = untouched;
		assay_future *future;
		int error;

		config.workers = counts[i];
		config.log = ignore_log;
		error = assay_executor_create(s->backend, &config, &executor);
		if (error) {
			CHECK(error == ASSAY_EINVAL || error == ASSAY_ENOMEM ||
			      error == ASSAY_ERESOURCE || error == ASSAY_EUNSUPPORTED);
			CHECK(executor == untouched);
			check_childless();
			continue;
		}
		future = submit_int(executor, 4);
		CHECK_EQ(result_int(future), 4);
		assay_future_release(future);
		executor_end(executor);
		check_childless();
	}
}
