/* SPDX-License-Identifier: MIT */
#ifndef BENCH_DIGEST_H
#define BENCH_DIGEST_H

#define DIGEST_SIZE 17

/*
 * FNV-1a of 64 bits over the bytes of a file, in hexadecimal: tells one build from another, and no
 * forgery. "" if it cannot be read.
 */
void digest_file(const char *path, char digest[DIGEST_SIZE]);

#endif
