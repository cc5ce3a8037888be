#!/bin/sh
# SPDX-License-Identifier: MIT
# usage: cgroup.sh PROGRAM
# Quota and throttled time of control groups that are files of a made-up root.
set -u
program=$1
wrong=0
root=$(mktemp -d) || exit 2
trap 'rm -rf "$root"' EXIT

# put FILE TEXT: below the root.
put() {
	mkdir -p "$(dirname "$root$1")"
	printf '%b' "$2" >"$root$1"
}

# expect ABOUT QUOTA THROTTLED: and an empty root for the next.
expect() {
	saw=$("$program" "$root")
	if [ "$saw" != "$2 $3" ]; then
		echo "$1: expected '$2 $3', saw '$saw'" >&2
		wrong=$((wrong + 1))
	fi
	rm -rf "${root:?}"/*
}

group=/sys/fs/cgroup
expect 'nothing' nan nan

put /proc/self/cgroup '0::/user/bench\n'
put $group/cgroup.procs ''
put $group/user/cpu.max '150000 100000\n'
put $group/user/cpu.stat 'usage_usec 9\nthrottled_usec 2500000\n'
put $group/user/bench/cpu.max 'max 100000\n'
put $group/user/bench/cpu.stat 'usage_usec 7\nthrottled_usec 0\n'
expect 'the quota of a group above' 1.5 2.5

put /proc/self/cgroup '0::/user/bench\n'
put $group/cgroup.procs ''
put $group/user/cpu.max '150000 100000\n'
put $group/user/bench/cpu.max '50000 100000\n'
put $group/user/bench/cpu.stat 'throttled_usec 500000\n'
expect 'the least of two' 0.5 0.5

put /proc/self/cgroup '0::/\n'
put $group/cgroup.procs ''
put $group/cpu.max 'max 100000\n'
put $group/cpu.stat 'throttled_usec 0\n'
expect 'no quota' nan 0

# As inside a container: the group has the name that it has outside.
put /proc/self/cgroup '0::/docker/4711\n'
put $group/cgroup.procs ''
put $group/cpu.max '200000 100000\n'
put $group/cpu.stat 'throttled_usec 1000000\n'
expect 'a group that is not to be seen' 2 1

put /proc/self/cgroup '3:cpuset:/elsewhere\n2:cpu,cpuacct:/a/b\n0::/c\n'
put $group/cpu/cgroup.procs ''
put $group/cpu/a/cpu.cfs_quota_us '300000\n'
put $group/cpu/a/cpu.cfs_period_us '100000\n'
put $group/cpu/a/b/cpu.cfs_quota_us '-1\n'
put $group/cpu/a/b/cpu.cfs_period_us '100000\n'
put $group/cpu/a/b/cpu.stat 'nr_throttled 2\nthrottled_time 250000000\n'
put $group/unified/cgroup.procs ''
put $group/unified/c/cpu.max '10000 100000\n'
put $group/cpuset/elsewhere/cpu.cfs_quota_us '1\n'
expect 'version 1, where both are mounted' 3 0.25

put /proc/self/cgroup '4:memory:/a\n0::/c\n'
put $group/unified/cgroup.procs ''
put $group/unified/c/cpu.max '10000 100000\n'
expect 'version 2 beside version 1' 0.1 nan

put /proc/self/cgroup '2:cpu,cpuacct:/a\n'
put "$group/cpu,cpuacct/cgroup.procs" ''
put "$group/cpu,cpuacct/a/cpu.cfs_quota_us" '25000\n'
put "$group/cpu,cpuacct/a/cpu.cfs_period_us" '100000\n'
expect 'the long name of version 1' 0.25 nan

put /proc/self/cgroup 'broken\n0:\n\n'
put $group/cgroup.procs ''
put $group/cpu.max '10000 100000\n'
expect 'lines that are none' nan nan
[ $wrong = 0 ]
