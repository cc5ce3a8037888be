/* SPDX-License-Identifier: MIT */
/* What stood in the way: said at once, and kept for what is written in place of results. */
#ifndef COMPARE_COMPLAINT_H
#define COMPARE_COMPLAINT_H

/* From here on also what was wrong with a file of JSON is kept. */
void complaint_listen(void);

/* "assay-compare: ..." on the standard error, fit for a terminal. Returns -1. */
int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The last one; "" if there was none. */
const char *complaint_last(void);

#endif
