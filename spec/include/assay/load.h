/* SPDX-License-Identifier: MIT */
/*
 * assay/load.h - open a backend at run time, by name or by path.
 *
 * A name is looked up as <directory>/<name>.so in the directories of $ASSAY_BACKEND_PATH (separated
 * by colons), then in ../lib/assay beside the running program. What has a slash or ends in .so is a
 * path. Needs readlink() and dlopen(): where the program asks for an older POSIX by _POSIX_C_SOURCE,
 * this header cannot be used.
 */
#ifndef ASSAY_LOAD_H
#define ASSAY_LOAD_H

#include <assay/executor.h>

#if defined(_POSIX_C_SOURCE) && _POSIX_C_SOURCE < 200112L
#error "assay/load.h needs _POSIX_C_SOURCE to be 200112L or more"
#endif

#include <dlfcn.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The directory of built-in backends: ../lib/assay beside the running program. */
static inline void assay_backend_directory(char *directory, size_t size)
{
	char program[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
	char *slash;

	program[length > 0 ? length : 0] = '\0';
	slash = strrchr(program, '/');
	snprintf(directory, size, "%.*s/../lib/assay", slash ? (int)(slash - program) : 1,
		 slash ? program : ".");
}

/* A path, not a name. */
static inline bool assay_backend_is_path(const char *name)
{
	size_t length = strlen(name);

	return strchr(name, '/') || (length > 3 && strcmp(name + length - 3, ".so") == 0);
}

/* As the contract asks: short enough to be told whole, and text in every format. */
static inline bool assay_backend_is_named(const struct assay_backend *backend)
{
	const char *name = backend->name ? backend->name : "";
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");

	return length > 0 && length <= ASSAY_NAME_LIMIT && !name[length];
}

/* A message that is cut where the room ends. */
__attribute__((format(printf, 3, 4))) static inline void
assay_backend_explain(char *message, size_t size, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, message ? size : 0, format, arguments);
	va_end(arguments);
}

/*
 * assay_backend_open - load a backend.
 *
 * *backend stays valid until the program ends: backends are never unloaded. On error message (size
 * bytes, may be NULL) says what was tried and what would be right.
 *
 * ASSAY_EINVAL		there is no such file, or it is no backend
 * ASSAY_EUNSUPPORTED	a backend of another ABI
 */
ASSAY_MUST_CHECK static inline int assay_backend_open(const char *name,
						      const struct assay_backend **backend,
						      char *message, size_t size)
{
	char path[2 * PATH_MAX], builtin[PATH_MAX + 16];
	const char *directories = getenv("ASSAY_BACKEND_PATH");
	const struct assay_backend *found;
	void *library;

	snprintf(path, sizeof path, "%s", name);
	if (assay_backend_is_path(name)) {
		if (!strchr(name, '/')) /* else dlopen would search the system's libraries */
			snprintf(path, sizeof path, "./%s", name);
	} else {
		bool exists = false;

		assay_backend_directory(builtin, sizeof builtin);
		while (directories && *directories && !exists) {
			int length = (int)strcspn(directories, ":");

			snprintf(path, sizeof path, "%.*s/%s.so", length, directories, name);
			exists = length && access(path, F_OK) == 0;
			directories += length + (directories[length] == ':');
		}
		if (!exists) {
			snprintf(path, sizeof path, "%s/%s.so", builtin, name);
			exists = access(path, F_OK) == 0;
		}
		if (!exists) {
			directories = getenv("ASSAY_BACKEND_PATH");
			assay_backend_explain(
				message, size,
				"cannot load backend '%s': there is no %s.so in %s, nor "
				"in ASSAY_BACKEND_PATH (%s)",
				name, name, builtin,
				directories && *directories ? directories : "not set");
			return ASSAY_EINVAL;
		}
	}
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (!library) {
		assay_backend_explain(message, size, "cannot load backend '%s': %s", name,
				      dlerror());
		return ASSAY_EINVAL;
	}
	found = (const struct assay_backend *)dlsym(library, "assay_backend");
	if (!found) {
		assay_backend_explain(
			message, size,
			"'%s' is no backend: it does not export the symbol assay_backend", path);
		return ASSAY_EINVAL;
	}
	if (found->abi != ASSAY_ABI) {
		assay_backend_explain(message, size,
				      "backend '%s' was built for ABI %u of the contract, this "
				      "program for ABI %u",
				      path, (unsigned)found->abi, ASSAY_ABI);
		return ASSAY_EUNSUPPORTED;
	}
	if (!assay_backend_is_named(found)) {
		assay_backend_explain(
			message, size,
			"'%s' is no backend: the name in its descriptor is not one of "
			"up to %d of a-z, 0-9 and _",
			path, ASSAY_NAME_LIMIT);
		return ASSAY_EINVAL;
	}
	*backend = found;
	return ASSAY_OK;
}

#ifdef __cplusplus
}
#endif

#endif
