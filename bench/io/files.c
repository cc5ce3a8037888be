/* SPDX-License-Identifier: MIT */
/*
 * Files on a real file system. files_read: 64 KiB each, from the page cache: short tasks that are
 * system calls and copying. files_fsync: each task makes a file of 4 KiB and waits until the device
 * has it; the waits can overlap, and a file system commits several at once if they do. Compare
 * files_fsync only within one run: it is the device more than the executor.
 */
#include "../batch.h"
#include "../marks.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { WORKERS = 8, READ_FILES = 32, READ_BYTES = 65536, WRITE_BYTES = 4096, TASKS_MAX = 65536 };

/* Forked workers know it as it was when they began, and need no descriptor. */
static char directory[4096];

enum { PATH_SIZE = sizeof directory + 32 };

struct file_work {
	uint64_t index;
	uint64_t seed;
};

static void fill(uint64_t *words, size_t bytes, uint64_t seed)
{
	for (size_t i = 0; i < bytes / sizeof *words; i++)
		words[i] = next_random(&seed);
}

static uint64_t checksum(const uint64_t *words, size_t bytes)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < bytes / sizeof *words; i++)
		sum = (sum ^ words[i]) * 0x100000001b3u;
	return sum;
}

static const char *path_of(char path[PATH_SIZE], const char *name)
{
	snprintf(path, PATH_SIZE, "%s/%s", directory, name);
	return path;
}

