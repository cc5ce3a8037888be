#!/bin/bash
# SPDX-License-Identifier: MIT
# usage: launcher.sh ASSAY BIN DIRECTORY
# What ./assay says and does around the programs. Of these assay-conform is one that runs a few tests
# and notes that it ran; with FAIL one of them failed.
set -u
assay=$1 bin=$2 directory=$3
wrong=0
unset ASSAY_BACKEND_PATH
rm -rf "$directory"
mkdir -p "$directory/build/bin"
cd "$directory" || exit 2
export ASSAY_BUILD_DIR=$directory/build

complain() {
	echo "$*" >&2
	wrong=$((wrong + 1))
}

# expect CODE TEXT COMMAND...: it ends with this code and says this, on whichever output.
expect() {
	local code=$1 text=$2 saw
	shift 2
	"$@" >said 2>&1
	saw=$?
	if [ $saw != "$code" ] || { [ -n "$text" ] && ! grep -qF -e "$text" said; }; then
		complain "$*: expected exit code $code and '$text', saw $saw and: $(cat said)"
	fi
}

# ran TIMES: so often conformance has run by now.
ran() {
	[ "$(wc -l <log)" = "$1" ] || complain "expected $1 runs of conformance, saw $(wc -l <log) ($2)"
}

ln -s "$bin"/assay-{bench,report,compare,proxies} build/bin/
cat >build/bin/assay-conform <<END
#!/bin/sh
[ "\$1" = run ] || exec "$bin/assay-conform" "\$@"
echo run >>"$directory/log"
"$bin/assay-conform" "\$@" --test 'sub_1_*' || exit
for file; do :; done
[ -z "\${FAIL-}" ] || { sed -i 's/"verdict":	"pass"/"verdict":	"fail"/' "\$file" && exit 1; }
END
chmod +x build/bin/assay-conform
: >log

report() {
	"$assay" report "$@" --no-build
}

# What cannot be done is said before conformance, and what was there stays.
mkdir out
echo earlier >out/conformance.json
expect 2 'not both' report mutex_queue --backend 'lock*'
expect 2 'each number once' report inline --workers 2,2
expect 2 "'5000': expected a whole number from 1 to 1024" report inline --workers 5000
expect 2 "'two': expected a whole number" report inline --workers two
expect 2 "there is no workload 'nosuch'" report inline --workload 'submit_many,nosuch'
expect 2 "there is no backend 'nosuch'" report --backend 'inline,nosuch'
expect 2 "there is no backend 'nosuch'" report nosuch
expect 2 'cannot load backend' report ./nosuch.so
expect 2 'unknown option' report --speed 9
expect 2 "unknown option '--full=1'" report --full=1
expect 2 '-o is given twice' report -o new/a -o new/b inline
expect 2 'needs a value' report --workload
ran 0 'bad input'
[ "$(cat out/conformance.json)" = earlier ] || complain "bad input replaced an earlier file"
expect 2 "there is no backend 'nosuch'" report nosuch -o new/out
expect 2 "'5000': expected a whole number" report inline --workers=5000 --output=new/out
expect 2 "there is no workload 'nosuch'" report inline --workload=nosuch -onew/out
[ ! -e new ] || complain "bad input left a directory"
expect 0 'Usage: assay' report --help
expect 0 'Usage: assay' report inline -h

expect 2 "there are no tests in '$directory/build'" "$assay" test --no-build
: >build/CTestTestfile.cmake
expect 8 'No tests were found' "$assay" test --no-build -R nosuch

# Before a revision is built.
expect 2 "'--bogus'" "$assay" compare HEAD HEAD --bogus x --no-build
grep -q Building said && complain "compare built before it looked at its options"
expect 2 "'--bogus'" "$assay" compare --bogus HEAD HEAD --no-build
expect 2 "--scale 'huge'" "$assay" compare HEAD HEAD --scale huge --no-build
expect 2 "'--rounds' requires an argument" "$assay" compare HEAD HEAD --rounds --no-build

