/* SPDX-License-Identifier: MIT */
/* What this program was built with. */
#ifndef SANITIZER_H
#define SANITIZER_H

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define BUILT_WITH_TSAN 1
#else
#define BUILT_WITH_TSAN 0
#endif

#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define BUILT_WITH_ASAN 1
#else
#define BUILT_WITH_ASAN 0
#endif

/* The exit status by which a sanitizer ends a process that it found fault with. */
#define SANITIZER_EXIT 86
#define SANITIZER_EXIT_TEXT "86"

#endif
