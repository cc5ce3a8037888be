/* SPDX-License-Identifier: MIT */
#include "holds.h"

#include "json.h"
#include "record.h"
#include "text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool is_one_of(const cJSON *backend, char *const *backends, size_t count)
{
	const char *name =
		cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(backend, "backend"));

	for (size_t i = 0; name && i < count; i++)
		if (strcmp(backends[i], name) == 0)
			return true;
	return false;
}

static bool are_the_same(const cJSON *list, char *const *backends, size_t count)
{
	const cJSON *item;

	if ((size_t)cJSON_GetArraySize(list) != count)
		return false;
	cJSON_ArrayForEach(item, list) if (!is_one_of(item, backends, count)) return false;
	return true;
}

int holds(const char *path, char *const *backends, size_t count)
{
	cJSON *file = json_read(path, "assay-conformance/1"),
	      *now = record_context("assay-conform");
	const cJSON *context = cJSON_GetObjectItemCaseSensitive(file, "context");
	const char *name = record_difference(context, now);
	struct text why = {0};
	int code;

	if (name) {
		text_add(&why, "the field \"");
		text_line(&why, name);
		text_add(&why, "\" of its context has changed");
	} else if (!are_the_same(cJSON_GetObjectItemCaseSensitive(file, "backends"), backends,
				 count)) {
		text_add(&why, "it is of other backends");
	}
	if (file && why.length)
		fprintf(stderr, "assay-report: '%s' does not hold: %s\n", path, why.data);
	code = !file ? 2 : why.length ? 1 : 0;
	cJSON_Delete(file);
	cJSON_Delete(now);
	text_free(&why);
	return code;
}