# Resumed: what was found holds, and is judged again.
clock() {
	report inline --workload instrument_clock "$@"
}
expect 0 '' clock
[ -e out/report.html ] || complain "there is no report"
ran 1 'a report'
expect 0 'as found in' clock --resume
ran 1 'resumed'
sed 's/"complete":	true/"complete":	false/' out/bench.json >out/bench.json.part
rm out/bench.json
expect 0 'as found in' clock --resume
[ -e out/bench.json ] && [ ! -e out/bench.json.part ] || complain "a part did not become the whole"
sed -i '0,/"ok":	true/s//"ok":	false/' out/bench.json
expect 1 'is complete' clock --resume
expect 0 '' clock
FAIL=1 expect 1 '' clock
ran 3 'twice anew'
expect 1 'as found in' clock --resume
ran 3 'resumed after a failure'

# What need not hold is found anew: of another build or other backends, or older than what it is of.
sed -i 's/"compiler":	"/&other /' out/conformance.json
expect 0 'the field "compiler" of its context has changed' clock --resume
ran 4 'another build'
touch -d '2 hours ago' out/conformance.json
expect 0 'does it keep its promises' clock --resume
ran 5 'an older file'
rm out/bench.json
expect 0 'of other backends' report mutex_queue --workload instrument_clock --resume
ran 6 'another backend'
expect 2 'it was run with other backends' clock --resume
ran 6 'a benchmark of other backends'

# A raw rival makes no promises. Under a sanitizer there is none.
if [ -e "$bin/../lib/assay-raw/pipe_pair_raw.so" ]; then
	expect 0 '' report pipe_pair_raw --workload instrument_clock -o raw
	ran 6 'a raw rival'
fi

# Packages of two architectures are installed; those of none are not. Nothing is built here.
mkdir stubs
printf '#!/bin/sh\nexit 0\n' >stubs/cmake
cat >stubs/dpkg-query <<'END'
#!/bin/sh
for word; do case $word in -f=*) format=${word#-f=} ;; esac; done
format=$(printf '%s' "$format" | sed "s/\${db:Status-Status}/$STATUS/")
printf "$format$format"
END
chmod +x stubs/*
STATUS=installed PATH=$PWD/stubs:$PATH expect 0 'Asio' "$assay" list rivals --no-install
STATUS=installed PATH=$PWD/stubs:$PATH ASSAY_BUILD_DIR=/proc/x \
	expect 2 "cannot make the build directory '/proc/x' (ASSAY_BUILD_DIR)" \
	"$assay" list rivals --no-install
STATUS=not-installed PATH=$PWD/stubs:$PATH expect 2 'missing packages: gcc' "$assay" list rivals --no-install

# A full disk is an error, with a message, whoever writes.
for words in help --version 'conform --help' 'bench --help' 'compare --help' 'proxies --help' \
	'list backends' 'list workloads' 'list rivals'; do
	[ "$words" != 'proxies --help' ] || [ -e "$bin/assay-proxies" ] || continue
	# shellcheck disable=SC2086 # some are two
	expect 2 'cannot write to the standard output' \
		sh -c 'exec "$0" "$@" >/dev/full' "$assay" --no-build $words
done

# A signal to the script alone ends the program that it waits for, which may end in its own way.
mkfifo begun
cat >build/bin/assay-conform <<END
#!/bin/bash
[ "\$1" = run ] || exec "$bin/assay-conform" "\$@"
grep SigIgn /proc/self/status >"$directory/ignored"
sleep 1000 &
trap 'kill \$!; echo ended >"$directory/ends"; exit 2' TERM
echo x >"$directory/begun"
wait
END
(trap - INT QUIT && exec "$assay" report inline -o interrupted --no-build) 2>said &
job=$!
read -r _ <begun
kill -TERM $job
wait $job
saw=$?
[ $saw = 2 ] && [ -s ends ] || complain "interrupted: expected exit code 2 and an end, saw $saw"
grep SigIgn /proc/self/status | cmp -s - ignored || complain "conformance ignores other signals: $(cat ignored)"

[ $wrong = 0 ] || echo "$wrong wrong" >&2
[ $wrong = 0 ]
