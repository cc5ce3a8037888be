#!/bin/sh
# SPDX-License-Identifier: MIT
# usage: proxies.sh ASSAY_PROXIES ASSAY_COMPARE SLOWED.so ODD.so BACKEND.so PROCESSES.so THREADS.so DIRECTORY
# Two counts of one backend agree, and of one that allocates, or computes, more they do not. A task of
# a pool of processes needs no system call; one that starts a thread for each does.
set -u
proxies=$1 compare=$2 slowed=$3 odd=$4 backend=$5 processes=$6 threads=$7 directory=$8
wrong=0
rm -rf "$directory"
mkdir -p "$directory"
cd "$directory" || exit 2

# expect CODE TEXT COMMAND...
expect() {
	code=$1 text=$2
	shift 2
	"$@" >said 2>&1
	saw=$?
	if [ $saw != "$code" ] || { [ -n "$text" ] && ! grep -qF -e "$text" said; }; then
		echo "$*: expected exit code $code and '$text', saw $saw and:" >&2
		cat said >&2
		wrong=$((wrong + 1))
	fi
}

mkdir wrapped
cp "$slowed" wrapped/mutex_queue.so
echo "0 $backend" >wrapped/mutex_queue.slow
expect 0 '' "$proxies" "$backend" --format json -o one.json
expect 0 '' "$proxies" "$backend" --format json -o two.json
# --force: also of a build without optimisation.
expect 0 'no regression' "$compare" one.json two.json --force
# The wrapper allocates once and copies for each task.
expect 0 '' "$proxies" ./wrapped/mutex_queue.so --format json -o wrapped.json
expect 1 'allocations_per_task' "$compare" one.json wrapped.json --force
grep -q '^regression .*allocations_per_task' said || { cat said >&2; wrong=$((wrong + 1)); }
expect 0 'faster' "$compare" wrapped.json one.json --force
expect 1 'FAILED: cannot create an executor' "$proxies" "$odd" "$backend"
expect 1 '' "$proxies" "$odd" --format json -o failed.json
expect 2 'only BASE has it' "$compare" one.json failed.json --force
# Without valgrind the rest is counted, and the cell says why it is empty.
expect 0 'install the Debian package valgrind' env PATH=/nowhere "$proxies" "$backend"
# Of thousands of tasks, those of the exercise itself are less than a hundredth each.
expect 0 '' env PATH=/nowhere "$proxies" "$processes"
grep -q 'cannot trace a process here' said || grep -q 'system_calls_per_task  *0\.00 ' said ||
	{ cat said >&2; wrong=$((wrong + 1)); }
expect 0 '' env PATH=/nowhere "$proxies" "$threads"
grep -q 'system_calls_per_task  *0\.' said && { cat said >&2; wrong=$((wrong + 1)); }
expect 2 "no backend 'mutx" "$proxies" mutx
expect 2 'expected text or json' "$proxies" --format xml
expect 2 'cannot write' "$proxies" "$backend" -o missing/file
expect 0 'usage:' "$proxies" --help
[ $wrong = 0 ] || echo "$wrong wrong" >&2
[ $wrong = 0 ]
