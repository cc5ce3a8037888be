/* SPDX-License-Identifier: MIT */
/* What the command lines of the programs have in common. */
#ifndef COMMAND_H
#define COMMAND_H

#include <getopt.h>
#include <stdbool.h>

/* Standard streams that are closed stay out of the way of what is opened later; to use them is an error as before. */
void command_hold_streams(void);

/* Says on the standard error where the help is. Returns 2, the exit code of bad usage. */
int command_see_help(void);

/*
 * For an option that stands once: 0, or -1 after "--output is given twice" if it was given before.
 * known: the options of getopt_long(); given: one for each value that it returns, false at first.
 */
int command_once(const struct option *known, bool given[128], int option);

/* What a file's name says of its format: "json", "markdown", "junit" or "text"; else NULL. */
const char *command_format(const char *path);

#endif
