/* SPDX-License-Identifier: MIT */
#include "cell.h"

#include "catalogue.h"
#include "forks.h"
#include "processes.h"
#include "raw/drivers.h"

#include <assay/load.h>

#include <cjson/cJSON.h>
#include <limits.h>
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

struct sample {
	struct cell cell;
	double cpu_ns; /* of the last attempt, of all processes of the executor */
	double wall_per_op_ns, cpu_per_op_ns;
};

/* NULL if there is none of this name. */
static const struct workload *workload_of(const char *name)
{
	for (const struct workload *const *workload = workloads; *workload; workload++)
		if (strcmp((*workload)->name, name) == 0)
			return *workload;
	return NULL;
}

static void body(struct gbench_state *state, void *user)
{
	struct sample *sample = user;
	struct cell *cell = &sample->cell;
	const struct workload *workload = cell->workload;
	uint64_t operations = gbench_operations(state);
	double before_ns;

	cell->metric_count = 0;
	cell->latency_count = 0;
	if (workload->prepare && workload->prepare(cell, operations)) {
		gbench_fail(state, cell->message);
		return;
	}
	before_ns = processes_cpu_begin();
	gbench_begin(state);
	workload->run(cell, operations);
	gbench_end(state);
	sample->cpu_ns = processes_cpu_end(before_ns);
	if (!cell_failed(cell) && workload->check)
		workload->check(cell, operations);
	if (cell_failed(cell))
		gbench_fail(state, cell->message);
}

int cell_check_executor(struct cell *cell, assay_executor *executor, int workers)
{
	const char *name = assay_executor_backend(executor)->name;
	struct assay_statistics statistics = {.workers = 0};

	assay_executor_statistics(executor, &statistics);
	if (strcmp(name, cell->backend->name) != 0)
		return cell_fail(cell, "the executor says that its backend is '%s', not '%s'", name,
				 cell->backend->name);
	if (statistics.workers == UINT64_MAX ||
	    (statistics.workers == 0 && !(cell->backend->capabilities & ASSAY_CAP_CONCURRENT)))
		return 0;
	if (statistics.workers != (uint64_t)workers)
		return cell_fail(cell, "asked for %d workers, the executor says that it has %llu",
				 workers, (unsigned long long)statistics.workers);
	return 0;
}

static int check_configuration(struct cell *cell, const char *requested,
			       struct assay_statistics *statistics)
{
	const char *name = assay_executor_backend(cell->executor)->name;

	assay_executor_statistics(cell->executor, statistics);
	if (cell_check_executor(cell, cell->executor, cell->workers))
		return -1;
	if (!assay_backend_is_path(requested) && strcmp(name, requested) != 0)
		return cell_fail(cell, "the file of backend '%s' holds the backend '%s'", requested,
				 name);
	return 0;
}

static int create_executor(struct cell *cell, const char *requested,
			   struct assay_statistics *statistics)
{
	struct assay_config config = assay_config_default();
	int error;

	config.workers = cell->workers;
	if (cell->workload->spin_ns)
		config.spin_ns = cell->workload->spin_ns;
	if (cell->backend->capabilities & ASSAY_CAP_NAMED_FUNCTIONS) {
		config.functions = cell->workload->functions;
		while (config.functions && config.functions[config.function_count].name)
			config.function_count++;
	}
	error = assay_executor_create(cell->backend, &config, &cell->executor);
	if (error) {
		cell->executor = NULL;
		return cell_fail(cell, "cannot create an executor with %d workers: %s",
				 cell->workers, assay_error_text(error));
	}
	return check_configuration(cell, requested, statistics);
}

static int check_capabilities(struct cell *cell)
{
	uint64_t missing = cell->workload->needs & ~cell->backend->capabilities;
	char names[CELL_MESSAGE / 2] = "";

	if (!missing)
		return 0;
	for (unsigned bit = 0; capability_name(bit); bit++)
		if (missing >> bit & 1)
			snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s",
				 *names ? ", " : "", capability_name(bit));
	return cell_unsupported(cell, "the backend does not claim %s", names);
}

