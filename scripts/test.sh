#!/usr/bin/env bash
# Run the linters, then all tests: the quick ones first, the whole story last.
#   scripts/test.sh         what one sandbox host can show
#   scripts/test.sh --long  only what needs three hosts, Debian 12 beside 13, a project that is not
#                           ours, or patience
set -euo pipefail
cd "$(dirname "$0")/.."
export COVERAGE_FILE=$PWD/.coverage
# Compiled modules make the second run of the quick tests twice as quick.
unset PYTHONDONTWRITEBYTECODE
PATH=$PWD/.venv/bin:$PATH

# Each of these sets up servers from nothing, for minutes.
hosts=(roles lockout acme time engines swarm database)
hosts=("${hosts[@]/#/tests/conformance/hosts/test_}")
hosts=("${hosts[@]/%/.py}")

if [ "${1:-}" = --long ]; then
    export SLIPWAY_LONG=1
    for part in tests/unit tests/conformance/database/test_faults.py "${hosts[@]}" tests/adopt \
        tests/e2e/three; do
        pytest "$part" --durations=10
    done
    exit
fi
scripts/lint.sh
coverage erase
coverage run -m pytest tests/unit tests/contracts --durations=5
coverage run -m pytest tests/conformance --durations=10 "${hosts[@]/#/--ignore=}"
# One run, one sandbox: the last test of tests/e2e removes it.
coverage run -m pytest tests/browser tests/e2e --durations=20 --capture=no --ignore tests/e2e/three
coverage combine --quiet
coverage report
