#!/bin/sh
# SPDX-License-Identifier: MIT
# usage: gate.sh ASSAY_COMPARE ASSAY_BENCH MUTEX_QUEUE.so SLOWED.so DIRECTORY
# The gate from end to end: build trees with a known difference, files of all sorts, every exit code.
set -u
compare=$1 bench=$2 backend=$3 slowed=$4 directory=$5
. "$(dirname "$0")/expect.sh"
rm -rf "$directory"
mkdir -p "$directory"
cd "$directory" || exit 2

# tree NAME HOW: a build tree whose mutex_queue is slowed by HOW percent.
tree() {
	mkdir -p "$1/bin" "$1/lib/assay"
	ln -s "$bench" "$1/bin/assay-bench"
	cp "$slowed" "$1/lib/assay/mutex_queue.so"
	echo "$2 $backend" >"$1/lib/assay/mutex_queue.slow"
}

# file NAME VALUE...: results of one cell, a repetition for each value; CONTEXT and UNIT as set.
CONTEXT='' UNIT=ns METRIC=cpu_per_op
file() {
	name=$1 repetition=0 comma=''
	shift
	{
		printf '{"format": "assay-bench/1", "context": {%s}, "results": [' "$CONTEXT"
		for value; do
			printf '%s{"backend": "pool", "workload": "work", "workers": 2, ' "$comma"
			printf '"metric": "%s", "unit": "%s", "value": %s, ' "$METRIC" "$UNIT" "$value"
			printf '"repetition": %s, "ok": true, "message": ""}' "$repetition"
			repetition=$((repetition + 1)) comma=,
		done
		printf ']}\n'
	} >"$name"
}

# text NAME CONTENT
text() {
	printf '%s' "$2" >"$1"
}

case_trees() {
	tree same 0
	tree again 0
	tree slow 300
	tree broken fail
	# Also in a build with a sanitizer, whose times say little.
	set -- --workload sum_of_squares --backend mutex_queue --rounds 4 --force
	# A loose threshold: identical code must not fail here, however busy the machine is.
	expect 0 'no regression in' "$compare" same again "$@" \
		--threshold cpu=300 --threshold wall=1000
	expect 1 'regression' "$compare" same slow "$@" --threshold cpu=50 --threshold wall=10000
	expect 0 'faster' "$compare" slow same "$@" --threshold cpu=50 --threshold wall=10000
	expect 2 'a result of 0 bytes' "$compare" same broken "$@"
	expect 2 "no workload 'none'" "$compare" same again --workload none
	expect 2 'no build tree' "$compare" same .
	expect 2 'two build trees or two files' "$compare" same said
	cp "$backend" again/lib/assay/inline.so
	expect 2 'only BASE has it' "$compare" again same --workload submit_many --rounds 4 \
		--backend inline
	expect 0 'only NEW has it' "$compare" same again --workload sum_of_squares --rounds 4 --force \
		--threshold cpu=300 --threshold wall=1000
}

