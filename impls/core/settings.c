/* SPDX-License-Identifier: MIT */
#include "settings.h"

#include "port.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* CFG-2: a thread pool serves mostly waiting tasks, within reason. */
static int default_workers(void)
{
	cpu_set_t set;
	int cpus = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set)
							       : (int)sysconf(_SC_NPROCESSORS_ONLN);

	return cpus + 4 < 32 ? cpus + 4 : 32;
}

int settings_copy(struct settings *settings, const struct assay_config *config)
{
	static _Atomic unsigned unnamed;
	char *names;
	size_t size = 0;

	*settings = (struct settings){.config = *config};
	if (config->workers == ASSAY_WORKERS_AUTO)
		settings->config.workers = default_workers();
	if (config->name) /* a longer prefix is cut, so that the index stays readable */
		snprintf(settings->name, sizeof settings->name, "%.11s", config->name);
	else /* relaxed: only to be another number */
		snprintf(settings->name, sizeof settings->name, "assay%u",
			 atomic_fetch_add_explicit(&unnamed, 1, memory_order_relaxed) % 100000);
	settings->config.name = settings->name;
	settings->config.options = NULL; /* whoever knows any has read them by now */
	/* relaxed: as in settings_are_orphaned() */
	settings->forks = atomic_load_explicit(&port_forks, memory_order_relaxed);
	for (size_t i = 0; i < config->function_count; i++)
		size += sizeof *settings->functions + strlen(config->functions[i].name) + 1;
	settings->functions = malloc(size + 1);
	settings->initializer_argument = malloc(config->initializer_argument_size + 1);
	if (!settings->functions || !settings->initializer_argument) {
		settings_free(settings);
		return ASSAY_ENOMEM;
	}
	names = (char *)(settings->functions + config->function_count);
	for (size_t i = 0; i < config->function_count; i++) {
		settings->functions[i] = config->functions[i];
		size = strlen(config->functions[i].name) + 1;
		settings->functions[i].name = memcpy(names, config->functions[i].name, size);
		names += size;
	}
	if (config->initializer_argument_size)
		memcpy(settings->initializer_argument, config->initializer_argument,
		       config->initializer_argument_size);
	settings->config.functions = settings->functions;
	settings->config.initializer_argument = settings->initializer_argument;
	return ASSAY_OK;
}

void settings_free(struct settings *settings)
{
	free(settings->functions);
	free(settings->initializer_argument);
}

assay_function *settings_find(const struct settings *settings, const char *name)
{
	for (size_t i = 0; i < settings->config.function_count; i++)
		if (strcmp(settings->functions[i].name, name) == 0)
			return settings->functions[i].function;
	return NULL;
}

void settings_log(const struct settings *settings, enum assay_severity severity, const char *format,
		  ...)
{
	static const char *const names[] = {"info", "warning", "error"};
	char line[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	if (settings->config.log)
		settings->config.log(settings->config.log_user, severity, line);
	else
		fprintf(stderr, "assay: %s: %s: %s\n", settings->name, names[severity], line);
}
