/* SPDX-License-Identifier: MIT */
#include "machine.h"

#include "cgroup.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void read_pressure(struct machine *machine)
{
	FILE *file = fopen("/proc/pressure/cpu", "re");
	double percent, total_us;

	machine->pressure_cpu = machine->waited_s = NAN;
	if (!file)
		return;
	/* NOLINTNEXTLINE(cert-err34-c): the kernel writes numbers that fit */
	if (fscanf(file, "some avg10=%lf avg60=%*f avg300=%*f total=%lf", &percent, &total_us) ==
	    2) {
		machine->pressure_cpu = percent / 100;
		machine->waited_s = total_us / 1e6;
	}
	fclose(file);
}

static void read_times(struct machine *machine)
{
	FILE *file = fopen("/proc/stat", "re");
	double field[8], hertz = (double)sysconf(_SC_CLK_TCK);

	machine->busy_s = machine->steal_s = machine->total_s = NAN;
	if (!file)
		return;
	/* user nice system idle iowait irq softirq steal */
	/* NOLINTNEXTLINE(cert-err34-c): as above */
	if (fscanf(file, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &field[0], &field[1], &field[2],
		   &field[3], &field[4], &field[5], &field[6], &field[7]) == 8) {
		machine->busy_s = (field[0] + field[1] + field[2] + field[5] + field[6]) / hertz;
		machine->steal_s = field[7] / hertz;
		machine->total_s =
			machine->busy_s + machine->steal_s + (field[3] + field[4]) / hertz;
	}
	fclose(file);
}

static double read_own(void)
{
	static const int whose[] = {RUSAGE_SELF, RUSAGE_CHILDREN};
	double sum = 0;

	for (size_t i = 0; i < sizeof whose / sizeof *whose; i++) {
		struct rusage usage;

		getrusage(whose[i], &usage);
		sum += (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		       1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
	}
	return sum;
}

void machine_read(struct machine *machine)
{
	double load;

	machine->load_1min = getloadavg(&load, 1) == 1 ? load : NAN;
	machine->own_s = read_own();
	machine->throttled_s = cgroup_throttled_s("");
	read_pressure(machine);
	read_times(machine);
}

static void add(cJSON *object, const char *name, double value)
{
	if (isfinite(value))
		cJSON_AddNumberToObject(object, name, value);
	else
		cJSON_AddNullToObject(object, name);
}

/* The kernel counts in ticks: of less than a second it knows little. */
static double share(double part_s, double total_s)
{
	return total_s >= 1 && !isnan(part_s) ? fmax(0, part_s) / total_s : NAN;
}

static double steal_of(const struct machine *before, const struct machine *after)
{
	return share(after->steal_s - before->steal_s, after->total_s - before->total_s);
}

static double others_of(const struct machine *before, const struct machine *after)
{
	return share(after->busy_s - before->busy_s - (after->own_s - before->own_s),
		     after->total_s - before->total_s);
}

/* Comparisons with what is not known (NaN) are false: no reason. Without a quota nothing is throttled. */
enum noise machine_judge(const struct machine *before, const struct machine *after, char *reason,
			 size_t size)
{
	double others = others_of(before, after), steal = steal_of(before, after);
	double throttled_s = after->throttled_s - before->throttled_s;

	reason[0] = '\0';
	if (others > MACHINE_OTHERS_LIMIT)
		snprintf(reason, size, "other programs took %.0f %% of the processors' time",
			 100 * others);
	else if (steal > MACHINE_STEAL_LIMIT)
		snprintf(reason, size, "the hypervisor took %.0f %% of the processors' time",
			 100 * steal);
	else if (throttled_s > 0)
		snprintf(reason, size, "the quota of the control group stopped it for %.2g s",
			 throttled_s);
	if (reason[0])
		return NOISE_SEEN;
	return isnan(others) || isnan(steal) ? NOISE_UNKNOWN : NOISE_NONE;
}

cJSON *machine_describe(const struct machine *before, const struct machine *after)
{
	cJSON *object = cJSON_CreateObject();
	double total_s = after->total_s - before->total_s;
	char reason[160];
	enum noise noise = machine_judge(before, after, reason, sizeof reason);

	add(object, "load_1min_before", before->load_1min);
	add(object, "load_1min_after", after->load_1min);
	add(object, "pressure_cpu_before", before->pressure_cpu);
	add(object, "pressure_cpu_after", after->pressure_cpu);
	add(object, "waiting_s", after->waited_s - before->waited_s);
	add(object, "steal_ratio", steal_of(before, after));
	add(object, "busy_ratio", share(after->busy_s - before->busy_s, total_s));
	add(object, "others_ratio", others_of(before, after));
	add(object, "throttled_s", after->throttled_s - before->throttled_s);
	if (noise == NOISE_UNKNOWN)
		cJSON_AddNullToObject(object, "noisy");
	else
		cJSON_AddBoolToObject(object, "noisy", noise == NOISE_SEEN);
	cJSON_AddStringToObject(object, "noise", reason);
	return object;
}
