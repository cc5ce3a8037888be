/* SPDX-License-Identifier: MIT */
#include "test.h"
#include "verdict.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct verdict_page *verdict_page;

const char *verdict_name(enum verdict verdict)
{
	static const char *const names[] = {
#define VERDICT_NAME(enumerator, name) [enumerator] = name,
		VERDICTS(VERDICT_NAME)
#undef VERDICT_NAME
	};

	return verdict < VERDICT_COUNT ? names[verdict] : "?";
}

/* _exit and not exit: other threads still run, and handlers of theirs could hang. */
static _Noreturn void end_test(enum verdict verdict, const char *file, int line, const char *format,
			       va_list arguments)
{
	struct verdict_page *page = verdict_page;
	uint32_t claim = CLAIM_NONE;
	int length = 0;

	if (__atomic_compare_exchange_n(&page->claim, &claim, CLAIM_WRITING, false,
					__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		page->verdict = verdict;
		if (file)
			length = snprintf(page->message, sizeof page->message, "%s:%d: ", file,
					  line);
		vsnprintf(page->message + length, sizeof page->message - (size_t)length, format,
			  arguments);
		__atomic_store_n(&page->claim, CLAIM_WRITTEN, __ATOMIC_RELEASE);
	}
	/* Ending this process must not cut off a first failure that another thread is writing. */
	while (__atomic_load_n(&page->claim, __ATOMIC_ACQUIRE) != CLAIM_WRITTEN)
		sched_yield();
	_exit(1);
}

void test_fail(const char *file, int line, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	end_test(VERDICT_FAIL, file, line, format, arguments);
}

void test_unsupported(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	end_test(VERDICT_UNSUPPORTED, NULL, 0, format, arguments);
}

void test_unresolved(const char *file, int line, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	end_test(VERDICT_UNRESOLVED, file, line, format, arguments);
}

void test_check_equal(const char *file, int line, const char *what, long long seen,
		      long long expected)
{
	if (seen != expected)
		test_fail(file, line, "expected %s to be %lld, saw %lld", what, expected, seen);
}

void test_check_string(const char *file, int line, const char *what, const char *seen,
		       const char *expected)
{
	if (!seen || strcmp(seen, expected) != 0)
		test_fail(file, line, "expected %s to be \"%.400s\", saw %s%.400s%s", what,
			  expected, seen ? "\"" : "", seen ? seen : "NULL", seen ? "\"" : "");
}

void test_check_error(const char *file, int line, const char *what, int seen, int expected)
{
	if (seen != expected)
		test_fail(file, line, "expected %s to be %s, saw %s (%d)", what,
			  assay_error_name(expected), assay_error_name(seen), seen);
}

void test_note(const char *format, ...)
{
	struct verdict_page *page = verdict_page;
	va_list arguments;

	while (__atomic_exchange_n(&page->note_lock, 1, __ATOMIC_ACQUIRE))
		sched_yield();
	va_start(arguments, format);
	vsnprintf(page->note, sizeof page->note, format, arguments);
	va_end(arguments);
	__atomic_store_n(&page->note_lock, 0, __ATOMIC_RELEASE);
}
