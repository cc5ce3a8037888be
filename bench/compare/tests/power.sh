#!/bin/sh
# SPDX-License-Identifier: MIT
# usage: power.sh ASSAY_COMPARE ASSAY_BENCH MUTEX_QUEUE.so SLOWED.so DIRECTORY [GATES]
# Whether the gate can be trusted, beside a neighbour that keeps a processor busy: of GATES gates
# (100) on identical code none is red; of as many on tasks that take 10 % more CPU time, and on tasks
# that take 20 % longer by sleep alone, at least 95 %. The three take turns. What was seen is in
# DIRECTORY: a line for each gate in power.txt, all they said in gates.txt. Gates of an earlier run
# with the same programs count, so that one that was interrupted goes on.
set -u
compare=$1 bench=$2 backend=$3 slowed=$4 directory=$5 gates=${6:-100}
mkdir -p "$directory"
cd "$directory" || exit 2
cat "$compare" "$bench" "$backend" "$slowed" | cksum >programs.new
if ! cmp -s programs programs.new; then
	rm -rf base same cpu wall power.txt gates.txt
	mv programs.new programs
fi
touch power.txt

# tree NAME HOW: a build tree whose mutex_queue takes longer, as slowed.c has it.
tree() {
	mkdir -p "$1/bin" "$1/lib/assay"
	cp "$bench" "$1/bin/assay-bench"
	cp "$slowed" "$1/lib/assay/mutex_queue.so"
	echo "$2 $backend" >"$1/lib/assay/mutex_queue.slow"
}
tree base 0
tree same 0
tree cpu 10
tree wall wait:20

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
trap 'exit 2' INT TERM HUP

# gate NEW METRIC SEED: a line "NEW SEED: CODE red|green ...", red if it is so by the metric
# ("any": by the exit code).
gate() {
	! grep -q "^$1 $3: " power.txt || return 0
	new=$1 metric=$2 seed=$3
	start=$(date +%s)
	"$compare" base "$new" --workload sum_of_squares --backend mutex_queue --seed "$seed" \
		>gate.txt 2>gate.errors
	code=$? colour=green
	case $code in
	0 | 3) ;;
	1) [ "$metric" != any ] && ! grep -q "^regression .*: $metric " gate.txt || colour=red ;;
	*) cat gate.errors gate.txt >&2; exit 2 ;;
	esac
	{ echo "$new $seed: code $code"; cat gate.txt; } >>gates.txt
	echo "$new $seed: $code $colour, $(($(date +%s) - start)) s, load $(cut -d' ' -f1 /proc/loadavg)" \
		>>power.txt
}

for number in $(seq "$gates"); do
	gate same any "$number"
	gate cpu cpu_per_op "$number"
	gate wall wall_per_op "$number"
done

# count NEW PATTERN
count() {
	grep "^$1 " power.txt | head -n "$gates" | grep -c "$2"
}
for new in same cpu wall; do
	echo "$new: $(count $new red) of $gates gates red, $(count $new ': 3 ') inconclusive"
done
[ "$(count same red)" = 0 ] && [ $((100 * $(count cpu red))) -ge $((95 * gates)) ] &&
	[ $((100 * $(count wall red))) -ge $((95 * gates)) ]