static int open_raw(struct cell *cell, const char *file)
{
	const struct raw_refusal *refusal;
	char message[CELL_MESSAGE];

	cell->raw = raw_open(file, message, sizeof message);
	if (!cell->raw)
		return cell_fail(cell, "%s", message);
	for (refusal = cell->raw->refusals; refusal && refusal->workload; refusal++)
		if (strcmp(refusal->workload, cell->workload->name) == 0)
			return cell_unsupported(cell, "%s", refusal->reason);
	if (!cell->workload->has_raw)
		return cell_unsupported(cell, "the workload has no raw form");
	if (!cell->workload->has_raw(cell->raw))
		return cell_unsupported(cell, "%s has no means for it", cell->raw->version());
	return 0;
}

static int create_raw(struct cell *cell, struct assay_statistics *statistics)
{
	int effective = 0, error;

	/* What a rival frees stays with its process, as ours does: the warm-up has touched it. */
	mallopt(M_MMAP_MAX, 0);
	mallopt(M_TRIM_THRESHOLD, INT_MAX);
	error = cell->raw->open(cell->workers, &cell->pool, &effective);

	if (error)
		return cell_fail(cell, "cannot start %s with %d workers: %s", cell->raw->version(),
				 cell->workers, strerror(error));
	statistics->workers = (uint64_t)effective;
	if (effective != cell->workers)
		return cell_fail(cell, "asked for %d workers, %s says that it has %d",
				 cell->workers, cell->raw->version(), effective);
	return 0;
}

static int open_backend(struct cell *cell, const char *requested)
{
	char message[CELL_MESSAGE];

	if (cell->workload->without && strcmp(requested, cell->workload->without) == 0)
		return 0;
	if (!cell->workload->on_executors)
		return cell_fail(cell, "workload '%s' runs on '%s' alone", cell->workload->name,
				 cell->workload->without);
	if (raw_is_driver(requested))
		return open_raw(cell, requested);
	if (assay_backend_open(requested, &cell->backend, message, sizeof message))
		return cell_fail(cell, "%s", message);
	return check_capabilities(cell);
}

static int create(struct cell *cell, const char *requested, struct assay_statistics *statistics)
{
	if (cell->raw)
		return create_raw(cell, statistics);
	return cell->backend ? create_executor(cell, requested, statistics) : 0;
}

static bool can_fork(struct cell *cell)
{
	return !cell->workload->forks || !cell->executor || forks_check(cell) == 0;
}

static void destroy(struct cell *cell)
{
	int error = assay_executor_destroy(cell->executor);

	if (error)
		cell_fail(cell, "destroy: %s", assay_error_text(error));
	if (cell->pool)
		cell->raw->close(cell->pool);
}

/* One measurement of each part of the operations: the least of each cost is kept. */
static void run_parts(struct sample *sample, uint64_t operations, unsigned parts,
		      struct gbench_result *result)
{
	struct gbench_options options = {.operations = operations / parts};
	uint64_t done = 0;

	options.operations += !options.operations;
	for (unsigned i = 0; i < parts; i++) {
		double wall_ns, cpu_ns;

		gbench_run(sample->cell.workload->name, body, sample, &options, result);
		if (!result->ok)
			return;
		wall_ns = 1e9 * result->real_s / (double)result->operations;
		cpu_ns = sample->cpu_ns / (double)result->operations;
		if (!i || wall_ns < sample->wall_per_op_ns)
			sample->wall_per_op_ns = wall_ns;
		if (!i || cpu_ns < sample->cpu_per_op_ns)
			sample->cpu_per_op_ns = cpu_ns;
		done += result->operations;
	}
	result->operations = done;
}

/*
 * The library stops at a number of operations because these took long, be it for a hiccup: what found
 * the number is not what counts. Once more where a hiccup found one that is far too small.
 */
static void run_for_a_time(struct sample *sample, double time_s, struct gbench_result *result)
{
	unsigned parts = sample->cell.workload->parts ? sample->cell.workload->parts : 1;
	struct gbench_options options = {.min_time_s = time_s / 4};
	double took_s;

	gbench_run(sample->cell.workload->name, body, sample, &options, result);
	took_s = result->real_s;
	for (int attempt = 0; attempt < 8 && result->ok && took_s > 0; attempt++) {
		double operations = (double)result->operations * time_s / took_s;

		run_parts(sample, (uint64_t)fmin(operations, 1e15), parts, result);
		took_s = sample->wall_per_op_ns * 1e-9 * (double)result->operations;
		if (took_s >= time_s / 2)
			break;
	}
}

