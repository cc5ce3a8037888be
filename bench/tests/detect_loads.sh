#!/bin/bash
# SPDX-License-Identifier: MIT
# usage: detect_loads.sh ASSAY-BENCH WRONG.SO
# Each workload notices a task that is lost, that ran twice, or whose result has a wrong bit.
set -u
bench=$1 wrong=$2
failures=0

# One task alone makes up some of them: it has to be the wrong one, and not the one before that asks
# about forks.
declare -A single=([nqueens_fork]=1 [mergesort]=1 [payload_64_mib]=0)

# Where /tmp is in memory fsync does nothing; the build tree is on a disk, mostly.
declare -A place=([files_fsync]=$PWD)
fsync=files_fsync
case $(stat -f -c %T .) in
tmpfs | ramfs)
	echo "not tried: files_fsync, for want of a disk"
	fsync=
	;;
esac

# Not any failure, a deadline for one.
reasons='task [0-9]+|the first task|file [0-9]+|message [0-9]+|block [0-9]+|solutions|the task|tasks ran'

notices() { # WAY WORKLOAD
	local output status
	output=$(ASSAY_WRONG=$1 TMPDIR=${place[$2]-${TMPDIR-/tmp}} \
		${single[$2]+env ASSAY_WRONG_AFTER=${single[$2]}} "$bench" run "$wrong" \
		--workload "$2" --scale tiny --repetitions 1 --deadline 60 --format json 2>/dev/null)
	status=$?
	if [ "$1" = right ]; then
		[ $status -eq 0 ] && return
	elif [ $status -eq 1 ] && grep -qE "\"message\":.*($reasons)" <<<"$output"; then
		return
	fi
	echo "FAIL: $2 with ASSAY_WRONG=$1: exit status $status"
	grep '"message"' <<<"$output" | sort | uniq -c
	failures=$((failures + 1))
}

for workload in nqueens nqueens_fork matmul mergesort metg_stencil metg_fft metg_tree metg_random \
	files_read $fsync pipe_echo tcp_echo sqlite_insert poisson_30 poisson_60 poisson_80 \
	poisson_95 mixed bursts producers_consumers lifecycle payload_empty payload_4_kib payload_1_mib \
	payload_64_mib stream_1_mib stream_64_mib stream_in_place_1_mib stream_in_place_8_mib \
	stream_in_place_64_mib; do
	for way in right lose repeat corrupt; do
		# An empty result has no bit that could be wrong.
		[ "$workload $way" = "payload_empty corrupt" ] || notices $way $workload
	done
done
# Executors that are not what was asked for, though that of the cell is.
for way in 'workers later' 'workers of many'; do
	reasons='workers, the executor says that it has' notices "$way" lifecycle
done
exit $((failures != 0))
