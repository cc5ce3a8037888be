/* SPDX-License-Identifier: MIT */
/*
 * What there is to test: the clauses, read from the chapters that are embedded in the program, and
 * the backends, found as files. Shared by the programs of the project; no part of the contract.
 */
#ifndef CATALOGUE_H
#define CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One chapter as it was when the program was built. */
struct chapter {
	const char *name; /* "cancel" */
	const char *file; /* "spec/cancel.md" */
	const char *text;
	size_t size; /* bytes */
};

/* One observable statement. Strings are never NULL unless it is said; lists end with NULL. */
struct clause {
	char *id; /* "CAN-1" */
	const char *chapter;
	const char *file;
	int line; /* of the heading */
	char *title;
	char *level; /* "MUST", "SHOULD" or "MAY" */
	char *statement;
	char *intent;
	char *source;
	char *strength; /* D documented, T tested by the source's own tests, I implementation, A
			   adopted from elsewhere, X extension */
	char *profile;  /* any, threads, processes or future */
	char *choice;   /* NULL, or which rule was taken where sources differ */
	uint64_t needs; /* capabilities without which it does not apply */
	char **tests;
	size_t test_count;
	char *untested; /* NULL, or why there is no test */
};

struct problem {
	const char *file;
	int line;
	char *message;
};

struct catalogue {
	struct clause *clauses; /* by chapter, then as written */
	size_t count;
	struct problem *problems;
	size_t problem_count;
};

/* The embedded chapters in order, and the catalogue made of them: parsed once, kept for ever. */
const struct chapter *catalogue_chapters(size_t *count);
const struct catalogue *catalogue_load(void);

/* Adds the clauses of one chapter, and a problem for each thing that is not as it should be.
 * Starts from a zeroed catalogue. */
void catalogue_parse(struct catalogue *catalogue, const struct chapter *chapter);
void catalogue_free(struct catalogue *catalogue);

/* The place of a clause in the catalogue; its count if there is no such clause. */
size_t catalogue_index(const struct catalogue *catalogue, const char *id);

/* "SHARED_MEMORY" for bit 0 and so on; NULL beyond the last. */
const char *capability_name(unsigned bit);
/* The bit of a name, 0 to 63; -1 for an unknown one. */
int capability_bit(const char *name);

struct backend_file {
	char *name; /* as given to assay_backend_open() */
	char *path;
};

/* The backends of $ASSAY_BACKEND_PATH, then those built in, each name once, sorted within a
 * directory. A new array that ends with a NULL name; only those whose file exists. */
struct backend_file *backends_find(size_t *count);
/* All shared objects of one directory. */
struct backend_file *backends_in(const char *directory, size_t *count);
void backends_free(struct backend_file *backends);

/*
 * The path of a backend given by name or path (what has a slash or ends in .so), with a slash so
 * that dlopen() takes it as one; NULL after a message on the standard error that lists what there
 * is, the nearest name first. The caller frees it.
 */
char *backend_resolve(const char *program, const char *name);

/* Sorts names: those that contain `wanted`, then by how few letters have to change to make them
 * that, upper and lower case being the same. */
void nearest_first(const char *wanted, const char **names, size_t count);

/* One of the patterns, separated by commas, matches the text, upper and lower case being the same.
 * NULL matches everything. */
bool matches_any(const char *patterns, const char *text);

#endif
