#!/bin/sh
# SPDX-License-Identifier: MIT
# usage: power.sh ASSAY_COMPARE ASSAY_BENCH MUTEX_QUEUE.so SLOWED.so DIRECTORY [GATES]
# Whether the gate can be trusted, beside a neighbour that keeps a processor busy: of GATES gates
# (100) on identical code none is red; of as many on tasks that take 10 % more CPU time, and on tasks
# that take 20 % longer, at least 95 %. It takes hours; what it saw goes to DIRECTORY/power.txt.
set -u
compare=$1 bench=$2 backend=$3 slowed=$4 directory=$5 gates=${6:-100}
rm -rf "$directory"
mkdir -p "$directory"
cd "$directory" || exit 2

tree() {
	mkdir -p "$1/bin" "$1/lib/assay"
	cp "$bench" "$1/bin/assay-bench"
	cp "$slowed" "$1/lib/assay/mutex_queue.so"
	echo "$2 $backend" >"$1/lib/assay/mutex_queue.slow"
}
tree base 0
tree same 0
tree cpu 10
tree wall 20

# Works for 20 ms of 30, and ends with us whatever happens.
(
	trap exit TERM
	while kill -0 $$ 2>/dev/null; do
		timeout -s KILL 0.02 sh -c 'while :; do :; done' 2>/dev/null
		sleep 0.01
	done
) >/dev/null 2>&1 &
neighbour=$!
trap 'kill $neighbour 2>/dev/null' EXIT

# red NEW METRIC: how many of the gates are red by this metric ("any": by their exit code).
red() {
	count=0 inconclusive=0
	for seed in $(seq "$gates"); do
		"$compare" base "$1" --workload sum_of_squares --backend mutex_queue --seed "$seed" \
			>gate.txt 2>/dev/null
		code=$?
		case $code in
		0 | 1) ;;
		3) inconclusive=$((inconclusive + 1)) ;;
		*) cat gate.txt >&2; exit 2 ;;
		esac
		if [ "$2" = any ]; then
			[ $code != 1 ] || count=$((count + 1))
		elif [ $code = 1 ] && grep -q "^regression .*: $2 " gate.txt; then
			count=$((count + 1))
		fi
		{ echo "$1 $seed: $code"; cat gate.txt; } >>gates.txt
	done
	echo "$1: $count of $gates gates red by $2, $inconclusive inconclusive" | tee -a power.txt
}

failed=0
red same any
[ $count = 0 ] || failed=1
red cpu cpu_per_op
[ $((count * 100)) -ge $((gates * 95)) ] || failed=1
red wall wall_per_op
[ $((count * 100)) -ge $((gates * 95)) ] || failed=1
exit $failed
