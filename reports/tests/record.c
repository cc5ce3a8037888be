/* SPDX-License-Identifier: MIT */
/* A result file is the earlier one or the new one, whole; and the context names no place or person. */
#include "record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int failures;

static void check(int condition, const char *what)
{
	if (!condition) {
		fprintf(stderr, "not so: %s\n", what);
		failures++;
	}
}

static int holds(const char *path, const char *expected)
{
	char text[256] = "";
	FILE *file = fopen(path, "r");
	size_t length = file ? fread(text, 1, sizeof text - 1, file) : 0;

	if (file)
		fclose(file);
	return file && length == strlen(expected) && strcmp(text, expected) == 0;
}

/* How many names are in the working directory, besides . and .. */
static int count_names(void)
{
	DIR *directory = opendir(".");
	int count = -2;

	while (directory && readdir(directory))
		count++;
	if (directory)
		closedir(directory);
	return count;
}

/* Calls record_write in a child with its standard error in a file, after prepare(). */
static int write_in_child(void (*prepare)(void), const char *path, const char *text)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		int descriptor = open("stderr", O_WRONLY | O_CREAT | O_TRUNC, 0600);

		dup2(descriptor, STDERR_FILENO);
		prepare();
		_exit(record_write(path, text) == 0 ? 0 : 1);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static void nothing(void)
{
}

/* As good as a full disk: writing beyond the limit fails, by signal unless it is ignored. */
static void limit_size(void)
{
	struct rlimit limit = {1000, 1000};

	setrlimit(RLIMIT_FSIZE, &limit);
}

static void close_output(void)
{
	int ends[2];

	if (pipe(ends) == 0) {
		close(ends[0]);
		dup2(ends[1], STDOUT_FILENO);
	}
}

static void fill_output(void)
{
	dup2(open("/dev/full", O_WRONLY), STDOUT_FILENO);
}

/* Root writes where nobody may. */
static void become_nobody(void)
{
	if (geteuid() == 0 && setuid(65534) != 0)
		_exit(99);
}

static int complains_of(const char *name)
{
	char text[4096] = "";
	FILE *file = fopen("stderr", "r");
	size_t length = file ? fread(text, 1, sizeof text - 1, file) : 0;

	if (file)
		fclose(file);
	return length > 0 && strstr(text, name) != NULL;
}

static void test_writing(void)
{
	struct stat status;

	umask(022);
	check(record_write("file", "first") == 0 && holds("file", "first"), "a file is made");
	check(stat("file", &status) == 0 && (status.st_mode & 0777) == 0644, "others may read it");
	check(chmod("file", 0600) == 0 && record_write("file", "second") == 0 &&
		      holds("file", "second"),
	      "a file is replaced");
	check(stat("file", &status) == 0 && (status.st_mode & 0777) == 0600,
	      "a replaced file keeps its mode");
	check(count_names() == 1, "no other file is left");
}

static void test_full_disk(void)
{
	char *text = malloc(100001);

	memset(text, 'x', 100000);
	text[100000] = '\0';
	check(write_in_child(limit_size, "file", text) == 1, "a full disk is an error");
	check(complains_of("file"), "its message names the file");
	check(holds("file", "second"), "the earlier file is whole");
	check(unlink("stderr") == 0 && count_names() == 1, "the temporary file is gone");
	free(text);
}

static void test_unwritable(void)
{
	check(write_in_child(nothing, "absent/file", "x") == 1 && complains_of("absent/file"),
	      "a directory that is missing is an error");
	check(mkdir("closed", 0500) == 0 && chmod(".", 0755) == 0, "a directory is made");
	check(write_in_child(become_nobody, "closed/file", "x") == 1 && complains_of("closed/file"),
	      "a directory that is closed is an error");
	check(mkdir("taken", 0700) == 0 && write_in_child(nothing, "taken", "x") == 1 &&
		      complains_of("taken"),
	      "a directory in the place of the file is an error");
	check(write_in_child(close_output, "-", "x") == 1 && !complains_of("standard output"),
	      "a broken pipe is an error without a word, not the end");
	check(rmdir("closed") == 0 && rmdir("taken") == 0 && unlink("stderr") == 0 &&
		      count_names() == 1,
	      "nothing is left of it");
}

