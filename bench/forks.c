/* SPDX-License-Identifier: MIT */
#include "forks.h"

#include <string.h>

/* Numbers that no accident makes. */
static const uint64_t own = 0x6f776e, by_default = 0x64656661756c74;

static int nothing(assay_call *call, void *frame)
{
	(void)call;
	(void)frame;
	return ASSAY_OK;
}

/*
 * The record of a child is the backend's to fill: a fork that leaves it as it was has noted the child
 * nowhere. Atomic: another worker may have the child by now.
 */
int fork_probe(assay_call *call)
{
	struct assay_fork child, before;
	uint64_t answer = by_default;

	memset(&child, 0xa5, sizeof child);
	before = child;
	assay_fork(call, &child, nothing, NULL);
	if (__atomic_load_n(&child.state, __ATOMIC_RELAXED) != before.state ||
	    __atomic_load_n(&child.reserved[0], __ATOMIC_RELAXED) != before.reserved[0] ||
	    __atomic_load_n(&child.reserved[1], __ATOMIC_RELAXED) != before.reserved[1])
		answer = own;
	assay_join(call, &child);
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
		return cell_unsupported(cell, "its fork is the default one: no other worker can "
					      "take the child, and the join calls it");
	return answer == own ? 0 : cell_fail(cell, "a task that forks returned something else");
}
