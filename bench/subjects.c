/* SPDX-License-Identifier: MIT */
#include "subjects.h"

#include "catalogue.h"
#include "cell.h"
#include "child.h"
#include "patterns.h"
#include "raw/drivers.h"
#include "rivals.h"

#include <assay/load.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* To load a shared object takes milliseconds. */
#define LOAD_LIMIT_NS (INT64_C(10) * 1000000000)

static int describe(const char *name, const char *summary, const char *version)
{
	if (dprintf(CELL_OUTPUT, "%s\n%s\n%s\n", name, summary ? summary : "", version) < 0) {
		perror("cannot hand back the name of a backend");
		return 2;
	}
	return 0;
}

static int describe_raw(const char *file)
{
	char message[2 * PATH_MAX];
	const struct raw_driver *driver = raw_open(file, message, sizeof message);

	if (!driver) {
		fprintf(stderr, "%s\n", message);
		return 2;
	}
	return describe(driver->name, driver->summary, driver->version());
}

/* An adapter cannot tell: a raw driver of the same library does. "" without one. */
static const char *version_of(const char *adapter)
{
	const struct rival *rival = rival_find(adapter), *raw = rivals;
	const struct raw_driver *driver = NULL;
	char message[2 * PATH_MAX], *file;

	while (rival && raw->name &&
	       !(rival_is_raw(raw) && strcmp(raw->library, rival->library) == 0 &&
		 raw_is_built(raw->name)))
		raw++;
	if (!rival || !raw->name)
		return "";
	file = raw_resolve(raw->name);
	if (file)
		driver = raw_open(file, message, sizeof message);
	free(file);
	return driver ? driver->version() : "";
}

int subject_describe(const char *file)
{
	const struct assay_backend *backend;
	char message[2 * PATH_MAX];

	if (raw_is_driver(file))
		return describe_raw(file);
	if (assay_backend_open(file, &backend, message, sizeof message)) {
		fprintf(stderr, "%s\n", message);
		return 2;
	}
	return describe(backend->name, backend->summary,
			assay_backend_is_path(file) ? "" : version_of(file));
}

/* Cuts the answer of a child up; -1: no memory. */
static int take_description(struct subject *subject, char *text)
{
	char *rest = text;
	char **const fields[] = {&subject->name, &subject->summary, &subject->version};

	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		const char *line = strsep(&rest, "\n");

		*fields[i] = strdup(line ? line : "");
		if (!*fields[i]) {
			fprintf(stderr, "assay-bench: no memory for the backends\n");
			return -1;
		}
	}
	return 0;
}

/* What its descriptor says; -1 after a message. */
static int ask(struct subject *subject, const char *file)
{
	char program[] = "assay-bench", command[] = "describe";
	char *arguments[] = {program, command, (char *)file, NULL};
	struct child_result child;
	char message[2 * PATH_MAX];
	int failed = -1;

	child_run(arguments, LOAD_LIMIT_NS, &child);
	if (child.interrupted) {
		fprintf(stderr, "assay-bench: interrupted\n");
	} else if (child_succeeded(&child) && child.output && *child.output) {
		failed = take_description(subject, child.output);
	} else if (child_exited(&child, 2) && child.errors && *child.errors) {
		fprintf(stderr, "assay-bench: %s\n", child_last_words(&child));
	} else {
		child_explain(&child, LOAD_LIMIT_NS, message, sizeof message);
		fprintf(stderr, "assay-bench: cannot load backend '%s': %s\n", file, message);
	}
	child_forget(&child);
	return failed;
}

/* The rows without an executor have names, too. */
static bool is_reserved(const char *name)
{
	for (const struct workload *const *workload = workloads; *workload; workload++)
		if ((*workload)->without && strcmp((*workload)->without, name) == 0)
			return true;
	return false;
}

static int check_name(const struct subjects *subjects, const struct subject *subject)
{
	if (!assay_backend_is_path(subject->file) && strcmp(subject->name, subject->file) != 0) {
		fprintf(stderr,
			"assay-bench: the file of backend '%s' holds the backend '%s'; give its "
			"path to measure that\n",
			subject->file, subject->name);
		return -1;
	}
	if (is_reserved(subject->name)) {
		fprintf(stderr,
			"assay-bench: backend '%s': the name '%s' is that of the rows without an "
			"executor\n",
			subject->file, subject->name);
		return -1;
	}
	for (size_t i = 0; i < subjects->count; i++)
		if (strcmp(subject->name, subjects->list[i].name) == 0) {
			fprintf(stderr,
				"assay-bench: backend '%s' is given twice: as '%s' and as '%s'\n",
				subject->name, subjects->list[i].file, subject->file);
			return -1;
		}
	return 0;
}

static void forget(const struct subject *subject)
{
	free(subject->name);
	free(subject->file);
	free(subject->path);
	free(subject->summary);
	free(subject->version);
}

