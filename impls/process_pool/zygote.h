/* SPDX-License-Identifier: MIT */
/*
 * The helper: a process with one thread, forked when the pool is created, that forks the workers,
 * sends them signals, and reaps them. It alone does the last two, so no process id is ever used after
 * it was given back. What is asked of it and what it says stands in the lanes; the socket only
 * nudges, and its end says that the helper is gone.
 */
#ifndef ZYGOTE_H
#define ZYGOTE_H

#include "../core/settings.h"
#include "segment.h"

struct zygote {
	int process; /* pidfd */
	int socket;
};

/* Forks the helper, which goes on to start all workers. Every signal of the calling thread must be
 * blocked. prepare runs in the helper first. ASSAY_ERESOURCE, ASSAY_ENOMEM: everything is undone. */
int zygote_start(struct zygote *zygote, struct segment *segment, const struct settings *settings,
		 void (*prepare)(void));

/* Whether all workers were started. If not, it is still to be ended. */
int zygote_await(const struct zygote *zygote);

/* Looks at the lanes again. */
void zygote_nudge(const struct zygote *zygote);

/* Until the helper has something to say. False: it is gone, or (control.quit) about to leave, as
 * it does when all workers have left a pool that is stopping. */
bool zygote_listen(const struct zygote *zygote);

/* Ends the workers that are left and the helper; all of them are reaped. */
void zygote_end(struct zygote *zygote);

/* What a worker does; it never returns. */
_Noreturn void worker_run(struct segment *segment, const struct settings *settings, int index);

#endif
