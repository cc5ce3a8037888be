/* SPDX-License-Identifier: MIT */
#include "subjects.h"

#include "catalogue.h"
#include "cell.h"
#include "child.h"

#include <assay/load.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* To load a shared object takes milliseconds. */
#define LOAD_LIMIT_NS (INT64_C(10) * 1000000000)

int subject_describe(const char *file)
{
	const struct assay_backend *backend;
	char message[2 * PATH_MAX];

	if (assay_backend_open(file, &backend, message, sizeof message)) {
		fprintf(stderr, "%s\n", message);
		return 2;
	}
	if (!backend->name || !*backend->name) {
		fprintf(stderr, "'%s' is no backend: its descriptor has no name\n", file);
		return 2;
	}
	if (dprintf(CELL_OUTPUT, "%s", backend->name) < 0) {
		perror("cannot hand back the name of a backend");
		return 2;
	}
	return 0;
}

/* The name in the descriptor, to be freed; NULL after a message. */
static char *name_of(const char *file)
{
	char program[] = "assay-bench", command[] = "describe";
	char *arguments[] = {program, command, (char *)file, NULL};
	struct child_result child;
	char message[2 * PATH_MAX];
	char *name = NULL;

	child_run(arguments, LOAD_LIMIT_NS, &child);
	if (child.interrupted) {
		fprintf(stderr, "assay-bench: interrupted\n");
	} else if (child_succeeded(&child) && child.output && *child.output) {
		name = child.output;
		child.output = NULL;
	} else if (child_exited(&child, 2) && child.errors && *child.errors) {
		fprintf(stderr, "assay-bench: %s\n", child_last_words(&child));
	} else {
		child_explain(&child, LOAD_LIMIT_NS, message, sizeof message);
		fprintf(stderr, "assay-bench: cannot load backend '%s': %s\n", file, message);
	}
	child_forget(&child);
	return name;
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

static int add(struct subjects *subjects, const char *file)
{
	struct subject subject = {NULL, NULL};

	if (!assay_backend_is_path(file)) {
		char *path = backend_resolve("assay-bench", file);

		free(path);
		if (!path)
			return -1;
	}
	subject.name = name_of(file);
	if (!subject.name)
		return -1;
	subject.file = strdup(file);
	if (!subject.file)
		fprintf(stderr, "assay-bench: no memory for the backends\n");
	if (!subject.file || check_name(subjects, &subject)) {
		free(subject.name);
		free(subject.file);
		return -1;
	}
	subjects->list[subjects->count++] = subject;
	return 0;
}

int subjects_choose(struct subjects *subjects, const char *const *names, size_t count)
{
	struct backend_file *all = NULL;
	int failed = 0;

	*subjects = (struct subjects){.count = 0};
	if (!count) {
		all = backends_find(&count);
		if (!count)
			fprintf(stderr, "assay-bench: there is no backend: build them, or name "
					"their directory in ASSAY_BACKEND_PATH\n");
	}
	subjects->list = calloc(count + 1, sizeof *subjects->list);
	if (!subjects->list)
		fprintf(stderr, "assay-bench: no memory for the backends\n");
	if (!subjects->list || !count)
		failed = -1;
	for (size_t i = 0; i < count && !failed; i++)
		failed = add(subjects, all ? all[i].name : names[i]);
	backends_free(all);
	return failed;
}

void subjects_free(struct subjects *subjects)
{
	for (size_t i = 0; i < subjects->count; i++) {
		free(subjects->list[i].name);
		free(subjects->list[i].file);
	}
	free(subjects->list);
}