/* Who misspells a rival means no backend. */
static char *refuse_name(const char *name)
{
	size_t count, raw = raw_count();
	struct backend_file *all = backends_find(&count);
	const char **names = calloc(count + raw + 1, sizeof *names);

	for (size_t i = 0; names && i < count; i++)
		names[i] = all[i].name;
	for (size_t i = 0; names && i < raw; i++)
		names[count + i] = raw_names()[i];
	if (names)
		names_refuse("backend", name, names, count + raw);
	else
		fprintf(stderr, "assay-bench: no memory for the backends\n");
	free(names);
	backends_free(all);
	return NULL;
}

static bool is_known(const char *name)
{
	size_t count;
	struct backend_file *all = backends_find(&count);
	bool known = rival_find(name) != NULL;

	for (size_t i = 0; i < count; i++)
		known |= strcmp(all[i].name, name) == 0;
	backends_free(all);
	return known;
}

/* -1 after a message. What a child opens is a path; of a backend that was named, its name. */
static int find(struct subject *subject, const char *name)
{
	if (subject->raw)
		subject->path = raw_resolve(name);
	else if (assay_backend_is_path(name))
		subject->path = strdup(name); /* the child says what is wrong with it */
	else if (is_known(name))
		subject->path = backend_resolve("assay-bench", name);
	else
		subject->path = refuse_name(name);
	if (!subject->path)
		return -1;
	digest_file(subject->path, subject->digest);
	subject->file = strdup(subject->raw ? subject->path : name);
	if (!subject->file)
		fprintf(stderr, "assay-bench: no memory for the backends\n");
	return subject->file ? 0 : -1;
}

static int add(struct subjects *subjects, const char *name)
{
	struct subject *subject = &subjects->list[subjects->count];

	*subject = (struct subject){.raw = raw_is_driver(name)};
	if (find(subject, name) || ask(subject, subject->file) || check_name(subjects, subject)) {
		forget(subject);
		return -1;
	}
	subjects->count++;
	return 0;
}

/* Each driver that was built; the others are named on the standard error. */
static int add_all_raw(struct subjects *subjects)
{
	size_t before = subjects->count;

	for (const char *const *name = raw_names(); *name; name++) {
		if (!raw_is_built(*name))
			raw_complain(*name);
		else if (add(subjects, *name))
			return -1;
	}
	if (subjects->count == before)
		fprintf(stderr, "assay-bench: no raw driver was built\n");
	return subjects->count == before ? -1 : 0;
}

static int check_given(const char *const *names, size_t count)
{
	bool raw = false;

	for (size_t i = 0; i < count; i++) {
		raw |= strcmp(names[i], "raw") == 0;
		for (size_t j = 0; j < i; j++)
			if (strcmp(names[i], names[j]) == 0) {
				fprintf(stderr, "assay-bench: '%s' is given twice\n", names[i]);
				return -1;
			}
	}
	for (size_t i = 0; raw && i < count; i++)
		if (!assay_backend_is_path(names[i]) && raw_is_driver(names[i])) {
			fprintf(stderr, "assay-bench: '%s' is given by name and is part of 'raw'\n",
				names[i]);
			return -1;
		}
	return 0;
}

int subjects_choose(struct subjects *subjects, const char *const *names, size_t count)
{
	struct backend_file *all = NULL;
	int failed = 0;

	*subjects = (struct subjects){.count = 0};
	if (check_given(names, count))
		return -1;
	if (!count) {
		all = backends_find(&count);
		if (!count)
			fprintf(stderr, "assay-bench: there is no backend: build them, or name "
					"their directory in ASSAY_BACKEND_PATH\n");
	}
	subjects->list = calloc(count * raw_count() + 1, sizeof *subjects->list);
	if (!subjects->list)
		fprintf(stderr, "assay-bench: no memory for the backends\n");
	if (!subjects->list || !count)
		failed = -1;
	for (size_t i = 0; i < count && !failed; i++)
		if (!all && strcmp(names[i], "raw") == 0)
			failed = add_all_raw(subjects);
		else
			failed = add(subjects, all ? all[i].name : names[i]);
	backends_free(all);
	return failed;
}

void subjects_free(struct subjects *subjects)
{
	for (size_t i = 0; i < subjects->count; i++)
		forget(&subjects->list[i]);
	free(subjects->list);
}

cJSON *subjects_list(const struct subject *list, size_t count)
{
	cJSON *array = cJSON_CreateArray();

	for (size_t i = 0; i < count; i++) {
		cJSON *object = cJSON_CreateObject();

		cJSON_AddStringToObject(object, "backend", list[i].name);
		cJSON_AddStringToObject(object, "summary", list[i].summary);
		cJSON_AddBoolToObject(object, "raw", list[i].raw);
		if (*list[i].version)
			cJSON_AddStringToObject(object, "version", list[i].version);
		cJSON_AddStringToObject(object, "digest", list[i].digest);
		cJSON_AddItemToArray(array, object);
	}
	return array;
}
