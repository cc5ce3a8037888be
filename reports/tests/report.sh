#!/bin/bash
# SPDX-License-Identifier: MIT
# usage: report.sh CASE ASSAY-REPORT SAMPLES [ASSAY-CONFORM ASSAY-BENCH]
# One case of the tests of assay-report; exit code 77: the case cannot be run here.
set -u
case_name=$1 program=$2 samples=$3 conform=${4-} bench=${5-}
work=$(mktemp -d) || exit 2
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work" || exit 2
failures=0

expect() { # WHAT COMMAND...
	local what=$1
	shift
	if ! "$@"; then
		echo "not so: $what ($*)"
		failures=$((failures + 1))
	fi
}

report() { # CONFORMANCE BENCH CLAUSES DIR
	"$program" "$1" "$2" "$3" -o "$4" >stdout 2>stderr
}

sample_report() {
	report "$samples/conformance.json" "$samples/bench.json" "$samples/clauses.json" "$1"
}

absent() { ! grep -q -e "$1" "$2"; }
status_is() { [ "$status" -eq "$1" ]; }
alike() { diff -r "$1" "$2"; }
only_names() { [ "$(ls -A "$1" | tr '\n' ' ')" = "$2 " ]; }

# A file is refused with exit code 2 and a message that holds the words; nothing is left behind, and
# an earlier report stays whole.
refused() { # WHICH-FILE WORDS
	local files=("$samples/conformance.json" "$samples/bench.json" "$samples/clauses.json")
	files[$1]=bad.json
	report "${files[@]}" earlier
	status=$?
	expect "exit code 2 for <$2>" status_is 2
	expect "a message that names the file" grep -q -F 'bad.json' stderr
	expect "a message that says what was expected" grep -q -F -e "$2" stderr
	expect "one line on the standard error" test "$(wc -l <stderr)" -eq 1
	expect "the earlier report is whole" alike earlier kept
}

case_golden() {
	PATH=/nonexistent sample_report out
	status=$?
	expect "exit code 0 without gnuplot" status_is 0
	expect "the report is as stored" diff -u "$samples/report.md" out/report.md
	expect "the short form is as stored" diff -u "$samples/terminal.txt" stdout
	expect "no blanks at line ends" absent ' $' stdout
	expect "a warning" grep -q 'warning: tables only' stderr
	expect "the page says so" grep -q 'Tables only, no plots' out/report.html
	expect "no other files" only_names out "report.html report.md"
}

