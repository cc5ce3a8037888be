/* SPDX-License-Identifier: MIT */
#include "publish.h"

#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int complain(const char *what, const char *path)
{
	fprintf(stderr, "assay-report: cannot %s '%s': %s\n", what, path, strerror(errno));
	return -1;
}

static char *join(const char *directory, const char *name)
{
	struct text path = {0};

	text_format(&path, "%s/%s", directory, name);
	return path.data;
}

/* mkdtemp makes directories for their owner alone, and plots/ is published as it is. */
static int make_plots(const char *temporary)
{
	char *plots = join(temporary, "plots");
	int failed = mkdir(plots, 0777) ? complain("make the directory", plots) : 0;

	free(plots);
	return failed;
}

static bool is_directory(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static int refuse(const char *path)
{
	fprintf(stderr, "assay-report: '%s' is not a directory\n", path);
	return -1;
}

int publish_begin(struct publication *publication, const char *directory)
{
	*publication = (struct publication){.directory = strdup(directory)};
	if (!publication->directory)
		return complain("name", directory);
	if (mkdir(directory, 0777) == 0)
		publication->made = true;
	else if (errno != EEXIST)
		return complain("make the directory", directory);
	else if (!is_directory(directory))
		return refuse(directory);
	publication->temporary = join(directory, ".report.XXXXXX");
	if (!mkdtemp(publication->temporary)) {
		complain("make a temporary directory in", directory);
		free(publication->temporary);
		publication->temporary = NULL;
		return -1;
	}
	return make_plots(publication->temporary);
}

static bool is_ours(const char *name)
{
	return strcmp(name, "heat-map.svg") == 0 || strcmp(name, "heat-map.png") == 0 ||
	       fnmatch("workload-*.svg", name, 0) == 0 || fnmatch("workload-*.png", name, 0) == 0;
}

/* Calls visit for each name in a directory; stops at the first failure. */
static int each_name(const char *directory, int (*visit)(const char *name, void *user), void *user)
{
	DIR *stream = opendir(directory);
	struct dirent *entry;
	int failed = 0;

	if (!stream)
		return errno == ENOENT ? 0 : complain("read the directory", directory);
	while (!failed && (entry = readdir(stream)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			failed = visit(entry->d_name, user);
	closedir(stream);
	return failed;
}

struct move {
	const char *from, *to;
};

static int move_file(const char *name, void *user)
{
	const struct move *move = user;
	char *from = join(move->from, name), *to = join(move->to, name);
	int failed = rename(from, to) ? complain("write", to) : 0;

	free(from);
	free(to);
	return failed;
}

/* The new plots are in place already, or there are none: what is ours and not new is stale. */
static int remove_stale(const char *name, void *user)
{
	const struct move *move = user;
	char *old = join(move->to, name), *new = join(move->from, name);

	if (is_ours(name) && access(new, F_OK) != 0)
		unlink(old);
	free(old);
	free(new);
	return 0;
}

static int move_plots(const char *from, const char *to)
{
	struct move move = {from, to};

	if (mkdir(to, 0777) && errno != EEXIST)
		return complain("make the directory", to);
	if (each_name(to, remove_stale, &move))
		return -1;
	if (each_name(from, move_file, &move))
		return -1;
	/* Stays only if something else is in it. */
	rmdir(to);
	return 0;
}

int publish_end(struct publication *publication)
{
	static const char *const pages[] = {"report.md", "report.html"};
	struct move move = {publication->temporary, publication->directory};
	char *from = join(publication->temporary, "plots");
	char *to = join(publication->directory, "plots");
	int failed = move_plots(from, to);

	for (size_t i = 0; i < sizeof pages / sizeof *pages && !failed; i++)
		failed = move_file(pages[i], &move);
	free(from);
	free(to);
	publication->made = publication->made && failed;
	publish_cancel(publication);
	return failed;
}

static int remove_file(const char *name, void *user)
{
	char *path = join(user, name);

	if (unlink(path) != 0 && (errno == EISDIR || errno == EPERM)) {
		each_name(path, remove_file, path);
		rmdir(path);
	}
	free(path);
	return 0;
}

void publish_cancel(struct publication *publication)
{
	if (publication->temporary) {
		each_name(publication->temporary, remove_file, publication->temporary);
		rmdir(publication->temporary);
	}
	/* Not empty if somebody put something there: then it stays. */
	if (publication->made)
		rmdir(publication->directory);
	free(publication->temporary);
	free(publication->directory);
	*publication = (struct publication){0};
}
