/* SPDX-License-Identifier: MIT */
/* The second symbol of a backend that is wrong on purpose. */
#ifndef MUTANT_H
#define MUTANT_H

struct assay_mutant {
	const char *clauses; /* ids, separated by commas: the tests of each must catch it */
	const char *what;    /* one sentence: what is wrong */
};

#endif
