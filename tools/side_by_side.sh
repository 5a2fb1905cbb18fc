#!/usr/bin/env bash
# Run two commands at the same time: the first one's output is shown as it comes, the second one's when both have ended.
# Fails if one of them fails, but lets the other one end: a run of the tests shows everything that is wrong.
set -uo pipefail

output=$(mktemp)
setsid bash -c "$2" >"$output" 2>&1 </dev/null &
beside=$!
# Started with setsid, so that its whole group can be ended.
trap 'kill -TERM -- "-$beside" 2>/dev/null; wait "$beside"; cat "$output"; rm -f "$output"; exit 130' INT TERM

bash -c "$1"
first=$?
[[ ! -e /proc/$beside ]] || printf '\n== waiting for: %s\n' "$2"
wait "$beside"
second=$?
cat "$output"
rm -f "$output"
[[ $first -eq 0 && $second -eq 0 ]]
