#!/bin/sh
# SPDX-License-Identifier: MIT
# In the place of assay-bench in a build tree: each sample has the metrics of the file `metrics` beside
# bin, a line "METRIC UNIT VALUE..." for each, the next value with each sample; the context is in
# `context`. Every run is a line in `runs`.
tree=$(dirname "$0")/..
file='' workload=''
for word; do
	case $last in
	-o) file=$word ;;
	--workload) workload=$word ;;
	esac
	last=$word
done
if [ "$1" = list ]; then
	printf '{"format": "assay-list/1", "workloads": [' >"$file"
	for name in one two; do
		printf '{"name": "%s", "class": "cpu", "on_executors": true},' $name
	done | sed 's/,$/]}/' >>"$file"
	exit 0
fi
echo "$workload" >>"$tree/runs"
number=$(wc -l <"$tree/runs")
{
	printf '{"format": "assay-bench/1", "context": {%s}, "results": [' "$(cat "$tree/context")"
	comma=''
	while read -r metric unit values; do
		# shellcheck disable=SC2086 # a value each
		set -- $values
		shift $(((number - 1) % $#))
		printf '%s{"backend": "pool", "workload": "%s", "workers": 2, ' "$comma" "$workload"
		printf '"metric": "%s", "unit": "%s", "value": %s, ' "$metric" "$unit" "$1"
		printf '"repetition": 0, "ok": true, "message": ""}'
		comma=,
	done <"$tree/metrics"
	printf ']}\n'
} >"$file"
