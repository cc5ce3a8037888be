/* SPDX-License-Identifier: MIT */
/*
 * Files of several sizes fetched over HTTP from a real server on the loopback, with libcurl and
 * connections that stay open, one for each thread. In http_files the server answers at once: system
 * calls and copying, shared between client and server processors. In http_slow it answers at 4
 * MiB/s, as a distant one would: tasks wait for the network, and more workers wait at once. The
 * serial row fetches the same files through one thread.
 */
#include "../workload.h"

#include "nginx.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { WORKERS = 8, PATH_SIZE = 4200 };

static const size_t sizes[] = {1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10};

enum { FILES = sizeof sizes / sizeof *sizes };

/* What a task is told, and what it answers. */
struct request {
	uint32_t port;
	uint32_t slow;
	uint64_t file;
};

struct page {
	uint64_t size;
	uint64_t checksum;
};

struct http {
	struct nginx nginx;
	bool slow;
	struct page expected[FILES];
	assay_future **futures;
	struct page *pages;
};

/* FNV-1a over the bytes. */
static uint64_t checksum(uint64_t sum, const unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		sum = (sum ^ bytes[i]) * 0x100000001b3u;
	return sum;
}

static const struct page empty = {0, 0xcbf29ce484222325u};

/*
 * One handle, and so one open connection, for each thread that fetches.
 */
static pthread_key_t handle_key;
static pthread_once_t handle_once = PTHREAD_ONCE_INIT;
static bool handle_ready;

static void make_handle_key(void)
{
	handle_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == 0 &&
		       pthread_key_create(&handle_key, curl_easy_cleanup) == 0;
}

static size_t receive(char *bytes, size_t one, size_t size, void *user)
{
	struct page *page = user;

	(void)one; /* always 1 */
	page->size += size;
	page->checksum = checksum(page->checksum, (const unsigned char *)bytes, size);
	return size;
}

static CURL *thread_handle(void)
{
	CURL *handle;

	pthread_once(&handle_once, make_handle_key);
	handle = handle_ready ? pthread_getspecific(handle_key) : NULL;
	if (handle || !handle_ready)
		return handle;
	handle = curl_easy_init();
	if (!handle)
		return NULL;
	if (curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, receive) ||
	    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L) ||
	    curl_easy_setopt(handle, CURLOPT_PROXY, "") ||
	    curl_easy_setopt(handle, CURLOPT_FAILONERROR, 1L) ||
	    pthread_setspecific(handle_key, handle)) {
		curl_easy_cleanup(handle);
		return NULL;
	}
	return handle;
}

/* NULL, or what went wrong. */
static const char *get(const struct request *request, struct page *page)
{
	CURL *handle = thread_handle();
	char url[96];
	CURLcode code;

	if (!handle)
		return "libcurl gave no handle";
	*page = empty;
	snprintf(url, sizeof url, "http://127.0.0.1:%u/%s%llu", request->port,
		 request->slow ? "slow/" : "", (unsigned long long)request->file);
	code = curl_easy_setopt(handle, CURLOPT_URL, url);
	if (!code)
		code = curl_easy_setopt(handle, CURLOPT_WRITEDATA, (void *)page);
	if (!code)
		code = curl_easy_perform(handle);
	return code ? curl_easy_strerror(code) : NULL;
}

static int get_task(assay_call *call)
{
	struct page page;
	const char *trouble = get(call->argument, &page);

	if (trouble)
		return assay_fail(call, 1, trouble);
	return assay_return(call, &page, sizeof page);
}

static const struct assay_named_function functions[] = {{"get", get_task}, {NULL, NULL}};

static int write_file(struct cell *cell, unsigned index)
{
	struct http *http = cell->state;
	struct page *page = &http->expected[index];
	uint64_t random = cell->seed + index;
	char path[PATH_SIZE];
	FILE *file;

	snprintf(path, sizeof path, "%s/files/%u", cell->directory, index);
	file = fopen(path, "wb");
	if (!file)
		return cell_fail(cell, "cannot write %s: %s", path, strerror(errno));
	*page = empty;
	for (size_t i = 0; i < sizes[index]; i += sizeof(uint64_t)) {
		uint64_t word = next_random(&random);

		fwrite(&word, sizeof word, 1, file);
		receive((char *)&word, 1, sizeof word, page);
	}
	if (ferror(file) | fclose(file))
		return cell_fail(cell, "cannot write %s: %s", path, strerror(errno));
	return 0;
}

static int setup(struct cell *cell, bool slow)
{
	struct http *http = calloc(1, sizeof *http);
	struct request first = {.slow = slow};
	struct page page;
	char path[PATH_SIZE], message[CELL_MESSAGE];
	const char *trouble;

	if (!http)
		return cell_fail(cell, "out of memory");
	cell->state = http;
	http->slow = slow;
	snprintf(path, sizeof path, "%s/files", cell->directory);
	if (mkdir(path, 0700))
		return cell_fail(cell, "cannot make %s: %s", path, strerror(errno));
	for (unsigned i = 0; i < FILES; i++)
		if (write_file(cell, i))
			return -1;
	if (nginx_start(&http->nginx, cell->directory, message, sizeof message))
		return cell_fail(cell, "%s", message);
	first.port = (uint32_t)http->nginx.port;
	trouble = get(&first, &page); /* returns once the server is up, or has failed */
	if (trouble)
		return cell_fail(cell, "nginx does not answer: %s", trouble);
	/* Workers that are forked from this thread must not share its connection. */
	curl_easy_cleanup(thread_handle());
	pthread_setspecific(handle_key, NULL);
	return 0;
}

