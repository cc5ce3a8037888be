/* SPDX-License-Identifier: MIT */
#include "run.h"

#include "cell.h"
#include "child.h"
#include "document.h"
#include "machine.h"
#include "pool.h"
#include "progress.h"
#include "record.h"
#include "resume.h"
#include "scratch.h"
#include "table.h"
#include "text.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const scale_names[SCALES] = {"tiny", "quick", "full"};

struct run {
	struct plan *plan;
	const struct options *options;
	cJSON *document;
	cJSON *results;
	struct machine before;
	char noise[160];   /* why nothing can be claimed of an earlier part of the run */
	bool was_unknown;  /* whether that part was noisy */
	bool was_complete; /* there was no need to resume it */
	int64_t start_ns;
	int64_t written_ns; /* when the file was written last */
	char directory[PATH_MAX];
	size_t order; /* samples so far */
	size_t cells_cut;
	bool failed;
	bool interrupted;
	bool cut; /* the budget ended a repetition before its end; the first has a record of each cell */
};

static void copy(cJSON *record, const cJSON *source, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(source, name);

	cJSON_AddItemToObject(record, name,
			      item ? cJSON_Duplicate(item, true) : cJSON_CreateNull());
}

/* One record of the file; metric NULL: the sample failed, and its message says why. */
static void add_record(struct run *run, const struct plan_cell *cell, unsigned repetition,
		       int64_t duration_ns, const cJSON *answer, const cJSON *metric,
		       const char *message)
{
	cJSON *record = cJSON_CreateObject();

	cJSON_AddStringToObject(record, "backend", cell->backend);
	cJSON_AddStringToObject(record, "workload", cell->workload->name);
	cJSON_AddNumberToObject(record, "workers", cell->workers);
	if (metric) {
		copy(record, metric, "metric");
		copy(record, metric, "unit");
		copy(record, metric, "value");
	} else {
		cJSON_AddStringToObject(record, "metric", cell->workload->metric);
		cJSON_AddStringToObject(record, "unit", cell->workload->unit);
		cJSON_AddNullToObject(record, "value");
	}
	cJSON_AddNumberToObject(record, "repetition", repetition);
	cJSON_AddBoolToObject(record, "ok", metric != NULL);
	if (metric)
		copy(record, metric, "message");
	else
		cJSON_AddStringToObject(record, "message", message);
	if (answer)
		cJSON_AddItemToObject(
			record, "tasks",
			cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(answer, "operations"), 1));
	else
		cJSON_AddNullToObject(record, "tasks");
	copy(record, answer, "workers_effective");
	if (cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(answer, "supported")))
		copy(record, answer, "supported");
	cJSON_AddNumberToObject(record, "order", (double)run->order);
	cJSON_AddNumberToObject(record, "duration_ns", (double)duration_ns);
	cJSON_AddItemToArray(run->results, record);
}

static void fail_sample(struct run *run, const struct plan_cell *cell, unsigned repetition,
			int64_t duration_ns, const cJSON *answer, const char *message)
{
	run->failed = true;
	add_record(run, cell, repetition, duration_ns, answer, NULL, message);
	progress_note(run->interrupted ? NULL : message, cell, repetition);
}

static void take(struct run *run, struct plan_cell *cell, unsigned repetition,
		 struct child_result *child)
{
	cJSON *answer = child->timed_out || !child->output ? NULL : cJSON_Parse(child->output);
	const cJSON *metrics = cJSON_GetObjectItemCaseSensitive(answer, "metrics"), *metric;
	const cJSON *said = cJSON_GetObjectItemCaseSensitive(answer, "message");
	bool clean = child_succeeded(child);
	char message[2 * CELL_MESSAGE];

	cell->given_up = child->timed_out;
	if (clean && answer && cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(answer, "ok")) &&
	    cJSON_GetArraySize(metrics)) {
		cJSON_ArrayForEach(metric, metrics)
			add_record(run, cell, repetition, child->duration_ns, answer, metric, NULL);
		if (pool_take(cell, answer))
			fprintf(stderr, "assay-bench: no memory to keep the latencies\n");
	} else if (clean && cJSON_IsString(said)) {
		fail_sample(run, cell, repetition, child->duration_ns, answer, said->valuestring);
	} else {
		child_explain(child, run->options->limit_ns, message, sizeof message);
		fail_sample(run, cell, repetition, child->duration_ns, NULL, message);
	}
	cJSON_Delete(answer);
}

static void measure(struct run *run, struct plan_cell *cell, unsigned repetition)
{
	char directory[PATH_MAX + 16], workers[16], seed[24], name[] = "assay-bench",
							      command[] = "cell";
	struct child_result child;
	char *arguments[] = {name,
			     command,
			     (char *)cell->file,
			     (char *)cell->workload->name,
			     workers,
			     seed,
			     (char *)scale_names[run->options->scale],
			     directory,
			     NULL};

	if (cell->given_up) {
		fail_sample(run, cell, repetition, 0, NULL,
			    "not run: an earlier repetition ran into the deadline");
		return;
	}
	snprintf(workers, sizeof workers, "%d", cell->workers);
	/* The same for all backends of one repetition. */
	snprintf(seed, sizeof seed, "%" PRIu64, run->options->seed + repetition);
	if (scratch_make(run->directory, directory, sizeof directory)) {
		fail_sample(run, cell, repetition, 0, NULL, "cannot make a temporary directory");
		return;
	}
	child_run(arguments, run->options->limit_ns, &child);
	scratch_remove(directory);
	run->interrupted = child.interrupted;
	if (!run->interrupted)
		take(run, cell, repetition, &child);
	child_forget(&child);
}

