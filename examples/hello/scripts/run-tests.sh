#!/usr/bin/env bash
# Runs the tests whose paths stand in a file, one a line: run-tests.sh LIST
set -uo pipefail
failed=0
count=0
while read -r test; do
  [ -n "$test" ] || continue
  count=$((count + 1))
  if bash "$test"; then
    echo "ok      $test"
  else
    echo "FAILED  $test"
    failed=$((failed + 1))
  fi
done < "$1"
echo "$count run, $failed failed"
[ "$failed" -eq 0 ]
