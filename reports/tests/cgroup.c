/* SPDX-License-Identifier: MIT */
/* usage: cgroup ROOT: the quota and the throttled time of the groups below that root. */
#include "cgroup.h"

#include <stdio.h>

int main(int count, char **words)
{
	if (count != 2)
		return 2;
	printf("%g %g\n", cgroup_quota_cpus(words[1]), cgroup_throttled_s(words[1]));
	return 0;
}