static void set_number(cJSON *context, const char *name, double value)
{
	cJSON_DeleteItemFromObjectCaseSensitive(context, name);
	cJSON_AddNumberToObject(context, name, value);
}

/* A run that was resumed was noisy if any part of it was. */
static void describe_machine(struct run *run, cJSON *context)
{
	struct machine after;
	cJSON *machine;

	machine_read(&after);
	machine = machine_describe(&run->before, &after);
	if (run->noise[0]) {
		cJSON_ReplaceItemInObjectCaseSensitive(machine, "noisy", cJSON_CreateTrue());
		cJSON_ReplaceItemInObjectCaseSensitive(machine, "noise",
						       cJSON_CreateString(run->noise));
	} else if (run->was_unknown &&
		   !cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(machine, "noisy"))) {
		cJSON_ReplaceItemInObjectCaseSensitive(machine, "noisy", cJSON_CreateNull());
	}
	cJSON_DeleteItemFromObjectCaseSensitive(context, "machine");
	cJSON_AddItemToObject(context, "machine", machine);
}

/* What is there so far, with a context that says whether it is all. */
static int write_document(struct run *run, const char *output, bool complete)
{
	cJSON *context = cJSON_GetObjectItemCaseSensitive(run->document, "context");
	size_t planned = run->cut ? run->order : run->plan->count * run->plan->repetitions;
	char *text;
	int failed;

	describe_machine(run, context);
	set_number(context, "repetitions", run->plan->repetitions);
	set_number(context, "samples_planned", (double)planned);
	set_number(context, "samples", (double)run->order);
	set_number(context, "cells_cut", (double)run->cells_cut);
	cJSON_DeleteItemFromObjectCaseSensitive(context, "complete");
	cJSON_AddBoolToObject(context, "complete", complete);
	resume_keep(run->document, run->plan, complete);
	text = cJSON_Print(run->document);
	if (!text) {
		fprintf(stderr, "assay-bench: no memory for the results\n");
		return -1;
	}
	failed = record_write(output, text);
	cJSON_free(text);
	run->written_ns = assay_clock_ns();
	return failed;
}

static void take_over(struct run *run)
{
	const cJSON *context = cJSON_GetObjectItemCaseSensitive(run->document, "context");
	const cJSON *machine = cJSON_GetObjectItemCaseSensitive(context, "machine"), *record;
	const cJSON *noise = cJSON_GetObjectItemCaseSensitive(machine, "noise");

	if (cJSON_IsString(noise))
		snprintf(run->noise, sizeof run->noise, "%s", noise->valuestring);
	run->was_unknown = cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(machine, "noisy"));
	run->was_complete = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(context, "complete"));
	for (size_t i = 0; i < run->plan->count * run->plan->repetitions; i++)
		run->order += run->plan->done[i];
	cJSON_ArrayForEach(record, cJSON_GetObjectItemCaseSensitive(run->document, "results"))
		run->failed |= cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(record, "ok"));
}

static int begin(struct run *run)
{
	run->document = document_make(run->options);
	if (run->document && run->options->resume) {
		cJSON *now = run->document;

		run->document = resume_read(run->plan, run->options, now);
		cJSON_Delete(now);
	}
	if (!run->document)
		return -1;
	if (run->options->resume)
		take_over(run);
	run->results = cJSON_GetObjectItemCaseSensitive(run->document, "results");
	return 0;
}

/* Under the repetition after the last. */
static void add_pooled(struct run *run, struct plan_cell *cell)
{
	cJSON *percentiles = pool_percentiles(cell), *answer = cJSON_CreateObject();
	const cJSON *metric;

	cJSON_AddNumberToObject(answer, "operations", (double)cell->latency_count);
	cJSON_ArrayForEach(metric, percentiles)
		add_record(run, cell, run->plan->repetitions, 0, answer, metric, NULL);
	cJSON_Delete(answer);
	cJSON_Delete(percentiles);
}

/* A file is replaced by a longer one; what a device or a pipe was given stays given. */
static bool can_grow(const char *output)
{
	struct stat status;

	return output && (stat(output, &status) != 0 || S_ISREG(status.st_mode));
}

/* A run that is killed loses at most so much. */
#define WRITE_EVERY_NS (INT64_C(5) * 1000000000)

static int64_t elapsed_ns(const struct run *run)
{
	return assay_clock_ns() - run->start_ns;
}

