/* SPDX-License-Identifier: MIT */
#include "arguments.h"
#include "catalogue.h"
#include "cell.h"
#include "child.h"
#include "command.h"
#include "patterns.h"
#include "record.h"
#include "rivals.h"
#include "run.h"
#include "subjects.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int wider(int width, const char *name)
{
	int length = (int)strlen(name);

	return length > width ? length : width;
}

static void say_workloads(FILE *file)
{
	int name = 0, class_name = 0, metric = 0, unit = 0;

	for (const struct workload *const *each = workloads; *each; each++) {
		name = wider(name, (*each)->name);
		class_name = wider(class_name, (*each)->class_name);
		metric = wider(metric, (*each)->metric);
		unit = wider(unit, (*each)->unit);
	}
	for (const struct workload *const *each = workloads; *each; each++)
		fprintf(file, "%-*s %-*s %-*s %-*s %s\n", name, (*each)->name, class_name,
			(*each)->class_name, metric, (*each)->metric, unit, (*each)->unit,
			(*each)->separates);
}

static void say_rivals(FILE *file)
{
	int name = 0, library = 0;

	for (const struct rival *each = rivals; each->name; each++) {
		name = wider(name, each->name);
		library = wider(library, each->library);
	}
	for (const struct rival *each = rivals; each->name; each++)
		fprintf(file, "%-*s %-*s %s\n", name, each->name, library, each->library,
			each->package);
}

static cJSON *rivals_describe(void)
{
	cJSON *list = cJSON_CreateArray();

	for (const struct rival *each = rivals; each->name; each++) {
		cJSON *object = cJSON_CreateObject();

		cJSON_AddStringToObject(object, "name", each->name);
		cJSON_AddStringToObject(object, "library", each->library);
		cJSON_AddStringToObject(object, "package", each->package);
		cJSON_AddItemToArray(list, object);
	}
	return list;
}

static const struct list {
	const char *name;
	void (*say)(FILE *file);
	cJSON *(*describe)(void);
} lists[] = {{"workloads", say_workloads, workloads_describe},
	     {"rivals", say_rivals, rivals_describe}};

static char *list_text(const struct list *list)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		return NULL;
	list->say(file);
	if (fclose(file) == 0)
		return text;
	free(text);
	return NULL;
}

static char *list_json(const struct list *list)
{
	cJSON *document = cJSON_CreateObject();
	char *text;

	cJSON_AddStringToObject(document, "format", "assay-list/1");
	cJSON_AddItemToObject(document, list->name, list->describe());
	text = cJSON_Print(document);
	cJSON_Delete(document);
	return text;
}

static int write_list(const struct list *list, const struct options *options)
{
	char *text = options->json ? list_json(list) : list_text(list);
	int failed = text ? record_write(options->output, text) : -1;

	if (!text)
		fprintf(stderr, "assay-bench: no memory for the list\n");
	free(text);
	return failed ? 2 : 0;
}

static int list(const struct arguments *arguments)
{
	const char *name = arguments->name_count ? arguments->names[0] : NULL;

	if (arguments->name_count > 1) {
		fprintf(stderr, "assay-bench: list: expected one name, saw '%s' after '%s'\n",
			arguments->names[1], name);
		return command_see_help();
	}
	for (size_t i = 0; name && i < sizeof lists / sizeof *lists; i++)
		if (strcmp(lists[i].name, name) == 0)
			return write_list(&lists[i], &arguments->options);
	fprintf(stderr, "assay-bench: list: expected 'workloads' or 'rivals', saw %s%s%s\n",
		name ? "'" : "", name ? name : "nothing", name ? "'" : "");
	return command_see_help();
}

static int check_glob(const char *glob)
{
	const char *names[256];
	size_t count = 0;

	for (; workloads[count] && count < sizeof names / sizeof *names; count++)
		names[count] = workloads[count]->name;
	return patterns_check("workload", glob, names, count);
}

static int refuse_output(const char *output, const char *why)
{
	fprintf(stderr, "assay-bench: cannot write '%s': %s\n", output, why);
	return -1;
}

