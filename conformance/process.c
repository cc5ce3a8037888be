/* SPDX-License-Identifier: MIT */
#include "process.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KERNEL_PF_EXITING 0x4

/* A small file of /proc as a string; false if it is not there. */
static bool read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length;

	if (fd < 0)
		return false;
	length = read(fd, text, size - 1);
	close(fd);
	text[length > 0 ? length : 0] = '\0';
	return length > 0;
}

/* Skips `count` numbers separated by spaces and returns the next one. */
static long long number_after(const char **text, int count)
{
	char *end = (char *)*text;
	long long number = 0;

	for (int i = 0; i <= count; i++)
		number = strtoll(end, &end, 10);
	*text = end;
	return number;
}

bool process_status(pid_t id, struct process_status *status)
{
	char path[64], text[1024];
	const char *name, *rest;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)id);
	if (!read_file(path, text, sizeof text))
		return false;
	name = strchr(text, '(');
	rest = strrchr(text, ')'); /* a name may itself contain parentheses */
	if (!name || !rest || rest[1] != ' ' || !rest[2])
		return false;
	snprintf(status->name, sizeof status->name, "%.*s", (int)(rest - name - 1), name + 1);
	status->state = rest[2];
	rest += 3;
	status->parent = (pid_t)number_after(&rest, 0);
	status->group = (pid_t)number_after(&rest, 0);
	status->is_exiting = number_after(&rest, 3) & KERNEL_PF_EXITING;
	return true;
}

uint64_t process_sleeps(pid_t id)
{
	char path[64], text[8192];
	const char *found;

	snprintf(path, sizeof path, "/proc/%d/status", (int)id);
	if (!read_file(path, text, sizeof text))
		return 0;
	found = strstr(text, "\nvoluntary_ctxt_switches:");
	return found ? strtoull(strchr(found, ':') + 1, NULL, 10) : 0;
}

void process_sleeps_in(pid_t id, char *where, size_t size)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/wchan", (int)id);
	if (!read_file(path, where, size) || strcmp(where, "0") == 0)
		where[0] = '\0';
}

static void each_number(const char *directory, void (*visit)(pid_t, void *), void *user)
{
	DIR *entries = opendir(directory);
	const struct dirent *entry;

	if (!entries)
		return;
	while ((entry = readdir(entries)))
		if (isdigit((unsigned char)entry->d_name[0]))
			visit((pid_t)strtol(entry->d_name, NULL, 10), user);
	closedir(entries);
}

void process_each_thread(pid_t process, void (*visit)(pid_t thread, void *user), void *user)
{
	char directory[64];

	snprintf(directory, sizeof directory, "/proc/%d/task", (int)process);
	each_number(directory, visit, user);
}

void process_each(void (*visit)(pid_t process, void *user), void *user)
{
	each_number("/proc", visit, user);
}
