#!/bin/bash
# Ask this container's server for its health: `bash cloud/probe.sh [MARK]`.
#
# It runs every few seconds in every container: bash needs 3 ms of the processor's time for it, a
# Python without Django 65 ms.
#
# A container becomes healthy when database and storage work. From then on it stays so while its
# server answers: to restart every task because the storage is away would only add an outage.

# Shared memory: empty again after each start of the container, writable in a read-only one.
proven=${1:-/dev/shm/healthy-once}
path=/healthz
if [ -e "$proven" ]; then path=/livez; fi

if ! exec 3<>"/dev/tcp/127.0.0.1/${PORT:-8000}"; then
    echo "no answer"
    exit 1
fi
printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$path" >&3
# To the end, which is no NUL: what was read until then is there all the same.
IFS= read -r -d '' -t 4 answer <&3
status=${answer#HTTP/* }
echo "$path ${status%%[!0-9]*} ${answer#*$'\r\n\r\n'}"
[ "${status%%[!0-9]*}" = 200 ] && : >"$proven"
