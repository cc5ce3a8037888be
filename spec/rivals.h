/* SPDX-License-Identifier: MIT */
/* The executors of others that can be built where their library is installed. */
#ifndef RIVALS_H
#define RIVALS_H

#include <stdbool.h>

struct rival {
	const char *name;    /* of the backend, or of the raw driver: that ends in _raw */
	const char *library; /* the same for all of one library */
	const char *package; /* of Debian */
};

/* By name, ended by a NULL name. */
extern const struct rival rivals[];

/* Behind its own interface, and no backend. */
bool rival_is_raw(const struct rival *rival);

/* NULL if there is none of this name. */
const struct rival *rival_find(const char *name);

/* Says that it was not built, and which package it needs. */
void rival_complain(const char *program, const struct rival *rival);

#endif
