#!/usr/bin/env bash
# Runs each argument as a command and says in a few lines how it went. Ends with the status of the first that failed, else 0.
set -u
if [ $# -eq 0 ]; then
    echo "no command was given" >&2
    exit 64
fi
kept=$(mktemp) || exit 70
trap 'rm -f "$kept"' EXIT
trap 'echo "not done when it was ended: ${command-}"; rm -f "$kept"; trap - TERM; kill -TERM $$' TERM

COUNTS='[0-9]+ (passed|failed|passing|failing|errors?|skipped|tests?|pass|fail)\b|^(Tests|Test Files|Test Suites):?|^test result:|^Ran [0-9]+ tests?|^(ok|FAIL)[[:space:]]|^(OK|FAILED)\b|Found [0-9]+ errors?|BUILD [A-Z]+'
NAMES='^(FAILED|ERROR) |^(FAIL|ERROR):|^--- FAIL|^not ok |^FAIL[[:space:]]|^[[:space:]]*(✗|✘|×) |: error( TS[0-9]+)?:|^error(\[E[0-9]+\])?:'

for command in "$@"; do
    bash --noprofile --norc -o pipefail -c "$command" 2>&1 | tail -c 1000000 >"$kept"
    status=${PIPESTATUS[0]}
    echo "exit $status: $command"
    grep -aE "$COUNTS" "$kept" | tail -n 5 | cut -c 1-300
    if [ "$status" -ne 0 ]; then
        failed=$(grep -aE "$NAMES" "$kept" | head -n 20 | cut -c 1-300)
        [ -z "$failed" ] || printf 'what failed:\n%s\n' "$failed"
        if [ -s "$kept" ]; then
            echo "the last lines:"
            tail -n 20 "$kept" | cut -c 1-300
        else
            echo "it said nothing"
        fi
        exit "$status"
    fi
done
