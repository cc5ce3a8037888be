/* SPDX-License-Identifier: MIT */
/*
 * Fault injection: in a program that is linked with this, an allocation or a thread start fails, also
 * inside the backend that it loads. Not together with a sanitizer, which replaces the allocator itself.
 */
#ifndef INJECT_H
#define INJECT_H

#include <assay/load.h>

#include <stdatomic.h>

extern atomic_int inject_calls; /* that could have failed, since this was last set to 0 */
extern atomic_int inject_at;    /* the one that does; 0: none */
extern atomic_bool inject_on;   /* and all that follow */
extern int inject_variant;      /* of the program's own, for messages */

/* Opens the only argument as a backend, or exits with 2. Says "hang" where an alarm ends the program. */
const struct assay_backend *inject_open(int argc, char **argv);

/* Says in which variant which call had failed, and aborts. */
_Noreturn void inject_die(const char *what, int error);

/* The errors that a refused allocation or thread may become. */
bool inject_made(int error);

/* The configuration keeps silent about faults. False: what the executor needs could not be had. */
bool inject_create(const struct assay_backend *backend, struct assay_config config,
		   assay_executor **executor);

/* Shuts down, counts whether every accepted task ended, and destroys. */
void inject_end(assay_executor *executor);

#endif
