/* SPDX-License-Identifier: MIT */
/*
 * Reading JSON that may be anything. Each function that fails has written a message that names the
 * file, the place in it, and what was expected there.
 */
#ifndef JSON_H
#define JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

/* A place in a file, for messages: results[3] of conformance.json. */
struct place {
	const char *path;
	const char *array; /* NULL: the file's own object */
	size_t index;
};

/* An object whose "format" is this; NULL after a message. */
cJSON *json_read(const char *path, const char *format);

/* Instead of the standard error, where the name of the program comes before the message. */
void json_refusals_to(void (*take)(const char *message));

/* Says "'FILE': results[3]: ...". Returns -1. */
int json_refuse(const struct place *place, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* 0 with *value, or -1: an array of objects under this name. */
int json_array(const struct place *place, const cJSON *object, const char *name,
	       const cJSON **value);

/* A string that is not empty; if it is optional, null and "" and its absence give NULL. */
int json_string(const struct place *place, const cJSON *object, const char *name, bool optional,
		const char **value);

/* A whole number from least to most. */
int json_integer(const struct place *place, const cJSON *object, const char *name, double least,
		 double most, double *value);

/* The number is finite: JSON has no others, but 1e999 becomes one. */
bool json_is_number(const cJSON *item);

#endif
