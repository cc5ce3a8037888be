/* SPDX-License-Identifier: MIT */
/* How busy the machine is with other things than the bench. */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <cjson/cJSON.h>

struct machine {
	double load_1min;
	double pressure_cpu; /* share of the last 10 s in which something waited for a processor */
	double busy_s;       /* of all processors, since boot */
	double steal_s;      /* taken by the hypervisor, since boot */
	double total_s;
};

/* What cannot be read is NaN. */
void machine_read(struct machine *machine);

/* An object with both moments and the share of stolen time between them; null for what is unknown.
 */
cJSON *machine_describe(const struct machine *before, const struct machine *after);

#endif
