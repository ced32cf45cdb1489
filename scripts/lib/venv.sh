# shellcheck shell=bash disable=SC2034,SC2154
# The virtual environment: Python >= 3.11 and exactly the packages of the lock.
system_ca=/etc/ssl/certs/ca-certificates.crt

# Both are wanted before .venv can be filled: without authorities no package index is believed.
find_missing_python() {
    python=$(find_python) || python_packages+=(python3 python3-venv)
    [ "$debian" -eq 0 ] || [ -e "$system_ca" ] || python_packages+=(ca-certificates)
}

find_python() {
    local candidate
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do
        "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
            2>/dev/null || continue
        echo "$candidate"
        return
    done
    return 1
}

# The development lock holds the other one whole, so it serves both.
venv_is_current() {
    local stamp=.venv/.locks wanted
    [ -x .venv/bin/python ] && [ -r "$stamp" ] || return 1
    for wanted in "$locks" requirements-dev.txt; do
        [ "$(cat "$stamp")" = "$(fingerprint "$wanted")" ] && return
    done
    return 1
}

fingerprint() {
    cat requirements-uv.txt "$1" | sha256sum
}

install_venv() {
    [ -n "${missing_venv:-}" ] || return 0
    use_the_ca_of_this_machine
    python=${python:-$(find_python)}
    .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        quietly "$python" -m venv --clear .venv
    quietly .venv/bin/pip install --require-hashes --requirement requirements-uv.txt
    sync_with_uv || quietly .venv/bin/pip install --require-hashes --requirement "$locks"
    fingerprint "$locks" >.venv/.locks
}

# The index travels in the environment: its address may hold a password.
sync_with_uv() {
    local index
    index=$(.venv/bin/pip config get global.index-url 2>/dev/null || true)
    index=${PIP_INDEX_URL:-$index}
    [ -z "$index" ] || export UV_DEFAULT_INDEX=$index
    .venv/bin/uv pip sync --require-hashes --compile-bytecode --python .venv/bin/python "$locks" >>"$log" 2>&1
}

# A network that signs TLS with its own authority is believed as far as the machine believes it.
use_the_ca_of_this_machine() {
    [ -e "$system_ca" ] || return 0
    export SSL_CERT_FILE=${SSL_CERT_FILE:-$system_ca}
    export PIP_CERT=${PIP_CERT:-$SSL_CERT_FILE}
}
