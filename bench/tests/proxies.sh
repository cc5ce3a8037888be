#!/bin/sh
# SPDX-License-Identifier: MIT
# usage: proxies.sh ASSAY_PROXIES ASSAY_COMPARE SLOWED.so ODD.so NO_BACKEND.so BACKEND.so PROCESSES.so THREADS.so DIRECTORY
# Two counts of one backend agree, and of one that allocates, or computes, more they do not. A task of
# a pool of processes needs no system call; one that starts a thread for each does.
set -u
proxies=$1 compare=$2 slowed=$3 odd=$4 plain=$5 backend=$6 processes=$7 threads=$8 directory=$9
wrong=0
rm -rf "$directory"
mkdir -p "$directory"
cd "$directory" || exit 2

# expect CODE TEXT COMMAND...
expect() {
	code=$1 text=$2
	shift 2
	"$@" >said 2>&1
	saw=$?
	if [ $saw != "$code" ] || { [ -n "$text" ] && ! grep -qF -e "$text" said; }; then
		echo "$*: expected exit code $code and '$text', saw $saw and:" >&2
		cat said >&2
		wrong=$((wrong + 1))
	fi
}

mkdir wrapped
cp "$slowed" wrapped/mutex_queue.so
echo "0 $backend" >wrapped/mutex_queue.slow
expect 0 '' "$proxies" "$backend" --format json -o one.json
expect 0 '' "$proxies" "$backend" --format json -o two.json
# --force: also of a build without optimisation.
expect 0 'no regression' "$compare" one.json two.json --force
# The wrapper allocates once and copies for each task.
expect 0 '' "$proxies" ./wrapped/mutex_queue.so --format json -o wrapped.json
expect 1 'allocations_per_task' "$compare" one.json wrapped.json --force
grep -q '^regression .*allocations_per_task' said || { cat said >&2; wrong=$((wrong + 1)); }
expect 0 'faster' "$compare" wrapped.json one.json --force
expect 1 'FAILED: cannot create an executor' "$proxies" "$odd" "$backend"
expect 1 '' "$proxies" "$odd" --format json -o failed.json
expect 2 'only BASE has it' "$compare" one.json failed.json --force
# Without valgrind the rest is counted, and the cell says why it is empty.
expect 0 'install the Debian package valgrind' env PATH=/nowhere "$proxies" "$backend"
# Interrupted it ends what it started, and leaves nothing behind.
if ! grep -q 'built without valgrind' said; then
	mkdir stubs tmp
	mkfifo begun
	printf '#!/bin/sh\n[ "$1" = --tool=callgrind ] && echo x >"%s/begun"\nexec sleep 1000\n' \
		"$directory" >stubs/valgrind
	chmod +x stubs/valgrind
	PATH=$directory/stubs:$PATH TMPDIR=$directory/tmp "$proxies" "$backend" -o none.json 2>said &
	job=$!
	read -r _ <begun
	[ -n "$(ls tmp)" ] || { echo "there is no temporary directory" >&2; wrong=$((wrong + 1)); }
	kill -TERM $job
	expect 2 '' wait $job
	[ -z "$(ls tmp)" ] || { echo "a temporary directory is left" >&2; wrong=$((wrong + 1)); }
	expect 0 "cannot make the directory '/nowhere/" env TMPDIR=/nowhere "$proxies" "$backend"
fi
# Of thousands of tasks, those of the exercise itself are less than a hundredth each.
expect 0 '' env PATH=/nowhere "$proxies" "$processes"
grep -q 'cannot trace a process here' said || grep -q 'system_calls_per_task  *0\.00 ' said ||
	{ cat said >&2; wrong=$((wrong + 1)); }
expect 0 '' env PATH=/nowhere "$proxies" "$threads"
grep -q 'system_calls_per_task  *0\.' said && { cat said >&2; wrong=$((wrong + 1)); }
# A thread that leaves keeps its record: to free it would set up the allocator in each thread.
grep -q 'allocations_per_task  *0\.00 ' said || { cat said >&2; wrong=$((wrong + 1)); }
expect 2 "no backend 'mutx" "$proxies" mutx
expect 2 'expected text or json' "$proxies" --format xml
# All names are looked at before the first is measured, and nothing is written.
expect 2 "no backend 'mutx" "$proxies" "$backend" mutx -o none.json
expect 2 "'$backend' is given twice" "$proxies" "$backend" "$backend" -o none.json
cp "$backend" other.so
expect 2 "backend 'mutex_queue' is given twice: as './other.so' and as '$backend'" "$proxies" \
	./other.so "$backend" -o none.json
expect 2 "'./none.so'" "$proxies" "$backend" ./none.so -o none.json
expect 2 'is no backend' "$proxies" "$plain" -o none.json
ASSAY_ODD=crash expect 2 "cannot load backend '$odd': crashed with signal 6" "$proxies" "$odd" -o none.json
ASSAY_ODD=exit expect 2 "cannot load backend '$odd': ended without a result" "$proxies" "$odd" -o none.json
ASSAY_ODD=exit_late expect 1 'odd: ended without a result' "$proxies" "$odd"
expect 2 '--output is given twice' "$proxies" "$backend" -o none.json -o none.json
expect 2 'see assay-proxies --help' "$proxies" --frob
[ "$(wc -l <said)" = 2 ] || { cat said >&2; wrong=$((wrong + 1)); }
[ ! -e none.json ] || { echo "something was written" >&2; wrong=$((wrong + 1)); }
# The ending of the file is its format.
expect 0 '' env PATH=/nowhere "$proxies" "$backend" -o ending.json
grep -q '"format":' ending.json || { cat ending.json >&2; wrong=$((wrong + 1)); }
# Why there are no instructions is what the exercise said, not that it said something.
expect 0 '' "$proxies" "$processes"
! grep -q 'exercise failed' said || { cat said >&2; wrong=$((wrong + 1)); }
expect 2 'cannot write' "$proxies" "$backend" -o missing/file
expect 0 'usage:' "$proxies" --help
[ $wrong = 0 ] || echo "$wrong wrong" >&2
[ $wrong = 0 ]
