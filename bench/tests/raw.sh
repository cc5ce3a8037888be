#!/bin/sh
# SPDX-License-Identifier: MIT
# usage: raw.sh ASSAY_BENCH WRONG_RAW.so NO_BACKEND.so DIRECTORY
# Rows of raw rivals: those that were built do every workload that has a raw form, a wrong one never
# passes, and what is missing is said.
set -u
bench=$1 wrong=$2 plain=$3 directory=$4
failures=0
rm -rf "$directory"
mkdir -p "$directory/bin"
cd "$directory" || exit 2

# expect CODE TEXT COMMAND...: it ends with this code and says this, on whichever output.
expect() {
	code=$1 text=$2
	shift 2
	"$@" >said 2>&1
	saw=$?
	if [ $saw != "$code" ] || ! grep -qF -e "$text" said; then
		echo "$*: expected exit code $code and '$text', saw $saw and:" >&2
		cat said >&2
		failures=$((failures + 1))
	fi
}

# tiny DRIVER WORKLOAD [OPTION...]
tiny() {
	driver=$1 workload=$2
	shift 2
	"$bench" run "$driver" --workload "$workload" --scale tiny --repetitions 1 --deadline "${limit-20}" "$@"
}

# One that is wrong in this way fails on each of these workloads.
fails() {
	how=$1 text=$2
	shift 2
	for name; do
		limit=2 ASSAY_WRONG=$how expect 1 "$text" tiny "$wrong" "$name"
	done
}

submits='submit_1_producer submit_rounds submit_4_producers oversubscribed_submit'
all="$submits round_trip_idle round_trip_gap round_trip_parked memory_per_pending_task
	idle_after_burst sleeps_64_workers fib_fork_join fib_futures fib_futures_25 skynet map_ints
	uneven_grain lifecycle"
# shellcheck disable=SC2086 # a list of names
set -- $all
globs=$(echo "$all" | tr -s ' \t\n' ,)

# Right ones, ours and those that were built, with their versions.
expect 0 '"Serial 1.0"' tiny "$wrong" "${globs%,}" --format json
if grep -q submit_per_op said; then
	echo "expected no time to submit of a driver that submits and reads in one call, saw:" >&2
	cat said >&2
	failures=$((failures + 1))
fi
for built in "$(dirname "$bench")"/../lib/assay-raw/*_raw.so; do
	[ -e "$built" ] || continue
	name=$(basename "$built" .so)
	expect 0 "\"$name\"" tiny "$name" "${globs%,},submit_many,oversubscribed_fib" --format json
	grep -q '"version":.*[0-9]' said || {
		echo "$name: expected its version, saw:" >&2
		cat said >&2
		failures=$((failures + 1))
	}
	expect 0 "$name" tiny raw round_trip_idle
done
# An adapter is of the version that its raw form says.
for pair in asio:asio cpython:cpython_thread glib:glib openmp:omp tbb:tbb uv:uv; do
	adapter=$(dirname "$bench")/../lib/assay/${pair%:*}.so
	[ -e "$adapter" ] && [ -e "$(dirname "$bench")/../lib/assay-raw/${pair#*:}_raw.so" ] || continue
	expect 0 "\"${pair%:*}\"" tiny "${pair%:*}" round_trip_idle --format json
	mine=$(grep '"version":.*[0-9]"' said | tail -n 1)
	expect 0 '_raw' tiny "${pair#*:}_raw" round_trip_idle --format json
	if [ -z "$mine" ] || [ "$mine" != "$(grep '"version":.*[0-9]"' said | tail -n 1)" ]; then
		echo "${pair%:*}: expected the version of its raw form, saw '$mine'" >&2
		failures=$((failures + 1))
	fi
done

# What cannot be is no failure, has a reason and no value.
expect 0 'not supported: Serial 1.0 has no means for it' tiny "$wrong" submit_many
expect 0 'not supported: it would rather not' tiny "$wrong" oversubscribed_fib
expect 0 'not supported: the workload has no raw form' tiny "$wrong" sum_of_squares

fails corrupt FAILED "$@"
fails crash 'crashed with signal 6' submit_1_producer
fails hang deadline submit_1_producer
fails refuse 'Serial 1.0: submit: Cannot allocate memory' submit_1_producer submit_4_producers
ASSAY_WRONG=open expect 1 'cannot start Serial 1.0 with 2 workers' tiny "$wrong" round_trip_idle --workers 2
fails workers 'asked for 16 workers, Serial 1.0 says that it has 17' oversubscribed_submit
fails 'workers later' 'workers, Serial 1.0 says that it has' lifecycle
fails marks 'cannot read' memory_per_pending_task

# A pool that wakes up every millisecond with nothing to do is seen, one that sleeps is not.
ticks() {
	ASSAY_WRONG=$1 expect 0 wake_ups tiny "$wrong" idle_after_burst --format json
	grep -A2 '"metric":.*wake_ups' said | grep -q "\"value\":[[:space:]]*$2" && return
	echo "idle_after_burst with ASSAY_WRONG=$1: expected wake-ups like '$2', saw:" >&2
	cat said >&2
	failures=$((failures + 1))
}
ticks tick '[1-9]'
ticks right '0,'

# The server of a workload is not linked, and has a version all the same.
printf '#!/bin/sh\necho "nginx version: nginx/9.8.7 (Test)" >&2\n' >nginx
chmod +x nginx
ASSAY_NGINX=$PWD/nginx expect 0 '"9.8.7"' tiny "$wrong" round_trip_idle --format json
printf '#!/bin/sh\necho none\n' >nginx
ASSAY_NGINX=$PWD/nginx expect 0 '"sqlite"' tiny "$wrong" round_trip_idle --format json
if grep -q '"nginx":' said; then
	echo "expected no version of what is no nginx, saw:" >&2
	cat said >&2
	failures=$((failures + 1))
fi

# Missing and wrong files: refused before anything is measured.
cp "$plain" plain_raw.so
cp "$wrong" other_raw.so
expect 2 "there is no raw driver 'tbbb_raw'; nearest are: tbb_raw, " tiny tbbb_raw submit_1_producer
expect 2 "cannot load raw driver './none_raw.so'" tiny ./none_raw.so submit_1_producer
expect 2 'does not export the symbol raw_driver' tiny plain_raw.so submit_1_producer
expect 2 "'wrong_raw' is given twice" tiny other_raw.so submit_1_producer "$wrong"
cp "$bench" bin/assay-bench
for package in asio:libasio-dev cpython_process:libpython3-dev cpython_thread:libpython3-dev glib:libglib2.0-dev omp:libgomp1 \
	pipe_pair:libc6-dev tbb:libtbb-dev uv:libuv1-dev; do
	expect 2 "'${package%:*}_raw' was not built" bin/assay-bench run "${package%:*}_raw" --quick
	expect 2 "Debian package ${package#*:} " bin/assay-bench run "${package%:*}_raw" --quick
done
expect 2 'no raw driver was built' bin/assay-bench run raw --quick
expect 0 'tbb_raw ' bin/assay-bench list rivals
for package in asio:libasio-dev cpython:libpython3-dev glib:libglib2.0-dev openmp:libgomp1 \
	tbb:libtbb-dev uv:libuv1-dev; do
	expect 2 "'${package%:*}' was not built" bin/assay-bench run "${package%:*}" --quick
	expect 2 "Debian package ${package#*:} " bin/assay-bench run --backend "${package%:*}" --quick
done
[ $failures = 0 ]
