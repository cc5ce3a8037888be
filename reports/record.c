/* SPDX-License-Identifier: MIT */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* All of it, or -1 with errno: a short write is a full disk seen early. */
static int write_all(int descriptor, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t written = write(descriptor, text, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -1;
		text += written;
		length -= (size_t)written;
	}
	return 0;
}

/* A broken pipe or a file-size limit must be a message, not a death by signal. */
static int write_unsignalled(int descriptor, const char *text, size_t length)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN}, size_action, pipe_action;
	int result, error;

	sigaction(SIGXFSZ, &ignore, &size_action);
	sigaction(SIGPIPE, &ignore, &pipe_action);
	result = write_all(descriptor, text, length);
	error = errno;
	sigaction(SIGXFSZ, &size_action, NULL);
	sigaction(SIGPIPE, &pipe_action, NULL);
	errno = error;
	return result;
}

/* mkstemp makes files for their owner alone; results are ordinary files. */
static mode_t ordinary_mode(const char *path)
{
	struct stat earlier;
	mode_t mask;

	if (stat(path, &earlier) == 0)
		return earlier.st_mode & 0777;
	mask = umask(0);
	umask(mask);
	return 0666 & ~mask;
}

/* Without this a power cut may forget the rename; not every file system can do it. */
static void flush_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	int descriptor = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (descriptor >= 0) {
		fsync(descriptor);
		close(descriptor);
	}
	free(directory);
}

static int fill_temporary(const char *path, const char *temporary, int descriptor, const char *text)
{
	int result = write_unsignalled(descriptor, text, strlen(text));

	if (result == 0)
		result = fchmod(descriptor, ordinary_mode(path));
	if (result == 0)
		result = fsync(descriptor);
	if (close(descriptor) < 0)
		result = -1;
	return result == 0 ? rename(temporary, path) : -1;
}

int record_write(const char *path, const char *text)
{
	char *temporary;
	int descriptor, result = -1;

	if (!path || strcmp(path, "-") == 0) {
		fflush(stdout);
		result = write_unsignalled(STDOUT_FILENO, text, strlen(text));
		if (result < 0)
			fprintf(stderr, "cannot write to the standard output: %s\n",
				strerror(errno));
		return result;
	}
	if (asprintf(&temporary, "%s.XXXXXX", path) < 0) {
		fprintf(stderr, "cannot write '%s': out of memory\n", path);
		return -1;
	}
	descriptor = mkostemp(temporary, O_CLOEXEC);
	if (descriptor >= 0)
		result = fill_temporary(path, temporary, descriptor, text);
	if (result < 0) {
		fprintf(stderr, "cannot write '%s': %s\n", path, strerror(errno));
		if (descriptor >= 0)
			unlink(temporary);
	} else {
		flush_directory(path);
	}
	free(temporary);
	return result;
}
