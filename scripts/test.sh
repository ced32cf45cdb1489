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
# Both wait for servers most of the time: side by side they end sooner. No two may build an image.
python -m slipway.baseimages
databases=tests/conformance/database
(
    # What runs in the background does not hear Ctrl-C; it must hear of it once, below.
    trap - INT
    exec setsid coverage run -m pytest "$databases" --durations=10 >.state/databases.log 2>&1
) &
beside=$!
trap 'kill -INT $beside 2>/dev/null && wait $beside' EXIT
failed=0
coverage run -m pytest tests/conformance --durations=10 "--ignore=$databases" \
    "${hosts[@]/#/--ignore=}" || failed=$?
[ $failed != 2 ] || exit 2 # Ctrl-C
wait $beside || failed=$?
trap - EXIT
cat .state/databases.log
[ $failed = 0 ] || exit $failed
# One run, one sandbox: the last test of tests/e2e removes it.
coverage run -m pytest tests/browser tests/e2e --durations=20 --capture=no --ignore tests/e2e/three
coverage combine --quiet
coverage report
