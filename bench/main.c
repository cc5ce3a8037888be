/* SPDX-License-Identifier: MIT */
#include "arguments.h"
#include "catalogue.h"
#include "cell.h"
#include "record.h"
#include "run.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int list_text(const char *output)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);
	int failed = -1;

	for (const struct workload *const *each = workloads; file && *each; each++)
		fprintf(file, "%-24s %-9s %-15s %-3s %s\n", (*each)->name, (*each)->class_name,
			(*each)->metric, (*each)->unit, (*each)->separates);
	if (!file || fclose(file))
		fprintf(stderr, "assay-bench: no memory for the list\n");
	else
		failed = record_write(output, text);
	free(text);
	return failed;
}

static int list_json(const char *output)
{
	cJSON *document = cJSON_CreateObject();
	char *text;
	int failed = -1;

	cJSON_AddStringToObject(document, "format", "assay-list/1");
	cJSON_AddItemToObject(document, "workloads", workloads_describe());
	text = cJSON_Print(document);
	if (text)
		failed = record_write(output, text);
	else
		fprintf(stderr, "assay-bench: no memory for the list\n");
	cJSON_free(text);
	cJSON_Delete(document);
	return failed;
}

static int list(const struct arguments *arguments)
{
	const struct options *options = &arguments->options;

	if (arguments->name_count != 1 || strcmp(arguments->names[0], "workloads") != 0) {
		fprintf(stderr, "assay-bench: list: expected 'workloads'\n\n%s", usage);
		return 2;
	}
	return (options->json ? list_json : list_text)(options->output) ? 2 : 0;
}

static int check_glob(const char *glob)
{
	const char *names[64];
	size_t count = 0;
	bool matches = !glob;

	for (; workloads[count] && count < sizeof names / sizeof *names; count++) {
		names[count] = workloads[count]->name;
		matches |= glob && fnmatch(glob, names[count], 0) == 0;
	}
	if (matches)
		return 0;
	nearest_first(glob, names, count);
	fprintf(stderr, "assay-bench: there is no workload '%s'; known are: ", glob);
	for (size_t i = 0; i < count; i++)
		fprintf(stderr, "%s%s", i ? ", " : "", names[i]);
	fputc('\n', stderr);
	return -1;
}

/* A path need not exist: a backend that cannot be loaded is a failed row. */
static int check_backends(const struct arguments *arguments)
{
	for (size_t i = 0; i < arguments->name_count; i++) {
		const char *name = arguments->names[i];
		char *path = strchr(name, '/') ? NULL : backend_resolve("assay-bench", name);

		if (!path && !strchr(name, '/'))
			return -1;
		free(path);
		for (size_t j = 0; j < i; j++)
			if (strcmp(name, arguments->names[j]) == 0) {
				fprintf(stderr, "assay-bench: backend '%s' is given twice\n", name);
				return -1;
			}
	}
	return 0;
}

/* Before hours of measuring, not after. */
static int check_output(const char *output)
{
	const char *slash = output ? strrchr(output, '/') : NULL;
	char directory[PATH_MAX];

	if (!output)
		return 0;
	snprintf(directory, sizeof directory, "%.*s", slash ? (int)(slash - output) + 1 : 1,
		 slash ? output : ".");
	if (access(directory, W_OK | X_OK) == 0)
		return 0;
	fprintf(stderr, "assay-bench: cannot write '%s': directory '%s': %s\n", output, directory,
		strerror(errno));
	return -1;
}

/* names: of all backends there are, to be freed; they live as long as *found. */
static const char **all_backends(struct backend_file **found, size_t *count)
{
	const char **names;

	*found = backends_find(count);
	names = calloc(*count + 1, sizeof *names);
	for (size_t i = 0; names && i < *count; i++)
		names[i] = (*found)[i].name;
	if (!*count)
		fprintf(stderr, "assay-bench: there are no backends beside this program\n");
	return names;
}

static int run(const struct arguments *arguments)
{
	struct options options = arguments->options;
	struct backend_file *found = NULL;
	const char **all = NULL;
	struct plan plan;
	int code = 2;

	if (check_glob(options.workload_glob) || check_backends(arguments) ||
	    check_output(options.output))
		return 2;
	options.backends = arguments->names;
	options.backend_count = arguments->name_count;
	if (!options.backend_count)
		options.backends = all = all_backends(&found, &options.backend_count);
	if (options.backend_count && options.backends) {
		if (plan_make(&plan, &options) == 0)
			code = run_plan(&plan, &options);
		plan_free(&plan);
	}
	free(all);
	backends_free(found);
	return code;
}

/* Inside a child of ours: the words are those of run.c. */
static int cell(int count, char **words)
{
	struct cell_request request = {.output = CELL_OUTPUT};

	if (count != 6) {
		fprintf(stderr, "assay-bench: 'cell' is for the children of this program\n");
		return 2;
	}
	request.backend = words[0];
	request.workload = words[1];
	request.workers = atoi(words[2]);
	request.seed = strtoull(words[3], NULL, 10);
	while (request.scale < SCALES && strcmp(scale_names[request.scale], words[4]) != 0)
		request.scale++;
	request.directory = words[5];
	if (request.workers < 1 || request.scale == SCALES) {
		fprintf(stderr, "assay-bench: 'cell' is for the children of this program\n");
		return 2;
	}
	return cell_run(&request);
}

int main(int count, char **words)
{
	struct arguments arguments;
	const char *command = count > 1 ? words[1] : "";
	int code = 2;

	if (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0) {
		fputs(usage, stdout);
		return 0;
	}
	if (strcmp(command, "cell") == 0)
		return cell(count - 2, words + 2);
	arguments.name_count = 0;
	arguments.names = calloc((size_t)count, sizeof *arguments.names);
	if (!arguments.names)
		fprintf(stderr, "assay-bench: out of memory\n");
	else if (strcmp(command, "run") && strcmp(command, "list"))
		fprintf(stderr, "assay-bench: expected 'run' or 'list'\n\n%s", usage);
	else if (arguments_parse(count - 2, words + 2, &arguments) == 0)
		code = strcmp(command, "run") == 0 ? run(&arguments) : list(&arguments);
	free(arguments.names);
	return code;
}