case_files() {
	file base 100 101 99 100 102 98 100 101
	file same 101 100 99 101 100 99 102 100
	file slow 120 121 119 120 122 118 120 121
	file late 100 101 99 100 122 118 120 121
	file fast 80 81 79 80 82 78 80 81
	file zero 0 0 0 0 0 0 0 0
	file few 120 121
	expect 0 'no regression' "$compare" base same
	expect 1 '1 of 1 figures regressed' "$compare" base slow
	expect 0 'faster' "$compare" base fast
	# The second half alone is slower: nothing to repeat, and too much scatter to pass.
	expect 3 'too noisy to see' "$compare" base late
	expect 3 'BASE differs from itself' "$compare" late slow
	expect 3 'too few rounds' "$compare" base few
	expect 0 'faster' "$compare" base zero
	expect 1 'was 0' "$compare" zero base
	expect 0 'no regression' "$compare" zero zero
	expect 2 "no backend 'other'; known are: pool" "$compare" base slow --backend pool,other
	expect 2 "no workload 'play'; known are: work" "$compare" base slow --workload 'w*,play'
	expect 2 '--workers 3: neither' "$compare" base slow --workers 2,3
	expect 2 'each number once' "$compare" base slow --workers 2,2
	CONTEXT='"machine": {"noisy": true}'
	file noisy 120 121 119 120 122 118 120 121
	expect 3 'the machine was too noisy' "$compare" base noisy
	CONTEXT='"cpu_model": "Other"'
	file other 100 101 99 100 102 98 100 101
	expect 2 'differ in cpu_model' "$compare" base other
	expect 0 '--force: BASE and NEW differ in cpu_model' "$compare" base other --force
	for fact in allocator governor libc; do
		CONTEXT="\"$fact\": \"other\""
		file other 100 101 99 100 102 98 100 101
		expect 2 "differ in $fact" "$compare" base other
		expect 0 'no regression' "$compare" other other
	done
	CONTEXT='"sanitizer": "address,undefined"'
	file sanitized 100 101 99 100 102 98 100 101
	expect 2 'BASE is built with a sanitizer (address,undefined)' "$compare" sanitized sanitized
	CONTEXT='"compiler_flags": "-g -O0"'
	file debug 100 101 99 100 102 98 100 101
	expect 2 'NEW is built without optimisation' "$compare" debug debug
	expect 0 'no regression' "$compare" debug debug --force
	CONTEXT=''
	METRIC=p99
	file renamed 1 1 1 1 1 1 1 1
	expect 2 'only BASE has it' "$compare" base renamed
	METRIC=cpu_per_op UNIT=us
	file micro 0.100 0.101 0.099 0.100 0.102 0.098 0.100 0.101
	expect 2 'NEW has it in "us", the other in "ns"' "$compare" base micro
	expect 2 'NEW has it in "ns", the other in "us"' "$compare" micro base
	expect 2 'nothing matched' "$compare" micro micro
	METRIC=allocations_per_task UNIT=allocations
	file none 0
	file one 1
	expect 0 'no regression' "$compare" none none
	expect 1 'was 0' "$compare" none one
	METRIC=instructions_per_task UNIT=instructions
	file thousand 1000
	file little 1004
	file much 1006
	expect 0 'no regression' "$compare" thousand little
	expect 1 '+0.6 %' "$compare" thousand much
	expect 0 'no regression' "$compare" thousand much --threshold instructions=1
}

case_hostile() {
	METRIC=cpu_per_op UNIT=ns
	file base 100 101 99 100 102 98 100 101
	record='"backend": "pool", "workload": "work", "workers": 2, "metric": "cpu_per_op"'
	head='{"format": "assay-bench/1", "context": {}, "results": ['
	expect 2 'cannot be opened' "$compare" base missing
	: >empty
	expect 2 'is empty' "$compare" base empty
	head -c 200 base >truncated
	expect 2 'is no JSON' "$compare" base truncated
	awk 'BEGIN { for (i = 0; i < 100000; i++) printf "[" }' >deep
	expect 2 'nested too deeply' "$compare" base deep
	text array '[]'
	expect 2 'expected a JSON object' "$compare" base array
	text format '{"format": "assay-list/1"}'
	expect 2 'has the format "assay-list/1"' "$compare" base format
	text context '{"format": "assay-bench/1", "results": []}'
	expect 2 'expected an object "context"' "$compare" base context
	text type "$head{$record, \"repetition\": 0, \"ok\": true, \"value\": \"fast\"}]}"
	expect 2 'results[0]: expected a number' "$compare" base type
	text nan "$head{$record, \"repetition\": 0, \"ok\": true, \"value\": NaN}]}"
	expect 2 'is no JSON' "$compare" base nan
	text huge "$head{$record, \"repetition\": 0, \"ok\": true, \"value\": 1e999}]}"
	expect 2 'results[0]: expected a number' "$compare" base huge
	text negative "$head{$record, \"repetition\": 0, \"ok\": true, \"value\": -1}]}"
	expect 2 'results[0]: expected a number' "$compare" base negative
	text fraction "$head{$record, \"repetition\": 0.5, \"ok\": true, \"value\": 1}]}"
	expect 2 'expected a whole number' "$compare" base fraction
	text object "$head 7]}"
	expect 2 'results[0]: expected an object' "$compare" base object
	text ok "$head{$record, \"repetition\": 0, \"ok\": 1, \"value\": 1}]}"
	expect 2 'expected true or false as "ok"' "$compare" base ok
	one="{$record, \"repetition\": 0, \"ok\": true, \"value\": 1}"
	text twice "$head$one, $one]}"
	expect 2 'results[1]: repetition 0 of "cpu_per_op"' "$compare" base twice
	text units "$head$one, {$record, \"repetition\": 1, \"unit\": \"us\", \"ok\": true, \"value\": 1}]}"
	expect 2 'results[1]: "cpu_per_op" has the unit "us", but "" in results[0]' "$compare" base units
	text failed "$head{$record, \"repetition\": 0, \"ok\": false, \"value\": null, \"message\": \"wrong result\"}]}"
	expect 2 'wrong result' "$compare" base failed
	said '1 cell failed, '
	text control "$head{$record, \"repetition\": 0, \"ok\": false, \"value\": null, \"message\": \"\\u001b[2J\"}]}"
	expect 2 '' "$compare" base control
	! grep -q "$(printf '\033')" said || { echo "a file reached the terminal" >&2; wrong=1; }
}

