# shellcheck shell=bash
# What every part of the set-up uses: messages, logs, two jobs side by side.
state=$PWD/.state
log=$state/bootstrap.log

say() {
    printf 'slipway: %s\n' "$*"
}

die() {
    printf 'slipway: %s\n' "$*" >&2
    exit 1
}

# Run a command with its output in the log; on failure show the end of it.
quietly() {
    mkdir -p "$state"
    "$@" >>"$log" 2>&1 && return
    tail -n 8 "$log" >&2
    die "failed: $* (all of it in $log)"
}

# Each job writes its own log; the first that fails decides the exit code.
run_side_by_side() {
    local first second status=0
    (log=$state/bootstrap.$1.log; "$1") &
    first=$!
    (log=$state/bootstrap.$2.log; "$2") &
    second=$!
    wait "$first" || status=$?
    wait "$second" || status=$?
    [ "$status" -eq 0 ] || exit "$status"
}

has() {
    command -v "$1" >/dev/null 2>&1
}
