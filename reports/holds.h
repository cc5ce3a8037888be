/* SPDX-License-Identifier: MIT */
#ifndef HOLDS_H
#define HOLDS_H

#include <stddef.h>

/*
 * Whether conformance as this file has it would be the same now: of this build, on this machine, and
 * of these backends, by their names. 0; 1 after a message that says why it need not be, 2 after one
 * that says why the file cannot be read.
 */
int holds(const char *path, char *const *backends, size_t count);

#endif
