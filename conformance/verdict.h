/* SPDX-License-Identifier: MIT */
/*
 * How a test ends, and the page on which it says so. The page is a shared mapping made before the
 * test's process, so that a failure in any thread or descendant reaches the runner. The first
 * verdict stays.
 */
#ifndef VERDICT_H
#define VERDICT_H

#include <stdint.h>

/* X(enumerator, name in reports) */
#define VERDICTS(X)                           \
	X(VERDICT_PASS, "pass")               \
	X(VERDICT_FAIL, "fail")               \
	X(VERDICT_UNSUPPORTED, "unsupported") \
	X(VERDICT_UNRESOLVED, "unresolved")   \
	X(VERDICT_TIMEOUT, "timeout")         \
	X(VERDICT_CRASH, "crash")             \
	X(VERDICT_SANITIZER, "sanitizer")

enum verdict {
#define VERDICT_ENUMERATOR(enumerator, name) enumerator,
	VERDICTS(VERDICT_ENUMERATOR)
#undef VERDICT_ENUMERATOR
		VERDICT_COUNT
};

const char *verdict_name(enum verdict verdict);

enum verdict_claim { CLAIM_NONE, CLAIM_WRITING, CLAIM_WRITTEN };

struct verdict_page {
	uint32_t claim; /* enum verdict_claim: only its winner writes verdict and message */
	uint32_t verdict;
	uint32_t has_returned; /* the test function came back; what follows is exit() */
	uint32_t note_lock;
	char message[2048];
	char note[512];
};

/* Where the calling process and its descendants report to. Set before the test starts. */
extern struct verdict_page *verdict_page;

#endif
