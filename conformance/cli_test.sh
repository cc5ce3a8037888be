#!/bin/sh
# SPDX-License-Identifier: MIT
# usage: cli_test.sh ASSAY_CONFORM CC DIRECTORY INCLUDE
# What assay-conform says, and its exit code, when it is asked for what cannot be done.
set -u
conform=$1 cc=$2 directory=$3 include=$4
backends=$(dirname "$conform")/../lib/assay
wrong=0
unset ASSAY_TIME_SCALE ASSAY_BACKEND_PATH
rm -rf "$directory"
mkdir -p "$directory/bin"
cd "$directory" || exit 2

# expect CODE TEXT COMMAND...: it ends with this code and says this, on whichever output.
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

# expect_not TEXT: the last command did not say this.
expect_not() {
	if grep -qF -e "$1" said; then
		echo "expected no '$1', saw:" >&2
		cat said >&2
		wrong=$((wrong + 1))
	fi
}

expect 0 'assay ' "$conform" --version
expect_not 'conform'
expect 0 'usage:' "$conform" list --help

cp "$backends/inline.so" own.so
one=--test=$("$conform" list tests | awk 'NR == 1 { print $2 }')
expect 0 'inline: 1 tests' "$conform" run own.so "$one"
expect_not 'untested'
expect 2 "cannot read the backend 'missing.so'" "$conform" run missing.so
expect 2 "two backends 'inline'" "$conform" run inline ./own.so "$one"
expect 2 "'inline' is given twice" "$conform" run inline inline "$one"

expect 2 "there is no command 'frob'; expected run, list, check or mutant" "$conform" frob
expect 2 'expected a command: run, list, check or mutant' "$conform"
expect 2 "cannot list 'frobs'; expected backends, clauses, tests or mutants" "$conform" list frobs
expect 2 "unexpected argument 'extra'" "$conform" list clauses extra
expect 2 'list needs one of backends, clauses, tests or mutants' "$conform" list

# Patterns add up, nothing else can be said twice.
two=$("$conform" list tests | awk 'NR == 2 { print $2 }')
expect 0 'inline: 2 tests' "$conform" run inline "$one" -t "$two"
expect 2 '--output is given twice' "$conform" run inline "$one" -o 1 --output=2
expect 2 '--options is given twice' "$conform" run inline --options= --options=
expect 2 '--format is given twice' "$conform" list tests -f text -f json

# By a signal that no sanitizer handles.
cat >crashing.c <<'END'
#include <signal.h>
static void __attribute__((constructor)) crash(void) { raise(SIGKILL); }
END
"$cc" -shared -fPIC -o crashing.so crashing.c || exit 2
expect 2 "'./crashing.so' crashed while being loaded: SIGKILL" "$conform" run crashing.so
expect 2 "'./crashing.so' crashed while being loaded: SIGKILL" "$conform" run ./crashing.so

# A backend that is nothing without its option: every executor of the run must get it.
cat >choosy.c <<'END'
#include <assay/backend.h>
#include <assay/load.h>
static int create(const struct assay_config *config, assay_executor **executor)
{
	const struct assay_backend *inner;
	struct assay_config plain = *config;

	if (!config->options || strcmp(config->options, "key=value"))
		return ASSAY_EINVAL;
	plain.options = NULL;
	if (assay_backend_open("./own.so", &inner, NULL, 0))
		return ASSAY_ERESOURCE;
	return assay_executor_create(inner, &plain, executor);
}
const struct assay_backend assay_backend = {
	.abi = ASSAY_ABI, .name = "choosy", .summary = "wants its option",
	.capabilities = ASSAY_CAP_SHARED_MAPPINGS, .create = create,
	.extension = assay_default_extension,
};
END
"$cc" -D_GNU_SOURCE -I "$include" -shared -fPIC -o choosy.so choosy.c || exit 2
some=--clause=CFG-24
expect 1 'saw ASSAY_EINVAL' "$conform" run choosy.so $some
expect 0 'choosy (key=value): ' "$conform" run choosy.so $some --options key=value
expect 0 '"key=value"' "$conform" run choosy.so $some --options key=value -f json
expect 2 "the backend 'choosy' refuses the options 'x': ASSAY_EINVAL" \
	"$conform" run choosy.so $some --options x
