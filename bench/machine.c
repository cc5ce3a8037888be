/* SPDX-License-Identifier: MIT */
#include "machine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static double read_pressure(void)
{
	FILE *file = fopen("/proc/pressure/cpu", "re");
	double percent = NAN;

	if (!file)
		return NAN;
	/* NOLINTNEXTLINE(cert-err34-c): the kernel writes numbers that fit */
	if (fscanf(file, "some avg10=%lf", &percent) != 1)
		percent = NAN;
	fclose(file);
	return percent / 100;
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

void machine_read(struct machine *machine)
{
	double load;

	machine->load_1min = getloadavg(&load, 1) == 1 ? load : NAN;
	machine->pressure_cpu = read_pressure();
	read_times(machine);
}

static void add(cJSON *object, const char *name, double value)
{
	if (isfinite(value))
		cJSON_AddNumberToObject(object, name, value);
	else
		cJSON_AddNullToObject(object, name);
}

cJSON *machine_describe(const struct machine *before, const struct machine *after)
{
	cJSON *object = cJSON_CreateObject();
	double total_s = after->total_s - before->total_s;

	add(object, "load_1min_before", before->load_1min);
	add(object, "load_1min_after", after->load_1min);
	add(object, "pressure_cpu_before", before->pressure_cpu);
	add(object, "pressure_cpu_after", after->pressure_cpu);
	add(object, "steal_ratio", (after->steal_s - before->steal_s) / total_s);
	add(object, "busy_ratio", (after->busy_s - before->busy_s) / total_s);
	return object;
}
