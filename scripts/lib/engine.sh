# shellcheck shell=bash disable=SC2034,SC2154
# The Docker engine: one that answers is used as it is; else one is installed and started.
run=/run/slipway

find_missing_engine() {
    if ! docker info >/dev/null 2>&1; then
        [ -z "${DOCKER_HOST:-}" ] || die "DOCKER_HOST=$DOCKER_HOST does not answer; start it or unset DOCKER_HOST"
        missing_engine=yes
        has dockerd || packages+=(docker.io iptables)
        has docker || [ "$debian" -lt 13 ] || packages+=(docker-cli)
    fi
    docker compose version >/dev/null 2>&1 || add_plugin docker-compose
    docker buildx version >/dev/null 2>&1 || add_plugin docker-buildx
}

add_plugin() {
    if [ "$debian" -eq 12 ]; then packages_from_13+=("$1"); else packages+=("$1"); fi
}

start_engine() {
    docker info >/dev/null 2>&1 && return
    mkdir -p "$run"
    if [ -d /run/systemd/system ]; then
        quietly systemctl start docker
        touch "$run/docker.service"
    else
        setsid dockerd >"$run/dockerd.log" 2>&1 </dev/null &
        echo $! >"$run/dockerd.pid"
    fi
    wait_for_engine
}

wait_for_engine() {
    local tries
    for ((tries = 0; tries < 300; tries++)); do
        docker info >/dev/null 2>&1 && return
        engine_runs || break
        sleep 0.2
    done
    tail -n 5 "$run/dockerd.log" >&2 || true
    die "the Docker engine does not answer; see $run/dockerd.log or 'journalctl -u docker'"
}

engine_runs() {
    [ -e "$run/docker.service" ] || kill -0 "$(cat "$run/dockerd.pid")" 2>/dev/null
}

# Only an engine that this script started is stopped.
stop_engine() {
    if [ -e "$run/docker.service" ]; then
        systemctl stop docker.socket docker
        rm "$run/docker.service"
    elif [ -e "$run/dockerd.pid" ]; then
        stop_process "$(cat "$run/dockerd.pid")"
        rm "$run/dockerd.pid"
    fi
}

stop_process() {
    [ "$(cat "/proc/$1/comm" 2>/dev/null)" = dockerd ] || return 0
    kill "$1"
    while grep -q '^State:.[^Z]' "/proc/$1/status" 2>/dev/null; do sleep 0.2; done
}
