/* SPDX-License-Identifier: MIT */
/* The programs that measure, one at a time, and a directory for what they write. */
#ifndef COMPARE_PROCESS_H
#define COMPARE_PROCESS_H

#include <stddef.h>

/*
 * Runs it to its end, or to an interrupt's. Its exit status; -1 if it has none. Unless that is 0, message is the last
 * line that it said.
 */
int process_run(const char *program, char *const arguments[], char *message, size_t size);

/* A new temporary directory. 0, or -1 after a message. */
int process_directory(char *directory, size_t size);
/* With the files in it. */
void process_remove(const char *directory);

#endif
