/* SPDX-License-Identifier: MIT */
#include "patterns.h"

#include "catalogue.h"
#include "rivals.h"

#include <stdio.h>
#include <string.h>

static bool matches_one(const char *pattern, const char **names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (matches_any(pattern, names[i]))
			return true;
	return false;
}

static int refuse(const char *what, const char *pattern, const char **names, size_t count)
{
	const struct rival *rival = rival_find(pattern);

	if (rival && !rival_is_raw(rival)) {
		rival_complain("assay-bench", rival);
		return -1;
	}
	nearest_first(pattern, names, count);
	fprintf(stderr, "assay-bench: there is no %s '%s'; known are: ", what, pattern);
	for (size_t i = 0; i < count; i++)
		fprintf(stderr, "%s%s", i ? ", " : "", names[i]);
	fputc('\n', stderr);
	return -1;
}

int patterns_check(const char *what, const char *patterns, const char **names, size_t count)
{
	char pattern[256];

	for (const char *rest = patterns; rest;
	     rest = strchr(rest, ',') ? strchr(rest, ',') + 1 : NULL) {
		snprintf(pattern, sizeof pattern, "%.*s", (int)strcspn(rest, ","), rest);
		if (!matches_one(pattern, names, count))
			return refuse(what, pattern, names, count);
	}
	return 0;
}
