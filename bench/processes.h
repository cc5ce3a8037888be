/* SPDX-License-Identifier: MIT */
/* What this process and all those below it use, whether they live or were waited for. */
#ifndef BENCH_PROCESSES_H
#define BENCH_PROCESSES_H

/*
 * CPU time from begin to end, without what it costs to ask. A grandchild that ended counts from
 * when its parent was waited for.
 */
double processes_cpu_begin(void);
double processes_cpu_end(double begin);

/* The children of this moment, as a server that a workload started, count for nothing any more. */
void processes_set_aside(void);

/* Memory of those that live, what they share counted once (PSS). Negative: unknown. */
double processes_memory_bytes(void);

/* Processors that this process may use. */
int processors_allowed(void);

#endif
