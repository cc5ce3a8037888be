/* SPDX-License-Identifier: MIT */
/* How busy the machine is with other things than the bench. */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <cjson/cJSON.h>

/*
 * Beyond these a difference in wall time may be the neighbours'. Pressure is recorded and not judged:
 * the bench's own threads wait for processors, too, and before it those that built or checked what it
 * measures.
 */
#define MACHINE_OTHERS_LIMIT 0.10 /* share of the processors' time that other programs took */
#define MACHINE_STEAL_LIMIT 0.05  /* that the hypervisor took */

enum noise { NOISE_NONE, NOISE_SEEN, NOISE_UNKNOWN };

struct machine {
	double load_1min;
	double pressure_cpu; /* share of the last 10 s in which something waited for a processor */
	double waited_s;     /* in which something did, since boot */
	double busy_s;       /* of all processors, since boot */
	double steal_s;      /* taken by the hypervisor, since boot */
	double total_s;
	double own_s;       /* of this process and its children that ended */
	double throttled_s; /* taken by the quota of a control group, its own or one above */
};

/* What cannot be read is NaN. */
void machine_read(struct machine *machine);

/*
 * An object with both moments, the shares between them, and the judgement: `noisy` with the reason
 * in `noise`. null for what is unknown.
 */
cJSON *machine_describe(const struct machine *before, const struct machine *after);

/*
 * Whether the machine was too noisy for a claim about times, and why; else reason is "". Unknown: a
 * run too short for the shares, of which none was seen to be too large.
 */
enum noise machine_judge(const struct machine *before, const struct machine *after, char *reason,
			 size_t size);

#endif
