#!/bin/bash
# SPDX-License-Identifier: MIT
# usage: ci.sh GATE DIRECTORY
# The recipe for CI, in a repository of its own and with stubs for what builds and measures: which
# code it ends with, whatever they do, and what it says.
set -u
gate=$1 directory=$2
wrong=0
rm -rf "$directory"
mkdir -p "$directory/stubs" "$directory/source/.ci"
cd "$directory" || exit 2
cp "$gate" source/.ci/gate
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
git init -q source && git -C source -c user.name=t -c user.email=t@t commit -q --allow-empty -m one ||
	exit 2

# Of `cmake -S SOURCE -B BUILD` and `cmake --build BUILD`: the programs of a build tree.
cat >stubs/cmake <<'STUB'
#!/bin/sh
[ "$1" = -S ] || exit 0
[ "${BUILD-}" != fail ] || { echo "a wrong compiler"; exit 1; }
mkdir -p "$4/bin" "$4/lib/assay"
: >"$4/lib/assay/pool.so"
printf '#!/bin/sh\n: >"$4"\n' >"$4/bin/assay-proxies"
cp "$(dirname "$0")/compare" "$4/bin/assay-compare"
chmod +x "$4/bin/assay-proxies"
STUB
# CODES: of the proxies and of the times; what is beyond 128 is a death by signal.
cat >stubs/compare <<'STUB'
#!/bin/sh
echo "$@" >>"$SAID"
case $1 in
*.json) code=${CODES% *} name=proxies ;;
*) code=${CODES#* } name=gate ;;
esac
[ "$code" -lt 128 ] || kill -$((code - 128)) $$
[ "$code" -ge 126 ] || echo "summary of $name" >"$OUT/$name.md"
exit "$code"
STUB
chmod +x stubs/*

# expect CODE TEXT ARGUMENT...
expect() {
	local code=$1 text=$2 saw
	shift 2
	: >arguments
	PATH=$PWD/stubs:$PATH SAID=$PWD/arguments OUT=$PWD/out source/.ci/gate "$@" >said 2>&1
	saw=$?
	if [ $saw != "$code" ] || ! grep -qF -e "$text" said; then
		printf '%s (CODES %s): expected code %s and "%s", saw %s and:\n' \
			"$*" "$CODES" "$code" "$text" $saw
		cat said
		wrong=$((wrong + 1))
	fi >&2
}

# passed WHERE WHAT: assay-compare was called with this, for the proxies or the times.
passed() {
	grep "$1" arguments | grep -qF -e "$2" || {
		printf 'expected "%s", saw:\n' "$2"
		cat arguments
		wrong=$((wrong + 1))
	} >&2
}

export GATE_BACKENDS=pool CODES
while read -r proxies times code; do
	CODES="$proxies $times"
	expect "$code" '' HEAD -o ../out
done <<'TABLE'
0 0 0
0 1 1
1 0 1
0 2 2
2 0 2
0 3 3
3 0 3
1 3 1
3 1 1
1 2 2
2 1 2
3 2 2
0 139 2
139 0 2
1 139 2
139 1 2
3 134 2
0 126 2
127 0 2
0 137 2
TABLE

CODES='0 139'
expect 2 'assay-compare died: status 139' HEAD -o ../out
# What an earlier run left is not shown for the result of this one.
echo 'an earlier pass' | tee out/gate.md out/gate.xml out/proxies.md >out/proxies.xml
expect 2 'summary of proxies' HEAD -o ../out
! grep -q 'an earlier pass' said out/* || { echo "a stale summary" >&2; wrong=$((wrong + 1)); }

CODES='0 0'
expect 2 'expected BASE'
expect 2 'saw 3 revisions' HEAD HEAD HEAD
expect 2 "there is no revision 'nowhere'" nowhere -o ../out
expect 2 "there is no revision 'nowhere'" HEAD nowhere -o ../out
expect 2 '-o needs a value' HEAD -o
expect 2 '--rounds needs a value' HEAD --rounds
expect 2 "unknown option '--speed'" HEAD --speed 3
expect 2 "cannot write to '/proc/x'" HEAD -o /proc/x
expect 2 "cannot write to '/dev/null'" HEAD -o /dev/null
TMPDIR=/nowhere expect 2 "temporary directory in '/nowhere'" HEAD -o ../out
BUILD=fail expect 2 "could not build revision 'HEAD'" HEAD -o ../out
expect 0 'summary of gate' --force HEAD -o ../out --rounds 9 --workload other --threshold wall=3
passed /base/build '--workload other --backend pool --rounds 9 --force --threshold wall=3'
passed base.json '--force --threshold wall=3'
rm -rf out
mkdir -p out/gate.md
expect 2 "cannot write to '../out'" HEAD -o ../out
[ $wrong = 0 ] || echo "$wrong wrong" >&2
[ $wrong = 0 ]
