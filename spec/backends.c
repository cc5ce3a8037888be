/* SPDX-License-Identifier: MIT */
#include "catalogue.h"
#include "rivals.h"

#include <assay/load.h>

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".so"

static void *must(void *memory)
{
	if (!memory) {
		fprintf(stderr, "assay: out of memory for the list of backends\n");
		exit(2);
	}
	return memory;
}

static int is_backend_file(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return length > strlen(SUFFIX) && entry->d_name[0] != '.' &&
	       strcmp(entry->d_name + length - strlen(SUFFIX), SUFFIX) == 0;
}

static bool is_known(const struct backend_file *backends, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(backends[i].name, name) == 0)
			return true;
	return false;
}

/* Appends the backends of a directory whose name is not there yet. One that cannot be read has
 * none. */
static struct backend_file *add_directory(struct backend_file *backends, size_t *count,
					  const char *directory)
{
	struct dirent **entries;
	int found = scandir(directory, &entries, is_backend_file, alphasort);

	backends = must(reallocarray(backends, *count + (found > 0 ? (size_t)found : 0) + 1,
				     sizeof *backends));
	for (int i = 0; i < found; i++) {
		const char *file = entries[i]->d_name;
		char *name = must(strndup(file, strlen(file) - strlen(SUFFIX)));

		if (is_known(backends, *count, name)) {
			free(name);
		} else {
			backends[*count].name = name;
			if (asprintf(&backends[*count].path, "%s/%s", directory, file) < 0)
				must(NULL);
			++*count;
		}
		free(entries[i]);
	}
	if (found >= 0)
		free(entries);
	backends[*count] = (struct backend_file){NULL, NULL};
	return backends;
}

struct backend_file *backends_in(const char *directory, size_t *count)
{
	*count = 0;
	return add_directory(NULL, count, directory);
}

static void warn_of_missing(const char *directory)
{
	struct stat status;

	if (stat(directory, &status) || !S_ISDIR(status.st_mode))
		fprintf(stderr, "assay: ASSAY_BACKEND_PATH: '%s' is no directory\n", directory);
}

struct backend_file *backends_find(size_t *count)
{
	static bool has_warned;
	const char *directories = getenv("ASSAY_BACKEND_PATH");
	struct backend_file *backends = NULL;
	char directory[PATH_MAX + 16];

	*count = 0;
	while (directories && *directories) {
		int length = (int)strcspn(directories, ":");

		snprintf(directory, sizeof directory, "%.*s", length, directories);
		if (length > 0) {
			if (!has_warned)
				warn_of_missing(directory);
			backends = add_directory(backends, count, directory);
		}
		directories += length + (directories[length] == ':');
	}
	has_warned = true;
	assay_backend_directory(directory, sizeof directory);
	return add_directory(backends, count, directory);
}

void backends_free(struct backend_file *backends)
{
	for (struct backend_file *backend = backends; backend && backend->name; backend++) {
		free(backend->name);
		free(backend->path);
	}
	free(backends);
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static bool differ(char a, char b)
{
	return tolower((unsigned char)a) != tolower((unsigned char)b);
}

/* Levenshtein distance without regard to case; of names longer than the row, the beginnings. */
static size_t distance(const char *left, const char *right)
{
	size_t row[65], width = least(strlen(right), 64), height = least(strlen(left), 64);

	for (size_t column = 0; column <= width; column++)
		row[column] = column;
	for (size_t line = 1; line <= height; line++) {
		size_t diagonal = row[0];

		row[0] = line;
		for (size_t column = 1; column <= width; column++) {
			size_t replaced = diagonal + differ(left[line - 1], right[column - 1]);

			diagonal = row[column];
			row[column] = least(replaced, least(row[column], row[column - 1]) + 1);
		}
	}
	return row[width];
}

/* Insertion keeps the order of equals. What contains the wanted name is nearest: who gives a part
 * means the whole. */
void nearest_first(const char *wanted, const char **names, size_t count)
{
	size_t *distances = must(calloc(count + 1, sizeof *distances));

	for (size_t i = 0; i < count; i++) {
		const char *name = names[i];
		size_t far = strcasestr(name, wanted) ? 0 : distance(wanted, name);
		size_t place = i;

		for (; place > 0 && distances[place - 1] > far; place--) {
			names[place] = names[place - 1];
			distances[place] = distances[place - 1];
		}
		names[place] = name;
		distances[place] = far;
	}
	free(distances);
}

static void say_what_there_is(const char *program, const char *wanted)
{
	size_t count;
	struct backend_file *backends = backends_find(&count);
	const char **names = must(calloc(count + 1, sizeof *names));

	for (size_t i = 0; i < count; i++)
		names[i] = backends[i].name;
	nearest_first(wanted, names, count);
	fprintf(stderr, "%s: there is no backend '%s'; ", program, wanted);
	if (count == 0)
		fprintf(stderr, "in fact there is none at all: build them, or name their "
				"directory in ASSAY_BACKEND_PATH");
	else
		fprintf(stderr, "known are: ");
	for (size_t i = 0; i < count; i++)
		fprintf(stderr, "%s%s", i ? ", " : "", names[i]);
	fputc('\n', stderr);
	free(names);
	backends_free(backends);
}

static void complain(const char *program, const char *wanted)
{
	const struct rival *rival = rival_find(wanted);

	if (rival && !rival_is_raw(rival))
		rival_complain(program, rival);
	else
		say_what_there_is(program, wanted);
}

char *backend_resolve(const char *program, const char *name)
{
	size_t count;
	struct backend_file *backends;
	char *path = NULL;

	if (assay_backend_is_path(name)) {
		if (access(name, R_OK) == 0) {
			/* Without a slash dlopen() would search the system's libraries. */
			if (asprintf(&path, "%s%s", strchr(name, '/') ? "" : "./", name) < 0)
				must(NULL);
			return path;
		}
		fprintf(stderr, "%s: cannot read the backend '%s': %s\n", program, name,
			strerror(errno));
		return NULL;
	}
	backends = backends_find(&count);
	for (size_t i = 0; i < count && !path; i++)
		if (strcmp(backends[i].name, name) == 0)
			path = must(strdup(backends[i].path));
	backends_free(backends);
	if (!path)
		complain(program, name);
	return path;
}

bool matches_any(const char *patterns, const char *text)
{
	char pattern[256];

	if (!patterns)
		return true;
	while (*patterns) {
		size_t length = strcspn(patterns, ",");

		snprintf(pattern, sizeof pattern, "%.*s", (int)length, patterns);
		if (fnmatch(pattern, text, FNM_CASEFOLD) == 0)
			return true;
		patterns += length + (patterns[length] == ',');
	}
	return false;
}