expect 2 "the backend 'inline' refuses the options 'key=value': ASSAY_EINVAL" \
	"$conform" run inline "$one" --options key=value

# A name that is none is refused; a summary of any bytes is text in every format.
for name in 'a name' '' Upper "$(printf 'x%.0s' $(seq 64))"; do
	sed "s/\"choosy\"/\"$name\"/" choosy.c >named.c
	"$cc" -D_GNU_SOURCE -I "$include" -shared -fPIC -o named.so named.c || exit 2
	expect 2 'is not one of up to 63 of a-z, 0-9 and _' "$conform" run named.so $some
done
sed 's/wants its option/\\303\\251\\377\\n/' choosy.c >named.c
"$cc" -D_GNU_SOURCE -I "$include" -shared -fPIC -o named.so named.c || exit 2
expect 0 '"summary":	"????",' "$conform" run named.so $some --options key=value -f json

# Without the tools: what a program says of a backend that it does not find.
cat >opens.c <<'END'
#include <assay/load.h>
int main(int argc, char **argv)
{
	const struct assay_backend *backend;
	char message[512] = "";
	int error = assay_backend_open(argv[argc - 1], &backend, message, sizeof message);

	fprintf(stderr, "%s\n", message);
	return error ? 2 : 0;
}
END
"$cc" -D_GNU_SOURCE -I "$include" -o opens opens.c -ldl || exit 2
expect 2 "cannot load backend 'nosuch': there is no nosuch.so in " ./opens nosuch
expect 2 'nor in ASSAY_BACKEND_PATH (not set)' ./opens nosuch
ASSAY_BACKEND_PATH="$backends" expect 2 "nor in ASSAY_BACKEND_PATH ($backends)" ./opens nosuch
expect 2 'cannot open shared object file' ./opens ./nosuch.so
ASSAY_BACKEND_PATH="::$backends" expect 0 '' ./opens inline

ln -s nowhere dangling
# Refused before the run: nothing of its results is shown.
for file in . '' missing/file "$(printf '%0300d' 0)" dangling; do
	expect 2 "cannot write '$file'" "$conform" run inline "$one" -o "$file"
	expect_not 'inline: 1 tests'
	expect 2 "cannot write '$file'" "$conform" list tests -o "$file"
done
expect 0 'inline: 1 tests' "$conform" run inline "$one" -f json -o results.json
expect 0 'assay-conformance/1' cat results.json

# Without --format the ending decides.
for pair in json=assay-conformance/1 xml='<testsuites' tap='TAP version' txt='inline: 1 tests'; do
	expect 0 '' "$conform" run inline "$one" -o "named.${pair%%=*}"
	expect 0 "${pair#*=}" cat "named.${pair%%=*}"
done
expect 0 '' "$conform" run inline "$one" -f tap -o named.json
expect 0 'TAP version' cat named.json
expect 0 '' "$conform" list clauses -o named.json
expect 0 '"clauses"' cat named.json

for what in backends clauses tests mutants; do
	expect 0 '' "$conform" list $what -o list.txt
	if [ -s said ]; then
		echo "list $what -o FILE: expected nothing on the terminal" >&2
		wrong=$((wrong + 1))
	fi
	"$conform" list $what >expected.txt
	expect 0 '' cmp expected.txt list.txt
	expect 0 '' "$conform" list $what --format json --output list.json
	expect 0 "\"$what\"" cat list.json
done

for scale in '' x 0 -1 nan inf 1s; do
	expect 2 "ASSAY_TIME_SCALE takes a number above 0, at most 1000000, not '$scale'" \
		env ASSAY_TIME_SCALE="$scale" "$conform" run inline "$one"
