#!/bin/sh
# Start the server. When asked to stop, go on serving for a moment: proxies need it to notice that
# this task has left, and what they send until then must be answered.
set -u
gunicorn --config gunicorn.conf.py &
server=$!
trap 'sleep "${DRAIN_SECONDS:-3}"; kill -TERM "$server" 2>/dev/null' TERM INT

# A signal ends `wait` early: wait until the server itself has ended.
while :; do
    wait "$server"
    status=$?
    kill -0 "$server" 2>/dev/null || exit "$status"
done
