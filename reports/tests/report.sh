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
		printf '{"format":"assay-bench/1","context":{"allowed_cpus":2,"machine":{"noisy":%s,"noise":"others",' \
			$noisy >bench.json
		printf '"load_1min_before":9,"pressure_cpu_before":0.9,"others_ratio":0.02,"steal_ratio":0.011}},' >>bench.json
		printf '"results":[]}' >>bench.json
		report - bench.json clauses.json $noisy
		status=$?
		expect "exit code 0" status_is 0
	done
	expect "noise is said" grep -q 'too noisy for a claim about times: others' true/report.md
	expect "quiet is quiet" absent 'too noisy\|not known whether' false/report.md
	expect "unknown is said" grep -q 'not known whether the machine was quiet' null/report.md
	expect "unknown is not noise" absent 'too noisy' null/report.md
	expect "the judgement in figures" grep -q 'took 2 % .* the hypervisor 1.1 %: quiet enough\.' false/report.md
	expect "no judgement where there is none" absent 'quiet enough' true/report.md
	expect "what decides nothing is no warning" absent 'other work ran\|waited for a processor' false/report.md
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
	expect "the whole cost" grep -q 'itself costs: 1.00 ns an operation; 345 ns to take and store a latency, of which 52.0 ns are in the latency\.' out/report.md
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
	refused 0 'results[0]: the verdict is "great"; expected pass, fail'
	row='{"backend":"b","clause":"C","test":"t","verdict":"in part"}'
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
	refused 1 'results[0]: expected a number from 0 to 1e30'
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
	printf '{"format":"assay-list/1","clauses":[{"id":"A","chapter":"c","level":"PERHAPS","tests":[]}]}' >bad.json
	refused 2 'clauses[0]: the level is "PERHAPS"; expected MUST, SHOULD or MAY'
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

case_interrupted() {
	mkdir stubs out
	touch out/mine
	mkfifo begun
	printf '#!/bin/sh\necho x >"%s/begun"\nexec sleep 1000\n' "$work" >stubs/gnuplot
	chmod +x stubs/gnuplot
	PATH=$work/stubs:$PATH "$program" "$samples/conformance.json" "$samples/bench.json" \
		"$samples/clauses.json" -o out >stdout 2>stderr &
	local job=$!
	read -r _ <begun
	kill -TERM $job
	wait $job
	status=$?
	expect "exit code 2" status_is 2
	expect "it says why" grep -q 'interrupted; nothing was written' stderr
	expect "nothing is left" only_names out "mine"
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
	expect "a message that names it" grep -q "'file' is not a directory" stderr
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
}

# usage WORDS ARGUMENT...: refused with these words and where the help is, and nothing else.
usage() {
	local words=$1
	shift
	"$program" "$@" >stdout 2>stderr
	status=$?
	expect "exit code 2 for <$*>" status_is 2
	expect "a message for <$*>" grep -q -F -e "$words" stderr
	expect "two lines for <$*>" test "$(wc -l <stderr)" -eq 2
	expect "where the help is for <$*>" grep -q '^assay-report: see assay-report --help$' stderr
}

case_usage() {
	local files=("$samples/conformance.json" "$samples/bench.json" "$samples/clauses.json")
	usage 'expected three files' one two -o out
	usage 'expected a directory after -o' "${files[@]}"
	usage "unrecognized option '--frob'" "${files[@]}" --frob -o out
	usage '--output is given twice' "${files[@]}" -o out -o other
	usage 'neither --output nor --judge beside it' --holds "${files[0]}" -o out
	usage 'neither --output nor --judge beside it' --holds "${files[0]}" --judge
	expect "nothing was written" test ! -e out -a ! -e other
	"$program" --help >stdout 2>stderr
	status=$?
	expect "exit code 0 for help" status_is 0
	expect "the options" grep -q -e '^  -o, --output DIR ' stdout
	"$program" "${files[@]}" -o out >/dev/full 2>stderr
	status=$?
	expect "exit code 2 if the standard output cannot be written" status_is 2
	expect "a message" grep -q 'cannot write to the standard output' stderr
	# A pipe that nobody reads any more.
	mkfifo pipe
	exec 4<>pipe 3>pipe 4>&-
	local arguments
	for arguments in '--help' "${files[*]} -o out"; do
		# shellcheck disable=SC2086 # words
		PATH=/nonexistent "$program" $arguments >&3 2>stderr
		status=$?
		expect "exit code 2 without a reader" status_is 2
		expect "nothing about the reader" absent 'standard output' stderr
	done
	exec 3>&-
}

case_holds() {
	"$program" --holds nowhere.json >stdout 2>stderr
	status=$?
	expect "exit code 2 for a missing file" status_is 2
	expect "one line" test "$(wc -l <stderr)" -eq 1
	"$program" --holds "$samples/conformance.json" inline >stdout 2>stderr
	status=$?
	expect "exit code 1 for another build" status_is 1
	expect "the field" grep -q 'does not hold: the field "[a-z_]*" of its context has changed$' stderr
}

# judged CODE CONFORMANCE BENCH
judged() {
	PATH=/nonexistent "$program" "$2" "$3" "$samples/clauses.json" --judge -o out >stdout 2>stderr
	status=$?
	expect "exit code $1 for <$2 $3>" status_is "$1"
}

