/* SPDX-License-Identifier: MIT */
/* A library that comes into the program when its executors are already there. */
#include <assay/executor.h>

__attribute__((visibility("default"))) int assay_late_function(assay_call *call);

int assay_late_function(assay_call *call)
{
	int answer = 4711;

	return assay_return(call, &answer, sizeof answer);
}
