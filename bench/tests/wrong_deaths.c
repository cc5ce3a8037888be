/* SPDX-License-Identifier: MIT */
/*
 * process_pool with one thing wrong where workers die, chosen by $ASSAY_WRONG: the workload "crash"
 * must notice each. It changes what the workload's tasks are told to do.
 */
#include "../load/arrivals.h"

#include <assay/backend.h>
#include <assay/load.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern __attribute__((visibility("default"))) struct assay_backend wrong __asm__("assay_backend");

static const struct assay_backend *right;
static const struct assay_executor_ops *right_ops;
static struct assay_executor_ops wrong_ops;
static int64_t *dies_ns; /* of the last task that was to kill its worker */

static bool is_wrong(const char *how)
{
	const char *chosen = getenv("ASSAY_WRONG");

	return chosen && strcmp(chosen, how) == 0;
}

static int run_before(assay_executor *executor, const struct assay_task *task)
{
	assay_future *future;
	int error = right_ops->submit(executor, task, &future);

	if (error)
		return error;
	error = assay_future_result(future, ASSAY_FOREVER, NULL, 0);
	assay_future_release(future);
	return error == ASSAY_ETOOBIG ? ASSAY_OK : error;
}

static int submit(assay_executor *executor, const struct assay_task *task, assay_future **future)
{
	struct service service = *(const struct service *)task->argument;
	bool kills = service.dies_ns, after = dies_ns && !kills;
	struct assay_task other = *task;
	int error = ASSAY_OK;

	other.argument = &service;
	if (kills)
		dies_ns = service.dies_ns;
	if (kills && is_wrong("spares"))
		service.dies_ns = NULL;
	if (after && is_wrong("kills another"))
		service.dies_ns = dies_ns;
	if (after && is_wrong("loses"))
		service.index ^= 1;
	if (after && is_wrong("repeats"))
		error = run_before(executor, &other);
	return error ? error : right_ops->submit(executor, &other, future);
}

static int create(const struct assay_config *config, assay_executor **executor)
{
	struct assay_config other = *config;
	int error;

	if (is_wrong("breaks"))
		other.on_worker_death = ASSAY_DEATH_BREAKS;
	/* That of the workload, not that of the cell. */
	if (is_wrong("workers") && config->on_worker_death == ASSAY_DEATH_FAILS_TASK)
		other.workers++;
	error = right->create(&other, executor);
	if (error)
		return error;
	right_ops = (*executor)->ops;
	wrong_ops = *right_ops;
	wrong_ops.submit = submit;
	wrong_ops.submit_many = assay_default_submit_many;
	wrong_ops.backend = &wrong;
	(*executor)->ops = &wrong_ops;
	return ASSAY_OK;
}

struct assay_backend wrong;

__attribute__((constructor)) static void load_right(void)
{
	char message[512];

	if (assay_backend_open("process_pool", &right, message, sizeof message)) {
		fprintf(stderr, "%s\n", message);
		exit(2);
	}
	wrong = *right;
	wrong.name = "wrong";
	wrong.create = create;
}
