/* SPDX-License-Identifier: MIT */
/*
 * What a conformance test is made of.
 *
 *	ASSAY_TEST(can_1_cancelled_by_its_submitter, .clause = "CAN-1", .needs = ASSAY_CAP_ASYNCHRONOUS)
 *	{
 *		assay_executor *executor = executor_new(s, 1);
 *		struct occupied workers = occupy_workers(s, executor, 1);
 *		struct probe *ran = probe_new(s);
 *		assay_future *future = submit_hit(executor, ran);
 *
 *		CHECK(assay_future_cancel(future));
 *		release_workers(&workers);
 *		executor_end(executor);
 *		CHECK_EQ(probe_count(ran), 0);
 *		assay_future_release(future);
 *	}
 *
 * Each run of a test is a process of its own with a deadline. A check may fail in any thread and in
 * any child process; the first failure ends the test. Tests know no backend and never sleep.
 */
#ifndef TEST_H
#define TEST_H

#include <assay/executor.h>

/* What is tested. */
struct subject {
	const struct assay_backend *backend;
	int workers; /* 2, or what --workers asks for: a default for tests that need "some" */
};

struct test {
	const char *name;
	const char *file;
	int line;
	void (*run)(struct subject *s);
	const char *clause;
	uint64_t needs;  /* capabilities; without one the verdict is `unsupported` */
	int rounds;      /* 0: deterministic; n: n tries at a race, and the report says so */
	int deadline_ms; /* 0: the runner's default */
	bool alone; /* informational: passes whatever the backend does, and notes what it saw */
};

/* Registers a test by a pointer in a section: a new test touches one file. */
#define ASSAY_TEST(test_name, ...)                                                         \
	static void test_name(struct subject *s);                                          \
	static const struct test test_name##_test = {                                      \
		.name = #test_name,                                                        \
		.file = __FILE__,                                                          \
		.line = __LINE__,                                                          \
		.run = test_name,                                                          \
		__VA_ARGS__,                                                               \
	};                                                                                 \
	static const struct test *const test_name##_entry                                  \
		__attribute__((used, retain, section("assay_tests"))) = &test_name##_test; \
	static void test_name(struct subject *s)

/* True, or the test fails. */
#define CHECK(condition)       \
	((condition) ? (void)0 \
		     : test_fail(__FILE__, __LINE__, "expected %s, but it is not so", #condition))

/* Two integers (or states, or errors) are equal: what was seen, then what is expected. */
#define CHECK_EQ(seen, expected) \
	test_check_equal(__FILE__, __LINE__, #seen, (long long)(seen), (long long)(expected))

#define CHECK_STR(seen, expected) test_check_string(__FILE__, __LINE__, #seen, (seen), (expected))

/* An assay error, shown by name. */
#define CHECK_ERROR(seen, expected) test_check_error(__FILE__, __LINE__, #seen, (seen), (expected))

#define CHECK_OK(seen) CHECK_ERROR(seen, ASSAY_OK)

/* Ends the test with another verdict: the backend lacks something that no capability names, or the
 * test could not establish what it needs. */
#define UNSUPPORTED(...) test_unsupported(__VA_ARGS__)
#define UNRESOLVED(...) test_unresolved(__FILE__, __LINE__, __VA_ARGS__)

/* Keeps a remark in the report, whatever the verdict; the last one stays. */
#define NOTE(...) test_note(__VA_ARGS__)

void test_fail(const char *file, int line, const char *format, ...)
	__attribute__((noreturn, format(printf, 3, 4)));
void test_check_equal(const char *file, int line, const char *what, long long seen,
		      long long expected);
void test_check_string(const char *file, int line, const char *what, const char *seen,
		       const char *expected);
void test_check_error(const char *file, int line, const char *what, int seen, int expected);
void test_unsupported(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
void test_unresolved(const char *file, int line, const char *format, ...)
	__attribute__((noreturn, format(printf, 3, 4)));
void test_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
