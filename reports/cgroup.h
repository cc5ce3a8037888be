/* SPDX-License-Identifier: MIT */
/*
 * What the control groups of this process let it have of the processors: its own group and those
 * above it, of version 1 or 2 of the kernel's interface. A group that is not to be seen, as from
 * inside a container, is passed over. root stands before all paths: "" but in tests.
 */
#ifndef CGROUP_H
#define CGROUP_H

/* The least of the quotas, in processors; NaN: there is none. */
double cgroup_quota_cpus(const char *root);

/* How long a quota has stopped the group that was stopped longest; NaN: the kernel does not say. */
double cgroup_throttled_s(const char *root);

#endif
