/* SPDX-License-Identifier: MIT */
#include "scratch.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int make(const char *parent, const char *name, char *directory, size_t size)
{
	int length = snprintf(directory, size, "%s/%sXXXXXX", parent, name);

	if (length > 0 && (size_t)length < size && mkdtemp(directory))
		return 0;
	fprintf(stderr, "assay-bench: cannot make a directory in %s: %s\n", parent,
		(size_t)length < size ? strerror(errno) : "its name is too long");
	directory[0] = '\0';
	return -1;
}

int scratch_begin(char *directory, size_t size)
{
	const char *parent = getenv("TMPDIR");
	char name[40];

	/* Whose it is: what a killed run left behind can be told from what a live one uses. */
	snprintf(name, sizeof name, "assay-bench-%ld-", (long)getpid());
	return make(parent && *parent ? parent : "/tmp", name, directory, size);
}

int scratch_make(const char *parent, char *directory, size_t size)
{
	return make(parent, "cell-", directory, size);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	remove(path);
	return 0;
}

void scratch_remove(const char *directory)
{
	if (*directory)
		nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
