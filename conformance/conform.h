/* SPDX-License-Identifier: MIT */
/* The commands of assay-conform. Each gets its own arguments, argv[0] being its name, and returns
 * the exit code of the program. */
#ifndef CONFORM_H
#define CONFORM_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

enum exit_code {
	EXIT_GOOD = 0,
	EXIT_SHORT = 1,  /* what was tested fell short */
	EXIT_CANNOT = 2, /* what was asked could not be done */
};

int command_run(int argc, char **argv);
int command_list(int argc, char **argv);
int command_check(int argc, char **argv);
int command_mutant(int argc, char **argv);

/* The mutants, in ../lib/assay-mutants beside the running program; NULL after a message if there is
 * none. backends_free() frees it. */
struct backend_file *mutants_find(size_t *count);

/* A whole number from low to high, or -1 after a message that names the option. */
int option_number(const char *option, const char *text, int low, int high);

/* Notes in seen, by the letter, that getopt_long() met an option. False after a message: not for the
 * first time. */
bool option_is_new(const struct option *options, int letter, bool *seen);

/* After getopt_long() met something wrong and said so. */
int refuse_usage(void);

#endif
