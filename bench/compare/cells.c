/* SPDX-License-Identifier: MIT */
#include "cells.h"

#include "catalogue.h"
#include "complaint.h"
#include "json.h"
#include "patterns.h"
#include "process.h"
#include "text.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tree {
	const char *path;
	cJSON *list; /* assay-list/1 */
	const cJSON *workloads;
	struct backend_file *backends;
	size_t backend_count;
};

static int read_tree(struct tree *tree, const char *path, const char *directory)
{
	char program[PATH_MAX], backends[PATH_MAX], file[PATH_MAX];
	char *arguments[] = {"assay-bench", "list", "workloads", "--format",
			     "json",        "-o",   file,        NULL};
	struct place place = {.path = path};
	char message[256];

	tree->path = path;
	if (snprintf(program, sizeof program, "%s/bin/assay-bench", path) >= (int)sizeof program ||
	    snprintf(backends, sizeof backends, "%s/lib/assay", path) >= (int)sizeof backends ||
	    snprintf(file, sizeof file, "%s/workloads.json", directory) >= (int)sizeof file)
		return complain("'%s' is too long", path);
	if (access(program, X_OK))
		return complain("'%s' is no build tree: there is no bin/assay-bench", path);
	if (process_run(program, arguments, message, sizeof message) != 0)
		return complain("'%s': cannot list workloads: %s", path, message);
	tree->list = json_read(file, "assay-list/1");
	if (!tree->list || json_array(&place, tree->list, "workloads", &tree->workloads))
		return -1;
	tree->backends = backends_in(backends, &tree->backend_count);
	return 0;
}

static const char *text_of(const cJSON *object, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

	return text ? text : "";
}

static bool has_workload(const struct tree *tree, const char *name)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, tree->workloads) if (strcmp(text_of(item, "name"), name) ==
						      0) return true;
	return false;
}

static const char *backend_path(const struct tree *tree, const char *name)
{
	for (size_t i = 0; i < tree->backend_count; i++)
		if (strcmp(tree->backends[i].name, name) == 0)
			return tree->backends[i].path;
	return NULL;
}

static bool is_on_executors(const cJSON *workload)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(workload, "on_executors"));
}

/* What one of the two knows is known. */
static int check_patterns(const struct tree trees[2], const struct selection *selection)
{
	struct names workloads = {NULL, 0}, backends = {NULL, 0};
	const cJSON *workload;
	int failed;

	for (int side = 0; side < 2; side++) {
		cJSON_ArrayForEach(workload, trees[side].workloads) if (is_on_executors(workload))
			names_add(&workloads, text_of(workload, "name"));
		for (size_t i = 0; i < trees[side].backend_count; i++)
			names_add(&backends, trees[side].backends[i].name);
	}
	failed = patterns_check("workload", selection->workload_glob, &workloads) ||
		 patterns_check("backend", selection->backend_glob, &backends);
	names_free(&workloads);
	names_free(&backends);
	return failed ? -1 : 0;
}

static bool is_wanted(const cJSON *workload, const struct selection *selection)
{
	const char *class_name = text_of(workload, "class");

	if (!is_on_executors(workload))
		return false;
	if (selection->workload_glob)
		return matches_any(selection->workload_glob, text_of(workload, "name"));
	return strcmp(class_name, "overhead") == 0 || strcmp(class_name, "cpu") == 0;
}

static char *copy(const char *string)
{
	size_t size = strlen(string) + 1;

	return memcpy(allocate(size, 1), string, size);
}

static void add(struct cells *cells, const char *workload, const char *backend, const char *base,
		const char *changed, int workers)
{
	cells->list = reallocate(cells->list, cells->count + 1, sizeof *cells->list);
	cells->list[cells->count++] = (struct cell){.workload = copy(workload),
						    .backend = copy(backend),
						    .files = {copy(base), copy(changed)},
						    .workers = workers,
						    .open = true};
}

static void add_cells(struct cells *cells, struct figures *figures, const struct tree trees[2],
		      const char *workload, const char *backend, const struct selection *selection)
{
	size_t settings = selection->worker_count ? selection->worker_count : 1;
	const char *files[2];
	bool has[2];

	for (int side = 0; side < 2; side++) {
		files[side] = backend_path(&trees[side], backend);
		has[side] = files[side] && has_workload(&trees[side], workload);
	}
	for (size_t i = 0; i < settings; i++) {
		int workers = selection->worker_count ? selection->workers[i] : 0;
		struct sample like = {.workload = workload, .backend = backend, .workers = workers};

		if (has[0] && has[1])
			add(cells, workload, backend, files[0], files[1], workers);
		else
			figure_settle_one_sided(figures_find(figures, &like, NULL), has[0]);
	}
}

/* Those of BASE, and then what NEW has beyond them. */
static void cross(struct cells *cells, struct figures *figures, const struct tree trees[2],
		  const struct selection *selection)
{
	for (int side = 0; side < 2; side++) {
		const struct tree *tree = &trees[side];
		const cJSON *workload;

		cJSON_ArrayForEach(workload, tree->workloads)
		{
			const char *name = text_of(workload, "name");

			for (size_t i = 0; i < tree->backend_count; i++) {
				const char *backend = tree->backends[i].name;

				if (!is_wanted(workload, selection) ||
				    !matches_any(selection->backend_glob, backend))
					continue;
				if (side == 1 && has_workload(&trees[0], name) &&
				    backend_path(&trees[0], backend))
					continue;
				add_cells(cells, figures, trees, name, backend, selection);
			}
		}
	}
}

int cells_choose(struct cells *cells, struct figures *figures, const char *const trees[2],
		 const struct selection *selection, const char *directory)
{
	struct tree sides[2] = {{.path = NULL}};
	int failed = read_tree(&sides[0], trees[0], directory) ||
		     read_tree(&sides[1], trees[1], directory) || check_patterns(sides, selection);

	if (!failed)
		cross(cells, figures, sides, selection);
	for (int side = 0; side < 2; side++) {
		cJSON_Delete(sides[side].list);
		backends_free(sides[side].backends);
	}
	return failed ? -1 : 0;
}

void cells_free(struct cells *cells)
{
	for (size_t i = 0; i < cells->count; i++) {
		free(cells->list[i].workload);
		free(cells->list[i].backend);
		free(cells->list[i].files[0]);
		free(cells->list[i].files[1]);
	}
	free(cells->list);
	*cells = (struct cells){.count = 0};
}

/* A cell with workers 0 has those that its workload has by default. */
bool is_figure_of(const struct figure *figure, const struct cell *cell)
{
	return strcmp(figure->workload, cell->workload) == 0 &&
	       strcmp(figure->backend, cell->backend) == 0 &&
	       (!cell->workers || figure->workers == cell->workers);
}
