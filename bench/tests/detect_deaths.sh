#!/bin/sh
# SPDX-License-Identifier: MIT
# usage: detect_deaths.sh ASSAY_BENCH WRONG_DEATHS.so WRONG.so
# The workload "crash" notices an executor that is wrong where workers die.
set -u
bench=$1 wrong=$2 threads=$3 failures=0

# notices HOW CODE TEXT
notices() {
	said=$(ASSAY_WRONG=$1 "$bench" run "$wrong" --workload crash --scale tiny --repetitions 1 \
		--deadline 60 --format json 2>/dev/null)
	saw=$?
	if [ $saw != "$2" ] || ! echo "$said" | grep -q "\"message\":.*$3"; then
		echo "crash with ASSAY_WRONG=$1: expected exit code $2 and '$3', saw $saw and: $said" >&2
		failures=$((failures + 1))
	fi
}

notices nothing 0 ''
notices spares 1 'task 200 killed its worker, and ended with: success'
notices 'kills another' 1 'task 201'
notices loses 1 'returned something else'
notices repeats 1 'ran 2 times'
notices workers 1 'workers, the executor says that it has'
notices breaks 1 'submit: \|task 20'

# Threads do not survive it, and do not claim to: no row, and no failure.
said=$("$bench" run "$threads" --workload crash --scale tiny --repetitions 1 --format json 2>/dev/null)
saw=$?
if [ $saw != 0 ] || ! echo "$said" | grep -q 'does not claim'; then
	echo "crash on threads: expected exit code 0 and a reason, saw $saw and: $said" >&2
	failures=$((failures + 1))
fi
[ $failures = 0 ]