case_plots() {
	command -v gnuplot >/dev/null || exit 77
	sample_report out
	status=$?
	expect "exit code 0" status_is 0
	expect "no message" test ! -s stderr
	expect "no other files" only_names out "plots report.html report.md"
	expect "seven figures" test "$(ls out/plots/*.svg | wc -l)" -eq 7
	local svg
	for svg in out/plots/*.svg; do
		expect "$svg is named" grep -q "<title>[a-z_-]*</title>" "$svg"
		expect "$svg is whole" grep -q '</svg>' <(tail -n 2 "$svg")
		expect "$svg shows something" grep -q "<text>" "$svg"
		expect "$svg has a picture" test -s "${svg%.svg}.png"
		if command -v xmllint >/dev/null; then
			expect "$svg is XML" xmllint --noout "$svg"
		fi
	done
	expect "seven figures in the page" test "$(grep -c '<figure' out/report.html)" -eq 7
	expect "names as they are" grep -q '>mutex_queue<' out/plots/heat-map.svg
	expect "colours of the style sheet" grep -q 'fill *= *.var(--heat' out/report.html
	expect "no network" absent 'src=\|url(http\|@import\|<script\|<link' out/report.html
}

case_missing() {
	report - "$samples/bench.json" "$samples/clauses.json" out
	status=$?
	expect "exit code 0 without conformance" status_is 0
	expect "the page says so" grep -q "No file of conformance results was given" out/report.html
	expect "the matrix says so" grep -q "No conformance results" out/report.md
	report "$samples/conformance.json" - "$samples/clauses.json" out
	status=$?
	expect "exit code 0 without bench" status_is 0
	expect "the page says so" grep -q "No measurements" out/report.md
	expect "plots of the earlier report are gone" test ! -e out/plots
	report - - "$samples/clauses.json" out
	status=$?
	expect "exit code 0 without both" status_is 0
	local files which
	cp -r out kept
	for which in 0 1 2; do
		files=("$samples/conformance.json" "$samples/bench.json" "$samples/clauses.json")
		files[which]=nowhere.json
		report "${files[@]}" out
		status=$?
		expect "exit code 2 if file $which does not exist" status_is 2
		expect "a message that names it" grep -q "'nowhere.json': cannot be opened" stderr
		expect "the earlier report is whole" alike out kept
	done
	report "$samples/conformance.json" "$samples/bench.json" - out
	status=$?
	expect "exit code 2 without clauses" status_is 2
}

# No clause fails, but one is open: neither conformant nor the opposite.
case_undecided() {
	printf '{"format":"assay-list/1","clauses":[{"id":"A","chapter":"c","tests":["t"]},' >clauses.json
	printf '{"id":"B","chapter":"c","tests":["u"]}]}' >>clauses.json
	printf '{"format":"assay-conformance/1","context":{},"results":[' >conformance.json
	printf '{"backend":"open","clause":"A","test":"t","verdict":"pass"},' >>conformance.json
	printf '{"backend":"open","clause":"B","test":"u","verdict":"unresolved"}]}' >>conformance.json
	report conformance.json - clauses.json out
	status=$?
	expect "exit code 0" status_is 0
	expect "undecided on the terminal" grep -q 'undecided: 1 of 2$' stdout
	expect "not the opposite of conformant" absent '[Nn][Oo][Tt] conformant' stdout
	expect "undecided in the report" grep -q 'open: undecided' out/report.md
}

# What is not known to be noise is not known to be quiet.
case_quiet() {
	printf '{"format":"assay-list/1","clauses":[]}' >clauses.json
	local noisy
	for noisy in true false null; do
		printf '{"format":"assay-bench/1","context":{"machine":{"noisy":%s,"noise":"others"}},' $noisy >bench.json
		printf '"results":[]}' >>bench.json
		report - bench.json clauses.json $noisy
		status=$?
		expect "exit code 0" status_is 0
	done
	expect "noise is said" grep -q 'too noisy for a claim about times: others' true/report.md
	expect "quiet is quiet" absent 'too noisy\|not known whether' false/report.md
	expect "unknown is said" grep -q 'not known whether the machine was quiet' null/report.md
	expect "unknown is not noise" absent 'too noisy' null/report.md
}

# The whole cost of a latency, not what two readings of the clock show of it.
case_instrument() {
	printf '{"format":"assay-list/1","clauses":[]}' >clauses.json
	printf '{"format":"assay-bench/1","context":{},"results":[' >bench.json
	local row='{"backend":"floor","workload":"instrument_%s","workers":1,"metric":"%s","unit":"ns","repetition":0,"ok":true,"value":%s}'
	# shellcheck disable=SC2059 # the format is above
	printf "$row,$row,$row]}" loop wall_per_op 1 latency p50 52 latency wall_per_op 345 >>bench.json
	report - bench.json clauses.json out
	status=$?
	expect "exit code 0" status_is 0
	expect "the whole cost" grep -q 'latency of nothing.* 345 ns (of which it shows 52.0 ns)' out/report.md
}

# Every field that the programs write is in the description of the formats.
case_formats() {
	local field file
	"$conform" run inline --clause 'SUB-*' --format json -o conformance.json >stdout
	status=$?
	expect "the suite ran" test "$status" -le 1
	"$bench" run inline --workload submit_1_producer --scale tiny --repetitions 1 \
		--format json -o bench.json >stdout
	status=$?
	expect "the bench ran" status_is 0
	for file in conformance.json bench.json; do
		expect "$file has fields" test "$(grep -c '":' "$file")" -gt 30
		for field in $(grep -o '^[^:]*"[A-Za-z0-9_.]*":' "$file" | tr -cd 'A-Za-z0-9_.\n' |
			sort -u); do
			expect "'$field' of $file is documented" \
				grep -q -F "\`$field\`" "$samples/../formats.md"
		done
	done
	expect "backends are there" grep -q '"untested_clauses"' conformance.json
	expect "workloads are there" grep -q '"workloads"' bench.json
}

case_bad_input() {
	PATH=/nonexistent sample_report earlier
	cp -r earlier kept
	local conformance='{"format":"assay-conformance/1","context":{},"results":[' row
	local bench='{"format":"assay-bench/1","context":{},"results":['

	: >bad.json
	refused 0 'is empty'
	printf '{"format":' >bad.json
	refused 0 'line 1, column'
	printf '[]' >bad.json
	refused 0 'expected a JSON object'
	printf '{"format":"assay-conformance/2"}' >bad.json
	refused 0 'expected "assay-conformance/1"'
	printf '{"format":"assay-conformance/1"}' >bad.json
	refused 0 'expected an array "results"'
	printf '{"format":"assay-conformance/1\0"}' >bad.json
	refused 0 'zero byte'
	printf '%s1]}' "$conformance" >bad.json
	refused 0 'results[0]: expected an object'
	printf '%s{}]}' "$conformance" >bad.json
	refused 0 'expected a string "backend"'
	row='{"backend":"b","clause":"C","test":"t","verdict":"great"}'
	printf '%s%s]}' "$conformance" "$row" >bad.json
	refused 0 'expected pass, fail'
	row='{"backend":"b","clause":"C","test":"t","verdict":"pass"}'
	printf '%s%s,%s]}' "$conformance" "$row" "$row" >bad.json
	refused 0 'occurs a second time'
	row='{"backend":"b","clause":"C","test":"t","verdict":"pass","file":"f","line":1.5}'
	printf '%s%s]}' "$conformance" "$row" >bad.json
	refused 0 'expected a whole number'
	row='{"backend":"b","clause":"C","test":"t","verdict":"\u001b[2J","file":"f","line":1}'
	printf '%s%s]}' "$conformance" "$row" >bad.json
	refused 0 'expected pass, fail'
	expect "no control character on the terminal" absent $'\033' stderr
	row='{"backend":"b","clause":"C","test":"t","verdict":"pass","message":7}'
	printf '%s%s]}' "$conformance" "$row" >bad.json
	refused 0 'expected a string or null as "message"'

	row='"backend":"b","workload":"w","workers":1,"metric":"m","unit":"ns","repetition":0,"ok":true'
	printf '%s{%s,"value":NaN}]}' "$bench" "$row" >bad.json
	refused 1 'is no JSON'
	printf '%s{%s,"value":1e999}]}' "$bench" "$row" >bad.json
	refused 1 'expected a number from 0 to 1e30'
	printf '%s{%s,"value":-1}]}' "$bench" "$row" >bad.json
	refused 1 'expected a number from 0 to 1e30'
	printf '%s{%s}]}' "$bench" "$row" >bad.json
	refused 1 'expected a number from 0 to 1e30'
	printf '%s{%s,"value":1},{%s,"value":2}]}' "$bench" "$row" "$row" >bad.json
	refused 1 'occurs a second time'
	printf '%s{%s,"value":1},{%s,"value":2}]}' "$bench" "$row" "${row/:0/:1}" |
		sed 's/"ns"/"s"/2' >bad.json
	refused 1 'expected the unit'
	printf '%s{%s,"value":1}]}' "$bench" "${row/:1,/:1e12,}" >bad.json
	refused 1 'whole number from 0 to 1000000'

	printf '{"format":"assay-list/1","clauses":[{"id":"A","chapter":"c","tests":[]},' >bad.json
	printf '{"id":"A","chapter":"c","tests":[]}]}' >>bad.json
	refused 2 'two clauses have the id "A"'
	printf '{"format":"assay-list/1","clauses":[{"id":"A","chapter":"c"}]}' >bad.json
	refused 2 'expected an array "tests"'
	printf '{"format":"assay-list/1","clauses":[{"id":"A","chapter":"c","tests":[[]]}]}' >bad.json
	refused 2 'expected names of tests'
	head -c 100000 /dev/zero | tr '\0' '[' >bad.json
	refused 2 'nested too deeply'
	rm bad.json && mkdir bad.json
	refused 2 'is a directory'
}

# Names that mean something in HTML, Markdown, gnuplot, a shell or a path.
case_hostile() {
	local name='<script>alert(1)</script>\"'"'"'`touch owned`$(touch owned)|_x_../../\\\\n'
	printf '{"format":"assay-list/1","clauses":[{"id":"%s","chapter":"%s","title":"%s",' \
		"$name" "$name" "$name" >clauses.json
	printf '"statement":"%s","tests":[],"untested":"%s"}]}' "$name" "$name" >>clauses.json
	printf '{"format":"assay-conformance/1","context":{"%s":"%s"},"results":[' "$name" "$name" \
		>conformance.json
	printf '{"backend":"%s","clause":"%s","test":"%s","file":"/a/b/%s","line":1,' \
		"$name" "$name" "$name" "${name//\//}" >>conformance.json
	printf '"verdict":"fail","message":"%s","note":"%s"}]}' "$name" "$name" >>conformance.json
	printf '{"format":"assay-bench/1","context":{},"results":[' >bench.json
	local value separator=
	for value in 0 1e-300 1 1e30; do
		printf '%s{"backend":"%s%s","workload":"%s","workers":1,"metric":"%s","unit":"%s",' \
			"$separator" "$name" "$value" "$name" "$name" "$name" >>bench.json
		printf '"repetition":0,"ok":true,"value":%s}' "$value" >>bench.json
		separator=,
	done
	printf ',{"backend":"\\u202e\xff","workload":"../w","workers":0,"metric":"p50","unit":"ns",' \
		>>bench.json
	printf '"repetition":3,"ok":false,"value":null,"message":"%s"}]}' "$name" >>bench.json
	report conformance.json bench.json clauses.json out
	status=$?
	expect "exit code 0" status_is 0
	expect "nothing was run" test ! -e owned -a ! -e out/owned -a ! -e out/plots/owned
	expect "no element from a name" absent '<script' out/report.html
	expect "no element from a name" absent '<script' out/report.md
	expect "the name is shown" grep -q '&lt;script&gt;alert(1)&lt;/script&gt;' out/report.html
	expect "no directory of the machine" absent '/a/b/' out/report.html
	if command -v gnuplot >/dev/null; then
		expect "no message" test ! -s stderr
		expect "no element in a figure" absent '<script' out/plots/heat-map.svg
		expect "no file elsewhere" test "$(ls out/plots | grep -vc '^workload-\|^heat-map')" -eq 0
		if command -v xmllint >/dev/null; then
			expect "a figure is XML" xmllint --noout out/plots/*.svg
		fi
	fi
}

case_publishing() {
	mkdir out out/plots
	touch out/mine out/plots/mine.svg out/plots/workload-old.svg
	PATH=/nonexistent sample_report out
	status=$?
	expect "exit code 0" status_is 0
	expect "other files stay" test -e out/mine -a -e out/plots/mine.svg
	expect "figures of an earlier report go" test ! -e out/plots/workload-old.svg
	expect "no temporary directory is left" only_names out "mine plots report.html report.md"
	touch file
	sample_report file
	status=$?
	expect "exit code 2 if a file is in the way" status_is 2
	expect "a message that names it" grep -q "'file" stderr
	sample_report missing/out
	status=$?
	expect "exit code 2 if the parent is missing" status_is 2
	expect "a message that names it" grep -q "'missing/out'" stderr
	cp -r out kept
	(
		ulimit -f 2
		PATH=/nonexistent sample_report out
	)
	status=$?
	expect "exit code 2 if the disk is full" status_is 2
	expect "the earlier report is whole" alike out kept
	"$program" one two >stdout 2>stderr
	status=$?
	expect "exit code 2 for bad usage" status_is 2
	expect "how it is used" grep -q '^usage:' stderr
}

"case_$case_name"
exit $((failures > 0))
