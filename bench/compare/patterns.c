/* SPDX-License-Identifier: MIT */
#include "patterns.h"

#include "catalogue.h"
#include "complaint.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

/* Who misspelt a name looks for one. */
enum { SHOWN_MOST = 5 };

void names_add(struct names *names, const char *name)
{
	names->list = reallocate(names->list, names->count + 1, sizeof *names->list);
	names->list[names->count++] = name;
}

void names_free(struct names *names)
{
	free(names->list);
	*names = (struct names){NULL, 0};
}

static int compare(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static void sort(struct names *names)
{
	size_t kept = 0;

	if (names->count)
		qsort(names->list, names->count, sizeof *names->list, compare);
	for (size_t i = 0; i < names->count; i++)
		if (!kept || strcmp(names->list[i], names->list[kept - 1]) != 0)
			names->list[kept++] = names->list[i];
	names->count = kept;
}

static int refuse(const char *what, const char *pattern, struct names *names)
{
	size_t shown = names->count < SHOWN_MOST ? names->count : SHOWN_MOST;
	struct text known = {0};

	nearest_first(pattern, names->list, names->count);
	for (size_t i = 0; i < shown; i++)
		text_format(&known, "%s%s", i ? ", " : "", names->list[i]);
	complain("there is no %s '%s'; %s are: %s", what, pattern,
		 shown < names->count ? "nearest" : "known", known.data ? known.data : "none");
	text_free(&known);
	return -1;
}

static int check(const char *what, const char *pattern, struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		if (matches_any(pattern, names->list[i]))
			return 0;
	return refuse(what, pattern, names);
}

int patterns_check(const char *what, const char *patterns, struct names *names)
{
	int failed = 0;

	sort(names);
	while (patterns && !failed) {
		const char *comma = strchrnul(patterns, ',');
		struct text pattern = {0};

		text_bytes(&pattern, patterns, (size_t)(comma - patterns));
		failed = check(what, pattern.data, names);
		text_free(&pattern);
		patterns = *comma ? comma + 1 : NULL;
	}
	return failed;
}
