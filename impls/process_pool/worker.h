/* SPDX-License-Identifier: MIT */
/* A worker process: what worker.c, which finds tasks, and call.c, which calls them, share. */
#ifndef WORKER_H
#define WORKER_H

#include "look.h"
#include "zygote.h"

#include <assay/backend.h>

struct worker {
	assay_call call; /* first: the ops get its address */
	struct segment *segment;
	const struct settings *settings;
	struct lane *lane;
	int index;
	int tasks_left;
	pid_t self;
	struct habit habit; /* the pace of its tasks */
	int64_t looked_ns;  /* when it last began to look; 0: not known */
	int64_t ran;        /* tasks since then */
	/* Of the running task. */
	struct slot *slot;
	uint32_t slot_index;
	uint64_t word; /* of the slot, when it was claimed */
	size_t argument_size;
	size_t argument_extent; /* of a long one */
	bool has_extent;        /* the result's room is there */
	size_t extent;
	size_t extent_size;
	char *message;
	_Alignas(16) unsigned char scratch[SLOT_BYTES];
};

/* call.c */

extern const struct assay_call_ops worker_call_ops;

/* Calls the function of the task that was taken, and leaves what came of it in the slot. */
void worker_call(struct worker *worker);
/* Publishes that, and wakes or tells who waits for it. */
void worker_finish(struct worker *worker);

#endif
