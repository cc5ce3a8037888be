/* SPDX-License-Identifier: MIT */
#include "rivals.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define RIVAL(name, library, package) {#name, library, package},
const struct rival rivals[] = {
#include "rivals.def"
	{NULL, NULL, NULL},
};

bool rival_is_raw(const struct rival *rival)
{
	static const char end[] = "_raw";
	size_t length = strlen(rival->name);

	return length >= sizeof end && strcmp(rival->name + length - (sizeof end - 1), end) == 0;
}

const struct rival *rival_find(const char *name)
{
	for (const struct rival *rival = rivals; rival->name; rival++)
		if (strcmp(rival->name, name) == 0)
			return rival;
	return NULL;
}

void rival_complain(const char *program, const struct rival *rival)
{
	fprintf(stderr,
		"%s: '%s' was not built: it needs %s; install the Debian package %s and build "
		"again\n",
		program, rival->name, rival->library, rival->package);
}