static bool is_cut(struct run *run)
{
	run->cut |= run->options->budget_ns && elapsed_ns(run) > run->options->budget_ns;
	return run->cut;
}

/* Neither measured nor failed: a cell that the time did not suffice for is not absent. */
static void add_cut(struct run *run, const struct plan_cell *cell)
{
	cJSON *metric = cJSON_CreateObject();
	char message[80];

	snprintf(message, sizeof message, "not measured: the %.0f s of --budget were over",
		 (double)run->options->budget_ns / 1e9);
	cJSON_AddStringToObject(metric, "metric", cell->workload->metric);
	cJSON_AddStringToObject(metric, "unit", cell->workload->unit);
	cJSON_AddNullToObject(metric, "value");
	cJSON_AddStringToObject(metric, "message", message);
	add_record(run, cell, 0, 0, NULL, metric, NULL);
	cJSON_Delete(metric);
	run->cells_cut++;
}

static int run_repetition(struct run *run, unsigned repetition, bool grows)
{
	struct plan *plan = run->plan;

	for (size_t j = 0; j < plan->count && !run->interrupted; j++) {
		size_t index = plan->order[repetition * plan->count + j];

		if (plan->done[index * plan->repetitions_asked + repetition])
			continue;
		if (is_cut(run)) {
			if (!repetition)
				add_cut(run, &plan->cells[index]);
			continue;
		}
		progress_show(plan, run->order, &plan->cells[index]);
		measure(run, &plan->cells[index], repetition);
		run->order += !run->interrupted;
		if (grows && assay_clock_ns() - run->written_ns > WRITE_EVERY_NS &&
		    write_document(run, run->options->part, false))
			return -1;
	}
	return 0;
}

/* The next repetition takes as long as those before it did. */
static bool is_over(const struct run *run, unsigned repetitions)
{
	int64_t so_far_ns = elapsed_ns(run);

	return run->options->budget_ns &&
	       (run->cut || so_far_ns + so_far_ns / repetitions > run->options->budget_ns);
}

/* The words of an earlier part may be those of any file. */
static void say_noise(const struct run *run)
{
	struct machine after;
	struct text shown = {0};
	char noise[160];

	machine_read(&after);
	machine_judge(&run->before, &after, noise, sizeof noise);
	text_line(&shown, noise[0] ? noise : run->noise);
	if (shown.length)
		fprintf(stderr, "assay-bench: too noisy for a claim about times: %s\n", shown.data);
	text_free(&shown);
}

static int finish(struct run *run, bool grows)
{
	const struct options *options = run->options;
	struct plan *plan = run->plan;
	/* An earlier file stays until there is a whole one in its place. */
	const char *output = run->interrupted && grows ? options->part : options->output;

	progress_end();
	if (run->interrupted)
		fprintf(stderr, "assay-bench: interrupted after %zu of %zu samples\n", run->order,
			plan->count * plan->repetitions);
	if (options->json ? write_document(run, output, !run->interrupted)
			  : table_write(run->document, plan, output))
		return 2;
	if (run->interrupted && grows)
		fprintf(stderr, "assay-bench: they are in '%s'%s\n", output,
			options->json ? "; --resume goes on from here" : "");
	else if (grows)
		unlink(options->part);
	say_noise(run);
	return run->interrupted ? 2 : run->failed;
}

static int run_repetitions(struct run *run)
{
	const struct options *options = run->options;
	struct plan *plan = run->plan;
	bool grows = can_grow(options->output);

	run->start_ns = run->written_ns = assay_clock_ns();
	for (unsigned i = 0; i < plan->repetitions && !run->interrupted; i++) {
		if (run_repetition(run, i, grows && options->json))
			return 2;
		if (!run->interrupted && is_over(run, i + 1))
			plan->repetitions = i + 1;
	}
	for (size_t j = 0; j < plan->count && !run->interrupted; j++)
		add_pooled(run, &plan->cells[j]);
	return finish(run, grows);
}

/* For those who will want all of it later: exit code 2 now, not then. */
static int say_executors(const struct options *options)
{
	struct text names = {0};
	int failed;

	text_add(&names, "");
	for (size_t i = 0; i < options->backend_count; i++)
		if (!options->backends[i].raw)
			text_format(&names, "%s\t%s\n", options->backends[i].name,
				    options->backends[i].path);
	failed = record_write(NULL, names.data);
	text_free(&names);
	return failed ? 2 : 0;
}

int run_plan(struct plan *plan, const struct options *options)
{
	struct run run = {.plan = plan, .options = options};
	int code = 2;

	if (begin(&run)) {
		cJSON_Delete(run.document);
		return code;
	}
	if (options->dry_run) {
		code = say_executors(options);
	} else if (run.was_complete) {
		fprintf(stderr, "assay-bench: '%s' is complete\n", options->output);
		code = run.failed;
	} else if (scratch_begin(run.directory, sizeof run.directory) == 0) {
		machine_read(&run.before);
		progress_begin(plan, options, run.order);
		code = run_repetitions(&run);
	}
	scratch_remove(run.directory);
	cJSON_Delete(run.document);
	return code;
}
