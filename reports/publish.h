/* SPDX-License-Identifier: MIT */
/*
 * A report appears whole or not at all: it is made in a temporary directory inside its own, so that
 * renaming moves no bytes, and moved into place file by file at the end.
 */
#ifndef PUBLISH_H
#define PUBLISH_H

#include <stdbool.h>

struct publication {
	char *directory;
	char *temporary; /* NULL when there is none to remove */
	bool made;       /* the directory did not exist before */
};

/* Makes the directory if it is missing, and the temporary one with its plots/. 0, or -1 after a
 * message. */
int publish_begin(struct publication *publication, const char *directory);

/* Moves everything into place, and removes what an earlier report drew and this one did not. */
int publish_end(struct publication *publication);

/* Leaves the directory as it was before. */
void publish_cancel(struct publication *publication);

#endif
