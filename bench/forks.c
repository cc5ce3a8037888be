/* SPDX-License-Identifier: MIT */
#include "forks.h"

/* Numbers that no accident makes. */
static const uint64_t own = 0x6f776e, by_default = 0x64656661756c74;

int fork_probe(assay_call *call)
{
	uint64_t answer = call->children ? own : by_default;

	return assay_return(call, &answer, sizeof answer);
}

int forks_check(struct cell *cell)
{
	struct assay_task task = cell_task(cell, fork_probe, NULL, 0);
	assay_future *future;
	uint64_t answer = 0;
	int error = assay_submit(cell->executor, &task, &future);

	if (!error) {
		error = assay_future_result(future, ASSAY_FOREVER, &answer, sizeof answer);
		assay_future_release(future);
	}
	if (error)
		return cell_fail(cell, "a task that forks: %s", assay_error_text(error));
	if (answer == by_default)
		return cell_unsupported(cell, "nobody but the join runs a child that its tasks "
					      "fork");
	return answer == own ? 0 : cell_fail(cell, "a task that forks returned something else");
}