static void test_link(void)
{
	struct stat status;

	check(mkdir("real", 0700) == 0 && record_write("real/target", "old") == 0 &&
		      symlink("real/target", "link") == 0,
	      "a link to a file is made");
	check(record_write("link", "new") == 0 && holds("real/target", "new"),
	      "the file that a link leads to is replaced");
	check(lstat("link", &status) == 0 && S_ISLNK(status.st_mode), "the link stays");
	check(unlink("real/target") == 0 && write_in_child(nothing, "link", "x") == 1 &&
		      complains_of("'link'") && complains_of("symbolic link"),
	      "a link to nothing is an error");
	check(lstat("link", &status) == 0 && S_ISLNK(status.st_mode), "that link stays too");
	check(rmdir("real") == 0 && unlink("link") == 0 && unlink("stderr") == 0 &&
		      count_names() == 1,
	      "nothing is left of it");
}

static void test_fifo(void)
{
	char text[16] = "";
	struct stat status;
	int reader;

	check(mkfifo("fifo", 0600) == 0, "a FIFO is made");
	reader = open("fifo", O_RDWR | O_NONBLOCK);
	check(reader >= 0 && record_write("fifo", "through") == 0, "a FIFO is written to");
	check(read(reader, text, sizeof text - 1) == 7 && strcmp(text, "through") == 0,
	      "its reader has the text");
	check(lstat("fifo", &status) == 0 && S_ISFIFO(status.st_mode), "the FIFO stays");
	close(reader);
	check(unlink("fifo") == 0 && count_names() == 1, "no other file is left");
}

/* As nobody, who can write to the device and cannot replace it, whatever record_write does. */
static void test_device(void)
{
	struct stat status;

	if (stat("/dev/full", &status) < 0 || !S_ISCHR(status.st_mode)) {
		fprintf(stderr, "not tested: there is no device /dev/full here\n");
		return;
	}
	check(write_in_child(become_nobody, "/dev/full", "x") == 1 && complains_of("'/dev/full'") &&
		      complains_of(strerror(ENOSPC)),
	      "a full device is an error");
	check(stat("/dev/full", &status) == 0 && S_ISCHR(status.st_mode), "the device stays");
	check(write_in_child(become_nobody, "/dev/null", "x") == 0, "a device is written to");
	check(unlink("stderr") == 0 && count_names() == 1, "no other file is left");
}

static void test_messages(void)
{
	check(write_in_child(nothing, "", "x") == 1 && complains_of("the name is empty"),
	      "an empty name is an error");
	check(write_in_child(nothing, ".", "x") == 1 && complains_of("'.': is a directory"),
	      "a directory is an error that says so");
	check(complains_of("reports_record: cannot write"), "a message names the program");
	check(write_in_child(fill_output, "-", "x") == 1 &&
		      complains_of("reports_record: cannot write to the standard output"),
	      "that of the standard output too");
	check(unlink("stderr") == 0 && count_names() == 1, "no other file is left");
}

static void test_context(void)
{
	static const char *const required[] = {
		"program",      "version",      "date",     "host_cpus",      "kernel",
		"memory_kib",   "allowed_cpus", "compiler", "compiler_flags", "build_type",
		"load_average", "libc",         "sanitizer"};
	cJSON *context = record_context("a program");
	const cJSON *item;
	char host[HOST_NAME_MAX + 1] = "";

	gethostname(host, sizeof host - 1);
	for (size_t i = 0; i < sizeof required / sizeof *required; i++)
		check(cJSON_HasObjectItem(context, required[i]), required[i]);
	cJSON_ArrayForEach(item, context)
	{
		const char *value = cJSON_IsString(item) ? item->valuestring : "";

		check(value[0] != '/' && !strstr(value, " /") && !strstr(value, "=/"),
		      "no path is in the context");
		check(strcmp(value, host) != 0, "no host name is in the context");
	}
	item = cJSON_GetObjectItemCaseSensitive(context, "allowed_cpus");
	check(cJSON_IsNumber(item) && item->valuedouble >= 1, "at least one processor is allowed");
	cJSON_Delete(context);
}

int main(void)
{
	char directory[] = "/tmp/assay-record.XXXXXX";

	if (!mkdtemp(directory) || chdir(directory) < 0) {
		perror(directory);
		return 2;
	}
	test_writing();
	test_full_disk();
	test_unwritable();
	test_link();
	test_fifo();
	test_device();
	test_messages();
	test_context();
	unlink("file");
	rmdir(directory);
	return failures ? 1 : 0;
}
