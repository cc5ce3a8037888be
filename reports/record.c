/* SPDX-License-Identifier: MIT */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
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

static int complain(const char *path, const char *why)
{
	fprintf(stderr, "%s: cannot write '%s': %s\n", program_invocation_short_name, path, why);
	return -1;
}

static int write_output(const char *text)
{
	fflush(stdout);
	if (write_unsignalled(STDOUT_FILENO, text, strlen(text)) == 0)
		return 0;
	/* A reader that has gone, as head does, has what it wanted. */
	if (errno != EPIPE)
		fprintf(stderr, "%s: cannot write to the standard output: %s\n",
			program_invocation_short_name, strerror(errno));
	return -1;
}

/* A device, FIFO or socket is a way to a reader: a file in its place would cut the way off. */
static int write_directly(const char *path, const char *text)
{
	int descriptor = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
	int result, error;

	if (descriptor < 0)
		return complain(path, strerror(errno));
	result = write_unsignalled(descriptor, text, strlen(text));
	error = errno;
	if (close(descriptor) < 0 && result == 0) {
		result = -1;
		error = errno;
	}
	return result == 0 ? 0 : complain(path, strerror(error));
}

/* The file itself: renaming over a symbolic link would replace the link. NULL after a message. */
static char *resolve(const char *path)
{
	struct stat status;
	bool link = lstat(path, &status) == 0 && S_ISLNK(status.st_mode);
	char *resolved = link ? realpath(path, NULL) : strdup(path);

	if (!resolved)
		complain(path, link && errno == ENOENT
				       ? "is a symbolic link to a file that does not exist"
				       : strerror(errno));
	return resolved;
}

static int replace(const char *path, const char *text)
{
	char *temporary;
	int descriptor, error, result = -1;

	if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
		return complain(path, "out of memory");
	descriptor = mkostemp(temporary, O_CLOEXEC);
	if (descriptor >= 0)
		result = fill_temporary(path, temporary, descriptor, text);
	error = errno;
	if (result == 0)
		flush_directory(path);
	else if (descriptor >= 0)
		unlink(temporary);
	free(temporary);
	return result == 0 ? 0 : complain(path, strerror(error));
}

int record_write(const char *path, const char *text)
{
	struct stat status;
	char *file;
	int result;

	if (!path || strcmp(path, "-") == 0)
		return write_output(text);
	if (!path[0])
		return complain(path, "the name is empty; expected the name of a file");
	if (stat(path, &status) == 0) {
		if (S_ISDIR(status.st_mode))
			return complain(path, "is a directory; expected the name of a file");
		if (!S_ISREG(status.st_mode))
			return write_directly(path, text);
	}
	file = resolve(path);
	if (!file)
		return -1;
	result = replace(file, text);
	free(file);
	return result;
}