static void run_samples(struct sample *sample, struct gbench_result *result)
{
	struct cell *cell = &sample->cell;
	const struct workload *workload = cell->workload;
	struct gbench_options options = workload->sample[cell->scale];

	if (workload->warm_up && workload->warm_up(cell, &options.operations))
		return;
	if (options.operations)
		run_parts(sample, options.operations, 1, result);
	else
		run_for_a_time(sample, options.min_time_s, result);
	if (!result->ok && !cell_failed(cell) && result->message[0])
		cell_fail(cell, "%s", result->message);
}

static void measure(struct sample *sample, const struct cell_request *request,
		    struct gbench_result *result, struct assay_statistics *statistics)
{
	struct cell *cell = &sample->cell;
	const struct workload *workload = cell->workload;

	if (open_backend(cell, request->backend))
		return;
	if (!workload->setup || workload->setup(cell) == 0) {
		processes_set_aside();
		if (create(cell, request->backend, statistics) == 0 && can_fork(cell))
			run_samples(sample, result);
	}
	destroy(cell);
	if (workload->teardown)
		workload->teardown(cell);
	if (cell->unsupported)
		return;
	if (!cell_failed(cell) && !workload->paced)
		cell_metric(cell, "wall_per_op", "ns", sample->wall_per_op_ns);
	if (!cell_failed(cell))
		cell_metric(cell, "cpu_per_op", "ns", sample->cpu_per_op_ns);
}

static cJSON *describe(const struct sample *sample, const struct gbench_result *result,
		       const struct assay_statistics *statistics)
{
	const struct cell *cell = &sample->cell;
	cJSON *record = cJSON_CreateObject(), *metrics;
	bool ok = !cell->message[0];

	cJSON_AddBoolToObject(record, "ok", ok);
	cJSON_AddBoolToObject(record, "supported", !cell->unsupported);
	cJSON_AddStringToObject(record, "message", cell->message);
	cJSON_AddNumberToObject(record, "operations", (double)result->operations);
	if (statistics->workers == UINT64_MAX)
		cJSON_AddNullToObject(record, "workers_effective");
	else
		cJSON_AddNumberToObject(record, "workers_effective", (double)statistics->workers);
	metrics = cJSON_AddArrayToObject(record, "metrics");
	for (unsigned i = 0; ok && i < cell->metric_count; i++) {
		const struct metric *metric = &cell->metrics[i];
		cJSON *object = cJSON_CreateObject();

		cJSON_AddStringToObject(object, "metric", metric->name);
		cJSON_AddStringToObject(object, "unit", metric->unit);
		if (metric->known)
			cJSON_AddNumberToObject(object, "value", metric->value);
		else
			cJSON_AddNullToObject(object, "value");
		cJSON_AddStringToObject(object, "message", metric->note);
		cJSON_AddItemToArray(metrics, object);
	}
	if (ok && cell->latency_count) {
		cJSON *latencies = cJSON_AddArrayToObject(record, "latencies_ns");

		for (size_t i = 0; i < cell->latency_count; i++)
			cJSON_AddItemToArray(latencies,
					     cJSON_CreateNumber((double)cell->latencies_ns[i]));
	}
	return record;
}

static int write_whole(int descriptor, const char *text)
{
	size_t length = strlen(text), done = 0;

	while (done < length) {
		ssize_t written = write(descriptor, text + done, length - done);

		if (written <= 0) {
			perror("assay-bench: cannot hand back the record of a cell");
			return -1;
		}
		done += (size_t)written;
	}
	return 0;
}

int cell_run(const struct cell_request *request)
{
	struct sample sample = {.cell = {.workers = request->workers,
					 .seed = request->seed,
					 .scale = request->scale,
					 .directory = request->directory}};
	struct assay_statistics statistics = {.workers = 0};
	struct gbench_result result = {.ok = false};
	cJSON *record;
	char *text;
	int failed;

	sample.cell.workload = workload_of(request->workload);
	if (!sample.cell.workload) {
		fprintf(stderr, "assay-bench: there is no workload '%s'\n", request->workload);
		return 2;
	}
	/* A worker whose parent ended stays below this process, and is counted. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	measure(&sample, request, &result, &statistics);
	record = describe(&sample, &result, &statistics);
	text = cJSON_PrintUnformatted(record);
	cJSON_Delete(record);
	free(sample.cell.latencies_ns);
	if (!text) {
		fprintf(stderr, "assay-bench: no memory for the record of a cell\n");
		return 2;
	}
	failed = write_whole(request->output, text);
	free(text);
	return failed ? 2 : 0;
}
