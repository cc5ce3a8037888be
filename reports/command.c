/* SPDX-License-Identifier: MIT */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* Opened the other way round than they are used. */
void command_hold_streams(void)
{
	for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++)
		if (fcntl(stream, F_GETFD) < 0 && errno == EBADF)
			(void)open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int command_see_help(void)
{
	fprintf(stderr, "%s: see %s --help\n", program_invocation_short_name,
		program_invocation_short_name);
	return 2;
}

int command_once(const struct option *known, bool given[128], int option)
{
	while (known->name && known->val != option)
		known++;
	if (!known->name || !given[option]) {
		given[option] = true;
		return 0;
	}
	fprintf(stderr, "%s: --%s is given twice\n", program_invocation_short_name, known->name);
	return -1;
}

const char *command_format(const char *path)
{
	static const struct {
		const char *ending, *format;
	} formats[] = {{".json", "json"}, {".md", "markdown"}, {".xml", "junit"}, {".txt", "text"}};
	const char *ending = path ? strrchr(path, '.') : NULL;

	for (size_t i = 0; ending && i < sizeof formats / sizeof *formats; i++)
		if (strcasecmp(ending, formats[i].ending) == 0)
			return formats[i].format;
	return NULL;
}
