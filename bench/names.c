/* SPDX-License-Identifier: MIT */
#include "names.h"

#include "workload.h"

#include <assay/load.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int add(struct names *names, const char *name, size_t length)
{
	char **list = realloc(names->list, (names->count + 1) * sizeof *list);
	char *copy = strndup(name, length);

	if (list)
		names->list = list;
	if (!list || !copy) {
		free(copy);
		fprintf(stderr, "assay-bench: no memory for the names\n");
		return -1;
	}
	list[names->count++] = copy;
	return 0;
}

static int in_alphabet(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

bool names_have(const struct names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++)
		if (strcmp(names->list[i], name) == 0)
			return true;
	return false;
}

/* A directory that is not there holds no backends. */
static int add_directory(struct names *names, const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *entry;
	int failed = 0;

	while (directory && !failed && (entry = readdir(directory))) {
		size_t length = strlen(entry->d_name);
		char name[256];

		if (length <= 3 || strcmp(entry->d_name + length - 3, ".so") != 0)
			continue;
		snprintf(name, sizeof name, "%.*s", (int)length - 3, entry->d_name);
		if (!names_have(names, name))
			failed = add(names, name, length - 3);
	}
	if (directory)
		closedir(directory);
	return failed;
}

int names_of_backends(struct names *names)
{
	const char *directories = getenv("ASSAY_BACKEND_PATH");
	char path[PATH_MAX + 16];
	int failed = 0;

	*names = (struct names){NULL, 0};
	while (directories && *directories && !failed) {
		int length = (int)strcspn(directories, ":");

		snprintf(path, sizeof path, "%.*s", length, directories);
		failed = add_directory(names, path);
		directories += length + (directories[length] == ':');
	}
	assay_backend_directory(path, sizeof path);
	if (failed || add_directory(names, path)) {
		names_free(names);
		return -1;
	}
	qsort(names->list, names->count, sizeof *names->list, in_alphabet);
	return 0;
}

int names_of_workloads(struct names *names)
{
	*names = (struct names){NULL, 0};
	for (const struct workload *const *each = workloads; *each; each++)
		if (add(names, (*each)->name, strlen((*each)->name))) {
			names_free(names);
			return -1;
		}
	return 0;
}

void names_free(struct names *names)
{
	while (names->count)
		free(names->list[--names->count]);
	free(names->list);
	names->list = NULL;
}

/* How many letters must be put in, taken out or changed (Levenshtein). */
static size_t distance(const char *left, const char *right)
{
	size_t row[65], length = strlen(right);

	if (length > 64)
		return SIZE_MAX;
	for (size_t j = 0; j <= length; j++)
		row[j] = j;
	for (size_t i = 1; left[i - 1]; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= length; j++) {
			size_t change = diagonal + (left[i - 1] != right[j - 1]);

			diagonal = row[j];
			row[j] = 1 + (row[j] < row[j - 1] ? row[j] : row[j - 1]);
			if (row[j] > change)
				row[j] = change;
		}
	}
	return row[length];
}

void names_suggest(struct names *names, const char *kind, const char *wrong)
{
	fprintf(stderr, "assay-bench: there is no %s '%s'; there %s", kind, wrong,
		names->count ? "are " : "are none");
	/* Few names: picking the nearest again and again is quick enough. */
	for (size_t i = 0; i < names->count; i++) {
		size_t nearest = i;
		char *name;

		for (size_t j = i + 1; j < names->count; j++)
			if (distance(wrong, names->list[j]) < distance(wrong, names->list[nearest]))
				nearest = j;
		name = names->list[nearest];
		names->list[nearest] = names->list[i];
		names->list[i] = name;
		fprintf(stderr, "%s%s", i ? ", " : "", name);
	}
	fputc('\n', stderr);
}
