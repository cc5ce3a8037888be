/* SPDX-License-Identifier: MIT */
/* The results of a run in each of the formats. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include "suite.h"

#include <stdio.h>

struct tally {
	size_t verdicts[VERDICT_COUNT];
	size_t clauses; /* of the catalogue */
	size_t untested_clauses;
	int64_t duration_ns;
};

struct tally tally_of(const struct campaign *campaign);

/* Tests that are neither pass nor unsupported. */
size_t tally_failed(const struct tally *tally);

/* Tests of all campaigns that are not unsupported. */
size_t count_tested(const struct campaign *campaigns, size_t count);

/* Writes the results of all campaigns. */
typedef void output_format(FILE *out, const struct campaign *campaigns, size_t count);

void output_text(FILE *out, const struct campaign *campaigns, size_t count);
void output_json(FILE *out, const struct campaign *campaigns, size_t count);

/* False after a message: record_write() could not write this file. Asked before a long run, not to
 * lose its results; NULL and "-" are the standard output. */
bool output_can_be_written(const char *file);

/* The name of the format that the ending of the file says; NULL, the standard output, is text. */
const char *format_of_file(const char *file);

/* The format of this name; NULL if there is none. */
output_format *output_named(const char *name);

#endif
