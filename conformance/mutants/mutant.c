/* SPDX-License-Identifier: MIT */
/* Built once for each mutant: which fault it has, and what it exports beside the backend. */
#include "base.h"
#include "mutant.h"

const enum fault mutant_fault = MUTANT_FAULT;

extern const struct assay_mutant assay_mutant;
__attribute__((visibility("default"))) const struct assay_mutant assay_mutant = {
	.clauses = MUTANT_CLAUSES,
	.what = MUTANT_WHAT,
};
