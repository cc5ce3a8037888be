/* SPDX-License-Identifier: MIT */
/* GLib's GThreadPool with threads of its own: a GAsyncQueue under its mutex. */
#include "../adapter.h"
#include "../probe.h"

#include <glib.h>

#include <errno.h>

/* struct rival is a GThreadPool. */

const bool rival_survives_fork = false;

static void run(gpointer task, gpointer user)
{
	(void)user;
	adapter_run(task);
}

int rival_create(int workers, struct rival **rival)
{
	GError *error = NULL;
	GThreadPool *pool;

	if (probe_memory(workers))
		return ASSAY_ENOMEM; /* GLib would end the program */
	pool = g_thread_pool_new(run, NULL, workers, TRUE, &error);
	if (error) {
		g_error_free(error);
		/* It exists, with the threads that were started. */
		g_thread_pool_free(pool, FALSE, TRUE);
		return ASSAY_ERESOURCE;
	}
	*rival = (struct rival *)pool;
	return ASSAY_OK;
}

int rival_post(struct rival *rival, struct task *task)
{
	/* Fails only when it has to start a thread; an exclusive pool has them all. */
	g_thread_pool_push((GThreadPool *)rival, task, NULL);
	return ASSAY_OK;
}

void rival_close(struct rival *rival)
{
	(void)rival;
}

void rival_join(struct rival *rival)
{
	(void)rival; /* only a pool that is freed lets its threads go */
}

void rival_free(struct rival *rival)
{
	g_thread_pool_free((GThreadPool *)rival, FALSE, TRUE);
}

const struct assay_backend assay_backend = {
	.abi = ASSAY_ABI,
	.capabilities = ADAPTER_CAPABILITIES | ASSAY_CAP_CONCURRENT | ASSAY_CAP_WORKER_LIMIT |
			ASSAY_CAP_FIFO | ASSAY_CAP_SUBMITTER_FIFO | ASSAY_CAP_WORKER_REUSE,
	.name = "glib",
	.summary = "GLib's GThreadPool, exclusive threads",
	.argument_limit = ADAPTER_BYTES_LIMIT,
	.result_limit = ADAPTER_BYTES_LIMIT,
	.create = adapter_create,
	.extension = assay_default_extension,
};
