#!/bin/sh
# SPDX-License-Identifier: MIT
# usage: resume.sh ASSAY_BENCH SLOWED.so BACKEND.so DIRECTORY
# What is left of a run that was interrupted, that could not write, or in which a workload crashed.
set -u
bench=$1 slowed=$2 backend=$3 directory=$4
wrong=0
rm -rf "$directory"
mkdir -p "$directory"
cd "$directory" || exit 2

complain() {
	echo "$*" >&2
	wrong=$((wrong + 1))
}

# expect CODE TEXT COMMAND...
expect() {
	code=$1 text=$2
	shift 2
	"$@" >said 2>&1
	saw=$?
	if [ $saw != "$code" ] || { [ -n "$text" ] && ! grep -qF -e "$text" said; }; then
		complain "$*: expected exit code $code and '$text', saw $saw and: $(cat said)"
	fi
}

# The records, one on a line, without what differs from run to run.
cells() {
	tr -d '\n\t' <"$1" | sed 's/.*"results":\[//; s/},{/\n/g; s/}, {/\n/g' |
		grep -o '"backend":.*"unit"\|"repetition":[0-9]*' | sed 's/"metric.*//' | paste - - | sort | uniq -c
}

run() {
	"$bench" run inline mutex_queue --workload 'submit_1_producer,round_trip_idle' \
		--repetitions 3 --scale tiny --format json "$@"
}

# A file that grew to so many samples and was left there.
begin() {
	"$bench" run inline mutex_queue --workload 'submit_1_producer,round_trip_idle' \
		--repetitions 3 --scale tiny --format json -o "$1" 2>said || complain "$(cat said)"
}

begin whole.json
# Cut as an interrupt would: the samples from the seventh on, the mark of completeness.
python='import json, sys
document = json.load(open("whole.json"))
document["results"] = [r for r in document["results"] if r["order"] < 7 and r["repetition"] < 3]
context = document["context"]
context["complete"], context["samples"] = False, 7
document["unfinished_latencies"] = []
json.dump(document, open("part.json", "w"), indent=1)'
if command -v python3 >/dev/null; then
	python3 -c "$python"
	expect 0 '' run --resume part.json
	[ "$(cells whole.json)" = "$(cells part.json)" ] ||
		complain "a resumed run has other records than a whole one"
	grep -q 'unfinished' part.json && complain "a complete file holds unfinished latencies"

	python3 -c "$python"
	before=$(cksum <part.json)
	expect 2 'another scale, seed or number' run --seed 9 --resume part.json
	expect 2 'samples that this run would not take' "$bench" run inline mutex_queue \
		--workload submit_1_producer --repetitions 3 --scale tiny --resume part.json
	expect 2 'it was run with other backends' "$bench" run inline \
		--workload submit_1_producer --repetitions 3 --scale tiny --resume part.json

	# Another machine, another program, or another build of a backend: each by itself is enough.
	change() { # PYTHON
		python3 -c "import json
document = json.load(open('part.json'))
context, backends = document['context'], document['backends']
$1
json.dump(document, open('other.json', 'w'), indent=1)"
	}
	for field in kernel allowed_cpus allowed_cpu_list cpu_model allocator libc compiler git_dirty \
		build_type program_digest; do
		change "context['$field'] = 'other'"
		expect 2 "the field \"$field\" of its context has changed" run --resume other.json
	done
	change "context['libraries']['sqlite'] = '1'"
	expect 2 'the field "libraries" of its context has changed' run --resume other.json
	change "context['cgroup_cpu_quota_cpus'] = 0.125"
	expect 2 'the field "cgroup_cpu_quota_cpus" of its context has changed' run --resume other.json
	change "backends[1]['digest'] = '0123456789abcdef'"
	expect 2 "' is another than it was then" run --resume other.json
	change "backends.reverse()"
	expect 0 '' run --resume other.json

	# Nothing of a file reaches the terminal as it is.
	change "context['x' + chr(27) + '[2J'] = 1"
	expect 2 'of its context has changed' run --resume other.json
	grep -q "$(printf '\033')" said && complain "a name was printed raw"
	change "context['machine'] = {'noisy': True, 'noise': chr(27) + '[2J' + 'hiccups'}"
	expect 0 'too noisy for a claim' run --resume other.json
	grep -q "$(printf '\033')" said && complain "a reason was printed raw"
	grep -q '"noisy":	true' other.json || complain "the noise of an earlier part was forgotten"
	sed 's/"unfinished_latencies": \[\]/"unfinished_latencies": [{"workload": 3}]/' part.json >bad.json
	expect 2 'unfinished latencies are broken' run --resume bad.json
	[ "$(cksum <part.json)" = "$before" ] || complain "a refused file was changed"
fi
before=$(cksum <whole.json)
expect 0 "'whole.json' is complete" run --resume whole.json
expect 2 'cannot be opened' run --resume missing.json
head -c 300 whole.json >truncated.json
expect 2 'is no JSON' run --resume truncated.json
expect 2 'another scale, seed or number' run --seed 9 --resume whole.json
[ "$(cksum <whole.json)" = "$before" ] || complain "a complete file was changed"

