#!/bin/sh
# SPDX-License-Identifier: MIT
# usage: table_test.sh ASSAY_CONFORM README
# Holds the table of the README against what the rivals that were built claim.
set -eu
"$1" list backends --format json | awk -v readme="$2" '
function trim(text) { gsub(/[ |`]/, "", text); return text }
BEGIN {
	while ((getline line < readme) > 0) {
		cells = split(line, cell, "|")
		if (cell[3] ~ /CONCURRENT/)
			for (columns = i = 3; i < cells; i++)
				column[i] = trim(cell[i])
		else if (columns && cell[3] ~ /yes|-/ && cell[3] !~ /--/)
			for (i = 3; i < cells; i++)
				said[trim(cell[2]), column[i]] = trim(cell[i])
		else if (columns && cells < 3)
			break
	}
}
/"backend":/ { split($0, part, "\""); name = part[4] }
/"capabilities":/ && (name SUBSEP "CONCURRENT") in said {
	held++
	for (i in column) {
		claimed = index($0, "\"" column[i] "\"") ? "yes" : "-"
		if (said[name, column[i]] != claimed) {
			printf "%s: %s is %s, the table says %s\n", name, column[i], claimed,
				said[name, column[i]]
			wrong = 1
		}
	}
	others = gsub(/"[A-Z_]+"/, "&") - 7
	for (i in column)
		others -= said[name, column[i]] == "yes"
	if (others) {
		printf "%s: claims %d capabilities that the page does not name\n", name, others
		wrong = 1
	}
}
END {
	if (!held)
		print "no backend of the table was found"
	exit wrong || !held
}'
