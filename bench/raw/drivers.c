/* SPDX-License-Identifier: MIT */
#include "drivers.h"

#include "patterns.h"
#include "rivals.h"

#include <assay/load.h>

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RAW_MOST = 32 };

static bool ends_in(const char *text, const char *end)
{
	size_t length = strlen(text), tail = strlen(end);

	return length > tail && strcmp(text + length - tail, end) == 0;
}

bool raw_is_driver(const char *name)
{
	return ends_in(name, assay_backend_is_path(name) ? "_raw.so" : "_raw");
}

const char *const *raw_names(void)
{
	static const char *names[RAW_MOST + 1];
	size_t count = 0;

	for (const struct rival *rival = rivals; rival->name && count < RAW_MOST; rival++)
		if (rival_is_raw(rival))
			names[count++] = rival->name;
	return names;
}

size_t raw_count(void)
{
	size_t count = 0;

	while (raw_names()[count])
		count++;
	return count;
}

void raw_complain(const char *name)
{
	const struct rival *rival = rival_find(name);
	const char *names[RAW_MOST];
	size_t count = raw_count();

	if (rival) {
		rival_complain("assay-bench", rival);
		return;
	}
	memcpy(names, raw_names(), count * sizeof *names);
	names_refuse("raw driver", name, names, count);
}

/* As installed, and in the build tree: bin/assay-bench beside lib/assay-raw. */
static char *beside_program(const char *name)
{
	char program[PATH_MAX], *slash, *path = NULL;
	ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);

	if (length < 0)
		return NULL;
	program[length] = '\0';
	slash = strrchr(program, '/');
	if (!slash)
		return NULL;
	*slash = '\0';
	if (asprintf(&path, "%s/../lib/assay-raw/%s.so", program, name) < 0)
		return NULL;
	return path;
}

bool raw_is_built(const char *name)
{
	char *path = beside_program(name);
	bool is_built = path && access(path, R_OK) == 0;

	free(path);
	return is_built;
}

char *raw_resolve(const char *name)
{
	char *path;

	if (assay_backend_is_path(name)) {
		/* dlopen() takes what has no slash for a name of its own. */
		if (asprintf(&path, "%s%s", strchr(name, '/') ? "" : "./", name) < 0)
			path = NULL;
		if (!path)
			fprintf(stderr, "assay-bench: no memory for the path of '%s'\n", name);
		return path;
	}
	path = beside_program(name);
	if (path && access(path, R_OK) == 0)
		return path;
	free(path);
	raw_complain(name);
	return NULL;
}

const struct raw_driver *raw_open(const char *file, char *message, size_t size)
{
	const struct raw_driver *driver;
	void *module = dlopen(file, RTLD_NOW | RTLD_LOCAL);

	if (!module) {
		snprintf(message, size, "cannot load raw driver '%s': %s", file, dlerror());
		return NULL;
	}
	driver = dlsym(module, "raw_driver");
	if (!driver)
		snprintf(message, size,
			 "'%s' is no raw driver: it does not export the symbol raw_driver", file);
	else if (driver->abi != RAW_ABI)
		snprintf(message, size, "raw driver '%s' was built for version %u of raw.h, not %u",
			 file, driver->abi, RAW_ABI);
	else if (!driver->name || !raw_is_driver(driver->name))
		snprintf(message, size, "raw driver '%s' has no name that ends in _raw", file);
	else
		return driver;
	return NULL;
}