# Interrupted for good: what was measured is there, the rest follows, and what was there stays until then.
echo earlier >cut.json
"$bench" run inline --workload 'round_trip_parked' --repetitions 60 \
	--scale tiny --format json -o cut.json 2>said &
pid=$!
sleep 1
kill -INT $pid
wait $pid
code=$?
if [ $code = 2 ]; then
	grep -q 'resume goes on' said || complain "no hint: $(cat said)"
	[ "$(cat cut.json)" = earlier ] || complain "an interrupted run replaced an earlier file"
	grep -q '"complete":	false' cut.json.part || complain "an interrupted file says it is complete"
	expect 0 '' "$bench" run inline --workload 'round_trip_parked' \
		--repetitions 60 --scale tiny --resume cut.json
	[ ! -e cut.json.part ] || complain "a part was left of what is complete"
	[ "$(cells cut.json | awk '$1 > 9' | wc -l)" = 0 ] || complain "a sample is there twice"
	grep -q '"samples":	60' cut.json || complain "samples are missing"
	grep -q 'of all repetitions together' cut.json || complain "latencies were lost"
elif [ $code != 0 ]; then
	complain "an interrupt gave exit code $code: $(cat said)"
fi

# A disk that is full: the earlier file stays.
echo earlier >kept.json
expect 2 'cannot write' sh -c 'ulimit -f 1; "$@"' sh "$bench" run inline mutex_queue \
	--workload submit_1_producer --repetitions 3 --scale tiny --format json -o kept.json
[ "$(cat kept.json)" = earlier ] || complain "an earlier file was lost"
[ -z "$(ls kept.json.* 2>/dev/null)" ] || complain "a temporary file was left"

# Fewer repetitions than were asked for, and the file says so.
expect 0 '' "$bench" run inline --workload submit_1_producer --repetitions 10000 --scale tiny \
	--budget 1 --format json -o budget.json
grep -q '"complete":	true' budget.json && grep -q '"repetitions_asked":	10000' budget.json ||
	complain "a budget leaves an incomplete file"

# Three samples that rest for half a second each do not go into one: the last is a cell without a value.
expect 0 '' "$bench" run inline mutex_queue lock_free --workload idle_after_burst --scale quick \
	--repetitions 2 --budget 1 --format json -o cells.json
grep -q '"message":	"not measured: the 1 s of --budget were over"' cells.json ||
	complain "a cell that was cut does not say so"
grep -q '"cells_cut":	[12]' cells.json && grep -q '"complete":	true' cells.json ||
	complain "the file does not say how many cells were cut"
grep -q '"ok":	false' cells.json && complain "a cell that was cut failed"
for backend in inline mutex_queue lock_free; do
	[ "$(tr -d '\n\t' <cells.json | grep -o '"backend":"'$backend'","workload"' | wc -l)" -ge 1 ] ||
		complain "$backend is absent"
done

# Wrong results are a failed cell, beside the others.
mkdir lib
cp "$slowed" lib/mutex_queue.so
echo "fail $backend" >lib/mutex_queue.slow
expect 1 '' "$bench" run ./lib/mutex_queue.so inline --workload submit_1_producer --repetitions 2 \
	--scale tiny --format json -o failed.json
[ "$(grep -c '"ok":	false' failed.json)" = 2 ] || complain "a failed cell is absent"
grep -q '"backend":	"inline"' failed.json || complain "the others are absent"

# A failure stays one, resumed or complete; a part by its own name is a part.
again() {
	"$bench" run ./lib/mutex_queue.so inline --workload submit_1_producer --repetitions 2 --scale tiny "$@"
}
expect 1 'is complete' again --resume failed.json
if command -v python3 >/dev/null; then
	python3 -c 'import json
document = json.load(open("failed.json"))
document["results"] = [r for r in document["results"] if not r["ok"]]
document["context"]["complete"] = False
json.dump(document, open("failed.json.part", "w"), indent=1)'
	expect 1 '' again --resume failed.json.part
	[ ! -e failed.json.part ] || complain "a part was left of what is complete"
	grep -q '"complete":	true' failed.json || complain "a part did not become the whole"
fi

# Only checked: nothing is measured, and executors are named, not raw rivals.
raw=pipe_pair_raw
[ -e "$(dirname "$bench")/../lib/assay-raw/$raw.so" ] || raw= # as under a sanitizer
expect 0 'mutex_queue' "$bench" run mutex_queue $raw --dry-run -o dry.json
[ "$(cut -f 1 said)" = mutex_queue ] && [ ! -e dry.json ] || complain "a dry run was none: $(cat said)"
expect 0 'inline' "$bench" run --backend 'in*' --dry-run
expect 2 'there is no backend' "$bench" run --backend 'x*' --dry-run
expect 2 'another scale, seed or number' run --seed 9 --resume whole.json --dry-run

[ $wrong = 0 ] || echo "$wrong wrong" >&2
[ $wrong = 0 ]
