/* SPDX-License-Identifier: MIT */
#include "cgroup.h"

#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Where a hierarchy is, and the group in it: "" is its root. */
struct place {
	char mount[PATH_MAX];
	char group[PATH_MAX];
	bool old; /* version 1 */
};

/* Numbers that the kernel writes, as many as there are. */
static int read_numbers(const char *directory, const char *name, double *first, double *second)
{
	char path[3 * PATH_MAX];
	FILE *file;
	int count = 0;

	snprintf(path, sizeof path, "%s/%s", directory, name);
	file = fopen(path, "re");
	if (file) {
		/* NOLINTNEXTLINE(cert-err34-c): they fit */
		count = fscanf(file, "%lf %lf", first, second);
		fclose(file);
	}
	return count;
}

/* In a directory of version 1 or 2; NaN: none. */
static double quota_cpus(const char *directory, bool old)
{
	double quota = -1, period = 0, ignored;

	if (!old)
		read_numbers(directory, "cpu.max", &quota, &period);
	else if (read_numbers(directory, "cpu.cfs_quota_us", &quota, &ignored) > 0)
		read_numbers(directory, "cpu.cfs_period_us", &period, &ignored);
	return quota > 0 && period > 0 ? quota / period : NAN;
}

static double throttled_s(const char *directory, bool old)
{
	char path[3 * PATH_MAX], line[128];
	double value, found = NAN;
	FILE *file;

	snprintf(path, sizeof path, "%s/cpu.stat", directory);
	file = fopen(path, "re");
	while (file && isnan(found) && fgets(line, sizeof line, file))
		/* NOLINTNEXTLINE(cert-err34-c): it fits */
		if (sscanf(line, old ? "throttled_time %lf" : "throttled_usec %lf", &value) == 1)
			found = value / (old ? 1e9 : 1e6);
	if (file)
		fclose(file);
	return found;
}

static bool find_mount(const char *root, struct place *place)
{
	static const char *const names[2][2] = {{"", "/unified"}, {"/cpu", "/cpu,cpuacct"}};
	char path[2 * PATH_MAX];

	for (int i = 0; i < 2; i++) {
		snprintf(place->mount, sizeof place->mount, "%s/sys/fs/cgroup%s", root,
			 names[place->old][i]);
		snprintf(path, sizeof path, "%s/cgroup.procs", place->mount);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

static bool has_cpu(char *controllers)
{
	char *name;

	while ((name = strsep(&controllers, ",")))
		if (strcmp(name, "cpu") == 0)
			return true;
	return false;
}

/* "4:cpu,cpuacct:/a/b" of version 1, which has the processors where both are mounted; or "0::/a/b". */
static bool find(const char *root, struct place *place)
{
	char path[PATH_MAX], line[PATH_MAX + 256];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
	file = fopen(path, "re");
	place->old = false;
	while (file && !place->old && fgets(line, sizeof line, file)) {
		char *group = line, *number = strsep(&group, ":"), *names = strsep(&group, ":");
		bool old;

		if (!group || !names)
			continue;
		old = has_cpu(names);
		if (!old && strcmp(number, "0") != 0)
			continue;
		found = true;
		place->old = old;
		group[strcspn(group, "\n")] = '\0';
		snprintf(place->group, sizeof place->group, "%s",
			 strcmp(group, "/") == 0 ? "" : group);
	}
	if (file)
		fclose(file);
	return found && find_mount(root, place);
}

/* From the group up to the root, so far as they are to be seen; what is unknown is passed over. */
static double over_groups(const char *root, double (*one)(const char *directory, bool old),
			  double (*choose)(double left, double right))
{
	char directory[2 * PATH_MAX];
	double chosen = NAN;
	struct place place;
	char *last;

	if (!find(root, &place))
		return NAN;
	do {
		snprintf(directory, sizeof directory, "%s%s", place.mount, place.group);
		chosen = choose(chosen, one(directory, place.old));
		last = strrchr(place.group, '/');
		if (last)
			*last = '\0';
	} while (last);
	return chosen;
}

double cgroup_quota_cpus(const char *root)
{
	return over_groups(root, quota_cpus, fmin);
}

double cgroup_throttled_s(const char *root)
{
	return over_groups(root, throttled_s, fmax);
}
