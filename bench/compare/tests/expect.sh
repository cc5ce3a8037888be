# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Of the tests that run programs: sourced.
wrong=0

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

# said TEXT, unsaid TEXT: of the last command.
said() {
	grep -qF -e "$1" said || complain "expected '$1'"
}

unsaid() {
	! grep -qF -e "$1" said || complain "did not expect '$1'"
}

complain() {
	echo "$1, saw:" >&2
	cat said >&2
	wrong=$((wrong + 1))
}

# What the script ends with.
finish() {
	[ $wrong = 0 ] || echo "$wrong wrong" >&2
	[ $wrong = 0 ]
}