/* Beside it, as record_write() will. */
static int check_directory(const char *output)
{
	char temporary[PATH_MAX];
	int descriptor;

	if (snprintf(temporary, sizeof temporary, "%s.XXXXXX", output) >= (int)sizeof temporary)
		return refuse_output(output, strerror(ENAMETOOLONG));
	descriptor = mkstemp(temporary);
	if (descriptor < 0)
		return refuse_output(output, strerror(errno));
	close(descriptor);
	unlink(temporary);
	return 0;
}

/* Before hours of measuring, not after. */
static int check_output(const char *output)
{
	struct stat status;
	char target[PATH_MAX];

	if (!output)
		return 0;
	if (!*output)
		return refuse_output(output, "expected the name of a file");
	if (stat(output, &status)) {
		if (lstat(output, &status) == 0)
			return refuse_output(output, "it is a symbolic link to nothing");
		return check_directory(output);
	}
	if (S_ISDIR(status.st_mode))
		return refuse_output(output, "it is a directory, expected a file");
	if (!S_ISREG(status.st_mode))
		return access(output, W_OK) ? refuse_output(output, strerror(errno)) : 0;
	return realpath(output, target) ? check_directory(target)
					: refuse_output(output, strerror(errno));
}

static int choose_by_glob(struct subjects *subjects, const char *glob)
{
	size_t count, matching = 0;
	struct backend_file *all = backends_find(&count);
	const char **names = calloc(count + 1, sizeof *names);
	int failed = -1;

	for (size_t i = 0; names && i < count; i++)
		names[i] = all[i].name;
	if (names && patterns_check("backend", glob, names, count) == 0) {
		for (size_t i = 0; i < count; i++)
			if (matches_any(glob, all[i].name))
				names[matching++] = all[i].name;
		failed = subjects_choose(subjects, names, matching);
	}
	free(names);
	backends_free(all);
	return failed;
}

static int choose(struct subjects *subjects, const struct arguments *arguments)
{
	const char *glob = arguments->options.backend_glob;

	*subjects = (struct subjects){.count = 0};
	if (!glob)
		return subjects_choose(subjects, arguments->names, arguments->name_count);
	if (!arguments->name_count)
		return choose_by_glob(subjects, glob);
	fprintf(stderr, "assay-bench: expected names of backends or --backend, not both\n");
	return -1;
}

static int run(const struct arguments *arguments)
{
	struct options options = arguments->options;
	struct subjects subjects;
	struct plan plan;
	int code = 2;

	if (check_glob(options.workload_glob) || check_output(options.output) ||
	    child_watch_interrupts())
		return 2;
	if (choose(&subjects, arguments) == 0) {
		options.backends = subjects.list;
		options.backend_count = subjects.count;
		if (plan_make(&plan, &options) == 0)
			code = run_plan(&plan, &options);
		plan_free(&plan);
	}
	subjects_free(&subjects);
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
	request.workers = (int)strtol(words[2], NULL, 10);
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

static int perform(const char *command, const struct arguments *arguments)
{
	if (arguments->help)
		return record_write(NULL, help) ? 2 : 0;
	return strcmp(command, "run") == 0 ? run(arguments) : list(arguments);
}

int main(int count, char **words)
{
	struct arguments arguments = {.help = false};
	const char *command = count > 1 ? words[1] : "";
	char program[] = "assay-bench";

	command_hold_streams();
	if (strcmp(command, "cell") == 0)
		return cell(count - 2, words + 2);
	if (strcmp(command, "describe") == 0 && count == 3)
		return subject_describe(words[2]);
	if (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0) {
		arguments.help = true;
		return perform(command, &arguments);
	}
	if (strcmp(command, "run") != 0 && strcmp(command, "list") != 0) {
		fprintf(stderr, "assay-bench: expected 'run' or 'list', saw %s%s%s\n",
			*command ? "'" : "", *command ? command : "nothing", *command ? "'" : "");
		return command_see_help();
	}
	words[1] = program; /* what getopt_long() puts before its messages */
	if (arguments_parse(count - 1, words + 1, &arguments))
		return 2;
	return perform(command, &arguments);
}
