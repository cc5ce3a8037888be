#!/bin/sh
# SPDX-License-Identifier: MIT
# usage: detect_rows.sh ASSAY_BENCH WRONG.so
# Each workload of the targets notices a task that was lost, or whose result has a wrong bit.
set -u
bench=$1 wrong=$2 failures=0

# notices HOW CODE WORKLOAD
notices() {
	said=$(ASSAY_WRONG=$1 "$bench" run "$wrong" --workload "$3" --scale "${4:-tiny}" --repetitions 1 \
		--deadline 60 --format json 2>&1)
	saw=$?
	if [ $saw != "$2" ] || case $said in *deadline*) true ;; *) false ;; esac; then
		echo "$3 with ASSAY_WRONG=$1: expected exit code $2, saw $saw and: $said" >&2
		failures=$((failures + 1))
	fi
}

for workload in submit_rounds submit_many_rounds oversubscribed_submit round_trip_gap_10 round_trip_gap_30 \
	round_trip_gap_60 round_trip_gap round_trip_gap_200 idle_after_burst \
	sleeps_64_workers uneven_grain fib_futures fib_futures_25; do
	notices right 0 $workload
	notices lose 1 $workload
	notices corrupt 1 $workload
done
# Of several rounds, and of several batches.
for workload in submit_rounds submit_many submit_many_rounds; do
	notices right 0 $workload quick
	notices corrupt 1 $workload quick
done
# The row says how long the rests were: never as short as was asked for, for a timer is not early.
said=$(ASSAY_WRONG=right "$bench" run "$wrong" --repetitions 1 --scale tiny --format json \
	--workload 'round_trip_*,floor_process_*_parked,idle_after_burst' 2>/dev/null | tr -d '\n\t')
# value WORKLOAD METRIC
value() {
	echo "$said" | sed -n "s/.*\"workload\":\"$1\",\"workers\":[0-9]*,\"metric\":\"$2\",\"unit\":\"[a-z]*\",\"value\":\([0-9.]*\),.*/\1/p"
}
for rest in round_trip_gap_10:10 round_trip_gap_30:30 round_trip_gap_60:60 round_trip_gap:100 \
	round_trip_gap_200:200 round_trip_parked:2000 floor_process_futex_parked:2000 \
	floor_process_pipe_parked:2000; do
	saw=$(value ${rest%:*} gap)
	if ! awk "BEGIN { exit !(${saw:-0} > ${rest#*:}) }"; then
		echo "${rest%:*}: expected a gap of more than ${rest#*:} us, saw '$saw'" >&2
		failures=$((failures + 1))
	fi
done
if [ -n "$(value round_trip_idle gap)" ] || [ "$(value idle_after_burst window)" != 0.02 ]; then
	echo "expected no gap of round_trip_idle, and a window of 0.02 s, in: $said" >&2
	failures=$((failures + 1))
fi
# To submit is a part of the work, of four threads as of one.
said=$("$bench" run inline --executors-only --repetitions 1 --scale tiny --format json \
	--workload 'submit_*,oversubscribed_submit' 2>/dev/null | tr -d '\n\t')
for workload in submit_1_producer submit_rounds submit_4_producers submit_many submit_many_rounds \
	oversubscribed_submit; do
	submit=$(value $workload submit_per_op) wall=$(value $workload wall_per_op)
	threads=1
	[ $workload != submit_4_producers ] || threads=4
	if ! awk "BEGIN { exit !(0 < ${submit:-0} && ${submit:-0} < $threads * ${wall:-0}) }"; then
		echo "$workload: expected some of '$wall' ns of $threads threads to submit, saw '$submit'" >&2
		failures=$((failures + 1))
	fi
done
# The chunks have no results: they write to the caller's array.
notices right 0 map_ints
notices lose 1 map_ints
# A lost task that should hold a worker is waited for until the deadline.
notices right 0 memory_per_pending_task
notices corrupt 1 memory_per_pending_task
# One task, after the one that asks about forks: it has to be the wrong one.
export ASSAY_WRONG_AFTER=1
for workload in fib_fork_join oversubscribed_fib skynet fork_loop; do
	notices right 0 $workload
	notices lose 1 $workload
	notices corrupt 1 $workload
	ASSAY_WRONG_AFTER=0 notices lose 1 $workload
done
unset ASSAY_WRONG_AFTER

# Where nobody else runs a child there is no row, whatever the backend claims; nor a failure.
for workload in fib_fork_join oversubscribed_fib skynet fork_loop nqueens_fork mergesort; do
	said=$("$bench" run inline process_pool work_stealing --workload $workload --scale tiny \
		--repetitions 1 --executors-only --format json 2>/dev/null)
	saw=$?
	if [ "$saw $(echo "$said" | grep -c 'nobody but the join runs a child')" != "0 2" ]; then
		echo "$workload on inline and process_pool: expected two rows without a value, saw: $said" >&2
		failures=$((failures + 1))
	fi
done
[ $failures = 0 ]
