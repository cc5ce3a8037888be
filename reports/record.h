/* SPDX-License-Identifier: MIT */
/*
 * What every file of results begins with, and how every file of results is written. The fields of
 * the context are documented in formats.md.
 */
#ifndef RECORD_H
#define RECORD_H

#include <cjson/cJSON.h>

/*
 * A new object that describes the environment: the program and its build, the processor, the
 * system, the load at this moment. No host names, user names or file-system paths. What cannot be
 * found out is absent, never guessed. NULL if there is no memory.
 */
cJSON *record_context(const char *program);

/*
 * The name of the first field that is not the same in both contexts, but for those that pass: the date,
 * the load, how far a run got. NULL: they are of one build on one machine.
 */
const char *record_difference(const cJSON *context, const cJSON *other);

/*
 * Writes text to the file at path so that a reader sees the earlier file or the new one, whole:
 * a temporary file beside it, flushed to the disk, renamed. A symbolic link stays, and the file that
 * it leads to is replaced. What is no file, as a device or a FIFO, is written to as it is. NULL or
 * "-" is the standard output. Returns 0, or -1 after a message on the standard error that names the
 * program and the file (none if nobody reads the standard output any more); then the earlier file is untouched and no temporary file is left.
 */
int record_write(const char *path, const char *text);

#endif