/* A new file with these bytes, on the device if asked for. NULL, or what failed, with errno. */
static const char *write_file(const char *name, const void *bytes, size_t size, bool to_device)
{
	char path[PATH_SIZE];
	int file = open(path_of(path, name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	const char *failed = NULL;

	if (file < 0)
		return "cannot make a file";
	if (write(file, bytes, size) != (ssize_t)size)
		failed = "cannot write a file";
	else if (to_device && fsync(file))
		failed = "cannot fsync a file";
	close(file);
	return failed;
}

static const char *read_file(const char *name, void *bytes, size_t size)
{
	char path[PATH_SIZE];
	int file = open(path_of(path, name), O_RDONLY | O_CLOEXEC);
	const char *failed = NULL;
	size_t done = 0;

	if (file < 0)
		return "cannot open a file";
	while (!failed && done < size) {
		ssize_t got = read(file, (char *)bytes + done, size - done);

		if (got <= 0)
			failed = "cannot read a whole file";
		else
			done += (size_t)got;
	}
	close(file);
	return failed;
}

static int fail_task(assay_call *call, const char *failed)
{
	char message[160];

	snprintf(message, sizeof message, "%s: %s", failed, strerror(errno));
	return assay_fail(call, 1, message);
}

static int read_task(assay_call *call)
{
	const struct file_work *work = call->argument;
	uint64_t words[READ_BYTES / sizeof(uint64_t)], sum;
	const char *failed;
	char name[32];

	mark(work->index);
	snprintf(name, sizeof name, "read-%llu", (unsigned long long)work->index % READ_FILES);
	failed = read_file(name, words, sizeof words);
	if (failed)
		return fail_task(call, failed);
	sum = checksum(words, sizeof words);
	return assay_return(call, &sum, sizeof sum);
}

static int fsync_task(assay_call *call)
{
	const struct file_work *work = call->argument;
	uint64_t words[WRITE_BYTES / sizeof(uint64_t)], sum;
	const char *failed;
	char name[32];

	mark(work->index);
	fill(words, sizeof words, work->seed);
	snprintf(name, sizeof name, "write-%llu", (unsigned long long)work->index);
	failed = write_file(name, words, sizeof words, true);
	if (failed)
		return fail_task(call, failed);
	sum = checksum(words, sizeof words);
	return assay_return(call, &sum, sizeof sum);
}

static const struct assay_named_function functions[] = {
	{"read", read_task}, {"fsync", fsync_task}, {NULL, NULL}};

static int setup(struct cell *cell, assay_function *function)
{
	snprintf(directory, sizeof directory, "%s", cell->directory);
	return batch_begin(cell, function, sizeof(struct file_work), sizeof(uint64_t), TASKS_MAX);
}

static int setup_read(struct cell *cell)
{
	uint64_t words[READ_BYTES / sizeof(uint64_t)];

	if (setup(cell, read_task))
		return -1;
	for (unsigned i = 0; i < READ_FILES; i++) {
		const char *failed;
		char name[32];

		snprintf(name, sizeof name, "read-%u", i);
		fill(words, sizeof words, cell->seed + i);
		failed = write_file(name, words, sizeof words, false);
		if (failed)
			return cell_fail(cell, "%s in %s: %s", failed, cell->directory,
					 strerror(errno));
	}
	return 0;
}

static int setup_fsync(struct cell *cell)
{
	struct statfs status;

	if (setup(cell, fsync_task))
		return -1;
	if (statfs(directory, &status) == 0 &&
	    (status.f_type == TMPFS_MAGIC || status.f_type == RAMFS_MAGIC))
		return cell_unsupported(cell,
					"%s is in memory, where fsync does nothing: "
					"set TMPDIR to a directory on a disk",
					cell->directory);
	return 0;
}

static int prepare(struct cell *cell, uint64_t operations)
{
	struct batch *batch = cell->state;

	if (operations > TASKS_MAX)
		return cell_fail(cell, "more than %d files", TASKS_MAX);
	if (batch_make(cell, batch, operations))
		return -1;
	for (size_t i = 0; i < operations; i++) {
		struct file_work *work = batch_argument(batch, i);

		*work = (struct file_work){
			i, cell->seed + (batch->function == read_task ? i % READ_FILES : i)};
	}
	marks_clear();
	return 0;
}

static int run(struct cell *cell, uint64_t operations)
{
	(void)operations;
	return batch_run(cell, cell->state);
}

static int check_sums(struct cell *cell, size_t size)
{
	const struct batch *batch = cell->state;
	uint64_t words[READ_BYTES / sizeof(uint64_t)];

	for (size_t i = 0; i < batch->count; i++) {
		const struct file_work *work = batch_argument(batch, i);

		fill(words, size, work->seed);
		if (*(const uint64_t *)batch_result(batch, i) != checksum(words, size))
			return cell_fail(cell, "file %zu: the checksum is wrong", i);
	}
	return marks_check(cell, batch->count);
}

static int check_read(struct cell *cell, uint64_t operations)
{
	(void)operations;
	return check_sums(cell, READ_BYTES);
}

static int check_fsync(struct cell *cell, uint64_t operations)
{
	const struct batch *batch = cell->state;

	for (size_t i = 0; i < operations; i++) {
		const struct file_work *work = batch_argument(batch, i);
		uint64_t found[WRITE_BYTES / sizeof(uint64_t)],
			expected[WRITE_BYTES / sizeof(uint64_t)];
		const char *failed;
		char name[32], path[PATH_SIZE];

		snprintf(name, sizeof name, "write-%zu", i);
		failed = read_file(name, found, sizeof found);
		if (failed)
			return cell_fail(cell, "file %zu: %s: %s", i, failed, strerror(errno));
		fill(expected, sizeof expected, work->seed);
		if (memcmp(found, expected, sizeof found) != 0)
			return cell_fail(cell, "file %zu: the content is wrong", i);
		unlink(path_of(path, name));
	}
	return check_sums(cell, WRITE_BYTES);
}

static void teardown(struct cell *cell)
{
	batch_end(cell);
}

const struct workload files_read = {
	.name = "files_read",
	.class_name = "io",
	.operation = "file",
	.separates = "Hand-over next to short system calls: 64 KiB read from the page cache.",
	.metric = "wall_per_op",
	.unit = "ns",
	.workers = WORKERS,
	.full_only = true,
	.on_executors = true,
	.needs = ASSAY_CAP_SHARED_MAPPINGS,
	.without = "serial",
	.sample = {{.operations = 100}, {.operations = 4000}, {.operations = 16000}},
	.functions = functions,
	.setup = setup_read,
	.prepare = prepare,
	.run = run,
	.check = check_read,
	.teardown = teardown,
};

const struct workload files_fsync = {
	.name = "files_fsync",
	.class_name = "io",
	.operation = "file",
	.separates = "Whether waits for a disk overlap: 4 KiB written and fsynced.",
	.metric = "wall_per_op",
	.unit = "ns",
	.workers = WORKERS,
	.full_only = true,
	.on_executors = true,
	.needs = ASSAY_CAP_SHARED_MAPPINGS,
	.without = "serial",
	.sample = {{.operations = 10}, {.operations = 400}, {.operations = 1600}},
	.functions = functions,
	.setup = setup_fsync,
	.prepare = prepare,
	.run = run,
	.check = check_fsync,
	.teardown = teardown,
};