done
for seconds in '' x 1s -1; do
	expect 2 "ASSAY_TORTURE_SECONDS takes a whole number from 0 to 999999, not '$seconds'" \
		env ASSAY_TORTURE_SECONDS="$seconds" "$conform" run inline "$one"
done
expect 0 "ASSAY_BACKEND_PATH: '/nonexistent' is no directory" \
	env ASSAY_BACKEND_PATH="$backends:/nonexistent" "$conform" run inline "$one"
expect 0 '1 passed' env ASSAY_TIME_SCALE=1.5 "$conform" run inline "$one"

expect 2 "--clause 'can-1000' matches no test; nearest are CAN-" "$conform" run inline --clause can-1000
expect 2 "--test 'can_1_' matches no test; nearest are can_1_" "$conform" run inline --test can_1_
expect 2 "--clause 'NOPE-1' matches no test; nearest are" "$conform" run inline -c CFG-24,NOPE-1
expect 2 "--clause '' matches no test" "$conform" run inline -c ,CFG-24
expect 2 "--clause '' matches no test" "$conform" run inline -c CFG-24,
expect 2 "--test 'nope' matches no test" "$conform" run inline "$one,nope"
expect 2 "no test matches both --clause 'CAN-1' and --test 'sub_1_*'" \
	"$conform" run inline -c CAN-1 -t 'sub_1_*'
# What is unsupported is no success.
expect 1 'nothing was tested: all ' "$conform" run inline -c CAN-2
expect_not 'passed'
expect 1 'nothing was tested' "$conform" run inline ./choosy.so -c CAN-2
expect 0 ' passed, 0 failed, ' "$conform" run inline -c CFG-24,CAN-2
none=$("$conform" list clauses | awk '$5 == 0 { print $1; exit }')
if [ -n "$none" ]; then
	expect 2 "clause $none has no test: " "$conform" run inline --clause "$none"
fi

# Interrupted while a test hangs, which holds the gate open as long as it lives.
mkfifo gate
cat >stuck.c <<'END'
#include <assay/backend.h>
#include <fcntl.h>
#include <unistd.h>
static int create(const struct assay_config *config, assay_executor **executor)
{
	(void)config;
	(void)executor;
	if (write(open("gate", O_WRONLY), "x\n", 2) == 2)
		pause();
	return ASSAY_ERESOURCE;
}
const struct assay_backend assay_backend = {
	.abi = ASSAY_ABI, .name = "stuck", .summary = "never returns",
	.capabilities = ASSAY_CAP_SHARED_MAPPINGS, .create = create,
	.extension = assay_default_extension,
};
END
"$cc" -D_GNU_SOURCE -I "$include" -shared -fPIC -o stuck.so stuck.c || exit 2
"$conform" run stuck.so $some -o interrupted.json 2>words &
job=$!
exec 3<gate
read -r _ <&3
kill -INT $job
wait $job
ended=$?
cat <&3
exec 3<&-
expect 0 '; nothing was written' grep -E 'interrupted after 0 of [0-9]+ tests' words
if [ $ended != 2 ] || [ -e interrupted.json ]; then
	echo "interrupted: expected exit code 2 and no file, saw $ended" >&2
	wrong=$((wrong + 1))
fi

# What was said and could not be written was not said.
expect 2 'cannot write to the standard output' sh -c 'exec "$0" mutant runs_cancelled >/dev/full' "$conform"
said=$( ("$conform" mutant runs_cancelled; echo $? >ended) | head -n 0)
expect 0 2 cat ended

# Beside a program that was moved away from its build tree there are no mutants.
cp "$conform" bin/moved
expect 2 'mutants exist in a build tree only' bin/moved list mutants
expect 2 'mutants exist in a build tree only' bin/moved mutant runs_cancelled

[ $wrong = 0 ]
