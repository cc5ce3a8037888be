#!/bin/sh
# SPDX-License-Identifier: MIT
# usage: usage.sh ASSAY_BENCH DIRECTORY
# What the command line means, and what is refused: in two lines, before anything is measured.
set -u
bench=$1 directory=$2
. "$(dirname "$0")/../compare/tests/expect.sh"
rm -rf "$directory"
mkdir -p "$directory"
cd "$directory" || exit 2

# refused TEXT COMMAND...: a mistake in how the program is called.
refused() {
	text=$1
	shift
	expect 2 "$text" "$bench" "$@"
	said 'assay-bench: see assay-bench --help'
	[ "$(wc -l <said)" = 2 ] || complain "expected two lines"
}

# tiny OPTION...: the quickest run there is.
tiny() {
	"$bench" run inline --workload floor_futex_round_trip --scale tiny --repetitions 1 "$@"
}

refused "expected 'run' or 'list', saw nothing"
refused "expected 'run' or 'list', saw 'frob'" frob
refused "list: expected 'workloads' or 'rivals', saw nothing" list
refused "list: expected 'workloads' or 'rivals', saw 'frob'" list frob
refused "list: expected one name, saw 'extra' after 'workloads'" list workloads extra
refused "unrecognized option '--frob'" run --frob
refused "expected text or json" run --format xml

# Of what is given twice, none would win without a word.
refused '--output is given twice' run -o a --output b
refused '--seed is given twice' run --seed 1 --seed 1
refused '--backend is given twice' run --backend inline --backend mutex_queue
refused '--scale is given beside --quick' run --quick --scale full
refused '--scale is given beside --quick' run --scale quick --quick
refused '--output is given beside --resume' run --resume x -o y
refused '--format text is given beside --resume' run --resume x --format text
expect 2 "'inline' is given twice" "$bench" run inline mutex_queue inline
expect 2 "'tbb_raw' is given by name and is part of 'raw'" "$bench" run tbb_raw raw
# Patterns are a list, in as many options as one likes.
expect 0 '3 cells' "$bench" run inline --workload floor_futex_round_trip --scale tiny --repetitions 1 \
	--workload floor_line_round_trip,floor_thread_start
expect 2 "no workload 'nope'; nearest are: " "$bench" run --workload floor_line_round_trip --workload nope
[ "$(tr -cd , <said | wc -c)" = 4 ] || complain "expected five names"
expect 2 "no backend 'uv_raww'; nearest are: uv_raw, " "$bench" run uv_raww

# The ending of the file is its format, if no other is asked for.
expect 0 '' tiny -o a.json
grep -q '"format":	"assay-bench/1"' a.json || complain "expected JSON in a.json"
expect 0 '' tiny -o a.txt
grep -q '^floor_futex_round_trip: ' a.txt || complain "expected a table in a.txt"
expect 0 '' tiny --format text -o b.json
grep -q '^floor_futex_round_trip: ' b.json || complain "expected a table in b.json"
expect 0 '' "$bench" list workloads -o list.json
grep -q '"format":	"assay-list/1"' list.json || complain "expected JSON in list.json"

# Columns are as wide as what is in them.
expect 0 '' "$bench" list workloads
for column in overhead cpu instrument; do
	awk -v class=$column '$2 == class { print index($0, " " class " ") }' said
done | sort -u | wc -l | grep -qx 1 || complain "expected the classes below each other"

# A row that is compared with is never the best.
expect 0 '' "$bench" run inline --workload sum_of_squares,floor_futex_round_trip --scale tiny --repetitions 1
awk '/^  (serial|inline|floor) / && $0 !~ / - / { exit 1 }' said || complain "expected no ratio without an executor"
expect 0 '' "$bench" run mutex_queue --workload sum_of_squares --scale tiny --repetitions 1
grep -q '^  mutex_queue .* 1\.00 ' said || complain "expected the only executor to be the best"

# A reader that has gone is no news; a full disk is.
mkfifo pipe
exec 4<>pipe 3>pipe 4>&-
for command in --help 'list workloads'; do
	# shellcheck disable=SC2086 # words
	"$bench" $command >&3 2>errors
	[ $? = 2 ] && [ ! -s errors ] || complain "$command without a reader: $(cat errors)"
done
exec 3>&-
expect 2 'cannot write to the standard output' sh -c '"$0" --help >/dev/full' "$bench"
expect 0 'exit code' "$bench" --help

# Streams that are closed: what is opened must not take their place.
tiny -o closed.json <&- >&- 2>&- || complain "closed streams: expected exit code 0"
grep -q '"ok":	true' closed.json || complain "closed streams: expected results in closed.json"
expect 2 'cannot write to the standard output' sh -c 'exec "$0" list workloads <&- >&-' "$bench"
finish
