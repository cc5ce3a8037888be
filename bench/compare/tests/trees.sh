#!/bin/sh
# SPDX-License-Identifier: MIT
# usage: trees.sh ASSAY_COMPARE DIRECTORY
# Build trees whose bench says what it is told: which figures are judged, how soon, and which trees
# are refused.
set -u
compare=$1 directory=$2 tests=$(cd "$(dirname "$0")" && pwd)
. "$tests/expect.sh"
rm -rf "$directory"
mkdir -p "$directory"
cd "$directory" || exit 2

# tree NAME "METRIC UNIT VALUE..."...
CONTEXT='"build_type": "Release"'
tree() {
	mkdir -p "$1/bin" "$1/lib/assay"
	cp "$tests/bench_stub.sh" "$1/bin/assay-bench"
	: >"$1/lib/assay/pool.so"
	: >"$1/runs"
	echo "$CONTEXT" >"$1/context"
	name=$1
	shift
	printf '%s\n' "$@" >"$name/metrics"
}

# runs TREE NUMBER: so many samples were taken of it.
runs() {
	[ "$(wc -l <"$1/runs")" = "$2" ] || complain "expected $2 samples of $1, $(wc -l <"$1/runs") taken"
}

set -- --workload one --rounds 4

# What never happens is known at once; what starts to happen has to repeat.
tree never 'wake_ups count 0' 'idle_cpu_per_s ns 0'
tree again 'wake_ups count 0' 'idle_cpu_per_s ns 0'
expect 0 'no regression in 2 figures' "$compare" never again "$@"
runs never 8
tree woken 'wake_ups count 5000' 'idle_cpu_per_s ns 0'
expect 1 '1 of 2 figures regressed' "$compare" never woken "$@"
said 'was 0'
runs woken 32
tree busy 'wake_ups count 0' 'idle_cpu_per_s ns 1e9'
expect 1 '1 of 2 figures regressed' "$compare" never busy "$@"
expect 0 'faster' "$compare" woken again "$@"

# Ratios are judged, alone and beside others.
tree ideal 'ratio_to_ideal ratio 1'
tree far 'ratio_to_ideal ratio 3'
tree near 'ratio_to_ideal ratio 1.05'
expect 1 'ratio_to_ideal' "$compare" ideal far "$@"
expect 0 'no regression in 1 figure' "$compare" ideal near "$@"
expect 1 'ratio_to_ideal' "$compare" ideal near "$@" --threshold ratio=4
# One unit is not compared with another, known or not.
tree micro 'ratio_to_ideal percent 1'
expect 2 'has it in "' "$compare" ideal micro "$@"
expect 2 'has it in "' "$compare" micro ideal "$@"

# A metric that only one side has is not judged, and costs no further rounds.
tree timed 'cpu_per_op ns 100'
tree more 'cpu_per_op ns 100' 'drain ns 50' 'gap us 10'
expect 0 'no regression in 1 figure' "$compare" timed more "$@"
said 'only NEW has it'
unsaid gap
runs timed 8
expect 2 'only BASE has it' "$compare" more timed "$@"
runs more 16
# Nor does one that neither has a value of, which is not even shown. Where one has a value now and then, it is.
tree few 'cpu_per_op ns 100' 'p99 ns null'
tree fewer 'cpu_per_op ns 100' 'p99 ns null'
expect 0 'no regression in 1 figure' "$compare" few fewer "$@"
unsaid p99
runs few 8
tree some 'cpu_per_op ns 100' 'p99 ns null null null null 50'
expect 0 'too few rounds with a value' "$compare" few some "$@"

# Each pattern finds something, or it is a mistake.
expect 2 "no workload 'nosuch'; known are: one, two" "$compare" ideal near --workload one,nosuch
expect 2 "no workload ''" "$compare" ideal near --workload one,
expect 2 "no backend 'pol'; known are: pool" "$compare" ideal near "$@" --backend 'poo*,pol'
expect 0 '' "$compare" ideal near --rounds 4 --workload 'o*,two' --backend pool
: >near/lib/assay/other.so
expect 0 'only NEW has it' "$compare" ideal near "$@" --backend pool,other
expect 2 'each number once' "$compare" ideal near "$@" --workers 2,2

# Built in another way, or not to be timed: refused at once.
CONTEXT='"build_type": "Debug", "kernel": "other"'
tree debug 'cpu_per_op ns 100'
CONTEXT='"build_type": "Release"'
tree release 'cpu_per_op ns 100'
expect 2 'BASE and NEW differ in build_type; --force' "$compare" release debug "$@"
runs debug 2
expect 0 'machine: ' "$compare" release debug "$@" --force
said '--force: BASE and NEW differ in build_type'
CONTEXT='"sanitizer": "thread", "compiler_flags": "-O2 -g"'
tree sanitized 'cpu_per_op ns 100'
expect 2 'BASE is built with a sanitizer (thread); NEW is' "$compare" sanitized sanitized "$@"
CONTEXT='"compiler_flags": "-g"'
tree plain 'cpu_per_op ns 100'
expect 2 'BASE is built without optimisation' "$compare" plain plain "$@"
CONTEXT='"compiler_flags": "-O2 -O0"'
tree undone 'cpu_per_op ns 100'
expect 2 'NEW is built without optimisation' "$compare" undone undone "$@"
CONTEXT='"compiler_flags": "-O0 -g -O3"'
tree optimised 'cpu_per_op ns 100'
expect 0 '' "$compare" optimised optimised "$@"

# Where it was measured, and how noisy it was.
CONTEXT='"cpu_model": "Abacus", "allowed_cpus": 3, "machine": {"others_ratio": 0.5, "noisy": true}'
tree noisy 'cpu_per_op ns 100'
CONTEXT='"cpu_model": "Abacus", "allowed_cpus": 3, "machine": {"others_ratio": 0.01, "noisy": false}'
tree quiet 'cpu_per_op ns 100'
expect 0 '"samples_noisy":	8' "$compare" noisy quiet "$@" --format json
said '"samples_judged":	16'
said '"cpu_model":	"Abacus"'
said '"busy_ratio"'
expect 0 'machine: 3 x Abacus' "$compare" noisy quiet "$@"
said '8 of 16 samples that could tell were noisy'
expect 0 'machine: 3 x Abacus' "$compare" noisy quiet "$@" --format markdown

# Before anything is measured.
expect 2 "cannot write '.': it is a directory" "$compare" noisy quiet "$@" -o .
expect 2 "cannot write '.': it is a directory" "$compare" noisy quiet "$@" --markdown .
runs quiet 24
finish
