/* SPDX-License-Identifier: MIT */
/* What an executor keeps of the configuration it was created with, and how it reads a task. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <assay/backend.h>

#include "port.h"

struct settings {
	struct assay_config
		config; /* its pointers lead to the copies below, or to the client's log */
	char name[16];  /* as long as the kernel lets a thread's name be */
	void *initializer_argument;
	struct assay_named_function *functions;
	unsigned forks; /* port_forks at create */
};

/* The executor was created by a parent of this process: it has no threads here, and its locks may be
 * held by nobody. */
static inline bool settings_are_orphaned(const struct settings *settings)
{
	/* relaxed: it changes when there is one thread only */
	return settings->forks != atomic_load_explicit(&port_forks, memory_order_relaxed);
}

/* Copies config; workers is the effective number. ASSAY_ENOMEM leaves nothing behind. */
int settings_copy(struct settings *settings, const struct assay_config *config);
void settings_free(struct settings *settings);

/* The one registered under this name, or NULL. */
PORT_RARE assay_function *settings_find(const struct settings *settings, const char *name);

/* The function of a task: its own, or the one registered under its name. ASSAY_EUNKNOWN,
 * ASSAY_ETOOBIG if the argument exceeds the limit. */
static inline int settings_resolve(const struct settings *settings, const struct assay_task *task,
				   assay_function **function)
{
	if (task->argument_size > assay_backend.argument_limit)
		return ASSAY_ETOOBIG;
	*function = task->function ? task->function : settings_find(settings, task->name);
	return *function ? ASSAY_OK : ASSAY_EUNKNOWN;
}

/* One line to config.log, or to standard error if the client gave none. printf-like. */
void settings_log(const struct settings *settings, enum assay_severity severity, const char *format,
		  ...) __attribute__((format(printf, 3, 4)));

#endif