# In time and in memory.
case_large() {
	METRIC=cpu_per_op UNIT=ns
	# shellcheck disable=SC2046 # a value each
	file many $(awk 'BEGIN { for (i = 0; i < 20000; i++) print 100000 + i * 7919 % 20000 }')
	expect 0 'no regression' timeout 60 "$compare" many many
	awk 'BEGIN { printf "{\"format\": \"assay-bench/1\", \"context\": {}, \"results\": ["
		for (i = 0; i < 4000000; i++) printf "0,"; printf "0]}" }' >zeros
	expect 2 'has more than 4000000 values' "$compare" zeros zeros
	head -c 2000000 zeros >some
	printf '0]}' >>some
	limited() {
		(ulimit -v 60000 && exec "$@")
	}
	# A sanitizer wants more for itself.
	if limited "$compare" --help >said 2>&1; then
		expect 2 "'some': out of memory" limited "$compare" some some
	fi
	truncate -s 65M large
	expect 2 'is larger than 64 MiB' "$compare" large large
}

case_outputs() {
	METRIC=cpu_per_op UNIT=ns
	file base 100 101 99 100 102 98 100 101
	file slow 120 121 119 120 122 118 120 121
	expect 1 '"verdict":	"regression"' "$compare" base slow --format json
	expect 1 '### Benchmark gate: regression' "$compare" base slow --format markdown
	expect 1 '<failure message="regression, +20' "$compare" base slow --format junit
	# What is no verdict is no pass either, for who reads the files.
	: >empty
	echo pass | tee verdict.xml >verdict.md
	expect 2 'is empty' "$compare" base empty --format junit -o verdict.xml --markdown verdict.md
	cat verdict.xml verdict.md >said
	said 'tests="1" failures="0" errors="1"'
	said "<error message=\"&#39;empty&#39;: is empty"
	said 'Benchmark gate: error'
	unsaid pass
	expect 2 'no workload &#39;&lt;&#39;' "$compare" base slow --format junit --workload 'w*,<'
	UNIT=furlongs
	file speed 1
	UNIT=ns
	expect 2 'tests="1" failures="0" errors="1"' "$compare" speed speed --format junit
	said '<error message="nothing matched'
	expect 2 '"verdict":	"error"' "$compare" base empty --format json
	expect 1 'regression' "$compare" base slow
	! grep -q "$(printf '\033')" said || { echo "colour in a file" >&2; wrong=1; }
	expect 1 '' "$compare" base slow --format junit -o out
	[ -s out ] || { echo "no file" >&2; wrong=1; }
	echo earlier >whole
	expect 2 "cannot write" "$compare" base slow -o missing/file
	expect 2 "cannot write '.': it is a directory" "$compare" base slow -o .
	ln -s nowhere link
	expect 2 "cannot write 'link': it is a link to nothing" "$compare" base slow --markdown link
	# A disk that is full after a kilobyte: the earlier file stays.
	expect 2 'cannot write' sh -c 'ulimit -f 1; "$@"' sh "$compare" base slow --format json -o whole
	[ "$(cat whole)" = earlier ] || { echo "an earlier file was lost" >&2; wrong=1; }
	[ -z "$(ls whole.* 2>/dev/null)" ] || { echo "a temporary file was left" >&2; wrong=1; }
	expect 1 '(main against HEAD)' "$compare" base slow --names main,HEAD --format markdown
	for names in main a,b,c , a, ,b; do
		expect 2 'two with a comma' "$compare" base slow --names "$names"
	done
	expect 2 "--output 'same.md' and --markdown 'same.md' are one file" "$compare" base slow \
		-o same.md --markdown same.md
	: >same.md
	expect 2 'are one file' "$compare" base slow -o same.md --markdown ./same.md
	for option in --rounds=5 --samples=2 --scale=tiny; do
		expect 2 "${option%=*} is for build trees" "$compare" base slow "$option"
	done
	expect 2 '--output is given twice' "$compare" base slow -o a -o b
	expect 2 '--seed is given twice' "$compare" base slow --seed 1 --seed 2
	expect 1 'regressed' "$compare" base slow --workload 'wor*' --workload work
	expect 2 "no workload 'play'" "$compare" base slow --workload work --workload play
	# The ending of the file is its format.
	expect 1 '' "$compare" base slow -o ending.json
	grep -q '"verdict"' ending.json || complain "expected JSON"
	expect 1 '' "$compare" base slow -o ending.md
	grep -q '^### ' ending.md || complain "expected Markdown"
	expect 1 '' "$compare" base slow -o ending.xml
	grep -q '<testsuite' ending.xml || complain "expected JUnit"
	expect 1 '' "$compare" base slow -o ending.xml --format text
	grep -q '^regression' ending.xml || complain "expected text"
	expect 1 '' "$compare" base slow --markdown summary.md
	grep -q '### Benchmark gate: regression' summary.md || { echo "no summary" >&2; wrong=1; }
	expect 2 'expected BASE and NEW' "$compare" base
	expect 2 "expected a kind" "$compare" base slow --threshold speed=3
	expect 2 "expected a kind" "$compare" base slow --threshold cpu=fast
	expect 2 'text, json, markdown or junit' "$compare" base slow --format xml
	expect 2 'from 4 to 10000' "$compare" base slow --rounds 3
	expect 2 'unrecognized option' "$compare" base slow --speed
	[ "$(wc -l <said)" = 2 ] || complain "expected two lines"
	said 'assay-compare: see assay-compare --help'
	expect 0 'assay-compare BASE NEW [options]' "$compare" --help
	expect 2 'cannot write to the standard output' sh -c '"$0" --help >/dev/full' "$compare"
}

# Ended while it measures: code 2, nothing left of it.
case_interrupt() {
	tree patient 0
	TMPDIR=$PWD "$compare" patient patient --workload sum_of_squares --rounds 1000 --force \
		>said 2>&1 &
	pid=$!
	until [ -e assay-compare-*/sample.json ] || ! kill -0 $pid 2>/dev/null; do
		sleep 0.02
	done
	kill -TERM $pid
	wait $pid
	[ $? = 2 ] && grep -q interrupted said || { cat said >&2; wrong=1; }
	[ -z "$(ls -d assay-* 2>/dev/null)" ] || { ls -d assay-* >&2; wrong=1; }
}

for part in trees files hostile large outputs interrupt; do
	mkdir "$directory/$part"
	cd "$directory/$part" || exit 2
	case_$part
done
finish
