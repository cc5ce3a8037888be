/* SPDX-License-Identifier: MIT */
#include "patterns.h"

#include "catalogue.h"
#include "rivals.h"

#include <stdio.h>
#include <string.h>

/* Who misspelt a name looks for one. */
enum { NEAREST_MOST = 5 };

static bool matches_one(const char *pattern, const char **names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (matches_any(pattern, names[i]))
			return true;
	return false;
}

int names_refuse(const char *what, const char *wanted, const char **names, size_t count)
{
	size_t shown = count < NEAREST_MOST ? count : NEAREST_MOST;

	nearest_first(wanted, names, count);
	fprintf(stderr, "assay-bench: there is no %s '%s'; %s", what, wanted,
		shown < count ? "nearest are: " : "known are: ");
	for (size_t i = 0; i < shown; i++)
		fprintf(stderr, "%s%s", i ? ", " : "", names[i]);
	fputc('\n', stderr);
	return -1;
}

static int refuse(const char *what, const char *pattern, const char **names, size_t count)
{
	const struct rival *rival = rival_find(pattern);

	if (!rival || rival_is_raw(rival))
		return names_refuse(what, pattern, names, count);
	rival_complain("assay-bench", rival);
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
