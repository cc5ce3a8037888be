/* SPDX-License-Identifier: MIT */
/*
 * The three files of a report, read and checked, and what follows from them: the verdict of each
 * clause on each backend, the median of each measurement. Strings live as long as the results.
 */
#ifndef RESULTS_H
#define RESULTS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * From the best to the worst, and then those that say that nothing was seen. The verdict of a clause
 * is the worst of its tests'.
 */
enum verdict {
	VERDICT_PASS,
	VERDICT_PARTLY, /* of a clause: tests passed, and the others are unsupported */
	VERDICT_UNSUPPORTED,
	VERDICT_UNRESOLVED,
	VERDICT_FAIL,
	VERDICT_TIMEOUT,
	VERDICT_SANITIZER,
	VERDICT_CRASH,
	VERDICT_UNTESTED, /* the clause has no test */
	VERDICT_NOT_RUN,  /* it has, but not in this file */
	VERDICTS
};

struct clause {
	const char *id;
	const char *chapter;
	const char *title;
	const char *statement; /* from here on NULL if absent */
	const char *intent;
	const char *source;
	const char *strength;
	const char *level;  /* MUST, SHOULD, ... */
	const char *choice; /* what was chosen where the sources differ */
	const char *profile;
	const char *untested; /* the reason */
	char *anchor;
	bool listed;         /* in the list of clauses; else only in the results */
	enum verdict *cells; /* by backend */
	size_t first, count; /* its outcomes */
	size_t tests;        /* of the list */
	const cJSON *test_list;
};

/* One run of one test. */
struct outcome {
	size_t clause;
	size_t backend;
	const char *test;
	const char *file;
	int line;
	enum verdict verdict;
	const char *message; /* NULL if absent or empty */
	const char *note;
	size_t position; /* in the file */
};

struct backend {
	const char *name;
	const char *summary; /* what it is; NULL if the file does not say */
	bool executor;       /* false: a row without an executor, to compare with */
	bool in_caller; /* its tasks ran in the thread that submits: compared with, never best */
	bool conformed; /* it occurs in the conformance file */
	bool measured;
	int colour;
	size_t clauses[VERDICTS]; /* how many clauses ended so */
};

/* The values of one metric of one cell. */
struct series {
	const char *metric;
	const char *unit;
	const char *note; /* why a value is not known */
	double *values;   /* in the order of the repetitions */
	size_t count;
	size_t asked;  /* repetitions that say something of it */
	bool together; /* the one value is of all repetitions */
	double median, least, most;
	double lower, upper; /* quartiles: the middle half lies between them */
};

#define CELL_SERIES 16

/* A workload on a backend with so many workers. */
struct cell {
	size_t workload;
	size_t backend;
	int workers;
	struct series series[CELL_SERIES];
	size_t series_count;
	size_t repetitions; /* that did not fail; not each need have given a value */
	size_t failures;
	bool unsupported;    /* there is nothing to measure; a note says why */
	const char *message; /* of the first failure */
	double ratio;        /* to the best executor of its row; 0: none, or too few values */
};

struct workload {
	const char *name;
	const char *kind;      /* overhead, cpu, io, floor; or NULL */
	const char *separates; /* NULL if absent */
	const char *operation; /* NULL if absent */
	const char *metric;    /* the one to compare by */
	bool latency;          /* that one is a percentile */
	bool has_executors;
};

/* A line of the heat map: a workload and a number of workers. */
struct row {
	size_t workload;
	int workers;
	bool several; /* the workload has rows of other numbers of workers */
	double best;  /* median of the best executor; less than 0: there is none */
};

struct results {
	struct backend *backends;
	size_t backend_count;
	struct clause *clauses;
	size_t clause_count;
	struct outcome *outcomes; /* by clause, test, backend */
	size_t outcome_count;
	struct workload *workloads;
	size_t workload_count;
	struct cell *cells; /* by workload, workers, backend */
	size_t cell_count;
	struct row *rows;
	size_t row_count;
	const cJSON *conformance_context; /* NULL: no file was given */
	const cJSON *bench_context;
	cJSON *trees[3];
};

/* 0, or -1 after a message. The first two may be "-": no such file. */
int results_read(struct results *results, const char *conformance, const char *bench,
		 const char *clauses);
void results_free(struct results *results);

/* Every test passed or is unsupported, and no measurement failed: as the programs that wrote the files
 * judged them. */
bool results_are_good(const struct results *results);
/* No file of results was given, or one without any. */
bool results_are_empty(const struct results *results);

/* The parts of it, in this order: results_clauses.c, results_tests.c, results_bench.c. */
int results_read_clauses(struct results *results, const char *path, const cJSON *tree);
int results_read_tests(struct results *results, const char *path, const cJSON *tree);
int results_read_bench(struct results *results, const char *path, const cJSON *tree);

/* The index of a backend, added if it is new. */
size_t results_backend(struct results *results, const char *name);

bool workload_same_class(const struct workload *left, const struct workload *right);

bool verdict_is_failure(enum verdict verdict);
const char *verdict_name(enum verdict verdict); /* as in the files */
const char *verdict_symbol(enum verdict verdict);

/* How many tests of a clause ended so on a backend. */
size_t clause_count(const struct results *results, const struct clause *clause, size_t backend,
		    enum verdict verdict);

/* An executor that may be the best of a row. */
bool backend_competes(const struct backend *backend);

/* NULL if the cell has no values of it. */
const struct series *cell_series(const struct cell *cell, const char *metric);
/* The values to compare by; NULL if the cell failed or has none. */
const struct series *cell_primary(const struct results *results, const struct cell *cell);
/* The values of a metric if at least half of the repetitions gave one, and none failed; else NULL. */
const struct series *cell_comparable(const struct cell *cell, const char *metric);
/* NULL if there is none. */
const struct cell *results_cell(const struct results *results, size_t workload, size_t backend,
				int workers);

#endif