static int setup_files(struct cell *cell)
{
	return setup(cell, false);
}

static int setup_slow(struct cell *cell)
{
	return setup(cell, true);
}

static int prepare(struct cell *cell, uint64_t operations)
{
	struct http *http = cell->state;

	free(http->futures);
	free(http->pages);
	http->futures = calloc(operations, sizeof(assay_future *));
	http->pages = calloc(operations, sizeof *http->pages);
	if (!http->futures || !http->pages)
		return cell_fail(cell, "no memory for %llu requests",
				 (unsigned long long)operations);
	return 0;
}

static struct request request_of(const struct http *http, uint64_t index)
{
	return (struct request){(uint32_t)http->nginx.port, http->slow, index % FILES};
}

static int run_serial(struct cell *cell, uint64_t operations)
{
	struct http *http = cell->state;

	for (uint64_t i = 0; i < operations; i++) {
		struct request request = request_of(http, i);
		const char *trouble = get(&request, &http->pages[i]);

		if (trouble)
			return cell_fail(cell, "request %llu: %s", (unsigned long long)i, trouble);
	}
	return 0;
}

static int receive_page(struct cell *cell, uint64_t index)
{
	struct http *http = cell->state;
	struct assay_outcome outcome;
	int error = assay_future_outcome(http->futures[index], ASSAY_FOREVER, &outcome);

	if (error || outcome.error)
		return cell_fail(cell, "request %llu: %s: %s", (unsigned long long)index,
				 assay_error_text(error ? error : outcome.error),
				 error ? "" : outcome.message);
	if (outcome.result_size != sizeof http->pages[index])
		return cell_fail(cell, "request %llu: a result of %zu bytes",
				 (unsigned long long)index, outcome.result_size);
	memcpy(&http->pages[index], outcome.result, sizeof http->pages[index]);
	return 0;
}

static int run(struct cell *cell, uint64_t operations)
{
	struct http *http = cell->state;
	uint64_t submitted = 0;
	int failed = 0;

	if (!cell->executor)
		return run_serial(cell, operations);
	for (; submitted < operations && !failed; submitted += !failed) {
		struct request request = request_of(http, submitted);
		struct assay_task task = cell_task(cell, get_task, &request, sizeof request);
		int error = assay_submit(cell->executor, &task, &http->futures[submitted]);

		if (error)
			failed = cell_fail(cell, "submit: %s", assay_error_text(error));
	}
	for (uint64_t i = 0; i < submitted; i++) {
		failed |= receive_page(cell, i);
		assay_future_release(http->futures[i]);
	}
	return failed;
}

static int check(struct cell *cell, uint64_t operations)
{
	const struct http *http = cell->state;

	for (uint64_t i = 0; i < operations; i++) {
		const struct page *page = &http->pages[i], *expected = &http->expected[i % FILES];

		if (page->size != expected->size)
			return cell_fail(cell, "request %llu: %llu bytes, expected %llu",
					 (unsigned long long)i, (unsigned long long)page->size,
					 (unsigned long long)expected->size);
		if (page->checksum != expected->checksum)
			return cell_fail(cell, "request %llu: the content is wrong",
					 (unsigned long long)i);
	}
	return 0;
}

static void teardown(struct cell *cell)
{
	struct http *http = cell->state;
	char message[CELL_MESSAGE];

	if (!http)
		return;
	if (nginx_stop(&http->nginx, message, sizeof message))
		cell_fail(cell, "%s", message);
	free(http->futures);
	free(http->pages);
	free(http);
}

const struct workload http_files = {
	.name = "http_files",
	.class_name = "io",
	.operation = "request",
	.separates = "Real I/O that is mostly system calls: what hand-over adds to it.",
	.metric = "wall_per_op",
	.unit = "ns",
	.workers = WORKERS,
	.on_executors = true,
	.without = "serial",
	.sample = {{.operations = 50}, {.operations = 1000}, {.operations = 4000}},
	.functions = functions,
	.setup = setup_files,
	.prepare = prepare,
	.run = run,
	.check = check,
	.teardown = teardown,
};

const struct workload http_slow = {
	.name = "http_slow",
	.class_name = "io",
	.operation = "request",
	.separates = "Real I/O that is mostly waiting: whether the waits overlap.",
	.metric = "wall_per_op",
	.unit = "ns",
	.workers = WORKERS,
	.on_executors = true,
	.without = "serial",
	.sample = {{.operations = 4}, {.operations = 40}, {.operations = 160}},
	.functions = functions,
	.setup = setup_slow,
	.prepare = prepare,
	.run = run,
	.check = check,
	.teardown = teardown,
};