case_judge() {
	judged 1 "$samples/conformance.json" -
	judged 1 - "$samples/bench.json"
	judged 2 - -
	expect "why" grep -q 'nothing was judged' stderr
	printf '{"format":"assay-conformance/1","context":{},"results":[]}' >conformance.json
	printf '{"format":"assay-bench/1","context":{},"results":[]}' >bench.json
	judged 2 conformance.json -
	judged 2 - bench.json
	judged 2 conformance.json "$samples/bench.json"
	expect "why" grep -q 'nothing was judged' stderr
	printf '{"format":"assay-conformance/1","context":{},"results":[' >conformance.json
	printf '{"backend":"b","clause":"SUB-1","test":"t","verdict":"pass"}]}' >>conformance.json
	judged 0 conformance.json -
}

# Which of three executors gave a value in how many of five repetitions.
bench_of() { # EXECUTOR:VALUES...
	local separator= cell repetition value
	printf '{"format":"assay-bench/1","context":{"repetitions":5},"results":['
	for cell; do
		for repetition in 0 1 2 3 4; do
			value=$((100 + repetition))
			[ $repetition -lt "${cell#*:}" ] || value=null
			printf '%s{"backend":"%s","workload":"w","workers":2,"metric":"p99","unit":"ns",' \
				"$separator" "${cell%:*}"
			printf '"repetition":%s,"ok":true,"value":%s}' $repetition $value
			separator=,
			printf ',{"backend":"%s","workload":"w","workers":2,"metric":"gap","unit":"us",' \
				"${cell%:*}"
			printf '"repetition":%s,"ok":true,"value":%s}' $repetition $value
		done
	done
	printf '%s]}' "$more"
}

# A median of four of five, of two of five and of none is none of five.
case_survivors() {
	printf '{"format":"assay-list/1","clauses":[]}' >clauses.json
	more=
	bench_of all:5 most:4 few:2 none:0 >bench.json
	report - bench.json clauses.json out
	status=$?
	expect "exit code 0" status_is 0
	expect "all" grep -q '^| all | 2 | 5 | 102 ns ' out/report.md
	expect "most" grep -q '^| most | 2 | 4 of 5 | 102 ns .* 1.00× ' out/report.md
	expect "too few for a ratio" grep -q '^| few | 2 | 2 of 5 | 100 ns .* – ' out/report.md
	expect "none" grep -q '^| none | 2 | 0 of 5 | – ' out/report.md
	expect "the other medians" grep -q 'medians: all 102 µs, most 102 µs (4 of 5), few 100 µs (2 of 5)' \
		out/report.md
	expect "the unknown beside the lowest" grep -q '| most 102 ns<br>≈ all 102 ns<br>not known: few, none |\|| all 102 ns<br>≈ most 102 ns<br>not known: few, none |' out/report.md
	# What an interrupted run did not come to is not known either.
	more=',{"backend":"late","workload":"other","workers":2,"metric":"p99","unit":"ns","repetition":0,"ok":true,"value":1}'
	bench_of all:5 >whole.json
	sed 's/"context":{/&"complete":false,/' whole.json >bench.json
	report - whole.json clauses.json out
	expect "not asked for" absent 'not known:' out/report.md
	report - bench.json clauses.json out
	expect "not come to" grep -q '| all 102 ns<br>not known: late |' out/report.md
	# One value of all repetitions together lacks none of them.
	more=',{"backend":"none","workload":"w","workers":2,"metric":"p99","unit":"ns","repetition":5,"ok":true,"value":300}'
	bench_of all:5 none:0 >bench.json
	report - bench.json clauses.json out
	expect "together" grep -q '^| none | 2 | 5 | 300 ns .* 2.94× ' out/report.md
}

# What runs tasks in the caller is shown, and is not what the others are measured by.
case_caller() {
	printf '{"format":"assay-list/1","clauses":[]}' >clauses.json
	more=
	bench_of caller:5 pool:5 | sed 's/"backend":"caller"/&,"workers_effective":0/g
		s/"value":10\([0-9]\)/"value":2\1/5' >bench.json
	sed -i 's/\("backend":"caller",[^}]*"value":\)10/\12/g' bench.json
	report - bench.json clauses.json out
	status=$?
	expect "exit code 0" status_is 0
	expect "shown" grep -q '^| caller (in the caller) | 2 | 5 | 22.0 ns .* 0.22× ' out/report.md
	expect "the measure" grep -q '^| pool | 2 | 5 | 102 ns .* 1.00× ' out/report.md
	expect "the lowest" grep -q '^| w | latency (p99) | pool 102 ns | – ' out/report.md
	expect "why" grep -q 'tasks run in the thread that submits: caller\.' out/report.md
}

# Before any figure: when and where, and what restricts it.
case_head() {
	printf '{"format":"assay-list/1","clauses":[]}' >clauses.json
	printf '{"format":"assay-bench/1","context":{"date":"2026-01-01T00:00:00Z","cpu_model":"Abacus",' >bench.json
	printf '"allowed_cpus":1,"scale":"tiny","complete":false,"cells_cut":2,"sanitizer":"thread"},"results":[]}' >>bench.json
	report - bench.json clauses.json out
	status=$?
	expect "exit code 0" status_is 0
	expect "the line" grep -q '^2026-01-01T00:00:00Z; Abacus, 1 processor; scale tiny: the times mean little; interrupted; 2 cells not measured; sanitizer thread\.$' out/report.md
}

"case_$case_name"
exit $((failures > 0))
