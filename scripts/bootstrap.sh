#!/usr/bin/env bash
# Bring a machine from nothing to a working checkout: Debian packages, Docker engine, .venv.
#   scripts/bootstrap.sh                what the tasks need
#   scripts/bootstrap.sh --dev          the same with linters and test tools
#   scripts/bootstrap.sh --no-engine    .venv only
#   scripts/bootstrap.sh --stop-engine  stop the engine that an earlier run started
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib/common.sh
. scripts/lib/common.sh
# shellcheck source=scripts/lib/engine.sh
. scripts/lib/engine.sh
# shellcheck source=scripts/lib/packages.sh
. scripts/lib/packages.sh
# shellcheck source=scripts/lib/venv.sh
. scripts/lib/venv.sh

main() {
    parse_arguments "$@"
    find_what_is_missing
    if nothing_is_missing; then return; fi
    refuse_what_cannot_be_installed
    announce
    install_packages "${python_packages[@]}"
    run_side_by_side install_the_rest install_venv
    hand_over_to_the_one_who_used_sudo
    say "ready in $SECONDS s"
}

parse_arguments() {
    locks=requirements.txt
    with_engine=yes
    local argument
    for argument in "$@"; do
        case $argument in
            --dev) locks=requirements-dev.txt ;;
            --no-engine) with_engine=no ;;
            --stop-engine)
                stop_engine
                exit
                ;;
            *) die "unknown argument '$argument'; known: --dev --no-engine --stop-engine" ;;
        esac
    done
}

find_what_is_missing() {
    find_missing_python
    venv_is_current || missing_venv=yes
    if [ "$with_engine" = yes ]; then
        find_missing_tools
        find_missing_engine
    fi
}

nothing_is_missing() {
    [ -z "${missing_venv:-}${missing_engine:-}" ] &&
        [ ${#python_packages[@]} -eq 0 ] && [ ${#packages[@]} -eq 0 ] &&
        [ ${#packages_from_13[@]} -eq 0 ]
}

refuse_what_cannot_be_installed() {
    local wanted=("${python_packages[@]}" "${packages[@]}" "${packages_from_13[@]}")
    [ ${#wanted[@]} -eq 0 ] && [ -z "${missing_engine:-}" ] && return
    [ "$debian" -ge 12 ] ||
        die "this is not Debian 12 or later; provide ${wanted[*]:-a running Docker engine} and try again"
    [ "$(id -u)" -eq 0 ] ||
        die "not root; run 'sudo scripts/bootstrap.sh' once, or provide ${wanted[*]:-a running Docker engine}"
}

announce() {
    local wanted=("${python_packages[@]}" "${packages[@]}")
    [ ${#wanted[@]} -eq 0 ] || say "installs Debian packages: ${wanted[*]}"
    [ ${#packages_from_13[@]} -eq 0 ] || say "installs from Debian 13: ${packages_from_13[*]}"
    [ -z "${missing_engine:-}" ] || say "starts the Docker engine"
    [ -z "${missing_venv:-}" ] || say "fills .venv from $locks"
}

# The tasks run without root afterwards.
hand_over_to_the_one_who_used_sudo() {
    [ "${SUDO_UID:-0}" -ne 0 ] || return 0
    chown -R "$SUDO_UID:$SUDO_GID" .venv
    [ ! -d .state ] || chown -R "$SUDO_UID:$SUDO_GID" .state
    if ! id -nG "$SUDO_USER" | grep -qw docker; then
        usermod --append --groups docker "$SUDO_USER"
        say "added $SUDO_USER to the group docker: log in again for it to count"
    fi
}

install_the_rest() {
    run_side_by_side install_packages_of_this_release download_packages_from_13
    install_packages_from_13
    start_engine
}

main "$@"
