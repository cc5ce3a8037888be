/* SPDX-License-Identifier: MIT */
#include "base.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int default_workers(void)
{
	cpu_set_t set;
	int cpus = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;

	if (mutant_has_processes)
		return cpus;
	return cpus + 4 < 32 ? cpus + 4 : 32;
}

static void *copy(const void *bytes, size_t size)
{
	void *room = malloc(size + 1);

	if (room && size)
		memcpy(room, bytes, size);
	return room;
}

/* Names and table in one go; what is missing is found by settings_copy(). */
static void copy_functions(struct settings *settings, const struct assay_config *config)
{
	struct assay_named_function *functions =
		copy(config->functions, config->function_count * sizeof *functions);

	settings->names = calloc(config->function_count + 1, sizeof *settings->names);
	settings->config.functions = functions;
	for (size_t i = 0; settings->names && functions && i < config->function_count; i++)
		functions[i].name = settings->names[i] = strdup(config->functions[i].name);
}

static bool is_complete(const struct settings *settings)
{
	bool is_complete = settings->config.initializer_argument && settings->names &&
			   settings->config.functions;

	for (size_t i = 0; is_complete && i < settings->config.function_count; i++)
		is_complete = settings->names[i];
	return is_complete;
}

int settings_copy(struct settings *settings, const struct assay_config *config)
{
	static unsigned unnamed;

	*settings = (struct settings){.config = *config};
	if (config->workers == ASSAY_WORKERS_AUTO)
		settings->config.workers = default_workers();
	if (config->name)
		snprintf(settings->name, sizeof settings->name, "%.11s", config->name);
	else
		snprintf(settings->name, sizeof settings->name, "base%u",
			 __atomic_fetch_add(&unnamed, 1, __ATOMIC_RELAXED) % 100000);
	settings->config.name = settings->name;
	settings->config.initializer_argument =
		copy(config->initializer_argument, config->initializer_argument_size);
	copy_functions(settings, config);
	if (is_complete(settings))
		return ASSAY_OK;
	settings_free(settings);
	return ASSAY_ENOMEM;
}

void settings_free(struct settings *settings)
{
	for (size_t i = 0; settings->names && i < settings->config.function_count; i++)
		free(settings->names[i]);
	free(settings->names);
	free((void *)settings->config.functions);
	free((void *)settings->config.initializer_argument);
}

assay_function *settings_resolve(const struct settings *settings, const struct assay_task *task)
{
	if (task->function)
		return task->function;
	for (size_t i = 0; i < settings->config.function_count; i++)
		if (strcmp(settings->config.functions[i].name, task->name) == 0)
			return settings->config.functions[i].function;
	if (has_fault(FAULT_UNKNOWN_NAME_RUNS) && settings->config.function_count)
		return settings->config.functions[0].function;
	return NULL;
}

void settings_complain(const struct settings *settings, const char *message)
{
	if (settings->config.log)
		settings->config.log(settings->config.log_user, ASSAY_LOG_ERROR, message);
	else
		fprintf(stderr, "%s: %s\n", settings->name, message);
}
